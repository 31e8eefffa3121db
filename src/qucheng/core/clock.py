"""The time, asked once at the door and passed on; and the brand's local calendar."""

from __future__ import annotations

import datetime as dt
import zoneinfo


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def instant_of_local(local: dt.datetime, zone: str) -> dt.datetime:
    """The instant of a local time: of an hour that occurs twice the first, in a gap with the offset before it."""
    return local.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=0).astimezone(dt.UTC)


def month_after(first_day: dt.date) -> dt.date:
    return (first_day.replace(day=1) + dt.timedelta(days=31)).replace(day=1)


def month_bounds(first_day: dt.date, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """The instants at which the local month starts and ends (half-open)."""
    start, end = (dt.datetime.combine(day, dt.time()) for day in (first_day, month_after(first_day)))
    return instant_of_local(start, zone), instant_of_local(end, zone)
