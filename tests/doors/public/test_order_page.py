"""The page behind a link: from the price to the paid order, by the simulated payer; and notices at their door."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.account import browser as browsers
from tests.rooms.orders import sales_desk

from qucheng.connectors import payment_simulator
from qucheng.core import audit, clock, crypto, db, settings
from qucheng.orders import delivery, sales_link

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(workspace: books.Workspace, house: browsers.House, tmp_path: Path) -> sales_desk.Desk:
    assert workspace
    made = (await sales_desk.opened(house.keys, tmp_path / "books"))[1]
    made.simulator = payment_simulator.of(tmp_path / "var", house.keys)
    return made


async def ordered(guest: browsers.Browser, desk: sales_desk.Desk, **fields: str) -> str:
    """The address of the order's own page."""
    here = f"/o/{desk.link.code}"
    await guest.get(here)
    given = {"sku": "tea", "quantity": "2", "phone": sales_desk.NUMBER, "order_no": guest.hidden("order_no"), **fields}
    answer = await guest.send(here, **given)
    assert answer.status_code == 303, guest.page
    return answer.headers["location"]


async def test_from_the_price_to_the_order(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    assert (await guest.get(f"/o/{desk.link.code}")).status_code == 200
    assert "26.80" in guest.page
    assert [price for price in ("24.60", "20.00", "27.60") if price in guest.page] == []
    number = guest.hidden("order_no")
    here = await ordered(guest, desk, order_no=number, email="li@example.com")
    await guest.get(here)
    assert "53.60" in guest.page
    assert "Go on to pay" in guest.page
    (pays,) = set(re.findall(r'href="(/simulator/pay/[0-9a-f-]{36})"', guest.page))
    await guest.get(pays)
    answer = await guest.send(pays, do="pay")
    assert answer.headers["location"] == here
    await guest.get(here)
    assert "The brand has your order." in guest.page
    assert sales_desk.CALLED[3:] not in guest.page
    assert "li@example.com" not in guest.page
    assert await desk.orders() == [(number, "page", "tea", 2, 5360)]
    await guest.get(f"/o/{desk.link.code}")
    lost = await guest.send(here, step="link")
    assert (lost.status_code, "There is no card of this order" in lost.text) == (409, True)
    async with db.atomic(desk.brand.id):
        reached = await delivery.reached(keys=desk.keys, brand_id=desk.brand.id, order_no=number)
    assert (reached.phone, reached.email) == (sales_desk.CALLED, "li@example.com")
    await guest.get(pays)
    for step in ("many", "reordered", "twice"):
        assert (await guest.send(pays, do=step)).status_code == 303
    assert len(await desk.orders()) == 1
    assert await books.seen(desk.brand, "SELECT views, orders FROM sales_link_day") == [(3, 1)]
    assert await books.seen(desk.brand, "SELECT effect, count(*) FROM payment_notice GROUP BY 1 ORDER BY 1") == [
        ("none", 6),
        ("paid", 1),
    ]


async def test_all_that_is_wrong_with_an_order_is_said_at_once(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    here = f"/o/{desk.link.code}"
    await guest.get(here)
    given = {"sku": "tea", "quantity": "100", "phone": "138", "email": "li", "order_no": guest.hidden("order_no")}
    refused = await guest.send(here, **given)
    assert (refused.status_code, re.findall(r'<li><a href="#(\w+)">', refused.text)) == (422, ["quantity", "phone", "email"])
    assert [each for each in ("100", "138", "li") if f'value="{each}"' not in refused.text] == []
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(0,)]


async def test_a_link_that_leads_nowhere_says_what_to_do(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    """To a buyer, who has no role and no first page here; and whichever of the two is not there, the same is said."""
    bought = await guest.get(f"/c/{crypto.token()}")
    assert (bought.status_code, "Look at the newest message." in bought.text) == (404, True)
    said = [await guest.get(path) for path in ("/o/" + "0" * 16, f"/o/{desk.link.code}/{uuid.uuid4()}")]
    assert [(each.status_code, "Ask the seller for it again." in each.text) for each in said] == [(404, True)] * 2
    for answer in (bought, *said):
        assert [text for text in ("role you have chosen", "To the first page") if text in answer.text] == []


async def test_declined_then_paid_without_a_notice_and_asked_for(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    here = await ordered(guest, desk)
    pays = f"/simulator/pay/{here.rpartition('/')[2]}"
    await guest.get(pays)
    await guest.send(pays, do="fail")
    await guest.get(here)
    assert "The payment failed" in guest.page
    await guest.get(pays)
    await guest.send(pays, do="silent")
    assert await desk.orders() == []
    await guest.get(here)
    assert (await guest.send(here)).status_code == 303
    assert len(await desk.orders()) == 1


async def test_sent_twice_at_once_it_is_one_payment(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    await guest.get(f"/o/{desk.link.code}")
    number = guest.hidden("order_no")
    first, second = await asyncio.gather(
        *(guest.send(f"/o/{desk.link.code}", sku="tea", quantity="1", phone=sales_desk.NUMBER, order_no=number) for _ in range(2))
    )
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(1,)]


async def test_what_cannot_be_leaves_nothing(guest: browsers.Browser, desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    here, closed = f"/o/{desk.link.code}", "Nothing is sold behind this link any more."
    await guest.get(here)
    given = {"sku": "tea", "quantity": "1", "phone": sales_desk.NUMBER, "order_no": guest.hidden("order_no")}
    before = await books.everything(owner)
    for fields, status, said in (
        ({"phone": "12345"}, 422, "no phone number"),
        ({"email": "li"}, 422, "no e-mail address"),
        ({"quantity": "0"}, 422, "from 1 to 99"),
        ({"quantity": "x"}, 422, "from 1 to 99"),
        ({"sku": "pass"}, 404, closed),
        ({"order_no": "K-1"}, 404, closed),
        ({"sku": "te\x07a"}, 404, closed),
    ):
        answer = await guest.send(here, **{**given, **fields})
        assert (answer.status_code, said in answer.text) == (status, True), fields
    assert await books.everything(owner) == before
    assert (await guest.send(here, **given)).status_code == 303


async def test_a_closed_link_sells_nothing(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    await guest.get(f"/o/{desk.link.code}")
    number = guest.hidden("order_no")
    await sales_link.change(
        brand=desk.brand, reseller="G1", link=desk.link.id, name=None, active=False, actor=audit.SYSTEM, now=clock.now()
    )
    answer = await guest.send(f"/o/{desk.link.code}", sku="tea", quantity="1", phone=sales_desk.NUMBER, order_no=number)
    assert answer.status_code == 404
    await guest.get(f"/o/{desk.link.code}")
    assert "Nothing is sold here now" in guest.page
    assert (await guest.get("/o/" + "0" * 16)).status_code == 404
    assert (await guest.get("/o/nothing")).status_code == 404
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(0,)]


async def test_an_order_is_behind_its_own_link_only(guest: browsers.Browser, desk: sales_desk.Desk) -> None:
    here = await ordered(guest, desk)
    another = await sales_link.create(
        brand=desk.brand,
        reseller="S1",
        channel="wechat",
        sku=None,
        name="店里",
        expires_at=None,
        actor=audit.SYSTEM,
        now=clock.now(),
    )
    assert (await guest.get(here)).status_code == 200
    assert (await guest.get(f"/o/{another.code}/{here.rpartition('/')[2]}")).status_code == 404
    assert (await guest.get(f"/o/{desk.link.code}/{uuid.uuid4()}")).status_code == 404


async def test_only_so_many_orders_from_one_place_and_to_one_number(house: browsers.House, desk: sales_desk.Desk) -> None:
    guest = await house.browser()
    for _ in range(10):
        await ordered(guest, desk, quantity="1")
    await guest.get(f"/o/{desk.link.code}")
    form = {"sku": "tea", "quantity": "1", "phone": sales_desk.NUMBER, "order_no": guest.hidden("order_no")}
    other = await house.browser(address="203.0.113.9")
    await other.get(f"/o/{desk.link.code}")
    assert (await other.send(f"/o/{desk.link.code}", **form)).status_code == 429
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(10,)]


async def test_where_nobody_counts_nothing_is_ordered(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    async with browsers.house(tmp_path / "var", REDIS_URL="redis://127.0.0.1:1/0") as house:
        desk = (await sales_desk.opened(house.keys, tmp_path / "books"))[1]
        guest = await house.browser()
        assert (await guest.get(f"/o/{desk.link.code}")).status_code == 200
        fields = {"sku": "tea", "quantity": "1", "phone": sales_desk.NUMBER, "order_no": guest.hidden("order_no")}
        assert (await guest.send(f"/o/{desk.link.code}", **fields)).status_code == 503
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(0,)]


async def test_a_forged_notice_leaves_nothing(
    guest: browsers.Browser, desk: sales_desk.Desk, owner: asyncpg.Connection, house: browsers.House
) -> None:
    """By another's key, changed, of another time, of no payment, of another provider; the same ones signed rightly are taken."""
    made = await desk.begun()
    await desk.simulator.pay(made.id, paid=True)
    entry = await desk.simulator.entry(made.id)
    assert entry is not None
    now = clock.now()
    good = desk.simulator.notice(entry, kind="paid")
    headers, body = desk.simulator.signed(good, now=now)
    stranger = payment_simulator.Simulator(house.app.state["site"].settings.var, b"another")
    nobody = payment_simulator.payment_port.Notice(
        id="evt-1", charge=uuid.uuid4(), kind="paid", amount_minor=1, currency="CNY", at=now
    )
    before = await books.everything(owner)
    for name, (sent, content), path, status in (
        ("another's", stranger.signed(good, now=now), "simulator", 401),
        ("changed", (headers, body.replace(b"2680", b"2681")), "simulator", 401),
        ("another id", ({**headers, "webhook-id": "evt-2"}, body), "simulator", 401),
        ("old", desk.simulator.signed(good, now=now - dt.timedelta(seconds=302)), "simulator", 401),
        ("early", desk.simulator.signed(good, now=now + dt.timedelta(seconds=305)), "simulator", 401),
        ("unsigned", ({}, body), "simulator", 401),
        ("no payment", desk.simulator.signed(nobody, now=now), "simulator", 404),
        ("no provider", (headers, body), "null", 404),
    ):
        answer = await guest.client.post(f"/payments/{path}/callback", content=content, headers=sent)
        assert answer.status_code == status, name
    assert await books.everything(owner) == before
    answer = await guest.client.post("/payments/simulator/callback", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"effect": "paid"})
    answer = await guest.client.post("/payments/simulator/callback", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"effect": "none"})
    assert len(await desk.orders()) == 1


async def test_in_production_there_is_no_simulator(workspace: books.Workspace, tmp_path: Path, valkey_url: str) -> None:
    assert workspace
    keys = crypto.keys(tmp_path / "var" / "keys")
    desk = (await sales_desk.opened(keys, tmp_path / "books"))[1]
    desk.simulator = payment_simulator.of(tmp_path / "var", keys)
    made = await desk.begun()
    entry = await desk.simulator.entry(made.id)
    assert entry is not None
    headers, body = desk.simulator.signed(desk.simulator.notice(entry, kind="paid"), now=clock.now())
    async with browsers.house(tmp_path / "var", REDIS_URL=valkey_url, QUCHENG_PRODUCTION="1") as house:
        guest = await house.browser()
        assert (await guest.get(f"/simulator/pay/{made.id}")).status_code == 404
        answer = await guest.client.post("/payments/simulator/callback", content=body, headers=headers)
        assert answer.status_code == 404
    assert settings.load({"QUCHENG_PRODUCTION": "1"}).production
    assert await desk.orders() == []
