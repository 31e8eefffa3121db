"""Two transactions at once: the first writes and holds, the second writes, the first commits, then the second."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
from tests import books

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Awaitable, Callable

    Write = Callable[[asyncpg.Connection], Awaitable[None]]

PATIENCE = 10
READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE = "read_committed", "repeatable_read", "serializable"


@dataclass(frozen=True)
class End:
    """waited: the second stood still until the first had committed. The errors of both, None where it was committed."""

    waited: bool
    first: asyncpg.PostgresError | None
    second: asyncpg.PostgresError | None


async def fight(
    workspace: books.Workspace, brand_id: uuid.UUID, first: Write, second: Write, *, isolation: str = READ_COMMITTED
) -> End:
    """Both as the app, the second at the isolation level it chose. Each has looked at the books before either writes."""
    async with (
        books.connected(workspace.app, brand_id) as one,
        books.connected(workspace.app, brand_id) as two,
        books.connected(workspace.owner) as owner,
        asyncio.timeout(3 * PATIENCE),
    ):
        transactions = [one.transaction(isolation=READ_COMMITTED), two.transaction(isolation=isolation)]
        for connection, transaction in zip((one, two), transactions, strict=True):
            await transaction.start()
            await connection.fetchval("SELECT count(*) FROM brand")
        error = await _outcome(first(one))
        task = asyncio.create_task(_outcome(second(two)))
        waited = await _stands_still(owner, two.get_server_pid(), task)
        error = error or await _outcome(transactions[0].commit())
        other = await task or await _outcome(transactions[1].commit())
    return End(waited, error, other)


async def _outcome(work: Awaitable[None]) -> asyncpg.PostgresError | None:
    try:
        await work
    except asyncpg.PostgresError as error:
        return error
    return None


async def _stands_still(owner: asyncpg.Connection, pid: int, task: asyncio.Task[asyncpg.PostgresError | None]) -> bool:
    while not task.done():
        if await owner.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted)", pid):
            return True
        await asyncio.sleep(0.01)
    return False


@contextlib.asynccontextmanager
async def without(workspace: books.Workspace, function: str, guard: str, instead: str = "") -> AsyncIterator[None]:
    """The owner takes a piece out of a function of the database for the time of the block: the control of a race."""
    async with books.connected(workspace.owner) as owner:
        whole = await owner.fetchval("SELECT pg_get_functiondef($1::regproc)", function)
        assert whole.count(guard) == 1
        await owner.execute(whole.replace(guard, instead))
        try:
            yield
        finally:
            await owner.execute(whole)


@contextlib.asynccontextmanager
async def disabled(workspace: books.Workspace, table: str, trigger: str) -> AsyncIterator[None]:
    """The owner switches a trigger off for the time of the block."""
    async with books.connected(workspace.owner) as owner:
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        try:
            yield
        finally:
            await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
