"""The model of the specification reproduces the golden cases and the specification's own figures."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.model import kernel, periods, settle, values, withholding
from tests.model.periods import Period
from tests.model.records import Reseller

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/bundle"))


def three_columns(path: Path) -> list[tuple[str, int, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["file"], int(row["row"]), row["code"]) for row in csv.DictReader(file)]


def test_all_cases_are_here() -> None:
    assert len(CASES) == 12


@pytest.mark.parametrize("case", CASES)
def test_a_golden_case_byte_for_byte(case: str) -> None:
    got, want = settle(GOLDEN / case / "bundle", "2026-07"), GOLDEN / case / "expected"
    assert got.statements_csv == (want / "statements.csv").read_bytes()
    assert got.entries_csv == (want / "entries.csv").read_bytes()
    assert got.journal_csv == (want / "journal.csv").read_bytes()
    assert got.rejected == three_columns(want / "rejected.csv")
    assert got.flags == three_columns(want / "flags.csv")


@pytest.mark.parametrize(
    ("payable", "tax"),
    [
        ("800.00", "0.00"),
        ("800.01", "0.00"),
        ("3000.00", "440.00"),
        ("4000.00", "640.00"),
        ("10000.00", "1600.00"),
        ("25000.00", "4000.00"),
        ("30000.00", "5200.00"),
        ("62500.00", "13000.00"),
        ("100000.00", "25000.00"),
    ],
)
def test_cn_labor_table(payable: str, tax: str) -> None:
    assert values.money(withholding.labor(values.amount(payable, 2)), 2) == tax


def person(code: str, identity: str, kind: str = "individual") -> Reseller:
    return Reseller(code, code, kind, "", "t", date(2026, 1, 1), identity)


def test_three_payments_of_one_month_withhold_together() -> None:
    office = withholding.Withholder("cn-labor")
    taxes = [office.tax(person(code, "one person"), Period(2026, 3), 200_000) for code in ("a", "b", "c")]
    assert taxes == [24_000, 40_000, 32_000]
    assert office.tax(person("d", "one person", "company"), Period(2026, 3), 200_000) == 0
    assert office.tax(person("a", "one person"), Period(2026, 4), 200_000) == 24_000


def test_tax_is_never_more_than_the_payment() -> None:
    office = withholding.Withholder("cn-labor")
    assert office.tax(person("a", "x"), Period(2026, 3), 80_000) == 0
    assert office.tax(person("b", "x"), Period(2026, 3), 1) == 0
    assert [office.tax(person(code, "y"), Period(2026, 3), 400_000) for code in "ab"] == [64_000, 64_000]
    assert office.tax(person("c", ""), Period(2026, 3), 400_001) == 64_000


def test_cn_platform_cumulates_over_a_year() -> None:
    office, one = withholding.Withholder("cn-platform"), person("a", "")
    assert [office.tax(one, Period(2026, month), 714_000) for month in range(1, 6)] == [2_136] * 5
    assert [
        office.tax(person("b", ""), Period(2027, month), paid * 100)
        for month, paid in enumerate((10_000, 10_000, 30_000, 100_000), start=1)
    ] == [9_000, 9_000, 57_000, 673_000]


def test_cn_platform_is_in_force_since_october_2025() -> None:
    office, one = withholding.Withholder("cn-platform"), person("a", "")
    assert office.tax(one, Period(2025, 9), 1_000_000) == 160_000
    assert office.tax(one, Period(2025, 10), 1_000_000) == 9_000
    assert office.tax(one, Period(2025, 12), 700_000) == 0, "two months more, the one without a payment counted"


def test_rounding_is_half_away_from_zero() -> None:
    assert [values.rounded(Fraction(twice, 2)) for twice in (-3, -1, 0, 1, 3)] == [-2, -1, 0, 1, 2]
    assert values.rounded(Fraction(10**30 * 2 + 1, 2)) == 10**30 + 1


def test_shares_of_the_cap_go_by_largest_remainder_then_level() -> None:
    assert kernel.shares([5, 5, 5], 10) == [4, 3, 3]
    assert kernel.shares([1, 2, 4], 5) == [1, 1, 3]
    assert kernel.shares([7, 0, 1], 0) == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-03-08T02:30:00", "America/New_York", "2026-03-08T07:30:00Z"),  # a gap: the offset before it
        ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30:00Z"),  # twice: the first
        ("2026-11-01T01:30:59.999999-05:00", "America/New_York", "2026-11-01T06:30:59Z"),
        ("2026-03-01T00:00+14:00", "Asia/Shanghai", "2026-02-28T10:00:00Z"),
        ("1900-01-01T00:00Z", "UTC", "1900-01-01T00:00:00Z"),
    ],
)
def test_instants(text: str, zone: str, utc: str) -> None:
    assert values.utc_text(values.instant(text, ZoneInfo(zone))) == utc


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00",
        "2026-02-20",
        "2026-02-20 00:00",
        "1899-12-31T23:59",
        "2200-01-01T00:00",
        "2026-02-20T24:00",
        "2026-02-20T00:00+14:01",
        "2026-02-20T00:00+08:60",
        "2026-02-20T00:00:00.",
        "２０２６-02-20T00:00",
    ],
)
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(values.InvalidError):
        values.instant(text, ZoneInfo("UTC"))


@pytest.mark.parametrize("text", ["1.", ".5", "+1", "1e3", "1,000", "-1", " 1", "1.001", "10000000000", "１", "", "9" * 5000])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(values.InvalidError):
        values.amount(text, 2)


def test_what_is_an_amount() -> None:
    assert values.amount("9999999999.99", 2) == 999_999_999_999
    assert values.amount("0" * 5000 + "1.5", 2) == 150
    assert values.amount("-0.01", 2, signed=True) == -1
    assert values.amount("7", 0) == 7


def test_periods_are_intervals_of_instants_also_where_midnight_comes_twice() -> None:
    havana, st_johns = ZoneInfo("America/Havana"), ZoneInfo("America/St_Johns")
    assert periods.start(Period(2026, 11), havana) == datetime(2026, 11, 1, 4, tzinfo=UTC)
    # the clock shows 00:00:59 on 1 November, then 23:01 on 31 October again: that minute is in November's period
    assert values.local_date(datetime(2009, 11, 1, 2, 31, tzinfo=UTC), st_johns) == date(2009, 10, 31)
    assert periods.holding(datetime(2009, 11, 1, 2, 31, tzinfo=UTC), st_johns) == Period(2009, 11)
