"""Months of the brand's local time, as half-open intervals of instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


@dataclass(frozen=True, order=True)
class Period:
    year: int
    month: int

    @property
    def next(self) -> Period:
        return Period(self.year + 1, 1) if self.month == 12 else Period(self.year, self.month + 1)

    @property
    def before(self) -> Period:
        return Period(self.year - 1, 12) if self.month == 1 else Period(self.year, self.month - 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def compact(self) -> str:
        return f"{self.year:04d}{self.month:02d}"


def parse(text: str) -> Period:
    year, month = text.split("-")
    return Period(int(year), int(month))


@cache
def start(period: Period, zone: ZoneInfo) -> datetime:
    return datetime(period.year, period.month, 1, tzinfo=zone).astimezone(UTC)


def end(period: Period, zone: ZoneInfo) -> datetime:
    return start(period.next, zone)


def holding(moment: datetime, zone: ZoneInfo) -> Period:
    """The period whose interval holds the instant (by its ends, since clocks can go back over midnight)."""
    local = moment.astimezone(zone)
    found = Period(local.year, local.month)
    if moment < start(found, zone):
        return found.before
    return found.next if moment >= end(found, zone) else found
