"""Pools on pages: cards are allocated once however often a form is sent, requests are decided once, and orders that wait get their cards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.campaigns import gate
from tests.rooms.identity import people
from tests.rooms.stock import warehouse

from qucheng.campaigns import consumer, sign_in_code
from qucheng.orders import rules as order_rules
from qucheng.orders import sale
from qucheng.stock import allocation, text_message

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


async def test_cards_of_a_person_are_found_by_the_phone_and_those_marked_are_stopped(
    house: browser.House, stocked: Brand
) -> None:
    """Bought with the phone or the address, or claimed by who has proven it; of another brand's people nothing is found."""
    await warehouse.moved(stocked, 1, 4)
    line = order_rules.LineIn(line_no="1", sku="card", quantity=2, gross_minor=200)
    contact: dict[str, Any] = {"keys": house.keys, "phone": "+8613805712264", "email": "li@example.com"}
    placed = await sale.place(
        brand=stocked, order_no="P-1", lines=[line], reseller="R1", channel="web", source="page", actor=warehouse.ACTOR,
        now=warehouse.NOW, **contact,
    )  # fmt: skip
    assert placed.stock_state == "delivered"
    bought = [f"{place[0]}-{place[1]}" for place in await warehouse.places(stocked, "P-1")]
    await gate.offered(stocked)
    for called in ("+8613805712264", "+8613805712265"):
        await sign_in_code.send(brand=stocked, keys=house.keys, phone=called, locale="en", now=warehouse.NOW)
        ((message,),) = await books.seen(stocked, "SELECT id FROM text_message WHERE kind = 'code' ORDER BY id DESC LIMIT 1")
        code = await text_message.read(keys=house.keys, brand_id=stocked.id, message_id=message)
        assert code is not None
        await sign_in_code.sign_in(
            brand=stocked, keys=house.keys, code=code.values["code"], phone=called, browser=uuid.uuid4().hex, before=None,
            actor=warehouse.ACTOR, now=warehouse.NOW,
        )  # fmt: skip
    await gate.claimed(stocked, house.keys, consumer.subject_of("+8613805712264"))
    ((batch, number),) = await books.seen(stocked, "SELECT batch, number FROM card WHERE claim IS NOT NULL")
    claimed = f"/cards/{batch}-{number}"
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/trace")
    for typed in ("138 0571 2264", "Li@example.com"):
        found = await manager.send("/trace", way="person", typed=typed)
        assert [card for card in bought if f"/cards/{card}" in found.text] == bought
        assert (claimed in found.text) == (typed[0] == "1")
        assert [secret for secret in ("5712264", "0571 2264", "example.com") if secret in found.text] == []
    wrong = await manager.send("/trace", way="person", typed="12")
    assert (wrong.status_code, "no phone number" in wrong.text) == (422, True)
    assert "No card was found" in (await manager.send("/trace", way="person", typed="138 0571 2265")).text
    await manager.send("/trace", way="person", typed="138 0571 2264")
    listed = {"listed": " ".join(bought)}
    assert (await manager.send("/cards/stop", what="freeze", reason="lost phone", **listed)).status_code == 422
    unsaid = await manager.send("/cards/stop", what="freeze", reason="", **{f"card-{bought[0]}": "1"}, **listed)
    assert (unsaid.status_code, unsaid.text.count(" checked")) == (422, 1)
    done = await manager.send("/cards/stop", what="freeze", reason="lost phone", **{f"card-{bought[0]}": "1"}, **listed)
    assert done.headers["location"] == "/trace?done=1"
    assert "1 card was changed" in visits.plain((await manager.get("/trace?done=1")).text)
    states = "SELECT state, count(*) FROM card WHERE order_no = 'P-1' GROUP BY 1 ORDER BY 1"
    assert await books.seen(stocked, states) == [("delivered", 1), ("frozen", 1)]
    again = await manager.send("/cards/stop", what="freeze", reason="again", **{f"card-{bought[0]}": "1"})
    assert (again.status_code, "None of the cards is in a state" in again.text) == (409, True)
    await manager.get("/orders/P-1")
    assert "Send the link again" in manager.page
    assert (await manager.send("/orders/P-1/link")).headers["location"] == "/orders/P-1?done=link"
    await manager.get("/orders/P-1")
    soon = await manager.send("/orders/P-1/link")
    assert (soon.status_code, "The link was sent just now" in soon.text) == (429, True)
    assert await books.seen(stocked, "SELECT count(*) FROM text_message WHERE kind = 'delivery'") == [(2,)]
    support, _ = await visits.entered(house, stocked.id, "support")
    assert "Send the link again" not in (await support.get("/orders/P-1")).text
    await support.get("/trace")
    seen = await support.send("/trace", way="person", typed="138 0571 2264")
    assert (f"/cards/{bought[0]}" in seen.text, "/cards/stop" in seen.text) == (True, False)
    assert (await support.send("/cards/stop", what="unfreeze", reason="x", **{f"card-{bought[0]}": "1"})).status_code == 404
