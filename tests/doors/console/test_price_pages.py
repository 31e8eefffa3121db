"""The price matrix as people see it: what a cell says, what may be typed into it, and what two people do to each other."""

from __future__ import annotations

import datetime as dt
import html
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits

from qucheng.catalog import price_version
from qucheng.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CELLS = "SELECT channel, tier, price_minor, starts_on, ends_on FROM price_cell WHERE brand_id = $1 AND version = $2 AND sku = $3 ORDER BY 1, 2, 4"
ROW = re.compile(r'<tr id="(r-[0-9a-f]+)" data-sku="([^"]+)".*?</tr>', re.DOTALL)
CELL = re.compile(r'<a class="cell([^"]*)" href="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)


@pytest.fixture
async def shop(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """The table of the specification: tea with a floor of 24.60 and prices in two channels."""
    assert workspace
    folder = books.write(
        tmp_path / "bundle",
        code=f"p-{uuid.uuid4().hex[:20]}",
        tiers=["gold,金牌,1", "silver,银牌,2"],
        channels=["tmall,天猫,agency", "wechat,微信,agency"],
        resellers=["R1,One,individual,,gold,2026-01-01,", "R2,Two,individual,,silver,2026-01-01,"],
        skus=["tea,Tea & more,drinks,30.00,20.00", "cup,A cup,things,12.00,5.00"],
        prices=[
            "tea,,,27.60,24.60,2026-01-01,",
            "tea,,gold,26.80,,2026-01-01,",
            "tea,tmall,,28.80,,2026-01-01,",
            "cup,,,10.00,6.00,2026-01-01,",
        ],
        orders=[],
        refunds=[],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand


def cells(page: str, sku: str) -> list[tuple[str, str]]:
    """Class and words of each cell of a row, in the order of the columns."""
    (row,) = [found[0] for found in ROW.finditer(page) if found[2] == sku]
    return [(kind.strip(), html.unescape(visits.plain(f"<main>{inner}</main>"))) for kind, _, _, inner in CELL.findall(row)]


def address(sku: str, channel: str = "", tier: str = "") -> str:
    return f"/prices/cell?sku={sku}&channel={channel}&tier={tier}"


async def opened(visitor: browser.Browser) -> None:
    await visitor.get("/prices")
    assert (await visitor.send("/prices/draft")).headers["location"] == "/prices?done=opened"


async def typed(visitor: browser.Browser, sku: str, channel: str = "", tier: str = "", **fields: str) -> int:
    """Opens the cell and sends its form; the status of the answer."""
    await visitor.get(address(sku, channel, tier))
    given = {name: visitor.hidden(name) for name in ("sku", "channel", "tier", "seen", "from")}
    answer = await visitor.send("/prices/cell", **{**given, "source": "own", **fields})
    return answer.status_code


async def draft(brand: Brand) -> int:
    found = (await price_version.current(brand_id=brand.id, now=clock.now())).draft
    assert found is not None
    return found.number


async def test_the_matrix_says_where_each_price_comes_from(house: browser.House, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "manager")
    assert (await visitor.get("/prices")).status_code == 200
    assert cells(visitor.page, "tea") == [
        ("", "27.60 own price"),
        ("", "26.80 own price"),
        ("", "28.80 own price"),
        ("inherit", "27.60 inherits base"),
    ]
    assert cells(visitor.page, "cup") == [
        ("", "10.00 own price"),
        ("inherit", "10.00 inherits base"),
        ("inherit", "10.00 inherits base"),
        ("inherit", "10.00 inherits base"),
    ]
    assert "Tea &amp; more" in visitor.page
    await visitor.get("/prices?tiers=all")
    assert [words for _, words in cells(visitor.page, "tea")] == [
        "27.60 own price",
        "26.80 own price",
        "27.60 inherits base",
        "28.80 own price",
        "28.80 inherits channel",
        "28.80 inherits channel",
        "27.60 inherits base",
        "26.80 inherits tier's base",
        "27.60 inherits base",
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["tea", "cup"]),
        ("text=TEA", ["tea"]),
        ("category=things", ["cup"]),
        ("text=no+such", []),
        ("day=2025-12-31", ["tea", "cup"]),
        ("rows=25&page=2", []),
        ("version=live&show=scheduled", []),
        ("day=x&page=-1&rows=3&show=all&version=no", ["tea", "cup"]),
    ],
)
async def test_filters_of_an_address(house: browser.House, shop: Brand, query: str, found: list[str]) -> None:
    visitor, _ = await visits.entered(house, shop.id, "auditor")
    assert (await visitor.get(f"/prices?{query}")).status_code == 200
    assert sorted(row[2] for row in ROW.finditer(visitor.page)) == sorted(found)


async def test_a_price_is_typed_marked_and_taken_back(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "manager")
    await opened(visitor)
    assert await typed(visitor, "tea", "tmall", price="２９．５", reason="like the others") == 303
    number = await draft(shop)
    assert [tuple(row) for row in await owner.fetch(CELLS, shop.id, number, "tea")] == [
        ("tmall", None, 2950, dt.date(2026, 1, 1), None),
        (None, "gold", 2680, dt.date(2026, 1, 1), None),
        (None, None, 2760, dt.date(2026, 1, 1), None),
    ]
    await visitor.get("/prices")
    assert cells(visitor.page, "tea")[2] == ("draft", "28.80 29.50 draft")
    assert "1 change not submitted" in visits.plain(visitor.page)
    await visitor.get("/prices?version=live")
    assert cells(visitor.page, "tea")[2] == ("", "28.80 own price")
    assert await typed(visitor, "tea", "tmall", act="revert") == 303
    await visitor.get("/prices")
    assert cells(visitor.page, "tea")[2] == ("", "28.80 own price")
    assert "0 changes not submitted" in visits.plain(visitor.page)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"price": "dear"}, "Write a price such as 26.50"),
        ({"price": "-1"}, "Write a price such as 26.50"),
        ({"price": "1.005"}, "Write a price such as 26.50"),
        ({"price": "9", "from": "2026-02-30"}, "A price begins before it ends"),
        ({"price": "9", "from": "2026-03-01", "until": "2026-02-01"}, "A price begins before it ends"),
        ({"price": "9", "reason": "x" * 201}, "A reason has at most 200"),
        ({"source": "close", "channel": "tmall", "tier": "gold"}, "closed for a whole channel"),
        ({"source": "close", "channel": "", "tier": ""}, "closed for a whole channel"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_saved(
    house: browser.House, owner: asyncpg.Connection, shop: Brand, fields: dict[str, str], said: str
) -> None:
    visitor, _ = await visits.entered(house, shop.id, "manager")
    await opened(visitor)
    number = await draft(shop)
    before = await owner.fetch(CELLS, shop.id, number, "tea")
    await visitor.get("/prices/cell?sku=tea&channel=tmall&tier=&tiers=all")
    form = {"sku": "tea", "channel": "tmall", "tier": "", "seen": "0", "view": "tiers=all", "source": "own"}
    answer = await visitor.send("/prices/cell", **{**form, **fields})
    assert answer.status_code == 422
    assert said in visits.plain(answer.text)
    if "price" in fields:
        assert f'value="{fields["price"]}"' in answer.text
    assert await owner.fetch(CELLS, shop.id, number, "tea") == before
    assert await owner.fetchval("SELECT count(*) FROM price_edit WHERE brand_id = $1", shop.id) == 0


async def test_two_managers_on_one_cell_lose_nothing(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    first, _ = await visits.entered(house, shop.id, "manager")
    second, _ = await visits.entered(house, shop.id, "owner")
    await opened(first)
    await first.get(address("tea", "tmall"))
    await second.get(address("tea", "tmall"))
    form = {"sku": "tea", "channel": "tmall", "tier": "", "seen": "0", "source": "own", "from": "2026-01-01", "until": ""}
    assert (await first.send("/prices/cell", **form, price="29.10")).status_code == 303
    answer = await second.send("/prices/cell", **form, price="29.90")
    assert answer.status_code == 409
    said = visits.plain(answer.text)
    assert "changed this cell meanwhile" in said
    assert "It says now: 29.10" in said
    assert 'value="29.90"' in answer.text
    number = await draft(shop)
    prices = "SELECT price_minor FROM price_cell WHERE brand_id = $1 AND version = $2 AND channel = 'tmall'"
    assert await owner.fetchval(prices, shop.id, number) == 2910
    # the other cell of the same draft is nobody's but theirs
    assert (await second.send("/prices/cell", **{**form, "channel": "wechat"}, price="26.10")).status_code == 303
    # sent again, it goes over what was shown
    await second.get(address("tea", "tmall"))
    assert (await second.send("/prices/cell", **{**form, "seen": "1"}, price="29.90")).status_code == 303
    assert await owner.fetchval(prices, shop.id, number) == 2990


async def test_an_open_page_is_sent_the_parts_that_changed(house: browser.House, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "manager")
    await opened(visitor)
    part = await visitor.get(address("tea", "wechat"), **{"hx-request": "true"})
    assert part.text.lstrip().startswith("<aside")
    assert "<html" not in part.text
    assert part.headers["hx-replace-url"] == "/prices/cell?sku=tea&channel=wechat"
    await visitor.get("/prices")
    token = re.findall(r'name="_csrf" value="([^"]+)"', visitor.page)[0]
    fields = {"_csrf": token, "sku": "tea", "channel": "", "tier": "", "seen": "", "view": "", "source": "own", "quick": "1"}
    answer = await visitor.post("/prices/cell", {**fields, "price": "27.00"}, hx_request="true")
    assert answer.status_code == 200
    assert 'hx-swap-oob="true"' in answer.text
    assert cells(answer.text, "tea") == [
        ("draft", "27.60 27.00 draft"),
        ("", "26.80 own price"),
        ("", "28.80 own price"),
        ("inherit", "27.00 inherits base"),
    ]
    assert "1 change not submitted" in answer.text
    wrong = await visitor.post("/prices/cell", {**fields, "price": "much"}, hx_request="true")
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.text
    stale = await visitor.post("/prices/cell", {**fields, "price": "26"}, hx_request="true")
    assert stale.status_code == 409
    assert "data-conflict" in stale.text


async def test_who_only_reads_sees_no_form(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    manager, _ = await visits.entered(house, shop.id, "manager")
    await opened(manager)
    for role in ("accountant", "auditor", "support"):
        visitor, _ = await visits.entered(house, shop.id, role)
        await visitor.get(address("tea", "tmall"))
        assert 'action="/prices/cell"' not in visitor.page
        assert "data-editable" not in visitor.page
        assert "28.80" in visits.plain(visitor.page)
        answer = await visitor.send("/prices/cell", sku="tea", channel="tmall", tier="", seen="0", source="own", price="1")
        assert answer.status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM price_edit WHERE brand_id = $1", shop.id) == 0


async def test_a_cell_that_there_is_not(house: browser.House, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "manager")
    for query in ("sku=none&channel=&tier=", "sku=tea&channel=none&tier=", "sku=tea&channel=&tier=none"):
        assert (await visitor.get(f"/prices/cell?{query}")).status_code == 404, query
    assert (await visitor.get("/prices/cell")).headers["location"] == "/prices"
    assert (await visitor.get("/prices?version=99")).status_code == 404
