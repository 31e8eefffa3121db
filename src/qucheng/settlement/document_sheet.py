"""One statement as a workbook: its sum, its items, bonuses and adjustments, and every entry. The same statement gives the same bytes.

What a person typed is text in it and nothing else; what is an amount is a number, so that an accountant can go on with it. There
are no formulas: the sums are the statement's own, and whoever adds a column up gets them again.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from qucheng.core import money
from qucheng.settlement import document, document_cells, document_tables, document_texts, document_view

if TYPE_CHECKING:
    from qucheng.settlement.document import Rest, Sku, SkusRest, StatementDocument
    from qucheng.settlement.document_cells import Book, Kind, Sheet
    from qucheng.settlement.document_texts import Texts

ROWS_A_SHEET = 1_000_000
"""Entries on one sheet; the format ends at 1,048,576 rows."""
ENTRY_KINDS: tuple[Kind, ...] = (
    "count", "time", "text", "text", "text", "text", "text", "count", "money", "text", "money", "plain", "money",
    "count", "text", "text", "time",
)  # fmt: skip
LABEL, NET, BASIS_AMOUNT, AMOUNT = 2, 8, 10, 12
"""Places of columns among the entries'."""


def workbook(paper: StatementDocument, lines_csv: bytes) -> bytes:
    return _Workbook(paper, lines_csv).made()


class _Workbook:
    def __init__(self, paper: StatementDocument, lines_csv: bytes) -> None:
        self._paper = paper
        self._lines_csv = lines_csv
        self._texts: Texts = document_texts.texts(paper.locale)
        self._words = _words(self._texts)
        self._zone = ZoneInfo(paper.time_zone)
        self._footer = self._texts.gettext("Statement %(number)s") % {"number": paper.statement_no}
        self._book: Book = document_cells.Book(
            title=self._texts.gettext("Commission statement %(number)s") % {"number": paper.statement_no},
            author=paper.brand_name,
            created=document.ended_at(paper),
            decimals=paper.decimals,
        )

    def made(self) -> bytes:
        self._sum()
        if self._paper.skus:
            self._skus()
        if self._paper.bonuses:
            self._bonuses()
        if self._paper.adjustments:
            self._adjustments()
        self._entries()
        return self._book.content()

    def _sheet(self, name: str, *, landscape: bool = False) -> Sheet:
        return self._book.sheet(name, self._footer, landscape=landscape)

    def _amount(self, minor: int) -> str:
        return money.format_plain(minor, self._paper.decimals)

    def _sum(self) -> None:
        d, t = self._paper, self._texts
        view = document_view.View(d, t, str)
        sheet = self._sheet(t.gettext("Summary"))
        sheet.note(t.gettext("Channel commission statement"), strong=True)
        between = {"first": t.day(d.first_day), "last": t.day(d.last_day)}
        for name, value in (
            (t.gettext("Statement"), d.statement_no),
            (t.gettext("Period"), t.gettext("%(first)s to %(last)s") % between),
            (t.gettext("Payer"), f"{d.brand_name} {d.brand_code}"),
            (t.gettext("Reseller"), f"{d.reseller_name} {d.reseller_code}"),
            (t.gettext("Kind and tier"), view.kind_and_tier),
            (t.gettext("Currency"), d.currency),
        ):
            sheet.pair(name, value)
        sheet.row += 1
        sheet.heads([t.gettext("Term"), t.gettext("Amount"), t.gettext("Explanation")])
        for term in view.terms():
            # what the paper subtracts by its sign is negative here: the column adds up
            amount = self._amount(-term.minor if term.sign == money.MINUS else term.minor)
            sheet.write([term.name, amount, term.why], ["text", "money", "text"], total=term.result)
        sheet.row += 1
        if view.capitals:
            sheet.pair(t.gettext("Amount in words"), view.capitals)
        sheet.note(t.gettext("Dates are local to %(zone)s.") % {"zone": d.time_zone})
        sheet.finish()

    def _skus(self) -> None:
        d, t = self._paper, self._texts
        sheet = self._sheet(t.gettext("By item"))
        kinds: list[Kind] = ["text", "text", "count", "count", "money", "money"]
        names = [t.gettext("Item"), t.gettext("Code"), t.gettext("Lines")]
        sheet.heads([*names, t.gettext("Net quantity"), t.gettext("Net sales"), t.gettext("Commission")])
        rest = d.skus_rest
        for sku in d.skus:
            figures = [sku.lines, sku.quantity, self._amount(sku.net), self._amount(sku.commission)]
            sheet.write([sku.name, sku.code, *figures], kinds)
        if rest.skus:
            name = t.number(t.ngettext("%(n)s other item", "%(n)s other items", rest.skus), rest.skus)
            sheet.write([name, "", rest.lines, rest.quantity, self._amount(rest.net), self._amount(rest.commission)], kinds)
        every: tuple[Sku | SkusRest, ...] = (*d.skus, rest)
        sums = [sum(sku.lines for sku in every), sum(sku.quantity for sku in every)]
        amounts = [self._amount(sum(sku.net for sku in every)), self._amount(d.accrued + d.reversed)]
        sheet.write([t.gettext("Total"), "", *sums, *amounts], kinds, total=True)
        sheet.finish()

    def _bonuses(self) -> None:
        d, t = self._paper, self._texts
        sheet = self._sheet(t.gettext("Own-volume bonus"), landscape=True)
        kinds: list[Kind] = ["text", "text", "text", "money", "text", "money"]
        names = [t.gettext("Rule"), t.gettext("Volume of"), t.gettext("Reckoned on")]
        sheet.heads([*names, t.gettext("Volume"), t.gettext("Brackets"), t.gettext("Amount")])
        spoken = document_tables.Tables(d, t, str)
        for bonus in d.bonuses:
            unit = bonus.basis == "unit"
            volume = str(bonus.basis_amount) if unit else self._amount(bonus.basis_amount)
            row = [
                bonus.rule,
                bonus.of_period,
                self._words[bonus.basis],
                volume,
                spoken.brackets(bonus),
                self._amount(bonus.amount),
            ]
            sheet.write(row, [*kinds[:3], "count" if unit else "money", *kinds[4:]])
        self._rest(sheet, d.bonuses_rest, kinds)
        sheet.write([t.gettext("Total"), "", "", None, "", self._amount(d.bonus)], kinds, total=True)
        sheet.finish()

    def _adjustments(self) -> None:
        d, t = self._paper, self._texts
        sheet = self._sheet(t.gettext("Adjustments"))
        kinds: list[Kind] = ["date", "text", "text", "money"]
        sheet.heads([t.gettext("Date"), t.gettext("Code"), t.gettext("Reason"), t.gettext("Amount")])
        for row in d.adjustments:
            sheet.write([row.date, row.code, row.reason, self._amount(row.amount)], kinds)
        self._rest(sheet, d.adjustments_rest, kinds)
        sheet.write([t.gettext("Total"), "", "", self._amount(d.adjustment)], kinds, total=True)
        sheet.finish()

    def _rest(self, sheet: Sheet, rest: Rest, kinds: list[Kind]) -> None:
        if rest.count:
            text = self._texts.ngettext(
                "%(n)s other entry, listed with all entries", "%(n)s other entries, listed with all entries", rest.count
            )
            blank = [None] * (len(kinds) - 2)
            sheet.write([self._texts.number(text, rest.count), *blank, self._amount(rest.amount)], ["text", *kinds[1:]])

    def _entries(self) -> None:
        """Every entry, as in the CSV; with more than fit on a sheet they go on on the next. The total stands at the end of the last."""
        t = self._texts
        title = t.gettext("All entries")
        sheet = self._entry_sheet(title)
        for number, row in enumerate(csv.DictReader(io.StringIO(self._lines_csv.decode()))):
            if number and number % ROWS_A_SHEET == 0:
                sheet.filtered(len(ENTRY_KINDS))
                sheet.finish()
                sheet = self._entry_sheet(f"{title} {number // ROWS_A_SHEET + 1}")
            kinds = ENTRY_KINDS
            if row["basis"] == "unit":
                kinds = tuple("count" if place == BASIS_AMOUNT else kind for place, kind in enumerate(kinds))
            sheet.write(self._entry(row), kinds)
        sheet.filtered(len(ENTRY_KINDS))
        total: list[object] = [None] * len(ENTRY_KINDS)
        net = sum(sku.net for sku in self._paper.skus) + self._paper.skus_rest.net
        total[LABEL], total[NET], total[AMOUNT] = t.gettext("Total"), self._amount(net), self._amount(self._paper.gross)
        sheet.write(total, [*ENTRY_KINDS[:LABEL], "text", *ENTRY_KINDS[LABEL + 1 :]], total=True)
        sheet.finish()

    def _entry_sheet(self, title: str) -> Sheet:
        t = self._texts
        sheet = self._sheet(title, landscape=True)
        sheet.heads([
            t.gettext("Row"), t.gettext("Time"), t.gettext("Entry"), t.gettext("Order"), t.gettext("Line"), t.gettext("Refund"),
            t.gettext("Item"), t.gettext("Quantity"), t.gettext("Net sales"), t.gettext("Reckoned on"), t.gettext("Basis"),
            t.gettext("Rate"), t.gettext("Amount"), t.gettext("Paid level"), t.gettext("Rule"), t.gettext("Volume of"),
            t.gettext("Matures"),
        ])  # fmt: skip
        return sheet

    def _entry(self, row: dict[str, str]) -> list[object]:
        return [
            row["row"], self._local(row["occurred_at"]), self._words[row["kind"]], row["order"], row["line"], row["refund"],
            row["sku"], row["quantity"], row["net"], self._words[row["basis"]], row["basis_amount"],
            row["rate"], row["amount"], row["level"], row["rule"], row["of_period"], self._local(row["matures_at"]),
        ]  # fmt: skip

    def _local(self, instant: str) -> dt.datetime | None:
        return dt.datetime.fromisoformat(instant).astimezone(self._zone).replace(tzinfo=None) if instant else None


def _words(texts: Texts) -> dict[str, str]:
    """Kinds of entries, and what they are reckoned on."""
    gettext = texts.gettext
    return {
        "": "",
        "accrual": gettext("Accrual"),
        "reversal": gettext("Reversal"),
        "bonus": gettext("Bonus"),
        "adjustment": gettext("Adjustment"),
        "net": gettext("net price"),
        "gross": gettext("gross price"),
        "margin": gettext("margin"),
        "unit": gettext("number of units"),
    }
