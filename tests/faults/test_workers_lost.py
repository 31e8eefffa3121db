"""Workers killed, stopped and set wrong in the middle of a run and of its documents: every statement once, every document there,
the books clean, within a minute. Each with a control in which the protection is off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults import changes, site

from qucheng.core import crashpoint, db, ids, task
from qucheng.settlement import advance, run

if TYPE_CHECKING:
    from tests.faults.site import Site

pytestmark = pytest.mark.anyio

MINUTE = 60


@pytest.mark.parametrize("point", crashpoint.NAMES)
async def test_killed_at_every_crash_point(at: Site, point: str) -> None:
    brand = await at.brand()
    await site.asked(brand)
    assert await site.ended(at.worker(crash=point), within=site.PATIENCE) == -signal.SIGKILL
    assert await site.waiting(brand), "killed before anything was left to do"
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


@pytest.mark.parametrize("point", [pytest.param("run.batch", marks=pytest.mark.long), "document.written"])
async def test_without_the_sweep_what_a_killed_worker_held_stays_undone(at: Site, point: str) -> None:
    brand = await at.brand()
    await site.asked(brand)
    assert await site.ended(at.worker(crash=point), within=site.PATIENCE) == -signal.SIGKILL
    (held,) = [each.id for each in await site.waiting(brand) if each.state == "running"]
    at.worker("qucheng.core.task.sweep=@tests.faults.changes.no_sweep")
    assert not await site.finished(brand, within=12)
    assert [(each.state, each.attempt) for each in await site.waiting(brand) if each.id == held] == [("running", 1)]
    at.end()
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


@pytest.mark.long
async def test_killed_with_the_leases_of_the_product(at: Site) -> None:
    """Nothing set quicker: the minute is the promise."""
    brand = await at.brand()
    await site.asked(brand)
    assert (
        await site.ended(at.worker("qucheng.settlement.run.BATCH=5", crash="run.batch", quick=False), within=site.PATIENCE)
        == -signal.SIGKILL
    )
    at.worker(quick=False)
    assert await site.finished(brand, within=MINUTE)
    await at.whole(brand)


async def test_two_workers_share_the_work(at: Site) -> None:
    brands = [await at.brand() for _ in range(2)]
    for _ in range(2):
        at.worker()
    for brand in brands:
        await site.asked(brand)
    for brand in brands:
        assert await site.finished(brand, within=site.PATIENCE)
        await at.whole(brand)
        done = await task.listing(states=("done",), brand_id=brand.id, most=1000)
        assert {each.attempt for each in done} == {1}


@pytest.mark.parametrize("protected", [True, False])
async def test_a_worker_that_stood_still_finds_its_task_taken(at: Site, protected: bool) -> None:  # noqa: FBT001
    """Stopped inside a transaction it would keep its locks for ever, if the server did not end it."""
    brand = await at.brand()
    await site.asked(brand)
    idle = () if protected else ("qucheng.core.platform.IDLE_SECONDS=600",)
    slow = at.worker("qucheng.core.crashpoint.reached=@tests.faults.changes.stand_still", *idle)
    await _stopped(slow.pid)
    try:
        at.worker()
        assert await site.finished(brand, within=site.PATIENCE if protected else 15) is protected
    finally:
        os.kill(slow.pid, signal.SIGCONT)
    await asyncio.sleep(4)
    assert slow.poll() is None
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)
    if not protected:
        return
    (settled,) = await task.listing(brand_id=brand.id, kind=advance.SETTLE)
    assert (settled.state, settled.attempt) == ("done", 2)


async def test_clocks_a_day_off_either_way(at: Site) -> None:
    brand = await at.brand()
    await site.asked(brand)
    for wrong in ("a_day_ahead", "a_day_behind"):
        at.worker(f"qucheng.core.clock.now=@tests.faults.changes.{wrong}", "qucheng.settlement.run.BATCH=1")
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)
    assert {each.attempt for each in await task.listing(states=("done",), brand_id=brand.id, most=1000)} == {1}


async def test_a_lease_told_by_the_workers_clock_would_be_taken_from_who_holds_it(at: Site) -> None:
    assert at
    async with db.atomic():
        task_id = await task.add(kind="test.work", queue="rest")
    held = await task.claim(task_id, worker=ids.new_id(), kinds=["test.work"])
    assert held is not None
    assert await task.sweep() == 0
    async with db.atomic():
        taken = await db.connection().fetch(
            "SELECT id FROM task WHERE kind = 'test.work' AND state = 'running' AND lease_until < $1", changes.a_day_ahead()
        )
    assert [row["id"] for row in taken] == [task_id]
    await task.cancel(task_id)


async def test_a_worker_told_to_stop_gives_back_and_leaves_in_order(at: Site) -> None:
    brand = await at.brand()
    await site.asked(brand)
    stopped = at.worker("qucheng.settlement.run.BATCH=1", "qucheng.worker.STOP_SECONDS=0")
    await _reached(brand_id=brand.id, issued=2)
    stopped.terminate()
    assert await site.ended(stopped, within=site.PATIENCE) == 0
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


async def _stopped(pid: int) -> None:
    """Waits until the process has stopped itself."""
    async with asyncio.timeout(site.PATIENCE):
        while Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC110 - a process tells nobody that it has stopped
            await asyncio.sleep(0.05)


async def _reached(*, brand_id: object, issued: int) -> None:
    """Waits until a run of the brand is being issued and that far."""
    async with asyncio.timeout(site.PATIENCE):
        while True:
            async with db.atomic(brand_id):  # type: ignore[arg-type]
                if await db.connection().fetchval("SELECT max(issued) >= $1 FROM settlement_run", issued):
                    return
            await asyncio.sleep(0.01)


async def test_a_run_asked_for_twice_is_done_once(at: Site) -> None:
    brand = await at.brand()
    await site.asked(brand)
    for _ in range(2):
        at.worker()
    with contextlib.suppress(run.RunStateError):
        await site.asked(brand)
    assert await site.finished(brand, within=site.PATIENCE)
    await site.asked(brand)
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)
