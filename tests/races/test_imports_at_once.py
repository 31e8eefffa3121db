"""Two imports of one brand at once: one waits for the other, then sees what it brought, and each row is taken once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.races import duel

from qucheng.bundle import keeping

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FIRST, SECOND, THIRD = (f"O{n},1,2026-03-02T10:00:00,R1,web,card,1,100.00,0," for n in (1, 2, 3))
LINES = "SELECT b.code, l.order_no, l.intake FROM order_line l JOIN brand b ON b.id = l.brand_id ORDER BY 1, 2"
WAITING = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'"""


async def keep(folder: Path) -> keeping.Kept:
    return await keeping.take_in(folder=folder, out=None, now=books.NOW, progress=books.QUIET)


async def at_once(workspace: books.Workspace, one: Path, two: Path) -> tuple[keeping.Kept, Any]:
    """The first import is held where it stores its lines until the second stands still too; returns what became of both."""
    async with books.connected(workspace.owner) as holder, books.connected(workspace.owner) as watcher, asyncio.timeout(60):
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE order_line IN SHARE MODE")
        first = asyncio.create_task(keep(one))
        await stand_still(watcher, 1)
        second = asyncio.create_task(keep(two))
        await stand_still(watcher, 2)
        await transaction.rollback()
        kept, other = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(kept, keeping.Kept), kept
    return kept, other


async def stand_still(watcher: asyncpg.Connection, wanted: int) -> None:
    for _ in range(duel.PATIENCE * 100):
        if await watcher.fetchval(WAITING) == wanted:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def result(kept: keeping.Kept) -> tuple[bool, int | None, int]:
    return kept.created, kept.intake, kept.imported


async def test_two_deliveries_to_a_stored_brand(books_home: tuple[str, str], tmp_path: Path) -> None:
    one = books.write(tmp_path / "1", code="two", orders=[FIRST, SECOND])
    two = books.write(tmp_path / "2", code="two", orders=[SECOND, THIRD])
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        await keep(books.write(tmp_path / "0", code="two"))
        kept, other = await at_once(made, one, two)
        assert (result(kept), result(other)) == ((False, 2, 2), (False, 3, 1))
        assert [tuple(row) for row in await owner.fetch(LINES)] == [("two", "O1", 2), ("two", "O2", 2), ("two", "O3", 3)]


async def test_control_without_the_lock_one_of_them_fails(books_home: tuple[str, str], tmp_path: Path) -> None:
    one = books.write(tmp_path / "1", code="two", orders=[FIRST, SECOND])
    two = books.write(tmp_path / "2", code="two", orders=[SECOND, THIRD])
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        await keep(books.write(tmp_path / "0", code="two"))
        async with duel.without(made, "lock_brand", "hashtextextended(brand::text || ':' || subject, 0)", "pg_backend_pid()"):
            kept, other = await at_once(made, one, two)
        assert result(kept) == (False, 2, 2)
        assert isinstance(other, asyncpg.UniqueViolationError)
        assert other.constraint_name == "intake_pkey"
        assert [tuple(row) for row in await owner.fetch(LINES)] == [("two", "O1", 2), ("two", "O2", 2)]


async def test_a_new_brand_that_comes_twice_is_created_once(books_home: tuple[str, str], tmp_path: Path) -> None:
    one = books.write(tmp_path / "1", code="new", orders=[FIRST, SECOND])
    two = books.write(tmp_path / "2", code="new", orders=[FIRST, SECOND, THIRD])
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        kept, other = await at_once(made, one, two)
        assert (result(kept), result(other)) == ((True, 1, 7), (False, 2, 1))
        assert [tuple(row) for row in await owner.fetch(LINES)] == [("new", "O1", 1), ("new", "O2", 1), ("new", "O3", 2)]


async def test_control_without_the_key_the_brand_is_there_twice(books_home: tuple[str, str], tmp_path: Path) -> None:
    folder = books.write(tmp_path / "1", code="new", orders=[FIRST])
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        await owner.execute("ALTER TABLE brand DROP CONSTRAINT brand_code_key")
        kept, other = await at_once(made, folder, folder)
        assert (result(kept), result(other)) == ((True, 1, 6), (True, 1, 6))
        assert [tuple(row) for row in await owner.fetch(LINES)] == [("new", "O1", 1), ("new", "O1", 1)]


async def test_the_same_new_bundle_twice_is_new_once(books_home: tuple[str, str], tmp_path: Path) -> None:
    folder = books.write(tmp_path / "1", code="new", orders=[FIRST])
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        kept, other = await at_once(made, folder, folder)
        assert (result(kept), result(other)) == ((True, 1, 6), (False, None, 0))
        assert await owner.fetchval("SELECT count(*) FROM intake") == 1
