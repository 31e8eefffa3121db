"""Section 6: statements of the periods, in order and without gaps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import periods
from tests.model.withholding import Withholder

if TYPE_CHECKING:
    from tests.model.brand import Brand
    from tests.model.kernel import Entry
    from tests.model.periods import Period
    from tests.model.records import Reseller

KINDS = ("accrual", "reversal", "bonus", "adjustment")


@dataclass(frozen=True)
class Statement:
    number: str
    period: Period
    reseller: Reseller
    opening: int
    accrued: int
    reversed: int
    bonus: int
    adjustment: int
    tax: int
    net: int
    carried: int
    entries: tuple[Entry, ...]

    @property
    def gross(self) -> int:
        return self.accrued + self.reversed + self.bonus + self.adjustment

    @property
    def payable(self) -> int:
        return self.opening + self.gross


def settled_in(entry: Entry, brand: Brand) -> Period:
    """A bonus is of the period at whose end it occurs; anything else of the one in which it matures."""
    period = periods.holding(entry.matures_at, brand.zone)
    return period.before if entry.kind == "bonus" else period


def statements(entries: list[Entry], resellers: dict[str, Reseller], brand: Brand, through: Period) -> list[Statement]:
    books: dict[Period, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        books[settled_in(entry, brand)][entry.reseller].append(entry)
    withholder = Withholder(brand.withholding)
    carried: dict[str, int] = {}
    found: list[Statement] = []
    period = min(books, default=through.next)
    while period <= through:
        codes = set(books[period]) | {code for code, amount in carried.items() if amount}
        for place, code in enumerate(sorted(codes, key=str.encode), start=1):
            opening, mine = carried.get(code, 0), books[period].get(code, [])
            sums = {kind: sum(entry.amount for entry in mine if entry.kind == kind) for kind in KINDS}
            payable = opening + sum(sums.values())
            paid = payable > 0 and payable >= brand.min_payout
            tax = withholder.tax(resellers[code], period, payable) if paid else 0
            carried[code] = 0 if paid else payable
            found.append(
                Statement(
                    number=f"{brand.code}-{period.compact}-{place:06d}",
                    period=period,
                    reseller=resellers[code],
                    opening=opening,
                    accrued=sums["accrual"],
                    reversed=sums["reversal"],
                    bonus=sums["bonus"],
                    adjustment=sums["adjustment"],
                    tax=tax,
                    net=payable - tax if paid else 0,
                    carried=carried[code],
                    entries=tuple(mine),
                )
            )
        period = period.next
    return found
