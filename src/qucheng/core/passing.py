"""What failed through no fault of its own: two that stood in each other's way, or a server that was not there for a moment."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, ClassVar, TypeVar

import asyncpg

from qucheng.core import db, errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

COLLISIONS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
AWAY = (
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,  # of a connection that broke between two messages
    ConnectionError,
    TimeoutError,
)
MOST_TRIES = 6
# so that two that met do not meet again
LEAST_MS, MOST_MS = 10, 200


class BusyError(errors.RefusedError):
    """Nothing is wrong with what was asked for, and whoever asks again is answered."""

    code: ClassVar[str] = "busy"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 1


def passes(error: BaseException) -> bool:
    """Whether the same again may well be done."""
    # asyncpg says of its own mistakes and of a connection that is gone by one class
    return isinstance(error, AWAY) or (isinstance(error, asyncpg.InterfaceError) and "closed" in str(error))


async def outlasted(work: Callable[[], Awaitable[T]]) -> T:
    """work: a whole transaction. Where the server ended it for another's sake nothing of it stands, and it is done again."""
    for _ in range(MOST_TRIES - 1):
        try:
            return await work()
        except COLLISIONS:
            if db.ENGINE.current_transaction.get() is not None:  # a part of one, whose beginning is lost with it
                raise
            await asyncio.sleep(random.randrange(LEAST_MS, MOST_MS) / 1000)  # noqa: S311 - spread, not secrecy
    return await work()
