"""A chunk of statements made into files: read as they were frozen, rendered, written, recorded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qucheng.core import db
from qucheng.settlement import document_files, document_folder, document_pool, document_source

if TYPE_CHECKING:
    import datetime as dt
    import threading
    from pathlib import Path

    from qucheng.identity.brand import Brand

LONGEST_REASON = 500
FROZEN = """
    SELECT d.number, s.statement_no, d.document, d.sha256 FROM statement_document d JOIN statement s USING (brand_id, period, number)
    WHERE d.period = $1 AND d.number = ANY ($2) ORDER BY d.number"""
RECORD = """
    INSERT INTO document_file (brand_id, period, number, format, state, sha256, bytes, reason, made_at)
    SELECT current_brand(), $1, r.number, r.format, CASE WHEN r.reason IS NULL THEN 'ready' ELSE 'failed' END, r.sha256, r.bytes, r.reason, $2
    FROM unnest($3::integer[], $4::text[], $5::text[], $6::bigint[], $7::text[]) AS r (number, format, sha256, bytes, reason)
    ON CONFLICT (brand_id, period, number, format) DO UPDATE
    SET state = excluded.state, sha256 = excluded.sha256, bytes = excluded.bytes, reason = excluded.reason, made_at = excluded.made_at"""


class _Attached(msgspec.Struct):
    """What is asked of a frozen document without reading all of it."""

    csv_sha256: str


class Frozen(NamedTuple):
    """A statement: its number, and what its files are made of, or why they cannot be made."""

    number: int
    item: document_pool.Item
    wrong: str | None


class File(NamedTuple):
    """A row of `document_file`."""

    number: int
    format: document_files.Format
    sha256: str | None
    bytes: int | None
    reason: str | None


async def read(*, brand: Brand, period: dt.date, numbers: list[int]) -> list[Frozen]:
    """The statements as they were frozen, with their CSVs from the entries that are on them."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(FROZEN, period, numbers)
        csvs = await document_source.csvs(period=period, numbers=numbers)
    found = []
    for row in rows:
        text, lines_csv, wrong = row["document"].encode(), csvs[row["number"]], None
        if hashlib.sha256(text).hexdigest() != row["sha256"]:
            wrong = "no document: what was frozen of it has been changed"
        elif hashlib.sha256(lines_csv).hexdigest() != msgspec.json.decode(text, type=_Attached).csv_sha256:
            wrong = "no document: its entries are not those it was issued with"
        found.append(Frozen(row["number"], document_pool.Item(row["statement_no"], text, lines_csv), wrong))
    return found


def make(frozen: list[Frozen], where: Path, pool: document_pool.Renderer, stop: threading.Event) -> list[File]:
    """Renders and writes them, and says what is to be recorded; with `stop` set, of those only that are done. Blocks for long.

    Raises OSError where the machine lacks space.
    """
    document_folder.prepare(where, [each.item.statement_no for each in frozen])
    found: list[File] = []
    by_name = {each.item.statement_no: each for each in frozen}
    for each in frozen:
        if each.wrong is not None:
            found += _fail(each, where, each.wrong)
    for statement_no, files in pool.render_all([each.item for each in frozen if each.wrong is None], ("pdf", "xlsx"), stop):
        each = by_name[statement_no]
        if isinstance(files, str):
            found += _fail(each, where, files)
        else:
            found += _keep(each, where, {**files, "csv": each.item.lines_csv})
    document_folder.sync(where)
    return found


def _keep(each: Frozen, where: Path, files: document_pool.Files) -> list[File]:
    for form, content in files.items():
        document_folder.write(where, f"{each.item.statement_no}.{form}", content)
    return [File(each.number, form, hashlib.sha256(content).hexdigest(), len(content), None) for form, content in files.items()]


def _fail(each: Frozen, where: Path, reason: str) -> list[File]:
    for form in document_files.FORMATS:
        where.joinpath(f"{each.item.statement_no}.{form}").unlink(missing_ok=True)
    words = "".join(char if char.isprintable() else " " for char in reason)[:LONGEST_REASON]
    return [File(each.number, form, None, None, words) for form in document_files.FORMATS]


async def record(*, period: dt.date, files: list[File], now: dt.datetime) -> None:
    """Inside atomic()."""
    numbers, formats, hashes, sizes, reasons = (list(column) for column in zip(*files, strict=True))
    await db.connection().execute(RECORD, period, now, numbers, formats, hashes, sizes, reasons)
