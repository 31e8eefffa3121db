"""A commission plan in Chromium: a plan that the law forbids is refused, mended, submitted, approved by another, and has its certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene

from qucheng.core import db

if TYPE_CHECKING:
    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 390, "light"),
    ("en", 1440, "light"),
    pytest.param("zh-CN", 1440, "dark", marks=pytest.mark.long),
    pytest.param("en", 390, "dark", marks=pytest.mark.long),
]
FORBIDDEN = """code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on,event,reads
BASE,percent,1,,,,gold,net,0.08,0,,,,
VIDEO,percent,1,,video,,gold,net,0.12,10,,,,
JOIN,percent,,,,,,net,0.1,0,,,join,
TEAM,team,,,,,,net,0.05,0,,,,team_volume
DIFF,differential,2,,,,,net,0.03,0,,,,
"""
CLAUSES = ("第七条（一）", "第七条（三）")
MENDED = {
    "zh-CN": ("方案可以发布", "方案不能发布", "方案未提交", "生效中"),
    "en": ("The plan can be published", "The plan can't be published", "The plan was not submitted", "In force"),
}


@dataclass
class Making:
    """shown: what the manager sees. second: another manager. version: the number of the plan."""

    stage: Stage
    cast: scene.Cast
    shown: screen.Screen
    second: scene.Account
    words: tuple[str, ...] = field(default=())

    async def ask(self, query: str) -> list[object]:
        async with books.connected(self.stage.owner_url) as owner:
            return [row[0] for row in await owner.fetch(query, self.cast.brand.id)]

    async def code(self) -> str:
        account = self.cast.account("manager")
        assert account.secret is not None
        return await self.stage.codes.code(account.secret)


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_plan_refused_mended_and_approved(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    code = f"p{language[:2]}{width}".lower()
    cast = await stage.brand(code, "山岚权益", months=2)
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        second = await scene.account(owner, stage.keys, cast.brand.id, code, "manager")
    async with stage.opened(cast.account("manager"), language, width, theme) as shown:
        making = Making(stage, cast, shown, second, MENDED[language])
        await open_a_draft(making)
        await take_in_what_is_forbidden(making)
        await try_to_submit_it(making)
        await mend_it(making)
        await try_an_order(making)
        await simulate(making)
        await submit_it(making)
        await approve_it(making)
        await take_the_certificate(making)
    await read_as_an_auditor(making)


async def open_a_draft(making: Making) -> None:
    shown = making.shown
    await shown.open("/plans")
    await shown.says("BASE", "VIDEO", "UP")
    await shown.seemly("plans-delivered")
    await shown.send("/plans/draft/open")
    assert shown.path == "/plans/draft?done=opened"
    await shown.seemly("plan-draft")


async def take_in_what_is_forbidden(making: Making) -> None:
    """First with a row that can't be read: nothing of the file is taken."""
    shown = making.shown
    await shown.open("/plans/draft/import")
    shown.allowed = {422}
    await shown.send("/plans/draft/import", text=FORBIDDEN.replace("0.08", "8x"))
    assert await shown.page.locator("tbody .pill.bad").count() == 1
    await shown.seemly("plan-import-wrong")
    assert await making.ask("SELECT code FROM plan_draft_rule WHERE brand_id = $1 ORDER BY code") == ["BASE", "UP", "VIDEO"]
    shown.allowed = set()
    await shown.send("/plans/draft/import", text=FORBIDDEN)
    assert shown.path == "/plans/draft?done=taken"
    await shown.says(making.words[1], "JOIN", "TEAM", "DIFF", *CLAUSES)
    await shown.seemly("plan-draft-forbidden")


async def try_to_submit_it(making: Making) -> None:
    """It stays a draft; that it was tried stays too."""
    shown = making.shown
    await shown.open("/plans/draft/submit")
    await shown.seemly("plan-submit-forbidden")
    shown.allowed = {422}
    await shown.send("/plans/draft/submit")
    await shown.says(making.words[2], *CLAUSES)
    await shown.seemly("plan-submit-refused")
    shown.allowed = set()
    assert await making.ask("SELECT state FROM plan_version WHERE brand_id = $1") == ["draft"]
    assert await making.ask("SELECT count(*) FROM approval WHERE brand_id = $1") == [0]


async def mend_it(making: Making) -> None:
    """What the law forbids goes; a rule is changed with the form, turned to another kind and back."""
    shown = making.shown
    for code in ("JOIN", "TEAM", "DIFF"):
        await shown.open("/plans/draft")
        form = shown.page.locator('main form[action="/plans/draft/drop"]', has=shown.page.locator(f'input[value="{code}"]'))
        async with shown.page.expect_navigation(wait_until="load"):
            await form.locator('[type="submit"]').click()
    await shown.says(making.words[0])
    await shown.open("/plans/draft/rule?code=BASE")
    await shown.seemly("plan-rule")
    await shown.send("/plans/draft/rule?code=BASE", button="kind:graduated", rate="9%")
    await shown.seemly("plan-rule-bonus")
    await shown.send("/plans/draft/rule?code=BASE", button="kind:percent")
    assert await shown.page.locator("#rate").input_value() == "9%"
    shown.allowed = {422}
    await shown.send("/plans/draft/rule?code=BASE", button="save", rate="nine")
    assert await shown.page.locator(".error-summary").count() == 1
    await shown.seemly("plan-rule-wrong")
    shown.allowed = set()
    await shown.send("/plans/draft/rule?code=BASE", button="save", rate="9%")
    assert shown.path == "/plans/draft?done=saved"
    await shown.says(making.words[0], "BASE-2", "9.00%")
    await shown.seemly("plan-draft-mended")


async def try_an_order(making: Making) -> None:
    """Of D02, who stands below D01: the seller earns by the changed rule, nobody else by the dropped one."""
    shown = making.shown
    await shown.open("/plans/trial")
    await shown.fill(
        shown.form("/plans/trial"), {"reseller": "D02", "channel": "web", "sku": "music-year", "quantity": "2", "price": "128"}
    )
    async with shown.page.expect_navigation(wait_until="load"):
        await shown.form("/plans/trial").locator('[type="submit"]').click()
    await shown.says("BASE-2", "256.00", "9.00%", "23.04")
    await shown.seemly("plan-trial")


async def simulate(making: Making) -> None:
    shown = making.shown
    await shown.open("/plans/simulations")
    await shown.seemly("plan-simulations")
    await shown.send("/plans/simulations", last=f"{making.cast.months[-1]:%Y-%m}", first=f"{making.cast.months[0]:%Y-%m}")
    here = shown.path
    await shown.until(here, ".kpis")
    await shown.seemly("plan-simulation")
    await shown.open(f"{here}?by=sku")
    await shown.seemly("plan-simulation-sku")
    name, content = await shown.download('form[action$="/export"] button[value="csv"]')
    assert (name, content[:3]) == ("plan-1-sku.csv", b"\xef\xbb\xbf")


async def submit_it(making: Making) -> None:
    shown = making.shown
    await shown.open("/plans/draft/submit")
    shown.allowed = {422}
    await shown.send("/plans/draft/submit", code="000000")
    assert await shown.page.locator("#code[aria-invalid]").count() == 1
    shown.allowed = set()
    await shown.send("/plans/draft/submit", name="春季方案", code=await making.code())
    assert shown.path == "/plans/draft?done=asked"
    await shown.seemly("plan-submitted")
    assert await making.ask("SELECT state FROM plan_version WHERE brand_id = $1") == ["submitted"]


async def approve_it(making: Making) -> None:
    """By the other manager: whoever submitted it finds no button."""
    shown = making.shown
    (approval,) = await making.ask("SELECT id FROM approval WHERE brand_id = $1")
    here = f"/approvals/{approval}"
    await shown.open(here)
    assert await shown.page.locator('main form button[value="approve"]').count() == 0
    async with making.stage.opened(making.second, shown.language, shown.width, shown.theme) as other:
        await other.open(here)
        await other.says("BASE-2")
        await other.seemly("plan-approval")
        assert making.second.secret is not None
        await other.send(here, button="approve", code=await making.stage.codes.code(making.second.secret))
    assert await making.ask("SELECT state FROM plan_version WHERE brand_id = $1") == ["approved"]


async def take_the_certificate(making: Making) -> None:
    shown = making.shown
    await shown.until("/plans/1", 'main a[href="/plans/1/certificate"]')
    await shown.says("BASE-2", "春季方案")
    await shown.seemly("plan-version")
    name, content = await shown.download('main a[href="/plans/1/certificate"]')
    assert name == f"{making.cast.brand.code}-plan-1.pdf"
    assert content[:5] == b"%PDF-"
    await shown.open("/plans")
    await shown.seemly("plans")


async def read_as_an_auditor(making: Making) -> None:
    """An auditor reads all of it and changes nothing."""
    shown = making.shown
    async with making.stage.opened(making.cast.account("auditor"), shown.language, shown.width, shown.theme) as reader:
        await reader.open("/plans/refused")
        await reader.says(*CLAUSES)
        await reader.seemly("plan-refused")
        await reader.open("/plans")
        assert await reader.page.locator('main form[action="/plans/draft/open"]').count() == 0
