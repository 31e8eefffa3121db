"""The linter against a plain one that tries every SKU, channel, tier and day, on small plans made by chance."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from tests import books

from qucheng.bundle import importing
from qucheng.commission import linter
from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

Row = dict[str, Any]
DAYS = ["", "2026-02-01", "2026-03-01", "2026-04-01", "2027-01-31"]
POLICIES = [
    books.STRICT,
    'policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2026-03-01',
    books.INTL,
]


def span(chance: random.Random) -> tuple[str, str]:
    first, last = sorted(chance.sample(range(len(DAYS)), 2))
    return DAYS[first], chance.choice(["", DAYS[last]])


def rule(chance: random.Random, code: str, levels: int) -> str:
    some = [chance.choice(["", "", value]) for value in (f"s{chance.randrange(6)}", f"k{chance.randrange(2)}")]
    some += [chance.choice(["", "", value]) for value in (f"c{chance.randrange(4)}", f"t{chance.randrange(3)}")]
    kind, basis, rate = chance.choice(
        [
            ("percent", chance.choice(["net", "gross", "margin"]), f"0.{chance.randrange(10):01}5"),
            ("per_unit", "unit", f"{chance.randrange(8)}.5"),
            ("slab", "net", f"0:0.0{chance.randrange(9)};100:0.01"),
            ("graduated", "unit", f"0:{chance.randrange(3)};100:0.01"),
        ]
    )
    level = "" if kind in {"slab", "graduated"} else str(chance.randrange(levels) + 1)
    return ",".join([code, kind, level, *some, basis, rate, str(chance.randrange(2)), *span(chance)])


def bundle(chance: random.Random, levels: int) -> dict[str, list[str]]:
    cells = {}
    for _ in range(chance.randrange(14)):
        channel, tier = chance.choice(["", f"c{chance.randrange(4)}"]), chance.choice(["", f"t{chance.randrange(3)}"])
        first, last = span(chance)
        cells[f"s{chance.randrange(6)},{channel},{tier}", first or "2026-01-01"] = (
            f"{chance.randrange(30)},,{first or '2026-01-01'},{last}"
        )
    return {
        "tiers": [f"t{n},级,{n + 1}" for n in range(3)],
        "channels": [f"c{n},道,{'wholesale' if n == 3 else 'agency'}" for n in range(4)],
        "skus": [f"s{n},品,k{n % 3},{chance.randrange(30)},{chance.randrange(20)}" for n in range(30)],
        "resellers": ["R1,一号,company,,t0,2026-01-01,"],
        "prices": [f"{key[0]},{rest}" for key, rest in cells.items()],
        "rules": [rule(chance, f"r{n}", levels) for n in range(chance.randrange(3, 9))],
    }


async def rows(brand: Brand, table: str) -> list[Row]:
    async with db.atomic(brand.id):
        return [dict(row) for row in await db.connection().fetch(f"SELECT * FROM {table}")]


def in_force(row: Row, day: dt.date) -> bool:
    return (row["starts_on"] is None or row["starts_on"] <= day) and (row["ends_on"] is None or day < row["ends_on"])


def matches(row: Row, sale: Row) -> bool:
    return all(row[name] in (None, sale[name]) for name in ("sku", "category", "channel", "tier")) and in_force(row, sale["day"])


def applied(rules: list[Row], level: int, sale: Row) -> Row | None:
    def order(row: Row) -> tuple[object, ...]:
        worth = zip(("sku", "category", "channel", "tier"), (8, 4, 2, 1), strict=True)
        specific = sum(weight for name, weight in worth if row[name] is not None)
        return (-row["priority"], -specific, -(row["starts_on"].toordinal() if row["starts_on"] else 0), row["code"])

    return min((row for row in rules if row["level"] == level and matches(row, sale)), key=order, default=None)


def pays(row: Row | None, price: int, cost: int) -> int:
    """Millionths of a minor unit on one unit."""
    if row is None:
        return 0
    return {
        "net": row["rate_ppm"] or 0,
        "gross": row["rate_ppm"] or 0,
        "margin": row["rate_ppm"] or 0,
        "unit": row["rate_minor"] or 0,
    }[row["basis"]] * {"net": price, "gross": price, "margin": max(price - cost, 0), "unit": 1_000_000}[row["basis"]]


def rate(row: Row) -> int:
    return int(row["rate_minor"] if row["basis"] == "unit" else row["rate_ppm"])


def above(rules: list[Row], tiers: list[Row], level: int, sale: Row) -> list[Row | None]:
    """Of each kind of basis the dearest rule that applies to some tier."""
    best: dict[str, Row] = {}
    for tier in tiers:
        found = applied(rules, level, {**sale, "tier": tier["code"]})
        kind = "net" if found is not None and found["basis"] == "gross" else found["basis"] if found is not None else ""
        if (
            found is not None
            and rate(found)
            and (kind not in best or (-rate(found), found["code"]) < (-rate(best[kind]), best[kind]["code"]))
        ):
            best[kind] = found
    return list(best.values()) or [None]


def price_of(cells: list[Row], sale: Row) -> int | None:
    found = [
        cell
        for cell in cells
        if cell["sku"] == sale["sku"]
        and cell["channel"] in (None, sale["channel"])
        and cell["tier"] in (None, sale["tier"])
        and in_force(cell, sale["day"])
    ]
    found.sort(key=lambda cell: (cell["channel"] is None, cell["tier"] is None, -cell["starts_on"].toordinal()))
    return int(found[0]["price_minor"]) if found else None


async def expected(brand: Brand) -> dict[tuple[str, tuple[str, ...]], Fraction | None]:
    """By code and rules: the highest rate (None where the price is 0), or the greatest loss."""
    tables = {name: await rows(brand, name) for name in ("rule", "rule_bracket", "sku", "channel", "tier", "channel_price")}
    for bonus in (row for row in tables["rule"] if row["level"] is None):
        brackets = [bracket for bracket in tables["rule_bracket"] if bracket["rule"] == bonus["code"]]
        bonus["rate_ppm"] = max(bracket["rate_ppm"] or 0 for bracket in brackets)
        bonus["rate_minor"] = max(bracket["rate_minor"] or 0 for bracket in brackets)
    days = [dt.date(1999, 1, 1), dt.date(2026, 1, 1), *(dt.date.fromisoformat(day) for day in DAYS if day)]
    agency = [channel["code"] for channel in tables["channel"] if channel["kind"] == "agency"]
    worst: dict[tuple[str, tuple[str, ...]], Fraction | None] = {}
    for sku, channel, tier, day in itertools.product(tables["sku"], agency, tables["tier"], days):
        sale = {"sku": sku["code"], "category": sku["category"], "channel": channel, "tier": tier["code"], "day": day}
        price = price_of(tables["channel_price"], sale)
        price, cost = sku["list_price_minor"] if price is None else price, sku["cost_minor"]
        levels = 1 if brand.policy == "cn-two-tier" and brand.expires_on and day >= brand.expires_on else brand.max_levels
        own = [applied(tables["rule"], 1, sale), *(row for row in tables["rule"] if row["level"] is None and matches(row, sale))]
        for others in itertools.product(*(above(tables["rule"], tables["tier"], level, sale) for level in range(2, levels + 1))):
            paying = [row for row in [*own, *others] if row is not None and rate(row)]
            total = sum(pays(row, price, cost) for row in paying)
            names = tuple(sorted(row["code"] for row in paying))
            if total > brand.max_total_rate_ppm * price:
                key = ("plan.rate_exceeded", names)
                ratio = Fraction(total, price) if price else None
                known = worst.get(key, Fraction(0))
                worst[key] = None if ratio is None or known is None else max(known, ratio)
            if total and (loss := total - (price - cost) * 1_000_000) > 0:
                worst["plan.below_cost", names] = max(worst.get(("plan.below_cost", names)) or Fraction(0), Fraction(loss))
    return worst


@pytest.mark.parametrize("seed", range(24))
async def test_the_same_findings(workspace: books.Workspace, tmp_path: Path, seed: int) -> None:
    assert workspace
    chance = random.Random(seed)
    tables: dict[str, Any] = dict(bundle(chance, seed % 3 + 1))
    folder = books.write(tmp_path / "b", code=f"b{seed}", compliance=POLICIES[seed % 3], settlement="hold_days = 0", **tables)
    brand = await books.found(folder)
    await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
    report = await linter.findings(brand=brand, most=10_000)
    want = await expected(brand)
    assert sorted((finding.code, finding.rules) for finding in report.findings) == sorted(want)
    for finding in report.findings:
        worst = want[finding.code, finding.rules]
        if finding.code == "plan.rate_exceeded":
            assert finding.rate_ppm == (None if worst is None else -(-worst.numerator // worst.denominator))
        else:
            assert worst is not None
            millionths = worst + (finding.price_minor - finding.cost_minor) * 1_000_000
            assert finding.commission_minor == -(-millionths // 1_000_000)
