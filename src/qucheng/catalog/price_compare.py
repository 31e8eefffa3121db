"""What one version says otherwise than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.catalog import price_draft, price_errors
from qucheng.catalog.price_records import Compared
from qucheng.core import db

if TYPE_CHECKING:
    import uuid


async def compare(*, brand_id: uuid.UUID, a: int | None, b: int, skip: int = 0, most: int = 200) -> Compared:
    """By SKU, channel and tier: what stands in `a` and what in `b`. a None: of a brand without prices. Raises PriceVersionUnknownError."""
    async with db.atomic(brand_id):
        there = await db.connection().fetchval("SELECT array_agg(number) FROM price_version WHERE number IN ($1, $2)", a, b)
        for number in {a, b} - {None} - set(there or ()):
            raise price_errors.PriceVersionUnknownError(f"There is no price version {number}.")
        rows = await db.connection().fetch(
            "SELECT limits, sku, channel, tier, before::text AS before, after::text AS after, count(*) OVER () AS total FROM price_difference($1, $2)"
            ' ORDER BY sku COLLATE "C", limits, channel COLLATE "C" NULLS FIRST, tier COLLATE "C" NULLS FIRST LIMIT $3 OFFSET $4',
            a,
            b,
            most,
            skip,
        )
        total = rows[0]["total"] if rows else 0
        if not rows and skip:
            total = await db.connection().fetchval("SELECT count(*) FROM price_difference($1, $2)", a, b)
    return Compared(rows=tuple(price_draft.difference(row) for row in rows), total=total)
