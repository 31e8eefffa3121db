"""What a quote costs through HTTP, against an endpoint that runs the same select through bare asyncpg: a ratio in one run.

    PYTHONPATH=. python scripts/benchmark/quotes.py [--skus 500] [--seconds 5] [--rounds 3] [--callers 4]

A brand with a price book of three versions in a workspace of its own, and one uvicorn in this process with the product's app. The
yardstick is another route of the same app, behind the same guard with the same key and the same rate limit: a connection of a
pool of asyncpg, the brand's setting, one select, and the numbers as JSON. Callers ask without pause on connections that stay open;
both are asked in turn. Goal: at least half as many quotes a second as of the yardstick.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import logging
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import kernel
import msgspec
import structlog
import uvicorn
from litestar import Request, Response, get
from tests.rooms.catalog import price_shop
from tests.rooms.identity import people

from qucheng import app as wiring
from qucheng.catalog import quote
from qucheng.core import clock, crypto, database, servers, settings
from qucheng.identity import api_key
from qucheng.web import guards, machines
from qucheng.web.open_api import quotes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar.handlers import HTTPRouteHandler
    from tests.rooms.catalog.price_shop import Shop

BARE, ASKED = "/api/v1/bare-quotes", "/api/v1/quotes"
# nobody is kept waiting here
CALLS = msgspec.structs.replace(machines.CALLS, count=100_000_000)


def yardstick(pool: asyncpg.Pool, *, tokens: dict[str, Any]) -> HTTPRouteHandler:
    @get(BARE, opt=guards.api("prices.read", operation=quotes.QUOTE))
    async def bare(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller, given = machines.caller(request), request.query_params
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(caller.brand_id))
            row = await connection.fetchrow(quote.RESOLVE, given["sku"], given["channel"], given["reseller"], tokens["at"])
        return Response(
            msgspec.json.encode([row["price_minor"], row["level"], row["version"], row["next_minor"]]), media_type=machines.JSON
        )

    return bare


async def shop_of(keys: crypto.Keys, folder: Path, skus: int) -> Shop:
    """Of every third SKU prices in all channels, of every seventh for tiers; the newest two versions are scheduled."""
    made = [f"s{n},商品,类,30.00,10.00" for n in range(skus)]
    prices = [f"s{n},,,25.00,12.00,2026-01-01," for n in range(skus)]
    prices += [f"s{n},{channel},,26.00,,2026-01-01," for n in range(0, skus, 3) for channel in ("tmall", "wechat", "dealer")]
    prices += [f"s{n},{channel},gold,24.00,,2026-01-01," for n in range(0, skus, 7) for channel in ("", "tmall")]
    shop = await price_shop.opened(keys, folder, code="quotes", skus=made, prices=prices)
    for n, day in enumerate((price_shop.DAY, price_shop.LATER)):
        await shop.publish(*(price_shop.price(2500 + n, sku=f"s{each}", tier="gold") for each in range(0, skus, 5)), on=day)
    return shop


@contextlib.asynccontextmanager
async def serving(folder: Path, pool: asyncpg.Pool) -> AsyncIterator[int]:
    """The app with both routes; yields its port."""
    app = wiring.create_app(msgspec.structs.replace(settings.load(), var=folder / "var", redis_url=servers.redis_url()))
    app.register(yardstick(pool, tokens={"at": clock.now()}))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    served = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await served


async def ask(port: int, target: str, token: str, until: float) -> int:
    """One caller on one connection; returns how many answers it had."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = (
        f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    )
    answers = 0
    while time.perf_counter() < until:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{target}: {head!r} {body!r}")
        answers += 1
    writer.close()
    return answers


async def measured(options: argparse.Namespace) -> None:
    machines.CALLS = CALLS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with kernel.workspace() as owner_url:
            keys = crypto.keys(folder / "var" / "keys")
            shop = await shop_of(keys, folder, options.skus)
            app_url = database.with_database(
                await database.app_url(owner_url, settings.load().app_database_url, settings.load().var),
                database.database_name(owner_url),
            )
            token = await key_of(keys, shop)
            async with (
                asyncpg.create_pool(app_url, min_size=4, max_size=4, server_settings={"timezone": "UTC", "jit": "off"}) as pool,
                serving(folder, pool) as port,
            ):
                await compare(port, token, options)


async def key_of(keys: crypto.Keys, shop: Shop) -> str:
    owner, now = await people.member(keys, shop.brand.id, "owner"), clock.now()
    issued = await api_key.create(
        keys=keys,
        brand_id=shop.brand.id,
        name="benchmark",
        mode="live",
        reseller=None,
        scopes=["prices.read"],
        networks=[],
        expires_at=now + dt.timedelta(days=1),
        created_by=owner.user_id,
        actor=people.actor(owner),
        now=now,
    )
    return issued.token


async def compare(port: int, token: str, options: argparse.Namespace) -> None:
    query = "?sku=s105&channel=tmall&reseller=G1"
    found: dict[str, list[float]] = {ASKED: [], BARE: []}
    for seconds in (1.0, *[options.seconds] * options.rounds):  # the first to warm up
        for path, each in found.items():
            until = time.perf_counter() + seconds
            answers = await asyncio.gather(*(ask(port, path + query, token, until) for _ in range(options.callers)))
            each.append(sum(answers) / seconds)
    rates = {path: statistics.median(each[1:]) for path, each in found.items()}
    print(
        f"quotes {rates[ASKED]:,.0f} a second, the yardstick {rates[BARE]:,.0f}: ratio {rates[ASKED] / rates[BARE]:.2f} (goal: 0.50 or more)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=4)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
