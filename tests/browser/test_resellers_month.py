"""A reseller's month on a telephone and on a desk: what was earned, a row that is disputed and answered, the confirmation, the team."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

if TYPE_CHECKING:
    from tests.browser import scene, screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 390, "light"),
    ("en", 1440, "light"),
    pytest.param("zh-CN", 1440, "dark", marks=pytest.mark.long),
    pytest.param("en", 390, "dark", marks=pytest.mark.long),
]
WHY = "这一行的价格应为 128 元"
ANSWER = "价格与下单时的渠道价一致"
WRONG = {"zh-CN": "登录名或密码不对。", "en": "The login or the password is wrong."}


@dataclass
class Month:
    """shown: what the reseller's administrator sees; statement: the number of the only one."""

    stage: Stage
    cast: scene.Cast
    shown: screen.Screen
    statement: str = ""

    @property
    def here(self) -> str:
        return f"/portal/statements/{self.statement}"

    async def ask(self, query: str, *values: object) -> list[object]:
        async with books.connected(self.stage.owner_url) as owner:
            return [row[0] for row in await owner.fetch(query, self.cast.brand.id, *values)]


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_month_from_the_first_order_to_the_confirmation(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await stage.brand(f"r{language[:2]}{width}", "山岚权益", months=2)
    async with stage.opened(None, language, width, theme) as shown:
        month = Month(stage, cast, shown)
        await enter(month)
        await look_at_orders(month)
        await take_the_statement(month)
        await dispute_with_a_double_click(month)
        await answer(month)
        await confirm_with_a_double_click(month)
        await invite(month)
        await nothing_of_others(month)


async def enter(month: Month) -> None:
    """First with a wrong password."""
    shown, account = month.shown, month.cast.account("admin")
    await shown.open("/portal")
    shown.allowed = {422}
    await shown.send("/sign-in", login=account.login, password=people.WRONG)
    await shown.says(WRONG[shown.language])
    shown.allowed = set()
    await shown.send("/sign-in", password=people.PASSWORD)
    assert shown.path == "/portal"
    await shown.seemly("portal-home")


async def look_at_orders(month: Month) -> None:
    shown = month.shown
    await shown.open("/portal/orders")
    await shown.seemly("portal-orders")
    await shown.page.locator('main a[href^="/portal/orders/S"]').first.click()
    await shown.page.wait_for_load_state("load")
    await shown.seemly("portal-order")
    await shown.open("/portal/orders/below")
    await shown.seemly("portal-below")


async def take_the_statement(month: Month) -> None:
    """It is there once its documents are made."""
    shown = month.shown
    await shown.until("/portal/statements", 'main a[href^="/portal/statements/"]')
    await shown.seemly("portal-statements")
    (number,) = await month.ask("SELECT statement_no FROM statement WHERE brand_id = $1 AND reseller = 'D01'")
    month.statement = str(number)
    await shown.open(month.here)
    await shown.seemly("portal-statement")
    for form, beginning in {"pdf": b"%PDF-", "xlsx": b"PK\x03\x04", "csv": b"row,"}.items():
        name, content = await shown.download(f'.btn-group a[href$="/{form}"]')
        assert (name, content[: len(beginning)]) == (f"{month.statement}.{form}", beginning)


async def dispute_with_a_double_click(month: Month) -> None:
    shown, row = month.shown, f"{month.here}/rows/1"
    await shown.open(row)
    shown.allowed = {422}
    await shown.send(row, reason="")
    assert await shown.page.locator(".error-summary").count() == 1
    await shown.seemly("portal-dispute-wrong")
    shown.allowed = set()
    await shown.form(row).locator('[name="reason"]').fill(WHY)
    await shown.twice(shown.form(row).locator('[type="submit"]'))
    assert shown.path.startswith(f"{month.here}?said=")
    await shown.says(WHY)
    await shown.seemly("portal-disputed")
    assert await month.ask("SELECT reason FROM dispute WHERE brand_id = $1") == [WHY]


async def answer(month: Month) -> None:
    """By an accountant, who rejects it; the reseller reads why."""
    shown = month.shown
    (dispute,) = await month.ask("SELECT id FROM dispute WHERE brand_id = $1")
    address = f"/disputes/{dispute}"
    async with month.stage.opened(month.cast.account("accountant"), shown.language, shown.width, shown.theme) as desk:
        await desk.open("/exceptions")
        await desk.seemly("desk-exceptions")
        await desk.open(address)
        await desk.seemly("desk-dispute")
        await desk.send(f"{address}/reject", answer=ANSWER)
        await desk.seemly("desk-dispute-rejected")
    await shown.open(month.here)
    await shown.says(WHY, ANSWER)


async def confirm_with_a_double_click(month: Month) -> None:
    shown = month.shown
    await shown.twice(shown.form(f"{month.here}/confirm").locator('[type="submit"]'))
    assert shown.path.startswith(f"{month.here}?said=")
    assert await shown.page.locator(f'form[action="{month.here}/confirm"]').count() == 0
    await shown.seemly("portal-confirmed")
    assert len(await month.ask("SELECT number FROM statement_confirmation WHERE brand_id = $1")) == 1


async def invite(month: Month) -> None:
    shown = month.shown
    await shown.open("/portal/team")
    shown.allowed = {422}
    await shown.send("/portal/team", login="nobody")
    shown.allowed = set()
    await shown.send("/portal/team", login=f"seller-{month.cast.brand.code}@example.com")
    await shown.seemly("portal-team")
    assert await month.ask("SELECT role FROM invitation WHERE brand_id = $1") == ["seller"]
    for path in ("/portal/profile", "/account/sessions"):
        await shown.open(path)
        await shown.seemly(path.strip("/").replace("/", "-"))


async def nothing_of_others(month: Month) -> None:
    """A sibling's statement and order, and the brand's own pages, are not there."""
    shown = month.shown
    (statement,) = await month.ask("SELECT statement_no FROM statement WHERE brand_id = $1 AND reseller = 'D03'")
    order, *_ = await month.ask("SELECT order_no FROM order_line WHERE brand_id = $1 AND reseller = 'D03' ORDER BY order_no")
    shown.allowed = {404}
    for address in (
        f"/portal/statements/{statement}",
        f"/portal/orders/{order}",
        "/runs",
        "/journal",
        f"/statements/{month.statement}",
    ):
        assert (await shown.open(address)).status == 404, address
