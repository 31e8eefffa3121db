"""A manager makes codes, imports others, releases them and finds one again; a buyer opens the link of a message and sees the code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene
from tests.rooms.stock import card_desk

from qucheng.core import db
from qucheng.stock import delivery_link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LONG = pytest.mark.long
WAYS = [
    ("zh-CN", 390, "light"),
    pytest.param("en", 1440, "dark", marks=LONG),
    pytest.param("en", 390, "dark", marks=LONG),
    pytest.param("zh-CN", 1440, "light", marks=LONG),
]
SAID = {
    "zh-CN": ("待发布", "批次已发布，卡券可以出售。", "文件中重复", "查看记录", "长期有效", "首次查看"),
    "en": (
        "To release",
        "The batch is released: its cards can be sold.",
        "Stands in the file before",
        "Who saw the code",
        "No end",
        "First shown",
    ),
}
FILE = b"code,pin\nSUPPLIER-0001,4711\nSUPPLIER-0002,4712\nSUPPLIER-0001,4713\nx,\n"


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_a_batch_to_the_code_in_a_buyer_s_hand(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    code = f"c-{uuid.uuid4().hex[:12]}"
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        brand = await card_desk.opened(tmp_path / "bundle", code, orders=1, units=1)
        account = await scene.account(owner, stage.keys, brand.id, code, "manager")
        pool = await card_desk.own_pool(brand)
    said = SAID[language]
    async with stage.opened(account, language, width, theme) as shown:
        await _made(shown, pool, said)
        await _brought(shown, pool, said)
        address = await _delivered(stage, brand)
        code_shown = await _found(shown, said)
        await shown.open(address)
        await shown.says(said[4], said[5])
        await shown.seemly("buyer")
        await shown.send(address)
        await shown.says(code_shown)
        await shown.seemly("buyer-shown")
        await shown.until("/simulator/messages", "article")
        await shown.seemly("messages")


async def _made(shown: screen.Screen, pool: int, said: tuple[str, ...]) -> None:
    shown.allowed = {422}
    await shown.open("/batches")
    await shown.seemly("batches-empty")
    await shown.open("/batches/new")
    await shown.send("/batches/new", sku="card", quantity="0")
    await shown.seemly("batch-new")
    await shown.send("/batches/new", sku="card", quantity="30", pool=str(pool), note="spring")
    here = shown.path
    await shown.until(here, f'form[action="{here}/release"]')
    await shown.says(said[0])
    await shown.send(f"{here}/release")
    await shown.says(said[1])
    await shown.seemly("batch")


async def _brought(shown: screen.Screen, pool: int, said: tuple[str, ...]) -> None:
    await shown.open("/batches/import")
    await shown.seemly("card-import")
    form = shown.form("/batches/import")
    await shown.fill(form, {"sku": "card", "pool": str(pool)})
    await form.locator('[name="file"]').set_input_files({"name": "codes.csv", "mimeType": "text/csv", "buffer": FILE})
    async with shown.page.expect_navigation(wait_until="load"):
        await form.locator('[type="submit"]').click()
    await shown.until(shown.path, "#refused")
    await shown.says(said[2], "…0001")
    await shown.seemly("batch-report")
    await shown.open("/batches")
    await shown.seemly("batches")


async def _found(shown: screen.Screen, said: tuple[str, ...]) -> str:
    await shown.open("/trace")
    await shown.send("/trace", way="order", typed="O-1")
    await shown.seemly("trace")
    async with shown.page.expect_navigation(wait_until="load"):
        await shown.page.locator("tbody a.row-link").click()
    card = shown.path
    await shown.seemly("card")
    await shown.send(f"{card}/reveal", purpose="the buyer lost it")
    await shown.says(said[3])
    await shown.seemly("card-shown")
    code_shown = (await shown.page.locator(".digits").inner_text()).strip()
    assert len(code_shown.replace(" ", "")) == 16
    return code_shown


async def _delivered(stage: Stage, brand: Brand) -> str:
    async with db.connected(stage.app_url):
        actor = await card_desk.somebody(stage.keys)
        await card_desk.delivered(brand, "O-1", 1, actor)
        async with db.atomic(brand.id):
            return await delivery_link.make(
                brand_id=brand.id, keys=stage.keys, order_no="O-1", phone="+8613800138000", actor=actor, now=card_desk.NOW
            )
