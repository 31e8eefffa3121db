"""`atomic()`: real savepoints, a failed COMMIT gives its connection back, hooks run after COMMIT and only then.

The pool has one connection: one that leaks stops the test.
"""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books

from qucheng.core import db

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ENTRY = "INSERT INTO journal_entry (brand_id, code, period, document, position) VALUES ($1, $2, '2026-05-01', $2, 1)"
ACCOUNT = "INSERT INTO account (brand_id, code) VALUES ($1, $2)"
PATIENCE = 5


@pytest.fixture(scope="module")
async def workspace(books_home: tuple[str, str]) -> AsyncIterator[books.Workspace]:
    async with books.fresh(books_home, pool_size=1) as made:
        yield made


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await books.found(books.write(tmp_path_factory.mktemp("a"), code=f"b-{uuid.uuid4().hex[:20]}"))


async def accounts(brand: Brand) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        return [code for (code,) in await books.seen(brand, "SELECT code FROM account ORDER BY code")]


async def add(brand: Brand, code: str) -> None:
    await db.connection().execute(ACCOUNT, brand.id, f"asset:{code}")


def told(of: list[str], what: str) -> Callable[[], Awaitable[None]]:
    async def hook() -> None:
        of.append(what)

    return hook


class LostError(Exception):
    """What a block was left with."""


async def test_what_is_written_is_there_after_the_block(brand: Brand) -> None:
    async with db.atomic(brand.id):
        await add(brand, "a")
    assert await accounts(brand) == ["asset:a"]


async def test_an_exception_undoes_all_and_gives_the_connection_back(brand: Brand) -> None:
    for _ in range(5):
        with pytest.raises(LostError):
            async with db.atomic(brand.id):
                await add(brand, "a")
                raise LostError
        assert await accounts(brand) == []


async def test_a_failed_commit_undoes_all_and_gives_the_connection_back(brand: Brand) -> None:
    for _ in range(5):
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            async with db.atomic(brand.id):
                await add(brand, "a")
                await db.connection().execute(ENTRY, brand.id, "one-sided")
        assert caught.value.constraint_name == "journal_entry_balanced"
        assert not db.ENGINE.transaction_exists()
        assert await accounts(brand) == []


async def test_a_connection_that_breaks_is_replaced(brand: Brand, owner: asyncpg.Connection) -> None:
    for _ in range(5):
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
            async with db.atomic(brand.id):
                await add(brand, "a")
                await owner.execute("SELECT pg_terminate_backend($1)", db.connection().get_server_pid())
                await db.connection().fetchval("SELECT 1")
        assert not db.ENGINE.transaction_exists()
        assert await accounts(brand) == []


async def test_an_inner_block_is_undone_alone(brand: Brand) -> None:
    async with db.atomic(brand.id):
        await add(brand, "before")
        with pytest.raises(LostError):
            async with db.atomic(brand.id):
                await add(brand, "inner")
                async with db.atomic(brand.id):
                    await add(brand, "innermost")
                raise LostError
        await add(brand, "after")
    assert await accounts(brand) == ["asset:after", "asset:before"]


async def test_an_inner_block_outlives_a_refusal_of_the_database(brand: Brand) -> None:
    async with db.atomic(brand.id):
        await add(brand, "a")
        for _ in range(3):
            with pytest.raises(asyncpg.UniqueViolationError):
                async with db.atomic():
                    await add(brand, "a")
        await add(brand, "b")
    assert await accounts(brand) == ["asset:a", "asset:b"]


async def test_an_inner_block_that_ends_well_is_undone_with_the_outer(brand: Brand) -> None:
    with pytest.raises(LostError):
        async with db.atomic(brand.id):
            async with db.atomic(brand.id):
                await add(brand, "inner")
            raise LostError
    assert await accounts(brand) == []


async def test_an_inner_block_without_a_brand_stays_in_the_outer_ones(brand: Brand) -> None:
    async with db.atomic(brand.id), db.atomic():
        await add(brand, "a")
    assert await accounts(brand) == ["asset:a"]


async def test_an_inner_block_of_another_brand_never_works_in_the_outer_ones(
    brand: Brand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Money never crosses brands in one transaction: it is refused, or at the least stands in the brand it names."""
    other = await books.found(books.write(tmp_path_factory.mktemp("b"), code=f"b-{uuid.uuid4().hex[:20]}"))
    standing = None
    with contextlib.suppress(RuntimeError, ValueError):
        async with db.atomic(brand.id), db.atomic(other.id):
            standing = await db.connection().fetchval("SELECT current_brand()")
    assert standing in (None, other.id)


async def test_the_brand_does_not_outlive_its_block(brand: Brand) -> None:
    async with db.atomic(brand.id):
        assert await db.connection().fetchval("SELECT count(*) FROM brand") == 1
    async with db.atomic():
        assert await db.connection().fetchval("SELECT count(*) FROM brand") == 0


async def test_hooks_run_in_order_after_the_commit(brand: Brand, owner: asyncpg.Connection) -> None:
    told_of: list[str] = []

    async def look() -> None:
        told_of.append(f"sees {await owner.fetchval('SELECT count(*) FROM account WHERE brand_id = $1', brand.id)}")

    async with db.atomic(brand.id):
        db.after_commit(told(told_of, "first"))
        async with db.atomic(brand.id):
            db.after_commit(told(told_of, "inner"))
        await add(brand, "a")
        db.after_commit(look)
        assert await owner.fetchval("SELECT count(*) FROM account WHERE brand_id = $1", brand.id) == 0
        assert told_of == []
    assert told_of == ["first", "inner", "sees 1"]


async def test_hooks_of_a_block_that_was_undone_are_dropped_with_it(brand: Brand) -> None:
    told_of: list[str] = []
    async with db.atomic(brand.id):
        db.after_commit(told(told_of, "before"))
        with pytest.raises(LostError):
            async with db.atomic(brand.id):
                db.after_commit(told(told_of, "inner"))
                async with db.atomic(brand.id):
                    db.after_commit(told(told_of, "innermost"))
                raise LostError
        db.after_commit(told(told_of, "after"))
    assert told_of == ["before", "after"]


async def test_no_hook_runs_without_a_commit(brand: Brand) -> None:
    told_of: list[str] = []
    with pytest.raises(LostError):
        async with db.atomic(brand.id):
            db.after_commit(told(told_of, "undone"))
            raise LostError
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.atomic(brand.id):
            db.after_commit(told(told_of, "not committed"))
            await db.connection().execute(ENTRY, brand.id, "one-sided")
    assert told_of == []


async def test_a_hook_that_fails_undoes_nothing_and_stops_no_other(brand: Brand, caplog: pytest.LogCaptureFixture) -> None:
    told_of: list[str] = []

    async def fail() -> None:
        raise LostError

    async with db.atomic(brand.id):
        await add(brand, "a")
        db.after_commit(fail)
        db.after_commit(told(told_of, "second"))
    assert told_of == ["second"]
    assert await accounts(brand) == ["asset:a"]
    said = [(record.name, record.levelname) for record in caplog.records]
    assert [level for name, level in said if name.startswith("qucheng.core")] == ["ERROR"], said


async def test_a_hook_may_open_a_block_of_its_own(brand: Brand) -> None:
    async def write() -> None:
        async with db.atomic(brand.id):
            await add(brand, "hook")

    async with asyncio.timeout(PATIENCE), db.atomic(brand.id):
        db.after_commit(write)
    assert await accounts(brand) == ["asset:hook"]


async def test_tasks_at_once_do_not_share_a_transaction(brand: Brand) -> None:
    async def one(number: int) -> None:
        with contextlib.suppress(LostError):
            async with db.atomic(brand.id):
                await add(brand, str(number))
                if number % 2:
                    raise LostError

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(one(number) for number in range(6)))
    assert await accounts(brand) == ["asset:0", "asset:2", "asset:4"]


async def test_outside_a_block_there_is_neither_a_connection_nor_a_hook() -> None:
    with pytest.raises(RuntimeError, match="inside atomic"):
        db.connection()
    with pytest.raises(RuntimeError, match="inside atomic"):
        db.after_commit(told([], "never"))
