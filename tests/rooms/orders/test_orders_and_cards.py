"""Live orders of what is sold from stock: all cards of a line or none, and what a refund gives back."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog.conftest import keys
from tests.rooms.stock import card_desk

from qucheng.commission import accrual
from qucheng.orders import delivery, refund, rules, sale
from qucheng.stock import reservation

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand

__all__ = ["keys"]
pytestmark = pytest.mark.anyio
NOW = books.NOW
CARDS = "SELECT state, order_no, count(*) FROM card GROUP BY 1, 2 ORDER BY 1, 2"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await card_desk.opened(tmp_path / "b", f"c-{uuid.uuid4().hex[:12]}", orders=0)


@pytest.fixture
async def actor(keys: crypto.Keys) -> audit.Actor:
    return await card_desk.somebody(keys)


async def place(brand: Brand, actor: audit.Actor, order_no: str, *units: int, held: uuid.UUID | None = None) -> sale.Sale:
    lines = [
        rules.LineIn(line_no=str(n + 1), sku="card", quantity=each, gross_minor=10_000 * each) for n, each in enumerate(units)
    ]
    return await sale.place(
        brand=brand,
        order_no=order_no,
        lines=lines,
        reseller="R1",
        channel="web",
        source="manual",
        reservation=held,
        actor=actor,
        now=NOW,
    )


async def give(brand: Brand, actor: audit.Actor, refund_no: str, order_no: str, line_no: str, units: int) -> refund.Refund:
    back = [rules.LineBack(line_no=line_no, quantity=units, amount_minor=10_000 * units)]
    return await refund.give(brand=brand, order_no=order_no, refund_no=refund_no, lines=back, actor=actor, now=NOW)


async def test_a_line_gets_all_its_cards_or_none(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 5, actor)
    assert (await place(brand, actor, "O1", 2)).stock_state == "delivered"
    short = await place(brand, actor, "O2", 4, 3)
    assert short.stock_state == "paid_without_stock"
    assert await books.seen(brand, CARDS) == [("delivered", "O1", 2), ("delivered", "O2", 3)]
    assert await books.seen(brand, "SELECT order_no, line_no, kind, units FROM stock_case") == [("O2", "1", "short", 4)]
    # sent again it draws nothing more
    assert (await place(brand, actor, "O1", 2)).created is False
    back = await give(brand, actor, "F1", "O1", "1", 1)
    assert back.lines[0].cards_missing == 0
    assert await books.seen(brand, CARDS) == [("available", None, 1), ("delivered", "O1", 1), ("delivered", "O2", 3)]
    # what waited for cards was refunded: nothing waits any more
    await give(brand, actor, "F2", "O2", "1", 4)
    assert await books.seen(brand, "SELECT order_no, stock_state FROM sale ORDER BY 1") == [
        ("O1", "delivered"),
        ("O2", "resolved"),
    ]
    assert await books.seen(brand, "SELECT way FROM stock_case") == [("refunded",)]


async def test_an_order_takes_what_was_reserved_for_it(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 3, actor)
    held = await reservation.reserve(
        brand=brand, reseller="R1", channel="web", sku="card", units=2, minutes=15, actor=actor, now=NOW
    )
    assert (await place(brand, actor, "O1", 2)).stock_state == "paid_without_stock"
    assert (await place(brand, actor, "O2", 2, held=held.id)).stock_state == "delivered"
    assert await books.seen(brand, CARDS) == [("available", None, 1), ("delivered", "O2", 2)]
    assert (await reservation.find(brand=brand, id=held.id)).order_no == "O2"


async def test_an_order_that_is_refused_draws_nothing(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    with pytest.raises(Exception, match="no such reservation"):
        await place(brand, actor, "O1", 2, held=uuid.uuid4())
    assert await books.seen(brand, CARDS) == [("available", None, 2)]
    assert await books.seen(brand, "SELECT count(*) FROM order_line") == [(0,)]


async def test_where_the_hold_counts_from_delivery_the_cards_start_it(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor
) -> None:
    await books.seen(brand, "UPDATE sku SET hold_from = 'delivered' WHERE code = 'card' RETURNING 1")
    await card_desk.stocked(brand, keys, 2, actor)
    await place(brand, actor, "O1", 2)
    await place(brand, actor, "O2", 1)
    await accrual.accrue(brand_id=brand.id, now=NOW)
    timed = "SELECT order_no, matures_at FROM timed_accrual WHERE level = 1 ORDER BY 1"
    assert await books.seen(brand, timed) == [("O1", NOW), ("O2", None)]
    # what waited gets its cards later, and its clock starts then
    later = NOW + dt.timedelta(hours=3)
    await card_desk.stocked(brand, keys, 1, actor)
    ((case,),) = await books.seen(brand, "SELECT id FROM stock_case")
    drawn = await delivery.retry(brand=brand, case=case, keys=keys, actor=actor, now=later)
    assert drawn.state == "delivered"
    assert await books.seen(brand, "SELECT order_no, stock_state FROM sale ORDER BY 1") == [
        ("O1", "delivered"),
        ("O2", "delivered"),
    ]
    await accrual.accrue(brand_id=brand.id, now=later)
    assert await books.seen(brand, timed) == [("O1", NOW), ("O2", later)]
