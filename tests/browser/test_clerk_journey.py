"""A shop clerk's day at a till: a scanner that types, a connection that is lost, digits, a card that was used, what is undone; and a camera."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest
import segno
from playwright import async_api
from tests import books
from tests.browser import chromium, scene
from tests.rooms.redemption import tills

from qucheng.core import clock, db
from qucheng.redemption import digits, store

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
    pytest.param("zh-CN", 1440, "dark", marks=LONG),
]
SAID = {
    "zh-CN": ("可以使用", "还没有收到答复", "已核销", "已经用过", "仍然没有答复", "已撤销，卡券可以再次使用。"),
    "en": (
        "Can be used",
        "No answer yet",
        "Redeemed",
        "Already used",
        "Still no answer",
        "It is taken back. The card can be used again.",
    ),
}
CONFIRM = '.dock [form="confirm"]'
WIDTH, HEIGHT, FRAMES = 640, 480, 3


async def at_work(stage: Stage, folder: Path) -> tuple[tills.Ground, scene.Account]:
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        ground = await tills.opened(folder, stage.keys)
        account = await scene.account(owner, stage.keys, ground.brand.id, ground.brand.code, "clerk")
        ((user_id,),) = await books.seen(ground.brand, "SELECT user_id FROM membership WHERE role = 'clerk'")
        await store.add_terminal(
            brand_id=ground.brand.id, store="S1", name="收银台 2 号", user_id=user_id, actor=ground.actor, now=clock.now()
        )
    return ground, account


async def kept(stage: Stage, ground: tills.Ground) -> list[tuple[str, bool]]:
    """What the terminal was answered, in order; and whether it was undone."""
    async with db.connected(stage.app_url):
        return [tuple(row) for row in await books.seen(ground.brand, "SELECT verdict, undone FROM redemption ORDER BY id")]


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_day_at_the_till(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    ground, account = await at_work(stage, tmp_path / "bundle")
    said = SAID[language]
    async with stage.opened(account, language, width, theme) as shown:
        await shown.open("/")
        assert shown.path == "/redeem"
        await shown.seemly("till-scan-empty")
        await _typed(shown, ground.codes[0])
        await shown.says(said[0], ground.codes[0][-4:])
        assert (shown.path, await kept(stage, ground)) == ("/redeem", [])
        await shown.seemly("till-confirm")
        await _lost(shown, said)
        assert await kept(stage, ground) == [("ok", False)]
        await shown.seemly("till-done")
        # the scanner goes on from the answer
        await _typed(shown, ground.codes[0], "[role=alert].big-answer")
        await shown.says(said[3], "一店")
        await shown.seemly("till-refused")
        await shown.page.go_back()
        await _digits(stage, shown, ground, said)
        await shown.page.locator("details summary").click()
        await shown.seemly("till-undo")
        await shown.send("/redeem/undo")
        await shown.says(said[5])
        await shown.seemly("till-today")
        await shown.open("/redeem")
        await shown.seemly("till-scan")
    assert await kept(stage, ground) == [("ok", False), ("used", False), ("ok", True)]


async def _typed(shown: screen.Screen, text: str, answer: str = CONFIRM) -> None:
    """As a scanner does: nothing was chosen before, and a line ends it."""
    await shown.page.evaluate("document.activeElement.blur()")
    await shown.page.keyboard.type(text)
    await shown.page.keyboard.press("Enter")
    await shown.page.wait_for_selector(answer)


async def _lost(shown: screen.Screen, said: tuple[str, ...]) -> None:
    """The card is redeemed, and the answer does not come, twice."""
    lost = 0

    async def cut(route: async_api.Route) -> None:
        nonlocal lost
        lost += 1
        if lost > 2:
            await route.continue_()
            return
        answer = await route.fetch()
        assert answer.status == 200
        await route.abort("connectionreset")

    shown.cut = True
    await shown.page.route("**/redeem/confirm", cut)
    await shown.page.locator(CONFIRM).dblclick()
    await shown.page.wait_for_selector("[data-no-answer]:not([hidden])")
    await shown.says(said[1])
    await shown.shot("till-no-answer")
    await shown.page.locator(CONFIRM).wait_for(state="detached")
    await shown.page.unroute("**/redeem/confirm")
    shown.cut = False
    await shown.says(said[2])
    assert lost == 3


async def _digits(stage: Stage, shown: screen.Screen, ground: tills.Ground, said: tuple[str, ...]) -> None:
    await shown.page.wait_for_selector("#digits")
    batch, number = ground.cards[1]
    async with db.connected(stage.app_url):
        drawn = await digits.issue(
            brand_id=ground.brand.id, keys=stage.keys, batch=batch, number=number, store="S1", phone_end="8000", now=clock.now()
        )
    await shown.page.fill("#digits", drawn)
    await shown.page.fill("#phone_end", "8000")
    look = shown.page.locator("form:has(#digits) [type=submit]")
    shown.cut = True
    await shown.page.context.set_offline(True)
    await look.click()
    await shown.page.wait_for_selector("[data-given-up]:not([hidden])")
    await shown.says(said[4])
    await shown.shot("till-given-up")
    await shown.page.context.set_offline(False)
    shown.cut = False
    await look.click()
    await shown.page.wait_for_selector(CONFIRM)
    await shown.page.locator(CONFIRM).dblclick()
    await shown.page.wait_for_selector("details")


async def test_a_camera_reads_the_code(stage: Stage, tmp_path: Path) -> None:
    ground, account = await at_work(stage, tmp_path / "bundle")
    film = tmp_path / "code.y4m"
    film.write_bytes(_film(ground.codes[2]))
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    async with async_api.async_playwright() as playwright:
        seeing = await playwright.chromium.launch(
            executable_path=chromium.program(), headless=True, args=[*chromium.FLAGS, *flags], timeout=chromium.MINUTE
        )
        try:
            async with dataclasses.replace(stage, browser=seeing).opened(account, "zh-CN", 390) as shown:
                await shown.open("/redeem")
                await shown.page.locator("[data-start]").click()
                await shown.page.wait_for_selector(CONFIRM)
                await shown.says("可以使用", ground.codes[2][-4:])
                # it goes on by itself with the next card
                await shown.page.locator(".dock a").click()
                await shown.page.wait_for_selector("[data-video]:not([hidden]), " + CONFIRM)
                await shown.page.wait_for_selector(CONFIRM)
                # the control: no other page may use it
                await shown.open("/redeem/today")
                assert (
                    await shown.page.evaluate(
                        "navigator.mediaDevices.getUserMedia({video: true}).then(() => 'seen', error => error.name)"
                    )
                    == "NotAllowedError"
                )
                shown.faults = [each for each in shown.faults if not re.search(r"[Pp]ermissions.policy", each)]
        finally:
            await seeing.close()
    assert await kept(stage, ground) == []


def _film(text: str) -> bytes:
    """The code on white, as a camera would see it."""
    rows = [bytearray(b"\xeb" * WIDTH) for _ in range(HEIGHT)]
    drawn = [bytes(line) for line in segno.make(text, error="m", micro=False).matrix_iter(scale=9, border=2)]
    top, left = (HEIGHT - len(drawn)) // 2, (WIDTH - len(drawn[0])) // 2
    for place, line in enumerate(drawn):
        rows[top + place][left : left + len(line)] = bytes(0x10 if dark else 0xEB for dark in line)
    frame = b"FRAME\n" + b"".join(rows) + b"\x80" * (WIDTH * HEIGHT // 2)
    return f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode() + frame * FRAMES
