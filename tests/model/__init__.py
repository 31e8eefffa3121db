"""The settlement specification once more, in plain Python: slow, exact, and sharing no line with the product.

Tests compare the product with it. `settle` reads a bundle and returns what `qucheng settle` must write.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.model import bonus, brand, kernel, network, orders, outputs, periods, reading, records, rules, statement
from tests.model.brand import StoppedError
from tests.model.kernel import Entry
from tests.model.reading import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.brand import Brand
    from tests.model.kernel import Line
    from tests.model.network import Network
    from tests.model.orders import Known
    from tests.model.reading import Book
    from tests.model.records import Refund, Reseller
    from tests.model.rules import Draft, Plan, Rule
    from tests.model.statement import Statement

__all__ = ["Result", "StoppedError", "settle"]


@dataclass(frozen=True)
class Result:
    statements_csv: bytes
    entries_csv: bytes
    journal_csv: bytes
    rejected: list[tuple[str, int, str]]
    flags: list[tuple[str, int, str]]
    rows: dict[str, int]  # data rows by file, without .csv
    duplicates: dict[str, int]
    brand: Brand
    plan: Plan
    lines: list[tuple[Line, list[Refund]]]
    statements: list[Statement]


def resellers(folder: Path, book: Book, tiers: set[str]) -> dict[str, tuple[int, Reseller]]:
    """Steps 1 to 5; a parent that is only in rows rejected in these steps is unknown."""
    rows = reading.readable(book, "resellers", reading.read(folder, "resellers"), records.reseller)
    left = rows
    while True:
        codes = {row.key for _, row in left}
        able = [(number, row) for number, row in left if row.tier in tiers and (not row.parent or row.parent in codes)]
        if len(able) == len(left):
            break
        left = able
    numbers = {number for number, _ in left}
    for number, _ in rows:
        if number not in numbers:
            book.reject("resellers", number, "ref.unknown")
    return {row.key: (number, row) for number, row in reading.keyed(book, "resellers", left).values()}


def joined(folder: Path, book: Book, made: Brand, tiers: set[str]) -> tuple[Network, dict[str, Reseller]]:
    known = resellers(folder, book, tiers)

    def judge(row: records.Placement) -> records.Placement:
        if row.reseller not in known or (row.parent and row.parent not in known) or row.tier not in tiers:
            raise RefusedError("ref.unknown")
        return row

    rows = reading.readable(book, "placements", reading.read(folder, "placements"), records.placement)
    placements = reading.keyed(book, "placements", reading.judged(book, "placements", rows, judge))
    built = network.build(made, book, list(known.values()), list(placements.values()))
    return built, {code: row for code, (_, row) in known.items() if code not in built.rejected}


def plan_of(folder: Path, book: Book, made: Brand, known: Known, tiers: set[str]) -> Plan:
    def judge(row: Draft) -> Rule:
        if (
            (row.sku and row.sku not in known.skus)
            or (row.channel and row.channel not in known.channels)
            or (row.tier and row.tier not in tiers)
        ):
            raise RefusedError("ref.unknown")
        return rules.accepted(row, made)

    rows = reading.readable(book, "rules", reading.read(folder, "rules"), partial(rules.draft, brand=made))
    found = reading.keyed(book, "rules", reading.judged(book, "rules", rows, judge))
    return rules.Plan(row for _, row in found.values())


def prices_of(folder: Path, book: Book, made: Brand, known: Known, tiers: set[str]) -> orders.Prices:
    def judge(row: records.Price) -> records.Price:
        if (
            row.sku not in known.skus
            or (row.channel and row.channel not in known.channels)
            or (row.tier and row.tier not in tiers)
        ):
            raise RefusedError("ref.unknown")
        return row

    rows = reading.readable(book, "prices", reading.read(folder, "prices"), partial(records.price, brand=made))
    found = reading.keyed(book, "prices", reading.judged(book, "prices", rows, judge))
    return orders.Prices([row for _, row in found.values()])


def settle(bundle: Path, through: str) -> Result:
    made, book, last = brand.load(bundle / "brand.toml"), reading.Book(), periods.parse(through)
    for file in reading.COLUMNS:
        reading.read(bundle, file)  # a file that cannot be read stops everything
    tiers = {
        row.key
        for _, row in reading.keyed(
            book, "tiers", reading.readable(book, "tiers", reading.read(bundle, "tiers"), records.tier)
        ).values()
    }
    channels = reading.readable(book, "channels", reading.read(bundle, "channels"), records.channel)
    skus = reading.readable(book, "skus", reading.read(bundle, "skus"), partial(records.sku, brand=made))
    built, people = joined(bundle, book, made, tiers)
    known = orders.Known(
        resellers=people,
        channels={row.key: row for _, row in reading.keyed(book, "channels", channels).values()},
        skus={row.key: row for _, row in reading.keyed(book, "skus", skus).values()},
    )
    prices = prices_of(bundle, book, made, known, tiers)
    plan = plan_of(bundle, book, made, known, tiers)
    bought = orders.orders(bundle, book, made, known)
    refunds = orders.refunds(bundle, book, made, bought)
    fulfilments = orders.fulfilments(bundle, book, made, bought)
    entries = [
        Entry(row.reseller, "adjustment", row.amount, row.occurred_at, row.occurred_at, order=row.key)
        for row in orders.adjustments(bundle, book, made, known)
    ]
    lines = []
    for key, (number, order) in bought.items():
        sku = known.skus[order.sku]
        clock = kernel.starts_at(order, sku, refunds.get(key, []), fulfilments.get(key, []))
        line = kernel.freeze(order, sku, known.channels[order.channel], built, people, plan, made, clock)
        earned, capped = kernel.entries(line, refunds.get(key, []), made)
        orders.flag(book, number, line, prices, capped=capped)
        entries += earned
        lines.append((line, refunds.get(key, [])))
    entries += bonus.entries(lines, plan, made, last)
    statements = statement.statements(entries, people, made, last)
    return Result(
        statements_csv=outputs.statements_csv(statements, made),
        entries_csv=outputs.entries_csv(statements, made),
        journal_csv=outputs.journal_csv(statements, made),
        rejected=sorted(book.rejected),
        flags=sorted(book.flags),
        rows=dict(book.rows),
        duplicates=dict(book.duplicates),
        brand=made,
        plan=plan,
        lines=lines,
        statements=statements,
    )
