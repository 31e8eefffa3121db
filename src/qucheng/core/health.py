"""Whether this process can do its work, and the figures of the platform: what readiness and the metrics tell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import database, db, process, task

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.core.settings import Settings

log = logging.getLogger(__name__)

OK = "ok"
ANSWER_SECONDS = 3
STUCK_SECONDS = 10
FRESH_SECONDS = 1
REPORT_SECONDS = 10
CLOSE_SECONDS = 3
LEAST_FREE_BYTES = 200_000_000
LEAST_FREE_PART = 20  # one twentieth of the disk


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says. tasks: by queue and state. oldest_waiting: seconds since the first due task became due."""

    migrated: bool
    workers: int
    webs: int
    books_differing: int
    tasks: dict[tuple[str, str], int]
    oldest_waiting: float


class Watch:
    """Looks after one web process: reports it in the database, and answers from what the database said a second ago at most."""

    def __init__(self, settings: Settings, process_id: uuid.UUID) -> None:
        self.settings = settings
        self.process_id = process_id
        self._asking: asyncio.Task[Figures] | None = None
        self._asked_at = 0.0
        self._known: tuple[float, Figures | None] | None = None
        self._silent = False

    async def checks(self) -> dict[str, str]:
        """Each check by name: `ok`, or what is wrong."""
        figures = await self.figures()
        found = {"database": OK if figures is not None else "does not take a write", "disk": disk(self.settings.var)}
        if figures is None:
            return found | dict.fromkeys(("migrations", "worker", "books"), "not known without the database")
        return found | {
            "migrations": OK if figures.migrated else "the schema is not the program's",
            "worker": OK if figures.workers else f"none seen for {process.SEEN_SECONDS} s",
            "books": OK if not figures.books_differing else "the last check of a brand's books found differences",
        }

    async def figures(self) -> Figures | None:
        """Written and read within a few seconds, or None. However many ask, one question stands at a time."""
        if self._known is not None and time.monotonic() - self._known[0] < FRESH_SECONDS:
            return self._known[1]
        if self._asking is not None and time.monotonic() - self._asked_at > STUCK_SECONDS:
            self._asking.cancel()  # a connection that hears nothing any more; the next question takes another
            self._asking = None
        if self._asking is None:
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._ask())
        asking = self._asking
        await asyncio.wait({asking}, timeout=ANSWER_SECONDS)
        if not asking.done():
            self._note(silent=True)
            return None
        if self._asking is asking:
            self._asking = None
        error = asyncio.CancelledError() if asking.cancelled() else asking.exception()
        self._note(silent=error is not None, error=error)
        self._known = (time.monotonic(), asking.result() if error is None else None)
        return self._known[1]

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """The process is in the database's list for the time of the block."""
        reporting = asyncio.create_task(self._report())
        try:
            yield
        finally:
            reporting.cancel()
            await asyncio.wait({reporting})
            await self._leave()

    async def _report(self) -> None:
        while True:
            await self.figures()
            await asyncio.sleep(REPORT_SECONDS)

    async def _leave(self) -> None:
        """Removes the row. A server that does not answer holds up neither this nor the closing of the pool."""
        leaving = asyncio.create_task(process.forget(self.process_id))
        tasks = {leaving} | ({self._asking} if self._asking is not None else set())
        _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for one in late:
            one.cancel()
        if late and db.ENGINE.pool is not None:
            db.ENGINE.pool.terminate()
        for one in tasks - late:
            if (error := one.exception()) is not None:
                log.warning("this process could not take itself off the list", exc_info=error)

    async def _ask(self) -> Figures:
        await process.report(self.process_id, "web")
        async with db.atomic():
            row = await db.connection().fetchrow(
                """SELECT EXISTS (SELECT 1 FROM migration WHERE name = $1) AS migrated, books_differing() AS books_differing,
                       coalesce((SELECT extract(epoch FROM greatest(clock_timestamp() - min(available_at), interval '0'))
                                 FROM task WHERE state = 'waiting'), 0)::double precision AS oldest_waiting""",
                database.newest_migration(),
            )
        return Figures(
            **dict(row), workers=await process.seen("worker"), webs=await process.seen("web"), tasks=await task.counts()
        )

    def _note(self, *, silent: bool, error: BaseException | None = None) -> None:
        """Said once when it begins and once when it ends."""
        if silent and not self._silent:
            log.warning("the database does not answer", exc_info=error)
        elif self._silent and not silent:
            log.info("the database answers again")
        self._silent = silent


def disk(folder: Path) -> str:
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    usage = shutil.disk_usage(there)
    enough = usage.free >= LEAST_FREE_BYTES and usage.free * LEAST_FREE_PART >= usage.total
    return OK if enough else "almost full"


def metrics_token(settings: Settings) -> str:
    """Who knows it may read the metrics: named by the environment, else made once, in a file for its owner's eyes."""
    if settings.metrics_token is not None:
        return settings.metrics_token
    file = settings.var / "metrics-token"
    if not file.exists():
        settings.var.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        with contextlib.suppress(FileExistsError):  # another process was as quick: one of the two is enough
            os.link(draft, file)
        draft.unlink()
    return file.read_text(encoding="ascii").strip()
