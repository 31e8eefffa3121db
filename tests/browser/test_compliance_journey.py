"""A manager looks after compliance in a browser: a text refused and mended, a move tried, a report read, a pack taken away."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.bundle import demo_compliance
from qucheng.core import clock, db
from qucheng.network import compliance_report

if TYPE_CHECKING:
    from tests.browser import scene, screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 1440, "light"),
    ("en", 390, "light"),
    pytest.param("zh-CN", 390, "dark", marks=pytest.mark.long),
    pytest.param("en", 1440, "dark", marks=pytest.mark.long),
]
WORDS = {
    "zh-CN": ("这里承诺了收入", "规则会拒绝这次调整", "文案承诺了收入", "品牌方通知"),
    "en": ("This promises income", "The rules would refuse it", "The text promises income", "From the brand"),
}
MANAGER = "SELECT user_id FROM membership WHERE brand_id = $1 AND role = 'manager'"


async def begun(stage: Stage, cast: scene.Cast) -> None:
    """What the platform does by itself on the first of a month, and what the brand wrote before."""
    async with books.connected(stage.owner_url) as owner:
        manager = await owner.fetchval(MANAGER, cast.brand.id)
    async with db.connected(stage.app_url):
        await compliance_report.make(brand=cast.brand, now=clock.now())
        await demo_compliance.fill(brand=cast.brand, manager=manager, now=clock.now())


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_manager_looks_after_compliance(stage: Stage, language: screen.Language, width: int, theme: screen.Theme) -> None:
    cast = await stage.brand(f"c{language[:2]}{width}", "山岚权益", months=2)
    promised, refused, listed, heading = WORDS[language]
    await begun(stage, cast)
    async with (
        stage.opened(cast.account("manager"), language, width, theme) as shown,
        stage.opened(cast.account("seller"), language, width, theme) as seller,
    ):
        shown.allowed.add(422)
        await shown.open("/compliance")
        await shown.says(listed, "D01")
        await shown.seemly("compliance")
        await shown.open("/compliance/what-if")
        await shown.seemly("compliance-move-asked")
        await shown.send("/compliance/what-if", reseller="D01", parent="D02", on="2026-12-01")
        await shown.says(refused)
        await shown.send("/compliance/what-if", reseller="D03", parent="D01", on="2026-12-01")
        await shown.seemly("compliance-move")
        await shown.open("/compliance/reports")
        await shown.says("D01")
        await shown.seemly("compliance-reports")
        name, report = await shown.download('button[type="submit"]:has-text("CSV")')
        assert (name.endswith(".csv"), "D01" in report.decode("utf-8-sig")) == (True, True)
        await mend_a_text(shown, promised)
        await shown.seemly("texts")
        await seller.open("/portal")
        await seller.says(heading, "Statements on time")
        await seller.seemly("portal-texts")
        await take_the_pack(shown, cast)


async def mend_a_text(shown: screen.Screen, promised: str) -> None:
    await shown.open("/texts/new")
    await shown.send("/texts/new", title_en="Statements on time", body_en="Sell more for a passive income.")
    await shown.says(promised)
    await shown.seemly("text-refused")
    await shown.send("/texts/new", body_en="Published by the 10th of each month.")
    assert shown.path == "/texts?done=published"


async def take_the_pack(shown: screen.Screen, cast: scene.Cast) -> None:
    first, last = (f"{month:%Y-%m}" for month in (cast.months[0], cast.months[-1]))
    await shown.open("/compliance/pack")
    await shown.send("/compliance/pack", root="nobody", first=first, last=last)
    await shown.seemly("compliance-pack")
    await shown.send("/compliance/pack", root="D01", first=first, last=last)
    assert shown.path == "/exports"
    await shown.until("/exports", 'a[href$="/file"]')
    _, content = await shown.download('a[href$="/file"]')
    with zipfile.ZipFile(io.BytesIO(content)) as pack:
        manifest = json.loads(pack.read("manifest.json"))
        assert (manifest["brand"], manifest["root"]) == (cast.brand.code, "D01")
        for file in manifest["files"]:
            assert hashlib.sha256(pack.read(file["name"])).hexdigest() == file["sha256"], file["name"]


TWO_TIER = """
    UPDATE brand SET policy = 'cn-two-tier', max_depth = 2, max_levels = 2, max_total_rate_ppm = 300000, legal_opinion = 'LO-1', expires_on = current_date + 9
    WHERE id = $1"""


@pytest.mark.parametrize(
    ("language", "width", "ends", "decided"),
    [
        ("zh-CN", 390, "法律意见于", "批准"),
        pytest.param("en", 1440, "The opinion ends on", "allowed it", marks=pytest.mark.long),
    ],
)
async def test_two_owners_rely_on_an_opinion(
    stage: Stage, language: screen.Language, width: int, ends: str, decided: str
) -> None:
    cast = await stage.brand(f"o{language[:2]}{width}", "山岚权益", months=1)
    async with books.connected(stage.owner_url) as owner:
        await owner.execute(TWO_TIER, cast.brand.id)
    maker, checker = cast.account("owner"), cast.account("owner", 1)
    async with stage.opened(maker, language, width) as shown, stage.opened(checker, language, width) as other:
        await shown.open("/compliance")
        await shown.says(ends, "LO-1")
        await shown.seemly("compliance-two-tier")
        await shown.open("/compliance/opinion")
        await shown.seemly("compliance-opinion")
        until = clock.now().date() + dt.timedelta(days=300)
        assert maker.secret is not None
        assert checker.secret is not None
        code = await stage.codes.code(maker.secret)
        await shown.send("/compliance/opinion", reference="LO-2027-1", expires_on=str(until), code=code)
        asked = shown.path.partition("asked=")[2]
        await other.open(f"/approvals/{asked}")
        await other.says("LO-2027-1", str(until))
        await other.seemly("compliance-opinion-decided")
        await other.send(f"/approvals/{asked}", button="approve", code=await stage.codes.code(checker.secret))
        await shown.open("/compliance")
        await shown.says("LO-2027-1", decided, str(until))
