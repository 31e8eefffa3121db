"""What tests.faults.start puts in the place of the product's own: arranged faults, and protections switched off."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from qucheng.core import db
from qucheng.settlement import document_files, document_pool

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from qucheng.settlement.document_files import Format
    from qucheng.settlement.document_pool import Files, Item


def a_day_ahead() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


def a_day_behind() -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


def stand_still(name: str) -> None:
    """In the place of crashpoint.reached(): the process stops itself, once, in the middle of the second batch."""
    stood.append(name)
    if stood.count("run.batch") == 2 and name == "run.batch":
        os.kill(os.getpid(), signal.SIGSTOP)


stood: list[str] = []


async def no_sweep() -> int:
    await asyncio.sleep(0)
    return 0


async def never_rung_again(task_ids: list[uuid.UUID]) -> None:
    """In the place of task.rung(): as if a bell once rung were always heard."""
    async with db.atomic():
        await db.connection().execute("UPDATE task SET rung_at = 'infinity' WHERE id = ANY ($1)", task_ids)


async def deaf(*_: object) -> None:
    """In the place of Worker._listen: rings for others and hears nothing itself."""
    await asyncio.Event().wait()


async def no_healing(_: object) -> None:
    await asyncio.sleep(1)


VICTIM = b'"R03"'
HUNGER = 3 << 30


def hang(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> Files:
    if VICTIM in canonical:
        time.sleep(1000)
    return document_files.make(canonical, lines_csv, public_url, formats)


def eat(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> Files:
    if VICTIM in canonical:
        bytearray(HUNGER)  # asked for, never touched: the machine that runs the control is not hurt
    return document_files.make(canonical, lines_csv, public_url, formats)


def crash(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> Files:
    if VICTIM in canonical:
        os.abort()
    return document_files.make(canonical, lines_csv, public_url, formats)


def hanging(_: object) -> document_pool.Renderer:
    return document_pool.Renderer(processes=2, timeout=5, work=hang)


def hanging_unwatched(_: object) -> document_pool.Renderer:
    return document_pool.Renderer(processes=2, timeout=1000, work=hang)


def hungry(_: object) -> document_pool.Renderer:
    return document_pool.Renderer(processes=2, work=eat)


def hungry_unlimited(_: object) -> document_pool.Renderer:
    return document_pool.Renderer(processes=2, memory=None, work=eat)


def crashing(_: object) -> document_pool.Renderer:
    return document_pool.Renderer(processes=2, work=crash)


class InTheWorker(document_pool.Renderer):
    """Without processes of its own."""

    def render_all(self, items: Iterable[Item], formats: tuple[Format, ...] = ("pdf",), stop: object = None) -> Iterator[Any]:
        assert stop is not None
        for item in items:
            yield item.statement_no, crash(item.canonical, item.lines_csv, None, formats)


def crashing_in_the_worker(_: object) -> document_pool.Renderer:
    return InTheWorker(processes=1)


def careless_write(where: Path, name: str, content: bytes) -> None:
    """Under its final name at once, and never flushed."""
    (where / name).write_bytes(content)
