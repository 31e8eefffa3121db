"""Orders draw by the table: the first pool that has all, the card that expires first, a line whole or not at all."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import NEVER, NOW, TODAY, came_in, level, opened, places, sold, stocked

from qucheng.stock import draw, pool

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


def days(*offsets: int) -> list[dt.date]:
    return [TODAY + dt.timedelta(days=offset) for offset in offsets]


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await warehouse.brand(tmp_path)


async def test_the_first_pool_that_has_all_is_drawn_from(brand: Brand) -> None:
    own_web, own, web, other = [
        await opened(brand, *owner) for owner in (("R1", "web"), ("R1", None), (None, "web"), ("R2", "web"))
    ]
    await stocked(brand, *[NEVER] * 2, pool=own_web)
    await stocked(brand, *[NEVER] * 4, pool=own)
    await stocked(brand, *[NEVER] * 9, pool=web)
    await stocked(brand, *[NEVER] * 50, pool=other)
    await stocked(brand, *[NEVER] * 50)
    assert await sold(brand, "O1", ("1", "card", 3)) == [("1", "delivered", 3, own)]
    assert await sold(brand, "O2", ("1", "card", 2), ("2", "card", 5)) == [
        ("1", "delivered", 2, own_web),
        ("2", "delivered", 5, web),
    ]
    assert await sold(brand, "O3", ("1", "card", 4)) == [("1", "delivered", 4, web)]
    assert await sold(brand, "O4", ("1", "card", 2), ("2", "tea", 1)) == [("1", "short", 0, None), ("2", "none", 0, None)]
    assert await sold(brand, "O5", ("1", "card", 1), channel="shop") == [("1", "delivered", 1, own)]
    assert await sold(brand, "O6", ("1", "card", 1), channel="shop") == [("1", "short", 0, None)]
    assert await level(brand, other) == {"available": 50, "came_in": 50}
    assert await level(brand, 0) == {"available": 50, "came_in": 50}
    cases = await books.seen(brand, "SELECT order_no, line_no, kind, units, closed_at FROM stock_case ORDER BY 1")
    assert cases == [("O4", "1", "short", 2, None), ("O6", "1", "short", 1, None)]
    assert await warehouse.differences(brand) == []


async def test_the_card_that_expires_first_goes_first_and_none_that_expires_today(brand: Brand) -> None:
    own = await opened(brand, "R1")
    late = await stocked(brand, NEVER, *days(30, 2, 0, 1, -1), pool=own)
    early = await stocked(brand, *days(1), pool=own)
    inactive = await came_in(brand, *days(1), pool=own)
    assert await sold(brand, "O1", ("1", "card", 4)) == [("1", "delivered", 4, own)]
    assert [place[:2] for place in await places(brand, "O1")] == [(late, 2), (late, 3), (late, 5), (early, 1)]
    assert await sold(brand, "O2", ("1", "card", 2)) == [("1", "short", 0, None)]
    assert await warehouse.states(brand, inactive) == ["inactive"]


async def test_tomorrow_begins_at_the_brands_midnight(brand: Brand) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, *days(1), pool=own)
    midnight = dt.datetime(2026, 11, 22, 16, 0, tzinfo=dt.UTC)  # 24:00 in Shanghai
    assert await sold(brand, "O1", ("1", "card", 1), now=midnight) == [("1", "short", 0, None)]
    assert await sold(brand, "O2", ("1", "card", 1), now=midnight - dt.timedelta(seconds=1)) == [("1", "delivered", 1, own)]


async def test_a_package_takes_its_parts_from_one_pool_or_none(brand: Brand) -> None:
    own_web, own = await opened(brand, "R1", "web"), await opened(brand, "R1")
    await stocked(brand, *[NEVER] * 9, pool=own_web)
    await stocked(brand, *[NEVER] * 3, sku="gift", pool=own_web)
    await stocked(brand, *[NEVER] * 2, pool=own)
    gifts = await stocked(brand, *[NEVER] * 4, sku="gift", pool=own)
    assert await sold(brand, "O1", ("1", "box", 2)) == [("1", "delivered", 6, own)]
    assert await sold(brand, "O2", ("1", "box", 2)) == [("1", "short", 0, None)]
    assert await sold(brand, "O3", ("1", "box", 1)) == [("1", "delivered", 3, own_web)]
    assert await warehouse.states(brand, gifts) == ["delivered"] * 4
    assert await books.seen(brand, "SELECT sku, each FROM line_need WHERE order_no = 'O1' ORDER BY 1") == [
        ("card", 1),
        ("gift", 2),
    ]
    assert await warehouse.refunded(brand, "O1", "1", 1, 1) == (3, 0, 0)
    assert await warehouse.states(brand, gifts) == ["delivered"] * 2 + ["available"] * 2


async def test_a_pool_borrows_what_it_lacks_up_to_its_quota(brand: Brand) -> None:
    own_web, own = await opened(brand, "R1", "web"), await opened(brand, "R1")
    await stocked(brand, *[NEVER] * 2, pool=own)
    lent = await stocked(brand, *days(9, 8, 7), NEVER)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=None, borrow_quota=3, actor=warehouse.ACTOR)
    assert await sold(brand, "O1", ("1", "card", 6)) == [("1", "short", 0, None)]
    assert await sold(brand, "O2", ("1", "card", 4)) == [("1", "delivered", 4, own)]
    assert await warehouse.states(brand, lent) == ["available", "delivered", "delivered", "available"]
    assert await level(brand, own) == {"delivered": 4, "came_in": 2, "moved_in": 2}
    assert await level(brand, 0) == {"available": 2, "came_in": 4, "moved_out": 2}
    assert await sold(brand, "O3", ("1", "card", 2)) == [("1", "short", 0, None)]
    # the latest expiry comes back first, and a borrowed one to where it was borrowed
    assert await warehouse.refunded(brand, "O2", "1", 3, 1) == (3, 0, 0)
    assert await level(brand, own) == {"available": 2, "delivered": 1, "came_in": 2, "moved_in": 2, "moved_out": 1}
    assert await level(brand, 0) == {"available": 3, "came_in": 4, "moved_in": 1, "moved_out": 2}
    assert await books.seen(brand, "SELECT borrowed FROM pool_sku WHERE pool = $1", own) == [(1,)]
    assert await level(brand, own_web) == {}
    assert await warehouse.differences(brand) == []


async def test_who_did_it_and_why_is_on_record(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, NEVER, pool=own)
    await sold(brand, "O1", ("1", "card", 1))
    rows = await books.seen(
        brand,
        "SELECT e.change, e.from_state, e.to_state, e.order_no, a.kind, a.role, a.network, a.at FROM card_event e"
        " JOIN stock_act a ON a.brand_id = e.brand_id AND a.id = e.act WHERE e.batch = $1 ORDER BY 1",
        number,
    )
    assert rows == [
        (1, "inactive", "available", None, "release", "manager", "198.51.100.0/24", NOW),
        (2, "available", "delivered", "O1", "deliver", "api_key", None, NOW),
    ]


async def test_what_needs_no_cards_asks_for_none(brand: Brand) -> None:
    assert await sold(brand, "O1", ("1", "tea", 3)) == [("1", "none", 0, None)]
    assert await books.seen(brand, "SELECT count(*) FROM stock_act") == [(0,)]


async def test_a_line_is_given_the_days_of_its_sku(brand: Brand) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, *days(400, 5), pool=own)
    await warehouse._say(brand, "card", valid_days=30)
    await sold(brand, "O1", ("1", "card", 2))
    found = await books.seen(brand, "SELECT number, valid_until FROM card WHERE order_no = 'O1' ORDER BY 1")
    assert found == [(1, dt.date(2026, 12, 22)), (2, dt.date(2026, 12, 22))]
    assert await warehouse.refunded(brand, "O1", "1", 1, 1) == (1, 0, 0)
    found = await books.seen(brand, "SELECT number, state, valid_until FROM card ORDER BY 1")
    assert found == [(1, "available", None), (2, "delivered", dt.date(2026, 12, 22))]


async def test_of_a_package_no_more_cards_of_a_sku_are_named_than_its_units_take(brand: Brand) -> None:
    pool = await warehouse.opened(brand, "R1")
    gifts = await warehouse.stocked(brand, *[NEVER] * 4, sku="gift", pool=pool)
    await warehouse.stocked(brand, NEVER, NEVER, pool=pool)
    await warehouse.sold(brand, "O1", ("1", "box", 2))
    with pytest.raises(draw.CardElsewhereError):
        await warehouse.refunded(brand, "O1", "1", 1, 1, (gifts, 1), (gifts, 2), (gifts, 3))
    assert await warehouse.states(brand, gifts) == ["delivered"] * 4
    assert await warehouse.refunded(brand, "O1", "1", 1, 1, (gifts, 1), (gifts, 3)) == (3, 0, 0)
    assert await warehouse.states(brand, gifts) == ["available", "delivered", "available", "delivered"]


async def test_a_card_named_at_a_refund_is_of_the_line_and_named_once(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, *[NEVER] * 4, pool=own)
    await sold(brand, "O1", ("1", "card", 2), ("2", "card", 1))
    before = await books.seen(brand, "SELECT card::text FROM card ORDER BY 1")
    for named in ([(number, 3)], [(number, 1), (number, 1)], [(number, 1), (number, 2)], [(number, 9)]):
        with pytest.raises(draw.CardElsewhereError):
            await warehouse.refunded(brand, "O1", "1", 1, 1, *named)
    assert await books.seen(brand, "SELECT card::text FROM card ORDER BY 1") == before
    assert await warehouse.refunded(brand, "O1", "1", 1, 1, (number, 1)) == (1, 0, 0)
    assert await warehouse.states(brand, number) == ["available", "delivered", "delivered", "available"]
