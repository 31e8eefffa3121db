"""Offers on pages: made as typed or refused field by field, warned about when cards are few, printed, and ended."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim
from qucheng.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
DAYS = (dt.date(2100, 1, 1),) * 3


@pytest.fixture
async def stocked(house: browser.House, tmp_path: Path) -> Brand:
    """Three cards in the pool of R1, number 1."""
    assert house
    brand = await warehouse.brand(tmp_path)
    assert await warehouse.opened(brand, "R1") == 1
    await warehouse.stocked(brand, *DAYS, pool=1)
    return brand


def typed(**changes: str) -> dict[str, str]:
    today = clock.now().date()
    days = {"starts_at": f"{today - dt.timedelta(days=2)}T00:00", "ends_at": f"{today + dt.timedelta(days=2)}T08:30"}
    given = {"code": "spring", "name": "春日礼", "sku": "card", "reseller": "R1", "channel": "", "period": "ever", "quota": "2"}
    return given | days | changes


async def test_an_offer_is_made_as_it_was_typed_or_refused_field_by_field(house: browser.House, stocked: Brand) -> None:
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/offers")
    assert "No offers yet" in manager.page
    await manager.get("/offers/new")
    wrong = {
        "code": typed(code="new"),
        "name": typed(name=" "),
        "sku": typed(sku=""),
        "reseller": typed(reseller=""),
        "period": typed(period="hour"),
        "quota": typed(quota="0"),
        "starts_at": typed(starts_at="tomorrow"),
        "ends_at": typed(ends_at="2026-01-01T00:00"),
    }
    for field, fields in wrong.items():
        refused = await manager.send("/offers/new", **fields)
        assert (refused.status_code, f'id="{field}-fault"' in refused.text, "R1" in refused.text) == (
            422,
            True,
            field != "reseller",
        )
    nobody = await manager.send("/offers/new", **typed(reseller="R9"))
    assert (nobody.status_code, 'id="reseller-fault"' in nobody.text, 'value="R9"' in nobody.text) == (422, True, True)
    tea = await manager.send("/offers/new", **typed(sku="tea"))
    assert (tea.status_code, 'id="sku-fault"' in tea.text) == (422, True)
    assert await books.seen(stocked, "SELECT 1 FROM claim_offer") == []
    made = await manager.send("/offers/new", **typed())
    assert (made.status_code, made.headers["location"]) == (303, "/offers/spring?done=made")
    rows = await books.seen(
        stocked, "SELECT name, sku, pool, period, quota, ends_at AT TIME ZONE 'Asia/Shanghai' FROM claim_offer"
    )
    ends = dt.datetime.fromisoformat(typed()["ends_at"])
    assert (stocked.time_zone, rows) == ("Asia/Shanghai", [("春日礼", "card", 1, "ever", 2, ends)])
    again = await manager.send("/offers/new", **typed(name="another"))
    assert (again.status_code, 'id="code-fault"' in again.text) == (409, True)


async def test_what_was_taken_and_what_is_left_is_shown_until_it_ends(house: browser.House, stocked: Brand) -> None:
    manager, _ = await visits.entered(house, stocked.id, "manager")
    await manager.get("/offers/new")
    assert (await manager.send("/offers/new", **typed())).status_code == 303
    assert (await manager.send("/offers/new", **typed(code="large", quota=""))).status_code == 303
    now = clock.now()
    one = claim.ask(brand=stocked, keys=house.keys, subject="tel:+8613800000101")
    await claim.DESK.claim(brand=stocked, code="spring", one=one, now=now)
    page = await manager.get("/offers/spring")
    assert f"/claim/{stocked.code}/spring" in page.text
    shown = visits.plain(page.text)
    assert ("Cards in the pool 2 Claimed 1 / 2" in shown, "fewer cards" in shown) == (True, False)
    # the control: one card less than is left to claim
    await manager.get("/offers/new")
    assert (await manager.send("/offers/new", **typed(code="more", quota="3"))).status_code == 303
    await manager.get("/offers/more")
    assert "The pool has fewer cards than are left to claim" in manager.page
    support, _ = await visits.entered(house, stocked.id, "support")
    await support.get("/offers?state=running&text=spri")
    assert ("1–1 of 1" in visits.plain(support.page), "/offers/new" in support.page) == (True, False)
    code = await support.get("/offers/spring/code/svg")
    assert (code.status_code, code.headers["content-type"], (await support.get("/offers/spring/code/gif")).status_code) == (
        200, "image/svg+xml", 404,
    )  # fmt: skip
    assert "春日礼 视频月卡" in visits.plain((await support.get("/offers/spring/poster")).text)
    assert ((await support.get("/offers/spring/end")).status_code, (await support.get("/offers/none")).status_code) == (404, 404)
    await manager.get("/offers/spring/end")
    ended = await manager.send("/offers/spring/end")
    assert ended.headers["location"] == "/offers/spring?done=ended"
    other = claim.ask(brand=stocked, keys=house.keys, subject=uuid.uuid4().hex)
    with pytest.raises(claim.EndedError):
        await claim.DESK.claim(brand=stocked, code="spring", one=other, now=clock.now())
    await manager.get("/offers/spring")
    assert ("Ended" in visits.plain(manager.page), "/offers/spring/end" in manager.page) == (True, False)
