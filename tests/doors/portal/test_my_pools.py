"""A reseller sees its own pools and asks for cards; what is another's is not there."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.stock import warehouse

from qucheng.stock import pool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

pytestmark = pytest.mark.anyio
HERE = "/portal/pools"
LAST = dt.date(2100, 1, 1)


async def test_own_levels_and_own_requests(house: browser.House, tmp_path: Path) -> None:
    brand = await warehouse.brand(tmp_path)
    mine, other = await warehouse.opened(brand, "R1", "web"), await warehouse.opened(brand, "R2")
    await warehouse.stocked(brand, *[LAST] * 3, pool=mine)
    await warehouse.stocked(brand, *[LAST] * 7, pool=other)
    await pool.set_rule(brand_id=brand.id, pool=mine, sku="card", low_level=4, borrow_quota=None, actor=warehouse.ACTOR)
    admin, _ = await visits.entered(house, brand.id, "admin", reseller="R1")
    await admin.get(HERE)
    page = visits.plain(admin.page)
    assert ("视频月卡 网店 Runs low 3 0 0 0 0 0" in page, " 7 " in page) == (True, False)

    wrong = await admin.send(HERE, sku="tea", channel="", quantity="5")
    assert (wrong.status_code, await books.seen(brand, "SELECT 1 FROM allocation_request")) == (422, [])
    fields = {"sku": "card", "channel": "web", "quantity": "5", "note": "for the fair"}
    assert (await admin.send(HERE, **fields)).headers["location"] == f"{HERE}?done=asked"
    assert (await admin.send(HERE, **fields)).status_code == 409
    rows = await books.seen(brand, "SELECT id, reseller, channel, sku, quantity, note, state FROM allocation_request")
    assert [row[1:] for row in rows] == [("R1", "web", "card", 5, "for the fair", "waiting")]

    seller, _ = await visits.entered(house, brand.id, "seller", reseller="R1")
    stranger, _ = await visits.entered(house, brand.id, "admin", reseller="R2")
    await seller.get(HERE)
    await stranger.get(HERE)
    assert ("for the fair" in seller.page, "/withdraw" in seller.page, "for the fair" in stranger.page) == (True, False, False)
    gone = f"{HERE}/requests/{rows[0][0]}/withdraw"
    assert (await stranger.send(gone)).status_code == 404
    assert await books.seen(brand, "SELECT state FROM allocation_request") == [("waiting",)]
    await admin.get(HERE)
    assert ((await admin.send(gone)).status_code, (await admin.send(gone)).status_code) == (303, 409)
    assert await books.seen(brand, "SELECT state FROM allocation_request") == [("withdrawn",)]
