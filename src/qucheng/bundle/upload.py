"""Deliveries that a person sends: a bundle as a ZIP, or one file of facts for a brand that is there. Taken in by a task.

The file lies under `{folder}/{brand}/{upload}` until it is known what became of it: it holds buyers. What is kept is the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import re
import shutil
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import msgspec

from qucheng.bundle import archive, brand_file, files, importing, keeping
from qucheng.bundle import progress as progresses
from qucheng.commission import accrual
from qucheng.core import audit, crashpoint, db, errors, ids, task, telling

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

Kind = Literal["bundle", "orders", "refunds", "fulfilments"]
KINDS: tuple[Kind, ...] = ("bundle", "orders", "refunds", "fulfilments")
TAKE_IN = "bundle.take_in"
FOLDER = "uploads"
"""Under `var`."""
LARGEST = 256 << 20
LONGEST_NAME = 200
SENT = "sent"
# how the work divides, as it was measured on a month of a million lines
PARTS = {"read": 30, "check": 45, "accrue": 25}
# what nobody took in after so many days is given up, and the file with it
DAYS_KEPT = 7
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
FAULTS = " UNION ALL ".join(
    f"SELECT '{file.file_name}', row, fault FROM checked_{file.name} WHERE fault <> 'duplicate'" for file in files.FILES
)


class UploadRefusedError(errors.RefusedError):
    """What was sent is no delivery: nothing of it is kept."""

    code: ClassVar[str] = "upload.refused"
    status: ClassVar[int] = 422


class UploadTooLargeError(UploadRefusedError):
    code: ClassVar[str] = "upload.too_large"


class OtherBrandError(errors.RefusedError):
    """The bundle is another brand's."""

    code: ClassVar[str] = "upload.other_brand"
    status: ClassVar[int] = 409


class FileGoneError(errors.RefusedError):
    """The file is no longer where it was put."""

    code: ClassVar[str] = "upload.file_gone"
    status: ClassVar[int] = 410


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What the task finds of an upload."""

    id: uuid.UUID
    kind: Kind
    intake: int | None
    judged_at: dt.datetime | None


class _NothingNewError(Exception):
    """Takes back what was stored, for nothing of it was new."""


class Incoming:
    """A file on its way in: `with Incoming(folder, brand_id) as file`. What has not been kept by the end is gone."""

    def __init__(self, folder: Path, brand_id: uuid.UUID) -> None:
        self.id = ids.new_id()
        self.bytes = 0
        self.kept = False
        self._where = folder / str(brand_id) / str(self.id)
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        self._where.mkdir(parents=True, mode=0o700)
        self._out = (self._where / SENT).open("xb")
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        if not self.kept:
            discard(self._where)

    def write(self, piece: bytes | bytearray) -> None:
        """Raises UploadTooLargeError at the first byte too many."""
        self.bytes += len(piece)
        if self.bytes > LARGEST:
            raise UploadTooLargeError(f"A file has at most {LARGEST >> 20} MB. Send the month in parts, or packed.")
        self._hash.update(piece)
        self._out.write(piece)

    def finish(self) -> str:
        """Everything is on the disk; returns the hash."""
        self._out.flush()
        os.fsync(self._out.fileno())
        return self._hash.hexdigest()


async def keep(
    *, incoming: Incoming, brand: Brand, kind: Kind, file_name: str, actor: audit.Actor, now: dt.datetime
) -> uuid.UUID:
    """Writes down that the file came, with the task that takes it in, and returns the upload's id."""
    if not incoming.bytes:
        raise UploadRefusedError("The file is empty.")
    if actor.user_id is None:
        raise RuntimeError("an upload is somebody's")
    name = CONTROL.sub(" ", file_name).strip()[:LONGEST_NAME] or "?"
    digest = await asyncio.to_thread(incoming.finish)
    async with db.atomic(brand.id):
        task_id = await task.add(kind=TAKE_IN, queue="money", brand_id=brand.id, subject={"upload": incoming.id})
        await db.connection().execute(
            "INSERT INTO upload (brand_id, id, kind, file_name, bytes, sha256, uploaded_by, uploaded_at, task)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            brand.id,
            incoming.id,
            kind,
            name,
            incoming.bytes,
            digest,
            actor.user_id,
            now,
            task_id,
        )
        after = {"kind": kind, "file_name": name, "bytes": incoming.bytes, "sha256": digest}
        await audit.record(brand_id=brand.id, actor=actor, action="upload.send", subject=str(incoming.id), after=after)
    incoming.kept = True
    return incoming.id


async def take_in(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what keep() asked for. An attempt goes on where another stopped: judged is judged, and the rest is earned from it."""
    chosen = await _waiting(work, brand)
    where = folder / str(brand.id) / str(chosen.id)
    told = progresses.Told(PARTS)
    async with telling.telling(work, lambda: (told.done, told.total)):
        if chosen.judged_at is None:
            try:
                chosen = await _judge(work, brand, chosen, where, told, now)
            except errors.RefusedError as refusal:
                await _refuse(work, brand, chosen, refusal, now)
                await asyncio.to_thread(discard, where)
                return
            crashpoint.reached("upload.judged")
        await asyncio.to_thread(discard, where)
        await _earn(work, brand, chosen, told, now)
    crashpoint.reached("task.done")


async def _waiting(work: task.Work, brand: Brand) -> Waiting:
    upload_id = uuid.UUID(work.task.subject["upload"])
    async with work.effect(brand.id):
        await db.connection().execute("UPDATE upload SET state = 'running' WHERE id = $1 AND state = 'received'", upload_id)
        row = await db.connection().fetchrow("SELECT id, kind, intake, judged_at FROM upload WHERE id = $1", upload_id)
    if row is None:
        raise FileGoneError(f"There is no upload {upload_id}.")
    return Waiting(**dict(row))


async def _judge(work: task.Work, brand: Brand, chosen: Waiting, where: Path, told: progresses.Told, now: dt.datetime) -> Waiting:
    """Stores the rows with the report in one transaction; of a file without news only the report."""
    attempt = where / f"attempt-{work.task.attempt}"
    source = await asyncio.to_thread(_laid_out, chosen.kind, where, attempt)
    if chosen.kind == "bundle":
        _require_own(brand, brand_file.read(source / archive.BRAND_FILE))
    async with work.effect(brand.id):
        intake: int | None = None
        with contextlib.suppress(_NothingNewError):
            async with db.atomic(brand.id):
                number = await importing.take_in(
                    folder=source, brand=brand, now=now, progress=told, partial=chosen.kind != "bundle"
                )
                counts = await importing.counts(number=number)
                await db.connection().copy_from_query(FAULTS, output=attempt / "faults", format="csv")
                if not any(count.imported for count in counts):
                    raise _NothingNewError
                intake = number
        given = [count for count in counts if (source / count.file).exists()]
        await _report(chosen.id, given, attempt / "faults")
        await db.connection().execute(
            "UPDATE upload SET intake = $2, judged_at = $3 WHERE id = $1 AND judged_at IS NULL", chosen.id, intake, now
        )
        after = {"intake": intake, **{count.file: [count.imported, count.duplicate, count.rejected] for count in given}}
        await audit.record(brand_id=brand.id, actor=audit.SYSTEM, action="upload.judge", subject=str(chosen.id), after=after)
        crashpoint.reached("upload.judging")
    return msgspec.structs.replace(chosen, intake=intake, judged_at=now)


def _laid_out(kind: Kind, where: Path, attempt: Path) -> Path:
    """The delivery as a folder. Raises FileGoneError and ArchiveRefusedError."""
    sent, source = where / SENT, attempt / "files"
    if not sent.is_file():
        raise FileGoneError("The file is no longer where it was put: send it again.")
    shutil.rmtree(attempt, ignore_errors=True)
    source.mkdir(parents=True)
    if kind == "bundle":
        archive.unpack(sent, source)
    else:
        os.link(sent, source / f"{kind}.csv")
    return source


def _require_own(brand: Brand, given: Brand) -> None:
    if given.code != brand.code:
        raise OtherBrandError(f"This is the bundle of {given.code}, and here are the books of {brand.code}.")
    keeping.require_same(brand, given)


async def _report(upload_id: uuid.UUID, counts: list[importing.FileCount], faults: Path) -> None:
    await db.connection().executemany(
        "INSERT INTO upload_file (brand_id, upload, file, rows, imported, duplicate, rejected) VALUES (current_brand(), $1, $2, $3, $4, $5, $6)",
        [(upload_id, each.file, each.rows, each.imported, each.duplicate, each.rejected) for each in counts],
    )
    await db.connection().execute("CREATE TEMP TABLE fault_of_row (file text, source_row integer, fault text) ON COMMIT DROP")
    await db.connection().copy_to_table("fault_of_row", source=faults, format="csv")
    await db.connection().execute(
        "INSERT INTO upload_rejection (brand_id, upload, file, source_row, fault)"
        " SELECT current_brand(), $1, file, source_row, fault FROM fault_of_row",
        upload_id,
    )


async def _earn(work: task.Work, brand: Brand, chosen: Waiting, told: progresses.Told, now: dt.datetime) -> None:
    """What came earns at once, so that the pages show it; a delivery without news earned nothing."""
    if chosen.intake is not None:
        await db.refresh_statistics()
    with told.stage("accrue", total=accrual.steps()) as done:
        if chosen.intake is not None:
            await accrual.accrue(brand_id=brand.id, now=now, done=done, within=work.effect)
        async with work.finishing(brand.id):
            await db.connection().execute(
                "UPDATE upload SET state = 'done', ended_at = $2 WHERE id = $1 AND state = 'running'", chosen.id, now
            )
    if chosen.intake is not None:
        await db.refresh_statistics()


async def _refuse(work: task.Work, brand: Brand, chosen: Waiting, refusal: errors.RefusedError, now: dt.datetime) -> None:
    """The task is done: there is nothing to try again."""
    async with work.finishing(brand.id):
        await db.connection().execute(
            "UPDATE upload SET state = 'refused', code = $2, reason = $3, ended_at = $4 WHERE id = $1 AND state = 'running'",
            chosen.id,
            refusal.code,
            str(refusal),
            now,
        )
        await audit.record(
            brand_id=brand.id, actor=audit.SYSTEM, action="upload.refuse", subject=str(chosen.id), after={"code": refusal.code}
        )


async def prune(*, brand_id: uuid.UUID, folder: Path, now: dt.datetime) -> int:
    """Gives up what no task takes in any more, and removes the files that nobody waits for; returns how many were given up."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"""UPDATE upload u SET state = 'failed', code = 'task.dead', reason = coalesce(t.reason, 'its task is gone'), ended_at = $1
                FROM upload o LEFT JOIN task t ON t.id = o.task
                WHERE o.brand_id = u.brand_id AND o.id = u.id AND u.state IN ('received', 'running')
                  AND coalesce(t.state NOT IN ('waiting', 'running'), true) AND u.uploaded_at < $1::timestamptz - interval '{DAYS_KEPT} days'
                RETURNING u.id""",
            now,
        )
        waiting = await db.connection().fetch("SELECT id FROM upload WHERE state IN ('received', 'running')")
    kept = {str(row["id"]) for row in waiting}
    await asyncio.to_thread(_clear, folder / str(brand_id), kept, now)
    return len(rows)


def _clear(where: Path, kept: set[str], now: dt.datetime) -> None:
    """One that is still coming in has no row yet: it has a day."""
    if not where.is_dir():
        return
    yesterday = now.timestamp() - 24 * 3600
    for path in where.iterdir():
        if path.name not in kept and path.stat().st_mtime < yesterday:
            discard(path)


def discard(where: Path) -> None:
    shutil.rmtree(where, ignore_errors=True)
