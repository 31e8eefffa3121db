"""A consumer claims with a phone, shows the moving code, loses the connection and finds it again, and sees that the card is redeemed."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.campaigns import wallets

from qucheng.core import clock, db
from qucheng.web import assets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

LONG = pytest.mark.long
WAYS = [
    ("zh-CN", 390, "light"),
    ("en", 390, "dark"),
    pytest.param("en", 1440, "light", marks=LONG),
    pytest.param("zh-CN", 320, "dark", marks=LONG),
]
SAID = {
    "zh-CN": ("结账时给店员扫", "没有网络", "已核销", "湖滨路店", "2 天后过期", "首次查看", "验证码"),
    "en": (
        "Show this at the till",
        "No connection",
        "Redeemed",
        "Hubin Road",
        "Ends in 2 days",
        "First shown",
        "The code is wrong",
    ),
}
STEP = 15_000
SHOWN = "#card .qr svg[role=img]"
# as a camera sees it: what the page draws, on white
READ = """() => new Promise((done, fail) => {
    const drawn = document.querySelector('#card .qr svg').cloneNode(true), picture = new Image(), size = 420;
    drawn.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    drawn.setAttribute('width', size); drawn.setAttribute('height', size);
    drawn.querySelectorAll('path').forEach(each => each.setAttribute('stroke', '#111'));
    picture.onerror = () => fail(new Error('this is no picture'));
    picture.onload = () => {
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
        canvas.width = canvas.height = size + 80;
        pen.fillStyle = '#fff'; pen.fillRect(0, 0, size + 80, size + 80);
        pen.drawImage(picture, 40, 40);
        const seen = window.jsQR(pen.getImageData(0, 0, size + 80, size + 80).data, size + 80, size + 80);
        done(seen && seen.data);
    };
    picture.src = 'data:image/svg+xml,' + encodeURIComponent(new XMLSerializer().serializeToString(drawn));
})"""


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_the_offer_to_the_till(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    async with db.connected(stage.app_url):
        ground = await wallets.opened(tmp_path / "bundle", stage.keys, code=f"w-{uuid.uuid4().hex[:12]}")
    number, said = f"138{secrets.randbelow(10**8):08}", SAID[language]
    async with stage.opened(None, language, width, theme) as shown:
        await shown.page.clock.install()
        await _claimed(stage, shown, ground, number, said)
        card = shown.path
        await _moving(shown, said)
        await _cut_off(shown, said)
        await _redeemed(stage, shown, ground, said)
        wallet = card.rpartition("/")[0]
        await shown.open(f"/claim/{ground.brand.code}/autumn")
        await shown.send(f"/claim/{ground.brand.code}/autumn")
        await shown.page.wait_for_selector(SHOWN)
        second = shown.path
        await shown.send(f"{second}/reveal")
        await shown.says(said[5])
        await shown.seemly("wallet-printed")
        await shown.open(wallet)
        await shown.says(said[2], said[3], said[4])
        await shown.seemly("wallet")
        await shown.page.locator(f'a[href="{second}"]').click()
        await shown.page.wait_for_selector(SHOWN)
        await shown.open(wallet)
        async with shown.page.expect_navigation(wait_until="load"):
            await shown.page.locator(f'form[action="{wallet}/sign-out"] button').click()
        await shown.open(card)
        assert shown.path.startswith(f"/enter/{ground.brand.code}?next=")
        await shown.seemly("enter")


async def _claimed(stage: Stage, shown: screen.Screen, ground: wallets.Ground, number: str, said: tuple[str, ...]) -> None:
    here = f"/claim/{ground.brand.code}/spring"
    await shown.open(here)
    await shown.seemly("claim")
    await shown.send(here, button="send", phone=number)
    async with stage.opened() as messages:
        digits = f'article[aria-label*="{number}"] .digits'
        await messages.until("/simulator/messages", digits)
        code = (await messages.page.locator(digits).first.inner_text()).strip()
    await shown.form(here).locator('[name="agree"]').check()
    shown.allowed = {422}
    await shown.send(here, button="go", code=f"{(int(code) + 1) % 1_000_000:06}")
    await shown.says(said[6])
    await shown.seemly("claim-wrong-code")
    shown.allowed = set()
    await shown.send(here, button="go", code=code)
    assert shown.path.startswith(f"/wallet/{ground.brand.code}/")


async def _digits(shown: screen.Screen) -> str:
    return (await shown.page.locator("#card .digits").inner_text()).replace(" ", "")


async def _moving(shown: screen.Screen, said: tuple[str, ...]) -> None:
    """A code by itself, digits with the store, others with the next step and with the button."""
    page = shown.page
    await page.wait_for_selector(SHOWN)
    await shown.says(said[0])
    await page.locator("#store").select_option("S1")
    await page.wait_for_selector("#card .digits")
    await shown.seemly("wallet-card")
    seen = [await _digits(shown)]
    for step in (True, False):
        if step:
            await page.clock.fast_forward(STEP)
        else:
            await page.locator("#card .refresh button").click()
        await page.wait_for_function(
            "before => document.querySelector('#card .digits').innerText.replace(' ', '') !== before", arg=seen[-1]
        )
        seen.append(await _digits(shown))
    assert len(set(seen)) == 3


async def _cut_off(shown: screen.Screen, said: tuple[str, ...]) -> None:
    page = shown.page
    shown.cut = True
    await page.context.set_offline(True)
    await page.locator("#card .refresh button").click()
    await page.wait_for_selector("#offline:not([hidden])")
    await shown.says(said[1])
    assert await page.locator(SHOWN).count() == 1  # it is kept while it is good
    await shown.seemly("wallet-offline")
    await page.clock.fast_forward(2 * STEP)
    await page.wait_for_selector(SHOWN, state="detached")
    assert await page.locator("#card .digits").count() == 0
    await shown.seemly("wallet-no-code")
    await page.context.set_offline(False)
    await page.wait_for_selector(SHOWN)
    await page.wait_for_selector("#offline", state="hidden")
    shown.cut = False


async def _redeemed(stage: Stage, shown: screen.Screen, ground: wallets.Ground, said: tuple[str, ...]) -> None:
    """By what a till reads of the screen."""
    page = shown.page
    await page.evaluate(assets.every()["jsqr/jsQR.js"].content.decode())
    await page.evaluate("() => { window.stays = true }")
    text = await page.evaluate(READ)
    async with db.connected(stage.app_url):
        assert await ground.redeem("dynamic", text, clock.now()) == "ok"
        assert await ground.redeem("dynamic", text, clock.now()) == "used"
    await page.clock.fast_forward(STEP)
    await page.wait_for_selector('#card[data-condition="used"]')
    assert await page.evaluate("() => window.stays")  # by itself, and without another page
    await shown.says(said[2], said[3])
    assert await page.locator("#code-form").is_hidden()
    await shown.seemly("wallet-redeemed")
