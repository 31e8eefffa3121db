"""The sales and refunds of a bundle, sent one by one to a brand that has the rest of it."""

from __future__ import annotations

import collections
import csv
import itertools
import shutil
from typing import TYPE_CHECKING, Any

from tests import books

from qucheng.commission import accrual
from qucheng.core import audit, db
from qucheng.orders import refund, rules, sale

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from qucheng.identity.brand import Brand

ACTOR = audit.SYSTEM
LINES = """
    SELECT order_no, line_no, paid_at, reseller, channel, sku, quantity, gross_minor, discount_minor, buyer FROM order_line
    WHERE brand_id = current_brand() ORDER BY intake, source_row"""
REFUNDS = """
    SELECT refund_no, order_no, line_no, refunded_at, quantity, amount_minor FROM refund
    WHERE brand_id = current_brand() ORDER BY refunded_at, refund_no, source_row"""
Rows = list[dict[str, Any]]


async def facts(brand: Brand) -> tuple[dict[str, Rows], dict[tuple[str, str], Rows]]:
    """Of the brand the lines by order, and the refunds by order and number, each in the order in which it can be sent."""
    async with db.atomic(brand.id):
        lines = [dict(row) for row in await db.connection().fetch(LINES)]
        refunds = [dict(row) for row in await db.connection().fetch(REFUNDS)]
    orders: dict[str, Rows] = {}
    for line in lines:
        orders.setdefault(line["order_no"], []).append(line)
    given: dict[tuple[str, str], Rows] = {}
    for each in refunds:
        given.setdefault((each["order_no"], each["refund_no"]), []).append(each)
    return orders, given


def sendable(orders: dict[str, Rows], given: dict[tuple[str, str], Rows]) -> set[str]:
    """The orders that one request each can say: of one seller, place, time and buyer, and with refunds whose numbers are theirs."""
    named = collections.Counter(number for _, number in given)
    awkward = {
        order_no
        for (order_no, number), rows in given.items()
        if named[number] > 1 or len({row["refunded_at"] for row in rows}) > 1
    }
    return {
        order_no
        for order_no, rows in orders.items()
        if order_no not in awkward and len({(row["reseller"], row["channel"], row["paid_at"], row["buyer"]) for row in rows}) == 1
    }


def without(folder: Path, out: Path, sent: set[str]) -> Path:
    """The bundle without these orders and their refunds."""
    shutil.copytree(folder, out)
    for name in ("orders.csv", "refunds.csv"):
        path = out / name
        if not path.exists():
            continue
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
        place = rows[0].index("order")
        kept = [rows[0], *(row for row in rows[1:] if row[place] not in sent)]
        with path.open("w", encoding="utf-8", newline="") as text:
            csv.writer(text, lineterminator="\n").writerows(kept)
    return out


async def send(
    brand: Brand, orders: dict[str, Rows], given: dict[tuple[str, str], Rows], *, chance: random.Random, batches: int
) -> None:
    """Refunds come as late as they like behind their order and in any order; the kernel runs now and then."""
    waiting = {order_no: [(key, given[key]) for key in keys] for order_no, keys in _by_order(given).items()}
    open_refunds: list[str] = []
    stops = set(chance.sample(range(len(orders)), min(batches, len(orders))))
    for place, (order_no, rows) in enumerate(orders.items()):
        await place_order(brand, order_no, rows)
        if order_no in waiting:
            open_refunds.append(order_no)
        while open_refunds and chance.random() < 0.4:
            await _give_next(brand, waiting, open_refunds, chance)
        if place in stops:
            await accrual.accrue(brand_id=brand.id, now=books.NOW)
    while open_refunds:
        await _give_next(brand, waiting, open_refunds, chance)
    await accrual.accrue(brand_id=brand.id, now=books.NOW)


def _by_order(given: dict[tuple[str, str], Rows]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for key in given:
        found.setdefault(key[0], []).append(key)
    return found


async def place_order(brand: Brand, order_no: str, rows: Rows) -> sale.Sale:
    first = rows[0]
    names = ("line_no", "sku", "quantity", "gross_minor", "discount_minor")
    return await sale.place(
        brand=brand,
        order_no=order_no,
        lines=[rules.LineIn(**{name: row[name] for name in names}) for row in rows],
        reseller=first["reseller"],
        channel=first["channel"],
        source="page",
        paid_at=first["paid_at"],
        buyer=first["buyer"],
        actor=ACTOR,
        now=books.NOW,
    )


async def _give_next(
    brand: Brand, waiting: dict[str, list[tuple[tuple[str, str], Rows]]], open_refunds: list[str], chance: random.Random
) -> None:
    order_no = chance.choice(open_refunds)
    (_, number), rows = waiting[order_no].pop(chance.randrange(len(waiting[order_no])))
    if not waiting[order_no]:
        open_refunds.remove(order_no)
    await refund.give(
        brand=brand,
        order_no=order_no,
        refund_no=number,
        lines=[
            rules.LineBack(line_no=row["line_no"], quantity=row["quantity"], amount_minor=row["amount_minor"]) for row in rows
        ],
        refunded_at=rows[0]["refunded_at"],
        actor=ACTOR,
        now=books.NOW,
    )


def shown(folder: Path, name: str) -> list[str]:
    """The rows of a file by their text: facts that came in another order are the same facts."""
    head, *rows = (folder / name).read_text(encoding="utf-8").splitlines()
    return list(itertools.chain([head], sorted(rows)))
