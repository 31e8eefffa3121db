"""Selling on a telephone: a link, a buyer who orders behind it and pays, the order among the reseller's; and a sale by hand, clicked twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import audit, clock, db
from qucheng.orders import sales_setting

if TYPE_CHECKING:
    from tests.browser import scene, screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 390, "light"),
    pytest.param("en", 1440, "light", marks=pytest.mark.long),
    pytest.param("zh-CN", 1440, "dark", marks=pytest.mark.long),
    pytest.param("en", 390, "dark", marks=pytest.mark.long),
]
PAID = {"zh-CN": "订单已支付", "en": "Your order is paid"}
PENDING = {"zh-CN": "待结算", "en": "Pending"}
ON = sales_setting.Setting(manual_sale="paid", manual_daily_minor=500_000, provider="simulator")


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_link_an_order_and_a_sale_by_hand(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await priced(stage, f"s{language[:2]}{width}")
    async with stage.opened(cast.account("seller"), language, width, theme) as shown:
        link = await make_a_link(shown)
        async with stage.opened(None, language, width, theme) as guest:
            order = await order_and_pay(guest, link)
        await shown.until(f"/portal/orders/{order}", ".formula")
        await shown.says(PENDING[language], "3.00")
        by_hand = await sell_by_hand(shown)
        await shown.until("/portal/orders", f'main a[href^="/portal/orders/{by_hand}"]')
        await shown.says(by_hand, order)
    async with books.connected(stage.owner_url) as owner:
        rows = await owner.fetch("SELECT source, reseller FROM sale WHERE brand_id = $1 ORDER BY source", cast.brand.id)
    assert [tuple(row) for row in rows] == [("manual", "D01"), ("page", "D01")]


async def priced(stage: Stage, code: str) -> scene.Cast:
    """With prices in force, sales by hand and the simulator."""
    cast = await stage.brand(code, "山岚权益", months=1)
    bundle = stage.folder / code
    prices = [f"{sku},,,{price},,2026-01-01," for sku, price in (("video-month", "25.00"), ("music-year", "128.00"))]
    (bundle / "prices.csv").write_text("\n".join([",".join(books.COLUMNS["prices"]), *prices, ""]), encoding="utf-8")
    async with db.connected(stage.app_url):
        await books.take_in(cast.brand, bundle)
        await sales_setting.change(brand_id=cast.brand.id, setting=ON, production=False, actor=audit.SYSTEM, now=clock.now())
    return cast


async def make_a_link(shown: screen.Screen) -> str:
    """First without a name; then its address, its code and its poster are there."""
    await shown.open("/portal/links")
    await shown.seemly("links")
    shown.allowed = {422}
    await shown.send("/portal/links", name=" ")
    await shown.seemly("links-refused")
    shown.allowed = set()
    await shown.send("/portal/links", name="门口", channel="web", sku="video-month")
    await shown.seemly("link")
    found = re.search(r"/o/[0-9a-z]{16}", await shown.page.locator("#link-address").input_value())
    assert found is not None
    name, content = await shown.download('main a[href$="/code/png"]')
    assert (name, content[:4]) == (f"{found[0].removeprefix('/o/')}.png", b"\x89PNG")
    await shown.open(f"{shown.path.partition('?')[0]}/poster")
    await shown.says("25.00")
    await shown.seemly("poster")
    return found[0]


async def order_and_pay(guest: screen.Screen, link: str) -> str:
    """First with a number that is none. Returns the order's number."""
    await guest.open(link)
    await guest.says("25.00")
    await guest.seemly("order")
    guest.allowed = {422}
    await guest.send(link, phone="12345")
    await guest.seemly("order-refused")
    guest.allowed = set()
    await guest.send(link, phone="138 0571 2264")
    await guest.seemly("order-pay")
    number = re.search(r"P[0-9]{8}-[0-9A-Z]{10}", await guest.page.locator("main").inner_text())
    assert number is not None
    await guest.page.locator('main a[href^="/simulator/pay/"]').click()
    await guest.page.wait_for_selector('button[value="pay"]')
    await guest.seemly("simulator")
    await guest.send(guest.path, button="pay")
    await guest.says(PAID[guest.language])
    await guest.seemly("order-paid")
    return number[0]


async def sell_by_hand(shown: screen.Screen) -> str:
    await shown.open("/portal/sell")
    await shown.seemly("sell")
    await shown.page.locator('main a[href^="/portal/sell/new?sku=music-year"]').first.click()
    await shown.page.wait_for_selector("#phone")
    await shown.seemly("sell-new")
    shown.allowed = {422}
    await shown.send("/portal/sell/new", phone="1", quantity="0")
    await shown.seemly("sell-refused")
    shown.allowed = set()
    await shown.send("/portal/sell/new", phone="13805712264", quantity="2")
    await shown.says("256.00", "138****2264")
    await shown.seemly("sell-confirm")
    await shown.twice(shown.page.locator('button[value="sell"]'))
    number = re.search(r"M[0-9]{8}-[0-9A-Z]{10}", shown.path)
    assert number is not None, shown.path
    await shown.says("256.00")
    await shown.seemly("sell-receipt")
    return number[0]
