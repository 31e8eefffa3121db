"""Section 7: tax of a payment, per payee and month."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.model import values
from tests.model.periods import Period

if TYPE_CHECKING:
    from tests.model.records import Reseller

FEN = 100
LABOR = ((20_000, 20, 0), (50_000, 30, 2_000), (None, 40, 7_000))  # up to, per cent, quick deduction
PLATFORM = (
    (36_000, 3, 0),
    (144_000, 10, 2_520),
    (300_000, 20, 16_920),
    (420_000, 25, 31_920),
    (660_000, 30, 52_920),
    (960_000, 35, 85_920),
    (None, 45, 181_920),
)
PLATFORM_SINCE = Period(2025, 10)

Table = tuple[tuple[int | None, int, int], ...]


def by_table(taxable: Fraction, table: Table) -> int:
    """In 元, rounded once to 分."""
    for most, percent, quick in table:
        if most is None or taxable <= most:
            return values.rounded((taxable * percent / 100 - quick) * FEN)
    raise AssertionError


def labor(paid: int) -> int:
    """f of what a payee was paid in a month, in 分."""
    amount = Fraction(paid, FEN)
    if amount <= 800:
        return 0
    taxable = amount - 800 if amount <= 4000 else amount * 80 / 100
    return by_table(taxable, LABOR)


def platform(paid: int, months: int) -> int:
    """f of what a payee was paid in a year so far, in 分."""
    taxable = max(Fraction(paid, FEN) * 80 / 100 - 5000 * months, Fraction(0))
    return by_table(taxable, PLATFORM)


class Withholder:
    """Payments are told to it in the order of their statement numbers."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.paid: dict[tuple[str, object], int] = defaultdict(int)
        self.withheld: dict[tuple[str, object], int] = defaultdict(int)
        self.first_month: dict[tuple[str, int], int] = {}

    def tax(self, reseller: Reseller, period: Period, payable: int) -> int:
        if self.scheme == "none" or reseller.kind == "company":
            return 0
        payee = f"identity {reseller.identity}" if reseller.identity else f"reseller {reseller.key}"
        if self.scheme == "cn-platform" and period >= PLATFORM_SINCE:
            occurrence: tuple[str, object] = (payee, period.year)
            first = self.first_month.setdefault((payee, period.year), period.month)
            due = platform(self.paid[occurrence] + payable, period.month - first + 1)
        else:
            occurrence = (payee, period)
            due = labor(self.paid[occurrence] + payable)
        tax = min(max(0, due - self.withheld[occurrence]), payable)
        self.paid[occurrence] += payable
        self.withheld[occurrence] += tax
        return tax
