"""An accountant's month, from the sign-in to the books, with the mistakes that people make on the way."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene

if TYPE_CHECKING:
    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 1440, "light"),
    ("en", 390, "light"),
    pytest.param("zh-CN", 390, "dark", marks=pytest.mark.long),
    pytest.param("en", 1440, "dark", marks=pytest.mark.long),
]
WORDS = {
    "zh-CN": ("已发布", "验证码不对", "由另一人决定"),
    "en": ("Published", "The code is wrong", "Another person decides this"),
}

WAITING = "SELECT count(*) FROM approval WHERE brand_id = $1 AND state = 'waiting' AND action = 'adjustment.add'"


@dataclass
class Month:
    """Who works on it, and what they see."""

    stage: Stage
    cast: scene.Cast
    shown: screen.Screen
    other: screen.Screen
    run: str = ""

    async def code(self, number: int = 0) -> str:
        secret = self.cast.account("accountant", number).secret
        assert secret is not None
        return await self.stage.codes.code(secret)

    async def count(self, query: str) -> int:
        async with books.connected(self.stage.owner_url) as owner:
            return int(await owner.fetchval(query, self.cast.brand.id))

    @property
    def here(self) -> str:
        return f"/runs/{self.run}"


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_month_from_the_delivery_to_the_books(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await stage.brand(f"m{language[:2]}{width}", "山岚权益", months=2)
    async with (
        stage.opened(None, language, width, theme) as shown,
        stage.opened(cast.account("accountant", 1), language, width, theme) as other,
    ):
        month = Month(stage, cast, shown, other)
        await stage.sign_in(shown, cast.account("accountant"))
        await deliver(month)
        await compute(month, 1)
        await discard_behind_an_open_page(month)
        await ask(month)
        await decide_with_a_double_click(month)
        await take_documents(month)
        await explain(month)
        await adjust_over_a_lost_connection(month)
        await read_the_books(month)
        await nothing_of_another_brand(month)


async def deliver(month: Month) -> None:
    """Two rows, of which one names a product that there is not."""
    day = month.cast.months[-1].replace(day=20).isoformat()
    rows = [
        f"LATE{number},1,{day}T10:0{number}:00,D01,web,{sku},1,100.00,,b1" for number, sku in ((1, "music-year"), (2, "no-such"))
    ]
    file = "\n".join([",".join(books.COLUMNS["orders"]), *rows, ""]).encode()
    shown = month.shown
    await shown.open("/uploads")
    await shown.page.set_input_files("#file", {"name": "orders.csv", "mimeType": "text/csv", "buffer": file})
    await shown.send("/uploads", kind="orders")
    await shown.until(shown.path, "#files")
    assert await shown.page.locator("tfoot td").all_inner_texts() == ["2", "1", "0", "1", "0"]
    await shown.seemly("month-delivery")


async def compute(month: Month, number: int) -> None:
    """The month is computed by the worker, as this run of it, then checked."""
    shown = month.shown
    month.run = f"{month.cast.brand.code}-{month.cast.months[-1]:%Y%m}-{number}"
    await shown.open("/runs")
    await shown.send("/runs/compute")
    await shown.until("/runs", f'a[href="{month.here}"]')
    await shown.open(month.here)
    await shown.send(f"{month.here}/check")
    assert await shown.page.locator("#check ~ .pill.ok").count() == 1
    await shown.seemly("month-run")


async def discard_behind_an_open_page(month: Month) -> None:
    """What one has open another throws away: the old page does nothing, and says so."""
    shown = month.shown
    await shown.open(f"{month.here}/request")
    await month.other.open(f"{month.here}/discard")
    await month.other.send(f"{month.here}/discard")
    shown.allowed = {409}
    await shown.send(f"{month.here}/request", code=await month.code())
    shown.allowed = set()
    assert await month.count("SELECT count(*) FROM approval WHERE brand_id = $1") == 0
    await compute(month, 2)


async def ask(month: Month) -> None:
    shown, (_, wrong, another) = month.shown, WORDS[month.shown.language]
    await shown.open(f"{month.here}/request")
    shown.allowed = {422}
    await shown.send(f"{month.here}/request", code="000000")
    await shown.says(wrong)
    shown.allowed = set()
    await shown.seemly("month-request")
    await shown.send(f"{month.here}/request", code=await month.code())
    await shown.open("/approvals")
    await shown.page.locator('main a[href^="/approvals/"]').first.click()
    await shown.page.wait_for_load_state("load")
    await shown.says(another)
    assert await shown.page.locator("main form").count() == 0
    assert await month.count("SELECT count(*) FROM approval WHERE brand_id = $1 AND state = 'waiting'") == 1


async def decide_with_a_double_click(month: Month) -> None:
    """Two clicks send the form twice: it is done once, and the second finds it done."""
    shown = month.other
    await shown.open("/approvals")
    await shown.page.locator('main a[href^="/approvals/"]').first.click()
    await shown.page.wait_for_load_state("load")
    await shown.seemly("month-decision")
    form = shown.form(shown.path)
    await form.locator('[name="code"]').fill(await month.code(1))
    shown.allowed = {409, 422}
    await shown.twice(form.locator('[value="approve"]'))
    await shown.until(shown.path, ".page-title .pill.ok")
    shown.allowed = set()
    drafted = await month.count(
        "SELECT statements FROM settlement_run WHERE brand_id = $1 ORDER BY period DESC, number DESC LIMIT 1"
    )
    published = WORDS[shown.language][0]
    await month.shown.until(month.here, f'.page-title .pill:has-text("{published}")')
    await month.shown.seemly("month-published")
    assert await month.count("SELECT count(*) FROM approval WHERE brand_id = $1 AND state = 'executed'") == 1
    assert await month.count("SELECT count(*) FROM task WHERE brand = $1 AND kind = 'settlement.issue'") == 1
    issued = "SELECT count(*) FROM statement WHERE brand_id = $1 AND period = (SELECT max(period) FROM settlement_run WHERE brand_id = $1)"
    assert await month.count(issued) == drafted == len(scene.RESELLERS)


async def take_documents(month: Month) -> None:
    """Of one statement in three forms, and of all in one file that is made behind the page."""
    shown = month.shown
    await shown.open(month.here)
    address = await shown.page.locator('main a[href^="/statements/"]').first.get_attribute("href")
    assert address is not None
    await shown.open(address)
    begins = {"pdf": b"%PDF-", "xlsx": b"PK\x03\x04", "csv": b"row,"}
    for form, beginning in begins.items():
        name, content = await shown.download(f'.btn-group a[href$="/{form}"]')
        assert (name.endswith(f".{form}"), content[: len(beginning)]) == (True, beginning)
    await shown.open(month.here)
    await shown.send(f"{month.here}/archive")
    await shown.until("/exports", 'a[href$="/file"]')
    await shown.seemly("month-exports")
    _, archive = await shown.download('a[href$="/file"]')
    kinds = [name.rpartition(".")[2] for name in zipfile.ZipFile(io.BytesIO(archive)).namelist()]
    assert {kind: kinds.count(kind) for kind in begins} == dict.fromkeys(begins, len(scene.RESELLERS))


async def explain(month: Month) -> None:
    """Why a product earned what it did."""
    shown = month.shown
    await shown.open(month.here)
    await shown.page.locator('main a[href^="/statements/"]').first.click()
    await shown.page.wait_for_load_state("load")
    await shown.seemly("month-statement")
    await shown.page.locator('main a[href*="why="]').first.click()
    await shown.page.wait_for_load_state("load")
    assert await shown.page.locator(".why-row").count() == 1
    await shown.seemly("month-statement-why")


async def adjust_over_a_lost_connection(month: Month) -> None:
    """The line is cut while the form is on its way: nothing is lost, and sent again it is asked for once."""
    shown, page = month.shown, month.shown.page
    await shown.open("/adjustments/new")
    shown.allowed = {422}
    await shown.send("/adjustments/new", button="show", amount="abc")
    assert await page.locator(".error-summary").count() == 1
    await shown.seemly("month-adjustment-wrong")
    shown.allowed = set()
    await shown.send(
        "/adjustments/new", button="show", reseller="D01", amount="-12.50", reason="correction", reference="LATE1", note=""
    )
    assert await page.locator(".error-summary").count() == 0, await page.locator("main").inner_text()
    await shown.seemly("month-adjustment-shown")
    before = await month.count(WAITING)
    shown.cut = True
    await page.context.set_offline(True)
    await shown.form("/adjustments/new").locator('[value="ask"]').click()
    await page.wait_for_url("chrome-error://**")
    assert await month.count(WAITING) == before
    await page.context.set_offline(False)
    await page.reload(wait_until="load")
    shown.cut = False
    assert shown.path.startswith("/adjustments?asked=")
    assert await month.count(WAITING) == before + 1
    await month.other.open(f"/approvals/{shown.path.partition('=')[2]}")
    await month.other.send(month.other.path, button="approve", code=await month.code(1))
    assert await month.count(WAITING) == before
    assert await month.count("SELECT sum(amount_minor) FROM adjustment WHERE brand_id = $1") == -1250
    await shown.open("/adjustments")
    await shown.seemly("month-adjustments")


async def read_the_books(month: Month) -> None:
    shown = month.shown
    for path, name in (("/journal", "month-journal"), ("/trial-balance", "month-trial-balance")):
        await shown.open(path)
        await shown.seemly(name)
    apart = "SELECT count(*) FROM (SELECT 1 FROM posting WHERE brand_id = $1 GROUP BY entry HAVING sum(debit_minor - credit_minor) <> 0) apart"
    assert await month.count(apart) == 0
    name, content = await shown.download('form[action="/trial-balance/export"] [type="submit"]')
    assert (name.startswith(f"{month.cast.brand.code}-trial-balance-"), len(content) > 0) == (True, True)


async def nothing_of_another_brand(month: Month) -> None:
    """Addresses of somebody else's run and statement are addresses of nothing."""
    shown = month.shown
    assert month.stage.other is not None
    async with books.connected(month.stage.owner_url) as owner:
        number = await owner.fetchval("SELECT statement_no FROM statement WHERE brand_id <> $1 LIMIT 1", month.cast.brand.id)
    shown.allowed = {404}
    for address in (f"/runs/{month.stage.other.brand.code}-202601-1", f"/statements/{number}", "/approvals/" + "0" * 8):
        assert (await shown.open(address)).status == 404
    await shown.seemly("not-found")
