"""Quotes for programs: the whole answer, for a key of the brand and of a reseller, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.price_shop import DAY, price

from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books
    from tests.doors.account import browser
    from tests.doors.open_api import callers
    from tests.rooms.catalog.price_shop import Shop

pytestmark = pytest.mark.anyio

QUOTES = "/api/v1/quotes"
TEA = {"sku": "tea", "channel": "tmall", "at": "2026-11-09T12:00:00+08:00"}


def cny(text: str) -> dict[str, str]:
    return {"amount": text, "currency": "CNY"}


@pytest.fixture
async def shop(workspace: books.Workspace, house: browser.House, tmp_path: Path) -> Shop:
    assert workspace
    return await price_shop.opened(house.keys, tmp_path, code=f"q-{tmp_path.name[-12:]}")


async def test_a_quote(make: callers.Make, shop: Shop) -> None:
    wanted = {
        "sku": "tea",
        "channel": "tmall",
        "reseller": "G1",
        "tier": "gold",
        "quantity": 3,
        "at": "2026-11-09T04:00:00Z",
        "unit": cny("28.80"),
        "gross": cny("86.40"),
        "version": 1,
        "level": "channel",
        "startsOn": "2026-01-01",
        "endsOn": None,
        "next": {"unit": cny("26.50"), "at": "2026-11-09T16:00:00Z", "on": "2026-11-10"},
    }
    whole, own = await make(shop.brand, "prices.read"), await make(shop.brand, "prices.read", reseller="G1")
    for machine, asked in ((whole, {**TEA, "reseller": "G1"}), (own, TEA), (own, {**TEA, "reseller": "G1"})):
        answer = await machine.get(QUOTES, quantity=3, **asked)
        assert (answer.status_code, answer.json()) == (200, wanted)
    silver = (await whole.get(QUOTES, **{**TEA, "reseller": "S1"})).json()
    assert (silver["unit"], silver["quantity"], silver["gross"], silver["next"]) == (cny("28.80"), 1, cny("28.80"), None)


async def test_no_answer_says_more_than_the_price(make: callers.Make, shop: Shop) -> None:
    """24.60 is the floor, 20.00 the cost, 26.80 and 26.50 are prices of another tier, 25.50 one of a draft."""
    draft = await shop.draft()
    await shop.change(draft, price(2550))
    machine = await make(shop.brand, "prices.read", reseller="S1")
    for channel in ("tmall", "wechat", "dealer"):
        answer = await machine.get(QUOTES, **{**TEA, "channel": channel})
        assert answer.status_code == 200
        assert not [text for text in ("24.60", "20.00", "26.80", "26.50", "25.50") if text in answer.text]


async def test_one_that_is_not_for_sale_later(make: callers.Make, shop: Shop) -> None:
    await shop.publish(price(2700, channel="wechat", ends_on=price_shop.LATER, starts_on=DAY), on=DAY)
    machine = await make(shop.brand, "prices.read", reseller="S1")
    found = (await machine.get(QUOTES, sku="tea", channel="wechat", at="2101-03-02T00:00:00Z")).json()
    assert (found["unit"], found["endsOn"], found["next"]["unit"], found["next"]["on"]) == (
        cny("27.00"),
        "2101-06-01",
        cny("27.60"),
        "2101-06-01",
    )


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"sku": "cake"}, 404, "quote.sku_unknown"),
        ({"channel": "nowhere"}, 404, "quote.channel_unknown"),
        ({"reseller": "nobody"}, 404, "quote.reseller_unknown"),
        ({"sku": "pass"}, 409, "quote.not_for_sale"),
        ({"at": "2025-01-01T00:00:00Z"}, 409, "quote.not_joined"),
        ({"quantity": "0"}, 400, "request.parameters"),
        ({"at": "2026-01-01"}, 400, "request.parameters"),
        ({"at": "0001-01-01T00:00:00+14:00"}, 400, "request.parameters"),
        ({"at": "9999-12-31T23:59:59-14:00"}, 400, "request.parameters"),
        ({"at": "9999-12-31T23:59:59Z"}, 400, "request.parameters"),
        ({"at": "1762660800"}, 400, "request.parameters"),
        ({"quantity": "1e1"}, 400, "request.parameters"),
        ({"reseller": None}, 400, "request.parameters"),
        ({"price": "1"}, 400, "request.parameters"),
    ],
)
async def test_what_is_refused(make: callers.Make, shop: Shop, asked: dict[str, str | None], status: int, code: str) -> None:
    machine = await make(shop.brand, "prices.read")
    given = {name: value for name, value in {**TEA, "reseller": "G1", **asked}.items() if value is not None}
    answer = await machine.get(QUOTES, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_key_of_a_reseller_asks_for_no_other(make: callers.Make, shop: Shop) -> None:
    machine = await make(shop.brand, "prices.read", reseller="S1")
    for other in ("G1", "nobody"):
        answer = await machine.get(QUOTES, **{**TEA, "reseller": other})
        assert (answer.status_code, answer.json()["code"]) == (404, "object.unknown")
    assert (await (await make(shop.brand, "orders.read")).get(QUOTES, **TEA)).status_code == 403


async def test_a_channel_that_is_closed_to_it(make: callers.Make, shop: Shop) -> None:
    async with db.atomic(shop.brand.id):
        await db.connection().execute(
            "INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on) VALUES ($1, 'S1', 'wechat', '2026-01-01')",
            shop.brand.id,
        )
    machine = await make(shop.brand, "prices.read", reseller="S1")
    answer = await machine.get(QUOTES, **TEA)
    assert (answer.status_code, answer.json()["code"]) == (409, "quote.channel_closed")
    assert (await machine.get(QUOTES, **{**TEA, "channel": "wechat"})).json()["unit"] == cny("27.60")
