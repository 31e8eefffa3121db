"""Overview, analytics and the risk queue as people of a brand see them, with the figures of books that are known."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits

from qucheng.risk import alert, limits, queries, rules

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TODAY = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
MONTH = f"{TODAY:%Y-%m}"


@pytest.fixture
async def shop(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """It sold 150.00 today, of which 20.00 went back at once."""
    assert workspace
    folder = books.write(
        tmp_path / "shop",
        code=f"i-{uuid.uuid4().hex[:20]}",
        resellers=["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,,gold,2026-01-01,"],
        orders=[f"O1,1,{TODAY}T00:00:01,R1,web,card,1,100.00,,x", f"O2,1,{TODAY}T00:00:02,R2,web,card,2,60.00,10.00,x"],
        refunds=[f"F1,O1,1,{TODAY}T00:00:03,0,20.00"],
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


@pytest.fixture
async def found(shop: Brand) -> uuid.UUID:
    """An alert about R1."""
    now = dt.datetime.now(dt.UTC)
    told = {
        "net_minor": 60000,
        "refunded_minor": 50000,
        "refunds": 5,
        "share_ppm": 833333,
        "limit_ppm": 300000,
        "order_count": 60,
    }
    finding = rules.Finding(
        rule="refund.share",
        subject="R1",
        reseller="R1",
        starts_at=now - dt.timedelta(days=30),
        ends_at=now,
        evidence={**told, "orders": ["F1", "F2"]},
    )
    await alert.keep(brand_id=shop.id, found=[finding], limits=None, now=now)
    return (await queries.page(brand_id=shop.id, chosen=queries.Chosen(), size=1)).alerts[0].id


async def test_the_overview_is_where_work_begins(house: browser.House, shop: Brand, found: uuid.UUID) -> None:
    visitor, _ = await visits.entered(house, shop.id, "accountant")
    assert (await visitor.get("/")).headers["location"] == "/overview"
    page = visits.plain((await visitor.get("/overview?lang=en")).text)
    assert "Sold today ¥ 150 .00 2 orders · refunds ¥20.00" in page
    assert f"Sold in {MONTH} ¥ 150 .00 2 orders · — against ¥0.00 from" in page
    assert f"Refunded in {MONTH} ¥ 20 .00 1 refund, whenever it was sold · ¥0.00 on the same days before" in page
    assert f"Commission in {MONTH} ¥ 15 .00 " in page
    assert "· refunds took back ¥2.00" in page
    assert "Open risks 1" in page
    assert "会员月卡 card 3 150.00" in page
    assert "一号 R1 1 100.00 二号 R2 2 50.00" in page
    # who may not see a list is not told of it
    assert "Applications" not in page
    assert found


async def test_analytics_are_sorted_and_compared_in_the_address_and_taken_as_a_file(house: browser.House, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "auditor")
    page = visits.plain((await visitor.get("/analytics?lang=en&by=reseller&sort=name")).text)
    row = "100.00 0.00 — 1 20.00 20.0% 8.00 8.0% 0.0% 0.0%"
    assert f"一号 R1 {row} 二号 R2 50.00 0.00 — 2 0.00 0.0% 5.00 10.0% 16.7% 0.0%" in page
    assert "Total of 2 rows 150.00 0.00 — 3 20.00 13.3% 13.00 8.7% 6.3% 0.0%" in page
    falling = visits.plain((await visitor.get("/analytics?lang=en&by=reseller&sort=-name")).text)
    assert falling.index("二号") < falling.index("一号")
    empty = visits.plain((await visitor.get("/analytics?lang=en&from=2025-01&to=2025-02")).text)
    assert "Nothing was sold in these months" in empty
    # what cannot be read is not asked for
    assert "Total of 1 row 150.00" in visits.plain((await visitor.get("/analytics?lang=en&by=x&sort=y&from=z")).text)
    await visitor.open("/analytics?by=reseller")
    answer = await visitor.send("/analytics/export", form="csv", by="reseller", to=MONTH, sort="-net", **{"from": MONTH})
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert (
        answer.headers["content-disposition"]
        == f'attachment; filename="{shop.code}-reseller-{MONTH.replace("-", "")}-{MONTH.replace("-", "")}.csv"'
    )
    assert [line.split(",")[:4] for line in lines[1:]] == [["R1", "一号", "1", "100.00"], ["R2", "二号", "2", "50.00"]]


async def test_an_alert_is_decided_once_with_a_reason(
    house: browser.House, shop: Brand, found: uuid.UUID, owner: asyncpg.Connection
) -> None:
    visitor, who = await visits.entered(house, shop.id, "manager")
    listed = visits.plain((await visitor.get("/risks?lang=en&rule=refund.share&reseller=R1")).text)
    assert "Many refunds Refunds took back 83.3% of what 一号 sold in 30 days: ¥500.00 in refunds, from 30.0% on. R1" in listed
    assert "No alert fits" in visits.plain((await visitor.get("/risks?lang=en&rule=own.rising")).text)
    page = visits.plain((await visitor.open(f"/risks/{found}?lang=en")).text)
    assert "Net sales CNY 600.00 Refunded CNY 500.00 Refunds 5 Share 83.3% From when on 30.0%" in page
    assert "The first 2 of 60 orders F1 , F2" in page
    before = await owner.fetchval("SELECT count(*) FROM audit_record")
    silent = await visitor.send(f"/risks/{found}", state="confirmed", reason=" ")
    assert (silent.status_code, "Say what you found, in 1 to 500 characters." in silent.text) == (422, True)
    assert await owner.fetchval("SELECT count(*) FROM audit_record") == before
    assert (await visitor.send(f"/risks/{found}", state="confirmed", reason="货未发出")).headers["location"] == f"/risks/{found}"
    again = await visitor.send(f"/risks/{found}", state="dismissed", reason="x")
    assert (again.status_code, "The alert was decided already." in again.text) == (409, True)
    kept = await queries.read(brand_id=shop.id, alert_id=found)
    assert (kept.state, kept.reason, kept.decided_by) == ("confirmed", "货未发出", who.user_id)
    assert "No alert here" in visits.plain((await visitor.get("/risks?lang=en")).text)
    assert "Many refunds" in visits.plain((await visitor.get("/risks?lang=en&state=confirmed")).text)


async def test_limits_are_typed_in_percent_and_checked(house: browser.House, shop: Brand) -> None:
    visitor, _ = await visits.entered(house, shop.id, "owner")
    await visitor.open("/risks/limits?lang=en")
    typed = {name: str(least) for name, (least, _) in rules.BOUNDS.items()} | {"refund_share_ppm": "25", "own_share_ppm": "101"}
    wrong = await visitor.send("/risks/limits", **typed)
    assert (wrong.status_code, wrong.text.count("Whole numbers from 1 to 100.")) == (422, 2)
    assert (await limits.current(brand_id=shop.id)).version is None
    done = await visitor.send("/risks/limits", **{**typed, "own_share_ppm": "10"})
    assert (done.status_code, done.headers["location"]) == (303, "/risks?done=limits")
    current = await limits.current(brand_id=shop.id)
    assert (current.version, current.limits.refund_share_ppm, current.limits.own_share_ppm) == (1, 250_000, 100_000)
    assert (current.limits.refunds_least, current.limits.heads) == (1, 2)
