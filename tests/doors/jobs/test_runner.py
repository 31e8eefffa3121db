"""A task performed under its lease: its end written down, its loss noticed, its place given back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qucheng.core import db, ids, settings, task
from qucheng.jobs import handlers, runner

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable, Iterator

    Perform = Callable[[uuid.UUID], Awaitable[bool]]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

SOON = 30


@pytest.fixture
def perform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Perform]:
    monkeypatch.setattr(task, "BEAT_SECONDS", 0.05)
    with handlers.Tools(settings.load({})) as tools:
        yield lambda task_id: runner.perform(task_id, worker=ids.new_id(), tools=tools)


async def added(monkeypatch: pytest.MonkeyPatch, handler: handlers.Handler, **more: object) -> uuid.UUID:
    monkeypatch.setitem(handlers.HANDLERS, "test.work", handler)
    async with db.atomic():
        return await task.add(kind="test.work", queue="rest", **more)  # type: ignore[arg-type]


async def test_work_that_ends_is_done_though_it_says_nothing(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: task.Work, __: handlers.Tools) -> None:
        await asyncio.sleep(0)

    task_id = await added(monkeypatch, nothing)
    assert await perform(task_id)
    assert (await task.read(task_id)).state == "done"
    assert not await perform(task_id)


async def test_a_failure_is_written_down_and_not_raised(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: task.Work, __: handlers.Tools) -> None:
        raise KeyError("6F2K-9XQ1")

    task_id = await added(monkeypatch, broken)
    assert await perform(task_id)
    found = await task.read(task_id)
    assert (found.state, found.reason) == ("waiting", "KeyError")


async def test_a_lease_is_prolonged_while_the_work_lasts(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "LEASE_SECONDS", 3)

    async def long(work: task.Work, _: handlers.Tools) -> None:
        for _beat in range(10):
            await asyncio.sleep(0.4)
            assert await task.sweep() == 0
        async with work.finishing():
            pass

    task_id = await added(monkeypatch, long)
    assert await perform(task_id)
    assert (await task.read(task_id)).state == "done"


async def test_without_the_heartbeat_it_would_be_swept(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "LEASE_SECONDS", 1)
    monkeypatch.setattr(task, "BEAT_SECONDS", 60)
    swept = []

    async def long(_: task.Work, __: handlers.Tools) -> None:
        await asyncio.sleep(1.5)
        swept.append(await task.sweep())

    await perform(await added(monkeypatch, long))
    assert swept == [1]


async def test_work_that_was_cancelled_is_stopped(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = asyncio.Event()

    async def endless(work: task.Work, _: handlers.Tools) -> None:
        await task.cancel(work.task.id)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task_id = await added(monkeypatch, endless)
    async with asyncio.timeout(SOON):
        assert await perform(task_id)
    assert stopped.is_set()
    assert (await task.read(task_id)).state == "cancelled"


async def test_a_worker_that_is_stopped_gives_the_task_back(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def endless(_: task.Work, __: handlers.Tools) -> None:
        begun.set()
        await asyncio.Event().wait()

    task_id = await added(monkeypatch, endless, attempts=1)
    performing = asyncio.ensure_future(perform(task_id))
    await begun.wait()
    performing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await performing
    assert (await task.read(task_id)).state == "waiting"
    assert (await task.claim(task_id, worker=ids.new_id(), kinds=["test.work"])) is not None


async def test_who_waits_does_what_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    begun, seen_running = asyncio.Event(), asyncio.Event()

    async def noted(work: task.Work, _: handlers.Tools) -> None:
        done.append(str(work.task.subject["who"]))
        await work.progress(1, 2)
        begun.set()
        await asyncio.wait_for(seen_running.wait(), SOON)

    mine = await added(monkeypatch, noted, subject={"who": "mine"})
    other = await added(monkeypatch, noted, subject={"who": "other"})
    seen: list[tuple[str, int]] = []

    def watch(each: task.Task) -> None:
        seen.append((each.state, each.units_done))
        if seen[-1] == ("running", 1):
            seen_running.set()

    with handlers.Tools(settings.load({})) as tools:
        elsewhere = asyncio.create_task(runner.perform(other, worker=ids.new_id(), tools=tools))
        await asyncio.wait_for(begun.wait(), SOON)
        ended = await runner.until_ended([mine, other], worker=ids.new_id(), tools=tools, watch=watch)
        await elsewhere
    assert [each.state for each in ended] == ["done", "done"]
    assert sorted(done) == ["mine", "other"]
    assert ("running", 1) in seen
    assert seen[-1] == ("done", 2)
