"""A secret in a consumer's wallet: claimed with a code by text message, shown to its owner, and typed where other things belong."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from tests.doors.account import browser
from tests.faults import canaries
from tests.rooms.stock import card_desk

from qucheng.campaigns import offer
from qucheng.core import clock

if TYPE_CHECKING:
    from tests.faults.test_canaries import Run

HOUR = dt.timedelta(hours=1)
PAGE, PHONE = "/claim/canaries/spring", "13905712264"
CODE = re.compile(r"(?:验证码 |code is )(\d{6})\b")


async def shown(run: Run) -> None:
    now = clock.now()
    wanted = offer.Wanted(
        code="spring", name="春日礼", sku="card", reseller="R1", channel=None, period="ever", quota=None,
        starts_at=now - HOUR, ends_at=now + HOUR,
    )  # fmt: skip
    await offer.make(brand=run.brand, wanted=wanted, actor=await card_desk.somebody(run.keys), now=now)
    guest, wrong = browser.Browser(run.client()), run.codes[12]
    await guest.get(PAGE)
    assert (await guest.send(PAGE, do="send", phone=wrong)).status_code == 422
    assert (await guest.send(PAGE, do="send", phone=PHONE)).status_code == 200
    await run.done()
    texted = CODE.search((await browser.Browser(run.client()).get("/simulator/messages")).text)
    assert texted is not None
    for fields in ({"phone": PHONE, "code": wrong}, {"phone": wrong, "code": texted[1]}):
        assert (await guest.send(PAGE, do="go", agree="1", **fields)).status_code == 422
    claimed = await guest.send(PAGE, do="go", agree="1", phone=PHONE, code=texted[1])
    assert claimed.status_code == 303, claimed.text
    here = claimed.headers["location"]
    pages = [await guest.get(here), await guest.send(f"{here}/code", store=wrong), await guest.get(f"/wallet/canaries/{wrong}")]
    await guest.get(here)
    pages.append(await guest.send(f"{here}/reveal"))
    assert [canaries.hits(run.codes, page.content) for page in pages] == [0, 0, 0, 1]
    stranger = browser.Browser(run.client())
    await stranger.get(PAGE)
    assert canaries.hits(run.codes, (await stranger.send(f"{here}/reveal")).content) == 0
