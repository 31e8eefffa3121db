"""What a claim through HTTP costs, against Litestar's hello-world in the same server: processor seconds for each request, in one run.

    PYTHONPATH=. python scripts/benchmark/claim_http.py [--connections 64] [--requests 2000] [--rounds 5] [--profile FILE]

An installation of its own, with servers that wait for their disk. `qucheng serve` is a real process, so is the hello-world, which is
served with the same configuration; a third process asks them in turn over connections that stay open. A claim comes with a key, a
signature, a nonce of its own, an Idempotency-Key and a person who has none yet; it is kept and on disk when it is answered. Goal: the
web process spends at most 1 / 0.35 of the hello-world's on it. Told beside: what PostgreSQL and Valkey spend, and what the web process
spends on its own shortest answer (/healthz), which has its request id, headers, line in the log and count as every answer has.
--profile: where the web process spends it, by cProfile.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import litestar
import msgspec
import redis
import stock
import uvicorn
from litestar.enums import MediaType
from tests.rooms.campaigns import gate
from tests.rooms.identity import people
from tests.rooms.stock import warehouse

from qucheng.core import clock, crypto, db, platform, servers, settings
from qucheng.core.embedded import postgres, valkey
from qucheng.identity import api_key
from qucheng.web import server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from qucheng.identity.brand import Brand

PATH, HELLO, ALIVE = "/api/v1/claims", "/", "/healthz"
PATIENCE = 60
TICKS = os.sysconf("SC_CLK_TCK")


class Asked(msgspec.Struct, kw_only=True):
    """What the process that asks is told: of a machine, where it stands in the run."""

    port: int
    connections: int
    requests: int
    turn: int = 0
    path: str = HELLO
    key: str | None = None
    secret: str = ""


@litestar.get(HELLO, media_type=MediaType.TEXT, sync_to_thread=False)
def hello() -> str:
    return "Hello, world"


async def serve_hello(port: int) -> None:
    with contextlib.closing(server.reserve("127.0.0.1", port)) as taken:
        app = litestar.Litestar([hello], openapi_config=None, logging_config=None)
        await uvicorn.Server(server.configured(app, trusted_proxies=())).serve(sockets=[taken])


def request(asked: Asked, place: int) -> bytes:
    """As it stands on the wire."""
    if asked.key is None:
        return f"GET {asked.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    body = msgspec.json.encode({"offer": gate.CODE, "subject": f"user-{asked.turn}-{place}"})
    timestamp, nonce, named = str(int(time.time())), secrets.token_hex(16), f"k-{asked.turn}-{place}"
    text = "\n".join(["QC1", "POST", PATH, timestamp, nonce, named, hashlib.sha256(body).hexdigest()])
    signature = hmac.new(asked.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"idempotency-key: {named}\r\nqucheng-key: {asked.key}\r\nqucheng-timestamp: {timestamp}\r\nqucheng-nonce: {nonce}\r\n"
        f"qucheng-signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


async def ask(asked: Asked) -> None:
    """Every request over a connection that stays open, and as many connections at once. Prints seconds of the clock for each."""
    places = iter(range(asked.requests))
    good = b" 200 " if asked.key is None else b" 201 "
    waited: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        for place in places:
            started = time.perf_counter()
            writer.write(request(asked, place))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            said = await reader.readexactly(length)
            waited.append(time.perf_counter() - started)
            if good not in head.partition(b"\r\n")[0]:
                raise RuntimeError(f"{head.decode()}{said.decode()}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(asked.connections)))
    sys.stdout.buffer.write(msgspec.json.encode(waited))


def processor_seconds(*processes: int) -> float:
    """Of these and of those children of theirs that still run."""
    spent = 0.0
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = place.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(place.parent.name) in processes or int(fields[1]) in processes:
                spent += (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        number: int = held.getsockname()[1]
    return number


@contextlib.contextmanager
def process(port: int, *command: str, **named: str) -> Iterator[int]:
    """A server as a process that answers."""
    started = subprocess.Popen(
        [sys.executable, *command], env={**os.environ, **named}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield started.pid
    finally:
        started.terminate()
        started.wait(PATIENCE)


def asked_of(asked: Asked) -> list[float]:
    """By a process of its own, so that its work is nobody else's."""
    done = subprocess.run(
        [sys.executable, __file__, "--ask"], input=msgspec.json.encode(asked), stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(done.stdout, type=list[float])


@contextlib.asynccontextmanager
async def installation(cards: int) -> AsyncIterator[tuple[Path, Brand, api_key.Issued]]:
    with tempfile.TemporaryDirectory(prefix="qucheng-benchmark-") as name:
        var = Path(name)
        var.chmod(0o755)
        try:
            async with platform.entered(settings.load({"QUCHENG_VAR": name})):
                yield var, *await furnished(var, cards)
        finally:
            valkey.discard(var)
            postgres.discard(var)


async def furnished(var: Path, cards: int) -> tuple[Brand, api_key.Issued]:
    keys, now = crypto.keys(var / "keys"), clock.now()
    brand = await warehouse.brand(var)
    pool = await warehouse.opened(brand, "R1")
    await stock.released(brand, await stock.come_in(brand, pool, cards))
    await gate.offered(brand, starts_at=now - dt.timedelta(hours=1), ends_at=now + dt.timedelta(hours=12))
    maker = await people.member(keys, brand.id, "owner")
    issued = await api_key.create(
        keys=keys,
        brand_id=brand.id,
        reseller=None,
        name="benchmark",
        mode="live",
        scopes=["claims.write"],
        networks=[],
        expires_at=now + dt.timedelta(days=1),
        created_by=maker.user_id,
        actor=gate.ACTOR,
        now=now,
    )
    return brand, issued


async def measured(options: argparse.Namespace) -> None:
    per_round, warm = options.requests, options.connections * 4
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "APP_DATABASE_URL", "REDIS_URL"}
    }
    os.environ.clear()
    os.environ.update(environment)
    async with installation(per_round * options.rounds + warm) as (var, brand, issued):
        serve = ["-m", "qucheng.cli", "serve"]
        if options.profile:
            serve = ["-m", "cProfile", "-o", str(options.profile), *serve]
        web_port, hello_port = free_port(), free_port()
        with (
            process(web_port, *serve, "--port", str(web_port), QUCHENG_VAR=str(var)) as web,
            process(hello_port, __file__, "--hello", str(hello_port)) as plain,
        ):
            others = {"PostgreSQL": await postmaster(), "Valkey": valkey_process(var)}
            given: dict[str, Any] = {"connections": options.connections}
            claims = {"port": web_port, "key": issued.id.hex, "secret": issued.signing_secret or "", **given}
            for asked in (Asked(requests=warm, **claims), Asked(requests=warm, port=hello_port, **given)):
                await asyncio.to_thread(asked_of, asked)
            await in_turn(options, web, plain, others, claims, {"port": hello_port, **given})
        await counted(brand, per_round * options.rounds + warm)


async def in_turn(
    options: argparse.Namespace, web: int, plain: int, others: dict[str, int], claims: dict[str, Any], hellos: dict[str, Any]
) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    shortest: list[float] = []
    besides: list[float] = []
    waited: list[float] = []
    alive = {**hellos, "port": claims["port"], "path": ALIVE}
    for turn in range(1, options.rounds + 1):
        before, stood = processor_seconds(web), processor_seconds(*others.values())
        waited += await asyncio.to_thread(asked_of, Asked(requests=options.requests, turn=turn, **claims))
        ours.append((processor_seconds(web) - before) / options.requests * 1e6)
        besides.append((processor_seconds(*others.values()) - stood) / options.requests * 1e6)
        for server_process, found, asked in ((plain, theirs, hellos), (web, shortest, alive)):
            before = processor_seconds(server_process)
            await asyncio.to_thread(asked_of, Asked(requests=3 * options.requests, **asked))
            found.append((processor_seconds(server_process) - before) / (3 * options.requests) * 1e6)
        print(f"claim {ours[-1]:,.0f} us, hello {theirs[-1]:,.0f} us, load {os.getloadavg()[0]:.1f}", flush=True)
    claim, hello_world = statistics.median(ours), statistics.median(theirs)
    print(
        f"a claim answered in {statistics.median(waited) * 1e3:,.0f} ms, p99 {statistics.quantiles(waited, n=100)[98] * 1e3:,.0f} ms"
    )
    print(
        f"processor time of a claim in the web process {claim:,.0f} us, in {' and '.join(others)} {statistics.median(besides):,.0f} us"
    )
    print(f"of its own shortest answer {statistics.median(shortest):,.0f} us: ratio {statistics.median(shortest) / claim:.2f}")
    print(f"of a hello-world {hello_world:,.0f} us: ratio {hello_world / claim:.2f} (goal: 0.35 or more)")


async def postmaster() -> int:
    async with db.atomic():
        backend: int = await db.connection().fetchval("SELECT pg_backend_pid()")
    return int(Path(f"/proc/{backend}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def valkey_process(var: Path) -> int:
    about: dict[str, str] = redis.Redis.from_url(servers.redis_url(settings.load({"QUCHENG_VAR": str(var)}))).info("server")  # type: ignore[assignment] # an asynchronous client's answer is typed too
    return int(about["process_id"])


async def counted(brand: Brand, wanted: int) -> None:
    async with db.atomic(brand.id):
        found = await db.connection().fetchval(
            "SELECT count(*) FROM card JOIN claim ON claim.id = card.claim WHERE card.state = 'delivered'"
        )
    if found != wanted or await warehouse.differences(brand):
        raise RuntimeError(f"{wanted} were claimed, {found} are there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--hello", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hello:
        asyncio.run(serve_hello(options.hello))
    elif options.ask:
        asyncio.run(ask(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)))
    else:
        asyncio.run(measured(options))


if __name__ == "__main__":
    main()
