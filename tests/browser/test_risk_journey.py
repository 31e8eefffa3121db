"""A manager begins the day in a browser: the overview, its analytics, and an alert that is looked at and decided."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from qucheng.core import clock, db
from qucheng.risk import alert, rules

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
WORDS = {"zh-CN": ("退款偏多", "结论"), "en": ("Many refunds", "What it was")}


async def alerted(stage: Stage, cast: scene.Cast) -> None:
    """What the worker would have found."""
    now = clock.now()
    told = {"net_minor": 6000000, "refunded_minor": 5000000, "refunds": 5, "share_ppm": 833333, "limit_ppm": 300000}
    orders = [f"{cast.brand.code.upper()}-{number:06}" for number in range(1, 51)]
    finding = rules.Finding(
        rule="refund.share",
        subject="D02",
        reseller="D02",
        starts_at=now - dt.timedelta(days=30),
        ends_at=now,
        evidence={**told, "order_count": 61, "orders": orders},
    )
    async with db.connected(stage.app_url):
        assert await alert.keep(brand_id=cast.brand.id, found=[finding], limits=None, now=now) == 1


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_manager_begins_the_day(stage: Stage, language: screen.Language, width: int, theme: screen.Theme) -> None:
    cast = await stage.brand(f"k{language[:2]}{width}", "山岚权益", months=2)
    found, decided = WORDS[language]
    await alerted(stage, cast)
    async with stage.opened(cast.account("manager"), language, width, theme) as shown:
        shown.allowed.add(422)
        await shown.open("/")
        assert shown.path == "/overview"
        await shown.page.click('main a[href="/analytics"]')
        await shown.open(f"/analytics?by=reseller&from={cast.months[0]:%Y-%m}&sort=-own_share")
        await shown.says("D02")
        name, table = await shown.download('button[type="submit"][value="csv"]')
        assert (name.endswith(".csv"), "D02" in table.decode("utf-8-sig")) == (True, True)
        await shown.open("/risks")
        await shown.says(found)
        await shown.seemly("risks")
        await shown.page.click("main .row-link")
        await shown.seemly("risk")
        action = shown.path
        await shown.send(action, reason=" ")
        await shown.seemly("risk-refused")
        await shown.send(action, reason="已电话核实")
        await shown.says(decided, "已电话核实")
