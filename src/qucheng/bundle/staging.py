"""The files of a bundle as text in temporary tables, as they stand: streamed by COPY, a few thousand rows at a time."""

from __future__ import annotations

import collections
import csv
import io
from typing import TYPE_CHECKING, ClassVar, TextIO

from qucheng.bundle import files
from qucheng.core import db, errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

ROWS_A_TIME, CHARACTERS_A_TIME = 4000, 1 << 22
LONGEST_FIELD = 1 << 24
# Stands where a value must not be accepted: no value may hold a control character.
MARK = "\x01"

csv.field_size_limit(LONGEST_FIELD)


class UnreadableFileError(errors.RefusedError):
    """A file of the bundle cannot be read as such: nothing is imported."""

    code: ClassVar[str] = "bundle.unreadable"
    status: ClassVar[int] = 422


class _Lines:
    """The lines of a file, as many characters as a row may have and no more: what is one endless row is not read to its end."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.taken = 0
        """Since a row was begun; who takes the rows sets it back."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_FIELD + 1 - self.taken)
        self.taken += len(line)
        if not line:
            raise StopIteration
        if self.taken > LONGEST_FIELD:
            raise csv.Error("row larger than row limit")
        return line.replace("\0", MARK)


async def stage(folder: Path, read: Callable[[int], None], *, partial: bool = False) -> None:
    """Copies every file into `raw_{name}`, its columns as `c_{column}`, numbered by `row` from 1. read: told of bytes read.

    partial: of the files any may be missing.
    """
    for file in files.FILES:
        await db.connection().execute(
            f"CREATE TEMP TABLE raw_{file.name} (row integer GENERATED ALWAYS AS IDENTITY, "
            + ", ".join(f"c_{column.name} text" for column in file.columns)
            + ") ON COMMIT DROP"
        )
        path = folder / file.file_name
        if path.exists() or not (file.optional or partial):
            await _copy(file, path, read)


async def _copy(file: files.File, path: Path, read: Callable[[int], None]) -> None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            lines = _Lines(text)
            reader = csv.reader(lines, strict=True)
            header = next((row for row in reader if row), [])
            _check_header(file, header)
            await db.connection().copy_to_table(
                f"raw_{file.name}",
                source=_chunks(_batches(reader, lines), header, file, read),
                columns=[f"c_{name}" for name in header],
                format="csv",
            )
    except FileNotFoundError:
        raise UnreadableFileError(f"{file.file_name} is not there: the bundle needs it, if only with its header row.") from None
    except IsADirectoryError:
        raise UnreadableFileError(f"{file.file_name} is a folder: put a CSV file there.") from None
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{file.file_name} is not UTF-8 (byte {error.object[error.start]:#04x}): save it as UTF-8 and try again."
        ) from None
    except csv.Error as error:
        raise UnreadableFileError(
            f"{file.file_name}, line {reader.line_num}: {error}. Check the quotation marks there."
        ) from None


def _check_header(file: files.File, header: list[str]) -> None:
    known = [column.name for column in file.columns]
    for problem, names in (
        ("has unknown columns", [name for name in header if name not in known]),
        ("has columns twice", [name for name, times in collections.Counter(header).items() if times > 1]),
        ("lacks required columns", [column.name for column in file.columns if column.required and column.name not in header]),
    ):
        if names:
            shown = ", ".join(repr(name[:40]) for name in names[:5]) + (" …" if len(names) > 5 else "")  # noqa: PLR2004 - enough to see
            raise UnreadableFileError(f"{file.file_name} {problem}: {shown}. Its columns are {', '.join(known)}.")


def _batches(reader: Iterator[list[str]], lines: _Lines) -> Iterator[list[list[str]]]:
    """Some rows at a time: fewer where they are long."""
    batch, size = [], 0
    lines.taken = 0
    for row in reader:
        batch.append(row)
        size += lines.taken
        lines.taken = 0
        if len(batch) == ROWS_A_TIME or size >= CHARACTERS_A_TIME:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _chunks(
    batches: Iterator[list[list[str]]], header: list[str], file: files.File, read: Callable[[int], None]
) -> AsyncIterator[bytes]:
    width = len(header)
    marked = next(i for i, name in enumerate(header) if any(c.required and c.name == name for c in file.columns))
    for rows in batches:
        buffer = io.StringIO()
        # the writer puts in quotation marks what holds a sign of its line end: so a lone carriage return reaches the check of its value
        csv.writer(buffer, lineterminator="\r\n").writerows(
            row if len(row) == width else _fit(row, width, marked) for row in rows if row
        )
        chunk = buffer.getvalue().encode()
        read(len(chunk))
        yield chunk


def _fit(row: list[str], width: int, marked: int) -> list[str]:
    """Missing fields are blank; with too many the row is marked, so that it is value.invalid unless a value is missing."""
    if len(row) < width:
        return row + [""] * (width - len(row))
    row = row[:width]
    row[marked] = row[marked] and row[marked][:1] + MARK
    return row
