"""The sales of a reseller with what became of each; and of those below it what it may know."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.insight import portal_brand
from tests.rooms.insight.portal_brand import CHILD, NOW, PARENT, SIBLING

from qucheng.bundle import importing
from qucheng.commission import accrual
from qucheng.insight import portal_below, portal_order, portal_orders

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

APRIL = dt.date(2026, 4, 1)
EVERY = portal_orders.Filter()


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = tmp_path_factory.mktemp("brands")
    await portal_brand.made(folder / "other", code="other")
    return await portal_brand.made(folder / "ours", code="ours")


async def listed(brand: Brand, wanted: portal_orders.Filter, reseller: str = PARENT) -> list[str]:
    page = await portal_orders.page(brand=brand, reseller=reseller, wanted=wanted, now=NOW, size=50)
    return [f"{row.order_no}/{row.line_no}" for row in page.rows]


async def test_each_line_has_its_status_with_a_date_or_a_paper(brand: Brand) -> None:
    page = await portal_orders.page(brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=50)
    assert [(row.order_no, row.line_no, row.status, row.earned_minor, row.reversed_minor) for row in page.rows] == [
        ("O7", "1", "refunded", 0, -400),
        ("O6", "1", "pending", 600, 0),
        ("O5", "1", "none", None, 0),
        ("O4", "1", "none", None, 0),
        ("O3", "1", "due", 2000, -1000),
        ("O2", "1", "due", 2000, 0),
        ("O1", "2", "paid", 500, 0),
        ("O1", "1", "paid", 1000, 0),
    ]
    assert {row.statement_no for row in page.rows if row.status == "paid"} == {"ours-202603-000002"}
    assert [row.matures_on for row in page.rows[:2]] == [dt.date(2026, 4, 26), dt.date(2026, 4, 25)]
    assert (page.before, page.after) == (False, False)
    (carried,) = [row for row in (await page_of(brand, SIBLING)).rows if row.order_no == "S1"]
    assert (carried.status, carried.statement_no, carried.earned_minor) == ("carried", "ours-202603-000003", 200)


async def page_of(brand: Brand, reseller: str) -> portal_orders.Page:
    return await portal_orders.page(brand=brand, reseller=reseller, wanted=EVERY, now=NOW, size=50)


async def test_the_sums_are_of_all_that_fits(brand: Brand) -> None:
    async def sums(**wanted: object) -> tuple[int, ...]:
        found = await portal_orders.sums(
            brand=brand, reseller=PARENT, wanted=msgspec.convert(wanted, portal_orders.Filter), now=NOW
        )
        return msgspec.structs.astuple(found)

    assert await sums() == (8, 92000, 6100)
    assert await sums(month="2026-04-01") == (5, 57000, 2600)
    assert await sums(status="due") == (2, 50000, 4000)
    assert await sums(text="茶饮") == (2, 11000, 1100)
    assert await sums(text="o1", status="paid", month="2026-03-01") == (2, 15000, 1500)
    assert await sums(text="%") == (0, 0, 0)


async def test_filters_let_through_what_fits(brand: Brand) -> None:
    assert await listed(brand, portal_orders.Filter(status="none")) == ["O5/1", "O4/1"]
    assert await listed(brand, portal_orders.Filter(month=dt.date(2026, 3, 1))) == ["O2/1", "O1/2", "O1/1"]
    assert await listed(brand, portal_orders.Filter(text="TEA")) == ["O6/1", "O1/2"]
    assert await listed(brand, portal_orders.Filter(status="calculating")) == []


async def test_pages_follow_each_other_both_ways(brand: Brand) -> None:
    first = await portal_orders.page(brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=3)
    second = await portal_orders.page(brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=3, key=first.rows[-1].key)
    third = await portal_orders.page(brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=3, key=second.rows[-1].key)
    assert [[row.order_no for row in page.rows] for page in (first, second, third)] == [
        ["O7", "O6", "O5"],
        ["O4", "O3", "O2"],
        ["O1", "O1"],
    ]
    assert [(page.before, page.after) for page in (first, second, third)] == [(False, True), (True, True), (True, False)]
    back = await portal_orders.page(
        brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=3, key=third.rows[0].key, direction="before"
    )
    assert (back.rows, back.before, back.after) == (second.rows, True, True)
    start = await portal_orders.page(
        brand=brand, reseller=PARENT, wanted=EVERY, now=NOW, size=3, key=second.rows[0].key, direction="before"
    )
    assert (start.rows, start.before, start.after) == (first.rows, False, True)


async def test_months_go_back_to_the_first_sale(brand: Brand) -> None:
    assert await portal_orders.months(brand=brand, reseller=PARENT, now=NOW) == [APRIL, dt.date(2026, 3, 1)]
    assert await portal_orders.months(brand=brand, reseller=PARENT, now=NOW, most=1) == [APRIL]


async def test_a_line_says_by_which_rule_it_earned_and_what_went_back(brand: Brand) -> None:
    order = await portal_order.read(brand=brand, reseller=PARENT, order_no="O3", now=NOW)
    (line,) = order.lines
    assert line.earned == portal_order.Earned(
        rule="OWN",
        basis="net",
        basis_value=30000,
        rate_ppm=100_000,
        rate_minor=None,
        product=Fraction(3000),
        rounded=3000,
        amount_minor=3000,
        occurred_at=dt.datetime(2026, 4, 10, 2, tzinfo=dt.UTC),
        hold_from="paid",
        started_at=dt.datetime(2026, 4, 10, 2, tzinfo=dt.UTC),
        matures_at=dt.datetime(2026, 4, 17, 2, tzinfo=dt.UTC),
        hold_days=7,
    )
    assert line.refunds == (
        portal_order.Refund(
            refund_no="F1",
            refunded_at=dt.datetime(2026, 4, 12, 2, tzinfo=dt.UTC),
            quantity=1,
            amount_minor=10000,
            waits=False,
            basis_value=20000,
            reversed_minor=-1000,
            matures_on=dt.date(2026, 4, 17),
            statement_no=None,
            period=None,
        ),
    )
    assert (line.expected, line.capped, line.self_purchase, line.wholesale) == (APRIL, False, False, False)
    assert (order.net_minor, order.earned_minor) == (30000, 2000)


async def test_two_lines_of_one_order(brand: Brand) -> None:
    order = await portal_order.read(brand=brand, reseller=PARENT, order_no="O1", now=NOW)
    assert [(line.row.line_no, line.row.sku_name, line.row.statement_no, line.expected) for line in order.lines] == [
        ("1", "会员月卡", "ours-202603-000002", None),
        ("2", "茶饮券", "ours-202603-000002", None),
    ]
    assert (order.net_minor, order.earned_minor, order.paid_at) == (15000, 1500, dt.datetime(2026, 3, 2, 2, tzinfo=dt.UTC))


async def test_why_a_line_earned_nothing_or_less(brand: Brand) -> None:
    async def line(reseller: str, order_no: str) -> portal_order.Line:
        return (await portal_order.read(brand=brand, reseller=reseller, order_no=order_no, now=NOW)).lines[0]

    own, dealer, capped, small = [
        await line(PARENT, "O4"),
        await line(PARENT, "O5"),
        await line(SIBLING, "S2"),
        await line(SIBLING, "S3"),
    ]
    assert [(each.self_purchase, each.wholesale, each.earned, each.expected) for each in (own, dealer)] == [
        (True, False, None, None),
        (False, True, None, None),
    ]
    assert capped.earned is not None
    assert (capped.capped, capped.earned.rounded, capped.earned.amount_minor, capped.cap_minor) == (True, 600, 500, 500)
    assert small.earned is not None
    assert (small.earned.product, small.earned.rounded, small.earned.amount_minor) == (Fraction(3, 5), 1, 1)


@pytest.mark.parametrize(
    ("reseller", "order_no"), [(PARENT, "C1"), (CHILD, "O1"), (SIBLING, "O1"), (PARENT, "S1"), (PARENT, "nothing")]
)
async def test_an_order_of_somebody_else_is_not_there(brand: Brand, reseller: str, order_no: str) -> None:
    with pytest.raises(portal_order.OrderUnknownError):
        await portal_order.read(brand=brand, reseller=reseller, order_no=order_no, now=NOW)


async def test_what_is_delivered_and_not_reckoned_yet_says_so(
    workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert workspace
    fresh = await portal_brand.made(tmp_path_factory.mktemp("fresh") / "bundle", code="fresh")
    folder = books.write(
        tmp_path_factory.mktemp("more") / "bundle",
        code="fresh",
        compliance=books.INTL,
        settlement='hold_days = 7\nmin_payout = "5"',
        tiers=["gold,金牌,1", "base,普通,2"],
        channels=["web,网店,agency"],
        resellers=["P,南屿商行,company,,gold,2026-01-01,id-P"],
        rules=["OWN,percent,1,,,,,net,0.1,0,,"],
        orders=["O8,1,2026-04-19T10:00:00,P,web,card,1,100.00,,"],
        refunds=["F3,O6,1,2026-04-19T12:00:00,0,20.00"],
    )
    await importing.take_in(folder=folder, brand=fresh, now=books.NOW, progress=books.QUIET)
    wanted = portal_orders.Filter(status="calculating")
    assert await listed(fresh, wanted) == ["O8/1"]
    assert (await portal_orders.sums(brand=fresh, reseller=PARENT, wanted=wanted, now=NOW)).earned_minor == 0
    order = await portal_order.read(brand=fresh, reseller=PARENT, order_no="O6", now=NOW)
    assert [(refund.waits, refund.reversed_minor) for refund in order.lines[0].refunds] == [(True, None)]
    await accrual.accrue(brand_id=fresh.id, now=books.NOW)
    assert await listed(fresh, wanted) == []
    order = await portal_order.read(brand=fresh, reseller=PARENT, order_no="O6", now=NOW)
    assert [(refund.waits, refund.reversed_minor) for refund in order.lines[0].refunds] == [(False, -200)]


async def test_of_sales_below_no_more_is_known_than_that(brand: Brand) -> None:
    page = await portal_below.page(brand=brand, reseller=PARENT, month=APRIL, size=20)
    assert (page.sales, page.amount_minor, page.after) == (2, 1100, False)
    assert [msgspec.structs.astuple(row) for row in page.rows] == [
        ("C3", "1", dt.date(2026, 4, 16), "tea", "unit", 4, "0.25", 100),
        ("C2", "1", dt.date(2026, 4, 15), "card", "net", 50000, "0.02", 1000),
    ]
    first = await portal_below.page(brand=brand, reseller=PARENT, month=APRIL, size=1)
    assert ([row.order_no for row in first.rows], first.after) == (["C3"], True)
    last = first.rows[-1]
    key = portal_below.Key(last.paid_on, last.order_no, last.line_no)
    second = await portal_below.page(brand=brand, reseller=PARENT, month=APRIL, size=1, key=key)
    assert ([row.order_no for row in second.rows], second.after, second.sales) == (["C2"], False, 2)


@pytest.mark.parametrize("reseller", [CHILD, SIBLING])
async def test_who_has_nobody_under_it_sees_no_sales_below(brand: Brand, reseller: str) -> None:
    page = await portal_below.page(brand=brand, reseller=reseller, month=APRIL, size=20)
    assert (page.rows, page.sales, page.amount_minor) == ((), 0, 0)
