"""The first sheet of a workbook (XLSX), row by row, without laying it out: a million rows are not held at once.

Sizes that an archive claims mean nothing: what comes out of it is counted. Nothing outside the file is ever looked up.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import zipfile
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

MOST_ROWS = 1_000_001
MOST_COLUMNS = 64
MOST_TEXTS = 64 << 20
"""Letters of all shared texts."""
LARGEST_UNPACKED = 400 << 20
PIECE = 1 << 16
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LONGEST_NUMBER = 9
"""Digits of a row's or a text's number: of one that is longer no number is made."""
PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
# what a workbook can keep of a figure; one that is longer has lost its last digits
EXACT_DIGITS = 15
FIGURE = re.compile(r"-?[0-9]+(\.0+)?")
LOST = "\N{REPLACEMENT CHARACTER}"
DAY_ZERO = dt.date(1899, 12, 30)
DAYS = range(32_874, 109_575)
"""1990 to 2199: a figure among these in a column of days is one."""


class UnfitError(Exception):
    """Not a workbook, or larger than is read."""


def rows(file: io.BytesIO) -> Iterator[tuple[int, list[str]]]:
    """Numbered as in the file. Raises UnfitError and what zipfile raises."""
    with zipfile.ZipFile(file) as book:
        reader = _Reader(book)
        yield from reader.rows()


class _Reader:
    def __init__(self, book: zipfile.ZipFile) -> None:
        self._book = book
        self._room = LARGEST_UNPACKED

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        outline = _Outline()
        self._parse("xl/workbook.xml", outline.begin)
        links: dict[str, str] = {}
        self._parse("xl/_rels/workbook.xml.rels", lambda name, given: _link(links, name, given))
        if outline.sheet is None or outline.sheet not in links or outline.from_1904:
            raise UnfitError
        texts = _Texts()
        if "xl/sharedStrings.xml" in self._book.namelist():
            self._parse("xl/sharedStrings.xml", texts.begin, texts.end, texts.read)
        sheet = _Sheet(texts.found)
        name = links[outline.sheet]
        path = name.lstrip("/") if name.startswith("/") else posixpath.normpath(f"xl/{name}")
        for _ in self._feed(path, sheet.begin, sheet.end, sheet.read):
            yield from sheet.taken()
        yield from sheet.taken()

    def _parse(self, name: str, *handlers: Callable[..., None]) -> None:
        for _ in self._feed(name, *handlers):
            pass

    def _feed(self, name: str, *handlers: Callable[..., None]) -> Iterator[None]:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _declared
        handler: Any = parser
        for kind, given in zip(("StartElementHandler", "EndElementHandler", "CharacterDataHandler"), handlers, strict=False):
            setattr(handler, kind, given)
        try:
            if self._book.getinfo(name).compress_type not in PACKED:
                raise UnfitError
            with self._book.open(name) as part:
                while piece := part.read(PIECE):
                    self._room -= len(piece)
                    if self._room < 0:
                        raise UnfitError
                    parser.Parse(piece, False)
                    yield
                parser.Parse(b"", True)
        # the last two: an encoding that its head names, and that there is not or that is not read
        except (expat.ExpatError, LookupError, ValueError):
            raise UnfitError from None


class _Outline:
    """Which sheet is the first that is shown. from_1904: its days count from another year, and are not read."""

    def __init__(self) -> None:
        self.sheet: str | None = None
        self.from_1904 = False

    def begin(self, name: str, given: dict[str, str]) -> None:
        kind = _bare(name)
        if kind == "workbookPr":
            self.from_1904 = given.get("date1904") in ("1", "true")
        elif kind == "sheet" and self.sheet is None and given.get("state", "visible") == "visible":
            self.sheet = next((value for key, value in given.items() if _bare(key) == "id"), None)


class _Texts:
    """The texts that cells share."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._inside = self._aside = False
        self._room = MOST_TEXTS

    def begin(self, name: str, _: dict[str, str]) -> None:
        kind = _bare(name)
        self._inside = kind == "t"
        self._aside = self._aside or kind == "rPh"

    def end(self, name: str) -> None:
        kind = _bare(name)
        if kind == "si":
            self.found.append("".join(self._parts))
            self._parts = []
        elif kind == "rPh":
            self._aside = False
        self._inside = False

    def read(self, text: str) -> None:
        if self._inside and not self._aside:
            self._room -= len(text)
            if self._room < 0:
                raise UnfitError
            self._parts.append(text)


class _Sheet:
    """Rows as they are complete."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._done: list[tuple[int, list[str]]] = []
        self._row: list[str] = []
        self._number = self._column = 0
        self._kind = ""
        self._value: list[str] = []
        self._inside = False

    def taken(self) -> list[tuple[int, list[str]]]:
        done, self._done = self._done, []
        return done

    def begin(self, name: str, given: dict[str, str]) -> None:
        kind = _bare(name)
        if kind == "row":
            number = given.get("r", "")
            if len(number) > LONGEST_NUMBER:
                raise UnfitError
            self._number = int(number) if number.isdecimal() else self._number + 1
            self._row, self._column = [], 0
            if self._number > MOST_ROWS:
                raise UnfitError
        elif kind == "c":
            self._kind, self._value = given.get("t", "n"), []
            place = PLACE.fullmatch(given.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            if self._column > MOST_COLUMNS:
                raise UnfitError
        self._inside = kind in ("v", "t")

    def end(self, name: str) -> None:
        kind = _bare(name)
        self._inside = False
        if kind == "c":
            self._row += [""] * (self._column - len(self._row))
            self._row[self._column - 1] = self._text("".join(self._value))
        elif kind == "row":
            self._done.append((self._number, self._row))

    def read(self, text: str) -> None:
        if self._inside:
            self._value.append(text)

    def _text(self, value: str) -> str:
        if self._kind == "s":
            if not value.isdecimal() or len(value) > LONGEST_NUMBER or int(value) >= len(self._texts):
                raise UnfitError
            return self._texts[int(value)]
        if self._kind != "n" or not value:
            return value
        # a figure: a code of digits while it is exact, a day in a column of days (day() tells)
        digits = value.partition(".")[0]
        return digits if FIGURE.fullmatch(value) and len(digits.lstrip("-")) <= EXACT_DIGITS else LOST


def day(text: str) -> dt.date | None:
    """The day that a cell means: written out, or as the figure that a workbook keeps. None where it is none."""
    if text.isdecimal() and len(text) <= LONGEST_NUMBER and int(text) in DAYS:
        return DAY_ZERO + dt.timedelta(days=int(text))
    try:
        return dt.date.fromisoformat(text[:10].replace("/", "-"))
    except ValueError:
        return None


def _link(links: dict[str, str], name: str, given: dict[str, str]) -> None:
    if _bare(name) == "Relationship" and given.get("TargetMode") != "External":
        links[given.get("Id", "")] = given.get("Target", "")


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _declared(*_: object) -> None:
    raise UnfitError
