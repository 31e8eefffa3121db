"""What became of a delivery, for who sent it: its state and progress, its counts by file, and every row that needs a look."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.bundle import files, messages
from qucheng.core import cells, db, errors

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

Shown = Literal["received", "running", "done", "refused", "failed"]
PAGE = 20
ROWS_SHOWN = 200
# what no task takes in any more has failed, whatever its own state says
UPLOADS = """
    SELECT u.id, u.kind, u.file_name, u.bytes, u.sha256, u.uploaded_by, u.uploaded_at, u.intake, u.ended_at, u.code, u.reason,
           CASE WHEN u.state IN ('received', 'running') AND coalesce(t.state IN ('dead', 'cancelled'), true) THEN 'failed'
                WHEN u.state = 'received' AND t.state = 'running' THEN 'running' ELSE u.state END AS state,
           coalesce(t.units_done, 0) AS units_done, t.units,
           EXISTS (SELECT 1 FROM upload e WHERE e.brand_id = u.brand_id AND e.sha256 = u.sha256 AND e.state = 'done'
                   AND (e.uploaded_at, e.id) < (u.uploaded_at, u.id)) AS seen_before
    FROM upload u LEFT JOIN task t ON t.id = u.task"""
FILE_ORDER = [file.file_name for file in files.FILES]
# flags of every accepted row of the delivery; what was rejected is in the report
ROWS = """
    SELECT r.file, r.source_row AS row, r.fault, NULL AS flag FROM upload_rejection r WHERE r.upload = $1
    UNION ALL
    SELECT 'orders.csv', l.source_row, NULL, f.code FROM upload u JOIN order_line l ON l.brand_id = u.brand_id AND l.intake = u.intake
    JOIN order_flag f ON f.brand_id = l.brand_id AND f.order_no = l.order_no AND f.line_no = l.line_no WHERE u.id = $1"""
# Rules of the delivery in force on a day with sales of an earlier one: they count for what comes from now on.
LATE_RULES = """
    SELECT r.code FROM rule r WHERE r.intake = $1 AND EXISTS (
        SELECT 1 FROM order_line l WHERE l.brand_id = r.brand_id AND l.intake < $1
          AND (r.starts_on IS NULL OR l.paid_on >= r.starts_on) AND (r.ends_on IS NULL OR l.paid_on < r.ends_on))
    ORDER BY r.code LIMIT 20"""


class UploadUnknownError(errors.RefusedError):
    code: ClassVar[str] = "upload.unknown"
    status: ClassVar[int] = 404


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """intake: the delivery it became, None where nothing was new. seen_before: the same bytes were taken in before."""

    id: uuid.UUID
    kind: str
    file_name: str
    bytes: int
    sha256: str
    uploaded_by: uuid.UUID
    uploaded_at: dt.datetime
    state: Shown
    intake: int | None
    ended_at: dt.datetime | None
    code: str | None
    reason: str | None
    units_done: int
    units: int | None
    seen_before: bool


class FileCount(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a file; flagged are imported ones that a person should look at."""

    file: str
    rows: int
    imported: int
    duplicate: int
    rejected: int
    flagged: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """code and sentence: why it was rejected, or what about it should be looked at (flagged)."""

    file: str
    row: int
    flagged: bool
    code: str
    column: str
    sentence: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """rows: the first of them, of `total`."""

    files: list[FileCount]
    rows: list[Row]
    total: int
    late_rules: list[str]


async def listing(*, brand_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None = None, most: int = PAGE) -> list[Upload]:
    """The newest first. before: time and id of the last of the page before."""
    at, last = before or (None, None)
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"{UPLOADS} WHERE ($1::timestamptz IS NULL OR (u.uploaded_at, u.id) < ($1, $2)) ORDER BY u.uploaded_at DESC, u.id DESC LIMIT $3",
            at,
            last,
            most,
        )
    return [Upload(**dict(row)) for row in rows]


async def read(*, brand_id: uuid.UUID, upload_id: uuid.UUID) -> Upload:
    """Raises UploadUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{UPLOADS} WHERE u.id = $1", upload_id)
    if row is None:
        raise UploadUnknownError(f"There is no upload {upload_id}.")
    return Upload(**dict(row))


async def report(*, brand: Brand, upload: Upload, locale: str) -> Report:
    async with db.atomic(brand.id):
        counts = await db.connection().fetch(
            """SELECT f.file, f.rows, f.imported, f.duplicate, f.rejected, CASE WHEN f.file = 'orders.csv' THEN (
                   SELECT count(DISTINCT (l.order_no, l.line_no)) FROM order_line l JOIN order_flag o USING (brand_id, order_no, line_no)
                   WHERE l.brand_id = f.brand_id AND l.intake = $2) ELSE 0 END AS flagged
               FROM upload_file f WHERE f.upload = $1 ORDER BY array_position($3, f.file)""",
            upload.id,
            upload.intake,
            FILE_ORDER,
        )
        total = await db.connection().fetchval(f"SELECT count(*) FROM ({ROWS}) r", upload.id)
        rows = await db.connection().fetch(
            f"SELECT * FROM ({ROWS}) r ORDER BY flag IS NOT NULL, file, row, flag LIMIT $2", upload.id, ROWS_SHOWN
        )
        late = await db.connection().fetch(LATE_RULES, upload.intake) if upload.intake is not None else []
    return Report(
        files=[FileCount(**dict(row)) for row in counts],
        rows=[_row(row, brand, locale) for row in rows],
        total=total,
        late_rules=[row["code"] for row in late],
    )


async def write(*, brand: Brand, upload: Upload, out: Path) -> None:
    """The whole report as a table for a spreadsheet, each sentence in both languages."""
    async with db.atomic(brand.id):
        connection = db.connection()
        faults = await connection.fetch("SELECT DISTINCT file, fault FROM upload_rejection WHERE upload = $1", upload.id)
        await connection.execute(
            "CREATE TEMP TABLE said (file text, fault text, code text, at_fault text, zh text, en text) ON COMMIT DROP"
        )
        said = [_said(row["file"], row["fault"], None, brand) for row in faults]
        said += [_said("orders.csv", None, flag, brand) for flag in messages.FLAGS]
        await connection.executemany("INSERT INTO said VALUES ($1, $2, $3, $4, $5, $6)", said)
        await cells.write_csv(
            f"""SELECT r.file, r.row, CASE WHEN r.flag IS NULL THEN 'rejected' ELSE 'flagged' END AS result, s.code, s.at_fault AS column,
                       s.zh AS sentence_zh, s.en AS sentence_en
                FROM ({ROWS}) r JOIN said s ON s.file = r.file AND s.fault = coalesce(r.fault, r.flag) ORDER BY r.file, r.row, r.flag NULLS FIRST""",
            upload.id,
            out=out,
        )


def _row(row: asyncpg.Record, brand: Brand, locale: str) -> Row:
    _, _, code, column, zh, en = _said(row["file"], row["fault"], row["flag"], brand)
    sentence = en if locale == "en" else zh
    return Row(file=row["file"], row=row["row"], flagged=row["flag"] is not None, code=code, column=column, sentence=sentence)


def _said(file: str, fault: str | None, flag: str | None, brand: Brand) -> tuple[str, str, str, str, str, str]:
    if fault is None:
        zh, en = messages.FLAGS[flag or ""]
        return file, flag or "", flag or "", "", zh, en
    name = file.removesuffix(".csv")
    code, _, column = fault.removesuffix(messages.STORED).partition(":")
    zh, en = (messages.sentence(fault, name, brand, locale) for locale in ("zh-CN", "en"))
    return file, fault, code, column, zh, en
