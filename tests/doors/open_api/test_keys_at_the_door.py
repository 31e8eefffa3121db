"""Who is let in at /api/v1: with a key that is good, from where it may be used, for what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litestar
import pytest
from litestar import get
from tests.doors.open_api import callers
from tests.rooms.identity import people

from qucheng.core import clock
from qucheng.identity import api_key, overlap
from qucheng.web import guards, machines
from qucheng.web.open_api import reference

if TYPE_CHECKING:
    import asyncpg
    import httpx
    from litestar.handlers import HTTPRouteHandler
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

READS = [
    "me", "resellers", "resellers/R-root", "orders", "orders/O-R-root", "entries", "statements", "statements/ours-202602-000001",
    "statements/ours-202602-000001/documents/pdf", "runs", "journal", "trial-balance", "adjustments", "skus/card", "quotes",
]  # fmt: skip


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, of an answer that says nothing that was sent."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == "about:blank"
    assert body["instance"] == f"urn:qucheng:request:{answer.headers['x-request-id']}"
    return answer.status_code, body["code"]


def test_every_operation_is_among_those_that_are_tried() -> None:
    assert {path for handler in reference.OPERATIONS if "GET" in handler.http_methods for path in handler.paths} == {
        "/api/v1/" + path.replace("R-root", "{code:str}", 1).replace("O-{code:str}", "{order_no:str}")
        .replace("ours-202602-000001", "{statement_no:str}").replace("/pdf", "/{form:str}").replace("skus/card", "skus/{code:str}")
        for path in READS
    } | {"/api/v1/orders/{order_no:str}/refunds", "/api/v1/reservations/{reservation_id:uuid}", "/api/v1/redemptions"}  # fmt: skip


@pytest.mark.parametrize("path", READS)
async def test_nobody_reads_without_a_key(stranger: httpx.AsyncClient, brand: Brand, path: str) -> None:
    assert brand
    answer = await stranger.get(f"/api/v1/{path}")
    assert problem(answer) == (401, "api.not_known")
    assert answer.headers["www-authenticate"] == machines.BEARER


@pytest.mark.parametrize("path", [path for path in READS if path != "me"])
async def test_a_key_for_something_else_does_not_read(make: callers.Make, brand: Brand, path: str) -> None:
    others = [name for name, scope in api_key.SCOPES.items() if name != scope_of(path) and not scope.money]
    assert problem(await (await make(brand, *others)).get(f"/api/v1/{path}")) == (403, "api_key.scope")


def scope_of(path: str) -> str:
    if path.endswith("/pdf"):
        return "documents.read"
    return {"trial-balance": "journal.read", "skus/card": "catalog.read", "quotes": "prices.read"}.get(
        path, f"{path.partition('/')[0]}.read"
    )


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer qc_live_x", "Bearer \xff", "bearer qc_live_" + "0" * 32 + "_" + "a" * 43],
)
async def test_what_is_no_token(stranger: httpx.AsyncClient, brand: Brand, header: str) -> None:
    assert brand
    answer = await stranger.get("/api/v1/me", headers={b"authorization": header.encode("latin-1")})
    assert problem(answer) == (401, "api.not_known")


async def test_a_session_is_no_key(house: browser.House, brand: Brand) -> None:
    guest = await house.browser()
    await people.member(house.keys, brand.id, "auditor", login="reader@example.com")
    await guest.sign_in("reader@example.com")
    assert (await guest.get("/account")).status_code == 200
    assert problem(await guest.get("/api/v1/me")) == (401, "api.not_known")


async def test_revoked_expired_and_from_elsewhere(
    house: browser.House, make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    revoked, expired = await make(brand, "orders.read"), await make(brand, "orders.read")
    elsewhere = await make(brand, "orders.read", networks=("203.0.113.0/24",))
    await api_key.revoke(
        brand_id=brand.id,
        key_id=revoked.issued.id,
        by=revoked.maker.user_id,
        actor=people.actor(revoked.maker),
        now=clock.now(),
    )
    await owner.execute("ALTER TABLE api_key DISABLE TRIGGER api_key_step")
    await owner.execute(
        "UPDATE api_key SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day' WHERE id = $1",
        expired.issued.id,
    )
    await owner.execute("ALTER TABLE api_key ENABLE TRIGGER api_key_step")
    assert problem(await revoked.get("/api/v1/orders")) == (401, "api_key.revoked")
    assert problem(await expired.get("/api/v1/orders")) == (401, "api_key.expired")
    assert problem(await elsewhere.get("/api/v1/orders")) == (403, "api_key.address")
    async with callers.client(house.app, "203.0.113.9") as there:
        elsewhere.client = there
        assert (await elsewhere.get("/api/v1/orders")).status_code == 200


async def test_the_old_secret_works_until_its_end(house: browser.House, make: callers.Make, brand: Brand) -> None:
    machine = await make(brand, "orders.read")
    old = machine.issued
    machine.issued = await api_key.rotate(
        keys=house.keys,
        brand_id=brand.id,
        key_id=old.id,
        overlap=overlap.CHOICES[1],
        by=machine.maker.user_id,
        actor=people.actor(machine.maker),
        now=clock.now(),
    )
    assert (await machine.get("/api/v1/orders")).status_code == 200
    machine.issued = old
    assert (await machine.get("/api/v1/orders")).status_code == 200
    await api_key.end_old(brand_id=brand.id, key_id=old.id, actor=people.actor(machine.maker), now=clock.now())
    assert problem(await machine.get("/api/v1/orders")) == (401, "api.not_known")


async def test_what_a_key_may_do_and_where(make: callers.Make, brand: Brand) -> None:
    machine = await make(brand, "orders.read", "entries.read", reseller="R-child", networks=("198.51.100.7",), mode="test")
    answer = await machine.get("/api/v1/me")
    found: dict[str, Any] = answer.json()
    assert (found.pop("keyId"), found.pop("expiresAt")[:2]) == (machine.issued.id.hex, "20")
    assert found == {
        "name": "till",
        "mode": "test",
        "scopes": ["entries.read", "orders.read"],
        "networks": ["198.51.100.7/32"],
        "reseller": "R-child",
        "brand": {"code": "ours", "name": "ours", "currency": "CNY", "timeZone": "Asia/Shanghai"},
    }


async def test_a_read_changes_nothing_but_the_day_of_use(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    machine = await make(brand, *(name for name, scope in api_key.SCOPES.items() if not scope.money))
    before = await callers.stored(owner)
    for path in READS:
        # a quote of nothing in particular is asked for wrongly
        assert (await machine.get(f"/api/v1/{path}")).status_code in ({400} if path == "quotes" else {200, 409}), path
    after = await callers.stored(owner)
    assert {name for name in after if after[name] != before[name]} == {"api_key"}
    day = await owner.fetchval("SELECT last_used_on FROM api_key WHERE id = $1", machine.issued.id)
    assert day == clock.now().date()


async def test_what_is_not_there(make: callers.Make, brand: Brand) -> None:
    machine = await make(brand, "orders.read", "statements.read", "documents.read", "resellers.read")
    for path in ("orders/none", "resellers/none", "orders/%00", "resellers/%ED%A0%80", "statements/none/documents/doc"):
        assert problem(await machine.get(f"/api/v1/{path}")) == (404, "object.unknown"), path
    for path in ("statements/none", "statements/%00", "statements/none/documents/pdf"):
        assert (await machine.get(f"/api/v1/{path}")).status_code == 404, path
    assert problem(await machine.get("/api/v1/nothing")) == (404, "http.not_found")
    assert problem(await machine.client.delete("/api/v1/orders")) == (405, "http.method_not_allowed")
    refused = await machine.client.get(
        "/api/v1/orders", headers={"authorization": f"Bearer {machine.issued.token}", "accept": "text/html"}
    )
    assert problem(refused) == (406, "request.accept")


@get("/api/v1/cards", opt=guards.api("cards.read", operation=None))
async def of_an_unknown_scope() -> None: ...


@get("/api/v1/cards", opt={guards.AUDIENCE: guards.API})
async def of_no_scope() -> None: ...


@get("/api/v1/cards", opt=guards.api("orders.read", operation=None))
async def named() -> None: ...


@pytest.mark.parametrize("route", [of_an_unknown_scope, of_no_scope])
def test_a_route_that_does_not_say_for_whom_stops_the_start(route: HTTPRouteHandler) -> None:
    with pytest.raises(guards.UnnamedRouteError):
        guards.require_named(litestar.Litestar([route], openapi_config=None, logging_config=None))
    guards.require_named(litestar.Litestar([named], openapi_config=None, logging_config=None))
