"""From an application to the first statement: somebody applies, is taken in, accepts the invitation and the agreement, sells and is paid."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy
import re
import time
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import clock, db

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 390, "light"),
    ("en", 1440, "light"),
    pytest.param("zh-CN", 1440, "dark", marks=pytest.mark.long),
    pytest.param("en", 390, "dark", marks=pytest.mark.long),
]
LINK = re.compile(r"/(application|invitation)#(\S+)")
PATIENCE = 60
CODE = "N100"


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_an_application_to_the_first_statement(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await stage.brand(f"a{language[:2]}{width}", "山岚权益", months=1, settled=0)
    to = f"new-{language[:2]}{width}@example.com".lower()
    manager = cast.account("manager")
    async with db.connected(stage.app_url):
        day = clock.now().astimezone(scene.SHANGHAI).date()
        await desk.agreed_on(cast.brand, day)
    async with stage.opened(None, language, width, theme) as guest:
        await apply(guest, cast, to)
        await guest.open(f"/application#{await token(stage.folder, to, 'application')}")
        await guest.page.wait_for_selector("dl")
        await guest.says(cast.brand.name)
        await guest.seemly("application-state")
    async with stage.opened(manager, language, width, theme) as shown:
        await take_in(stage, shown, manager)
        await publish_another(shown)
    async with stage.opened(None, language, width, theme) as shown:
        await shown.open(f"/invitation#{await token(stage.folder, to, 'invitation')}")
        await shown.page.wait_for_selector('form[action="/invitation/accept"]')
        await shown.send("/invitation/accept", name="李四", new=people.PASSWORD)
        await agree(shown)
        await sell_and_settle(stage, cast, day)
        await shown.until("/portal/statements", 'a[href^="/portal/statements/"]')
        await shown.page.locator('main a[href^="/portal/statements/"]').first.click()
        await shown.says("2.00")
    async with stage.opened(manager, language, width, theme) as shown:
        await look_at_it(shown)


async def apply(shown: screen.Screen, cast: scene.Cast, to: str) -> None:
    """First with nothing in the form."""
    here = f"/join/{cast.brand.code}"
    await shown.open(here)
    await shown.seemly("join")
    shown.allowed = {422}
    await shown.send(here, number="110105194912310021")
    assert await shown.page.locator('[aria-invalid="true"]').count() >= 6
    await shown.seemly("join-refused")
    shown.allowed = set()
    await shown.page.locator('[name="channel_web"]').check()
    await shown.page.locator('[name="agreed"]').check()
    await shown.send(
        here,
        kind="individual",
        name="李四小店",
        legal_name="李四",
        document="cn-id",
        number=desk.NUMBER.lower(),
        contact_name="李四",
        email=to,
        phone="138 0000 0000",
        invited_by="D01",
    )
    await shown.says(cast.brand.name)
    await shown.seemly("joined")


async def take_in(stage: Stage, shown: screen.Screen, manager: scene.Account) -> None:
    """The facts with a code, the place shown before it is taken; one too deep is refused in words."""
    await shown.open("/applications")
    await shown.seemly("applications")
    await shown.page.locator('main a[href^="/applications/"]').first.click()
    await shown.page.wait_for_selector("#approve")
    here = shown.path
    assert desk.NUMBER not in await shown.page.content()
    await shown.send(f"{here}/facts", code=await stage.codes.code(manager.secret or ""))
    await shown.says(desk.NUMBER)
    await shown.send(f"{here}/approve", button="show", reseller=CODE, tier="gold", parent="D02")
    await shown.says("D01")
    await shown.seemly("application-preview")
    await shown.send(f"{here}/approve", button="approve")
    assert shown.path == "/applications?done=approved"


async def publish_another(shown: screen.Screen) -> None:
    shown.allowed = {422}
    await shown.open("/resellers/agreements/new")
    await shown.send("/resellers/agreements/new", text_zh="加入后躺赚")
    await shown.seemly("agreement-refused")
    shown.allowed = set()
    await shown.send("/resellers/agreements/new", text_zh="第一条\n加入仍然免费。", text_en="1\nJoining stays free.")
    assert shown.path == "/resellers/agreements?done=published"
    await shown.seemly("agreements")


async def agree(shown: screen.Screen) -> None:
    await shown.open("/portal/agreements")
    await shown.seemly("portal-agreement")
    await shown.page.locator('[name="agreed"]').check()
    await shown.send("/portal/agreements")
    assert shown.path == "/portal/agreements?done=agreed"
    await shown.seemly("portal-agreed")


async def sell_and_settle(stage: Stage, cast: scene.Cast, day: dt.date) -> None:
    """An order of today, and the months until it has matured."""
    bundle = stage.folder / cast.brand.code
    at = clock.now().astimezone(scene.SHANGHAI).replace(tzinfo=None, microsecond=0)
    columns = ",".join(books.COLUMNS["orders"])
    (bundle / "orders.csv").write_text(
        f"{columns}\nNEW-1,1,{at.isoformat()},{CODE},web,video-month,1,25.00,,someone\n", encoding="utf-8"
    )
    (bundle / "refunds.csv").unlink(missing_ok=True)
    async with db.connected(stage.app_url):
        await books.take_in(cast.brand, bundle)
        # a month that has not ended is settled by the books of a delivery only: no run would be let
        await books.settle_through(cast.brand, f"{day + dt.timedelta(days=4):%Y-%m}")


async def look_at_it(shown: screen.Screen) -> None:
    """All that the brand has of it, and the pages from which it is steered."""
    await shown.open("/resellers?text=n100")
    assert await shown.page.locator("main tbody tr").count() == 1
    await shown.seemly("resellers")
    await shown.open(f"/resellers/{CODE}")
    await shown.says("D02", "D01")
    await shown.seemly("reseller")
    await shown.open(f"/resellers/{CODE}/move")
    await shown.send(f"/resellers/{CODE}/move", button="show", parent="D03", tier="base", reason="换区域")
    await shown.seemly("reseller-move")
    await shown.send(f"/resellers/{CODE}/move", button="move")
    assert shown.path == f"/resellers/{CODE}?done=moved"
    await shown.open(f"/resellers/{CODE}/channels")
    await shown.seemly("reseller-channels")
    await shown.open(f"/resellers/{CODE}/identity")
    await shown.send(f"/resellers/{CODE}/identity", reference="档案 7")
    assert shown.path == f"/resellers/{CODE}?done=verified"
    await shown.open(f"/resellers/{CODE}/identity")
    await shown.seemly("reseller-identity")
    await shown.open(f"/resellers/{CODE}/standing")
    await shown.seemly("reseller-standing")
    await shown.send(f"/resellers/{CODE}/standing", reason="核对一笔订单")
    assert shown.path == f"/resellers/{CODE}?done=freeze"
    await shown.seemly("reseller-frozen")


async def token(folder: Path, to: str, kind: str) -> str:
    """Of the letter that the worker has sent."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for file in sorted((folder / "var" / "outbox").glob("*.eml"), reverse=True):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            found = LINK.search(message.get_content()) if message["To"] == to else None
            if found and found[1] == kind:
                return found[2]
        await asyncio.sleep(0.2)
    raise AssertionError(f"no letter to {to}")
