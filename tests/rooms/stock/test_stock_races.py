"""Orders that want the same cards at once: each whole line has its own, or waits and then has none; nothing is sold twice."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.races import duel
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import NEVER, NOW, SELLER, level, opened, sold, states, stocked

from qucheng.core import db
from qucheng.orders import intake, refund, rules
from qucheng.stock import draw, pool, reservation, stop, watch

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


async def refunded_crosswise(
    brand: Brand, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> list[refund.Refund | BaseException]:
    """Two orders of the same two SKUs, whose lines come back this way and that: each waits a moment between its lines."""
    own = await opened(brand, "R1")
    await stocked(brand, NEVER, NEVER, pool=own)
    await stocked(brand, NEVER, NEVER, sku="gift", pool=own)
    await sold(brand, "O1", ("1", "card", 1), ("2", "gift", 1))
    await sold(brand, "O2", ("1", "gift", 1), ("2", "card", 1))
    async with db.atomic(brand.id):  # the first live fact ever is waited for
        await intake.enter(now=NOW)
    arrived, both, plain = [], asyncio.Event(), draw.give_back

    async def slowly(**given: Any) -> draw.Returned:
        """The first goes on when the other is as far, or waits for it."""
        back = await plain(**given)
        if given["line_no"] == "1":
            arrived.append(given["order_no"])
            if len(arrived) == 1:
                waits = [asyncio.ensure_future(each) for each in (both.wait(), until_blocked(owner))]
                await asyncio.wait(waits, timeout=20, return_when=asyncio.FIRST_COMPLETED)
                for each in waits:
                    each.cancel()
                await asyncio.wait(waits)
            both.set()
        return back

    monkeypatch.setattr(draw, "give_back", slowly)
    lines = [rules.LineBack(line_no=each, quantity=1, amount_minor=0) for each in ("1", "2")]
    work = [
        refund.give(brand=brand, order_no=order, refund_no=f"F-{order}", lines=lines, actor=SELLER, now=NOW)
        for order in ("O1", "O2")
    ]
    return list(await asyncio.gather(*work, return_exceptions=True))


async def test_refunds_of_the_same_goods_in_either_order_wait_for_each_other(
    brand: Brand, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(isinstance(each, refund.Refund) for each in await refunded_crosswise(brand, owner, monkeypatch))
    assert await books.seen(brand, "SELECT sku, state, count(*) FROM card GROUP BY 1, 2 ORDER BY 1") == [
        ("card", "available", 2), ("gift", "available", 2),
    ]  # fmt: skip


async def test_control_line_by_line_the_server_ends_one_of_them(
    brand: Brand, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(**_: object) -> None:
        pass

    monkeypatch.setattr(draw, "lock_lines", none)
    answers = await refunded_crosswise(brand, owner, monkeypatch)
    assert sorted(type(each).__name__ for each in answers) == ["DeadlockDetectedError", "Refund"]


async def borrowed_crosswise(brand: Brand, workspace: books.Workspace) -> list[object]:
    """Two orders borrow the same two SKUs, with their lines this way and that; each card is taken slowly."""
    for seller in ("R1", "R2"):
        own = await opened(brand, seller)
        for sku in ("card", "gift"):
            await pool.set_rule(brand_id=brand.id, pool=own, sku=sku, low_level=None, borrow_quota=2, actor=warehouse.ACTOR)
    await stocked(brand, NEVER, NEVER)
    await stocked(brand, NEVER, NEVER, sku="gift")
    async with duel.without(workspace, "take_cards", "\nBEGIN\n", "\nBEGIN\n    PERFORM pg_sleep(0.3);\n"):
        return list(
            await asyncio.gather(
                sold(brand, "O1", ("1", "card", 1), ("2", "gift", 1), reseller="R1"),
                sold(brand, "O2", ("1", "gift", 1), ("2", "card", 1), reseller="R2"),
                return_exceptions=True,
            )
        )


async def test_orders_that_borrow_in_either_order_wait_for_each_other(brand: Brand, workspace: books.Workspace) -> None:
    answers = await borrowed_crosswise(brand, workspace)
    assert [[each[1] for each in answer] for answer in answers if isinstance(answer, list)] == [["delivered"] * 2] * 2


async def test_control_borrowed_line_by_line_the_server_ends_one_of_them(brand: Brand, workspace: books.Workspace) -> None:
    async with duel.without(workspace, "draw_cards", "candidates, today, all_skus)", "candidates, today)"):
        answers = await borrowed_crosswise(brand, workspace)
    assert sorted(type(each).__name__ for each in answers) == ["DeadlockDetectedError", "list"]
