"""Channels: where it is sold. A reseller earns in an agency channel; in a wholesale channel it is the buyer."""

from __future__ import annotations

from qucheng.core import db


async def add(*, staged: str) -> None:
    await db.connection().execute(
        f"INSERT INTO channel (brand_id, code, name, kind) SELECT current_brand(), code, name, kind FROM {staged} WHERE fault IS NULL"
    )
