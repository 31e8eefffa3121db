"""A price change as its reseller meets it: the bell, the notification, the page of products; and the choice of what is told how."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene
from tests.rooms.catalog import price_shop

from qucheng.catalog import sku
from qucheng.catalog.price_records import Change
from qucheng.core import audit, db

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [("zh-CN", 390, "light"), ("en", 1440, "light"), ("zh-CN", 1440, "dark"), ("en", 390, "dark")]
BELL = 'header a[href="/notifications"]'
SAID = {
    "zh-CN": ("2101 年 3 月 1 日起 2 个价格变动", "茶券 · tmall：26.50 → 25.90", "2101 年 3 月 1 日起 25.90", "设置已保存。"),
    "en": ("2 prices change on 1 Mar 2101", "茶券 · tmall: 26.50 → 25.90", "from 1 Mar 2101: 25.90", "Your choice is saved."),
}
NAMES = {"zh-CN": ("通知，1 条未读", "通知"), "en": ("Notifications, 1 unread", "Notifications")}


async def told(stage: Stage, folder: Path) -> scene.Account:
    """An administrator of a reseller whose prices are about to change."""
    code = f"n-{uuid.uuid4().hex[:12]}"
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        shop = await price_shop.opened(stage.keys, folder, code=code)
        account = await scene.account(owner, stage.keys, shop.brand.id, code, "admin", "G1")
        facts = sku.Changes(
            kind="discount", face_value_minor=3000, valid_days=30, rules_zh="每单限用一张", rules_en="One for each order"
        )
        await sku.change(brand_id=shop.brand.id, code="tea", seen=None, changes=facts, actor=audit.SYSTEM, now=price_shop.NOW)
        await shop.publish(
            Change(sku="tea", channel="tmall", tier="gold", action="set", price_minor=2590, seen=0),
            Change(sku="tea", channel="wechat", tier=None, action="close", seen=0),
        )
    return account


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_the_bell_to_the_price_that_changes(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    account = await told(stage, tmp_path)
    title, change, coming, saved = SAID[language]
    unread, read = NAMES[language]
    async with stage.opened(account, language, width, theme) as shown:
        await shown.open("/portal")
        bell = shown.page.locator(BELL)
        assert await bell.get_attribute("aria-label") == unread
        await shown.seemly("bell")
        await bell.click()
        await shown.page.wait_for_url("**/notifications")
        await shown.says(title, change)
        await shown.seemly("notifications")
        async with shown.page.expect_navigation(wait_until="load"):
            await shown.page.locator('main form[action$="/open"] button').click()
        assert shown.path == "/portal/products?changes=1"
        await shown.says("茶券", coming)
        assert await shown.page.locator(BELL).get_attribute("aria-label") == read
        await shown.page.locator("main details summary").first.click()
        await shown.seemly("portal-products")
        await shown.open("/notifications/settings")
        await shown.page.locator('input[name="mail-price.change"]').uncheck()
        await shown.seemly("notification-settings")
        await shown.send("/notifications/settings")
        await shown.says(saved)
        assert not await shown.page.locator('input[name="mail-price.change"]').is_checked()
        assert await shown.page.locator('input[name="app-price.change"]').is_checked()
        await shown.resize(320)
        for path in ("/notifications", "/notifications/settings", "/portal/products"):
            await shown.open(path)
            await shown.fits()
