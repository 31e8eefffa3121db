"""How often a key may call: said with every answer, exact, and closed for money where nobody counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.doors.account import browser as browsers
from tests.doors.open_api import callers

from qucheng.web import machines

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {
    "reseller": "R-root",
    "amount": {"amount": "-12.50", "currency": "CNY"},
    "reason": "correction",
    "reference": "O-R-root",
}


def fewer(monkeypatch: pytest.MonkeyPatch, name: str, count: int) -> None:
    """An hour for each, so that none comes back meanwhile."""
    monkeypatch.setattr(machines, name, msgspec.structs.replace(getattr(machines, name), count=count, seconds=count * 3600))


async def test_what_is_left_is_said(make: callers.Make, brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer(monkeypatch, "CALLS", 3)
    machine, another = await make(brand, "orders.read"), await make(brand, "orders.read")
    answers = [await machine.get("/api/v1/orders", limit=limit) for limit in (1, 0, 1, 1)]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 429]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [f'"api";r={left}' for left in (2, 1, 0, 0)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"api";q=3;w=10800'}
    last = answers[-1]
    assert last.json()["code"] == "limit.reached"
    assert 3590 <= int(last.headers["retry-after"]) <= 3600
    assert (await another.get("/api/v1/orders")).status_code == 200


async def test_at_once_it_is_exact(make: callers.Make, brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer(monkeypatch, "CALLS", 5)
    machine = await make(brand, "orders.read")
    answers = await asyncio.gather(*(machine.get("/api/v1/me") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7


async def test_strangers_are_counted_by_their_network(
    house: browser.House, stranger: httpx.AsyncClient, brand: Brand, make: callers.Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer(monkeypatch, "STRANGERS", 2)
    machine = await make(brand, "orders.read")
    assert [(await stranger.get("/api/v1/me")).status_code for _ in range(3)] == [401, 401, 429]
    assert (await machine.get("/api/v1/me")).status_code == 200  # a key that is good is nobody's neighbour
    async with callers.client(house.app, "203.0.113.9") as elsewhere:
        assert (await elsewhere.get("/api/v1/me")).status_code == 401


async def test_money_has_a_limit_of_its_own(
    make: callers.Make, brand: Brand, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer(monkeypatch, "MONEY", 1)
    machine = await make(brand, "orders.read", "adjustments.request")
    assert (await machine.post("/api/v1/adjustments", GOOD)).status_code == 202
    before = await callers.stored(owner, "api_nonce")
    answer = await machine.post("/api/v1/adjustments", GOOD)
    assert (answer.status_code, answer.json()["code"]) == (429, "limit.reached")
    assert await callers.stored(owner, "api_nonce") == before
    assert (await machine.get("/api/v1/orders")).status_code == 200


async def test_where_nobody_counts_reading_goes_on_and_money_does_not(
    house: browser.House, make: callers.Make, brand: Brand, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    machine = await make(brand, "orders.read", "adjustments.request")
    # port 9 is nobody's here; the keys are those of the house before
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "keys").symlink_to(house.app.state["site"].settings.var / "keys")
    async with browsers.house(tmp_path / "down", REDIS_URL="redis://127.0.0.1:9") as down, callers.client(down.app) as client:
        machine.client = client
        answer = await machine.get("/api/v1/orders")
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
        before = await callers.stored(owner, "api_nonce")
        answer = await machine.post("/api/v1/adjustments", GOOD)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "limit.down", "5")
        assert await callers.stored(owner, "api_nonce") == before
        assert (await client.get("/api/v1/me")).status_code == 401
