"""POST /api/v1/orders and refunds: signed or trusted, once for a key and once for a number, and a reseller's key for itself alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests import books
from tests.doors.open_api import callers
from tests.rooms.stock import warehouse

from qucheng.commission import accrual
from qucheng.core import clock, idempotency
from qucheng.identity import api_key
from qucheng.web.open_api import order_shapes

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
PATH = "/api/v1/orders"
WRITTEN = ("sale", "order_line", "refund", "outbox_event", "idempotent_reply", "intake")


def order(**given: Any) -> dict[str, Any]:
    line = {"sku": "card", "quantity": 1, "gross": {"amount": "100.00", "currency": "CNY"}}
    return {"orderNo": f"N-{secrets.token_hex(6)}", "reseller": "R-root", "channel": "web", "lines": [line], **given}


@pytest.fixture
async def machine(make: callers.Make, brand: Brand) -> callers.Machine:
    return await make(brand, "orders.write", "orders.read", "refunds.write")


async def written(owner: asyncpg.Connection) -> dict[str, str]:
    found = await callers.stored(owner)
    return {name: found[name] for name in WRITTEN}


async def test_an_order_is_taken_and_soon_its_pending_amount_is_there(machine: callers.Machine, brand: Brand) -> None:
    sent = order(phone="13800138000", email="li@example.com")
    answer = await machine.post(PATH, sent)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert {name: body[name] for name in ("orderNo", "source", "reseller", "stockState")} == {
        "orderNo": sent["orderNo"],
        "source": "api",
        "reseller": "R-root",
        "stockState": "none",
    }
    assert "phone" not in answer.text
    assert "example.com" not in answer.text
    read = (await machine.get(f"{PATH}/{sent['orderNo']}")).json()
    assert [(line["state"], line["earned"], line["maturesAt"]) for line in read["lines"]] == [("calculating", None, None)]
    await accrual.accrue(brand_id=brand.id, now=clock.now())
    (line,) = (await machine.get(f"{PATH}/{sent['orderNo']}")).json()["lines"]
    assert line["earned"] is not None
    assert line["maturesAt"] is not None
    back = {
        "refundNo": f"F-{sent['orderNo']}",
        "lines": [{"lineNo": "1", "quantity": 1, "amount": {"amount": "100.00", "currency": "CNY"}}],
    }
    path = f"{PATH}/{sent['orderNo']}/refunds"
    given = await machine.post(path, back)
    assert given.status_code == 201, given.text
    assert (await machine.get(path)).json() == {"items": [given.json()]}
    again = await machine.post(path, back)
    assert (again.status_code, again.json()) == (200, given.json())
    more = await machine.post(path, {**back, "refundNo": "F-more"})
    assert (more.status_code, [each["code"] for each in more.json()["errors"]]) == (422, ["refund.exceeds_line"] * 2)


async def test_refunds_take_back_the_same_in_whatever_order_they_are_sent(make: callers.Make, brand: Brand) -> None:
    machine = await make(brand, "orders.write", "refunds.write", "entries.read")
    line = {"sku": "card", "quantity": 3, "gross": {"amount": "300.00", "currency": "CNY"}}
    taken = []
    for days in ((10, 11, 12), (12, 10, 11)):
        sent = order(lines=[line], paidAt="2026-11-01T02:00:00Z")
        assert (await machine.post(PATH, sent)).status_code == 201
        for day in days:
            back = {"lineNo": "1", "quantity": 0, "amount": {"amount": "33.33", "currency": "CNY"}}
            refund = {"refundNo": f"{sent['orderNo']}-{day}", "refundedAt": f"2026-11-{day}T02:00:00Z", "lines": [back]}
            assert (await machine.post(f"{PATH}/{sent['orderNo']}/refunds", refund)).status_code == 201
            await accrual.accrue(brand_id=brand.id, now=clock.now())
        answer = await machine.get(f"/api/v1/entries?kind=reversal&order={sent['orderNo']}")
        rows = [each for each in answer.json()["items"] if each["level"] == 1]
        taken.append(sorted((each["occurredOn"], each["amount"]["amount"]) for each in rows))
    assert taken[0] == taken[1]
    assert [day for day, _ in taken[0]] == [f"2026-11-{day}" for day in (10, 11, 12)]
    assert len({amount for _, amount in taken[0]}) > 1


async def test_once_for_a_key_and_once_for_a_number(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    sent = order()
    first = await machine.post(PATH, sent, key="k-1")
    same = await machine.post(PATH, sent, key="k-1")
    assert (first.status_code, same.status_code, same.headers["idempotent-replayed"], same.content) == (
        201,
        201,
        "true",
        first.content,
    )
    again = await machine.post(PATH, sent, key="k-2")
    assert (again.status_code, again.json()) == (200, first.json())
    before = await written(owner)
    other = await machine.post(PATH, {**sent, "buyer": "h-1"}, key="k-3")
    assert (other.status_code, other.json()["code"]) == (409, "order.exists")
    missing = await machine.client.post(
        PATH, content=json.dumps(order()).encode(), headers=_without(machine.signed(PATH, json.dumps(order()).encode(), key=""))
    )
    assert missing.status_code in {400, 401}
    assert await written(owner) == before


def _without(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "idempotency-key"}


async def test_sent_at_once_it_is_one_order(machine: callers.Machine, brand: Brand) -> None:
    sent = order()
    answers = await asyncio.gather(*(machine.post(PATH, sent) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert await books.seen(brand, "SELECT count(*) FROM order_line WHERE order_no = $1", sent["orderNo"]) == [(1,)]


async def test_all_that_is_wrong_is_told_at_once(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await written(owner)
    lines = [{"sku": "none", "quantity": 0, "gross": {"amount": "1.00", "currency": "USD"}}]
    answer = await machine.post(PATH, order(lines=lines, reseller="nobody", channel="no", phone="12", email="li"))
    assert sorted((each["code"], each["pointer"]) for each in answer.json()["errors"]) == [
        ("amount.currency", "/lines/0/gross/currency"),
        ("channel.unknown", "/channel"),
        ("mail_address.invalid", "/email"),
        ("phone.invalid", "/phone"),
        ("quantity.invalid", "/lines/0/quantity"),
        ("reseller.unknown", "/reseller"),
        ("sku.unknown", "/lines/0/sku"),
    ]
    assert await written(owner) == before


async def test_a_key_of_a_reseller_sells_for_itself_alone(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    machine = await make(brand, "orders.write", "orders.read", reseller="R-child")
    sent = order()
    del sent["reseller"]
    answer = await machine.post(PATH, sent)
    assert (answer.status_code, answer.json()["reseller"]) == (201, "R-child"), answer.text
    before = await written(owner)
    answer = await machine.post(PATH, order(reseller="R-root"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "reseller.unknown")
    assert await written(owner) == before
    listed = await callers.every(machine, PATH, stockState="none")
    assert [each["orderNo"] for each in listed] == [sent["orderNo"]]
    sibling = await make(brand, "orders.read", reseller="R-root")
    assert (await sibling.get(f"{PATH}/{sent['orderNo']}")).status_code == 404


async def test_a_token_alone_is_enough_for_a_trusted_key_and_for_orders_only(
    make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    plain, trusted = await make(brand, "orders.write"), await make(brand, "orders.write", "refunds.write", bearer_orders=True)
    sent = order()
    before = await written(owner)
    for machine, path in ((plain, PATH), (trusted, f"{PATH}/{sent['orderNo']}/refunds")):
        answer = await _by_token(machine, path, sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "api.not_known")
    assert await written(owner) == before
    assert (await _by_token(trusted, PATH, sent)).status_code == 201


async def _by_token(machine: callers.Machine, path: str, body: dict[str, Any]) -> Any:
    headers = {"authorization": f"Bearer {machine.issued.token}", "idempotency-key": secrets.token_hex(8)}
    return await machine.client.post(path, json=body, headers=headers)


async def test_what_a_test_key_sends_is_judged_and_not_kept(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    machine = await make(brand, "orders.write", mode="test")
    before = await written(owner)
    assert (await machine.post(PATH, order())).status_code == 201
    assert (await machine.post(PATH, order(channel="no"))).status_code == 422
    assert await written(owner) == before
    assert api_key.SCOPES["orders.write"].money


async def test_reservations_are_refused_by_field_and_released_by_their_owner(
    make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    machine = await make(brand, "reservations.write", "stock.read", reseller="R-child")
    whole = await make(brand, "reservations.write")
    before = await callers.stored(owner, "api_nonce", "api_key")
    sent = {"sku": "card", "quantity": 1, "channel": "web", "minutes": 5}
    answer = await machine.post("/api/v1/reservations", sent)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/sku")
    answer = await machine.post("/api/v1/reservations", {**sent, "reseller": "R-root"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "reseller.unknown")
    answer = await whole.post("/api/v1/reservations", {**sent, "quantity": 0, "channel": "no"})
    assert sorted((each["code"], each["pointer"]) for each in answer.json()["errors"]) == [
        ("channel.unknown", "/channel"), ("missing", "/reseller"), ("reservation.unfit", "/quantity"), ("reservation.unfit", "/sku"),
    ]  # fmt: skip
    answer = await machine.post("/api/v1/reservations", {**sent, "minutes": 61})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/minutes")
    path = f"/api/v1/reservations/{uuid.uuid4()}"
    assert (await machine.get(path)).status_code == 404
    assert await callers.stored(owner, "api_nonce", "api_key") == before


async def test_what_was_delivered_elsewhere_is_reported_once(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    machine = await make(brand, "orders.write", "fulfilments.write")
    sent = order()
    assert (await machine.post(PATH, sent)).status_code == 201
    path, at = f"{PATH}/{sent['orderNo']}/fulfilments", (clock.now() + dt.timedelta(seconds=1)).isoformat()
    event = {"lineNo": "1", "event": "delivered", "quantity": 1, "at": at}
    first, again = await machine.post(path, event), await machine.post(path, event)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    kept = "SELECT line_no, event, quantity FROM fulfilment WHERE order_no = $1"
    assert [tuple(row) for row in await owner.fetch(kept, sent["orderNo"])] == [("1", "delivered", 1)]
    late = (clock.now() + dt.timedelta(seconds=2)).isoformat()
    future = (clock.now() + dt.timedelta(hours=1)).isoformat()
    refused = [
        await machine.post(path, {**event, "at": late}),
        await machine.post(path, {**event, "at": "2020-01-01T00:00:00Z", "event": "redeemed"}),
        await machine.post(path, {**event, "at": future}),
        await machine.post(path, {**event, "lineNo": "9"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (409, "fulfilment.exceeds_line"),
        (409, "fulfilment.before_payment"),
        (422, "request.fields"),
        (404, "order.unknown"),
    ]
    assert [(each["code"], each["pointer"]) for each in refused[2].json()["errors"]] == [("fulfilment.future", "/at")]
    assert len(await owner.fetch(kept, sent["orderNo"])) == 1


async def test_no_phone_is_found_by_trying_what_replies_are_kept_under(
    machine: callers.Machine, owner: asyncpg.Connection
) -> None:
    """All else of an order stands in the books: with a plain hash of the request eleven digits would be found in minutes."""
    sent = order(phone="13800138000")
    first = await machine.post(PATH, sent, key="k-hidden")
    same, other = (
        await machine.post(PATH, sent, key="k-hidden"),
        await machine.post(PATH, {**sent, "phone": "13800138001"}, key="k-hidden"),
    )
    assert (first.status_code, same.headers["idempotent-replayed"], other.status_code) == (201, "true", 422)
    kept = await owner.fetchval("SELECT request_hash FROM idempotent_reply WHERE idempotency_key = 'k-hidden'")
    read = msgspec.convert(sent, order_shapes.OrderSent)
    assert kept != idempotency.fingerprint(b"POST", PATH.encode(), msgspec.json.encode(read))


async def test_cards_that_are_not_the_lines_are_told_by_their_field(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    sent = order()
    assert (await machine.post(PATH, sent)).status_code == 201
    before = await written(owner)
    line = {"lineNo": "1", "quantity": 1, "amount": {"amount": "1.00", "currency": "CNY"}, "cards": ["1-1"]}
    answer = await machine.post(f"{PATH}/{sent['orderNo']}/refunds", {"refundNo": f"F-{sent['orderNo']}", "lines": [line]})
    assert (answer.status_code, [(each["code"], each["pointer"]) for each in answer.json()["errors"]]) == (
        422, [("card.elsewhere", "/lines/0/cards")],
    )  # fmt: skip
    assert await written(owner) == before


async def test_anothers_reservation_is_not_there(make: callers.Make, workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    shop = await warehouse.brand(tmp_path)
    for seller in ("R1", "R2"):
        await warehouse.stocked(shop, warehouse.NEVER, pool=await warehouse.opened(shop, seller))
    one, two = [await make(shop, "orders.write", "reservations.write", reseller=seller) for seller in ("R1", "R2")]
    wanted = {"sku": "card", "quantity": 1, "channel": "web", "minutes": 5}
    theirs, own = [(await each.post("/api/v1/reservations", wanted)).json()["id"] for each in (one, two)]
    sent = order()
    del sent["reseller"]
    answers = [
        await two.post(PATH, {**sent, "reservation": theirs}),
        await two.post(PATH, {**sent, "reservation": own, "channel": "shop"}),
        await two.post(PATH, {**sent, "reservation": own}),
    ]
    assert [(answer.status_code, answer.json().get("code"), answer.json().get("stockState")) for answer in answers] == [
        (404, "reservation.unknown", None),
        (409, "reservation.elsewhere", None),
        (201, None, "delivered"),
    ]
