"""Who asks while a look is under way is answered by the next, together with all who came meanwhile.

Each is answered by a look that began after it had asked: so nothing is kept, and nobody is told what was so before.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Place = TypeVar("Place")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MOST = 200


class Together(Generic[Place, Asked, Answer]):
    """Of one process. serve: answers those who ask at a place, in their order; what it raises, each of them is told."""

    def __init__(self, serve: Callable[[Place, Sequence[Asked]], Awaitable[Sequence[Answer]]], *, most: int = MOST) -> None:
        self._serve = serve
        self._most = most
        self._queues: dict[Place, list[tuple[Asked, asyncio.Future[Answer]]]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def ask(self, place: Place, asked: Asked) -> Answer:
        """Not inside a transaction: who serves has one of its own, and does not see what is not committed."""
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if place in self._queues:
            self._queues[place].append((asked, waiting))
        else:
            self._queues[place] = [(asked, waiting)]
            # in a context of its own: it is no part of the request of who came first
            task = asyncio.create_task(self._serve_all(place), context=contextvars.Context())
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await waiting

    async def _serve_all(self, place: Place) -> None:
        batch: list[tuple[Asked, asyncio.Future[Answer]]] = []
        try:
            while queue := self._queues[place]:
                batch, self._queues[place] = queue[: self._most], queue[self._most :]
                batch = [each for each in batch if not each[1].done()]
                if batch:
                    await self._serve_one(place, batch)
        finally:
            for _, left in [*batch, *self._queues.pop(place)]:
                left.cancel()

    async def _serve_one(self, place: Place, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._serve(place, [asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - each who waits is told
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)
