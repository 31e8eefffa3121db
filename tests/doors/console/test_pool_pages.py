"""Pools on pages: cards are allocated once however often a form is sent, requests are decided once, and orders that wait get their cards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people
from tests.rooms.stock import warehouse

from qucheng.stock import allocation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
DAYS = (dt.date(2100, 1, 1),) * 10


@pytest.fixture
async def stocked(house: browser.House, tmp_path: Path) -> Brand:
    """Ten cards that are not allocated, and an empty pool of R1, number 1."""
    assert house
    brand = await warehouse.brand(tmp_path)
    await warehouse.stocked(brand, *DAYS)
    assert await warehouse.opened(brand, "R1") == 1
    return brand


async def test_a_move_is_seen_before_and_done_once(house: browser.House, stocked: Brand) -> None:
    manager, _ = await visits.entered(house, stocked.id, "manager")
    asked = await manager.get("/pools/1/move?sku=card&way=in&quantity=4&note=spring")
    assert (asked.status_code, "一号 0 4 Not allocated 10 6" in visits.plain(manager.page)) == (200, True)
    fields = {name: manager.hidden(name) for name in ("sku", "quantity", "note", "moved")}
    assert fields == {"sku": "card", "quantity": "4", "note": "spring", "moved": "0"}
    first = await manager.send("/pools/1/move", way="in", **fields)
    assert (first.status_code, first.headers["location"]) == (303, "/pools/1?done=moved")
    again = await manager.send("/pools/1/move", way="in", **fields)
    assert (again.status_code, "so nothing was moved" in again.text) == (409, True)
    assert await warehouse.level(stocked, 1) == {"available": 4, "moved_in": 4}
    assert await books.seen(stocked, "SELECT quantity FROM allocation") == [(4,)]
    # the control: with what the page says now it is another move
    more = await manager.send("/pools/1/move", way="in", **{**fields, "moved": "4"})
    assert (more.status_code, await warehouse.level(stocked, 1)) == (303, {"available": 8, "moved_in": 8})
    few = await manager.get("/pools/1/move?sku=card&way=out&quantity=9")
    assert (few.status_code, "There are not that many to be moved." in few.text) == (422, True)
    await manager.get("/pools/1")
    assert "0 + 8 − 0 = 8" in visits.plain(manager.page)


async def test_rules_and_filters_find_what_is_low(house: browser.House, stocked: Brand) -> None:
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/pools/1/rule")
    wrong = await manager.send("/pools/1/rule", sku="card", low_level="x", borrow_quota="")
    assert (wrong.status_code, await books.seen(stocked, "SELECT 1 FROM pool_sku WHERE pool = 1")) == (422, [])
    saved = await manager.send("/pools/1/rule", sku="card", low_level="5", borrow_quota="3")
    assert saved.headers["location"] == "/pools/1?done=rule"
    assert await books.seen(stocked, "SELECT sku, low_level, borrow_quota FROM pool_sku WHERE pool = 1") == [("card", 5, 3)]
    await manager.get("/pools?level=low")
    page = visits.plain(manager.page)
    assert ("Low, under 5" in page, "1–1 of 1" in page, "Not allocated" in page) == (True, True, False)
    await manager.get("/pools")
    assert "Total of all that fit 10 0 0 0 0 0 0" in visits.plain(manager.page)
    support, _ = await visits.entered(house, stocked.id, "support")
    assert ((await support.get("/pools/1")).status_code, (await support.get("/pools/1/move")).status_code) == (200, 404)


async def test_a_request_is_decided_once(house: browser.House, stocked: Brand) -> None:
    admin = await people.member(house.keys, stocked.id, "admin", reseller="R1")
    request = await allocation.ask(
        brand_id=stocked.id, reseller="R1", channel=None, sku="card", quantity=5, note="for the fair",
        actor=people.actor(admin), now=warehouse.NOW,
    )  # fmt: skip
    manager, _ = await visits.entered(house, stocked.id, "manager")
    here = f"/pools/requests/{request}"
    await manager.get("/pools")
    assert (here in manager.page, "for the fair" in manager.page) == (True, True)
    await manager.get(here)
    for sent in ({"decision": "refuse", "answer": " "}, {"decision": "grant", "quantity": "6"}):
        assert (await manager.send(here, **sent)).status_code == 422
    assert await books.seen(stocked, "SELECT state FROM allocation_request") == [("waiting",)]
    granted = await manager.send(here, decision="grant", quantity="3")
    assert granted.headers["location"] == "/pools?done=granted"
    assert (await manager.send(here, decision="grant", quantity="3")).status_code == 409
    assert await books.seen(stocked, "SELECT state, granted FROM allocation_request") == [("granted", 3)]
    assert await warehouse.level(stocked, 1) == {"available": 3, "moved_in": 3}


async def test_a_paid_order_gets_its_cards_when_there_are_some(house: browser.House, stocked: Brand) -> None:
    assert await warehouse.sold(stocked, "O-1", ("1", "card", 2)) == [("1", "short", 0, None)]
    assert await warehouse.sold(stocked, "O-2", ("1", "gift", 1)) == [("1", "short", 0, None)]
    cases = dict(await books.seen(stocked, "SELECT order_no, id FROM stock_case"))
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/stock-cases")
    assert (f"/stock-cases/{cases['O-1']}" in manager.page, "1–2 of 2" in visits.plain(manager.page)) == (True, True)
    here = f"/stock-cases/{cases['O-1']}"
    await manager.get(here)
    short = await manager.send(f"{here}/retry")
    assert (short.status_code, await warehouse.places(stocked, "O-1")) == (409, [])
    await warehouse.moved(stocked, 1, 4)
    assert (await manager.send(f"{here}/retry")).headers["location"] == f"{here}?done=1"
    assert [place[2:] for place in await warehouse.places(stocked, "O-1")] == [("delivered", 1)] * 2
    assert (await manager.send(f"{here}/retry")).status_code == 409
    other = f"/stock-cases/{cases['O-2']}"
    await manager.get(other)
    assert (await manager.send(f"{other}/substitute", sku="card", note="")).status_code == 422
    assert (await manager.send(f"{other}/settle", note="x")).status_code == 404
    await manager.get(other)
    assert (await manager.send(f"{other}/substitute", sku="card", note="agreed by telephone")).status_code == 303
    closed = await books.seen(stocked, "SELECT order_no, way, substitute, note FROM stock_case ORDER BY 1")
    assert closed == [("O-1", "retried", None, None), ("O-2", "substituted", "card", "agreed by telephone")]
    await manager.get("/stock-cases?state=closed")
    assert "Delivered as another product" in visits.plain(manager.page)


async def test_cards_of_a_batch_are_stopped_with_a_reason(house: browser.House, stocked: Brand) -> None:
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/batches/1/stop")
    assert "changes 10 cards" in manager.page
    assert (await manager.send("/batches/1/stop", what="freeze", reason="")).status_code == 422
    assert await warehouse.level(stocked, 0) == {"available": 10, "came_in": 10}
    done = await manager.send("/batches/1/stop", what="freeze", reason="a complaint")
    assert done.headers["location"] == "/batches/1/stop?done=10"
    assert (await manager.send("/batches/1/stop", what="freeze", reason="again")).status_code == 409
    assert await warehouse.level(stocked, 0) == {"frozen": 10, "came_in": 10}
    assert (await manager.send("/batches/1/stop", what="unfreeze", reason="sound")).status_code == 303
    assert await warehouse.level(stocked, 0) == {"available": 10, "came_in": 10}
    assert (await manager.get(f"/orders/{uuid.uuid4().hex[:12]}/stop")).status_code == 404
