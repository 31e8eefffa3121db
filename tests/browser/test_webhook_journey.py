"""An owner adds an endpoint, keeps its secret, sends a test event that cannot arrive, and sees why."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene

from qucheng.core import db, outbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

LONG = pytest.mark.long
WAYS = [
    ("zh-CN", 1440, "light"),
    pytest.param("en", 390, "dark", marks=LONG),
    pytest.param("zh-CN", 390, "light", marks=LONG),
    pytest.param("en", 1440, "dark", marks=LONG),
]
# nobody answers for such a name
URL = "https://hooks.invalid/orders"
SAID = {
    "zh-CN": ("仅显示这一次", "测试事件正在发送。", "找不到该主机名", "已暂停", "接收地址已暂停，事件会等待。"),
    "en": (
        "This is shown once",
        "A test event is on its way.",
        "The name of the host was not found",
        "Paused",
        "The endpoint is paused: its events wait.",
    ),
}


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_an_address_to_what_became_of_an_event(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    code = f"w-{uuid.uuid4().hex[:12]}"
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        brand = await books.found(books.write(tmp_path / "bundle", code=code))
        account = await scene.account(owner, stage.keys, brand.id, code, "owner")
    assert account.secret is not None
    once, sent, why, paused, told = SAID[language]
    async with stage.opened(account, language, width, theme) as shown:
        await shown.open("/webhooks")
        await shown.page.locator('a[href="/webhooks/new"]').click()
        await shown.seemly("webhook-new")
        form = shown.form("/webhooks/new")
        await form.locator('[name="kind_card.redeemed"]').uncheck()
        await shown.send("/webhooks/new", url=URL, code=await stage.codes.code(account.secret))
        await shown.says(once, URL)
        assert (await shown.page.locator("#secret").input_value()).startswith("whsec_")
        await shown.seemly("webhook-secret")
        await shown.page.locator("main .btn-primary").click()
        page = shown.path
        await shown.seemly("webhook")
        await shown.send(f"{page}/test")
        await shown.says(sent)
        await shown.until(shown.path.partition("?")[0], "tbody tr")
        await shown.says(why, URL)
        await shown.seemly("webhook-delivery")
        async with db.connected(stage.app_url), db.atomic(brand.id):
            await outbox.tell(brand_id=brand.id, kind="order.paid", subject="S2608001", data={"orderNo": "S2608001"})
        await shown.until("/webhooks?kind=order.paid", "tbody tr a[href*='/deliveries/']")
        await shown.open("/webhooks")
        await shown.says("S2608001")
        await shown.seemly("webhooks")
        await shown.open(page)
        await shown.send(f"{page}/pause")
        await shown.says(told, paused)
        await shown.open(f"{page}/delete")
        await shown.seemly("webhook-delete")
        await shown.send(f"{page}/delete")
        assert shown.path == "/webhooks?done=deleted"
