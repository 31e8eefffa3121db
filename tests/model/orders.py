"""orders.csv, refunds.csv, fulfilments.csv and adjustments.csv: steps 3 to 6, prices and flags."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import reading, records, values
from tests.model.reading import RefusedError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from tests.model.brand import Brand
    from tests.model.kernel import Line
    from tests.model.reading import Book
    from tests.model.records import Adjustment, Channel, Fulfilment, Order, Price, Refund, Reseller, Sku


@dataclass(frozen=True)
class Known:
    """What an order line may refer to: only rows accepted in every step."""

    resellers: dict[str, Reseller]
    channels: dict[str, Channel]
    skus: dict[str, Sku]


def orders(folder: Path, book: Book, brand: Brand, known: Known) -> dict[tuple[str, str], tuple[int, Order]]:
    def judge(row: Order) -> Order:
        if row.reseller not in known.resellers or row.channel not in known.channels or row.sku not in known.skus:
            raise RefusedError("ref.unknown")
        if row.discount > row.gross:
            raise RefusedError("order.net_negative")
        if values.local_date(row.paid_at, brand.zone) < known.resellers[row.reseller].joined_on:
            raise RefusedError("order.before_joined")
        return row

    raws = reading.read(folder, "orders")
    rows = reading.readable(book, "orders", raws, lambda row: records.order(row, brand))
    found = reading.keyed(book, "orders", reading.judged(book, "orders", rows, judge))
    return {row.key: (number, row) for number, row in found.values()}


def refunds(
    folder: Path, book: Book, brand: Brand, lines: dict[tuple[str, str], tuple[int, Order]]
) -> dict[tuple[str, str], list[Refund]]:
    """The refunds that count, by line, in the order in which they are applied."""

    def judge(row: Refund) -> Refund:
        if (row.order, row.line) not in lines:
            raise RefusedError("ref.unknown")
        if row.refunded_at < lines[row.order, row.line][1].paid_at:
            raise RefusedError("refund.before_payment")
        return row

    raws = reading.read(folder, "refunds")
    rows = reading.readable(book, "refunds", raws, lambda row: records.refund(row, brand))
    by_line: dict[tuple[str, str], list[tuple[int, Refund]]] = defaultdict(list)
    for number, row in reading.keyed(book, "refunds", reading.judged(book, "refunds", rows, judge)).values():
        by_line[row.order, row.line].append((number, row))
    found: dict[tuple[str, str], list[Refund]] = {}
    for key, mine in by_line.items():
        order = lines[key][1]
        quantity, money = order.quantity, order.net
        found[key] = []
        for number, row in sorted(mine, key=lambda item: (item[1].refunded_at, item[1].refund.encode())):
            if row.quantity > quantity or row.amount > money:
                book.reject("refunds", number, "refund.exceeds_line")
                continue
            quantity, money = quantity - row.quantity, money - row.amount
            found[key].append(row)
    return found


def fulfilments(
    folder: Path, book: Book, brand: Brand, lines: dict[tuple[str, str], tuple[int, Order]]
) -> dict[tuple[str, str], list[Fulfilment]]:
    """Those that count, by line, in the order of their times; of each event no more units than the line has."""

    def judge(row: Fulfilment) -> Fulfilment:
        if (row.order, row.line) not in lines:
            raise RefusedError("ref.unknown")
        if row.at < lines[row.order, row.line][1].paid_at:
            raise RefusedError("fulfilment.before_payment")
        return row

    raws = reading.read(folder, "fulfilments")
    rows = reading.readable(book, "fulfilments", raws, lambda row: records.fulfilment(row, brand))
    found: dict[tuple[str, str], list[Fulfilment]] = defaultdict(list)
    left: dict[tuple[str, str, str], int] = {}
    kept = reading.keyed(book, "fulfilments", reading.judged(book, "fulfilments", rows, judge)).values()
    for number, row in sorted(kept, key=lambda item: item[1].at):
        units = left.get((row.order, row.line, row.event), lines[row.order, row.line][1].quantity) - row.quantity
        if units < 0:
            book.reject("fulfilments", number, "fulfilment.exceeds_line")
            continue
        left[row.order, row.line, row.event] = units
        found[row.order, row.line].append(row)
    return found


def adjustments(folder: Path, book: Book, brand: Brand, known: Known) -> list[Adjustment]:
    def judge(row: Adjustment) -> Adjustment:
        if row.reseller not in known.resellers:
            raise RefusedError("ref.unknown")
        return row

    raws = reading.read(folder, "adjustments")
    rows = reading.readable(book, "adjustments", raws, lambda row: records.adjustment(row, brand))
    return [row for _, row in reading.keyed(book, "adjustments", reading.judged(book, "adjustments", rows, judge)).values()]


class Prices:
    """The cells of prices.csv, found as pricing.md says."""

    def __init__(self, prices: list[Price]) -> None:
        self.cells: dict[tuple[str, str, str], list[Price]] = defaultdict(list)
        for price in prices:
            self.cells[price.sku, price.channel, price.tier].append(price)

    def in_force(self, sku: str, channel: str, tier: str, on: date) -> int | None:
        for key in ((channel, tier), (channel, ""), ("", tier), ("", "")):
            live = [
                cell
                for cell in self.cells.get((sku, *key), [])
                if cell.starts_on <= on and (cell.ends_on is None or on < cell.ends_on)
            ]
            if live:
                return max(live, key=lambda cell: cell.starts_on).price
        return None


def flag(book: Book, number: int, line: Line, prices: Prices, *, capped: bool) -> None:
    order = line.order
    price = prices.in_force(order.sku, order.channel, line.tier, line.on)
    if price is not None and order.gross != price * order.quantity:
        book.flag("orders", number, "order.price_deviates")
    if line.self_purchase:
        book.flag("orders", number, "order.self_purchase")
    if capped:
        book.flag("orders", number, "order.capped")
