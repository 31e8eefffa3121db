"""Products from a file and as a file; channels and tiers on their page."""

from __future__ import annotations

import csv
import html
import io
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.doors.console.test_product_pages import LINKS, send_file, stored
from tests.rooms.catalog import goods

from qucheng.catalog import queries
from qucheng.network import tier

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FILE = "code,name,list_price,tags,other\ntea,红茶,25,热卖,x\np50,,,,\ncard,会员月卡,100,,\n"
ORDER = ["O-1,1,2026-02-03T10:00:00,R1,web,tea,1,30.00,,"]


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await goods.brand(tmp_path, channels=["web,网店,agency", "b2b,批发,wholesale"], orders=ORDER)


@pytest.fixture
async def manager(house: browser.House, brand: Brand) -> browser.Browser:
    visitor, _ = await visits.entered(house, brand.id, "manager")
    return visitor


async def test_a_file_is_looked_at_then_applied(manager: browser.Browser, brand: Brand, owner: asyncpg.Connection) -> None:
    status, place = await send_file(manager, "/products/import", FILE.encode(), "商品.csv", page="/products/import")
    assert status == 303
    assert re.fullmatch(r"/products/import/[0-9a-f-]{36}", place)
    before = await stored(owner)
    await manager.get(place)
    shown = visits.plain(manager.page)
    assert "1 row is wrong and would be left out" in shown
    assert "Wrong · 1 New · 0 Changed · 1 As it is · 1" in shown
    assert "3 p50 Product name · Nothing stands here. List price · Nothing stands here. Category · Nothing stands here." in shown
    assert "Columns that are passed over other" in shown
    await manager.get(f"{place}?show=changed")
    assert "2 tea List price 30.00 25.00 Product name 乌龙茶 红茶 Tags — 热卖" in visits.plain(manager.page)
    assert await stored(owner) == before
    answer = await manager.send(place, digest=manager.hidden("digest"))
    assert (answer.status_code, answer.headers["location"]) == (303, place)
    await manager.get(place)
    assert "The file is applied" in manager.page
    found = await goods.one(brand, "tea")
    assert (found.name, found.list_price_minor, found.tags) == ("红茶", 2500, ("热卖",))
    await manager.get("/products")
    answer = await manager.send(place, digest="x")
    assert (answer.status_code, "This file was applied or discarded already." in answer.text) == (409, True)


async def test_what_changed_meanwhile_is_shown_again(manager: browser.Browser, brand: Brand) -> None:
    _, place = await send_file(manager, "/products/import", FILE.encode(), page="/products/import")
    await manager.get(f"{place}?show=changed")
    await goods.say(brand, "tea", name="绿茶")
    answer = await manager.send(place, digest=manager.hidden("digest"))
    assert answer.status_code == 409
    assert "This is what it would do now; nothing was done." in answer.text
    assert (await goods.one(brand, "tea")).name == "绿茶"
    assert (await manager.send(f"{place}/discard")).headers["location"] == "/products"
    await manager.get(place)
    assert "The file was discarded" in manager.page


async def test_a_wrong_file_is_refused_and_nothing_is_kept(manager: browser.Browser, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    for content, told in (
        (b"name\nx\n", "These columns are missing or stand there twice: code. The first row names the columns."),
        (b"code\n", "The file has no rows, or more than 5,000."),
        (b"PK\x03\x04", None),
    ):
        status, _ = await send_file(manager, "/products/import", content, page="/products/import")
        assert status == 422
        ((field, found),) = LINKS.findall(manager.page)
        assert field == "file"
        assert told is None or html.unescape(found) == told
    assert await stored(owner) == before
    assert (await manager.get(f"/products/import/{uuid.uuid4()}")).status_code == 404


async def test_the_list_is_taken_as_a_file(manager: browser.Browser, brand: Brand) -> None:
    await manager.get("/products?category=video")
    assert "2 rows" in visits.plain(manager.page)
    answer = await manager.send("/products/export", category="video", form="csv")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{brand.code}-products.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert [row["code"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))] == ["card", "coupon"]
    await manager.get("/products")
    workbook = await manager.send("/products/export", form="xlsx")
    assert workbook.content.startswith(b"PK")
    assert (await manager.get("/products")).status_code == 200
    assert (await manager.send("/products/export", form="exe")).status_code == 404
    assert await books.seen(
        brand, "SELECT action, after ->> 'rows' FROM audit_record WHERE action = 'export.take' ORDER BY id"
    ) == [
        ("export.take", "2"),
        ("export.take", "3"),
    ]


async def test_channels_are_made_and_changed(manager: browser.Browser, brand: Brand, owner: asyncpg.Connection) -> None:
    await manager.get("/channels/new")
    answer = await manager.send("/channels/new", code="live", name="直播", kind="agency", deviation="refuse")
    assert answer.headers["location"] == "/channels?done=channel"
    await manager.get("/channels?done=channel")
    shown = visits.plain(manager.page)
    assert "The channel is saved." in shown
    assert (
        "批发 b2b Wholesale Take the order, and flag it 直播 live Agency Refuse the order 网店 web Agency Take the order" in shown
    )
    before = await stored(owner)
    await manager.get("/channels/web")
    assert "Something was sold in it: the kind stays." in manager.page
    answer = await manager.send("/channels/web", revision="1", name="网店", kind="wholesale", deviation="flag")
    assert (answer.status_code, LINKS.findall(answer.text)) == (
        409,
        [("kind", "Something was sold in this channel, so its kind stays.")],
    )
    answer = await manager.send("/channels/web", revision="7", name="旗舰店", kind="agency", deviation="refuse")
    assert answer.status_code == 409
    assert "Now: 网店 Agency: resellers earn · Take the order, and flag it" in visits.plain(answer.text)
    assert 'value="旗舰店"' in answer.text
    answer = await manager.send("/channels/new", code="new", name="", kind="x", deviation="x")
    assert (answer.status_code, [field for field, _ in LINKS.findall(answer.text)]) == (
        422,
        ["code", "name", "kind", "deviation"],
    )
    answer = await manager.send("/channels/new", code="web", name="x", kind="agency", deviation="flag")
    assert (answer.status_code, [field for field, _ in LINKS.findall(answer.text)]) == (409, ["code"])
    assert await stored(owner) == before
    await manager.get("/channels/web")
    answer = await manager.send("/channels/web", revision="1", name="旗舰店", kind="agency", deviation="refuse")
    assert answer.status_code == 303
    (web,) = [each for each in await queries.channels(brand_id=brand.id) if each.code == "web"]
    assert (web.name, web.deviation, web.revision) == ("旗舰店", "refuse", 2)


async def test_tiers_are_made_and_changed(manager: browser.Browser, brand: Brand, owner: asyncpg.Connection) -> None:
    await manager.get("/tiers/new")
    assert (await manager.send("/tiers/new", code="silver", name="银牌", rank="2")).headers["location"] == "/channels?done=tier"
    await manager.get("/channels")
    assert "金牌 gold 1 银牌 silver 2" in visits.plain(manager.page)
    before = await stored(owner)
    await manager.get("/tiers/gold")
    answer = await manager.send("/tiers/gold", revision="1", name="", rank="0")
    assert (answer.status_code, [field for field, _ in LINKS.findall(answer.text)]) == (422, ["name", "rank"])
    answer = await manager.send("/tiers/gold", revision="9", name="黄金", rank="1")
    assert (answer.status_code, "Now: 金牌 Rank 1" in visits.plain(answer.text)) == (409, True)
    answer = await manager.send("/tiers/new", code="gold", name="x", rank="1")
    assert (answer.status_code, [field for field, _ in LINKS.findall(answer.text)]) == (409, ["code"])
    answer = await manager.send("/tiers/new", code="", name="x", rank="x")
    assert (answer.status_code, [field for field, _ in LINKS.findall(answer.text)]) == (422, ["code", "rank"])
    assert await stored(owner) == before
    await manager.get("/tiers/gold")
    assert (await manager.send("/tiers/gold", revision="1", name="黄金", rank="3")).status_code == 303
    assert await tier.listing(brand_id=brand.id) == [
        tier.Tier(code="silver", name="银牌", rank=2, revision=1),
        tier.Tier(code="gold", name="黄金", rank=3, revision=2),
    ]
