"""A price from the keyboard to the reseller: typed into the matrix, submitted, allowed by another, in force at midnight."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene

from qucheng.catalog import quote
from qucheng.core import clock, db

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
SKU, CHANNEL = "video-month", "web"
PRICES = "SELECT price_minor FROM price_cell WHERE brand_id = $1 AND version = (SELECT max(number) FROM price_version WHERE brand_id = $1) AND sku = $2 AND channel = $3"


async def priced(stage: Stage, cast: scene.Cast, minor: int | None) -> None:
    """What the draft has for the cell."""
    async with books.connected(stage.owner_url) as owner:
        assert await owner.fetchval(PRICES, cast.brand.id, SKU, CHANNEL) == minor


def cell(sku: str = SKU, channel: str = CHANNEL) -> str:
    return f'tr[data-sku="{sku}"] a.cell[href*="channel={channel}&tier="]'


async def code(stage: Stage, who: scene.Account) -> str:
    assert who.secret is not None
    return await stage.codes.code(who.secret)


async def base_prices(shown: screen.Screen) -> None:
    """The first version: base prices, typed one below the other."""
    await shown.open("/prices")
    await shown.send("/prices/draft")
    await shown.page.locator('tr[data-sku="meal-50"] .cell').first.focus()
    for price in ("49", "120", "24.50"):
        await shown.page.keyboard.type(price)
        async with shown.page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 200):
            await shown.page.keyboard.press("Enter")


async def submit_and_allow(stage: Stage, cast: scene.Cast, shown: screen.Screen, other: screen.Screen) -> dt.date:
    await shown.open("/prices/draft/submit")
    await shown.seemly()
    day = clock.now().astimezone(scene.SHANGHAI).date() + dt.timedelta(days=1)
    await shown.send("/prices/draft/submit", effective_on=day.isoformat(), code=await code(stage, cast.account("manager")))
    await shown.seemly()
    request = shown.path.partition("asked=")[2]
    await other.open(f"/approvals/{request}")
    await other.seemly()
    await other.send(f"/approvals/{request}", button="approve", code=await code(stage, cast.account("owner")))
    return day


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_a_price_from_the_keyboard_to_the_reseller(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await stage.brand(f"p{language[:2]}{width}{theme[0]}", "山岚权益", months=1)
    async with (
        stage.opened(cast.account("manager"), language, width, theme) as shown,
        stage.opened(cast.account("owner"), language, width, theme) as other,
    ):
        shown.allowed = other.allowed = {409, 422}
        await base_prices(shown)
        await keys_and_sheet(stage, cast, shown)
        await both_at_one_cell(stage, cast, shown, other)
        await shown.open(f"/prices/cell?sku={SKU}&channel={CHANNEL}&tier=")
        await shown.seemly("prices-cell")
        day = await submit_and_allow(stage, cast, shown, other)
        await shown.open("/prices/versions")
        await shown.seemly()
        await in_force_at_midnight(stage, cast, day)


async def keys_and_sheet(stage: Stage, cast: scene.Cast, shown: screen.Screen) -> None:
    """Escape keeps the old price, what is no price is said where it was typed, and a tab goes on to the right."""
    await shown.open("/prices")
    place = shown.page.locator(cell())
    await place.focus()
    await shown.page.keyboard.press("Enter")
    field = shown.page.locator(".cell-input")
    await field.fill("26")
    await shown.page.keyboard.press("Escape")
    await priced(stage, cast, None)
    assert await place.evaluate("each => each === document.activeElement")
    await shown.page.keyboard.type("2")
    await field.fill("dear")
    async with shown.page.expect_response(lambda answer: answer.status == 422):
        await shown.page.keyboard.press("Enter")
    wrong = shown.page.locator('#inspector [aria-invalid="true"]')
    await wrong.wait_for()
    assert await wrong.input_value() == "dear"
    await shown.seemly()
    await wrong.fill("26.40")
    async with shown.page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 200):
        await shown.page.keyboard.press("Enter")
    await shown.page.locator(f"{cell()}.draft").wait_for()
    await priced(stage, cast, 2640)
    await shown.seemly("prices-inspector")
    await shown.page.keyboard.press("Escape")
    await shown.page.locator("#inspector.is-open").wait_for(state="detached")
    await shown.seemly("prices-matrix")


async def both_at_one_cell(stage: Stage, cast: scene.Cast, shown: screen.Screen, other: screen.Screen) -> None:
    """The second is shown what the first has saved, keeps what they typed, and may save it over that."""
    await other.open("/prices")
    await shown.open("/prices")
    for at, price, status in ((other, "27", 200), (shown, "28", 409)):
        await at.page.locator(cell()).focus()
        await at.page.keyboard.type(price)
        async with at.page.expect_response(lambda answer, status=status: answer.status == status):  # type: ignore[misc]
            await at.page.keyboard.press("Enter")
    await shown.page.locator("[data-conflict]").wait_for()
    assert "27.00" in await shown.page.locator("[data-conflict]").inner_text()
    assert await shown.page.locator("#price").input_value() == "28"
    await priced(stage, cast, 2700)
    await shown.seemly("prices-conflict")
    async with shown.page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 200):
        await shown.page.locator('#cell-form button[value="save"]').click()
    await priced(stage, cast, 2800)


async def in_force_at_midnight(stage: Stage, cast: scene.Cast, day: dt.date) -> None:
    midnight = dt.datetime.combine(day, dt.time(), scene.SHANGHAI)
    asked = {"brand_id": cast.brand.id, "sku": SKU, "channel": CHANNEL, "reseller": "D01", "quantity": 1, "as_reseller": True}
    async with db.connected(stage.app_url):
        found = await quote.resolve(**asked, at=midnight)  # type: ignore[arg-type]
        assert (found.unit_minor, found.level, found.next_minor) == (2800, "channel", None)
        offers = await quote.listing(brand_id=cast.brand.id, reseller="D01", at=midnight)
        assert {(offer.sku, offer.channel): offer.unit_minor for offer in offers.rows} == {
            ("meal-50", "store"): 4900,
            ("meal-50", "web"): 4900,
            ("music-year", "store"): 12000,
            ("music-year", "web"): 12000,
            (SKU, "store"): 2450,
            (SKU, "web"): 2800,
        }
        before = await quote.listing(brand_id=cast.brand.id, reseller="D01", at=midnight - dt.timedelta(microseconds=1))
        assert before.rows == []
