"""Section 8: the balanced entries that each statement posts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.statement import Statement


@dataclass(frozen=True)
class Posting:
    entry: str
    statement: Statement
    account: str
    debit: int | None
    credit: int | None


def postings(statement: Statement) -> Iterator[Posting]:
    liability = f"liability:reseller:{statement.reseller.key}"
    planned = (
        ("accrual", "expense:commission", liability, statement.accrued),
        ("reversal", "expense:commission", liability, statement.reversed),
        ("bonus", "expense:commission", liability, statement.bonus),
        ("adjustment", "expense:commission", liability, statement.adjustment),
        ("withholding", liability, "liability:tax", statement.tax),
        ("payout", liability, "asset:bank", statement.net),
    )
    for kind, debit, credit, amount in planned:
        if amount:
            first, second = (debit, credit) if amount > 0 else (credit, debit)
            entry = f"{statement.number}/{kind}"
            yield Posting(entry, statement, first, abs(amount), None)
            yield Posting(entry, statement, second, None, abs(amount))
