"""Statements taken out: one document, the list as CSV, and all documents of a run in one ZIP that a task makes."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import cells, db, errors, exports, money
from qucheng.settlement import document_folder, document_store, queries, run

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.core import audit, task
    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

ARCHIVE, LIST = "document.archive", "statement.list"
PERMISSION = "documents.export"
PAGE = 500
BOM = "\ufeff"
HEAD = ("statement_no", "period", "reseller", "name", "kind", "tier", *queries.AMOUNTS, "state", "confirmed", "open_disputes")
ONE = """
    SELECT s.period, f.sha256 FROM statement s JOIN document_file f USING (brand_id, period, number)
    WHERE s.statement_no = $1 AND f.format = $2 AND f.state = 'ready'"""


class DocumentMissingError(errors.RefusedError):
    """There is no such document, or none yet."""

    code: ClassVar[str] = "document.missing"
    status: ClassVar[int] = 404


async def document(
    *, brand: Brand, statement_no: str, kind: Literal["pdf", "xlsx", "csv"], folder: Path, reseller: str | None = None
) -> bytes:
    """The file as it was made. Raises DocumentMissingError, and DocumentChangedError where it is not that file any more."""
    async with db.atomic(brand.id, reseller=reseller):
        row = await db.connection().fetchrow(ONE, statement_no, kind) if "\0" not in statement_no else None
    if row is None:
        raise DocumentMissingError(f"{brand.code} has no {kind} of {statement_no!r}.")
    path = document_folder.place(folder, brand, row["period"]) / f"{statement_no}.{kind}"
    return await asyncio.to_thread(lambda: b"".join(document_folder.pieces(path, row["sha256"])))


async def list_as_csv(*, brand: Brand, filters: queries.Filters) -> AsyncIterator[str]:
    """The filtered list in pieces, for spreadsheets: amounts are plain numbers in major units."""
    yield BOM + _rows([HEAD])
    page, more = 1, True
    while more:
        found = await queries.statements(brand=brand, filters=filters, page=page, size=PAGE)
        yield _rows([_row(brand, each) for each in found.items])
        page, more = page + 1, page * PAGE < found.count


async def request_list(*, brand: Brand, filters: queries.Filters, rows: int, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Asks for the list as a file; returns the export's id."""
    parameters = {name: value for name, value in msgspec.to_builtins(filters).items() if value}
    name = f"{brand.code}-statements.csv"
    return await exports.request(
        brand_id=brand.id,
        kind=LIST,
        queue="rest",
        permission=PERMISSION,
        parameters=parameters,
        file_name=name,
        rows=rows,
        actor=actor,
        now=now,
    )


async def write_list(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what request_list() asked for."""
    chosen = await exports.of_work(work)
    filters = msgspec.convert(chosen.parameters, queries.Filters)
    async with exports.written(work=work, folder=folder, now=now) as path:
        path.unlink(missing_ok=True)
        async for piece in list_as_csv(brand=brand, filters=filters):
            await asyncio.to_thread(_append, path, piece)


async def request_archive(*, brand: Brand, chosen: Run, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Asks for a ZIP of all documents of an issued run; returns the export's id. Raises RunStateError."""
    code = run.code_of(brand, chosen)
    if chosen.state != "issued":
        raise run.RunStateError(f"Run {code} is {chosen.state}: it has documents when it is issued.")
    return await exports.request(
        brand_id=brand.id,
        kind=ARCHIVE,
        queue="documents",
        permission=PERMISSION,
        parameters={"run": code},
        file_name=f"{code}.zip",
        rows=chosen.statements,
        actor=actor,
        now=now,
    )


async def write_archive(*, work: task.Work, brand: Brand, documents: Path, folder: Path, now: dt.datetime) -> None:
    """Does what request_archive() asked for."""
    chosen = await exports.of_work(work)
    _, starts_on, _ = run.parse_code(chosen.parameters["run"])
    async with exports.written(work=work, folder=folder, now=now) as path:
        await document_store.archive(brand=brand, period=starts_on, folder=documents, out=path, told=work.progress)


def _row(brand: Brand, each: queries.Listed) -> tuple[object, ...]:
    amounts = (money.format_plain(getattr(each, f"{name}_minor"), brand.decimals) for name in queries.AMOUNTS)
    names = [cells.inert(name) for name in (each.reseller_name, each.tier_name)]
    head = (each.statement_no, f"{each.period:%Y-%m}", each.reseller, names[0], each.kind, names[1])
    return (*head, *amounts, each.state, int(each.confirmed), each.disputes)


def _rows(rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _append(path: Path, piece: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(piece)
