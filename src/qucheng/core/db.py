"""The database engine, and the one form in which anything is written: `atomic()`.

Piccolo's own transaction leaks its connection when COMMIT fails and treats a nested one as nothing; ours does neither.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from qucheng.core import errors

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

log = logging.getLogger(__name__)

EXACT = Path(__file__).with_name("exact.sql")
# Whether the role that asks can switch the database's own checks off.
UNSAFE = """
    SELECT bool_or(r.rolsuper OR r.rolbypassrls OR EXISTS (
        SELECT 1 FROM pg_class c WHERE c.relname = 'brand' AND pg_has_role(r.oid, c.relowner, 'MEMBER')))
    FROM pg_roles r WHERE r.rolname IN (current_user, session_user)"""


class UnsafeRoleError(errors.RefusedError):
    """The app was asked to work as a role that can switch the database's own checks off."""

    code = "database.unsafe_role"
    status = 403


class Transaction(PostgresTransaction):
    """Gives the connection back whatever COMMIT or ROLLBACK does."""

    async def __aenter__(self) -> Self:
        if self._parent is not None:
            return self._parent  # type: ignore[return-value]
        self.connection = await self.get_connection()  # type: ignore[no-untyped-call]
        try:
            self.transaction = self.connection.transaction()
            await self.begin()  # type: ignore[no-untyped-call]
        except BaseException:  # cancelled in BEGIN: nobody else would give the connection back
            await self._give_back()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(self, exception_type: object, exception: object, traceback: object) -> bool:
        if self._parent is not None:
            return exception is None
        try:
            if exception is not None:
                await self.rollback()  # type: ignore[no-untyped-call]
            else:
                await self.commit()  # type: ignore[no-untyped-call]
        finally:
            self.engine.current_transaction.reset(self.context)
            await self._give_back()
        return exception is None

    async def _give_back(self) -> None:
        if self.engine.pool:
            await self.engine.pool.release(self.connection)
        else:
            await self.connection.close()


class Engine(PostgresEngine):
    """Connects only when told where to: constructing it asks nothing of a server."""

    def __init__(self) -> None:
        super().__init__(config={})

    async def check_version(self) -> None:
        """Piccolo would connect here, at import."""

    async def prep_database(self) -> None:
        """No extensions are needed."""

    def transaction(self, allow_nested: bool = True) -> Transaction:  # noqa: FBT001, FBT002 - Piccolo's signature
        return Transaction(engine=self, allow_nested=allow_nested)


ENGINE = Engine()
_hooks: contextvars.ContextVar[list[Callable[[], Awaitable[None]]] | None] = contextvars.ContextVar("hooks", default=None)

_brand: contextvars.ContextVar[uuid.UUID | None] = contextvars.ContextVar("brand", default=None)
_reseller: contextvars.ContextVar[str | None] = contextvars.ContextVar("reseller", default=None)


@contextlib.asynccontextmanager
async def connected(
    url: str, *, as_owner: bool = False, pool_size: int = 4, settings: dict[str, str] | None = None
) -> AsyncIterator[None]:
    """Points the engine at a database for the time of the block.

    Unless as_owner (migrations only), a superuser, a role with BYPASSRLS or the owner of the tables is refused: row-level
    security and the append-only triggers would not hold against it.
    """
    ENGINE.config = {"dsn": url, "server_settings": {"timezone": "UTC", "jit": "off", **(settings or {})}}
    await ENGINE.start_connection_pool(min_size=1, max_size=pool_size, reset=_left)
    try:
        if not as_owner:
            await _refuse_unsafe_role()
        yield
    finally:
        await ENGINE.close_connection_pool()
        ENGINE.config = {}


async def _left(connection: asyncpg.Connection) -> None:
    """A connection comes back to the pool. What is set here ends with its transaction, so there is nothing to set back after one."""
    if connection.is_in_transaction():
        await connection.reset()


async def _refuse_unsafe_role() -> None:
    async with atomic():
        unsafe = await connection().fetchval(UNSAFE)
    if unsafe:
        raise UnsafeRoleError(
            "The app must not connect as a superuser or as the owner of its tables: set APP_DATABASE_URL to another role."
        )


@contextlib.asynccontextmanager
async def atomic(brand_id: uuid.UUID | None = None, *, reseller: str | None = None) -> AsyncIterator[None]:
    """One transaction, or inside another a savepoint; with brand_id, rows of that brand (and of no other) are visible.

    With reseller as well, only what its people may see of them; a block inside shows no more, and none narrows one that shows more.
    Work added with `after_commit` runs when all is committed, and never for a block that was rolled back.
    """
    if reseller is not None and brand_id is None:
        raise RuntimeError("atomic() of a reseller is one of its brand")
    outer = ENGINE.current_transaction.get()
    if outer is not None:
        if brand_id not in (None, _brand.get()):
            raise RuntimeError(
                "atomic() of one brand cannot stand inside another's: money never crosses brands in one transaction"
            )
        if reseller not in (None, _reseller.get()):
            raise RuntimeError("atomic() of a reseller cannot stand inside another's, or inside one that shows the whole brand")
        hooks = _hooks.get()
        mark = len(hooks or ())
        savepoint = await outer.savepoint()
        try:
            yield
        except BaseException:
            del (hooks or [])[mark:]
            await savepoint.rollback_to()  # type: ignore[no-untyped-call]
            raise
        await savepoint.release()  # type: ignore[no-untyped-call]
        return
    fresh: list[Callable[[], Awaitable[None]]] = []
    token, standing, narrowed = _hooks.set(fresh), _brand.set(brand_id), _reseller.set(reseller)
    try:
        async with ENGINE.transaction():
            if brand_id is not None:
                await connection().execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand_id))
            if reseller is not None:
                await connection().execute(
                    "SELECT set_config('qucheng.reseller', $1, true), set_config('role', 'qucheng_reseller', true)", reseller
                )
            yield
    finally:
        _hooks.reset(token)
        _brand.reset(standing)
        _reseller.reset(narrowed)
    for hook in fresh:
        try:
            await hook()
        except Exception:  # what was committed stays so; the sweep finds what the hook left
            log.exception("a hook after COMMIT failed")


def after_commit(hook: Callable[[], Awaitable[None]]) -> None:
    hooks = _hooks.get()
    if hooks is None:
        raise RuntimeError("after_commit() stands inside atomic()")
    hooks.append(hook)


def connection() -> asyncpg.Connection:
    """The connection of the transaction that is open: for COPY, scripts and set-based SQL."""
    transaction = ENGINE.current_transaction.get()
    if transaction is None:
        raise RuntimeError("connection() stands inside atomic()")
    return transaction.connection


def sections(script: str) -> list[str]:
    """The numbered parts of an SQL file (`-- 1. …`), what stands before them with the first."""
    head, *parts = re.split(r"^(?=-- [0-9]+\. )", script, flags=re.MULTILINE)
    return [head + parts[0], *parts[1:]] if parts else [head]


async def run_script(script: str, done: Callable[[int], None] | None = None) -> None:
    """Runs an SQL file of several statements; values reach it through tables, never through its text. done: told of each section."""
    for section in sections(script):
        await connection().execute(section)
        if done is not None:
            done(1)


async def add_exact_functions() -> None:
    """pg_temp.half_away and pg_temp.sum_fractions, for the scripts of this connection that reckon with money."""
    await connection().execute(EXACT.read_text(encoding="utf-8"))


async def refresh_statistics() -> None:
    """After a bulk load, so that the planner does not take the tables for empty."""
    async with atomic():
        await connection().execute("SELECT refresh_statistics()")
