"""What the import of orders.csv costs, against a bare INSERT … SELECT of the lines it makes: a ratio in one run.

    python scripts/benchmark/importing.py [--lines 1000000] [--seed 1] [--rounds 1] [--profile] [--plans FILE]

Each round makes a synthetic brand in a workspace of its own and an orders.csv, of which about 1 % of the rows are wrong and some
come twice; imports it with the product's own code (read, staged, checked, stored, flagged, rejected), and then inserts the
finished lines again, as the same role, into an empty table with the same keys, indexes, foreign keys, policies and triggers.
Goal: at most 2 times the yardstick. --profile tells the seconds of each statement; --plans writes what EXPLAIN ANALYZE says.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kernel

from qucheng.bundle import files, importing
from qucheng.bundle import progress as progresses
from qucheng.core import clock, db

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

LINES, WRITTEN_DOWN = ("order_line",), ("order_flag", "rejection")
REFERRED_TO = "intake, reseller, channel, sku, order_line, intake_file"
# Wrong rows, one in a hundred, by the fault that the row's number chooses; others as they are.
WRONG = """CASE WHEN row % 100 = 7 THEN row / 100 % 6 END"""
ORDERS = f"""
    SELECT order_no AS "order", line_no AS line,
           CASE {WRONG} WHEN 0 THEN '2026-02-30T10:00:00' ELSE to_char(paid_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS') || '+08:00' END AS paid_at,
           CASE {WRONG} WHEN 1 THEN NULL ELSE reseller END AS reseller, channel, CASE {WRONG} WHEN 2 THEN 'sku-unknown' ELSE sku END AS sku,
           CASE {WRONG} WHEN 3 THEN 0 ELSE quantity END AS quantity,
           CASE {WRONG} WHEN 4 THEN gross_minor * 0.001 ELSE gross_minor * 0.01 END AS gross,
           CASE {WRONG} WHEN 5 THEN gross_minor * 0.01 + 1 ELSE discount_minor * 0.01 END AS discount, buyer
    FROM (SELECT *, 0 AS again FROM checked_orders
          -- of two hundred lines one comes again as it was, of a thousand one with another quantity
          UNION ALL SELECT *, 1 FROM checked_orders WHERE row % 200 = 11
          UNION ALL SELECT row, order_no, line_no, paid_at, reseller, channel, sku, quantity + 1, gross_minor, discount_minor, buyer, fault, 1
                    FROM checked_orders WHERE row % 1000 = 13) o
    ORDER BY again, row"""


class Timed:
    """A connection that keeps the seconds of each statement, and its plan if wanted."""

    def __init__(self, connection: asyncpg.Connection, seconds: dict[str, float], plans: Path | None) -> None:
        self._connection, self._seconds, self._plans = connection, seconds, plans

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the connection has
        called = getattr(self._connection, name)
        return self._timed(name, called) if name in {"execute", "fetch", "fetchval", "executemany", "copy_to_table"} else called

    def _timed(self, name: str, called: Any) -> Any:  # noqa: ANN401 - a coroutine function of the connection
        async def run(text: str, *values: Any, **options: Any) -> Any:  # noqa: ANN401 - as the connection's
            started = time.perf_counter()
            if name == "execute" and self._plans is not None and explainable(text):
                rows = await self._connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS OFF) {text}", *values)
                with self._plans.open("a", encoding="utf-8") as file:
                    file.write("\n".join([text, *(row[0] for row in rows), "\n"]))
                done = None
            else:
                done = await called(text, *values, **options)
            shown = f"{name} " + " ".join(text.split())[:90]
            self._seconds[shown] = self._seconds.get(shown, 0) + time.perf_counter() - started
            return done

        return run


def explainable(text: str) -> bool:
    return text.lstrip().startswith(("CREATE TEMP TABLE checked_", "WITH", "UPDATE", "INSERT INTO order_")) and ";" not in text


async def write_bundle(books: Brand, folder: Path, lines: int, seed: int) -> int:
    """The brand is stored, its orders are a file; the other files have only their headers. Returns the rows of orders.csv."""
    for file in files.FILES:
        (folder / file.file_name).write_text(",".join(column.name for column in file.columns) + "\n", encoding="utf-8")
    async with kernel.staged(books, lines, seed):
        done = await db.connection().copy_from_query(ORDERS, output=folder / "orders.csv", format="csv", header=True)
    return int(done.split()[-1])


async def one_round(
    lines: int, seed: int, profile: dict[str, float] | None, plans: Path | None
) -> tuple[kernel.Meter, kernel.Meter]:
    books = kernel.brand()
    folder = Path(tempfile.mkdtemp(prefix="qucheng-importing-"))
    try:
        async with kernel.workspace() as owner_url:
            rows = await write_bundle(books, folder, lines, seed)
            kernel.say(f"made {rows:,} rows, {(folder / 'orders.csv').stat().st_size / 2**20:.0f} MB")
            async with db.atomic():
                backend = await db.connection().fetchval("SELECT pg_backend_pid()")
            product, bare = kernel.Meter(backend=backend), kernel.Meter(backend=backend)
            await take_in(books, folder, product, profile, plans)
            counted = await kernel.yardstick(books, owner_url, bare, tables=(*LINES, *WRITTEN_DOWN), referred_to=REFERRED_TO)
        report(rows, product, bare, counted)
        return product, bare
    finally:
        shutil.rmtree(folder)


async def take_in(books: Brand, folder: Path, meter: kernel.Meter, profile: dict[str, float] | None, plans: Path | None) -> None:
    """The product's import, with the processor's seconds of this process in the phase `python`."""
    plain = db.connection
    if profile is not None:
        db.connection = lambda: Timed(plain(), profile, plans)
    quiet, used = progresses.Progress(terminal=False), time.process_time()
    try:
        with meter.phase("import"):
            await importing.take_in(folder=folder, brand=books, now=clock.now(), progress=quiet)
    finally:
        db.connection = plain
    meter.cpu["python"] = time.process_time() - used
    meter.seconds["python"] = 0
    kernel.say(", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in quiet.seconds.items()))


def report(rows: int, product: kernel.Meter, bare: kernel.Meter, counted: dict[str, int]) -> None:
    seconds, cpu = product.total()
    kernel.say(
        f"product   {seconds:8.1f} s ({cpu:.1f} s of processor, of which {product.cpu['python']:.1f} in Python)  {rows / seconds:,.0f} rows/s"
    )
    seconds, cpu = bare.total(*LINES)
    tables = ", ".join(f"{name} {bare.seconds[name]:.1f} s of {count:,}" for name, count in counted.items())
    kernel.say(
        f"yardstick {seconds:8.1f} s ({cpu:.1f} s of processor)  {counted['order_line'] / seconds:,.0f} lines/s  ({tables})"
    )
    kernel.say(
        f"ratio {ratio(product, bare, *LINES)}; with flags and rejections in the yardstick {ratio(product, bare, *LINES, *WRITTEN_DOWN)}"
    )


def ratio(product: kernel.Meter, bare: kernel.Meter, *tables: str) -> str:
    (seconds, cpu), (bare_seconds, bare_cpu) = product.total(), bare.total(*tables)
    return f"{seconds / bare_seconds:.2f}" + (f" (by processor time {cpu / bare_cpu:.2f})" if bare_cpu else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="tell the seconds of each statement")
    parser.add_argument("--plans", type=Path, help="write what EXPLAIN ANALYZE says of each statement (slower)")
    wanted = parser.parse_args()
    profile: dict[str, float] | None = {} if wanted.profile or wanted.plans else None
    rounds = [asyncio.run(one_round(wanted.lines, wanted.seed, profile, wanted.plans)) for _ in range(wanted.rounds)]
    for name, seconds in sorted((profile or {}).items(), key=lambda item: -item[1])[:30]:
        print(f"{seconds / wanted.rounds:8.2f} s  {name}")
    seconds = min(product.total()[0] for product, _ in rounds)
    bare = min(yardstick.total(*LINES)[0] for _, yardstick in rounds)
    print(
        f"{wanted.lines:,} lines, {wanted.rounds} rounds, the best of each: {seconds:.1f} s / {bare:.1f} s = {seconds / bare:.2f}"
    )


if __name__ == "__main__":
    main()
