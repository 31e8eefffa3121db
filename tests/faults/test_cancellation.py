"""A request that goes away in the middle of its work leaves nothing behind: neither rows nor a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import db

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

PATIENCE = 5
TURNS = 40  # of the event loop: more than such a block takes


@pytest.fixture
async def pool_of_one(books_home: tuple[str, str]) -> AsyncIterator[books.Workspace]:
    async with books.fresh(books_home, pool_size=1) as made:
        yield made
        if db.ENGINE.pool is not None:
            db.ENGINE.pool.terminate()  # close() would wait for a connection that is lost


async def test_a_block_cancelled_at_any_turn_gives_its_connection_back(pool_of_one: books.Workspace, tmp_path: Path) -> None:
    assert pool_of_one
    brand = await books.found(books.write(tmp_path / "bundle", code="cancelled"))
    ended = 0

    async def work(number: int) -> None:
        nonlocal ended
        async with db.atomic(brand.id):
            await db.connection().execute("INSERT INTO account (brand_id, code) VALUES ($1, $2)", brand.id, f"asset:{number}")
        ended += 1

    for turns in range(TURNS):
        task = asyncio.create_task(work(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        try:
            async with asyncio.timeout(PATIENCE):
                written = await books.seen(brand, "SELECT count(*) FROM account WHERE code = $1", f"asset:{turns}")
        except TimeoutError:
            pytest.fail(f"cancelled after {turns} turns of the loop, the connection is lost")
        assert written in ([(0,)], [(1,)])
    async with asyncio.timeout(PATIENCE):
        await work(TURNS)
