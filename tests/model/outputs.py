"""Section 9: the files, as bytes."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tests.model import journal, values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.model.brand import Brand
    from tests.model.kernel import Entry
    from tests.model.statement import Statement

STATEMENTS = "statement_no,period,reseller,kind,opening,accrued,reversed,bonus,adjustment,gross,payable,tax,net,carried"
ENTRIES = (
    "period,statement_no,reseller,kind,level,order,line,refund,rule,of_period,basis_amount,rate,amount,occurred_at,matures_at"
)
JOURNAL = "entry,period,statement_no,account,debit,credit"


def written(header: str, rows: Iterable[list[object]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return file.getvalue().encode()


def statements_csv(statements: list[Statement], brand: Brand) -> bytes:
    def row(one: Statement) -> list[object]:
        parts = (one.opening, one.accrued, one.reversed, one.bonus, one.adjustment)
        amounts = (*parts, one.gross, one.payable, one.tax, one.net, one.carried)
        head = [one.number, one.period, one.reseller.key, one.reseller.kind]
        return [*head, *(values.money(amount, brand.decimals) for amount in amounts)]

    return written(STATEMENTS, map(row, statements))


def order_of_entries(entry: Entry) -> tuple[bytes, bytes, bytes, int, bytes, bytes, bytes]:
    first = entry.kind.encode(), entry.order.encode(), entry.line.encode()
    return *first, entry.level, entry.refund.encode(), entry.rule.encode(), entry.of_period.encode()


def entries_csv(statements: list[Statement], brand: Brand) -> bytes:
    def row(one: Statement, entry: Entry) -> list[object]:
        return [
            one.period,
            one.number,
            entry.reseller,
            entry.kind,
            entry.level or "",
            entry.order,
            entry.line,
            entry.refund,
            entry.rule,
            entry.of_period,
            entry.basis_amount,
            entry.rate,
            values.money(entry.amount, brand.decimals),
            values.utc_text(entry.occurred_at),
            values.utc_text(entry.matures_at),
        ]

    return written(ENTRIES, (row(one, entry) for one in statements for entry in sorted(one.entries, key=order_of_entries)))


def journal_csv(statements: list[Statement], brand: Brand) -> bytes:
    def side(amount: int | None) -> str:
        return "" if amount is None else values.money(amount, brand.decimals)

    rows: Iterable[list[object]] = (
        [posting.entry, one.period, one.number, posting.account, side(posting.debit), side(posting.credit)]
        for one in statements
        for posting in journal.postings(one)
    )
    return written(JOURNAL, rows)
