"""The documents of issued statements: frozen when they are issued, rendered by tasks, kept as files.

What a statement says is frozen in `statement_document` as its canonical JSON; what is renamed later changes no document. A task
renders a range of statements; a file has its final name only when it is whole, and is `ready` only when it has been recorded.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import hashlib
import itertools
import threading
from typing import TYPE_CHECKING, TypeVar

import msgspec

from qucheng.core import crashpoint, db, task
from qucheng.settlement import document, document_archive, document_chunk, document_files, document_folder, document_source

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from qucheng.identity.brand import Brand
    from qucheng.settlement.document_pool import Renderer

    T = TypeVar("T")

RENDER = "document.render"
CHUNK = 16
"""Statements rendered and recorded at a time."""
RANGE = 200
"""Statements of one task that again() asks for."""
PAGE = 500
"""Statements handed out at a time."""

FREEZE = """
    INSERT INTO statement_document (brand_id, period, number, document, sha256)
    SELECT current_brand(), $1, d.number, d.document, d.sha256 FROM unnest($2::integer[], $3::text[], $4::text[]) AS d (number, document, sha256)"""
MISSING = f"""
    SELECT d.number FROM statement_document d
    LEFT JOIN document_file f ON f.brand_id = d.brand_id AND f.period = d.period AND f.number = d.number AND f.state = 'ready' AND f.number <> ALL ($4)
    WHERE d.period = $1 AND d.number BETWEEN $2 AND $3
    GROUP BY d.number HAVING count(f.format) < {len(document_files.FORMATS)} ORDER BY d.number"""
READY = """
    SELECT f.number, s.statement_no || '.' || f.format AS name, f.sha256, f.bytes FROM document_file f JOIN statement s USING (brand_id, period, number)
    WHERE f.period = $1 AND f.number BETWEEN $2 AND $3 AND f.state = 'ready' ORDER BY f.number, f.format"""
LACKING = f"""
    SELECT d.number, min(s.statement_no) AS statement_no, max(f.reason) AS reason FROM statement_document d JOIN statement s USING (brand_id, period, number)
    LEFT JOIN document_file f USING (brand_id, period, number) WHERE d.period = $1 AND d.number BETWEEN $2 AND $3
    GROUP BY d.number HAVING count(*) FILTER (WHERE f.state = 'ready') < {len(document_files.FORMATS)} ORDER BY d.number"""
LAST = "SELECT coalesce(max(number), 0) AS last, count(*) AS statements FROM statement_document WHERE period = $1"
ASKED_FOR = """
    SELECT (subject ->> 'first')::integer AS first, (subject ->> 'last')::integer AS last FROM task
    WHERE brand = $1 AND kind = $2 AND state IN ('waiting', 'running') AND subject ->> 'period' = $3"""
FORGET = "DELETE FROM document_file WHERE period = $1 AND number = ANY ($2) AND state = 'failed'"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How many statements of a period have all their documents, or will get them; failed: why one has none, by its number."""

    ready: int
    waiting: int
    failed: dict[str, str]


async def freeze(*, brand: Brand, period: dt.date, first: int, last: int) -> None:
    """Stores what the statements first..last of the period say, inside the atomic() that issues them."""
    async with db.atomic(brand.id):
        papers = await document_source.documents(brand=brand, period=period, first=first, last=last)
        frozen = {number: document.canonical_json(paper) for number, paper in papers.items()}
        await db.connection().execute(
            FREEZE,
            period,
            list(frozen),
            [text.decode() for text in frozen.values()],
            [hashlib.sha256(text).hexdigest() for text in frozen.values()],
        )


async def request(*, brand: Brand, period: dt.date, first: int, last: int) -> uuid.UUID:
    """Adds the task that renders these statements, inside the atomic() that issues them."""
    return await task.add(
        kind=RENDER,
        queue="documents",
        brand_id=brand.id,
        subject={"period": period, "first": first, "last": last},
        key=f"{RENDER}/{brand.id}/{period}/{first}",
    )


async def render(
    *,
    work: task.Work,
    brand: Brand,
    folder: Path,
    pool: Renderer,
    now: dt.datetime,
    finishing: Callable[[dt.date], Awaitable[object]] | None = None,
) -> None:
    """Does what request() asked for: makes the files of those statements that lack any, a chunk at a time.

    finishing: called with the period in the transaction that ends the task.

    A statement that cannot be rendered is recorded as failed, with the reason, and the others go on. What the machine does to us
    is raised, so that the task is tried again.
    """
    subject = work.task.subject
    period, first, last = dt.date.fromisoformat(subject["period"]), int(subject["first"]), int(subject["last"])
    where = document_folder.place(folder, brand, period)
    missing = await _missing(brand, period, first, last, where)
    done, total = last - first + 1 - len(missing), last - first + 1
    await work.progress(done, total)
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        frozen = await document_chunk.read(brand=brand, period=period, numbers=chunk)
        files = await _make(frozen, where, pool)
        crashpoint.reached("document.written")
        ends = start + CHUNK >= len(missing)
        async with (work.finishing if ends else work.effect)(brand.id):
            await document_chunk.record(period=period, files=files, now=now)
            if ends and finishing is not None:
                await finishing(period)
        crashpoint.reached("document.recorded")
        done += len(chunk)
        await work.progress(done, total)
    if not missing:
        async with work.finishing(brand.id):
            if finishing is not None:
                await finishing(period)
    crashpoint.reached("task.done")


async def status(*, brand: Brand, period: dt.date) -> Status:
    async with db.atomic(brand.id):
        found = await db.connection().fetchrow(LAST, period)
        lacking = await db.connection().fetch(LACKING, period, 1, found["last"])
    failed = {row["statement_no"]: row["reason"] for row in lacking if row["reason"] is not None}
    return Status(ready=found["statements"] - len(lacking), waiting=len(lacking) - len(failed), failed=failed)


async def again(*, brand: Brand, period: dt.date, folder: Path | None = None) -> int:
    """Asks anew for the documents of statements that have none, or whose files have gone from the folder; returns how many.

    Those that a task is to render or renders now are left to it.
    """
    async with db.atomic(brand.id):
        await db.connection().execute("SELECT lock_brand($1, 'document')", brand.id)
        last = (await db.connection().fetchrow(LAST, period))["last"]
        where = document_folder.place(folder, brand, period) if folder is not None else None
        asked = await db.connection().fetch(ASKED_FOR, brand.id, RENDER, period.isoformat())
        numbers = [
            number
            for number in await _missing(brand, period, 1, last, where)
            if not any(row["first"] <= number <= row["last"] for row in asked)
        ]
        await db.connection().execute(FORGET, period, numbers)
        for _, group in itertools.groupby(numbers, lambda number: (number - 1) // RANGE):
            wanted = list(group)
            await request(brand=brand, period=period, first=wanted[0], last=wanted[-1])
    return len(numbers)


async def archive(
    *, brand: Brand, period: dt.date, folder: Path, out: Path, told: Callable[[int, int], Awaitable[None]] | None = None
) -> Status:
    """Packs all documents of the period into the ZIP `out`, with failed.csv where a statement has none. told: of each page, how many of how many.

    Raises DocumentChangedError where a file is not the one that was made; then there is no new ZIP.
    """
    where = document_folder.place(folder, brand, period)
    made = await asyncio.to_thread(document_archive.Zip, out)
    try:
        done, total = 0, await _last(brand, period)
        async for ready, lacking in _pages(brand, period):
            await _in_thread(functools.partial(made.add, where, ready))
            made.lacks(lacking)
            done = min(done + PAGE, total)
            if told is not None:
                await told(done, total)
        await _in_thread(made.finish)
    finally:
        made.discard()
    return await status(brand=brand, period=period)


async def copy_out(*, brand: Brand, periods: list[dt.date], folder: Path, out: Path) -> None:
    """Copies all documents of these periods into `out`/statements; others of the brand that lie there are removed.

    Raises DocumentChangedError where a file is not the one that was made.
    """
    target = out / "statements"
    await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
    copied: set[str] = set()
    for period in periods:
        where = document_folder.place(folder, brand, period)
        async for ready, _ in _pages(brand, period):
            copied |= await _in_thread(lambda ready=ready, where=where: set(document_archive.copy(where, target, ready)))  # type: ignore[misc]
    await asyncio.to_thread(document_folder.clear, target, brand.code, copied)


async def _pages(brand: Brand, period: dt.date) -> AsyncIterator[tuple[list[document_archive.Kept], list[tuple[str, str]]]]:
    """The files that are ready, and the statements that lack any with the reason, some statements at a time."""
    last = await _last(brand, period)
    for first in range(1, last + 1, PAGE):
        async with db.atomic(brand.id):
            ready = await db.connection().fetch(READY, period, first, first + PAGE - 1)
            lacking = await db.connection().fetch(LACKING, period, first, first + PAGE - 1)
        yield (
            [document_archive.Kept(row["name"], row["sha256"], row["bytes"]) for row in ready],
            [(row["statement_no"], row["reason"] or "not rendered yet") for row in lacking],
        )


async def _last(brand: Brand, period: dt.date) -> int:
    async with db.atomic(brand.id):
        return int((await db.connection().fetchrow(LAST, period))["last"])


async def _missing(brand: Brand, period: dt.date, first: int, last: int, where: Path | None) -> list[int]:
    """The numbers of the statements that are not ready, or were and whose files have gone."""
    async with db.atomic(brand.id):
        ready = await db.connection().fetch(READY, period, first, last) if where is not None else []
        gone = await asyncio.to_thread(
            lambda: {row["number"] for row in ready if where and document_folder.lacks(where, row["name"], row["bytes"])}
        )
        return [row["number"] for row in await db.connection().fetch(MISSING, period, first, last, list(gone))]


async def _make(frozen: list[document_chunk.Frozen], where: Path, pool: Renderer) -> list[document_chunk.File]:
    stop = threading.Event()
    return await _in_thread(functools.partial(document_chunk.make, frozen, where, pool, stop), stop)


async def _in_thread(work: Callable[[], T], stop: threading.Event | None = None) -> T:
    """When the caller is cancelled the thread has ended before it knows: pool and files are free for what comes next."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # looked at, so that nobody asks why not
        raise
