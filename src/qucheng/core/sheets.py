"""Tables that people send: a CSV or a workbook, read as texts under limits, and the same two written from rows that are at hand.

A workbook is unpacked here, byte by byte, and handed to its reader as what was unpacked: sizes that an archive only claims mean
nothing, and a cell at the far end of an empty sheet is refused before room is made for all that lies between.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, ClassVar
from xml.parsers import expat

import msgspec
import python_calamine

from qucheng.core import cells, errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

LARGEST = 8 << 20
"""Bytes of a file that is sent."""
LARGEST_UNPACKED = 48 << 20
LARGEST_SHOWN = 200_000_000
"""Letters, if every cell that shows a text showed the longest."""
MOST_MEMBERS = 500
MOST_ROWS = 20_000
MOST_COLUMNS = 64
LONGEST_CELL = 2000
PIECE = 1 << 16
READ = (".xml", ".rels")
ZIP_MARK = b"PK\x03\x04"
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The two ways in which a part of a workbook may be packed."""
PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
LONGEST_NUMBER = 7
"""Digits of a row's number: of one that is longer no number is made."""
DELIMITERS = ",\t;"
EXACT = f".{cells.EXACT_DIGITS}g"
DAY = re.compile(r"((?:19|20|21)[0-9]{2})([-/])([0-9]{1,2})\2([0-9]{1,2})", re.ASCII)


class SheetUnreadableError(errors.RefusedError):
    """Neither a CSV in UTF-8 or GB 18030 nor a workbook."""

    code: ClassVar[str] = "sheet.unreadable"
    status: ClassVar[int] = 422


class SheetTooLargeError(errors.RefusedError):
    """More bytes, rows, columns or letters in a cell than are read."""

    code: ClassVar[str] = "sheet.too_large"
    status: ClassVar[int] = 422


class SheetColumnsError(errors.RefusedError):
    """The first row does not name the columns: some are missing, or one stands there twice.

    missing, twice: the names.
    """

    code: ClassVar[str] = "sheet.columns"
    status: ClassVar[int] = 422

    def __init__(self, missing: Sequence[str], twice: Sequence[str]) -> None:
        super().__init__(
            f"Columns that are missing: {', '.join(missing) or 'none'}; that stand there twice: {', '.join(twice) or 'none'}."
        )
        self.missing, self.twice = tuple(missing), tuple(twice)


class Line(msgspec.Struct, frozen=True):
    """number: of the row in the file, the names' own being 1. values: by the column's name, blank where there is none."""

    number: int
    values: dict[str, str]


class Sheet(msgspec.Struct, frozen=True):
    """unknown: names of columns that nobody asked for and that are passed over."""

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    lines: list[Line]


def day(text: str) -> dt.date:
    """`2026-12-01`, or `2026/12/1` as a spreadsheet saves it again. Raises ValueError."""
    found = DAY.fullmatch(text)
    if found is None:
        raise ValueError("no day")
    return dt.date(int(found[1]), int(found[3]), int(found[4]))


async def read(data: bytes, *, names: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Sheet:
    """The first visible sheet of a workbook, or a CSV; what it is, its bytes say. Blank rows are passed over.

    names: the columns, each with other headings it may have. needed: of these, those that must be there.
    Raises SheetUnreadableError, SheetTooLargeError, SheetColumnsError.
    """
    return await asyncio.to_thread(_sheet, data, names, needed)


async def write(
    out: Path,
    form: cells.Form,
    *,
    title: str,
    names: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    figures: frozenset[int] = frozenset(),
    decimals: int = 2,
) -> None:
    """Rows that are at hand, as a CSV or a workbook. figures: which columns are plain decimals, counted from 0."""
    await asyncio.to_thread(_written, out, form, title, names, rows, figures, decimals)


def _written(
    out: Path,
    form: cells.Form,
    title: str,
    names: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    figures: frozenset[int],
    decimals: int,
) -> None:
    if form == "xlsx":
        book = cells.Book(out, title=title, names=names, figures=figures, decimals=decimals)
        for row in rows:
            book.write(row)
        book.close()
        return
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([cells.inert(value or "") for value in row] for row in rows)


def _sheet(data: bytes, names: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Sheet:
    if len(data) > LARGEST:
        raise SheetTooLargeError(f"A file has at most {LARGEST >> 20} MB.")
    rows = _workbook(data) if data.startswith(ZIP_MARK) else _csv(data)
    head = next(rows, None)
    if head is None:
        raise SheetColumnsError(tuple(needed), ())
    known = {_folded(heading): name for name, others in names.items() for heading in (name, *others)}
    columns = [known.get(_folded(heading)) for heading in head[1]]
    found = [name for name in columns if name is not None]
    missing = [name for name in needed if name not in found]
    twice = sorted({name for name in found if found.count(name) > 1})
    if missing or twice:
        raise SheetColumnsError(missing, twice)
    unknown = tuple(heading for heading, name in zip(head[1], columns, strict=True) if name is None and heading.strip())
    lines = [Line(number, _values(row, columns, names)) for number, row in rows]
    return Sheet(tuple(found), unknown, lines)


def _values(row: list[str], columns: list[str | None], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    values = dict.fromkeys(names, "")
    for name, text in zip(columns, row, strict=False):
        if name is not None:
            values[name] = _bare(text.strip())
    return values


def _bare(text: str) -> str:
    """Without the sign that cells.inert() puts before what would be a formula."""
    return text[1:] if text.startswith("'") and cells.inert(text[1:]) == text else text


def _folded(heading: str) -> str:
    return heading.strip().lower()


def _csv(data: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(data)
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    if len(text.splitlines()) > 2 * MOST_ROWS:
        raise SheetTooLargeError(f"A file has at most {MOST_ROWS} rows.")
    try:
        yield from _limited(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as fault:
        raise SheetUnreadableError(f"This is no CSV: {fault}.") from None


def _decoded(data: bytes) -> str:
    encodings = ["utf-16"] if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise SheetUnreadableError("This is neither a CSV in UTF-8 or GB 18030 nor a workbook (XLSX).")


def _workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(_unpacked(data)))
        shown = [
            each.name
            for each in book.sheets_metadata
            if each.typ == python_calamine.SheetTypeEnum.WorkSheet and each.visible == python_calamine.SheetVisibleEnum.Visible
        ]
        if not shown:
            raise SheetUnreadableError("This workbook has no sheet that is shown.")
        rows = book.get_sheet_by_name(shown[0]).to_python(skip_empty_area=False, nrows=MOST_ROWS + 2)
    except (
        zipfile.BadZipFile,
        zlib.error,
        python_calamine.CalamineError,
        expat.ExpatError,
        NotImplementedError,
        EOFError,
        # an encoding that its head names, and that there is not or that is not read
        LookupError,
        ValueError,
    ) as fault:
        raise SheetUnreadableError("This workbook cannot be read: it is damaged, or locked with a password.") from fault
    yield from _limited([_text(value) for value in row] for row in rows)


def _limited(rows: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Numbered from 1, without blank ones."""
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS + 1:
            raise SheetTooLargeError(f"A file has at most {MOST_ROWS} rows.")
        while row and not row[-1].strip():
            row.pop()
        if len(row) > MOST_COLUMNS or any(len(cell) > LONGEST_CELL for cell in row):
            raise SheetTooLargeError(f"A row has at most {MOST_COLUMNS} columns, and a cell at most {LONGEST_CELL} letters.")
        if row:
            yield number, row


def _text(value: object) -> str:
    """A figure as its digits: a workbook keeps 27.6 as the nearest binary fraction, and shows fifteen digits of it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, str):
        if "\0" in value:  # written as `_x0000_`
            raise SheetUnreadableError("A cell of this workbook holds what is no character of a text.")
        return value
    return _digits(format(value, EXACT))


def _digits(figure: str) -> str:
    """`1.5e+16` in full."""
    if "e" not in figure:
        return figure
    mantissa, exponent = figure.split("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, part = digits.partition(".")
    shift = int(exponent)
    if shift >= 0:
        return sign + whole + part.ljust(shift, "0")
    return f"{sign}0.{'0' * (-shift - 1)}{whole}{part}"


def _unpacked(data: bytes) -> bytes:
    """The workbook without pictures and the like, its members not packed, and none larger than it turned out to be."""
    out, room, size = io.BytesIO(), LARGEST_UNPACKED, _Size()
    with zipfile.ZipFile(io.BytesIO(data)) as sent, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as plain:
        members = sent.infolist()
        if len(members) > MOST_MEMBERS:
            raise SheetTooLargeError(f"A workbook has at most {MOST_MEMBERS} parts.")
        for member in members:
            if member.flag_bits & 1:
                raise SheetUnreadableError("This workbook is locked with a password.")
            if not member.filename.lower().endswith(READ):
                continue
            if member.compress_type not in PACKED:
                raise SheetUnreadableError("This workbook is packed in a way that no workbook is.")
            content = _member(sent, member, room)
            room -= len(content)
            size.add(content)
            plain.writestr(member.filename, content)
    return out.getvalue()


def _member(sent: zipfile.ZipFile, member: zipfile.ZipInfo, room: int) -> bytes:
    content = bytearray()
    with sent.open(member) as file:
        while piece := file.read(PIECE):
            content += piece
            if len(content) > room:
                raise SheetTooLargeError(f"Unpacked, a workbook has at most {LARGEST_UNPACKED >> 20} MB.")
    return bytes(content)


class _Size:
    """What the parts of a workbook will take once they are read, each text as often as a cell shows it."""

    def __init__(self) -> None:
        self._shown = self._longest = self._letters = 0

    def add(self, content: bytes) -> None:
        """Raises SheetTooLargeError for a row or a cell beyond the limits, wherever it stands."""
        self._letters = 0
        reader = expat.ParserCreate()
        reader.StartElementHandler = self._begin
        reader.CharacterDataHandler = self._read
        reader.StartDoctypeDeclHandler = _declared
        reader.Parse(content, True)
        if self._shown * self._longest > LARGEST_SHOWN:
            raise SheetTooLargeError("Long texts stand in too many cells.")

    def _begin(self, name: str, given: dict[str, str]) -> None:
        kind, place = name.rpartition(":")[2], given.get("r", "")
        row = ""
        if kind == "row":
            row = place
        elif kind == "c":
            self._letters = 0
            self._shown += given.get("t") == "s"
            if match := PLACE.fullmatch(place):
                row = match[2]
                if _column(match[1]) > MOST_COLUMNS:
                    raise SheetTooLargeError(f"A sheet has at most {MOST_COLUMNS} columns.")
        elif kind == "si":
            self._letters = 0
        if row.isdecimal() and (len(row) > LONGEST_NUMBER or int(row) > MOST_ROWS + 1):
            raise SheetTooLargeError(f"A sheet has at most {MOST_ROWS} rows.")

    def _read(self, text: str) -> None:
        self._letters += len(text)
        self._longest = max(self._longest, self._letters)


def _declared(*_: object) -> None:
    raise SheetUnreadableError("A workbook declares no document type.")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
