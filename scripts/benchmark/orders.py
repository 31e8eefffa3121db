"""What taking in a paid order costs through the room, against the same statements through bare asyncpg: a ratio in one run.

    PYTHONPATH=. python scripts/benchmark/orders.py [--resellers 2000] [--seconds 4] [--rounds 5] [--callers 4] [--lines 2]

A brand with a network of thousands and a price book, in a workspace of its own. The yardstick takes a connection of a pool of asyncpg,
opens one transaction, sets the brand, and runs the statements of the room with values that are made already; the room reads, judges
and hashes besides. Both write the same rows, from as many callers, in turn. Goal: at least half as many orders a second.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec
from tests import books

from qucheng.core import audit, database, db, ids, servers, settings
from qucheng.orders import deviation, rules, sale

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from qucheng.identity.brand import Brand

NOW = books.NOW
ENTER = """
    SELECT e.number, current_brand() AS brand, EXISTS (
        SELECT 1 FROM task WHERE key = 'orders.accrue/' || current_brand() || '/' || e.number AND state IN ('waiting', 'running')) AS rung
    FROM enter_intake($1) e (number)"""
RECORD = """
    INSERT INTO audit_record (brand_id, id, user_id, role, action, subject, before, after, network, request_id, approval)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
TELL = "INSERT INTO outbox_event (brand_id, id, kind, subject, data) VALUES ($1, $2, $3, $4, $5)"


async def brand_of(folder: Path, resellers: int) -> Brand:
    people = [f"R{n},第{n}号,individual,{f'R{n - 1}' if n % 2 else ''},gold,2026-01-01,p{n}" for n in range(resellers)]
    skus = [f"s{n},商品,类,30.00,10.00" for n in range(200)]
    prices = [f"s{n},,,30.00,12.00,2026-01-01," for n in range(200)]
    bundle = books.write(folder, code="orders", compliance=books.INTL, resellers=people, skus=skus, prices=prices)
    brand = await books.found(bundle)
    await books.take_in(brand, bundle)
    return brand


async def through_room(brand: Brand, number: int, lines: int, resellers: int) -> None:
    await sale.place(
        brand=brand,
        order_no=f"A-{number}",
        lines=[
            rules.LineIn(line_no=str(n + 1), sku=f"s{(number + n) % 200}", quantity=1, gross_minor=3000) for n in range(lines)
        ],
        reseller=f"R{number % resellers}",
        channel="web",
        source="page",
        paid_at=NOW,
        actor=audit.SYSTEM,
        now=NOW,
    )


async def bare(pool: asyncpg.Pool, brand: Brand, number: int, lines: int, resellers: int) -> None:
    order_no, reseller = f"B-{number}", f"R{number % resellers}"
    skus = [f"s{(number + n) % 200}" for n in range(lines)]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand.id))
        await connection.fetch(deviation.LOOK, reseller, "web", NOW, NOW, skus, order_no)
        row = await connection.fetchrow(ENTER, NOW)
        await connection.fetch(
            sale.FREEZE,
            *(row["number"], order_no, reseller, "web", NOW, None),
            *([str(n + 1) for n in range(lines)], skus, [1] * lines, [3000] * lines, [0] * lines),
        )
        digest = hashlib.sha256(order_no.encode()).digest()
        await connection.execute(
            sale.STORE,
            *(brand.id, order_no, "page", reseller, "web", NOW, NOW, "none"),
            *(None, None, digest, None, None, None, None, row["number"]),
        )
        after = '{"source":"page","reseller":"R1","channel":"web","lines":2,"net_minor":6000,"stock_state":"none"}'
        await connection.execute(
            RECORD, *(brand.id, ids.new_id(), None, "system", "order.place", order_no), *(None, after, None, None, None)
        )
        data = msgspec.json.encode({"orderNo": order_no}).decode()
        await connection.execute(TELL, brand.id, ids.new_id(), "order.paid", order_no, data)


async def rate(
    once: Callable[[int], Coroutine[None, None, None]], numbers: itertools.count[int], options: argparse.Namespace
) -> float:
    until, started = time.perf_counter() + options.seconds, time.perf_counter()

    async def caller() -> int:
        done = 0
        while time.perf_counter() < until:
            await once(next(numbers))
            done += 1
        return done

    orders = sum(await asyncio.gather(*(caller() for _ in range(options.callers))))
    return orders / (time.perf_counter() - started)


async def measured(options: argparse.Namespace) -> None:
    current = settings.load()
    owner = servers.database_url(current)
    app = await database.app_url(owner, current.app_database_url, current.var)
    with tempfile.TemporaryDirectory() as name:
        async with (
            database.workspace(owner, app) as url,
            db.connected(url, pool_size=options.callers),
            asyncpg.create_pool(
                url, min_size=options.callers, max_size=options.callers, server_settings={"timezone": "UTC", "jit": "off"}
            ) as pool,
        ):
            brand = await brand_of(Path(name) / "bundle", options.resellers)
            await db.refresh_statistics()
            numbers = itertools.count(1)
            sides = {
                "room": lambda number: through_room(brand, number, options.lines, options.resellers),
                "bare": lambda number: bare(pool, brand, number, options.lines, options.resellers),
            }
            found: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(options.rounds + 1):  # the first to warm up
                for side, once in sides.items():
                    found[side].append(await rate(once, numbers, options))
    room, yardstick = (statistics.median(found[side][1:]) for side in ("room", "bare"))
    print(f"orders {room:,.0f} a second, the yardstick {yardstick:,.0f}: ratio {room / yardstick:.2f} (goal: 0.50 or more)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resellers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--lines", type=int, default=2)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
