"""Files that a person asks for and a task makes: journals, trails, archives of documents. Kept for some days, for who asked.

A room asks with `request()`, its task writes with `written()`, and the page of all of them is `/exports`. A file lies under
`{folder}/{brand}/{id}.{hash}`, has that name only when it is whole, and is compared with what was recorded when it is taken.
An attempt that has lost its task writes another name, or the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import re
import shutil
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors, ids, task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    import asyncpg

FOLDER = "exports"
"""Under `var`."""
KEPT = dt.timedelta(days=7)
LISTED = 50
DIRECT_ROWS = 5000
"""More than these are written in the background."""
PIECE = 1 << 20
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 120
# A file is there or not, whatever its task says; without one, the task says how far it is.
SHOWN = """
    e.id, e.kind, e.permission, e.parameters::text, e.file_name, e.rows, e.bytes, e.sha256, e.asked_by, e.asked_at, e.made_at, e.expires_at,
    CASE WHEN e.state <> 'received' THEN e.state WHEN t.state = 'running' THEN 'running' WHEN t.state = 'waiting' THEN 'received' ELSE 'failed' END AS state,
    coalesce(t.units_done, 0) AS units_done, t.units"""


class ExportUnknownError(errors.RefusedError):
    code: ClassVar[str] = "export.unknown"
    status: ClassVar[int] = 404


class ExportNotReadyError(errors.RefusedError):
    """The file is not made yet, or no longer kept."""

    code: ClassVar[str] = "export.not_ready"
    status: ClassVar[int] = 409


class ExportChangedError(errors.RefusedError):
    """The file is not the one that was made."""

    code: ClassVar[str] = "export.changed"
    status: ClassVar[int] = 409


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """rows: how many it was said to have. units_done of units: the progress of its task. failed: the task was given up."""

    id: uuid.UUID
    kind: str
    permission: str
    parameters: dict[str, Any]
    file_name: str
    rows: int | None
    bytes: int | None
    sha256: str | None
    asked_by: uuid.UUID
    asked_at: dt.datetime
    made_at: dt.datetime | None
    expires_at: dt.datetime
    state: Literal["received", "running", "done", "failed", "expired"]
    units_done: int
    units: int | None


async def request(
    *,
    brand_id: uuid.UUID,
    kind: str,
    queue: task.Queue,
    permission: str,
    parameters: dict[str, Any],
    file_name: str,
    rows: int | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Writes down what is wanted with the task of that kind, which makes it, and returns the export's id.

    kind: of the task, whose subject is {"export": id}. permission: what one needs to take the file; who asks has it.
    """
    if actor.user_id is None:
        raise RuntimeError("an export is somebody's")
    export_id = ids.new_id()
    async with db.atomic(brand_id):
        task_id = await task.add(kind=kind, queue=queue, brand_id=brand_id, subject={"export": export_id})
        await db.connection().execute(
            "INSERT INTO export_file (brand_id, id, kind, permission, parameters, file_name, rows, task, asked_by, asked_at, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            brand_id,
            export_id,
            kind,
            permission,
            msgspec.json.encode(parameters).decode(),
            safe_name(file_name),
            rows,
            task_id,
            actor.user_id,
            now,
            now + KEPT,
        )
        after = {"kind": kind, "file_name": file_name, "rows": rows, **parameters}
        await audit.record(brand_id=brand_id, actor=actor, action="export.request", subject=str(export_id), after=after)
    return export_id


async def direct(
    *,
    brand_id: uuid.UUID,
    kind: str,
    parameters: dict[str, Any],
    file_name: str,
    rows: int,
    actor: audit.Actor,
    folder: Path,
    write: Callable[[Path], Awaitable[None]],
) -> Iterator[bytes]:
    """A small file, made at once and handed out in pieces; nothing is kept of it but that it was asked for."""
    made_now = await made(brand_id=brand_id, folder=folder, write=write)
    async with db.atomic(brand_id):
        after = {"kind": kind, "file_name": file_name, "rows": rows, **parameters}
        await audit.record(brand_id=brand_id, actor=actor, action="export.take", subject=file_name, after=after)
    return made_now


async def made(*, brand_id: uuid.UUID, folder: Path, write: Callable[[Path], Awaitable[None]]) -> Iterator[bytes]:
    """A file for one answer, in pieces. It is unlinked before the first of them: nothing is left of it, however the answer ends."""
    place = folder / str(brand_id) / f".{ids.new_id()}"
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        await write(place)
        file = place.open("rb")
    finally:
        place.unlink(missing_ok=True)
    return _read(file, None)


async def read(*, brand_id: uuid.UUID, export_id: uuid.UUID) -> Export:
    """Raises ExportUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            f"SELECT {SHOWN} FROM export_file e LEFT JOIN task t ON t.id = e.task WHERE e.id = $1", export_id
        )
    if row is None:
        raise ExportUnknownError(f"There is no export {export_id}.")
    return _export(row)


async def of_work(work: task.Work) -> Export:
    """What the task is to make. Raises ExportUnknownError."""
    if work.task.brand_id is None:
        raise ExportUnknownError(f"The task {work.task.id} names no brand.")
    return await read(brand_id=work.task.brand_id, export_id=uuid.UUID(work.task.subject["export"]))


async def listing(*, brand_id: uuid.UUID, asked_by: uuid.UUID, allowed: frozenset[str]) -> list[Export]:
    """The newest of what the person asked for and may still see. allowed: the permissions of the role they work in."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {SHOWN} FROM export_file e LEFT JOIN task t ON t.id = e.task"
            " WHERE e.asked_by = $1 AND e.permission = ANY ($2) ORDER BY e.asked_at DESC, e.id DESC LIMIT $3",
            asked_by,
            sorted(allowed),
            LISTED,
        )
    return [_export(row) for row in rows]


@contextlib.asynccontextmanager
async def written(*, work: task.Work, folder: Path, now: dt.datetime) -> AsyncIterator[Path]:
    """Yields the path to write to. When the block ends well the file has its name and, in one COMMIT, export and task are done."""
    chosen = await of_work(work)
    brand_id = work.task.brand_id
    assert brand_id is not None  # noqa: S101 - of_work() has looked
    where = folder / str(brand_id)
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = where / f".{chosen.id}.{work.task.attempt}"
    try:
        yield fresh
        size, digest = await asyncio.to_thread(_measured, fresh)
        fresh.replace(_place(folder, brand_id, chosen.id, digest))
        async with work.finishing(brand_id):
            await db.connection().execute(
                "UPDATE export_file SET state = 'done', bytes = $2, sha256 = $3, made_at = $4 WHERE id = $1 AND state = 'received'",
                chosen.id,
                size,
                digest,
                now,
            )
    finally:
        fresh.unlink(missing_ok=True)


async def open_(
    *, brand_id: uuid.UUID, export_id: uuid.UUID, asked_by: uuid.UUID, allowed: frozenset[str], folder: Path
) -> tuple[Export, Iterator[bytes]]:
    """The file in pieces. Raises ExportUnknownError for somebody else's, and ExportNotReadyError.

    Behind the last piece ExportChangedError, where the file is not the one that was made.
    """
    chosen = await read(brand_id=brand_id, export_id=export_id)
    if chosen.asked_by != asked_by or chosen.permission not in allowed:
        raise ExportUnknownError(f"There is no export {export_id}.")
    if chosen.state == "done" and chosen.sha256 is not None:
        place = _place(folder, brand_id, export_id, chosen.sha256)
        if place.is_file():
            return chosen, pieces(place, chosen.sha256)
    raise ExportNotReadyError(f"{chosen.file_name} is not made yet, or no longer kept.")


def pieces(place: Path, sha256: str) -> Iterator[bytes]:
    """Raises ExportChangedError behind the last where the file is not the one that was made."""
    return _read(place.open("rb"), sha256)


def _read(file: BinaryIO, sha256: str | None) -> Iterator[bytes]:
    found = hashlib.sha256()
    with file:
        while piece := file.read(PIECE):
            found.update(piece)
            yield piece
    if sha256 is not None and found.hexdigest() != sha256:
        raise ExportChangedError("The file is not the one that was made: it has been changed since.")


async def prune(*, brand_id: uuid.UUID, folder: Path, now: dt.datetime) -> int:
    """Removes the brand's files that are past their days, and what writers that were killed left; returns how many exports expired."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "UPDATE export_file SET state = 'expired' WHERE brand_id = $1 AND state <> 'expired' AND expires_at <= $2 RETURNING id",
            brand_id,
            now,
        )
        kept = await db.connection().fetch("SELECT id FROM export_file WHERE state <> 'expired'")
    await asyncio.to_thread(_clear, folder / str(brand_id), {str(row["id"]) for row in kept})
    return len(rows)


def safe_name(name: str) -> str:
    """A name that every system takes and no header is broken by."""
    return UNSAFE.sub("-", name).lstrip(".-_")[:LONGEST_NAME] or "export"


def _place(folder: Path, brand_id: uuid.UUID, export_id: uuid.UUID, sha256: str) -> Path:
    return folder / str(brand_id) / f"{export_id}.{sha256}"


def _clear(where: Path, kept: set[str]) -> None:
    """A name with a dot is being written; it is left if its export is still kept."""
    if not where.is_dir():
        return
    for path in where.iterdir():
        if path.name.lstrip(".").split(".")[0] not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _export(row: asyncpg.Record) -> Export:
    return Export(**{**dict(row), "parameters": msgspec.json.decode(row["parameters"])})
