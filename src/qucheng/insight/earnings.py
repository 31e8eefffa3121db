"""What resellers may be told about earnings: the one in the middle of a tier, of a settled month; never the best, and never of few."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import uuid

    from qucheng.identity.brand import Brand

LEAST_PERSONS = 5
"""Held by the database: fewer would tell of persons."""


class Median(msgspec.Struct, frozen=True, kw_only=True):
    """Commissions and bonuses less what went back, before tax and adjustments. Those who earned nothing count."""

    month: dt.date
    tier: str | None
    persons: int
    median_minor: int


async def median(*, brand_id: uuid.UUID, month: dt.date, tier: str | None = None, reseller: str | None = None) -> Median | None:
    """None where fewer than five stood in the tier at the end of the month, or the month is not settled and published."""
    async with db.atomic(brand_id, reseller=reseller):
        row = await db.connection().fetchrow("SELECT * FROM median_earnings($1, $2)", month, tier)
    return None if row is None else Median(month=month, tier=tier, **dict(row))


async def last_month(*, brand_id: uuid.UUID, reseller: str | None = None) -> dt.date | None:
    """The last that is settled and published."""
    async with db.atomic(brand_id, reseller=reseller):
        month: dt.date | None = await db.connection().fetchval(
            "SELECT max(starts_on) FROM period WHERE starts_on <> ALL (unpublished_periods())"
        )
    return month


async def newest(*, brand: Brand, reseller: str, tier: str) -> Median | None:
    """Of the last month that its people see settled, in its own tier."""
    month = await last_month(brand_id=brand.id, reseller=reseller)
    return None if month is None else await median(brand_id=brand.id, month=month, tier=tier, reseller=reseller)
