"""Rates as people write them: shares (`0.06`, `6%`), money for a unit (`1.50`), brackets (`0:0;5000:1%`). Exact, without a float."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from qucheng.core import money

MILLION = 1_000_000
SHARE_DECIMALS = 6
PERCENT_DECIMALS = 4
# money for a unit is less than this, in major units
PER_UNIT_BELOW = 1_000_000
BONUSES = ("graduated", "slab")


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """from_value: minor units, or a plain count for basis `unit`. One of the two rates is set."""

    from_value: int
    rate_ppm: int | None = None
    rate_minor: int | None = None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """text: the shortest form, which is the one that is stored."""

    text: str
    ppm: int | None = None
    minor: int | None = None
    brackets: tuple[Bracket, ...] = ()


NONE = Rate(text="")


def read(kind: str, basis: str | None, text: str, decimals: int) -> Rate:
    """Raises ValueError for what cannot be read. A kind that cannot be paid takes a share or an amount."""
    text = text.translate({0xFF05: "%", 0xFF1A: ":", 0xFF1B: ";"})
    if kind in BONUSES:
        return _brackets(basis, text, decimals)
    if kind == "per_unit":
        minor = _amount(text, decimals)
        return Rate(text=money.format_plain(minor, decimals), minor=minor)
    try:
        ppm = _share(text)
    except ValueError:
        if kind == "percent":
            raise
        minor = money.parse_typed(text, decimals)
        return Rate(text=money.format_plain(minor, decimals))
    return Rate(text=shortest(ppm, SHARE_DECIMALS), ppm=ppm if kind == "percent" else None)


def parsed(kind: str, basis: str | None, text: str, decimals: int) -> Rate:
    """Of a text in its stored form."""
    return read(kind, basis, text, decimals) if text else NONE


def _share(text: str) -> int:
    number = text.strip()
    if number.endswith("%"):
        ppm = money.parse_plain(number.removesuffix("%").strip(), PERCENT_DECIMALS)
    else:
        ppm = money.parse_plain(number, SHARE_DECIMALS)
    if ppm > MILLION:
        raise ValueError("a share is at most 1")
    return ppm


def _amount(text: str, decimals: int) -> int:
    minor = money.parse_plain(text.strip(), decimals)
    if minor >= PER_UNIT_BELOW * 10**decimals:
        raise ValueError("money for a unit is less than 10^6")
    return minor


def _brackets(basis: str | None, text: str, decimals: int) -> Rate:
    found = []
    for pair in text.split(";"):
        start, colon, rate = pair.partition(":")
        if not colon:
            raise ValueError("a bracket is from:rate")
        if basis == "unit":
            found.append(Bracket(from_value=money.parse_plain(start.strip(), 0), rate_minor=_amount(rate, decimals)))
        else:
            found.append(Bracket(from_value=money.parse_plain(start.strip(), decimals), rate_ppm=_share(rate)))
    if found[0].from_value != 0 or any(after.from_value <= before.from_value for before, after in pairwise(found)):
        raise ValueError("brackets start at 0 and rise")
    return Rate(text=";".join(_bracket(each, decimals) for each in found), brackets=tuple(found))


def _bracket(bracket: Bracket, decimals: int) -> str:
    if bracket.rate_minor is not None:
        return f"{bracket.from_value}:{money.format_plain(bracket.rate_minor, decimals)}"
    return f"{shortest(bracket.from_value, decimals)}:{shortest(bracket.rate_ppm or 0, SHARE_DECIMALS)}"


def shortest(value: int, decimals: int) -> str:
    whole, point, fraction = money.format_plain(value, decimals).partition(".")
    fraction = fraction.rstrip("0")
    return whole + (point + fraction if fraction else "")
