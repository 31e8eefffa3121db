"""What the columns of a price matrix are called: channels and tiers by name, with how many resellers a tier has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """kind: of a channel. resellers: of a tier on that day."""

    code: str
    name: str
    kind: str | None = None
    resellers: int | None = None


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Channels by code, tiers by rank."""

    channels: dict[str, Named]
    tiers: dict[str, Named]
    categories: tuple[str, ...]
    tags: tuple[str, ...]


async def labels(*, brand_id: uuid.UUID, day: dt.date) -> Labels:
    async with db.atomic(brand_id):
        channels = await db.connection().fetch('SELECT code, name, kind FROM channel ORDER BY code COLLATE "C"')
        tiers = await db.connection().fetch(
            "SELECT t.code, t.name, (SELECT count(*) FROM placement_span s WHERE s.brand_id = t.brand_id AND s.tier = t.code"
            ' AND s.starts_on <= $1 AND $1 < s.ends_on) AS resellers FROM tier t ORDER BY t.rank, t.code COLLATE "C"',
            day,
        )
        categories = await db.connection().fetch('SELECT DISTINCT category COLLATE "C" AS category FROM sku ORDER BY 1')
        tags = await db.connection().fetch('SELECT name FROM tag ORDER BY name COLLATE "C"')
    return Labels(
        channels={row["code"]: Named(**dict(row)) for row in channels},
        tiers={row["code"]: Named(**dict(row)) for row in tiers},
        categories=tuple(row["category"] for row in categories),
        tags=tuple(row["name"] for row in tags),
    )
