"""What a reseller earned day by day, counted on the day of payment and before refunds."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import clock, db
from qucheng.insight import portal

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

Range = Literal["7", "30", "year"]
EARNED = f"""
    SELECT (occurred_at AT TIME ZONE $3)::date AS day, sum(amount_minor)::bigint AS amount_minor FROM accrual
    WHERE {portal.EARNED.rpartition("WHERE")[2]} GROUP BY day"""


class Bar(msgspec.Struct, frozen=True):
    """A day, or of a year a month, by its first day."""

    day: dt.date
    amount_minor: int


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """The last bar is not over. before_minor: of as many days before, None for a year."""

    bars: tuple[Bar, ...]
    total_minor: int
    before_minor: int | None


async def earned(*, brand: Brand, reseller: str, span: Range, now: dt.datetime) -> Daily:
    day = portal.today(brand, now)
    if span == "year":
        found = await _by_day(brand, reseller, dt.date(day.year, 1, 1), day)
        months = [dt.date(day.year, month, 1) for month in range(1, day.month + 1)]
        sums = {month: sum(amount for each, amount in found.items() if each.month == month.month) for month in months}
        bars = tuple(Bar(month, sums[month]) for month in months)
        return Daily(bars=bars, total_minor=sum(sums.values()), before_minor=None)
    days = int(span)
    first = day - dt.timedelta(days=days - 1)
    found = await _by_day(brand, reseller, first - dt.timedelta(days=days), day)
    bars = tuple(Bar(each, found.get(each, 0)) for each in (first + dt.timedelta(days=number) for number in range(days)))
    before = sum(amount for each, amount in found.items() if each < first)
    return Daily(bars=bars, total_minor=sum(bar.amount_minor for bar in bars), before_minor=before)


async def _by_day(brand: Brand, reseller: str, first: dt.date, last: dt.date) -> dict[dt.date, int]:
    """Of the days from first to last, both counted, those on which anything was earned."""
    since, until = (
        clock.instant_of_local(dt.datetime.combine(day, dt.time()), brand.time_zone)
        for day in (first, last + dt.timedelta(days=1))
    )
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(EARNED, since, until, brand.time_zone)
    return {row["day"]: row["amount_minor"] for row in rows}
