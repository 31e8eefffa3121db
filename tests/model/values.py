"""Section 1: numbers, time and text of the files, read to integers and instants."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction
    from zoneinfo import ZoneInfo

CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
INTEGER = re.compile(r"(-?)([0-9]+)")
DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
LONGEST_NAME = 80
FIRST_YEAR, LAST_YEAR = 1900, 2199
BELOW = 10**10
DIGITS = 18  # more significant digits than any number here may have


class InvalidError(Exception):
    """A value that cannot be read or is out of range."""


def plain(text: str) -> str:
    """Any text without control characters."""
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise InvalidError(text)
    return text


def code(text: str) -> str:
    if not CODE.fullmatch(text):
        raise InvalidError(text)
    return text


def blank_or_code(text: str) -> str:
    return code(text) if text else ""


def name(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_NAME:
        raise InvalidError(text)
    return plain(text)


def one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise InvalidError(text)
    return text


def whole(text: str, *, least: int, most: int | None = None) -> int:
    """An integer; a leading minus only where the least is below zero."""
    found = INTEGER.fullmatch(text)
    if not found or (found[1] and least >= 0):
        raise InvalidError(text)
    digits = found[2].lstrip("0") or "0"
    if len(digits) > DIGITS:
        raise InvalidError(text)
    value = -int(digits) if found[1] else int(digits)
    if value < least or (most is not None and value > most):
        raise InvalidError(text)
    return value


def decimal(text: str, *, decimals: int, signed: bool = False) -> int:
    """A plain decimal string as a count of its last place."""
    found = DECIMAL.fullmatch(text)
    if not found or (found[1] and not signed):
        raise InvalidError(text)
    major, minor = found[2].lstrip("0") or "0", found[3] or ""
    if len(minor) > decimals or len(major) > DIGITS:
        raise InvalidError(text)
    value: int = int(major) * 10**decimals + int(minor.ljust(decimals, "0") or "0")
    return -value if found[1] else value


def amount(text: str, decimals: int, *, signed: bool = False, below: int = BELOW) -> int:
    value = decimal(text, decimals=decimals, signed=signed)
    if abs(value) >= below * 10**decimals:
        raise InvalidError(text)
    return value


def ppm(text: str) -> int:
    value = decimal(text, decimals=6)
    if value > 10**6:
        raise InvalidError(text)
    return value


def day(text: str) -> date:
    found = DAY.fullmatch(text)
    if not found:
        raise InvalidError(text)
    try:
        value = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as error:
        raise InvalidError(text) from error
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise InvalidError(text)
    return value


def blank_or_day(text: str) -> date | None:
    return day(text) if text else None


def interval(starts: str, ends: str) -> tuple[date | None, date | None]:
    starts_on, ends_on = blank_or_day(starts), blank_or_day(ends)
    if starts_on is not None and ends_on is not None and ends_on <= starts_on:
        raise InvalidError(ends)
    return starts_on, ends_on


def offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    length = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or length > timedelta(hours=14):
        raise InvalidError(text)
    return timezone(-length if text[0] == "-" else length)


def instant(text: str, zone: ZoneInfo) -> datetime:
    """The instant in UTC; without an offset it is the brand's local time, the first of two."""
    found = INSTANT.fullmatch(text)
    if not found:
        raise InvalidError(text)
    year = int(found[1])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InvalidError(text)
    try:
        written = datetime(
            year,
            int(found[2]),
            int(found[3]),
            int(found[4]),
            int(found[5]),
            int(found[6] or "0"),
            int((found[7] or "").ljust(6, "0")),
            tzinfo=offset(found[8]) if found[8] else zone,
            fold=0,
        )
    except ValueError as error:
        raise InvalidError(text) from error
    return written.astimezone(UTC)


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def rounded(value: Fraction) -> int:
    """Half away from zero."""
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -size if value < 0 else size


def money(value: int, decimals: int) -> str:
    """With exactly the currency's decimals."""
    sign, size = ("-" if value < 0 else ""), abs(value)
    if not decimals:
        return f"{sign}{size}"
    return f"{sign}{size // 10**decimals}.{size % 10**decimals:0{decimals}d}"


def shortest(value: int, decimals: int) -> str:
    text = money(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def utc_text(moment: datetime) -> str:
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}Z"
