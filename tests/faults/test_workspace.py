"""Databases of runs: dropped when they end, also after a kill; never one that lives. On a server of its own."""

# ruff: noqa: PT012, ASYNC110 - the block that fails is what is tested; a server tells nobody that it has noticed

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib import parse

import asyncpg
import msgspec
import pytest
from tests import books

from qucheng.core import database, db
from qucheng.core.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

LIMIT = 60
HOLD = """
import asyncio, sys
from qucheng.core import database, db
async def hold():
    async with database.workspace(sys.argv[1], sys.argv[2]) as url, db.connected(url):
        async with db.atomic():
            print(database.database_name(url), flush=True)
            await asyncio.sleep(300)
asyncio.run(hold())
"""
BUILD = """
import asyncio, sys
from qucheng.core import database
print(asyncio.run(database._template(sys.argv[1])), flush=True)
"""
KILLED_WHILE_BUILDING = r"""
import asyncio, os, signal, sys
from piccolo.apps.migrations.commands import forwards
from qucheng.core import database
async def killed(**_):
    os.write(1, b"building\n")
    os.kill(os.getpid(), signal.SIGKILL)
forwards.run_forwards = killed
asyncio.run(database._template(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qucheng-workspace-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        postgres.discard(folder)


@pytest.fixture(scope="module")
def owner_url(server: Path) -> str:
    programs = os.environ.get("QUCHENG_TEST_POSTGRES")
    return postgres.ensure(server, durable=False, programs=Path(programs) if programs else None)


@pytest.fixture(scope="module")
async def app_url(owner_url: str, server: Path) -> str:
    return await database.app_url(owner_url, None, server / "var")


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with books.connected(owner_url) as connection:
        yield connection


async def names(owner: asyncpg.Connection, kind: str) -> list[str]:
    return [
        row[0] for row in await owner.fetch("SELECT datname FROM pg_database WHERE datname ~ $1 ORDER BY 1", f"^qucheng_{kind}_")
    ]


@contextlib.asynccontextmanager
async def program(text: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, *arguments, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        return (await process.stdout.readline()).decode().strip()


async def test_a_workspace_is_migrated_and_gone_afterwards(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    async with database.workspace(owner_url, app_url) as url:
        assert await names(owner, "work") == [database.database_name(url)]
        async with books.connected(url) as app:
            assert await app.fetchval("SELECT count(*) FROM statement") == 0
    assert await names(owner, "work") == []


async def test_a_workspace_is_gone_after_a_failure_even_with_sessions_in_it(
    owner_url: str, app_url: str, owner: asyncpg.Connection
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.workspace(owner_url, app_url) as url:
            left_open = await asyncpg.connect(url)
            raise ZeroDivisionError
    assert await names(owner, "work") == []
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        await left_open.close(timeout=2)


async def test_the_database_of_a_killed_run_goes_with_the_next_start(
    owner_url: str, app_url: str, owner: asyncpg.Connection
) -> None:
    async with program(HOLD, owner_url, app_url) as run:
        killed = await first_line(run)
        run.send_signal(signal.SIGKILL)
        await run.wait()
    assert await names(owner, "work") == [killed]
    async with asyncio.timeout(LIMIT):
        while await owner.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
            await asyncio.sleep(0.05)  # the server has not noticed yet
    async with database.workspace(owner_url, app_url) as url:
        assert await names(owner, "work") == [database.database_name(url)]


async def test_a_database_that_somebody_else_is_in_stops_nobody(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    """As the server's own autovacuum may be: its sessions are not ours to end, and the database waits for the next start."""
    await owner.execute("CREATE ROLE stranger LOGIN PASSWORD 'strange'")
    try:
        async with program(HOLD, owner_url, app_url) as run:
            killed = await first_line(run)
            where = parse.urlsplit(database.with_database(owner_url, killed))
            stranger = await asyncpg.connect(where._replace(netloc=f"stranger:strange@{where.hostname}:{where.port}").geturl())
            run.send_signal(signal.SIGKILL)
            await run.wait()
        async with asyncio.timeout(LIMIT):
            while await owner.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
                await asyncio.sleep(0.05)
        async with database.workspace(owner_url, app_url) as url:
            assert await names(owner, "work") == sorted([killed, database.database_name(url)])
        await stranger.close()
        async with database.workspace(owner_url, app_url) as url:
            assert await names(owner, "work") == [database.database_name(url)]
    finally:
        await owner.execute("DROP ROLE stranger")


async def test_the_database_of_a_live_run_stays(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    async with program(HOLD, owner_url, app_url) as run:
        live = await first_line(run)
        async with database.workspace(owner_url, app_url) as url:
            assert await names(owner, "work") == sorted([live, database.database_name(url)])
        assert await names(owner, "work") == [live]


async def test_the_database_of_a_live_run_of_another_installation_on_the_server_stays(
    owner_url: str, app_url: str, owner: asyncpg.Connection
) -> None:
    """Two installations: two databases of one owner. Advisory locks are seen within one database only."""
    await owner.execute("CREATE DATABASE second_installation")
    second = database.with_database(owner_url, "second_installation")
    try:
        async with program(HOLD, owner_url, app_url) as run:
            live = await first_line(run)
            async with database.workspace(second, app_url):
                assert live in await names(owner, "work")
    finally:
        await database.drop(owner, "second_installation")
        async with database.workspace(owner_url, app_url):
            pass


async def test_runs_at_once_have_databases_of_their_own(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    async with contextlib.AsyncExitStack() as stack:
        urls = await asyncio.gather(*(stack.enter_async_context(database.workspace(owner_url, app_url)) for _ in range(3)))
        assert await names(owner, "work") == sorted(database.database_name(url) for url in urls)
    assert await names(owner, "work") == []


async def without_template(owner: asyncpg.Connection) -> None:
    for name in await names(owner, "(template|building)"):
        await database.drop(owner, name)


async def test_two_builds_of_the_template_at_once_leave_one(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    await without_template(owner)
    async with program(BUILD, owner_url) as one, program(BUILD, owner_url) as two:
        built = [await first_line(process) for process in (one, two)]
        assert [await process.wait() for process in (one, two)] == [0, 0]
    assert built == [database.template_name()] * 2
    assert await names(owner, "(template|building)") == [database.template_name()]
    async with database.workspace(owner_url, app_url) as url, books.connected(url) as app:
        assert await app.fetchval("SELECT count(*) FROM statement") == 0


async def test_a_build_that_is_killed_leaves_no_half_template(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    await without_template(owner)
    async with program(KILLED_WHILE_BUILDING, owner_url) as build:
        assert await first_line(build) == "building"
        await build.wait()
    assert await names(owner, "template") == []
    async with database.workspace(owner_url, app_url) as url, books.connected(url) as app:
        assert await app.fetchval("SELECT count(*) FROM statement") == 0
    assert await names(owner, "template") == [database.template_name()]


async def test_what_a_killed_build_left_goes_with_the_next_start(owner_url: str, app_url: str, owner: asyncpg.Connection) -> None:
    await without_template(owner)
    async with program(KILLED_WHILE_BUILDING, owner_url) as build:
        assert await first_line(build) == "building"
        await build.wait()
    async with asyncio.timeout(LIMIT):
        while await owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname ~ '^qucheng_building_'"):
            await asyncio.sleep(0.05)
    for _ in range(2):
        async with database.workspace(owner_url, app_url):
            pass
    assert await names(owner, "building") == []


async def test_a_build_that_fails_leaves_nothing(
    owner_url: str, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_template(owner)

    async def fail(_url: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(database, "migrate", fail)
        with pytest.raises(ZeroDivisionError):
            await database._template(owner_url)
    assert await names(owner, "(template|building)") == []


async def test_the_apps_role_is_made_once_its_password_kept_for_its_owner(owner_url: str, server: Path) -> None:
    var = server / "roles"
    first = await database.app_url(owner_url, None, var)
    assert await database.app_url(owner_url, None, var) == first
    file = var / "app-roles.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(var.iterdir()) == [file]
    password = parse.urlsplit(first).password
    assert msgspec.json.decode(file.read_bytes()) == {"qucheng": password}
    async with books.connected(first) as app:
        role = await app.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = current_user"
        )
        assert not any(role)
        assert await app.fetchval("SELECT pg_has_role('qucheng_app', 'MEMBER')")
    await database.app_url(owner_url, None, server / "var")  # the password of the other tests again


async def test_a_role_that_was_given_becomes_a_member_and_keeps_its_address(
    owner_url: str, owner: asyncpg.Connection, server: Path
) -> None:
    await owner.execute("CREATE ROLE given LOGIN PASSWORD 'given'")
    given = (
        parse.urlsplit(owner_url)._replace(netloc=f"given:given@{parse.urlsplit(owner_url).netloc.rpartition('@')[2]}").geturl()
    )
    assert await database.app_url(owner_url, given, server / "none") == given
    assert await owner.fetchval("SELECT pg_has_role('given', 'qucheng_app', 'MEMBER')")
    assert not (server / "none").exists()


@pytest.fixture
async def migrated(owner_url: str, app_url: str) -> AsyncIterator[books.Workspace]:
    """Without the engine on it."""
    async with database.workspace(owner_url, app_url) as url:
        yield books.Workspace(database.with_database(owner_url, database.database_name(url)), url)


def as_role(workspace: books.Workspace, name: str) -> str:
    parts = parse.urlsplit(workspace.owner)
    return parts._replace(netloc=f"{name}:{name}@{parts.netloc.rpartition('@')[2]}").geturl()


async def refuses(url: str) -> None:
    with pytest.raises(db.UnsafeRoleError) as caught:
        async with db.connected(url):
            pytest.fail("it serves")
    assert (caught.value.code, caught.value.status) == ("database.unsafe_role", 403)
    assert db.ENGINE.pool is None


async def test_the_app_serves_as_the_apps_role(migrated: books.Workspace) -> None:
    async with db.connected(migrated.app), db.atomic():
        assert await db.connection().fetchval("SELECT current_user") == "qucheng_app_qucheng"


async def test_the_app_refuses_to_serve_as_the_owner(migrated: books.Workspace) -> None:
    await refuses(migrated.owner)


async def test_the_app_refuses_to_serve_as_a_superuser_or_one_past_row_security(migrated: books.Workspace, server: Path) -> None:
    (record,) = server.glob("postgres/pg*.json")
    password = msgspec.json.decode(record.read_bytes())["superuser_password"]
    parts = parse.urlsplit(migrated.owner)
    superuser = parts._replace(netloc=f"postgres:{password}@{parts.netloc.rpartition('@')[2]}").geturl()
    await refuses(superuser)
    async with books.connected(superuser) as connection:
        await connection.execute("CREATE ROLE passer LOGIN BYPASSRLS PASSWORD 'passer' IN ROLE qucheng_app")
    await refuses(as_role(migrated, "passer"))


@pytest.mark.parametrize("inherit", ["INHERIT", "NOINHERIT"])
async def test_the_app_refuses_to_serve_as_a_role_that_can_become_the_owner(
    migrated: books.Workspace, owner: asyncpg.Connection, inherit: str
) -> None:
    """Without inheritance it has the owner's rights only after SET ROLE, which nothing stops."""
    keeper, member = f"keeper_{inherit}".lower(), f"member_{inherit}".lower()
    await owner.execute(f"CREATE ROLE {keeper}; GRANT {keeper} TO CURRENT_USER")
    await owner.execute(f"CREATE ROLE {member} LOGIN {inherit} PASSWORD '{member}' IN ROLE qucheng_app, {keeper}")
    async with books.connected(migrated.owner) as connection:
        await connection.execute(f"GRANT CREATE ON SCHEMA public TO {keeper}; ALTER TABLE brand OWNER TO {keeper}")
    await refuses(as_role(migrated, member))
