"""Files as rows, and the six steps in which a row is checked (section 2)."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from tests.model import values
from tests.model.brand import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

csv.field_size_limit(sys.maxsize)

COLUMNS: dict[str, tuple[str, str]] = {  # file: required columns, others
    "tiers": ("code name rank", ""),
    "channels": ("code name", "kind"),
    "resellers": ("code name kind tier joined_on", "parent identity"),
    "placements": ("reseller tier effective_on", "parent"),
    "skus": ("code name category list_price", "cost hold_from"),
    "prices": ("sku price starts_on", "channel tier floor ends_on"),
    "rules": ("code kind basis rate", "level sku category channel tier priority starts_on ends_on"),
    "orders": ("order line paid_at reseller channel sku quantity gross", "discount buyer"),
    "refunds": ("refund order line refunded_at quantity amount", ""),
    "fulfilments": ("order line event at quantity", ""),
    "adjustments": ("adjustment reseller occurred_at amount reason", ""),
}
OPTIONAL = {"placements", "prices", "refunds", "fulfilments", "adjustments"}


class RefusedError(Exception):
    """A row that fails with this code."""


@dataclass(frozen=True)
class Raw:
    number: int
    fields: Mapping[str, str]
    too_long: bool


class Row(Protocol):
    @property
    def key(self) -> Hashable: ...


T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R", bound=Row)


@dataclass
class Book:
    """Where every row of a bundle ended."""

    rejected: list[tuple[str, int, str]] = field(default_factory=list)
    flags: list[tuple[str, int, str]] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)

    def reject(self, file: str, number: int, code: str) -> None:
        self.rejected.append((f"{file}.csv", number, code))

    def flag(self, file: str, number: int, code: str) -> None:
        self.flags.append((f"{file}.csv", number, code))


def header(file: str, names: list[str]) -> None:
    required, others = (part.split() for part in COLUMNS[file])
    if len(set(names)) != len(names) or set(names) - set(required) - set(others) or set(required) - set(names):
        raise StoppedError(f"{file}.csv: its columns are not those of the file")


def read(folder: Path, file: str) -> list[Raw]:
    path = folder / f"{file}.csv"
    if not path.exists():
        if file in OPTIONAL:
            return []
        raise StoppedError(f"{file}.csv is not there")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoppedError(f"{file}.csv: {error}") from error
    names = lines[0] if lines else []
    header(file, names)
    raws = []
    for number, line in enumerate(lines[1:], start=1):
        fields = dict.fromkeys((" ".join(COLUMNS[file])).split(), "")
        fields.update(zip(names, line, strict=False))
        raws.append(Raw(number, fields, len(line) > len(names)))
    return raws


def readable(book: Book, file: str, raws: list[Raw], parse: Callable[[Mapping[str, str]], T]) -> list[tuple[int, T]]:
    """Steps 1 and 2: all required values present, every value readable and in range."""
    found = []
    book.rows[file] += len(raws)
    for raw in raws:
        if not all(raw.fields[name] for name in COLUMNS[file][0].split()):
            book.reject(file, raw.number, "value.missing")
            continue
        try:
            if raw.too_long:
                raise values.InvalidError  # noqa: TRY301
            for value in raw.fields.values():
                values.plain(value)
            found.append((raw.number, parse(raw.fields)))
        except values.InvalidError:
            book.reject(file, raw.number, "value.invalid")
    return found


def judged(book: Book, file: str, rows: list[tuple[int, T]], judge: Callable[[T], U]) -> list[tuple[int, U]]:
    """Steps 3 and 4: its references, then the rules that need only the row and what it refers to."""
    found = []
    for number, row in rows:
        try:
            found.append((number, judge(row)))
        except RefusedError as refusal:
            book.reject(file, number, str(refusal))
    return found


def keyed(book: Book, file: str, rows: list[tuple[int, R]]) -> dict[Hashable, tuple[int, R]]:
    """Step 5: the first row of a key is the row, a later one a duplicate or a conflict."""
    found: dict[Hashable, tuple[int, R]] = {}
    for number, row in rows:
        first = found.setdefault(row.key, (number, row))
        if first[0] == number:
            continue
        if first[1] == row:
            book.duplicates[file] += 1
        else:
            book.reject(file, number, "key.conflict")
    return found
