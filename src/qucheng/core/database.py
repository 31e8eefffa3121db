"""Databases and roles: the migrated template, copies of it to work in, and the role the app works as."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import db, errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIGRATIONS = Path(__file__).parents[1] / "piccolo_migrations"
# Of all databases on a server. qucheng_app has the app's rights; who works for a reseller becomes qucheng_reseller for a
# transaction, by way of qucheng_switch, which does not inherit it (0015_reseller_rows.sql).
SHARED_ROLES = {"qucheng_app": "NOLOGIN", "qucheng_reseller": "NOLOGIN", "qucheng_switch": "NOLOGIN NOINHERIT"}
# One lock key for whoever changes databases or roles of this product on a server.
SETUP_LOCK = 0x71756368656E67


class DatabaseRefusedError(errors.RefusedError):
    """The server is not there, or does not let us in or create what we need."""

    code: ClassVar[str] = "database.refused"
    status: ClassVar[int] = 403


def with_database(url: str, name: str) -> str:
    return urllib.parse.urlsplit(url)._replace(path=f"/{name}").geturl()


def database_name(url: str) -> str:
    return urllib.parse.urlsplit(url).path.lstrip("/") or "postgres"


def template_name() -> str:
    """Named by what the migrations say, so that another version of them never reuses it."""
    digest = hashlib.sha256()
    for file in sorted(p for p in MIGRATIONS.rglob("*") if p.suffix in {".py", ".sql"}):
        digest.update(file.relative_to(MIGRATIONS).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"qucheng_template_{digest.hexdigest()[:12]}"


def newest_migration() -> str:
    """The id of the newest migration, as Piccolo lists it once it has been applied."""
    stamp = max(file.stem for file in MIGRATIONS.glob("qucheng_*.py")).removeprefix("qucheng_")
    day, time = stamp.split("t")
    return f"{day.replace('_', '-')}T{time.replace('_', ':')}:000000"


async def migrate(owner_url: str) -> None:
    """Brings the database up to the newest migration, one process at a time; one that is there already is only asked."""
    if await _is_current(owner_url):
        return
    # here and not above: it loads what writes migrations too, which takes as long as a sixth of a worker's start
    from piccolo.apps.migrations.commands import forwards  # noqa: PLC0415

    os.environ["PICCOLO_CONF"] = "qucheng.piccolo_conf"
    async with _exclusive(owner_url), db.connected(owner_url, as_owner=True):
        with contextlib.redirect_stdout(None):
            result = await forwards.run_forwards(app_name="qucheng")
    if not result.success:
        raise RuntimeError(f"the migrations stopped: {result.message}")


async def _is_current(owner_url: str) -> bool:
    connection = await _connect(owner_url)
    try:
        if await connection.fetchval("SELECT to_regclass('public.migration')") is None:
            return False
        return bool(await connection.fetchval("SELECT EXISTS (SELECT 1 FROM migration WHERE name = $1)", newest_migration()))
    finally:
        await connection.close()


async def app_url(owner_url: str, given: str | None, var: Path) -> str:
    """Where the app connects: the address it was given, or a role of our own that owns nothing, its password kept in var."""
    name = database_name(owner_url)
    async with _exclusive(owner_url) as connection:
        for shared, kind in SHARED_ROLES.items():
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", shared):
                await connection.execute(f"CREATE ROLE {shared} {kind}")
        await _join(connection, "qucheng_switch", "qucheng_reseller")
        if given is not None:
            role = urllib.parse.unquote(urllib.parse.urlsplit(given).username or "")
        else:
            role, password = f"qucheng_app_{name}", _password(var, name)
            await _make_role(connection, role, password)
            parts = urllib.parse.urlsplit(owner_url)
            host = parts.netloc.rpartition("@")[2]
            given = parts._replace(netloc=f"{urllib.parse.quote(role)}:{password}@{host}").geturl()
        for right in ("qucheng_app", "qucheng_switch"):
            await _join(connection, role, right)
    return given


async def _join(connection: asyncpg.Connection, role: str, right: str) -> None:
    if not await connection.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", role, right):
        await connection.execute(f"GRANT {right} TO {_quoted(role)}")


@contextlib.asynccontextmanager
async def workspace(owner_url: str, app: str) -> AsyncIterator[str]:
    """A database of its own for one run, dropped afterwards; what a killed run left is dropped first. Yields the app's URL to it."""
    owner = await _connect(owner_url)
    name = f"qucheng_work_{_home(owner_url)}_{os.getpid()}_{secrets.token_hex(4)}"
    try:
        await _drop_abandoned(owner, owner_url)
        template = await _template(owner_url)
        await _hold(owner, name)
        await owner.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
        # nothing in it outlives the run, so no commit waits for the disk
        await owner.execute(f"ALTER DATABASE {_quoted(name)} SET synchronous_commit = off")
        yield with_database(app, name)
    finally:
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            await drop(owner, name)
        await owner.close()


async def _template(owner_url: str) -> str:
    """The migrated template, made under another name first: a killed run leaves no half of one."""
    name = template_name()
    owner = await _connect(owner_url)
    try:
        if await owner.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return name
        building = f"qucheng_building_{_home(owner_url)}_{os.getpid()}_{secrets.token_hex(4)}"
        await _hold(owner, building)
        await owner.execute(f"CREATE DATABASE {_quoted(building)}")
        try:
            await migrate(with_database(owner_url, building))
            async with _exclusive(owner_url) as connection:
                if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                    await connection.execute(f"DROP DATABASE {_quoted(building)}")
                else:
                    # another installation on the server may be as quick: one of the two is enough
                    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                        await connection.execute(f"ALTER DATABASE {_quoted(building)} RENAME TO {_quoted(name)}")
                    await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(building)}")
        except BaseException:
            await owner.execute(f"DROP DATABASE IF EXISTS {_quoted(building)} WITH (FORCE)")
            raise
    finally:
        await owner.close()
    return name


def _home(owner_url: str) -> str:
    """Names the installation: advisory locks are seen within one database only, so each drops only what it made itself."""
    return hashlib.sha256(database_name(owner_url).encode()).hexdigest()[:8]


async def _hold(owner: asyncpg.Connection, name: str) -> None:
    """Says that whoever uses the database lives; the lock ends with the connection, however the process ends."""
    await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)


async def _drop_abandoned(owner: asyncpg.Connection, owner_url: str) -> None:
    made = [f"qucheng_{use}_{_home(owner_url)}_" for use in ("work", "building")]
    for row in await owner.fetch(
        "SELECT datname FROM pg_database WHERE starts_with(datname, $1) OR starts_with(datname, $2)", *made
    ):
        name = row["datname"]
        if await owner.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name):
            # one that somebody else is in stands for the next start to drop
            with contextlib.suppress(asyncpg.PostgresError):
                await drop(owner, name)
            await owner.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)


async def drop(owner: asyncpg.Connection, name: str) -> None:
    """With the sessions in it. FORCE is refused where one of them is the server's own autovacuum; a plain DROP asks that to leave."""
    try:
        await owner.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = $1 AND backend_type = 'client backend' AND pg_has_role(usesysid, 'USAGE')",
            name,
        )
        await owner.execute(f"DROP DATABASE IF EXISTS {_quoted(name)}")


@contextlib.asynccontextmanager
async def _exclusive(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await _connect(owner_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", SETUP_LOCK)
        yield connection
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, server_settings={"statement_timeout": "0"})
    except (OSError, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        where = urllib.parse.urlsplit(url)
        raise DatabaseRefusedError(
            f"PostgreSQL at {where.hostname}:{where.port or 5432} does not let {where.username} into {database_name(url)}: {error}. Check DATABASE_URL."
        ) from None


async def _make_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role) else "CREATE"
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(f"{verb} ROLE {_quoted(role)} LOGIN PASSWORD {quoted}")
    # a member may end the sessions that a killed run left, which DROP DATABASE … WITH (FORCE) does
    await connection.execute(f"GRANT {_quoted(role)} TO CURRENT_USER")


def _password(var: Path, database: str) -> str:
    """The app role's password, made once; the file is readable by its owner only."""
    file = var / "app-roles.json"
    known = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
    if database not in known:
        known[database] = secrets.token_urlsafe(24)
        var.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.encode(known))
        fresh.replace(file)
    return known[database]


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
