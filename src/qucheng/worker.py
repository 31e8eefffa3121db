"""The worker: arq rings, the tasks in Postgres decide. The only wiring of jobs, and the timetable in one place."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import arq
import arq.connections
import arq.worker
import msgspec
import redis.exceptions
import structlog

from qucheng.core import ids, platform, process, schedule, servers, task
from qucheng.jobs import handlers, runner, webhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qucheng.core.settings import Settings
    from qucheng.core.task import Queue

log = structlog.get_logger("qucheng.worker")

MIDNIGHT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TIMETABLE = (
    # 02:30 in China, when nobody settles
    schedule.Schedule(
        name="books.check",
        kind="books.check",
        queue="rest",
        first=MIDNIGHT + dt.timedelta(hours=18, minutes=30),
        every=dt.timedelta(days=1),
    ),
    # every hour, for the first of the month begins with the brand's day
    schedule.Schedule(
        name="compliance.report", kind="compliance.report", queue="rest", first=MIDNIGHT, every=dt.timedelta(hours=1)
    ),
    schedule.Schedule(name="risk.scan", kind="risk.scan", queue="rest", first=MIDNIGHT, every=dt.timedelta(hours=1)),
    # a bell is rung with the first order of a batch: this is for one that was lost
    schedule.Schedule(name="orders.sweep", kind="orders.sweep", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)),
    schedule.Schedule(
        name="payments.follow", kind="payments.follow", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)
    ),
    schedule.Schedule(name="audit.seal", kind="audit.seal", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)),
    schedule.Schedule(name="stock.sweep", kind="stock.sweep", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)),
    schedule.Schedule(
        name="redemption.settle", kind="redemption.settle", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)
    ),
    # every hour, for cards expire with the brand's day
    schedule.Schedule(name="stock.watch", kind="stock.watch", queue="rest", first=MIDNIGHT, every=dt.timedelta(hours=1)),
    schedule.Schedule(
        name="notification.send", kind="notification.send", queue="rest", first=MIDNIGHT, every=dt.timedelta(minutes=1)
    ),
    schedule.Schedule(
        name="nightly.prune",
        kind="nightly.prune",
        queue="rest",
        first=MIDNIGHT + dt.timedelta(hours=19),
        every=dt.timedelta(days=1),
    ),
)
# documents: one at a time, for its pool has a process for each core; messages: somebody waits for them
SLOTS: dict[Queue, int] = {"money": 2, "documents": 1, "messages": 2, "rest": 2}
RELAY_SECONDS = 0.3
SWEEP_SECONDS = 3
TICK_SECONDS = 5
REPORT_SECONDS = 5
STOP_SECONDS = 25
PAUSE_SECONDS = 1
# a bell is let go of after this long, whatever its task still does: arq remembers a killed worker's bells as long
BELL_SECONDS = 240


class Worker:
    """Performs tasks of all queues until it is told to stop; any number of them work side by side."""

    def __init__(self, settings: Settings, redis_url: str, tools: handlers.Tools) -> None:
        self.id = ids.new_id()
        self._settings = settings
        self._bells = arq.connections.RedisSettings.from_dsn(redis_url)
        self._prefix = f"qucheng:{hashlib.sha256(servers.database_url(settings).encode()).hexdigest()[:12]}"
        self._tools = tools
        self._free = {queue: asyncio.Semaphore(slots) for queue, slots in SLOTS.items()}
        self._running: dict[asyncio.Task[None], Queue] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Returns when it was told to stop and what it did is finished, or given back after STOP_SECONDS."""
        rounds = [
            asyncio.create_task(each)
            for each in (
                self._every(RELAY_SECONDS, self._relay),
                self._every(SWEEP_SECONDS, task.sweep),
                self._every(TICK_SECONDS, self._tick),
                self._every(REPORT_SECONDS, self._report),
                self._every(PAUSE_SECONDS, webhooks.Courier(self._settings).run),
                *(self._listen(queue) for queue in task.QUEUES),
            )
        ]
        log.info("worker.started", worker=str(self.id))
        await self._stopping.wait()
        for each in rounds:
            each.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        # documents go on where they were, so nobody waits for a batch of them
        finishing = [each for each, queue in self._running.items() if queue != "documents"]
        if finishing:
            await asyncio.wait(finishing, timeout=STOP_SECONDS)
        left = list(self._running)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with contextlib.suppress(Exception):
            await process.forget(self.id)
        log.info("worker.stopped", worker=str(self.id), given_back=len(left))

    async def _every(self, seconds: float, once: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await once()
            except Exception as error:  # noqa: BLE001 - whatever befalls one round, the next comes
                log.warning("worker.round_failed", round=once.__name__, reason=task.reason(error))
                await self._heal()
            await asyncio.sleep(seconds)

    async def _relay(self) -> None:
        """Rings for the tasks that are due. Tasks that nobody hears are rung again: the row is the truth, the bell may be lost."""
        due = await task.to_ring()
        if not due:
            return
        bells = await arq.create_pool(
            self._bells, retry=self._bells.conn_retries, job_serializer=msgspec.json.encode, job_deserializer=msgspec.json.decode
        )
        try:
            moment = int(time.time() // task.RING_AGAIN_SECONDS)
            for task_id, attempt, queue in due:
                # a bell that still hangs there is not hung a second time
                await bells.enqueue_job(
                    "ring", str(task_id), _job_id=f"{task_id}:{attempt}:{moment}", _queue_name=self._queue(queue)
                )
        finally:
            await bells.close(close_connection_pool=True)
        await task.rung([task_id for task_id, _, _ in due])

    async def _tick(self) -> None:
        for each in TIMETABLE:
            await schedule.tick(each)

    async def _report(self) -> None:
        await process.report(self.id, "worker")

    async def _listen(self, queue: Queue) -> None:
        """Arq's worker for one queue, made anew when it ends: it does so whenever it loses Redis."""

        async def ring(_: dict[Any, Any], task_id: str) -> None:
            doing = asyncio.create_task(self._perform(queue, uuid.UUID(task_id)))
            self._running[doing] = queue
            doing.add_done_callback(self._running.pop)
            await asyncio.wait({doing}, timeout=BELL_SECONDS)

        while True:
            listener = arq.Worker(
                [arq.worker.func(ring, name="ring")],  # type: ignore[arg-type] # a protocol that fits no function with arguments
                redis_settings=self._bells,
                queue_name=self._queue(queue),
                handle_signals=False,
                max_jobs=SLOTS[queue],
                job_timeout=BELL_SECONDS + 10,
                max_tries=1,
                keep_result=0,
                poll_delay=0.1,
                job_serializer=msgspec.json.encode,
                job_deserializer=msgspec.json.decode,
            )
            try:
                await listener.async_run()
            except (redis.exceptions.RedisError, OSError) as error:
                log.warning("worker.bell_lost", queue=queue, reason=task.reason(error))
            finally:
                await self._hang_up(listener)
            await self._heal()

    async def _perform(self, queue: Queue, task_id: uuid.UUID) -> None:
        async with self._free[queue]:
            if self._stopping.is_set():
                return
            try:
                await runner.perform(task_id, worker=self.id, tools=self._tools)
            except Exception as error:
                # its lease runs out, and the sweep finds it
                log.exception("worker.task_left", task=str(task_id), reason=task.reason(error))

    @staticmethod
    async def _hang_up(listener: arq.Worker) -> None:
        """Lets go of the bells; the tasks themselves go on."""
        waiting = list(listener.tasks.values())
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            if listener._pool is not None:  # noqa: SLF001 - arq's close() would wait for what has just been cancelled
                await listener.pool.close(close_connection_pool=True)

    async def _heal(self) -> None:
        """Waits a little, and starts those of our own servers that have died."""
        await asyncio.sleep(PAUSE_SECONDS)
        with contextlib.suppress(Exception):
            await asyncio.to_thread(servers.database_url, self._settings)
            self._bells = arq.connections.RedisSettings.from_dsn(await asyncio.to_thread(servers.redis_url, self._settings))

    def _queue(self, queue: Queue) -> str:
        return f"{self._prefix}:{queue}"


async def work(settings: Settings) -> None:
    """Works until SIGTERM or SIGINT."""
    async with platform.entered(settings, pool_size=16):
        with handlers.Tools(settings) as tools:
            worker = Worker(settings, servers.redis_url(settings), tools)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, worker.stop)
            await worker.run()
