"""What claims cost: many at once through a desk, and through the least that would do it one by one, in one run.

    PYTHONPATH=. python scripts/benchmark/claims.py [--clients 256] [--claims 10000] [--plain 1500] [--rounds 3]

A brand in a workspace of its own, on a server that waits for its disk. The plain claim is one transaction for each: through bare asyncpg
and a pool of connections, one card found with SKIP LOCKED, and the same rows written with the same triggers: act, claim, card, event,
level. Both are asked in turn by as many clients, each of which asks again when it is answered. Goal: 15 times as many.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import kernel
import stock
from tests.rooms.campaigns import gate
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim
from qucheng.core import crypto, database, db, ids, settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qucheng.identity.brand import Brand

CONNECTIONS = 16
ACT = """
    WITH made AS (INSERT INTO stock_act (brand_id, id, kind, at, role) VALUES ($1, $2, 'claim', $3, 'system') RETURNING id)
    SELECT set_config('qucheng.brand_id', $1::text, true), set_config('qucheng.stock_act', id::text, true) FROM made"""
CLAIM = """
    INSERT INTO claim (brand_id, id, offer, subject_hash, period, claimed_at) VALUES ($1, $2, 'spring', $3, 'ever', $4)"""
CARD = """
    UPDATE card SET state = 'delivered', claim = $2 WHERE ctid = (
        SELECT ctid FROM card WHERE brand_id = $1 AND sku = 'card' AND pool = $3 AND state = 'available' AND expires_on > $4
        ORDER BY expires_on, batch, number LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING batch, number"""


async def by_clients(clients: int, claims: int, one: Callable[[int], Awaitable[None]], waited: list[float]) -> float:
    """How many a second; and how long each waited."""
    places = iter(range(claims))

    async def client() -> None:
        for place in places:
            asked = time.perf_counter()
            await one(place)
            waited.append(time.perf_counter() - asked)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return claims / (time.perf_counter() - started)


async def measured(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with kernel.workspace() as owner_url:
            current = settings.load()
            app_url = database.with_database(
                await database.app_url(owner_url, current.app_database_url, current.var), database.database_name(owner_url)
            )
            brand = await warehouse.brand(Path(name))
            pool = await warehouse.opened(brand, "R1")
            await stock.released(brand, await stock.come_in(brand, pool, (options.claims + options.plain) * (options.rounds + 1)))
            await gate.offered(brand)
            async with asyncpg.create_pool(
                app_url, min_size=CONNECTIONS, max_size=CONNECTIONS, server_settings={"timezone": "UTC", "jit": "off"}
            ) as connections:
                await in_turn(brand, pool, crypto.keys(Path(name) / "keys"), connections, options)
            await counted(brand, options)


async def in_turn(brand: Brand, pool: int, keys: crypto.Keys, connections: asyncpg.Pool, options: argparse.Namespace) -> None:
    desk = claim.Desk()
    ours, theirs = [], []
    desk_waits: list[float] = []
    plain_waits: list[float] = []
    for turn in range(options.rounds + 1):  # the first to warm up

        async def at_desk(place: int, turn: int = turn) -> None:
            await gate.claimed(brand, keys, f"D-{turn}-{place}", desk=desk)

        async def plain(place: int, turn: int = turn) -> None:
            made, person = ids.new_id(), keys.fingerprint(f"{brand.id}:P-{turn}-{place}", of=claim.PLACE)
            async with connections.acquire() as connection, connection.transaction():
                await connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand.id))
                await connection.fetchrow(ACT, brand.id, ids.new_id(), gate.NOW)
                await connection.execute(CLAIM, brand.id, made, person, gate.NOW)
                if await connection.fetchrow(CARD, brand.id, made, pool, warehouse.TODAY) is None:
                    raise RuntimeError("there are cards, and none was found")

        if turn == 1:
            desk_waits.clear()
            plain_waits.clear()
        ours.append(await by_clients(options.clients, options.claims, at_desk, desk_waits))
        theirs.append(await by_clients(options.clients, options.plain, plain, plain_waits))
        print(f"round {turn}: {ours[-1]:,.0f} and {theirs[-1]:,.0f} a second, load {os.getloadavg()[0]:.1f}", flush=True)
    for name, rates, waits in (("claims", ours, desk_waits), ("plain", theirs, plain_waits)):
        p50, p99 = statistics.median(waits) * 1e3, statistics.quantiles(waits, n=100)[98] * 1e3
        print(f"{name:<6} {statistics.median(rates[1:]):>7,.0f} a second, answered in {p50:,.0f} ms, p99 {p99:,.0f} ms")
    print(f"ratio {statistics.median(ours[1:]) / statistics.median(theirs[1:]):.1f} (goal: 15 or more)")


async def counted(brand: Brand, options: argparse.Namespace) -> None:
    wanted = (options.claims + options.plain) * (options.rounds + 1)
    async with db.atomic(brand.id):
        found = await db.connection().fetchval(
            "SELECT count(*) FROM card JOIN claim ON claim.id = card.claim WHERE card.state = 'delivered'"
        )
    if found != wanted or await warehouse.differences(brand):
        raise RuntimeError(f"{wanted} were claimed, {found} are there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=256)
    parser.add_argument("--claims", type=int, default=10_000)
    parser.add_argument("--plain", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
