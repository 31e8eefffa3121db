"""Valkey emptied and killed, PostgreSQL killed, in the middle of a run: nothing is lost and nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.faults import site

from qucheng.core import db, servers
from qucheng.core.embedded import postgres

if TYPE_CHECKING:
    import uuid

    from tests.faults.site import Site

pytestmark = pytest.mark.anyio

SLOW = "qucheng.settlement.run.BATCH=1"
DEAF = "qucheng.worker.Worker._listen=@tests.faults.changes.deaf"
NO_HEALING = "qucheng.worker.Worker._heal=@tests.faults.changes.no_healing"


@pytest.mark.parametrize("protected", [True, False])
async def test_bells_that_were_lost_are_rung_again(at: Site, protected: bool) -> None:  # noqa: FBT001
    brand = await at.brand()
    await site.asked(brand)
    once = () if protected else ("qucheng.core.task.rung=@tests.faults.changes.never_rung_again",)
    ringing = at.worker(DEAF, *once)
    valkey = at.valkey()
    await _until(lambda: bool(valkey.eval("return #redis.call('keys', 'qucheng:*:money')", 0)))
    # rung and written down: a worker that dies between the two leaves a task that is rung again anyhow
    await _standing("SELECT count(rung_at) = count(*) FROM task WHERE queue = 'money'")
    at.end()
    assert ringing.returncode == -signal.SIGKILL
    valkey.flushall()
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE if protected else 12) is protected
    if protected:
        await at.whole(brand)


@pytest.mark.parametrize("protected", [True, False])
async def test_valkey_killed_in_the_middle(at: Site, protected: bool) -> None:  # noqa: FBT001
    brand = await at.brand()
    at.worker(SLOW, *(() if protected else (NO_HEALING,)))
    await site.asked(brand)
    await _issuing(brand.id)
    os.kill(at.valkey_process(), signal.SIGKILL)
    assert await site.finished(brand, within=site.PATIENCE if protected else 15) is protected
    if protected:
        await at.whole(brand)
    else:
        servers.redis_url(at.settings)


@pytest.mark.parametrize("protected", [True, False])
async def test_postgres_killed_in_the_middle(at: Site, protected: bool) -> None:  # noqa: FBT001
    brand = await at.brand()
    at.worker(SLOW, *(() if protected else (NO_HEALING,)))
    await site.asked(brand)
    await _issuing(brand.id)
    os.kill(await at.postmaster(), signal.SIGKILL)
    await _until(lambda: postgres.running(at.var) is None)
    if not protected:
        assert not await site.finished(brand, within=15)
        servers.database_url(at.settings)
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


async def _issuing(brand_id: uuid.UUID) -> None:
    await _standing("SELECT max(issued) >= 2 FROM settlement_run", brand_id)


async def _standing(question: str, brand_id: uuid.UUID | None = None) -> None:
    """Waits until the database says yes."""
    async with asyncio.timeout(site.PATIENCE):
        while True:
            async with db.atomic(brand_id):
                if await db.connection().fetchval(question):
                    return
            await asyncio.sleep(0.01)


async def _until(so: object) -> None:
    deadline = time.monotonic() + site.PATIENCE
    while not so():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
