"""The tables of a statement: by item, bonuses, adjustments, lines. Each with its total, and its columns as wide as its texts need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from qucheng.core import money
from qucheng.settlement import document_reasons, document_widths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qucheng.settlement.document import Bonus, DayRest, Line, Sku, SkusRest, StatementDocument
    from qucheng.settlement.document_texts import Texts

BRACKETS_SHOWN = 12
_PPM_DECIMALS = 6


class Cell(NamedTuple):
    text: str = ""
    css: str = ""
    note: str = ""
    """Small, below."""


class Row(NamedTuple):
    cells: tuple[Cell, ...]
    css: str = ""
    run: str = ""
    """Of the lines: net and commission up to and with this row, for 过次页 and 承前页."""


class Table(NamedTuple):
    title: str
    note: str
    heads: tuple[Cell, ...]
    rows: list[Row]
    total: Row
    widths: list[str]
    css: str = ""


class Tables:
    def __init__(self, document: StatementDocument, texts: Texts, printable: Callable[[str], str]) -> None:
        self._document = document
        self._texts = texts
        self._printable = printable
        self._unit = texts.unit(document.currency)

    def all(self) -> list[Table]:
        d = self._document
        tables = ((d.skus, self._skus), (d.bonuses, self._bonuses), (d.adjustments, self._adjustments), (d.lines, self._lines))
        return [table() for rows, table in tables if rows]

    def _skus(self) -> Table:
        d, t = self._document, self._texts
        rows = [self._sku(self._printable(sku.name), sku.code, sku) for sku in d.skus]
        if d.skus_rest.skus:
            name = t.ngettext("%(n)s other item", "%(n)s other items", d.skus_rest.skus)
            rows.append(self._sku(t.number(name, d.skus_rest.skus), "", d.skus_rest))
        every: tuple[Sku | SkusRest, ...] = (*d.skus, d.skus_rest)
        total = (
            Cell(t.gettext("Total")),
            Cell(),
            self._count(sum(sku.lines for sku in every)),
            self._count(sum(sku.quantity for sku in every)),
            self._amount(sum(sku.net for sku in every)),
            self._amount(sum(sku.commission for sku in every)),
        )
        heads = (
            Cell(t.gettext("Item")),
            Cell(t.gettext("Code")),
            Cell(t.gettext("Lines"), "r"),
            Cell(t.gettext("Net quantity"), "r"),
            Cell(t.gettext("Net sales"), "r"),
            Cell(t.gettext("Commission"), "r"),
        )
        return self._table(t.gettext("By item"), self._in_unit(), heads, rows, total, wrap=(0, 1))

    def _sku(self, name: str, code: str, sku: Sku | SkusRest) -> Row:
        return Row((
            Cell(name),
            Cell(code, "faint"),
            self._count(sku.lines),
            self._count(sku.quantity),
            self._amount(sku.net),
            self._amount(sku.commission),
        ))  # fmt: skip

    def _bonuses(self) -> Table:
        d, t = self._document, self._texts
        rows = [
            Row((
                Cell(bonus.rule),
                Cell(bonus.of_period),
                self._volume(bonus),
                Cell(self.brackets(bonus)),
                self._amount(bonus.amount, plus=True),
            ))
            for bonus in d.bonuses
        ]  # fmt: skip
        if d.bonuses_rest.count:
            rows.append(Row((*self._others(d.bonuses_rest.count, 4), self._amount(d.bonuses_rest.amount, plus=True))))
        heads = (
            Cell(t.gettext("Rule")),
            Cell(t.gettext("Volume of")),
            Cell(t.gettext("Volume"), "r"),
            Cell(t.gettext("Brackets")),
            Cell(t.gettext("Amount"), "r"),
        )
        total = (Cell(t.gettext("Total")), Cell(), Cell(), Cell(), self._amount(d.bonus, plus=True))
        return self._table(t.gettext("Own-volume bonus"), self._in_unit(), heads, rows, total, wrap=(0, 3))

    def _adjustments(self) -> Table:
        d, t = self._document, self._texts
        rows = [
            Row((
                Cell(row.date.isoformat()),
                Cell(row.code),
                Cell(self._printable(row.reason)),
                self._amount(row.amount, plus=True),
            ))
            for row in d.adjustments
        ]  # fmt: skip
        if d.adjustments_rest.count:
            date, code, reason = self._others(d.adjustments_rest.count, 3)
            rows.append(Row((reason, code, date, self._amount(d.adjustments_rest.amount, plus=True))))
        heads = (Cell(t.gettext("Date")), Cell(t.gettext("Code")), Cell(t.gettext("Reason")), Cell(t.gettext("Amount"), "r"))
        total = (Cell(t.gettext("Total")), Cell(), Cell(), self._amount(d.adjustment, plus=True))
        return self._table(t.gettext("Adjustments"), self._in_unit(), heads, rows, total, wrap=(1, 2))

    def _lines(self) -> Table:
        d, t = self._document, self._texts
        heads = (
            Cell(t.gettext("Row")),
            Cell(t.gettext("Date")),
            Cell(t.gettext("Order / line")),
            Cell(t.gettext("Item")),
            Cell(t.gettext("Quantity"), "r"),
            Cell(t.gettext("Net sales"), "r"),
            Cell(t.gettext("Basis"), "r"),
            Cell(t.gettext("Rate"), "r"),
            Cell(t.gettext("Commission"), "r"),
        )
        net = sum(sku.net for sku in d.skus) + d.skus_rest.net
        total = (
            Cell(),
            Cell(),
            Cell(),
            Cell(t.gettext("Total")),
            Cell(),
            self._amount(net),
            Cell(),
            Cell(),
            self._amount(d.accrued + d.reversed),
        )
        title = t.gettext("Accruals and reversals")
        return self._table(title, self._lines_note(), heads, list(self._line_rows()), total, wrap=(2, 3), css="lines")

    def _line_rows(self) -> Iterator[Row]:
        """The lines, then the days of the rest, with the running totals."""
        d, t, net, amount = self._document, self._texts, 0, 0
        for number, line in enumerate(d.lines, 1):
            net, amount = net + line.net, amount + line.amount
            yield Row(self._line(number, line), run=self._run(net, amount))
        if d.days_rest:
            count = sum(day.count for day in d.days_rest)
            text = t.ngettext("%(n)s other line, by day", "%(n)s other lines, by day", count)
            cells = (Cell(), Cell(), Cell(), Cell(t.number(text, count)), Cell(), Cell(), Cell(), Cell(), Cell())
            yield Row(cells, "group", self._run(net, amount))
        for day in d.days_rest:
            net, amount = net + day.net, amount + day.amount
            yield Row(self._day(day), run=self._run(net, amount))

    def _line(self, number: int, line: Line) -> tuple[Cell, ...]:
        unit = line.basis == "unit"
        return (
            Cell(str(number), "faint"),
            Cell(line.date.strftime("%m-%d") if line.date.year == self._document.first_day.year else line.date.isoformat()),
            Cell(f"{line.order} /\u00a0{line.line}"),
            Cell(self._printable(line.sku_name), note=self._line_note(line)),
            self._count(line.quantity),
            self._amount(line.net),
            self._count(line.basis_amount) if unit else self._amount(line.basis_amount),
            Cell(self._rate(line.rate, per_unit=unit), "r"),
            self._amount(line.amount),
        )

    def _line_note(self, line: Line) -> str:
        gettext = self._texts.gettext
        parts = [
            gettext("Refund %(refund)s") % {"refund": line.refund} if line.refund else "",
            gettext("Paid level %(level)s") % {"level": line.level} if line.level > 1 else "",
            {"gross": gettext("on gross"), "margin": gettext("on margin")}.get(line.basis, ""),
        ]
        return gettext(", ").join(part for part in parts if part)

    def _day(self, day: DayRest) -> tuple[Cell, ...]:
        t, first = self._texts, self._document.first_day
        if day.date is None:
            when = t.gettext("before %(date)s") % {"date": document_reasons.rest_from(self._document).isoformat()}
        else:
            when = day.date.strftime("%m-%d") if day.date.year == first.year else day.date.isoformat()
        text = t.number(t.ngettext("%(n)s line", "%(n)s lines", day.count), day.count)
        if day.date is None:
            return (
                Cell(),
                Cell(),
                Cell(when),
                Cell(text),
                Cell(),
                self._amount(day.net),
                Cell(),
                Cell(),
                self._amount(day.amount),
            )
        return (Cell(), Cell(when), Cell(), Cell(text), Cell(), self._amount(day.net), Cell(), Cell(), self._amount(day.amount))

    def _run(self, net: int, amount: int) -> str:
        text = self._texts.gettext("net sales %(net)s   commission %(amount)s")
        return text % {"net": self._amount(net).text, "amount": self._amount(amount).text}

    def _lines_note(self) -> str:
        d, t = self._document, self._texts
        entries = d.counts.accruals + d.counts.reversals
        facts = {"n": t.count(entries), "shown": t.count(len(d.lines)), "unit": self._unit}
        if d.days_rest:
            return t.gettext("%(n)s lines: the %(shown)s largest one by one, the others by day; amounts in %(unit)s") % facts
        return t.ngettext("%(n)s line; amounts in %(unit)s", "%(n)s lines; amounts in %(unit)s", entries) % facts

    def _volume(self, bonus: Bonus) -> Cell:
        t = self._texts
        if bonus.basis == "unit":
            text = t.ngettext("%(n)s unit", "%(n)s units", bonus.basis_amount)
            return Cell(t.number(text, bonus.basis_amount), "r")
        volume = t.gettext("gross %(amount)s") if bonus.basis == "gross" else t.gettext("net %(amount)s")
        return Cell(volume % {"amount": self._amount(bonus.basis_amount).text}, "r")

    def brackets(self, bonus: Bonus) -> str:
        t, per_unit = self._texts, bonus.basis == "unit"
        brackets = [bracket.split(":") for bracket in bonus.brackets.split(";")]
        spoken = [
            t.gettext("from %(start)s: %(rate)s") % {"start": _start(start), "rate": self._rate(rate, per_unit=per_unit)}
            for start, rate in brackets[:BRACKETS_SHOWN]
        ]
        if len(brackets) > BRACKETS_SHOWN:
            spoken.append(t.gettext("the rest in the attachment"))
        kind = t.gettext("Each part at its rate") if bonus.kind == "graduated" else t.gettext("All at the rate reached")
        return t.gettext("%(kind)s: %(brackets)s") % {"kind": kind, "brackets": t.gettext("; ").join(spoken)}

    def _rate(self, rate: str, *, per_unit: bool) -> str:
        if per_unit:
            amount = self._amount(money.parse_plain(rate, self._document.decimals))
            return self._texts.gettext("%(amount)s/unit") % {"amount": amount.text}
        percent = money.format_plain(money.parse_plain(rate, _PPM_DECIMALS) * 100, _PPM_DECIMALS)
        return f"{re.sub('0{1,4}$', '', percent)}%"

    def _others(self, count: int, cells: int) -> tuple[Cell, ...]:
        text = self._texts.ngettext("%(n)s other entry, in the attachment", "%(n)s other entries, in the attachment", count)
        return (*(Cell() for _ in range(cells - 1)), Cell(self._texts.number(text, count)))

    def _in_unit(self) -> str:
        return self._texts.gettext("amounts in %(unit)s") % {"unit": self._unit}

    def _amount(self, minor: int, *, plus: bool = False) -> Cell:
        return Cell(money.format_display(minor, self._document.decimals, plus=plus), "r neg" if minor < 0 else "r")

    def _count(self, number: int) -> Cell:
        return Cell(self._texts.count(number), "r neg" if number < 0 else "r")

    def _table(
        self,
        title: str,
        note: str,
        heads: tuple[Cell, ...],
        rows: list[Row],
        total: tuple[Cell, ...],
        *,
        wrap: tuple[int, int],
        css: str = "",
    ) -> Table:
        columns = list(
            zip(*((cell.text for cell in cells) for cells in (heads, *(row.cells for row in rows), total)), strict=True)
        )
        return Table(title, note, heads, rows, Row(total, "total"), document_widths.columns(columns, wrap), css)


def _start(start: str) -> str:
    """`1000.5` as `1,000.5`: brackets keep their shortest form, so that they read as the rule does."""
    whole, point, fraction = start.partition(".")
    return money.format_display(int(whole), 0) + point + fraction
