"""Tax withheld on payments to individuals: which dated terms hold for a period. The arithmetic is in compute.sql, step 4."""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from qucheng.core import db

Name = Literal["none", "cn-labor", "cn-platform"]
TERMS = Path(__file__).with_name("withholding.toml")


class Bracket(msgspec.Struct, frozen=True):
    """For taxable amounts above over_minor: rate_ppm of the whole, less quick_minor."""

    over_minor: int
    rate_ppm: int
    quick_minor: int


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """Up to flat_until_minor the taxable amount is what was paid less flat_deduction_minor; above it, share_ppm of what was
    paid less monthly_deduction_minor for each month. cumulative: over the months of the calendar year since in_force_from.
    """

    in_force_from: dt.date
    source: str
    flat_until_minor: int
    flat_deduction_minor: int
    share_ppm: int
    monthly_deduction_minor: int
    cumulative: bool
    brackets: list[Bracket]
    before: Literal["cn-labor"] | None = None


@functools.cache
def schemes() -> dict[str, Scheme]:
    return msgspec.convert(tomllib.loads(TERMS.read_text(encoding="utf-8")), dict[str, Scheme])


def name_in_force(name: Name, period: dt.date) -> Name:
    """The scheme that holds in the period (its first day) for a brand that withholds by `name`."""
    scheme = None if name == "none" else schemes()[name]
    if scheme is not None and scheme.before is not None and period < scheme.in_force_from:
        return name_in_force(scheme.before, period)
    return name


def counts_since(scheme: Scheme, period: dt.date) -> dt.date | None:
    """From which period on earlier payments of the year count; None where only the month itself does."""
    return max(period.replace(month=1), scheme.in_force_from) if scheme.cumulative else None


async def stage(*, name: Name, period: dt.date) -> None:
    """Puts the terms into the temporary tables `withholding` (no row for none) and `withholding_bracket`."""
    connection = db.connection()
    await connection.execute("""
        CREATE TEMP TABLE withholding (flat_until_minor bigint, flat_deduction_minor bigint, share_ppm integer,
                                       monthly_deduction_minor bigint, counts_since date) ON COMMIT DROP;
        CREATE TEMP TABLE withholding_bracket (over_minor bigint, rate_ppm integer, quick_minor bigint) ON COMMIT DROP;""")
    held = name_in_force(name, period)
    if held == "none":
        return
    scheme = schemes()[held]
    await connection.execute(
        "INSERT INTO withholding VALUES ($1, $2, $3, $4, $5)",
        scheme.flat_until_minor,
        scheme.flat_deduction_minor,
        scheme.share_ppm,
        scheme.monthly_deduction_minor,
        counts_since(scheme, period),
    )
    await connection.executemany(
        "INSERT INTO withholding_bracket VALUES ($1, $2, $3)",
        [(b.over_minor, b.rate_ppm, b.quick_minor) for b in scheme.brackets],
    )
