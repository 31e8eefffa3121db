"""Tables that a spreadsheet opens: CSV as people's programs expect it, and workbooks of texts and plain numbers. Nothing in them is a formula."""

from __future__ import annotations

import decimal
import re
from typing import TYPE_CHECKING, Literal

import xlsxwriter

from qucheng.core import db

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Form = Literal["csv", "xlsx"]
FORMS: tuple[Form, ...] = ("csv", "xlsx")
KINDS: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MARK = b"\xef\xbb\xbf"
"""Before a CSV: without it a spreadsheet takes the file for another encoding."""
ROWS_A_SHEET = 1_000_000
ROWS_A_TIME = 2000
EXACT_DIGITS = 15
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# the wide ones too: where Chinese or Japanese is typed, a spreadsheet reads them as the narrow ones
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20"
RISKY = re.compile(rf"[{SIGNS}\t\r\n-]")
WIDTH = 18


def inert(text: str) -> str:
    """A text that a spreadsheet would take for a formula, with the sign before it that says that it is none."""
    return f"'{text}" if RISKY.match(text) and NUMBER.fullmatch(text) is None else text


def sql_inert(column: str) -> str:
    """As inert(), of a column of text."""
    risky = f"{column} ~ '^[{SIGNS}\\t\\r\\n-]' AND {column} !~ '^-?[0-9]+([.][0-9]+)?$'"
    return f"CASE WHEN {risky} THEN '''' || {column} ELSE {column} END"


def sql_money(column: str, decimals: int) -> str:
    """An amount in minor units as a plain decimal; blank for nothing on that side."""
    return f"nullif({column}, 0) * {1 if decimals == 0 else '0.' + '1'.zfill(decimals)}"


async def write_book(query: str, *values: object, book: Book, done: Callable[[int], None] | None = None) -> None:
    """What the query finds, every column as text. done: told of rows."""
    async for row in db.connection().cursor(query, *values, prefetch=ROWS_A_TIME):
        book.write(list(row.values()))
        if done is not None:
            done(1)


async def write_csv(query: str, *values: object, out: Path) -> None:
    """What the query finds, its columns' names first. Texts that people typed go through sql_inert() in the query."""
    with out.open("wb") as file:
        file.write(MARK)
        await db.connection().copy_from_query(query, *values, output=file, format="csv", header=True)


class Book:
    """A workbook written row by row, of which no more than a row is in memory. Figures come as plain decimals in text."""

    def __init__(
        self, out: Path, *, title: str, names: Sequence[str], figures: frozenset[int] = frozenset(), decimals: int = 2
    ) -> None:
        """figures: which columns are amounts, counted from 0."""
        amount = "#,##0" + (f".{'0' * decimals}" if decimals else "")
        self._book = xlsxwriter.Workbook(str(out), {"constant_memory": True})
        self._title = title
        self._names = names
        self._figures = figures
        self._texts = self._book.add_format({"num_format": "@"})
        self._numbers = self._book.add_format({"num_format": f"{amount};[Red]-{amount}", "align": "right"})
        self._heads = self._book.add_format({"num_format": "@", "bold": True, "bottom": 1, "bg_color": "#EDEDED"})
        self._sheets = 0
        self._begin()

    def _begin(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(self._title if self._sheets == 1 else f"{self._title} {self._sheets}")
        self._sheet.set_column(0, len(self._names) - 1, WIDTH)
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._names):
            self._sheet.write_string(0, column, name, self._heads)
        self._row = 1

    def write(self, values: Sequence[str | None]) -> None:
        if self._row > ROWS_A_SHEET:
            self._begin()
        for column, value in enumerate(values):
            if value is None:
                continue
            if column in self._figures and NUMBER.fullmatch(value) and len(value.lstrip("-").replace(".", "")) <= EXACT_DIGITS:
                # a Decimal reaches the file as its digits
                self._sheet.write_number(self._row, column, decimal.Decimal(value), self._numbers)
            else:
                self._sheet.write_string(self._row, column, _plain(value), self._texts)
        self._row += 1

    def close(self) -> None:
        self._book.close()


def _plain(text: str) -> str:
    """The library takes a text from `<r>` to `</r>` for markup of its own and writes it into the file as it stands."""
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text
