"""What stock costs: a batch that comes in, is released, frozen and freed, and orders that draw from it, in one run.

    PYTHONPATH=. python scripts/benchmark/stock.py [--cards 100000] [--orders 1000] [--rounds 3]

A brand in a workspace of its own. Of the batch each step is one statement, with a record of each card's change and the levels kept;
goal: 100 000 cards frozen in 10 seconds. Orders of two units draw one after the other, through the room and through the least that
would move the same cards by hand: through bare asyncpg the same line and act, and one UPDATE of the two cards that expire first, which
looks neither for a pool nor for what lapsed, and locks nothing. Both are asked in turn; the ratio is there to be watched.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import kernel
from tests.rooms.stock import warehouse

from qucheng.core import database, db, ids, settings
from qucheng.stock import batch, draw, stop

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from qucheng.identity.brand import Brand

UNITS = 2
CARDS_IN = """
    INSERT INTO card (brand_id, batch, number, sku, pool, expires_on)
    SELECT current_brand(), $1, n, 'card', $2, date '2030-01-01' + n % 300 FROM generate_series(1, $3) n"""
LINE = """
    INSERT INTO order_line (brand_id, order_no, line_no, intake, source_row, paid_at, paid_on, reseller, channel, sku, quantity, gross_minor,
        discount_minor, net_minor, tier, category, cost_minor, self_purchase)
    VALUES ($1, $2, '1', 1, 1, $3, $4, 'R1', 'web', 'card', 2, 0, 0, 0, 'gold', 'video', 0, false)"""
BY_HAND = """
    UPDATE card SET state = 'delivered', order_no = $2, line_no = '1' WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM card WHERE brand_id = $1 AND sku = 'card' AND pool = $3 AND state = 'available' AND expires_on > $4
        ORDER BY expires_on, batch, number LIMIT 2 FOR NO KEY UPDATE))"""
ACT = """
    WITH made AS (INSERT INTO stock_act (brand_id, id, kind, at, role) VALUES ($1, $2, 'deliver', $3, 'api_key') RETURNING id)
    SELECT set_config('qucheng.stock_act', id::text, true) FROM made"""


async def timed(name: str, cards: int, step: Awaitable[object]) -> None:
    started = time.perf_counter()
    await step
    seconds = time.perf_counter() - started
    print(f"{name:<10} {cards:>9,} cards in {seconds:6.2f} s, {cards / seconds:>9,.0f} a second")


async def come_in(brand: Brand, pool: int, cards: int) -> int:
    async with db.atomic(brand.id):
        number = await batch.open_batch(
            brand_id=brand.id, sku="card", source="imported", quantity=cards, pool=pool, actor=warehouse.ACTOR, now=warehouse.NOW
        )
        await timed("came in", cards, db.connection().execute(CARDS_IN, number, pool, cards))
        await batch.filled(number=number)
    return number


async def released(brand: Brand, number: int) -> None:
    """In one transaction, whatever its size."""
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE batch SET state = 'releasing' WHERE number = $1", number)
        while await batch._free(number, warehouse.ACTOR, warehouse.NOW) == batch.AT_ONCE:  # noqa: SLF001 - what the task does
            pass


async def of_a_batch(brand: Brand, pool: int, cards: int) -> None:
    number = await come_in(brand, pool, cards)
    await timed("released", cards, released(brand, number))
    chosen = stop.Chosen(batch=number)
    given: dict[str, Any] = {"reason": "benchmark", "actor": warehouse.ACTOR, "now": warehouse.NOW}
    await timed("frozen", cards, stop.freeze(brand=brand, chosen=chosen, **given))
    await timed("unfrozen", cards, stop.unfreeze(brand=brand, chosen=chosen, **given))
    await timed("void", cards, stop.void(brand=brand, chosen=chosen, **given))


async def through_room(brand: Brand, orders: list[str]) -> None:
    for order in orders:
        async with db.atomic(brand.id):
            await db.connection().execute(LINE, brand.id, order, warehouse.NOW, warehouse.TODAY)
            await draw.draw(
                brand=brand,
                order_no=order,
                reseller="R1",
                channel="web",
                lines=[draw.Wanted(line_no="1", sku="card", units=UNITS)],
                actor=warehouse.SELLER,
                now=warehouse.NOW,
            )


async def by_hand(connection: asyncpg.Connection, brand: Brand, pool: int, orders: list[str]) -> None:
    for order in orders:
        async with connection.transaction():
            await connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand.id))
            await connection.execute(LINE, brand.id, order, warehouse.NOW, warehouse.TODAY)
            await connection.fetchval(ACT, brand.id, ids.new_id(), warehouse.NOW)
            await connection.execute(BY_HAND, brand.id, order, pool, warehouse.TODAY)


async def drawn(brand: Brand, pool: int, app_url: str, options: argparse.Namespace) -> None:
    number = await come_in(brand, pool, 4 * options.orders * (options.rounds + 1))
    await released(brand, number)
    room, hand = [], []
    connection = await asyncpg.connect(app_url, server_settings={"timezone": "UTC", "jit": "off"})
    for turn in range(options.rounds + 1):  # the first to warm up
        names = [f"{turn}-{place}" for place in range(options.orders)]
        started = time.perf_counter()
        await through_room(brand, [f"R-{name}" for name in names])
        between = time.perf_counter()
        await by_hand(connection, brand, pool, [f"H-{name}" for name in names])
        room.append(options.orders / (between - started))
        hand.append(options.orders / (time.perf_counter() - between))
    await connection.close()
    ours, theirs = statistics.median(room[1:]), statistics.median(hand[1:])
    print(f"draws {ours:,.0f} a second, by hand {theirs:,.0f}: ratio {ours / theirs:.2f}")


async def measured(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with kernel.workspace() as owner_url:
            app_url = database.with_database(
                await database.app_url(owner_url, settings.load().app_database_url, settings.load().var),
                database.database_name(owner_url),
            )
            brand = await warehouse.brand(Path(name))
            pool = await warehouse.opened(brand, "R1")
            await of_a_batch(brand, pool, options.cards)
            await drawn(brand, pool, app_url, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
