"""Tasks: claimed once, held by a lease, fenced by the attempt, tried again, given up with a reason; and schedules that catch up."""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

import asyncio
import datetime as dt
import errno
from typing import TYPE_CHECKING

import asyncpg
import pytest

from qucheng.core import db, errors, ids, schedule, task

if TYPE_CHECKING:
    import uuid

    from tests import books

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

KINDS = ["test.work"]
WAIT = "SELECT extract(epoch FROM available_at - clock_timestamp()) FROM task WHERE id = $1"


async def added(**more: object) -> uuid.UUID:
    async with db.atomic():
        return await task.add(**{"kind": "test.work", "queue": "rest", **more})  # type: ignore[arg-type]


async def claimed(task_id: uuid.UUID) -> task.Task:
    found = await task.claim(task_id, worker=ids.new_id(), kinds=KINDS)
    assert found is not None
    return found


async def due() -> set[uuid.UUID]:
    return {task_id for task_id, _, _ in await task.to_ring(most=10_000)}


async def run_out(owner: asyncpg.Connection, task_id: uuid.UUID) -> None:
    """Its lease, as if its worker had been silent for so long."""
    await owner.execute("UPDATE task SET lease_until = clock_timestamp() - interval '1 ms' WHERE id = $1", task_id)


async def test_it_is_there_only_with_the_change_it_belongs_to() -> None:
    with pytest.raises(RuntimeError):
        async with db.atomic():
            task_id = await task.add(kind="test.work", queue="rest")
            raise RuntimeError
    with pytest.raises(task.TaskUnknownError):
        await task.read(task_id)


async def test_of_many_workers_one_gets_it() -> None:
    task_id = await added(subject={"month": "2026-03"})
    found = await asyncio.gather(*(task.claim(task_id, worker=ids.new_id(), kinds=KINDS) for _ in range(8)))
    (got,) = [each for each in found if each is not None]
    assert (got.id, got.state, got.attempt, got.subject) == (task_id, "running", 1, {"month": "2026-03"})


async def test_without_the_condition_on_the_state_all_would_get_it(owner: asyncpg.Connection) -> None:
    task_id = await added()
    rows = [
        await owner.fetchval("UPDATE task SET attempt = attempt + 1 WHERE id = $1 RETURNING attempt", task_id) for _ in range(3)
    ]
    assert rows == [1, 2, 3]


async def test_a_kind_that_this_program_does_not_know_is_left_to_others() -> None:
    task_id = await added()
    assert await task.claim(task_id, worker=ids.new_id(), kinds=["other.work"]) is None
    assert (await task.read(task_id)).state == "waiting"


async def test_a_key_is_there_once_while_its_task_waits_or_runs() -> None:
    first = await added(key="settlement/one")
    assert await added(key="settlement/one") == first
    running = await claimed(first)
    assert await added(key="settlement/one") == first
    async with task.Work(running).finishing():
        pass
    assert await added(key="settlement/one") != first


async def test_two_adders_of_one_key_get_one_task() -> None:
    assert len(set(await asyncio.gather(*(added(key="settlement/race") for _ in range(8))))) == 1


async def test_done_is_committed_with_the_last_effect() -> None:
    work = task.Work(await claimed(await added()))
    with pytest.raises(RuntimeError):
        async with work.finishing():
            raise RuntimeError
    assert (await task.read(work.task.id)).state == "running"
    async with work.finishing():
        other = await task.add(kind="test.work", queue="rest")
    assert (await task.read(work.task.id)).state == "done"
    assert (await task.read(other)).state == "waiting"


async def test_a_lost_lease_is_swept_and_the_stale_attempt_changes_nothing(owner: asyncpg.Connection) -> None:
    task_id = await added()
    stale = task.Work(await claimed(task_id))
    await run_out(owner, task_id)
    assert await task.sweep() == 1
    fresh = task.Work(await claimed(task_id))
    assert fresh.task.attempt == 2
    assert not await task.renew(stale.task)
    for form in (stale.effect, stale.finishing):
        with pytest.raises(task.LeaseLostError):
            async with form():
                effect = await task.add(kind="test.work", queue="rest")
        with pytest.raises(task.TaskUnknownError):
            await task.read(effect)
    await task.fail(stale.task, RuntimeError())
    await task.give_back(stale.task)
    await stale.progress(5, 10)
    assert (await task.read(task_id)).state == "running"
    assert (await task.read(task_id)).units is None
    async with fresh.finishing():
        pass
    assert (await task.read(task_id)).state == "done"


async def test_without_the_fence_the_stale_attempt_would_have_its_effect(owner: asyncpg.Connection) -> None:
    task_id = await added()
    stale = task.Work(await claimed(task_id))
    await run_out(owner, task_id)
    await task.sweep()
    await claimed(task_id)
    async with db.atomic():
        effect = await task.add(kind="test.work", queue="rest")
    assert (await task.read(effect)).state == "waiting"
    assert stale.task.attempt == 1


async def test_a_lease_that_holds_is_not_swept_and_is_prolonged(owner: asyncpg.Connection) -> None:
    got = await claimed(await added())
    until = "SELECT lease_until FROM task WHERE id = $1"
    first = await owner.fetchval(until, got.id)
    assert await task.renew(got)
    assert await owner.fetchval(until, got.id) > first
    await task.sweep()
    assert (await task.read(got.id)).state == "running"


async def test_nobody_takes_the_task_between_its_fence_and_its_commit(owner: asyncpg.Connection) -> None:
    work = task.Work(await claimed(await added()))
    async with work.effect():
        await run_out(owner, work.task.id)
        # what effect() does last, here while the block is still open
        await work._fence("SELECT 1 FROM task WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE")
        swept = asyncio.create_task(asyncio.wait_for(_sweep_elsewhere(owner), 5))
        assert await swept == 0
    await task.sweep()
    assert (await task.read(work.task.id)).state == "waiting"


async def _sweep_elsewhere(owner: asyncpg.Connection) -> int:
    rows = await owner.fetch(
        "SELECT id FROM task WHERE state = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED"
    )
    return len(rows)


async def test_a_failure_waits_longer_each_time_and_is_given_up_with_its_kind(owner: asyncpg.Connection) -> None:
    task_id = await added(attempts=3)
    waits = []
    for _ in range(3):
        got = await claimed(task_id)
        await task.fail(got, ValueError("card 6F2K-9XQ1"))
        waits.append(float(await owner.fetchval(WAIT, task_id)))
        assert await task.claim(task_id, worker=ids.new_id(), kinds=KINDS) is None
        assert task_id not in await due()
        await owner.execute("UPDATE task SET available_at = clock_timestamp() WHERE id = $1", task_id)
    # half to the whole of 2, 4 and 8 seconds
    assert 0.8 < waits[0] <= 2
    assert 1.8 < waits[1] <= 4
    assert 3.8 < waits[2] <= 8
    dead = await task.read(task_id)
    assert (dead.state, dead.reason, dead.attempt) == ("dead", "ValueError", 3)
    await task.retry(task_id)
    assert (await claimed(task_id)).attempt == 4


class NotTodayError(errors.RefusedError):
    code = "test.not_today"


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (NotTodayError("2026-03 has not ended."), "dead", "2026-03 has not ended."),
        (OSError(errno.ENOSPC, "no space for 6F2K"), "waiting", "OSError: ENOSPC"),
        (asyncpg.ConnectionDoesNotExistError("6F2K"), "waiting", "ConnectionDoesNotExistError 08003"),
        (asyncpg.DeadlockDetectedError("6F2K"), "waiting", "DeadlockDetectedError 40P01"),
        (asyncpg.UniqueViolationError("Key (s)=(6F2K)"), "dead", "UniqueViolationError 23505"),
    ],
)
async def test_what_a_failure_means(error: Exception, state: str, reason: str) -> None:
    """A refusal is final, the machine's faults use up no attempt, and no reason repeats a value."""
    task_id = await added(attempts=1)
    await task.fail(await claimed(task_id), error)
    found = await task.read(task_id)
    assert (found.state, found.reason) == (state, reason)


async def test_a_task_that_takes_its_worker_down_each_time_is_given_up(owner: asyncpg.Connection) -> None:
    task_id = await added(attempts=2)
    for _ in range(2):
        await claimed(task_id)
        await run_out(owner, task_id)
        await task.sweep()
    found = await task.read(task_id)
    assert (found.state, found.reason) == ("dead", "its worker was lost")


async def test_a_cancelled_task_has_no_further_effect() -> None:
    work = task.Work(await claimed(await added()))
    await task.cancel(work.task.id)
    assert not await task.renew(work.task)
    with pytest.raises(task.LeaseLostError):
        async with work.effect():
            pass
    with pytest.raises(task.TaskStateError):
        await task.cancel(work.task.id)
    await task.retry(work.task.id)
    assert (await task.read(work.task.id)).state == "waiting"


async def test_a_done_task_is_neither_retried_nor_cancelled() -> None:
    work = task.Work(await claimed(await added()))
    async with work.finishing():
        pass
    for change in (task.retry, task.cancel):
        with pytest.raises(task.TaskStateError):
            await change(work.task.id)
        with pytest.raises(task.TaskUnknownError):
            await change(ids.new_id())


async def test_a_retry_beside_the_same_work_is_refused() -> None:
    first = await added(key="settlement/twice", attempts=1)
    await task.cancel(first)
    second = await added(key="settlement/twice")
    with pytest.raises(task.TaskStateError):
        await task.retry(first)
    assert {(await task.read(each)).state for each in (first, second)} == {"cancelled", "waiting"}


async def test_a_bell_is_rung_again_only_after_a_while(owner: asyncpg.Connection) -> None:
    task_id = await added()
    assert task_id in await due()
    await task.rung([task_id])
    assert task_id not in await due()
    await owner.execute(
        "UPDATE task SET rung_at = rung_at - make_interval(secs => $2) WHERE id = $1", task_id, task.RING_AGAIN_SECONDS
    )
    assert task_id in await due()


async def test_a_worker_that_stops_gives_it_back_at_once() -> None:
    task_id = await added(attempts=1)
    await task.give_back(await claimed(task_id))
    assert task_id in await due()
    assert (await claimed(task_id)).attempt == 2


async def test_progress_and_the_list() -> None:
    work = task.Work(await claimed(await added()))
    await work.progress(3, 10)
    (found, *_) = await task.listing(states=("running",), kind="test.work")
    assert (found.id, found.units_done, found.units) == (work.task.id, 3, 10)
    async with work.finishing():
        pass
    assert (await task.read(work.task.id)).units_done == 10
    assert await task.listing(states=("done",), kind="other.work") == []


async def test_what_has_ended_is_pruned_and_what_is_dead_stays(owner: asyncpg.Connection) -> None:
    done, dead, waiting = [await added(attempts=1) for _ in range(3)]
    async with task.Work(await claimed(done)).finishing():
        pass
    await task.fail(await claimed(dead), RuntimeError())
    await owner.execute("UPDATE task SET ended_at = ended_at - interval '31 days' WHERE ended_at IS NOT NULL")
    await task.prune(days=30)
    with pytest.raises(task.TaskUnknownError):
        await task.read(done)
    assert ((await task.read(dead)).state, (await task.read(waiting)).state) == ("dead", "waiting")


def hourly(missed: str) -> schedule.Schedule:
    return schedule.Schedule(
        name=f"test.{missed}",
        kind="test.tick",
        queue="rest",
        first=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        every=dt.timedelta(hours=1),
        missed=missed,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("missed", "tasks"), [("each", 3), ("latest", 1)])
async def test_missed_ticks_are_caught_up(owner: asyncpg.Connection, missed: str, tasks: int) -> None:
    plan = hourly(missed)
    assert await schedule.tick(plan) == 0
    assert await schedule.tick(plan) == 0
    before = await owner.fetchval("SELECT ticked_at FROM schedule WHERE name = $1", plan.name)
    await owner.execute("UPDATE schedule SET ticked_at = ticked_at - interval '3 hours' WHERE name = $1", plan.name)
    made = await asyncio.gather(*(schedule.tick(plan) for _ in range(4)))
    assert sorted(made) == [0, 0, 0, tasks]
    assert await owner.fetchval("SELECT ticked_at FROM schedule WHERE name = $1", plan.name) == before
    due_at = [
        dt.datetime.fromisoformat(each.subject["due_at"]) for each in await task.listing(kind="test.tick", states=("waiting",))
    ]
    assert due_at == [before - dt.timedelta(hours=hours) for hours in range(tasks)]
    await owner.execute("DELETE FROM task WHERE kind = 'test.tick'")


async def test_a_new_schedule_starts_with_its_next_tick(owner: asyncpg.Connection, workspace: books.Workspace) -> None:
    assert workspace
    assert await schedule.tick(hourly("each")) == 0
    assert await owner.fetchval("SELECT count(*) FROM task WHERE kind = 'test.tick'") == 0
