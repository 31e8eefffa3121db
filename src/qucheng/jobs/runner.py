"""One task performed under its lease, by the worker or by a command that waits for it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from qucheng.core import task as tasks
from qucheng.jobs import handlers

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from qucheng.core.task import Task
    from qucheng.jobs.handlers import Tools

log = structlog.get_logger("qucheng.jobs")

LOOK_SECONDS = 0.2


async def perform(task_id: uuid.UUID, *, worker: uuid.UUID, tools: Tools) -> bool:
    """Claims the task and does it; False where it was not to be had. Its failure is written down, not raised.

    When the caller is cancelled the task is given back, and another worker goes on with it at once.
    """
    task = await tasks.claim(task_id, worker=worker, kinds=list(handlers.HANDLERS))
    if task is None:
        return False
    work = tasks.Work(task)
    doing = asyncio.ensure_future(_do(work, tools))
    beating = asyncio.create_task(_beat(task))
    try:
        await asyncio.wait({doing, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            log.warning("task.lost", task=str(task.id), kind=task.kind, attempt=task.attempt)
            await _stop(doing)
            return True
        await _conclude(work, doing.exception())
    except asyncio.CancelledError:
        await _stop(doing)
        if not work.finished:
            await tasks.give_back(task)
        raise
    finally:
        beating.cancel()
    return True


async def until_ended(
    task_ids: list[uuid.UUID], *, worker: uuid.UUID, tools: Tools, watch: Callable[[Task], None] | None = None
) -> list[Task]:
    """Waits for the tasks, doing those that nobody else does, and returns them as they ended. watch: told of each look at one."""
    ended: dict[uuid.UUID, Task] = {}
    while len(ended) < len(set(task_ids)):
        for task_id in task_ids:
            if task_id in ended:
                continue
            looking = asyncio.create_task(_look(task_id, watch)) if watch is not None else None
            try:
                await perform(task_id, worker=worker, tools=tools)
            finally:
                if looking is not None:
                    looking.cancel()
            task = await tasks.read(task_id)
            if watch is not None:
                watch(task)
            if task.state in {"done", "dead", "cancelled"}:
                ended[task_id] = task
        if len(ended) < len(set(task_ids)):
            await tasks.sweep()
            await asyncio.sleep(LOOK_SECONDS)
    return [ended[task_id] for task_id in task_ids]


async def _do(work: tasks.Work, tools: Tools) -> None:
    await handlers.HANDLERS[work.task.kind](work, tools)
    if not work.finished:
        async with work.finishing():
            pass


async def _look(task_id: uuid.UUID, watch: Callable[[Task], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        watch(await tasks.read(task_id))


async def _beat(task: Task) -> None:
    """Returns when the task is no longer ours, or when nobody could be told for so long that it may not be."""
    held_until = time.monotonic() + tasks.LEASE_SECONDS
    while time.monotonic() < held_until:
        await asyncio.sleep(tasks.BEAT_SECONDS)
        asked = time.monotonic()
        try:
            async with asyncio.timeout(tasks.BEAT_SECONDS):
                if not await tasks.renew(task):
                    return
        except Exception as error:
            if not tasks.is_environment(error):
                raise
        else:
            held_until = asked + tasks.LEASE_SECONDS


async def _conclude(work: tasks.Work, error: BaseException | None) -> None:
    task = work.task
    if error is None:
        log.info("task.done", task=str(task.id), kind=task.kind, attempt=task.attempt)
    elif isinstance(error, tasks.LeaseLostError):
        log.warning("task.lost", task=str(task.id), kind=task.kind, attempt=task.attempt)
    else:
        log.error(
            "task.failed", task=str(task.id), kind=task.kind, attempt=task.attempt, reason=tasks.reason(error), exc_info=error
        )
        await tasks.fail(task, error)


async def _stop(doing: asyncio.Future[None]) -> None:
    doing.cancel()
    await asyncio.wait({doing})
    if not doing.cancelled():
        doing.exception()  # looked at, so that nobody asks why not
