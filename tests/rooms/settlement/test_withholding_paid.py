"""The tables of withholding, to the 分, on statements that a bundle of adjustments really made. Amounts in 分."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

# in which month, to whom, how many 元
Payment = tuple[str, str, str]
ONE, TWO, THREE = (f"P{n},{n}号,individual,,gold,2025-01-01,same" for n in (1, 2, 3))
ALONE, NAMED = "P4,四号,individual,,gold,2025-01-01,", "P5,五号,individual,,gold,2025-01-01,someone"
FIRM, FIRM_OF_ONE = "F1,某公司,company,,gold,2025-01-01,", "F2,某商行,company,,gold,2025-01-01,same"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


async def taxes(
    folder: Path, scheme: str, resellers: list[str], payments: list[Payment], *, least: str = "0", through: str = "2026-12"
) -> list[tuple[str, str, int, int]]:
    """Month, reseller, tax and net of every statement."""
    books.write(
        folder,
        code=f"b-{uuid.uuid4().hex[:20]}",
        settlement=f'hold_days = 0\nmin_payout = "{least}"\nwithholding = "{scheme}"',
        resellers=resellers,
        adjustments=[f"A{at},{who},{month}-15T12:00:00,{amount},payment" for at, (month, who, amount) in enumerate(payments)],
    )
    brand = await books.settled(folder, through)
    found = await books.seen(
        brand, "SELECT to_char(period, 'YYYY-MM'), reseller, tax_minor, net_minor FROM statement ORDER BY period, number"
    )
    assert (
        sum(tax for _, _, tax, _ in found)
        == (
            await books.seen(brand, "SELECT coalesce(sum(credit_minor), 0)::bigint FROM posting WHERE account = 'liability:tax'")
        )[0][0]
    )
    return [(month, reseller, tax, net) for month, reseller, tax, net in found]


LABOR = [
    ("0.01", 0, 1),
    ("800.00", 0, 80_000),
    ("800.01", 0, 80_001),
    ("800.02", 0, 80_002),
    ("800.03", 1, 80_002),
    ("3000.00", 44_000, 256_000),
    ("4000.00", 64_000, 336_000),
    ("4000.01", 64_000, 336_001),
    ("10000.00", 160_000, 840_000),
    ("25000.00", 400_000, 2_100_000),
    ("30000.00", 520_000, 2_480_000),
    ("62500.00", 1_300_000, 4_950_000),
    ("100000.00", 2_500_000, 7_500_000),
]


@pytest.mark.usefixtures("workspace")
async def test_labor_by_the_table(folder: Path) -> None:
    resellers = [f"R{at:02},{at},individual,,gold,2025-01-01," for at in range(len(LABOR))]
    payments = [("2026-03", f"R{at:02}", amount) for at, (amount, _, _) in enumerate(LABOR)]
    found = await taxes(folder, "cn-labor", resellers, payments)
    assert found == [("2026-03", f"R{at:02}", tax, net) for at, (_, tax, net) in enumerate(LABOR)]


@pytest.mark.usefixtures("workspace")
async def test_labor_takes_the_payments_of_one_person_in_a_month_as_one(folder: Path) -> None:
    found = await taxes(folder, "cn-labor", [ONE, TWO, THREE], [("2026-03", f"P{n}", "2000.00") for n in (1, 2, 3)])
    assert found == [
        ("2026-03", "P1", 24_000, 176_000),
        ("2026-03", "P2", 40_000, 160_000),
        ("2026-03", "P3", 32_000, 168_000),
    ]


@pytest.mark.usefixtures("workspace")
async def test_labor_takes_persons_and_months_apart(folder: Path) -> None:
    payments = [("2026-03", who, "2000.00") for who in ("P1", "P4", "P5")] + [
        ("2026-04", "P1", "2000.00"),
        ("2026-04", "P4", "2000.00"),
    ]
    found = await taxes(folder, "cn-labor", [ONE, ALONE, NAMED], payments)
    assert [tax for _, _, tax, _ in found] == [24_000] * 5


@pytest.mark.usefixtures("workspace")
async def test_labor_rounds_the_tax_on_the_sum_not_that_on_the_payment(folder: Path) -> None:
    """So a payment of one 分 may go to the tax as a whole, and the next one bears none."""
    payments = [("2026-03", "P1", "800.02"), ("2026-03", "P2", "0.01"), ("2026-03", "P3", "0.01")]
    found = await taxes(folder, "cn-labor", [ONE, TWO, THREE], payments)
    assert [(tax, net) for _, _, tax, net in found] == [(0, 80_002), (1, 0), (0, 1)]


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("scheme", ["cn-labor", "cn-platform"])
async def test_companies_are_paid_in_full_and_count_for_nobody(folder: Path, scheme: str) -> None:
    """A company with the identity of a person is no part of that person."""
    payments = [("2026-03", "F1", "100000.00"), ("2026-03", "F2", "100000.00"), ("2026-03", "P1", "800.00")]
    found = await taxes(folder, scheme, [ONE, FIRM, FIRM_OF_ONE], payments)
    assert [(who, tax, net) for _, who, tax, net in found] == [("F1", 0, 10_000_000), ("F2", 0, 10_000_000), ("P1", 0, 80_000)]


@pytest.mark.usefixtures("workspace")
async def test_none_withholds_nothing(folder: Path) -> None:
    assert await taxes(folder, "none", [ALONE], [("2026-03", "P4", "100000.00")]) == [("2026-03", "P4", 0, 10_000_000)]


@pytest.mark.usefixtures("workspace")
async def test_what_is_not_paid_is_not_taxed_until_it_is(folder: Path) -> None:
    payments = [("2026-03", "P4", "1500.00"), ("2026-04", "P4", "1500.00")]
    found = await taxes(folder, "cn-labor", [ALONE], payments, least="2000")
    assert found == [("2026-03", "P4", 0, 0), ("2026-04", "P4", 44_000, 256_000)]


def months(year: int, amounts: list[str], *, first: int = 1, who: str = "P4") -> list[Payment]:
    return [(f"{year}-{month:02}", who, amount) for month, amount in enumerate(amounts, first) if amount]


PLATFORM = {
    "five months alike": (months(2026, ["7140.00"] * 5), [2136] * 5),
    "a year that rises": (months(2026, ["10000", "10000", "30000", "100000"]), [9_000, 9_000, 57_000, 673_000]),
    "under 5 000 a month": (months(2026, ["6250.00", "6250.01", "6250.00"]), [0, 0, 0]),
    "it begins with the first payment": (months(2026, ["10000", "10000"], first=7), [9_000, 9_000]),
    "months between count": (months(2026, ["10000", "", "", "10000"]), [9_000, 0]),
    "a fall takes nothing back": (months(2026, ["100000", "1000", "1000"]), [498_000, 0, 0]),
    "a new year begins again": (months(2026, ["10000"], first=12) + months(2027, ["10000"]), [9_000, 9_000]),
    "before October 2025 as labor": (months(2025, ["3000"], first=9), [44_000]),
    "what was before does not count": (months(2025, ["30000", "10000", "10000"], first=9), [520_000, 9_000, 9_000]),
    "from October 2025 on": (months(2025, ["10000", "10000", "30000"], first=10), [9_000, 9_000, 57_000]),
    # 80 % of 1.2 million less 5 000: 955 000 at 35 % less 85 920
    "near the top": (months(2026, ["1200000"]), [24_833_000]),
    # 80 % of 2 million less 5 000: 1 595 000 at 45 % less 181 920
    "the top": (months(2026, ["2000000"]), [53_583_000]),
}


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("story", PLATFORM)
async def test_platform_adds_up_the_year(folder: Path, story: str) -> None:
    payments, want = PLATFORM[story]
    found = await taxes(folder, "cn-platform", [ALONE], payments, through="2027-06")
    assert [tax for _, _, tax, _ in found] == want
    assert [tax + net for _, _, tax, net in found] == [
        int(amount.replace(".", "")) * (1 if "." in amount else 100) for _, _, amount in payments
    ]


@pytest.mark.usefixtures("workspace")
async def test_platform_takes_one_person_together_over_resellers_and_months(folder: Path) -> None:
    """10 000, 10 000, 30 000, 100 000 in four months, paid to one person under three codes."""
    payments = [
        *(("2026-01", who, amount) for who, amount in (("P1", "4000"), ("P2", "6000"))),
        ("2026-02", "P3", "10000"),
        *(("2026-03", who, "10000") for who in ("P1", "P2", "P3")),
        *(("2026-04", who, amount) for who, amount in (("P1", "1000"), ("P2", "99000"))),
    ]
    found = await taxes(folder, "cn-platform", [ONE, TWO, THREE], payments)
    by_month: dict[str, int] = {}
    for month, _, tax, _ in found:
        by_month[month] = by_month.get(month, 0) + tax
    assert by_month == {"2026-01": 9_000, "2026-02": 9_000, "2026-03": 57_000, "2026-04": 673_000}
    # January: 4 000 x 80 % is under 5 000, so the second payment bears it; March: 5 000 + 24 000 x 3 % and then the next bracket
    assert [tax for month, _, tax, _ in found if month == "2026-01"] == [0, 9_000]
    assert [tax for month, _, tax, _ in found if month == "2026-03"] == [9_000, 24_000, 24_000]


@pytest.mark.usefixtures("workspace")
async def test_a_debt_is_settled_before_tax(folder: Path) -> None:
    payments = [("2026-03", "P4", "-2000.00"), ("2026-04", "P4", "5000.00")]
    found = await taxes(folder, "cn-labor", [ALONE], payments)
    assert found == [("2026-03", "P4", 0, 0), ("2026-04", "P4", 44_000, 256_000)]
