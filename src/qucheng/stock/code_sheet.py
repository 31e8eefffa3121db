"""A file of codes read row by row: a CSV or a workbook with the columns code, pin and expires_on, of which the first must be there.

Nothing of a row is ever said in a refusal. A workbook is unpacked in memory under limits; its sheet streams by.
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
import zlib
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import errors
from qucheng.stock import workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Frames = Callable[[], Iterator[bytes]]

NAMES = {
    "code": ("code", "卡密", "兑换码", "券码", "卡号"),
    "pin": ("pin", "密码", "卡密密码"),
    "expires_on": ("expires_on", "有效期至", "到期日"),
}
ENCODINGS = ("utf-8-sig", "gb18030")
ZIP_MARK = b"PK\x03\x04"
LONGEST_LINE = 4096
DELIMITERS = ",\t;"


class SheetUnfitError(errors.RefusedError):
    """Not a file of codes. Why, its code says; nothing of what stands in it is repeated."""

    code: ClassVar[str] = "card_file.unreadable"
    status: ClassVar[int] = 422


class ColumnsUnfitError(SheetUnfitError):
    code: ClassVar[str] = "card_file.columns"


class Line(msgspec.Struct, frozen=True):
    """number: of the row in the file, the names' own being 1. No part of it is shown."""

    number: int
    code: str
    pin: str
    expires_on: str

    def __repr__(self) -> str:
        return f"Line({self.number})"


def lines(frames: Frames) -> Iterator[Line]:
    """Blank rows are passed over. frames: gives the file from its beginning, as often as it is asked. Raises SheetUnfitError."""
    rows = _rows(frames)
    head = next(rows, None)
    if head is None:
        raise ColumnsUnfitError("The first row must name the columns: code, and if you like pin and expires_on.")
    known = {heading: name for name, headings in NAMES.items() for heading in headings}
    columns = [known.get(heading.strip().lower()) for heading in head[1]]
    found = [name for name in columns if name]
    if "code" not in found or len(found) != len(set(found)):
        raise ColumnsUnfitError("The first row must name the columns: code, and if you like pin and expires_on, each once.")
    places = [columns.index(name) if name in columns else None for name in NAMES]
    for number, row in rows:
        values = [row[place].strip() if place is not None and place < len(row) else "" for place in places]
        if any(cell.strip() for cell in row):
            yield Line(number, *values)


def _rows(frames: Frames) -> Iterator[tuple[int, list[str]]]:
    first = next(frames())
    if not first.startswith(ZIP_MARK):
        yield from _csv(frames)
        return
    try:
        yield from workbook.rows(io.BytesIO(b"".join(frames())))
    except (zipfile.BadZipFile, zlib.error, workbook.UnfitError, KeyError, NotImplementedError, EOFError, RuntimeError):
        raise SheetUnfitError("This workbook cannot be read: it is damaged, locked with a password, or too large.") from None


def _csv(frames: Frames) -> Iterator[tuple[int, list[str]]]:
    encoding = _encoding(frames)
    head = codecs.getincrementaldecoder(encoding)().decode(next(frames())[:LONGEST_LINE]).splitlines()
    delimiter = max(DELIMITERS, key=head[0].count) if head else ","
    try:
        yield from enumerate(csv.reader(_text(frames, encoding), delimiter=delimiter, strict=True), 1)
    except csv.Error:
        raise SheetUnfitError("This is no CSV: a quote is not closed, or a field is too long.") from None


def _encoding(frames: Frames) -> str:
    for encoding in ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for piece in frames():
                if "\0" in decoder.decode(piece):
                    break
            else:
                decoder.decode(b"", final=True)
                return encoding
        except UnicodeDecodeError:
            continue
    raise SheetUnfitError("This is neither a CSV in UTF-8 or GB 18030 nor a workbook (XLSX).")


def _text(frames: Frames, encoding: str) -> Iterator[str]:
    """Line by line. A line is never longer than a file of codes has one."""
    decoder, rest = codecs.getincrementaldecoder(encoding)(), ""
    for piece in frames():
        *text, rest = (rest + decoder.decode(piece)).split("\n")
        if max(map(len, (*text, rest))) > LONGEST_LINE:
            raise SheetUnfitError("A row of this file is too long.")
        for line in text:
            yield f"{line}\n"
    if rest:
        yield rest
