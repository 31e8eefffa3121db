"""What a request leaves in the log: a line of its own, and nothing that it brought."""

from __future__ import annotations

import asyncio
import io
import logging
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from litestar import Request, get, params, post
from tests import logs
from tests.logs import lines

from qucheng import app as wiring
from qucheng.core import db, errors, limits, settings
from qucheng.web import access, guards

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests import books

pytestmark = pytest.mark.anyio

CANARY = "kanarie7431"


class NotForSaleError(errors.RefusedError):
    code = "sku.not_for_sale"
    status = 422


@post("/skus/{code:str}", opt=guards.MACHINE)
async def refuse(code: params.FromPath[str]) -> None:
    raise NotForSaleError(f"{code} is not for sale.")


@post("/brands/{code:str}", opt=guards.MACHINE)
async def insert_twice(code: params.FromPath[str], request: Request[Any, Any, Any]) -> None:
    """The error of the database quotes the row."""
    body = (await request.body()).decode()
    async with db.atomic():
        await db.connection().execute(
            "CREATE TEMPORARY TABLE shelf (code text CONSTRAINT shelf_code_unique UNIQUE) ON COMMIT DROP"
        )
        for _ in range(2):
            await db.connection().execute("INSERT INTO shelf VALUES ($1)", code + body)


@post("/waits", opt=guards.MACHINE, status_code=204)
async def wait_a_moment() -> None:
    await asyncio.sleep(0.1)


@post("/collisions", opt=guards.MACHINE)
async def collide() -> None:
    async with db.atomic():
        await db.connection().execute("DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = 'deadlock_detected'; END $$")


@get("/collisions/page", opt=guards.page(guards.ANYBODY))
async def collide_on_a_page() -> None:
    async with db.atomic():
        await db.connection().execute("DO $$ BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = 'admin_shutdown'; END $$")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    with logs.configured() as stream:
        yield stream


@pytest.fixture
async def client(
    workspace: books.Workspace, logged: io.StringIO, tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    assert workspace
    monkeypatch.setattr(limits, "PREFIX", f"test:{uuid.uuid4()}:")
    app = wiring.create_app(settings.load({"QUCHENG_VAR": str(tmp_path), "REDIS_URL": valkey_url}))
    app.register(refuse)
    app.register(insert_twice)
    app.register(wait_a_moment)
    app.register(collide)
    app.register(collide_on_a_page)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type] # litestar's types of the same interface
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as made:
        yield made
    await app.state["site"].close()
    assert logged


def requests(logged: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(logged) if line["event"] == "request"]


async def test_a_request_is_one_line_with_its_id_and_the_routes_template(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    answer = await client.get("/healthz", headers={"X-Request-ID": "visit-0815"})
    assert answer.headers["x-request-id"] == "visit-0815"
    (line,) = lines(logged, 1)
    assert line.pop("duration_ms") >= 0
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "info", "logger": "qucheng.web.access", "event": "request", "request_id": "visit-0815",
        "method": "GET", "route": "/healthz", "status": 200,
    }  # fmt: skip


async def test_nothing_that_a_request_brings_is_in_the_log(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    everywhere: dict[str, Any] = {
        "params": {CANARY: CANARY},
        "headers": {"X-Request-ID": f"{CANARY} {CANARY}", "Authorization": CANARY, "Cookie": f"a={CANARY}", "X-A": CANARY},
    }
    answers = [
        await client.get(f"/{CANARY}", **everywhere),
        await client.request(CANARY.upper(), f"/brands/{CANARY}", **everywhere),
        await client.post(f"/skus/{CANARY}", content=CANARY, **everywhere),
        await client.post(f"/brands/{CANARY}", content=CANARY, **everywhere),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "http.not_found"), (405, "http.method_not_allowed"), (422, "sku.not_for_sale"), (500, "unexpected"),
    ]  # fmt: skip
    assert answers[2].json()["detail"] == f"{CANARY} is not for sale."
    assert CANARY not in answers[3].text
    assert [(line["event"], line.get("route"), line.get("status")) for line in lines(logged, 5)] == [
        ("request", "(none)", 404),
        ("request", "(none)", 405),
        ("request", "/skus/{code}", 422),
        ("a request failed", None, None),
        ("request", "/brands/{code}", 500),
    ]
    assert CANARY not in logged.getvalue().lower()


async def test_a_head_is_a_get_without_its_body(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    for path, status in (("/healthz", 200), ("/api/v1/openapi.json", 200), ("/api/v1/me", 401), ("/waits", 405)):
        whole, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"") == (status, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]
        assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))
    assert [line["method"] for line in requests(logged)] == ["GET", "HEAD"] * 4
    assert [line["route"] for line in requests(logged)][:4] == ["/healthz"] * 2 + ["/api/v1/openapi.json"] * 2


async def test_what_passes_is_no_failure_of_ours(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    """A collision in the database, and a server that goes: whoever asks is told to ask again."""
    met, gone = await client.post("/collisions"), await client.get("/collisions/page", headers={"accept-language": "zh-CN"})
    assert (met.status_code, met.json()["code"], met.headers["retry-after"]) == (503, "busy", "1")
    assert met.headers["content-type"] == "application/problem+json"
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
    assert "请先看是否已经办好" in gone.text
    assert [line["event"] for line in lines(logged, 4)] == ["a request failed", "request"] * 2


async def test_more_than_may_be_under_way_are_told_to_come_back(
    client: httpx.AsyncClient, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_AT_ONCE", 2)
    answers = await asyncio.gather(*(client.post("/waits") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 204, 503, 503]
    turned_away = next(answer for answer in answers if answer.status_code == 503)
    assert (turned_away.json()["code"], turned_away.headers["retry-after"]) == ("busy", "1")
    assert {"x-request-id", "content-security-policy"} <= set(turned_away.headers)
    assert turned_away.json()["instance"].endswith(turned_away.headers["x-request-id"])
    assert (await client.post("/waits")).status_code == 204
    assert sorted(line["status"] for line in requests(logged)) == [204, 204, 204, 503, 503]


async def test_a_failure_is_logged_with_what_finds_it(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    answer = await client.post(f"/brands/{CANARY}", content=CANARY)
    failed, request = lines(logged, 2)
    assert failed["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    (error,) = failed["error"]
    assert (error["type"], error["sqlstate"], error["constraint"]) == (
        "asyncpg.exceptions.UniqueViolationError", "23505", "shelf_code_unique",
    )  # fmt: skip
    assert any(frame.endswith(":insert_twice") for frame in error["frames"])


async def test_the_library_would_have_logged_it(client: httpx.AsyncClient, logged: io.StringIO) -> None:
    """The canary of the database's error is real: formatted as the standard library does, it is in the text."""
    plain = io.StringIO()
    handler = logging.StreamHandler(plain)
    logging.getLogger("qucheng").addHandler(handler)
    await client.post(f"/brands/{CANARY}", content=CANARY)
    logging.getLogger("qucheng").removeHandler(handler)
    assert f"Key (code)=({CANARY}{CANARY}) already exists" in plain.getvalue()
    assert CANARY not in logged.getvalue()
