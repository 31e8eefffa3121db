"""What keeps a draft from being submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.catalog.price_records import Fault, Faults
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid


async def faults(*, brand_id: uuid.UUID, version: int, from_day: dt.date, most: int = 200, skip: int = 0) -> Faults:
    """On that day and later: prices below the floor, floors below the cost, prices for a tier where the SKU is not sold."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT *, count(*) OVER () AS whole FROM price_faults($1, $2, $3)"
            ' ORDER BY sku COLLATE "C", code, channel COLLATE "C" NULLS FIRST, tier COLLATE "C" NULLS FIRST, starts_on LIMIT $4 OFFSET $5',
            brand_id,
            version,
            from_day,
            most,
            skip,
        )
        count = rows[0]["whole"] if rows else 0
        if not rows and skip:
            count = await db.connection().fetchval("SELECT count(*) FROM price_faults($1, $2, $3)", brand_id, version, from_day)
    return Faults(rows=tuple(Fault(**{name: row[name] for name in Fault.__struct_fields__}) for row in rows), count=count)
