"""A workbook in which every cell is a text or a number, never a formula, and every amount is written as it is, digit by digit."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import re
import unicodedata
from typing import TYPE_CHECKING, Literal

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

Kind = Literal["text", "count", "money", "plain", "time", "date"]

EXACT_DIGITS = 15
"""A spreadsheet rounds what has more; such an amount is written as text."""
FIRST_YEAR = 1900
"""Of a spreadsheet's calendar; an earlier date is written as text."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
NARROWEST, WIDEST = 8, 44
A4 = 9


class Book:
    """Strings go to the file as they come and not through a table in memory, so that a long statement takes no more of it."""

    def __init__(self, *, title: str, author: str, created: dt.datetime, decimals: int) -> None:
        self._target = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._target, {"constant_memory": True})
        # its date would be today's, and no two of them alike
        self._book.set_properties({"title": title, "author": author, "created": created.astimezone(dt.UTC).replace(tzinfo=None)})
        amount = "#,##0" + (f".{'0' * decimals}" if decimals else "")
        looks: Mapping[Kind, dict[str, object]] = {
            "text": {"num_format": "@"},
            "count": {"num_format": "#,##0"},
            "money": {"num_format": f"{amount};[Red]-{amount}", "align": "right"},
            "plain": {"align": "right"},
            "time": {"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"},
            "date": {"num_format": "yyyy-mm-dd", "align": "left"},
        }
        base: dict[str, object] = {"valign": "top"}
        self.formats = {kind: self._book.add_format(base | look) for kind, look in looks.items()}
        total = {"bold": True, "top": 1}
        self.totals = {kind: self._book.add_format(base | look | total) for kind, look in looks.items()}
        self.strong = self._book.add_format(base | {"num_format": "@", "bold": True})
        self.head = self._book.add_format(
            base | {"num_format": "@", "bold": True, "bottom": 1, "bg_color": "#EDEDED", "text_wrap": True}
        )

    def sheet(self, name: str, footer: str, *, landscape: bool) -> Sheet:
        made: Worksheet = self._book.add_worksheet(name)
        made.set_paper(A4)
        if landscape:
            made.set_landscape()
        made.fit_to_pages(1, 0)
        made.set_footer(f"&L{footer.replace('&', '&&')}&R&P / &N")
        return Sheet(self, made)

    def content(self) -> bytes:
        self._book.close()
        return self._target.getvalue()


class Sheet:
    """One row after the other."""

    def __init__(self, book: Book, sheet: Worksheet) -> None:
        self._book = book
        self._sheet = sheet
        self._widths: dict[int, int] = {}
        self.row = 0

    def heads(self, names: Sequence[str]) -> None:
        """The names of the columns; where they are the first row it stays in sight, and at the top of each page."""
        for column, name in enumerate(names):
            self._text(column, name, self._book.head)
        if self.row == 0:
            self._sheet.freeze_panes(1, 0)
            self._sheet.repeat_rows(0)
        self.row += 1

    def write(self, values: Sequence[object], kinds: Sequence[Kind], *, total: bool = False) -> None:
        """A row. Amounts come as plain decimals in text, counts as int, times as datetime or date; None is an empty cell."""
        formats = self._book.totals if total else self._book.formats
        for column, (value, kind) in enumerate(zip(values, kinds, strict=True)):
            look = formats[kind]
            if value is None or value == "":
                if total:
                    self._sheet.write_blank(self.row, column, None, look)
            elif kind in {"money", "count", "plain"}:
                self._number(column, str(value), look)
            elif kind in {"time", "date"} and not isinstance(value, str) and value.year >= FIRST_YEAR:  # type: ignore[attr-defined]
                self._sheet.write_datetime(self.row, column, value, look)
                self._widen(column, str(value))
            else:
                self._text(column, str(value), look)
        self.row += 1

    def note(self, text: str, *, strong: bool = False) -> None:
        """A row with one text, which may run over its cell."""
        self._sheet.write_string(self.row, 0, inert(text), self._book.strong if strong else self._book.formats["text"])
        self.row += 1

    def pair(self, name: str, value: str) -> None:
        """A row with a name and its value, which may run over its cell."""
        self._text(0, name, self._book.formats["text"])
        self._sheet.write_string(self.row, 1, inert(value), self._book.formats["text"])
        self.row += 1

    def filtered(self, columns: int) -> None:
        """Arrows in the heads, for filtering all rows that have been written."""
        self._sheet.autofilter(0, 0, self.row - 1, columns - 1)

    def finish(self) -> None:
        for column, width in self._widths.items():
            self._sheet.set_column(column, column, min(max(width + 2, NARROWEST), WIDEST))

    def _number(self, column: int, text: str, look: Format) -> None:
        if NUMBER.fullmatch(text) is None or len(text.lstrip("-").replace(".", "")) > EXACT_DIGITS:
            self._text(column, text, look)
        else:
            # a Decimal reaches the file as its digits; an int would on the way become a binary fraction
            self._sheet.write_number(self.row, column, decimal.Decimal(text), look)
            self._widen(column, f"{text},,,")

    def _text(self, column: int, text: str, look: Format) -> None:
        self._sheet.write_string(self.row, column, inert(text), look)
        self._widen(column, text)

    def _widen(self, column: int, text: str) -> None:
        width = len(text) + (0 if text.isascii() else sum(unicodedata.east_asian_width(char) in "WF" for char in text[:WIDEST]))
        self._widths[column] = max(self._widths.get(column, 0), width)


def inert(text: str) -> str:
    """The library takes a text from `<r>` to `</r>` for markup of its own and writes it into the file as it stands."""
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text
