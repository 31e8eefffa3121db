"""What accrual and settlement cost, against a bare INSERT … SELECT of the entries they make: a ratio in one run.

    python scripts/benchmark/kernel.py [--lines 1000000] [--seed 1] [--rounds 1] [--profile] [--plans FILE]

Each round makes a synthetic brand in a workspace of its own, accrues its lines and settles all periods with the product's own
code, and then inserts the finished entries again, as the same role, into empty tables with the same keys, indexes, foreign
keys, policies and triggers. Goals: at 1 million lines at most 2 times the yardstick, at 10 million at most 1.3 times that
ratio, Python under 500 MB. --profile tells the seconds of each statement; --plans writes what EXPLAIN ANALYZE says of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import re
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from qucheng.bundle import progress as progresses
from qucheng.bundle import settle as settling
from qucheng.catalog import channel, sku
from qucheng.commission import accrual, plan
from qucheng.core import clock, database, db, ids, servers, settings
from qucheng.identity import brand as brands
from qucheng.network import reseller
from qucheng.orders import intake, order, refund

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

BRAND_SQL = Path(__file__).with_name("kernel_brand.sql")
STARTS_ON, DAYS = dt.date(2026, 1, 1), 90
THROUGH = dt.date(2026, 5, 1)  # the last month in which anything matures
ENTRIES = ("accrual", "reversal_version", "bonus")
MEMBERSHIP = ("statement_accrual", "statement_reversal")
REFERRED_TO = "order_line, reseller, rule, refund, accrual, statement"
WORK_MEMORY = "SET LOCAL work_mem = '256MB'"
# triggers "a" are those of other tables' foreign keys to this one: they cost nothing on INSERT
COSTS = """SELECT (SELECT count(*) FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype <> 'n') AS constraints,
                  (SELECT count(*) FROM pg_index WHERE indrelid = $1::text::regclass) AS indexes,
                  (SELECT count(*) FROM pg_policy WHERE polrelid = $1::text::regclass) AS policies,
                  (SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::text::regclass AND tgname NOT LIKE 'RI\\_ConstraintTrigger\\_a%'
                   AND tgname NOT IN ('bonus_in_time', 'reversal_version_open') AND tgname NOT LIKE '%\\_membership') AS triggers"""
END_OF_STATEMENT = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$\$.*?\$\$|(;)", re.DOTALL)
EXPLAINED = re.compile(r"\s*(?:INSERT|CREATE TEMP TABLE \w+ ON COMMIT DROP AS)\b")


class Meter(msgspec.Struct):
    """Seconds by phase: of the clock, and of the processor in the server's process (None where it is not on this machine).

    On a machine that others use too, the processor's are the more trustworthy.
    """

    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}
    backend: int = 0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started, used = time.perf_counter(), processor_seconds(self.backend)
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started
        self.cpu[name] = self.cpu.get(name, 0) + processor_seconds(self.backend) - used

    def total(self, *names: str) -> tuple[float, float]:
        chosen = names or tuple(self.seconds)
        return sum(self.seconds[name] for name in chosen), sum(self.cpu[name] for name in chosen)


def processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Round(msgspec.Struct):
    """What the product took by phase, and the yardstick by table, and how many rows each table has."""

    product: Meter
    yardstick: Meter
    rows: dict[str, int] = {}


class Profile:
    """Takes the place of db.run_script: the same statements one by one, with the seconds of each, summed over the runs."""

    def __init__(self, plans: Path | None) -> None:
        self.seconds: dict[str, float] = {}
        self.plans = plans

    async def run_script(self, script: str, done: Callable[[int], None] | None = None) -> None:
        del done  # nobody watches
        for statement in statements(script):
            started = time.perf_counter()
            if self.plans is not None and EXPLAINED.match(statement):
                rows = await db.connection().fetch(f"EXPLAIN (ANALYZE, BUFFERS OFF, SETTINGS) {statement}")
                with self.plans.open("a", encoding="utf-8") as file:
                    file.write("\n".join([statement, *(row[0] for row in rows), "\n"]))
            else:
                await db.connection().execute(statement)
            name = " ".join(statement.split())[:70]
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started


def statements(text: str) -> Iterator[str]:
    start = 0
    for match in END_OF_STATEMENT.finditer(text):
        if match[1]:
            yield re.sub(r"^(?:\s|--[^\n]*\n)+", "", text[start : match.start()])
            start = match.end()


def brand() -> brands.Brand:
    return brands.Brand(
        id=ids.new_id(),
        code="kernel",
        name="Benchmark",
        currency="CNY",
        decimals=2,
        time_zone="Asia/Shanghai",
        locale="zh-CN",
        policy="cn-two-tier",
        legal_opinion="LO-2026-001",
        expires_on=dt.date(2027, 1, 31),
        max_depth=2,
        max_levels=2,
        max_total_rate_ppm=300_000,
        hold_days=7,
        min_payout_minor=1000,
        withholding="cn-labor",
    )


@contextlib.asynccontextmanager
async def staged(books: brands.Brand, lines: int, seed: int) -> AsyncIterator[int]:
    """A brand made by SQL and taken in by the rooms' own doors; yields its intake with the sales still to be taken in."""
    await brands.create(brand=books)
    async with db.atomic(books.id):
        connection = db.connection()
        await connection.execute(WORK_MEMORY)
        await connection.execute(
            "CREATE TEMP TABLE wanted (lines bigint, seed bigint, starts_on date, days integer) ON COMMIT DROP"
        )
        await connection.execute("INSERT INTO wanted VALUES ($1, $2, $3, $4)", lines, seed, STARTS_ON, DAYS)
        await connection.execute(BRAND_SQL.read_text(encoding="utf-8"))
        number = await intake.receive(now=clock.now())
        await reseller.add_tiers(staged="checked_tiers")
        await channel.add(staged="checked_channels")
        await reseller.add(resellers="checked_resellers", placements="checked_placements")
        await sku.add(staged="checked_skus")
        await plan.add_rules(staged="checked_rules", intake=number)
        await db.refresh_statistics()
        yield number


async def take_in(books: brands.Brand, lines: int, seed: int) -> None:
    async with staged(books, lines, seed) as number:
        await order.accept(staged="checked_orders", intake=number)
        await refund.accept(staged="checked_refunds", intake=number)


async def product(books: brands.Brand, meter: Meter) -> None:
    """What `settle` does between reading a bundle and writing its books."""
    with meter.phase("statistics"):
        await db.refresh_statistics()
    with meter.phase("accrue"):
        await accrual.accrue(brand_id=books.id, now=clock.now())
    with meter.phase("statistics"):
        await db.refresh_statistics()
    with meter.phase("settle"):
        quiet = progresses.Progress(terminal=False)
        await settling.settle_periods(brand=books, through=THROUGH, now=clock.now(), progress=quiet)


async def yardstick(
    books: brands.Brand, owner_url: str, meter: Meter, *, tables: tuple[str, ...], referred_to: str
) -> dict[str, int]:
    """Inserts each table again into its twin, as the app's role, in a transaction of its own; returns how many rows.

    What the entries refer to is first made as the product found it: a row that an earlier transaction has locked for its
    foreign keys costs the next one more.
    """
    rows: dict[str, int] = {}
    owner = await asyncpg.connect(owner_url)
    try:
        for table in tables:
            await make_twin(owner, table)
            await owner.execute(f"VACUUM (FREEZE) {referred_to}")
            with meter.phase(table):
                async with db.atomic(books.id):
                    done = await db.connection().execute(f"INSERT INTO twin_of_{table} SELECT * FROM {table}")
            rows[table] = int(done.split()[-1])
            await owner.execute(f"DROP TABLE twin_of_{table}")
    finally:
        await owner.close()
    return rows


async def make_twin(owner: asyncpg.Connection, table: str) -> None:
    """An empty table like it in everything that costs time on INSERT, taken from the catalogue."""
    twin = f"twin_of_{table}"
    await owner.execute(f"CREATE TABLE {twin} (LIKE {table} INCLUDING ALL)")
    await owner.execute(f"ALTER TABLE {twin} ENABLE ROW LEVEL SECURITY; GRANT SELECT, INSERT ON {twin} TO qucheng_app")
    for row in await owner.fetch(
        "SELECT conname, pg_get_constraintdef(oid) AS meaning FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'f'",
        table,
    ):
        await owner.execute(f"ALTER TABLE {twin} ADD CONSTRAINT {row['conname']} {row['meaning']}")
    for row in await owner.fetch(
        "SELECT policyname, permissive, roles, qual, with_check FROM pg_policies WHERE tablename = $1", table
    ):
        using, check = (re.sub(rf"\b{table}\.", f"{twin}.", row[name]) for name in ("qual", "with_check"))
        whose = f"AS {row['permissive']} TO {', '.join(row['roles'])}"
        await owner.execute(f"CREATE POLICY {row['policyname']} ON {twin} {whose} USING ({using}) WITH CHECK ({check})")
    for row in await owner.fetch(
        "SELECT pg_get_triggerdef(oid) AS meaning FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal"
        # these ask for the statement's own transaction, which a copy can't meet; without them the yardstick is the quicker
        " AND tgname NOT IN ('bonus_in_time', 'reversal_version_open') AND tgname NOT LIKE '%\\_membership'",
        table,
    ):
        await owner.execute(re.sub(rf" ON (?:public\.)?{table} ", f" ON {twin} ", row["meaning"]))
    if await owner.fetchrow(COSTS, table) != await owner.fetchrow(COSTS, twin):
        raise RuntimeError(f"{twin} is not like {table}")


@contextlib.asynccontextmanager
async def loading(owner_url: str, table: str) -> AsyncIterator[None]:
    """Without the table's foreign keys and further indexes for the time of the block; then all of them again, checked over every row."""
    owner = await asyncpg.connect(owner_url)
    try:
        keys = await owner.fetch(
            "SELECT conname, pg_get_constraintdef(oid) AS meaning FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'f'",
            table,
        )
        indexes = await owner.fetch(
            "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS meaning FROM pg_index WHERE indrelid = $1::text::regclass AND NOT indisprimary",
            table,
        )
        for key in keys:
            await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key['conname']}")
        for index in indexes:
            await owner.execute(f"DROP INDEX {index['name']}")
        yield
        for index in indexes:
            await owner.execute(index["meaning"])
        for key in keys:
            await owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {key['conname']} {key['meaning']}")
    finally:
        await owner.close()


@contextlib.asynccontextmanager
async def workspace() -> AsyncIterator[str]:
    """The engine on a database of its own; yields the owner's URL to it."""
    current = settings.load()
    owner = servers.database_url(current)
    app = await database.app_url(owner, current.app_database_url, current.var)
    async with database.workspace(owner, app) as url, db.connected(url, pool_size=1):
        yield database.with_database(owner, database.database_name(url))


async def one_round(lines: int, seed: int) -> Round:
    books = brand()
    async with workspace() as owner_url:
        started = time.perf_counter()
        async with loading(owner_url, "order_line"):
            await take_in(books, lines, seed)
        say(f"made {lines:,} lines in {time.perf_counter() - started:.0f} s")
        async with db.atomic():
            backend = await db.connection().fetchval("SELECT pg_backend_pid()")
        done = Round(product=Meter(backend=backend), yardstick=Meter(backend=backend))
        await product(books, done.product)
        done.rows = await yardstick(books, owner_url, done.yardstick, tables=(*ENTRIES, *MEMBERSHIP), referred_to=REFERRED_TO)
        async with db.atomic(books.id):
            sums = await db.connection().fetchrow(
                "SELECT count(*), sum(gross_minor), count(DISTINCT period) AS periods FROM statement"
            )
    report(done, lines)
    say(f"{sums[0]:,} statements in {sums['periods']} periods, gross {sums[1]:,} fen")
    return done


def report(done: Round, lines: int) -> None:
    entries = sum(done.rows[table] for table in ENTRIES)
    seconds, cpu = done.product.total()
    phases = ", ".join(f"{name} {spent:.1f}" for name, spent in done.product.seconds.items())
    say(
        f"product   {seconds:8.1f} s ({cpu:.1f} s of processor)  {lines / seconds:,.0f} lines/s  {entries / seconds:,.0f} entries/s  ({phases})"
    )
    seconds, cpu = done.yardstick.total(*ENTRIES)
    tables = ", ".join(f"{name} {done.yardstick.seconds[name]:.1f} s of {rows:,}" for name, rows in done.rows.items())
    say(f"yardstick {seconds:8.1f} s ({cpu:.1f} s of processor)  {entries / seconds:,.0f} entries/s  ({tables})")
    say(f"ratio {ratio(done, *ENTRIES)}; with the membership rows in the yardstick {ratio(done, *ENTRIES, *MEMBERSHIP)}")


def ratio(done: Round, *tables: str) -> str:
    (seconds, cpu), (bare_seconds, bare_cpu) = done.product.total(), done.yardstick.total(*tables)
    return f"{seconds / bare_seconds:.2f}" + (f" (by processor time {cpu / bare_cpu:.2f})" if bare_cpu else "")


def say(text: str) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"[load {load}] {text}", flush=True)


def summary(rounds: list[Round], lines: int) -> None:
    seconds = min(done.product.total()[0] for done in rounds)
    bare = min(done.yardstick.total(*ENTRIES)[0] for done in rounds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{lines:,} lines, {len(rounds)} rounds, the best of each: {seconds:.1f} s / {bare:.1f} s = {seconds / bare:.2f}; Python {memory:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="tell the seconds of each statement")
    parser.add_argument("--plans", type=Path, help="write what EXPLAIN ANALYZE says of each statement (slower)")
    wanted = parser.parse_args()
    profile = Profile(wanted.plans)
    if wanted.profile or wanted.plans:
        db.run_script = profile.run_script
    rounds = [asyncio.run(one_round(wanted.lines, wanted.seed)) for _ in range(wanted.rounds)]
    for name, seconds in sorted(profile.seconds.items(), key=lambda item: -item[1])[:40]:
        print(f"{seconds / wanted.rounds:8.2f} s  {name}")
    summary(rounds, wanted.lines)


if __name__ == "__main__":
    main()
