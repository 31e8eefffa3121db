"""The list of processes: reported, seen by the database's clock, forgotten."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from qucheng.core import process

if TYPE_CHECKING:
    import asyncpg
    from tests import books

pytestmark = pytest.mark.anyio

FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture(autouse=True)
async def _empty(workspace: books.Workspace, owner: asyncpg.Connection) -> None:
    assert workspace
    await owner.execute("DELETE FROM process")


async def age(owner: asyncpg.Connection, process_id: uuid.UUID, seconds: int) -> None:
    await owner.execute(
        "UPDATE process SET seen_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1", process_id, seconds
    )


async def test_a_report_is_one_row_however_often_it_comes(owner: asyncpg.Connection) -> None:
    await process.report(FIRST, "web")
    first = await owner.fetchrow("SELECT * FROM process")
    await process.report(FIRST, "web")
    second = await owner.fetchrow("SELECT * FROM process")
    assert (second["id"], second["role"], second["pid"]) == (FIRST, "web", os.getpid())
    assert second["started_at"] == first["started_at"]
    assert second["seen_at"] > first["seen_at"]


async def test_seen_are_those_of_the_role_that_reported_within_half_a_minute(owner: asyncpg.Connection) -> None:
    await process.report(FIRST, "worker")
    await process.report(SECOND, "worker")
    assert (await process.seen("worker"), await process.seen("web")) == (2, 0)
    await age(owner, FIRST, 28)
    await age(owner, SECOND, 31)
    assert await process.seen("worker") == 1
    await process.forget(FIRST)
    assert await process.seen("worker") == 0
    assert await owner.fetchval("SELECT array_agg(id) FROM process") == [SECOND]


async def test_the_first_report_clears_away_who_was_silent_for_a_day(owner: asyncpg.Connection) -> None:
    await process.report(FIRST, "worker")
    await process.report(SECOND, "worker")
    await age(owner, FIRST, 86_401)
    await process.report(SECOND, "worker")
    assert await owner.fetchval("SELECT count(*) FROM process") == 2
    await process.report(uuid.UUID(int=3), "web")
    assert await owner.fetchval("SELECT array_agg(id ORDER BY id) FROM process") == [SECOND, uuid.UUID(int=3)]
