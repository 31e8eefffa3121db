"""What a reseller has coming, to the unit, and where it stands."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.rooms.insight import portal_brand
from tests.rooms.insight.portal_brand import CHILD, NOW, PARENT, SIBLING

from qucheng.insight import portal, portal_daily

if TYPE_CHECKING:
    import asyncpg
    from tests import books

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 1)


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = tmp_path_factory.mktemp("brands")
    await portal_brand.made(folder / "other", code="other")
    return await portal_brand.made(folder / "ours", code="ours")


async def test_the_figures_of_a_seller_with_somebody_under_it(brand: Brand) -> None:
    """Matured: 20.00 and 30.00 - 10.00. Later: 6.00, 4.00 - 4.00, and of the sales below 10.00 and 1.00."""
    assert await portal.figures(brand=brand, reseller=PARENT, now=NOW) == portal.Figures(
        due_minor=4000,
        carried_minor=0,
        carried_from=None,
        pending_minor=1700,
        next_on=dt.date(2026, 4, 22),
        next_minor=1000,
        payout_minor=5700,
        payout_period=APRIL,
        not_before=dt.date(2026, 5, 1),
        paid_minor=1600,
        paid_statements=1,
        year=2026,
    )


async def test_what_was_below_the_least_payout_is_due_again(brand: Brand) -> None:
    found = await portal.figures(brand=brand, reseller=SIBLING, now=NOW)
    assert (found.carried_minor, found.carried_from, found.due_minor) == (200, MARCH, 701)
    assert (found.pending_minor, found.next_on, found.next_minor) == (0, None, 0)
    assert (found.payout_minor, found.payout_period, found.paid_minor, found.paid_statements) == (701, APRIL, 0, 0)


async def test_what_matures_after_the_month_is_not_in_its_payout(brand: Brand) -> None:
    """At the end of March 20.00 wait for the 4th of April; April's statement has them, and nothing is paid before May."""
    found = await portal.figures(brand=brand, reseller=PARENT, now=dt.datetime(2026, 3, 31, 4, tzinfo=dt.UTC))
    assert (found.due_minor, found.pending_minor, found.next_on, found.next_minor) == (0, 5700, dt.date(2026, 4, 4), 2000)
    assert (found.payout_minor, found.payout_period, found.not_before) == (5700, APRIL, dt.date(2026, 5, 1))


async def test_the_year_begins_on_the_brands_first_of_january(brand: Brand) -> None:
    before = dt.datetime(2026, 12, 31, 15, 59, 59, tzinfo=dt.UTC)
    found = [await portal.figures(brand=brand, reseller=PARENT, now=now) for now in (before, before + dt.timedelta(seconds=1))]
    assert [(each.year, each.paid_minor, each.paid_statements) for each in found] == [(2026, 1600, 1), (2027, 0, 0)]


async def test_a_month_that_is_not_published_is_still_to_come(brand: Brand, owner: asyncpg.Connection) -> None:
    """Its bonus of 0.50 is told with the statement and not before."""
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, issued, computed_at, issued_at)"
        " VALUES ($1, $2, 1, 'issued', 1, 3, 0, 0, 0, 3, now(), now())",
        brand.id,
        MARCH,
    )
    hidden = await portal.figures(brand=brand, reseller=PARENT, now=NOW)
    await owner.execute("UPDATE settlement_run SET published_at = now() WHERE brand_id = $1", brand.id)
    shown = await portal.figures(brand=brand, reseller=PARENT, now=NOW)
    assert (hidden.due_minor, hidden.payout_minor, hidden.payout_period, hidden.not_before) == (5550, 1550, MARCH, APRIL)
    assert (hidden.paid_minor, hidden.paid_statements, hidden.pending_minor) == (0, 0, 1700)
    assert (shown.due_minor, shown.payout_minor, shown.payout_period, shown.paid_minor) == (4000, 5700, APRIL, 1600)


async def test_of_the_month_what_was_sold_and_bought_by_itself(brand: Brand) -> None:
    assert await portal.sold(brand=brand, reseller=PARENT, now=NOW) == portal.Sold(
        month=APRIL, orders=5, net_minor=57000, earned_minor=5100, self_purchase_ppm=140351
    )
    assert (await portal.sold(brand=brand, reseller=SIBLING, now=dt.datetime(2026, 5, 2, tzinfo=dt.UTC))) == portal.Sold(
        month=dt.date(2026, 5, 1), orders=0, net_minor=0, earned_minor=0, self_purchase_ppm=None
    )


async def test_days_are_those_of_the_brand(brand: Brand) -> None:
    week = await portal_daily.earned(brand=brand, reseller=PARENT, span="7", now=NOW)
    assert [bar.day for bar in week.bars] == [dt.date(2026, 4, day) for day in range(14, 21)]
    assert [bar.amount_minor for bar in week.bars] == [0, 1000, 100, 0, 600, 400, 0]
    assert (week.total_minor, week.before_minor) == (2100, 3000)
    month = await portal_daily.earned(brand=brand, reseller=PARENT, span="30", now=NOW)
    assert (len(month.bars), month.bars[0].day, month.total_minor, month.before_minor) == (30, dt.date(2026, 3, 22), 7100, 1700)
    assert {bar.day: bar.amount_minor for bar in month.bars if bar.amount_minor} == {
        dt.date(2026, 3, 28): 2000,
        dt.date(2026, 4, 10): 3000,
        dt.date(2026, 4, 15): 1000,
        dt.date(2026, 4, 16): 100,
        dt.date(2026, 4, 18): 600,
        dt.date(2026, 4, 19): 400,
    }
    year = await portal_daily.earned(brand=brand, reseller=PARENT, span="year", now=NOW)
    assert [(bar.day.month, bar.amount_minor) for bar in year.bars] == [(1, 0), (2, 0), (3, 3700), (4, 5100)]
    assert (year.total_minor, year.before_minor) == (8800, None)


async def test_where_it_stands_is_told_by_date(brand: Brand) -> None:
    found = await portal.standing(brand=brand, reseller=CHILD, now=NOW)
    assert (found.depth, found.parent, found.tier_name, found.since, found.kind) == (
        2,
        "P",
        "普通",
        dt.date(2026, 2, 1),
        "individual",
    )
    moved = await portal.standing(brand=brand, reseller=CHILD, now=dt.datetime(2026, 4, 30, 16, tzinfo=dt.UTC))
    assert (moved.depth, moved.parent, moved.tier_name, moved.since) == (1, None, "金牌", dt.date(2026, 5, 1))
    early = await portal.standing(brand=brand, reseller=CHILD, now=dt.datetime(2026, 1, 15, tzinfo=dt.UTC))
    assert (early.depth, early.parent, early.since) == (None, "P", dt.date(2026, 2, 1))
    assert await portal.places(brand=brand, reseller=CHILD) == [
        portal.Place(day=dt.date(2026, 5, 1), parent=None, tier_name="金牌"),
        portal.Place(day=dt.date(2026, 2, 1), parent="P", tier_name="普通"),
    ]
    assert (await portal.standing(brand=brand, reseller=PARENT, now=NOW)).depth == 1


async def test_a_reseller_that_is_not_there_has_no_standing(brand: Brand) -> None:
    with pytest.raises(portal.ResellerUnknownError):
        await portal.standing(brand=brand, reseller="nobody", now=NOW)
