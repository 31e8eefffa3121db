"""A whole installation for tests of faults: servers of its own, a brand in its platform, workers as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import redis
from tests import books as brand_books

from qucheng.bundle import books, importing, settle
from qucheng.core import platform, servers, settings, supervisor, task
from qucheng.core.embedded import postgres, valkey
from qucheng.insight import books as book_checks
from qucheng.settlement import advance, document_store

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Iterator

    from qucheng.identity.brand import Brand

ROOT = Path(__file__).parents[2]
FILES = ("statements.csv", "entries.csv", "journal.csv")
RESELLERS, MONTHS = 6, ("2026-01", "2026-02")
REFERENCE = "fault-000"
PATIENCE = 240
"""For a machine with other things to do. That it takes less than a minute is measured by itself, in test_workers_lost.py."""
# small leases, batches and chunks, so that a small brand passes every crash point several times and a test waits for seconds
QUICK = (
    "qucheng.core.task.LEASE_SECONDS=3",
    "qucheng.core.task.BEAT_SECONDS=1",
    "qucheng.core.platform.IDLE_SECONDS=5",
    "qucheng.core.task.RING_AGAIN_SECONDS=3",
    "qucheng.worker.SWEEP_SECONDS=1",
    "qucheng.settlement.run.BATCH=4",
    "qucheng.settlement.document_store.CHUNK=1",
)


@dataclass
class Site:
    var: Path
    reference: dict[str, bytes]
    made: int = 0
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    lifeline: tuple[int, int] = field(default_factory=os.pipe)

    @property
    def settings(self) -> settings.Settings:
        return settings.load({"QUCHENG_VAR": str(self.var)})

    async def brand(self) -> Brand:
        """A brand of its own with two months that can be settled, in the platform's database."""
        self.made += 1
        folder = bundle(self.var / f"bundle-{self.made}", code=f"fault-{self.made:03}")
        brand = await brand_books.found(folder)
        await importing.take_in(folder=folder, brand=brand, now=brand_books.NOW, progress=brand_books.QUIET)
        return brand

    def worker(self, *changes: str, crash: str | None = None, quick: bool = True) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "QUCHENG_VAR": str(self.var)}
        environment.pop("DATABASE_URL", None)
        if crash is not None:
            environment["QUCHENG_CRASH_AT"] = crash
        environment[supervisor.LIFELINE] = str(self.lifeline[0])
        with (self.var / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.start", *(QUICK if quick else ()), *changes, "--", "worker"],
                cwd=ROOT,
                env=environment,
                stderr=log,
                start_new_session=True,
                pass_fds=[self.lifeline[0]],
            )
        self.workers.append(process)
        return process

    def end(self) -> None:
        """Kills the workers of a test that are still there, with their children."""
        for process in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.workers.clear()

    async def owner(self) -> asyncpg.Connection:
        return await asyncpg.connect(servers.database_url(self.settings))

    async def postmaster(self) -> int:
        """The process of the PostgreSQL server."""
        connection = await self.owner()
        try:
            backend: int = await connection.fetchval("SELECT pg_backend_pid()")
            parent = Path(f"/proc/{backend}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1]
        finally:
            await connection.close()
        return int(parent)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(servers.redis_url(self.settings))

    def valkey_process(self) -> int:
        about: dict[str, str] = self.valkey().info("server")  # type: ignore[assignment] # an asynchronous client's answer is typed too
        return int(about["process_id"])

    async def whole(self, brand: Brand) -> None:
        """Every statement once, every document there, the books clean: the same as a bundle settled without any fault."""
        out = self.var / f"out-{brand.code}"
        await books.write(brand=brand, out=out, through=first_of(MONTHS[-1]))
        for name in FILES:
            assert (out / name).read_bytes() == self.reference[name].replace(REFERENCE.encode(), brand.code.encode()), name
        for month in MONTHS:
            found = await document_store.status(brand=brand, period=first_of(month))
            assert (found.ready, found.waiting, found.failed) == (RESELLERS, 0, {}), month
        recorded = await brand_books.seen(
            brand,
            "SELECT s.statement_no, to_char(s.period, 'YYYYMM'), f.format, f.sha256 FROM statement s JOIN document_file f USING (brand_id, period, number)",
        )
        assert len(recorded) == RESELLERS * len(MONTHS) * 3
        for statement_no, month, form, sha256 in recorded:
            file = self.settings.documents / str(brand.id) / month / f"{statement_no}.{form}"
            assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256, file
        assert len([each for each in (self.settings.documents / str(brand.id)).rglob("*") if each.is_file()]) == len(recorded)
        assert (await book_checks.check(brand=brand, now=brand_books.NOW)).total == 0


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """With the reference settled; the platform's database is entered by `entered()`."""
    with tempfile.TemporaryDirectory(prefix="qucheng-site-") as name:
        var = Path(name)
        var.chmod(0o755)
        made = Site(var, {})
        try:
            asyncio.run(_settle_reference(made))
            yield made
        finally:
            made.end()
            for end in made.lifeline:
                os.close(end)
            valkey.discard(var)
            postgres.discard(var)


async def _settle_reference(made: Site) -> None:
    out = made.var / "reference"
    await settle.settle_bundle(
        folder=bundle(made.var / "bundle-0", code=REFERENCE),
        through=first_of(MONTHS[-1]),
        out=out,
        pdf=False,
        now=brand_books.NOW,
        settings=made.settings,
        progress=brand_books.QUIET,
    )
    made.reference = {name: (out / name).read_bytes() for name in FILES}


@contextlib.asynccontextmanager
async def entered(made: Site) -> AsyncIterator[Site]:
    async with platform.entered(made.settings):
        yield made


def first_of(month: str) -> dt.date:
    return dt.date.fromisoformat(f"{month}-01")


def bundle(folder: Path, *, code: str) -> Path:
    """Six resellers in pairs, four of them one person, sales in two months, refunds within and across them, an adjustment."""
    people = [
        f"R{i:02},第{i}号,individual,{f'R{i - 1:02}' if i % 2 else ''},gold,2026-01-01,person-{max(i, 3)}"
        for i in range(RESELLERS)
    ]
    orders = [
        f"{month}-{i:02}-{n},1,{month}-{3 + n:02}T12:0{n}:00,R{i:02},web,card,{n + 1},{3100 + 700 * i + n}.{i:02},{n}.50,"
        for month in MONTHS
        for i in range(RESELLERS)
        for n in range(4)
    ]
    refunds = [f"F{i},{MONTHS[0]}-{i:02}-1,1,2026-0{1 + i % 2}-20T10:00:00,1,{20 + i}.3{i % 10}" for i in range(RESELLERS)]
    return brand_books.write(
        folder,
        code=code,
        compliance='policy = "cn-two-tier"\nlegal_opinion = "O-1"\nexpires_on = "2030-01-01"',
        settlement='hold_days = 0\nwithholding = "cn-labor"',
        resellers=people,
        rules=["OWN,percent,1,,,,,net,0.1,0,,", "UP,percent,2,,,,,net,0.035,0,,", "VOL,graduated,,,,,,net,0:0;9000:0.02,0,,"],
        orders=orders,
        refunds=refunds,
        adjustments=["A1,R03,2026-01-15T12:00:00,-5.00,correction"],
    )


async def asked(brand: Brand) -> uuid.UUID:
    """The task that settles both months."""
    return await advance.request(brand=brand, through=first_of(MONTHS[-1]), draft=False, now=brand_books.NOW)


async def waiting(brand: Brand) -> list[task.Task]:
    """The brand's tasks that have not ended."""
    return await task.listing(states=("waiting", "running", "dead"), brand_id=brand.id, most=1000)


async def finished(brand: Brand, *, within: float) -> bool:
    """Whether all work of the brand ends well within that many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if not await waiting(brand):
                return True
        await asyncio.sleep(0.2)
    return False


async def ended(process: subprocess.Popen[bytes], *, within: float) -> int | None:
    """The exit status of a process that ends within that many seconds; a signal as its negative number."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return await asyncio.to_thread(process.wait, within)
    return None
