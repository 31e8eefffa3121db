"""How far a task is, written down while it works: beside its transaction, for what that writes shows only at its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from qucheng.core import task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = logging.getLogger(__name__)

SECONDS = 1


@contextlib.asynccontextmanager
async def telling(work: task.Work, how_far: Callable[[], tuple[int, int]]) -> AsyncIterator[None]:
    """Asks every second what is done of how much. Stands outside atomic()."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await work.progress(*how_far())
            except Exception as error:  # noqa: BLE001 - the work goes on whether or not somebody can look on
                log.warning("progress of %s was not written: %s", work.task.id, task.reason(error))

    doing = asyncio.create_task(tell())
    try:
        yield
    finally:
        doing.cancel()
        await asyncio.wait({doing})


class Rows:
    """Counts rows of a total that was said before."""

    def __init__(self, total: int | None) -> None:
        self.total = total or 0
        self.done = 0

    def more(self, count: int) -> None:
        self.done += count

    def how_far(self) -> tuple[int, int]:
        return min(self.done, self.total), self.total
