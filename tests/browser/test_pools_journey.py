"""The brand allocates what a reseller asks for, and finds the order that waited; the reseller asks on a phone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene
from tests.rooms.stock import warehouse

from qucheng.core import db
from qucheng.stock import pool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

LONG = pytest.mark.long
WAYS = [
    ("zh-CN", 390, "light"),
    pytest.param("en", 1440, "dark", marks=LONG),
    pytest.param("en", 390, "dark", marks=LONG),
    pytest.param("zh-CN", 1440, "light", marks=LONG),
]


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_a_request_to_cards_for_an_order(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        brand = await warehouse.brand(tmp_path)
        await warehouse.stocked(brand, *[dt.date(2100, 1, 1)] * 40)
        number = await warehouse.opened(brand, "R1")
        await warehouse.moved(brand, number, 1)
        await pool.set_rule(brand_id=brand.id, pool=number, sku="card", low_level=5, borrow_quota=None, actor=warehouse.ACTOR)
        await warehouse.sold(brand, "O-1", ("1", "card", 2))
        manager = await scene.account(owner, stage.keys, brand.id, brand.code, "manager")
        admin = await scene.account(owner, stage.keys, brand.id, brand.code, "admin", "R1")
    async with stage.opened(admin, language, width, theme) as shown:
        await shown.open("/portal/pools")
        await shown.send("/portal/pools", sku="card", quantity="7", note="spring")
        await shown.seemly("portal-pools")
    async with stage.opened(manager, language, width, theme) as shown:
        await shown.open("/pools")
        await shown.seemly("pools")
        async with shown.page.expect_navigation(wait_until="load"):
            await shown.page.locator('a[href^="/pools/requests/"]').first.click()
        await shown.seemly("pool-request")
        await shown.send(shown.path, quantity="6")
        await shown.open(f"/pools/{number}/move?sku=card&way=in&quantity=3")
        await shown.seemly("pool-move")
        await shown.twice(shown.page.locator(f'form[action="/pools/{number}/move"][method="post"] [type="submit"]'))
        await shown.open(f"/pools/{number}")
        await shown.seemly("pool")
        await shown.open(f"/pools/{number}/rule?sku=card")
        await shown.seemly("pool-rule")
        await shown.open("/stock-cases")
        await shown.seemly("stock-cases")
        async with shown.page.expect_navigation(wait_until="load"):
            await shown.page.locator("tbody a.row-link").click()
        await shown.seemly("stock-case")
        case = shown.path
        await shown.send(f"{case}/retry")
        await shown.seemly("stock-case-closed")
        await shown.open("/batches/1/stop")
        await shown.seemly("stop")
    async with db.connected(stage.app_url):
        assert await warehouse.level(brand, number) == {"available": 8, "delivered": 2, "moved_in": 10}
