"""Rates of rules as people write and read them: `6%` and `6.25`, money for a unit, and brackets line by line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qucheng.core import money

PPM_DECIMALS = 6
PERCENT_DECIMALS = 4
WHOLE_PPM = 1_000_000
MOST_MONEY = 10**6
_WIDE = str.maketrans({"％": "%", "．": ".", "，": ",", **{chr(0xFF10 + n): str(n) for n in range(10)}})
_PERCENT = re.compile(r"0*([0-9]{1,3})(?:\.([0-9]{1,4}))?[ \u00a0\u3000]*%?")
_UNITS = re.compile(r"[0-9]{1,10}|[0-9]{1,3}(?:,[0-9]{3})+")
BONUSES = ("graduated", "slab")


def share(typed: str) -> str:
    """`6%`, `6` and `6.00` are `0.06`. ValueError for what is no percentage from 0 to 100 with at most four decimals."""
    found = _PERCENT.fullmatch(typed.strip().translate(_WIDE))
    if found is None:
        raise ValueError("not a percentage")
    ppm = int(found[1] + (found[2] or "").ljust(PERCENT_DECIMALS, "0"))
    if ppm > WHOLE_PPM:
        raise ValueError("more than all of it")
    return _shortest(money.format_plain(ppm, PPM_DECIMALS))


def amount(typed: str, decimals: int) -> str:
    """Money as it is written in files."""
    minor = money.parse_typed(typed, decimals)
    if minor < 0:
        raise ValueError("less than nothing")
    return money.format_plain(minor, decimals)


def per_unit(typed: str, decimals: int) -> str:
    found = amount(typed, decimals)
    if money.parse_plain(found, decimals) >= MOST_MONEY * 10**decimals:
        raise ValueError("too much for a unit")
    return found


def brackets(pairs: Sequence[tuple[str, str]], basis: str, decimals: int) -> str:
    """Rows of a form, `from` and rate; those left blank do not count. ValueError for no row, or a row that can't be read."""
    filled = [(since.strip(), rate.strip()) for since, rate in pairs if since.strip() or rate.strip()]
    if not filled:
        raise ValueError("no bracket")
    return ";".join(f"{_since(since, basis, decimals)}:{_rate(rate, basis, decimals)}" for since, rate in filled)


def shown(kind: str, basis: str, rate: str) -> str:
    """Of a rule without brackets: `6.00%`, or the money for one unit. What can't be read is shown as it stands."""
    return rate if kind == "per_unit" or basis == "unit" else percent(rate)


def percent(rate: str) -> str:
    """`0.06` is `6.00%`."""
    try:
        ppm = money.parse_plain(rate, PPM_DECIMALS)
    except ValueError:
        return rate
    return of_ppm(ppm)


def of_ppm(ppm: int) -> str:
    digits = money.format_plain(ppm, PERCENT_DECIMALS)
    return f"{digits[:-2]}{digits[-2:].rstrip('0')}%"


def pairs(rate: str, basis: str) -> list[tuple[str, str]]:
    """Brackets as they stand in a form: percentages without their sign."""
    found = [each.partition(":") for each in rate.split(";") if each]
    return [(since, value if basis == "unit" else percent(value).removesuffix("%")) for since, _, value in found]


def shown_pairs(rate: str, basis: str) -> list[tuple[str, str]]:
    return [(_grouped(since), value if basis == "unit" else f"{value}%") for since, value in pairs(rate, basis)]


def _grouped(digits: str) -> str:
    whole, point, fraction = digits.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole.isdigit() else digits


def _since(typed: str, basis: str, decimals: int) -> str:
    if basis != "unit":
        return amount(typed, decimals)
    plain = typed.translate(_WIDE)
    if _UNITS.fullmatch(plain) is None:
        raise ValueError("not a whole number")
    return str(int(plain.replace(",", "")))


def _rate(typed: str, basis: str, decimals: int) -> str:
    return per_unit(typed, decimals) if basis == "unit" else share(typed)


def _shortest(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
