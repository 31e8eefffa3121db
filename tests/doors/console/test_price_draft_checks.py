"""What stands between a draft of prices and its submission, through the pages: another version, and the plan in force."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.doors.console import test_price_pages, test_price_publish, visits

from qucheng.core import clock, db

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

shop = test_price_pages.shop
VERSIONS = "SELECT number, state, based_on FROM price_version WHERE brand_id = $1 ORDER BY number"


async def brought(brand: Brand) -> None:
    """A version of another origin, as a delivery makes it: silver gets a price in the base, and cups another one."""
    async with db.atomic(brand.id):
        for sku, tier, minor in (("tea", "silver", 2740), ("cup", None, 1100)):
            await db.connection().execute(
                "INSERT INTO channel_price (brand_id, sku, tier, price_minor, starts_on) VALUES ($1, $2, $3, $4, '2026-02-01')",
                *(brand.id, sku, tier, minor),
            )
        await db.connection().fetchval("SELECT import_prices(1)")


async def test_an_overtaken_draft_is_brought_up_to_date(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    manager = await test_price_publish.at_work(house, shop, "manager")
    number = await test_price_publish.changed(manager, shop, ("tea", None, "silver", 2720), ("tea", "tmall", None, 2950))
    await manager.visitor.get("/prices/draft/update?lang=en")
    assert "Nothing was approved since it was opened." in visits.plain(manager.visitor.page)
    await brought(shop)
    tomorrow = clock.now().astimezone(test_price_publish.SHANGHAI).date() + dt.timedelta(days=1)
    answer = await test_price_publish.submitted(manager, number, tomorrow)
    assert answer.status_code == 409
    assert "Another version was approved meanwhile" in visits.plain(answer.text)
    await manager.visitor.get("/prices/draft/update")
    said = visits.plain(manager.visitor.page)
    assert "Taken over from what was approved since 1" in said
    assert "Changed there and in the draft: the draft stands 1" in said
    # of a draft that is not there nothing is done
    assert (await manager.visitor.send("/prices/draft/update", number="99")).headers["location"] == "/prices"
    assert [tuple(row) for row in await owner.fetch(VERSIONS, shop.id)] == [
        (1, "approved", None),
        (2, "draft", 1),
        (3, "approved", 1),
    ]
    await manager.visitor.get("/prices/draft/update")
    answer = await manager.visitor.send("/prices/draft/update", number=str(number))
    assert (answer.status_code, answer.headers["location"]) == (303, "/prices?done=updated")
    assert [tuple(row) for row in await owner.fetch(VERSIONS, shop.id)] == [
        (1, "approved", None),
        (2, "discarded", 1),
        (3, "approved", 1),
        (4, "draft", 3),
    ]
    cells = [tuple(row) for row in await owner.fetch(test_price_pages.CELLS, shop.id, 4, "tea")]
    assert [row[2] for row in cells if row[:2] == (None, "silver")][-1] == 2720
    assert [row[2] for row in cells if row[:2] == ("tmall", None)][-1] == 2950
    assert [row[2] for row in await owner.fetch(test_price_pages.CELLS, shop.id, 4, "cup")][-1] == 1100
    assert (await test_price_publish.submitted(manager, 4, tomorrow)).status_code == 303


async def test_prices_at_which_the_plan_leaves_less_than_the_cost_are_not_submitted(
    house: browser.House, owner: asyncpg.Connection, shop: Brand
) -> None:
    """A cup costs 5.00 and its floor is 6.00; a tenth of 5.50 leaves 4.95, and of 6.00 enough."""
    manager = await test_price_publish.at_work(house, shop, "manager")
    number = await test_price_publish.changed(manager, shop, ("cup", None, None, 550))
    await owner.execute("DELETE FROM price_limit WHERE brand_id = $1 AND version = $2 AND sku = 'cup'", shop.id, number)
    tomorrow = clock.now().astimezone(test_price_publish.SHANGHAI).date() + dt.timedelta(days=1)
    unused = manager.code()
    answer = await test_price_publish.submitted(manager, number, tomorrow, code=unused)
    assert answer.status_code == 422
    assert "the price of 5.50 less commissions of 0.55 is below the cost of 5.00." in visits.plain(answer.text)
    assert await owner.fetchval(test_price_publish.STATE, shop.id, number) == "draft"
    assert await owner.fetchval("SELECT count(*) FROM approval WHERE brand_id = $1", shop.id) == 0
    refused = "SELECT subject FROM audit_record WHERE brand_id = $1 AND action = 'prices.refused'"
    assert [row[0] for row in await owner.fetch(refused, shop.id)] == [str(number)]
    await manager.visitor.get("/prices/cell?sku=cup&channel=&tier=")
    form = {"sku": "cup", "channel": "", "tier": "", "seen": "1", "source": "own", "price": "6.00"}
    assert (await manager.visitor.send("/prices/cell", **form)).status_code == 303
    # the code was not used up for it
    assert (await test_price_publish.submitted(manager, number, tomorrow, code=unused)).status_code == 303
