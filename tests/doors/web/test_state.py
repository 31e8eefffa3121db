"""/healthz, /readyz and /metrics: what they answer, to whom, and what each cut changes in the answer."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import re
import stat
import time
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest
from tests import books

from qucheng import app as wiring
from qucheng.core import health, process, settings, task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.anyio

ALL_OK = {"database": "ok", "disk": "ok", "migrations": "ok", "worker": "ok", "books": "ok"}
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
NOT_FOUND = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "http.not_found"}
WORKER = uuid.UUID(int=7)

Usage = collections.namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024
Client = httpx.AsyncClient


@pytest.fixture
def current(tmp_path: Path) -> settings.Settings:
    return settings.load({"QUCHENG_VAR": str(tmp_path / "var")})


@contextlib.asynccontextmanager
async def served(current: settings.Settings) -> AsyncIterator[Client]:
    app = wiring.create_app(current)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type] # litestar's types of the same interface
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield client


@pytest.fixture
async def client(
    workspace: books.Workspace, current: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    """A ready process, with a worker beside it, that answers each time anew."""
    assert workspace
    monkeypatch.setattr(health, "FRESH_SECONDS", 0)
    await process.report(WORKER, "worker")
    async with served(current) as made:
        await made.get("/readyz")  # the first report is done
        yield made
    await process.forget(WORKER)


async def checks(client: Client) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    body = answer.json()
    assert body["ready"] is (answer.status_code == 200)
    return answer.status_code, body["checks"]


@contextlib.asynccontextmanager
async def locked(workspace: books.Workspace) -> AsyncIterator[None]:
    """The database is there and takes no write of a process."""
    async with books.connected(workspace.owner) as connection, connection.transaction():
        await connection.execute("LOCK TABLE process IN ACCESS EXCLUSIVE MODE")
        yield


async def test_alive_and_ready_with_the_headers_that_protect(client: Client) -> None:
    alive = await client.get("/healthz")
    assert (alive.status_code, alive.text) == (200, "ok")
    assert {name: alive.headers[name] for name in HEADERS} == HEADERS
    assert await checks(client) == (200, ALL_OK)


async def test_a_path_that_is_not_there_is_answered_as_any_other(client: Client) -> None:
    answer = await client.get("/nothing/42")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    wrong = await client.post("/healthz")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "http.method_not_allowed")


async def test_a_callers_id_comes_back_and_another_text_does_not(client: Client) -> None:
    assert (await client.get("/healthz", headers={"X-Request-ID": "order-4711_a"})).headers["x-request-id"] == "order-4711_a"
    for bad in ("short", "a b c d e f g", "x" * 65, 'abcdefgh"}'):
        given = (await client.get("/healthz", headers={"X-Request-ID": bad})).headers["x-request-id"]
        assert uuid.UUID(given).version == 7


async def test_the_process_is_on_the_list_while_it_runs(
    workspace: books.Workspace, current: settings.Settings, owner: asyncpg.Connection
) -> None:
    assert workspace
    listed = "SELECT array_agg((role, pid)::text) FROM process WHERE role = 'web'"
    async with served(current) as client:
        await client.get("/readyz")
        assert await owner.fetchval(listed) == [f"(web,{os.getpid()})"]
    assert await owner.fetchval(listed) is None


async def test_a_worker_that_was_not_seen_for_half_a_minute(client: Client, owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE process SET seen_at = clock_timestamp() - interval '31 seconds' WHERE id = $1", WORKER)
    assert await checks(client) == (503, ALL_OK | {"worker": "none seen for 30 s"})
    await process.report(WORKER, "worker")
    assert await checks(client) == (200, ALL_OK)


async def test_a_schema_that_is_not_the_programs(client: Client, owner: asyncpg.Connection) -> None:
    newest = await owner.fetchval("SELECT max(name) FROM migration")
    await owner.execute("UPDATE migration SET name = 'other' WHERE name = $1", newest)
    assert await checks(client) == (503, ALL_OK | {"migrations": "the schema is not the program's"})
    await owner.execute("UPDATE migration SET name = $1 WHERE name = 'other'", newest)
    assert await checks(client) == (200, ALL_OK)


async def test_books_that_differ_and_books_that_do_no_more(client: Client, owner: asyncpg.Connection, tmp_path: Path) -> None:
    brand = await books.found(books.write(tmp_path / "b", code="b"))
    checked = "INSERT INTO books_check (brand_id, number, checked_at, differences, findings) VALUES ($1, $2, now(), $3, '[]')"
    await owner.execute(checked, brand.id, 1, 2)
    assert await checks(client) == (503, ALL_OK | {"books": "the last check of a brand's books found differences"})
    await owner.execute(checked, brand.id, 2, 0)
    assert await checks(client) == (200, ALL_OK)


@pytest.mark.parametrize(
    ("total", "free", "said"),
    [
        (100_000_000_000, 5_000_000_000, "ok"),
        (100_000_000_000, 4_999_999_999, "almost full"),
        (1_000_000_000, 200_000_000, "ok"),
        (1_000_000_000, 199_999_999, "almost full"),
    ],
)
def test_the_disk_needs_a_twentieth_and_two_hundred_megabytes(
    total: int, free: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _folder: Usage(total, total - free, free))
    assert health.disk(tmp_path / "not" / "there") == said


async def test_a_database_that_takes_no_write_is_told_within_five_seconds_and_taken_back(
    client: Client, workspace: books.Workspace
) -> None:
    unknown = "not known without the database"
    async with locked(workspace):
        started = time.monotonic()
        assert await checks(client) == (
            503,
            {"database": "does not take a write", "disk": "ok", "migrations": unknown, "worker": unknown, "books": unknown},
        )
        assert 2.9 < time.monotonic() - started < 5
        assert (await client.get("/healthz")).text == "ok"
    assert await checks(client) == (200, ALL_OK)


async def test_without_the_time_limit_nothing_is_told(
    client: Client, workspace: books.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 600)
    async with locked(workspace):
        asking = asyncio.create_task(checks(client))
        await asyncio.wait({asking}, timeout=6)
        assert not asking.done()
    assert await asking == (200, ALL_OK)


@pytest.mark.parametrize(("fresh_for", "writes"), [(600, 1), (0, 10)])
async def test_what_was_just_written_is_not_written_again(
    fresh_for: int,
    writes: int,
    workspace: books.Workspace,
    current: settings.Settings,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert workspace
    assert health.FRESH_SECONDS == 1
    monkeypatch.setattr(health, "FRESH_SECONDS", fresh_for)
    async with served(current) as client:
        await client.get("/readyz")
        seen = set()
        for _ in range(10):
            await client.get("/readyz")
            seen.add(await owner.fetchval("SELECT seen_at FROM process WHERE role = 'web'"))
    assert len(seen) == writes


async def test_metrics_are_for_who_has_the_token(client: Client, current: settings.Settings) -> None:
    file = current.var / "metrics-token"
    token = file.read_text().strip()
    assert (stat.S_IMODE(file.stat().st_mode), len(token)) == (0o600, 43)
    for headers in ({}, {"Authorization": f"Bearer {token}x"}, {"Authorization": token}, {"Authorization": "Bearer Ä"}):
        answer = await client.get("/metrics", headers=[(name.encode(), value.encode()) for name, value in headers.items()])
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert health.metrics_token(current) == token
    named = settings.load({"QUCHENG_VAR": str(current.var), "QUCHENG_METRICS_TOKEN": "t" * 20})
    assert health.metrics_token(named) == "t" * 20


async def test_the_metrics_count_routes_and_tell_of_tasks(
    client: Client, current: settings.Settings, owner: asyncpg.Connection
) -> None:
    await client.get("/nothing/4711?buyer=kanarie")
    await client.get("/healthz")
    async with health.db.atomic():
        await task.add(kind="test.one", queue="money")
        await task.add(kind="test.one", queue="money")
    await owner.execute("UPDATE task SET available_at = clock_timestamp() - interval '90 seconds'")
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {health.metrics_token(current)}"})
    figures = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert figures['qucheng_requests_total{method="GET",route="(none)",status="404"}'] == "1.0"
    assert figures['qucheng_requests_total{method="GET",route="/healthz",status="200"}'] == "1.0"
    assert figures['qucheng_tasks{queue="money",state="waiting"}'] == "2.0"
    assert figures['qucheng_tasks{queue="documents",state="dead"}'] == "0.0"
    assert 90 <= float(figures["qucheng_oldest_waiting_seconds"]) < 100
    assert (figures["qucheng_workers"], figures["qucheng_webs"]) == ("1.0", "1.0")
    assert (figures["qucheng_database_up"], figures["qucheng_books_differing"]) == ("1.0", "0.0")
    assert not re.search(r"4711|kanarie|buyer", answer.text)
    assert len(figures) < 200
    await owner.execute("DELETE FROM task")


async def test_metrics_without_the_database(client: Client, workspace: books.Workspace, current: settings.Settings) -> None:
    async with locked(workspace):
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {health.metrics_token(current)}"})
    assert (answer.status_code, "qucheng_database_up 0.0" in answer.text, "qucheng_tasks" in answer.text) == (200, True, False)
