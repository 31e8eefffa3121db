"""What a reseller sells and at what price: its own of today, where that comes from and what comes next; and nothing besides."""

from __future__ import annotations

import re
import struct
import uuid
import zlib
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.identity import people

from qucheng.catalog import image, sku
from qucheng.catalog.price_records import Change
from qucheng.core import audit, crypto
from qucheng.identity import notification

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser as browsers

pytestmark = pytest.mark.anyio

HERE = "/portal/products"
ROW = re.compile(r"<tr><th scope=\"row\">(.*?)</tr>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
GONE = ("24.60", "20.00", "10.00", "26.50", "26.80")


@pytest.fixture
async def shop(workspace: books.Workspace, house: browsers.House, tmp_path: Path) -> price_shop.Shop:
    assert workspace
    return await price_shop.opened(house.keys, tmp_path, code=f"s-{uuid.uuid4().hex[:20]}")


async def visitor(house: browsers.House, shop: price_shop.Shop, reseller: str, role: str = "seller") -> browsers.Browser:
    login, found = f"{crypto.token()[:12].lower().strip('-_')}@example.com", await house.browser()
    await people.member(house.keys, shop.brand.id, role, reseller=reseller, login=login)  # type: ignore[arg-type] # of the test
    await found.sign_in(login)
    return found


def rows(page: str) -> list[str]:
    """What each line says, without its markup."""
    return [" ".join(TAG.sub(" ", found).split()) for found in ROW.findall(page)]


async def test_each_tier_sees_its_own_price_and_where_it_comes_from(house: browsers.House, shop: price_shop.Shop) -> None:
    gold, silver = await visitor(house, shop, "G1"), await visitor(house, shop, "S1")
    assert (await gold.get(HERE)).status_code == 200
    assert rows(gold.page) == [
        "经销 Wholesale dealer 26.80 Price of your tier none known",
        "天猫 tmall 26.50 Price of your tier in this channel none known",
        "微信 wechat 26.80 Price of your tier none known",
    ]
    await silver.get(HERE)
    assert rows(silver.page) == [
        "经销 Wholesale dealer 27.60 Base price none known",
        "天猫 tmall 28.80 Price of this channel none known",
        "微信 wechat 27.60 Base price none known",
    ]
    assert [price for price in GONE if price in silver.page] == []
    assert [price for price in ("24.60", "20.00", "10.00", "27.60", "28.80") if price in gold.page] == []


async def test_a_change_to_come_is_told_and_shown(
    house: browsers.House, shop: price_shop.Shop, owner: asyncpg.Connection
) -> None:
    gold, silver = await visitor(house, shop, "G1", "admin"), await visitor(house, shop, "S1", "admin")
    version = await shop.publish(
        Change(sku="tea", channel="tmall", tier="gold", action="set", price_minor=2590, seen=0),
        Change(sku="tea", channel="wechat", tier=None, action="close", seen=0),
    )
    await gold.get(HERE)
    assert rows(gold.page) == [
        "经销 Wholesale dealer 26.80 Price of your tier none known",
        "天猫 tmall 26.50 Price of your tier in this channel from 1 Mar 2101: 25.90",
        "微信 wechat 26.80 Price of your tier from 1 Mar 2101: no longer sold",
    ]
    await silver.get(HERE)
    assert [row.rpartition(" none known")[0] for row in rows(silver.page)][:2] == [
        "经销 Wholesale dealer 27.60 Base price", "天猫 tmall 28.80 Price of this channel",
    ]  # fmt: skip
    assert "25.90" not in silver.page
    told = await owner.fetch(
        "SELECT n.reseller, n.subject, n.content FROM notification n WHERE n.brand_id = $1 AND n.kind = 'price.change' ORDER BY n.reseller",
        shop.brand.id,
    )
    said = {row["reseller"]: books.json.loads(row["content"]) for row in told}
    assert {row["subject"] for row in told} == {str(version)}
    closed = {"sku": "tea", "name": "茶券", "channel": "wechat", "on": "2101-03-01", "new_minor": None}
    assert said == {
        "G1": {"version": version, "effective_on": "2101-03-01", "count": 2, "changes": [
            {"sku": "tea", "name": "茶券", "channel": "tmall", "on": "2101-03-01", "old_minor": 2650, "new_minor": 2590},
            {**closed, "old_minor": 2680},
        ]},
        "S1": {"version": version, "effective_on": "2101-03-01", "count": 1, "changes": [{**closed, "old_minor": 2760}]},
    }  # fmt: skip
    await gold.get("/notifications")
    assert "2 prices change on 1 Mar 2101" in gold.page
    assert "茶券 · tmall: 26.50 → 25.90" in gold.page
    found = re.search(r"/notifications/([0-9a-f-]{36})/open", gold.page)
    assert found is not None
    answer = await gold.send(f"/notifications/{found[1]}/open")
    assert answer.headers["location"] == f"{HERE}?changes=1"
    await gold.get(answer.headers["location"])
    assert len(rows(gold.page)) == 3
    assert await notification.unread(who=people.principal(uuid.uuid4(), shop.brand.id, "admin", reseller="G1")) == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3), ("text=TEA", 3), ("text=茶", 3), ("text=none", 0), ("category=茶", 3), ("category=会员", 0), ("category=nothing", 0),
        ("changes=1", 0), ("changes=x&page=1", 3), ("page=2", 0), ("page=-1&text=%00", 3), ("text=tea&category=茶", 3),
    ],
)  # fmt: skip
async def test_filters_of_an_address(house: browsers.House, shop: price_shop.Shop, query: str, found: int) -> None:
    silver = await visitor(house, shop, "S1")
    assert (await silver.get(f"{HERE}?{query}")).status_code == 200
    assert len(rows(silver.page)) == found


def png() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


async def test_what_it_is_how_long_it_holds_and_how_it_is_used(house: browsers.House, shop: price_shop.Shop) -> None:
    changes = sku.Changes(
        kind="discount",
        face_value_minor=3000,
        valid_days=30,
        rules_zh="每单限用一张",
        rules_en="One for each order\nnot for cash",
    )
    await sku.change(brand_id=shop.brand.id, code="tea", seen=None, changes=changes, actor=audit.SYSTEM, now=price_shop.NOW)
    content = png()
    await image.put(brand_id=shop.brand.id, sku="tea", content=content, actor=audit.SYSTEM, now=price_shop.NOW)
    silver = await visitor(house, shop, "S1")
    await silver.get(HERE)
    for said in (
        "30.00",
        "30 days after delivery",
        "One for each order<br>not for cash",
        "Discount coupon",
        f'src="{HERE}/tea/image?v=',
    ):
        assert said in silver.page, said
    silver.language = "zh-CN"
    await silver.get(HERE)
    assert "每单限用一张" in silver.page
    assert "发放后 30 天" in silver.page
    picture = await silver.get(f"{HERE}/tea/image")
    assert (picture.status_code, picture.headers["content-type"], picture.content) == (200, "image/png", content)
    assert (await silver.get(f"{HERE}/tea/image", **{"if-none-match": picture.headers["etag"]})).status_code == 304
    assert (await silver.get(f"{HERE}/pass/image")).status_code == 404


async def test_off_sale_or_not_its_channel_it_is_not_there(
    house: browsers.House, shop: price_shop.Shop, owner: asyncpg.Connection
) -> None:
    silver = await visitor(house, shop, "S1")
    await owner.execute(
        "INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on) VALUES ($1, 'S1', 'wechat', '2026-01-01')",
        shop.brand.id,
    )
    await silver.get(HERE)
    assert rows(silver.page) == ["微信 wechat 27.60 Base price none known"]
    await sku.change(
        brand_id=shop.brand.id, code="tea", seen=None, changes=sku.Changes(on_sale=False), actor=audit.SYSTEM, now=price_shop.NOW
    )
    await silver.get(HERE)
    assert rows(silver.page) == []
    assert "Nothing to sell yet" in silver.page


async def test_another_brand_and_its_people_see_none_of_it(house: browsers.House, shop: price_shop.Shop, tmp_path: Path) -> None:
    other = await price_shop.opened(house.keys, tmp_path / "other", code=f"s-{uuid.uuid4().hex[:20]}")
    await other.publish(Change(sku="tea", channel="tmall", tier=None, action="set", price_minor=9999, seen=0))
    silver = await visitor(house, shop, "S1")
    await silver.get(HERE)
    assert "99.99" not in silver.page
    assert rows(silver.page)[1] == "天猫 tmall 28.80 Price of this channel none known"
