"""The brand's overview and analytics: exact figures of known books, the same in both, and as their lists count them."""

from __future__ import annotations

import csv
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.insight import portal_brand
from tests.rooms.settlement import desk

from qucheng.insight import analytics, analytics_export, exceptions, order_desk, overview
from qucheng.network import application
from qucheng.settlement import dispute

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

APRIL = analytics.Range(first=dt.date(2026, 4, 1), last=dt.date(2026, 4, 1))


@pytest.fixture(scope="module")
async def shop(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await portal_brand.made(tmp_path_factory.mktemp("shop") / "bundle", code=f"s-{uuid.uuid4().hex[:20]}")


async def test_the_figures_of_a_month_until_today_and_of_the_same_days_before(shop: Brand) -> None:
    found = await overview.figures(brand=shop, now=portal_brand.NOW)
    assert found.today == overview.Sales(net_minor=0, orders=0, refunded_minor=4000, refunds=1)
    assert found.sold == overview.Sales(net_minor=118006, orders=9, refunded_minor=14000, refunds=2)
    listed = await order_desk.page(brand=shop, wanted=order_desk.Wanted(month=dt.date(2026, 4, 1)), size=1)
    assert listed.total == found.sold.orders
    # without the order of the 28th
    assert (found.before_first, found.before_last) == (dt.date(2026, 3, 1), dt.date(2026, 3, 20))
    assert found.before == overview.Sales(net_minor=27000, orders=3, refunded_minor=0, refunds=0)
    assert (found.accrued_minor, found.reversed_minor, found.pending_minor) == (11601, -1400, 8100)
    assert (found.period, found.settles_on) == (dt.date(2026, 4, 1), dt.date(2026, 5, 1))
    assert [(each.day.isoformat(), each.net_minor) for each in found.days if each.net_minor] == [
        ("2026-03-28", 20000), ("2026-04-05", 1006), ("2026-04-10", 30000), ("2026-04-11", 17000), ("2026-04-15", 50000),
        ("2026-04-16", 10000), ("2026-04-18", 6000), ("2026-04-19", 4000),
    ]  # fmt: skip
    assert (len(found.days), found.days[0].day) == (30, dt.date(2026, 3, 22))
    assert [(each.code, each.name, each.net_minor, each.units) for each in found.skus] == [
        ("card", "会员月卡", 101006, 12), ("tea", "茶饮券", 16000, 5), ("dear", "礼盒", 1000, 1),
    ]  # fmt: skip
    assert [(each.code, each.net_minor) for each in found.resellers] == [("C", 60000), ("P", 57000), ("S", 1006)]


@pytest.mark.parametrize(
    ("day", "last"), [("2026-03-31", "2026-02-28"), ("2026-05-31", "2026-04-30"), ("2026-01-01", "2025-12-01")]
)
async def test_the_same_days_end_with_a_shorter_month(shop: Brand, day: str, last: str) -> None:
    found = await overview.figures(brand=shop, now=dt.datetime.fromisoformat(f"{day}T04:00:00+00:00"))
    assert found.before_last == dt.date.fromisoformat(last)


async def test_what_waits_is_what_the_lists_count(keys: crypto.Keys, brand: Brand) -> None:
    empty = await overview.waiting(brand=brand, now=books.NOW)
    assert set(msgspec.structs.astuple(empty)) == {0}
    team = await desk.team(keys, brand)
    await desk.asked(brand, team.maker)
    await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK)
    found = await overview.waiting(brand=brand, now=books.NOW)
    listed = await exceptions.listing(brand=brand, now=books.NOW)
    assert found == msgspec.structs.replace(empty, approvals=1, disputes=1, exceptions=2)
    assert found.exceptions == sum(len(group.items) for group in listed)
    assert found.disputes == len(await dispute.listing(brand_id=brand.id, states=("open",)))
    assert found.applications == len(await application.listing(brand_id=brand.id, states=("waiting", "repeated")))


async def test_sales_by_reseller_with_what_came_of_them(shop: Brand) -> None:
    found = await analytics.table(brand=shop, wanted=analytics.Wanted(by="reseller", range=APRIL))
    assert (found.count, [row.code for row in found.rows]) == (3, ["C", "P", "S"])
    assert found.rows[1] == analytics.Row(
        code="P", name="南屿商行", units=7, gross_minor=57000, discount_minor=0, net_minor=57000, own_minor=8000, refunded_minor=14000,
        commission_minor=2600, before_minor=35000, refund_ppm=245614, commission_ppm=45614, discount_ppm=0, own_ppm=140351, change_ppm=628571,
    )  # fmt: skip
    assert [(row.units, row.commission_minor, row.before_minor) for row in found.rows] == [
        (9, 7100, 10000), (7, 2600, 35000), (2, 501, 2000),
    ]  # fmt: skip
    # all of them, and the same as the overview of that month
    seen = await overview.figures(brand=shop, now=portal_brand.NOW)
    assert (found.total.net_minor, found.total.change_ppm) == (seen.sold.net_minor, 1510766)
    assert found.total.commission_minor == seen.accrued_minor + seen.reversed_minor


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("channel", [("web", 109006), ("dealer", 9000)]),
        ("sku", [("card", 101006), ("tea", 16000), ("dear", 1000)]),
        ("category", [("video", 101006), ("food", 16000), ("gift", 1000)]),
        ("tier", [("base", 61006), ("gold", 57000)]),
    ],
)
async def test_each_side_adds_up_to_the_same(shop: Brand, by: analytics.By, rows: list[tuple[str, int]]) -> None:
    wanted = analytics.Wanted(by=by, range=APRIL)
    found = await analytics.table(brand=shop, wanted=wanted)
    assert [(row.code, row.net_minor) for row in found.rows] == rows
    assert (found.total.net_minor, found.total.units, found.total.refunded_minor) == (118006, 18, 14000)
    second = await analytics.table(brand=shop, wanted=wanted, page=2, size=1)
    assert ([(row.code, row.net_minor) for row in second.rows], second.total) == ([rows[1]], found.total)
    rising = await analytics.table(brand=shop, wanted=analytics.Wanted(by=by, range=APRIL, falling=False))
    assert [row.code for row in rising.rows] == [code for code, _ in reversed(rows)]


async def test_two_months_and_none(shop: Brand) -> None:
    both = analytics.Range(first=dt.date(2026, 3, 1), last=dt.date(2026, 4, 1))
    assert both.before == analytics.Range(first=dt.date(2026, 1, 1), last=dt.date(2026, 2, 1))
    found = await analytics.table(brand=shop, wanted=analytics.Wanted(by="sku", range=both, sort="discount_share"))
    # the discount is that of the order of the 28th: 10 of 1440.06
    assert (found.total.net_minor, found.total.discount_minor, found.total.change_ppm) == (165006, 1000, None)
    assert [(row.code, row.discount_ppm) for row in found.rows] == [("card", 6944), ("dear", 0), ("tea", 0)]
    assert [(bar.first.isoformat(), bar.net_minor) for bar in await analytics.bars(brand=shop, chosen=both)] == [
        ("2026-03-01", 47000), ("2026-04-01", 118006),
    ]  # fmt: skip
    empty = analytics.Range(first=dt.date(2025, 1, 1), last=dt.date(2025, 1, 1))
    nothing = await analytics.table(brand=shop, wanted=analytics.Wanted(range=empty))
    assert (nothing.rows, nothing.count, nothing.total.net_minor, nothing.total.refund_ppm) == ([], 0, 0, None)


async def test_the_file_has_every_row_and_no_buyer(shop: Brand, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    wanted = analytics_export.Wanted(form="csv", chosen=analytics.Wanted(by="reseller", range=APRIL))
    await analytics_export.write(brand=shop, wanted=wanted, out=out)
    rows = list(csv.reader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0] == [
        "code", "name", "units", "net", "before", "gross", "discount", "own", "refunded", "commission",
        "change_percent", "refund_percent", "commission_percent", "discount_percent", "own_percent",
    ]  # fmt: skip
    assert [row[0] for row in rows[1:]] == ["C", "P", "S"]
    assert rows[2][:10] == ["P", "南屿商行", "7", "570.00", "350.00", "570.00", "", "80.00", "140.00", "26.00"]
    assert rows[2][10:] == ["62.8571", "24.5614", "4.5614", "0.0000", "14.0351"]
    assert "id-P" not in out.read_text(encoding="utf-8-sig")
