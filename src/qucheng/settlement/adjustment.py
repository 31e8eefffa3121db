"""Adjustments: amounts a person adds or takes, with the reason."""

from __future__ import annotations

from qucheng.core import db


async def add(*, staged: str, intake: int) -> None:
    await db.connection().execute(
        f"""INSERT INTO adjustment (brand_id, code, intake, source_row, reseller, occurred_at, amount_minor, reason)
            SELECT current_brand(), code, $1, row, reseller, occurred_at, amount_minor, reason FROM {staged} WHERE fault IS NULL""",
        intake,
    )
