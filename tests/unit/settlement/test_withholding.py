"""Which dated terms hold in which period, and that the tables themselves hang together."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

import pytest

from qucheng.settlement import withholding

if TYPE_CHECKING:
    from qucheng.settlement.withholding import Name

SEPTEMBER, OCTOBER, NEXT_JANUARY = dt.date(2025, 9, 1), dt.date(2025, 10, 1), dt.date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "period", "held"),
    [
        ("none", SEPTEMBER, "none"),
        ("none", OCTOBER, "none"),
        ("cn-labor", SEPTEMBER, "cn-labor"),
        ("cn-labor", NEXT_JANUARY, "cn-labor"),
        ("cn-platform", dt.date(1994, 1, 1), "cn-labor"),
        ("cn-platform", SEPTEMBER, "cn-labor"),
        ("cn-platform", OCTOBER, "cn-platform"),
        ("cn-platform", NEXT_JANUARY, "cn-platform"),
    ],
)
def test_the_scheme_that_holds_in_a_period(name: Name, period: dt.date, held: Name) -> None:
    assert withholding.name_in_force(name, period) == held


@pytest.mark.parametrize(
    ("name", "period", "since"),
    [
        ("cn-labor", NEXT_JANUARY, None),
        ("cn-platform", OCTOBER, OCTOBER),
        ("cn-platform", dt.date(2025, 12, 1), OCTOBER),
        ("cn-platform", NEXT_JANUARY, NEXT_JANUARY),
        ("cn-platform", dt.date(2026, 12, 1), NEXT_JANUARY),
    ],
)
def test_since_when_payments_of_the_year_count(name: str, period: dt.date, since: dt.date | None) -> None:
    assert withholding.counts_since(withholding.schemes()[name], period) == since


def test_the_schemes_are_dated_and_sourced() -> None:
    schemes = withholding.schemes()
    assert {name: scheme.in_force_from for name, scheme in schemes.items()} == {
        "cn-labor": dt.date(1994, 1, 1),
        "cn-platform": OCTOBER,
    }
    assert all(len(scheme.source) > 20 for scheme in schemes.values())


@pytest.mark.parametrize("name", ["cn-labor", "cn-platform"])
def test_the_tax_rises_without_a_jump_and_never_as_fast_as_the_payment(name: str) -> None:
    """The quick deductions make neighbouring brackets meet at their border; at most 45 % of any further 分 is tax."""
    scheme = withholding.schemes()[name]
    assert scheme.brackets[0].over_minor == 0
    for below, above in itertools.pairwise(scheme.brackets):
        assert below.over_minor < above.over_minor
        assert below.rate_ppm < above.rate_ppm < 1_000_000
        border = above.over_minor
        assert border * below.rate_ppm - below.quick_minor * 1_000_000 == border * above.rate_ppm - above.quick_minor * 1_000_000


def test_the_two_ways_to_the_taxable_amount_meet() -> None:
    """At 4 000 yuan, 800 off the whole is 20 % off it."""
    scheme = withholding.schemes()["cn-labor"]
    flat = scheme.flat_until_minor - scheme.flat_deduction_minor
    assert flat * 1_000_000 == scheme.flat_until_minor * scheme.share_ppm
