"""Orders that want the same cards at once: each whole line has its own, or waits and then has none; nothing is sold twice."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import NEVER, NOW, SELLER, level, opened, sold, states, stocked

from qucheng.core import db
from qucheng.stock import draw, reservation, stop, watch

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
OFF = "CREATE OR REPLACE FUNCTION lock_stock(skus text[], pools integer[]) RETURNS void LANGUAGE sql AS 'SELECT'"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await warehouse.brand(tmp_path)


async def until_blocked(owner: asyncpg.Connection) -> None:
    while not await owner.fetchval(BLOCKED):  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)


async def at_once(brand: Brand, owner: asyncpg.Connection) -> tuple[draw.Drawn, list[tuple[str, str, int, int | None]]]:
    """An order draws two cards and waits; another wants two as well; then the first is committed."""
    outside = contextvars.copy_context()  # where no transaction is open
    async with db.atomic(brand.id):
        await warehouse.lines(brand, "O1", [("1", "card", 2)], reseller="R1", channel="web")
        wanted = [draw.Wanted(line_no="1", sku="card", units=2)]
        (first,) = await draw.draw(brand=brand, order_no="O1", reseller="R1", channel="web", lines=wanted, actor=SELLER, now=NOW)
        second = asyncio.create_task(sold(brand, "O2", ("1", "card", 2)), context=outside)
        await asyncio.wait_for(until_blocked(owner), 20)
    return first, await second


async def test_of_two_that_want_the_last_cards_one_has_all_and_the_other_none(brand: Brand, owner: asyncpg.Connection) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, *[NEVER] * 3, pool=own)
    first, second = await at_once(brand, owner)
    assert (first.state, first.cards) == ("delivered", 2)
    assert second == [("1", "short", 0, None)]
    assert await states(brand, number) == ["delivered", "delivered", "available"]


async def test_control_without_the_lock_the_second_fails(brand: Brand, owner: asyncpg.Connection) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, *[NEVER] * 3, pool=own)
    before = await owner.fetchval("SELECT pg_get_functiondef('lock_stock'::regproc)")
    await owner.execute(OFF)
    try:
        with pytest.raises(asyncpg.SerializationError, match="cards that were counted are gone"):
            await at_once(brand, owner)
    finally:
        await owner.execute(before)


async def test_nothing_is_sold_twice_and_nobody_waits_for_ever(brand: Brand) -> None:
    """Orders of one and of two lines in either order, reservations, a sweep and a freeze, four at a time on few cards."""
    own = await opened(brand, "R1")
    cards = await stocked(brand, *[NEVER] * 15, pool=own)
    gifts = await stocked(brand, *[NEVER] * 15, sku="gift", pool=own)
    drawn: list[tuple[str, str, int, int | None]] = []

    async def buy(place: int) -> None:
        both = [("1", "card", 1 + place % 3), ("2", "gift", 1 + place % 2)]
        drawn.extend(await sold(brand, f"O{place}", *(both if place % 2 else both[::-1])))

    async def hold(place: int) -> None:
        try:
            made = await reservation.reserve(
                brand=brand, reseller="R1", channel="web", sku="box", units=1, minutes=1 + place, actor=SELLER, now=NOW
            )
        except reservation.StockShortError:
            return
        await reservation.release(brand=brand, id=made.id, actor=SELLER, now=NOW)

    async def stop_and_go(place: int) -> None:
        chosen = stop.Chosen(cards=[(cards, 1 + place), (gifts, 1 + place)])
        await stop.freeze(brand=brand, chosen=chosen, reason="a look", actor=warehouse.ACTOR, now=NOW)
        await stop.unfreeze(brand=brand, chosen=chosen, reason="all well", actor=warehouse.ACTOR, now=NOW)

    work = [buy(place) for place in range(12)] + [hold(place) for place in range(4)] + [stop_and_go(place) for place in range(4)]
    await asyncio.wait_for(asyncio.gather(*work, *(watch.sweep(brand_id=brand.id, now=NOW) for _ in range(2))), 60)
    assert await warehouse.differences(brand) == []
    for sku in ("card", "gift"):
        given = sum(count for line, state, count, _ in drawn if state == "delivered" and (line == "1") == (sku == "card"))
        assert (await level(brand, own, sku)).get("delivered", 0) == given
        assert 13 <= given <= 15
    lines = await books.seen(brand, "SELECT order_no, line_no, count(*) FROM card WHERE order_no IS NOT NULL GROUP BY 1, 2")
    wanted = {(f"O{place}", "1"): 1 + place % 3 for place in range(12)} | {
        (f"O{place}", "2"): 1 + place % 2 for place in range(12)
    }
    assert all(wanted[order_no, line_no] == count for order_no, line_no, count in lines)
