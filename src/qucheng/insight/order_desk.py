"""Orders as the people of a brand see them, live ones and those that deliveries brought: a list, and one with all that came of it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import clock, db
from qucheng.insight import api_filters
from qucheng.orders import sale
from qucheng.stock import queries as stock

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

Source = Literal["api", "manual", "page", "delivery"]
STOCK = ("delivered", "paid_without_stock", "resolved", "none")
CHOSEN = "FROM order_line l {join} sale s ON s.brand_id = l.brand_id AND s.order_no = l.order_no WHERE {where}"
TOTAL = f"SELECT count(*) FROM (SELECT l.order_no {CHOSEN} GROUP BY l.order_no) o"
# of an order the line that was paid last stands for it: so the newest are read from an index, and the others not at all
LIST = f"""
    WITH chosen AS MATERIALIZED (
        SELECT l.order_no, l.paid_at {CHOSEN} AND NOT EXISTS (
            SELECT 1 FROM order_line n WHERE n.brand_id = l.brand_id AND n.order_no = l.order_no AND (n.paid_at, n.line_no) > (l.paid_at, l.line_no)
                AND {{others}})
        ORDER BY l.paid_at DESC, l.order_no DESC {{limit}} OFFSET {{skip}}
    ), refunded AS (
        SELECT r.order_no, sum(r.amount_minor)::bigint AS minor FROM refund r WHERE r.order_no IN (SELECT order_no FROM chosen) GROUP BY 1
    ), earned AS (
        SELECT order_no, sum(amount_minor)::bigint AS minor FROM (
            SELECT a.order_no, a.amount_minor FROM accrual a WHERE a.order_no IN (SELECT order_no FROM chosen)
            UNION ALL SELECT v.order_no, v.amount_minor FROM reversal v WHERE v.order_no IN (SELECT order_no FROM chosen)) entry GROUP BY 1)
    SELECT c.order_no, c.paid_at, count(*) AS lines, sum(l.net_minor)::bigint AS net_minor, min(l.reseller) AS reseller, min(p.name) AS reseller_name,
           min(l.channel) AS channel, coalesce(min(s.source), 'delivery') AS source, min(s.stock_state) AS stock_state,
           coalesce(min(r.minor), 0) AS refunded_minor, coalesce(min(e.minor), 0) AS earned_minor, bool_or(l.intake = ANY (w.waiting)) AS waits
    FROM chosen c JOIN order_line l USING (order_no) CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w
    JOIN reseller p ON p.brand_id = l.brand_id AND p.code = l.reseller LEFT JOIN sale s ON s.brand_id = l.brand_id AND s.order_no = l.order_no
    LEFT JOIN refunded r ON r.order_no = c.order_no LEFT JOIN earned e ON e.order_no = c.order_no
    GROUP BY c.order_no, c.paid_at ORDER BY c.paid_at DESC, c.order_no DESC"""
LINES = """
    SELECT l.line_no, l.sku, k.name AS sku_name, l.channel, l.reseller, l.paid_at, l.quantity, l.gross_minor, l.discount_minor, l.net_minor, l.self_purchase,
           l.intake = ANY (w.waiting) AS waits, coalesce(r.quantity, 0) AS refunded_units, coalesce(r.minor, 0) AS refunded_minor,
           array(SELECT f.code FROM order_flag f WHERE f.brand_id = l.brand_id AND f.order_no = l.order_no AND f.line_no = l.line_no ORDER BY 1) AS flags
    FROM order_line l CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w JOIN sku k ON k.brand_id = l.brand_id AND k.code = l.sku
    LEFT JOIN LATERAL (SELECT sum(r.quantity) AS quantity, sum(r.amount_minor)::bigint AS minor FROM refund r
                       WHERE r.brand_id = l.brand_id AND r.order_no = l.order_no AND r.line_no = l.line_no) r ON true
    WHERE l.order_no = $1 ORDER BY length(l.line_no), l.line_no"""
EARNED = """
    SELECT a.line_no, a.level, a.reseller, p.name AS reseller_name, a.rule, a.amount_minor, a.matures_at,
           coalesce((SELECT sum(v.amount_minor)::bigint FROM reversal v WHERE v.brand_id = a.brand_id AND v.order_no = a.order_no
                     AND v.line_no = a.line_no AND v.level = a.level), 0) AS reversed_minor, s.statement_no
    FROM timed_accrual a JOIN reseller p ON p.brand_id = a.brand_id AND p.code = a.reseller
    LEFT JOIN statement_accrual m ON m.brand_id = a.brand_id AND m.order_no = a.order_no AND m.line_no = a.line_no AND m.level = a.level
    LEFT JOIN statement s ON s.brand_id = m.brand_id AND s.period = m.period AND s.number = m.number
    WHERE a.order_no = $1 ORDER BY length(a.line_no), a.line_no, a.level"""
REFUNDS = """
    SELECT r.refund_no, r.line_no, r.refunded_at, r.quantity, r.amount_minor, r.intake = ANY (w.waiting) AS waits
    FROM refund r CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w WHERE r.order_no = $1
    ORDER BY r.refunded_at, r.refund_no, length(r.line_no), r.line_no"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """month: of payment, by its first day. text: part of an order's number, or a reseller's or SKU's code."""

    month: dt.date | None = None
    source: Source | None = None
    stock_state: sale.StockState | None = None
    text: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """earned_minor: of all levels, after refunds. waits: not all of it is reckoned."""

    order_no: str
    paid_at: dt.datetime
    lines: int
    net_minor: int
    reseller: str
    reseller_name: str
    channel: str
    source: Source
    stock_state: sale.StockState | None
    refunded_minor: int
    earned_minor: int
    waits: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[Row, ...]
    total: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    line_no: str
    sku: str
    sku_name: str
    channel: str
    reseller: str
    paid_at: dt.datetime
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    self_purchase: bool
    waits: bool
    refunded_units: int
    refunded_minor: int
    flags: list[str]

    @property
    def left_units(self) -> int:
        return self.quantity - self.refunded_units

    @property
    def left_minor(self) -> int:
        return self.net_minor - self.refunded_minor


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    line_no: str
    level: int
    reseller: str
    reseller_name: str
    rule: str
    amount_minor: int
    reversed_minor: int
    matures_at: dt.datetime | None
    statement_no: str | None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    refund_no: str
    line_no: str
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int
    waits: bool


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """sale: None of one that a delivery brought. placed_by: who entered it by hand."""

    order_no: str
    sale: sale.Sale | None
    placed_by: uuid.UUID | None
    lines: tuple[Line, ...]
    earned: tuple[Earned, ...]
    refunds: tuple[Refund, ...]
    cards: tuple[stock.Card, ...]

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def refundable(self) -> bool:
        return any(line.left_units or line.left_minor for line in self.lines)


async def page(*, brand: Brand, wanted: Wanted, size: int, skip: int = 0) -> Page:
    """The newest first."""
    asked = api_filters.Filters()
    asked.add("l.brand_id = {}", brand.id)
    if wanted.month is not None:
        starts_at, ends_at = clock.month_bounds(wanted.month, brand.time_zone)
        asked.add("l.paid_at >= {} AND l.paid_at < {}", starts_at, ends_at)
    # of live orders alone the few are found from their own table
    live = wanted.source not in (None, "delivery") or wanted.stock_state is not None
    if live:
        asked.add("s.source = {}", wanted.source)
    else:
        asked.add("coalesce(s.source, 'delivery') = {}", wanted.source)
    asked.add("s.stock_state = {}", wanted.stock_state)
    if wanted.text:
        asked.add("(strpos(lower(l.order_no), lower({})) > 0 OR l.reseller = {} OR l.sku = {})", *[wanted.text] * 3)
    where, values, join = asked.where(), list(asked.values), "JOIN" if live else "LEFT JOIN"
    limit = asked.limit(size)
    asked.values.append(skip)
    query = LIST.format(join=join, where=where, others=where.replace("l.", "n."), limit=limit, skip=f"${len(asked.values)}")
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(query, *asked.values)
        total = (
            await db.connection().fetchval(TOTAL.format(join=join, where=where), *values)
            if len(rows) == size or skip
            else len(rows)
        )
    found = tuple(Row(**{name: row[name] for name in Row.__struct_fields__}) for row in rows)
    return Page(rows=found, total=total)


async def read(*, brand: Brand, order_no: str) -> Order:
    """Raises OrderUnknownError."""
    async with db.atomic(brand.id):
        lines = await db.connection().fetch(LINES, order_no)
        if not lines:
            raise sale.OrderUnknownError("There is no such order.")
        head = await db.connection().fetchrow("SELECT placed_by FROM sale WHERE order_no = $1", order_no)
        placed = await sale.read(brand_id=brand.id, order_no=order_no) if head is not None else None
        earned = await db.connection().fetch(EARNED, order_no)
        refunds = await db.connection().fetch(REFUNDS, order_no)
        cards = await stock.cards_of_order(order_no=order_no)
    return Order(
        order_no=order_no,
        sale=placed,
        placed_by=head["placed_by"] if head is not None else None,
        lines=tuple(Line(**dict(row)) for row in lines),
        earned=tuple(Earned(**dict(row)) for row in earned),
        refunds=tuple(Refund(**dict(row)) for row in refunds),
        cards=tuple(cards),
    )


async def months(*, brand: Brand, now: dt.datetime, most: int = 24) -> list[dt.date]:
    """From this month back to that of the first sale, at most so many."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            "SELECT (min(paid_at) AT TIME ZONE $1)::date, ($2::timestamptz AT TIME ZONE $1)::date FROM order_line",
            brand.time_zone,
            now,
        )
    first, month = (row[0] or row[1]).replace(day=1), row[1].replace(day=1)
    found: list[dt.date] = []
    while month >= first and len(found) < most:
        found.append(month)
        month = (month - dt.timedelta(days=1)).replace(day=1)
    return found
