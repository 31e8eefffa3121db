"""What machines read of resellers and orders. With reseller only what its people may see; costs and buyers are in no answer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.insight import api_filters

if TYPE_CHECKING:
    import uuid

# the place of today: the last move, or the join
RESELLERS = """
    SELECT r.code, r.name, r.kind, coalesce(p.tier, r.tier) AS tier, CASE WHEN p.tier IS NULL THEN r.parent ELSE p.parent END AS parent, r.joined_on
    FROM reseller r CROSS JOIN brand b LEFT JOIN LATERAL (
        SELECT m.tier, m.parent FROM placement m WHERE m.brand_id = r.brand_id AND m.reseller = r.code
        AND m.effective_on <= (now() AT TIME ZONE b.time_zone)::date ORDER BY m.effective_on DESC LIMIT 1) p ON true
    WHERE {where} ORDER BY r.code {limit}"""
LINES = """
    WITH wanted AS MATERIALIZED (SELECT DISTINCT l.order_no FROM order_line l WHERE {where} ORDER BY l.order_no {limit})
    SELECT l.order_no, l.line_no, l.paid_at, l.reseller, l.channel, l.sku, l.quantity, l.gross_minor, l.discount_minor, l.net_minor, l.self_purchase,
           s.source, s.placed_at, s.stock_state, a.matures_at, a.amount_minor + coalesce(v.amount_minor, 0) AS earned_minor,
           CASE WHEN a.level IS NULL AND l.intake = ANY (w.waiting) THEN 'calculating' WHEN a.level IS NULL THEN 'none'
                WHEN a.amount_minor + coalesce(v.amount_minor, 0) = 0 THEN 'refunded' WHEN m.number IS NOT NULL THEN 'settled'
                WHEN a.matures_at <= now() THEN 'due' ELSE 'pending' END AS state
    FROM wanted JOIN order_line l USING (order_no) CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w
    LEFT JOIN sale s ON s.brand_id = l.brand_id AND s.order_no = l.order_no
    LEFT JOIN timed_accrual a ON a.brand_id = l.brand_id AND a.order_no = l.order_no AND a.line_no = l.line_no AND a.level = 1
    LEFT JOIN LATERAL (SELECT sum(r.amount_minor)::bigint AS amount_minor FROM reversal r
                       WHERE r.brand_id = a.brand_id AND r.order_no = a.order_no AND r.line_no = a.line_no AND r.level = 1) v ON true
    LEFT JOIN statement_accrual m ON m.brand_id = a.brand_id AND m.order_no = a.order_no AND m.line_no = a.line_no AND m.level = 1
    ORDER BY l.order_no, l.line_no"""
REFUNDS = """
    SELECT order_no, line_no, refund_no, refunded_at, quantity, amount_minor FROM refund WHERE order_no = ANY ($1)
    ORDER BY order_no, line_no, refunded_at, refund_no"""


LineState = Literal["calculating", "none", "refunded", "pending", "due", "settled"]


class Reseller(msgspec.Struct, frozen=True, kw_only=True):
    """tier and parent: as they are today."""

    code: str
    name: str
    kind: Literal["individual", "company"]
    tier: str
    parent: str | None
    joined_on: dt.date


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """earned_minor: what the seller earns of it, after refunds; None where that is nothing, or is not known yet. matures_at: None until
    the clock of its commission has started.
    """

    order_no: str
    line_no: str
    paid_at: dt.datetime
    reseller: str
    channel: str
    sku: str
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    self_purchase: bool
    state: LineState
    earned_minor: int | None
    matures_at: dt.datetime | None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    order_no: str
    line_no: str
    refund_no: str
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """source, placed_at, stock_state: None of one that a delivery brought."""

    order_no: str
    source: Literal["api", "manual", "page"] | None
    placed_at: dt.datetime | None
    stock_state: Literal["none", "delivered", "paid_without_stock", "resolved"] | None
    lines: list[Line]
    refunds: list[Refund]


HEAD = ("order_no", "source", "placed_at", "stock_state")


async def resellers(
    *,
    brand_id: uuid.UUID,
    reseller: str | None,
    code: str | None = None,
    tier: str | None = None,
    after: str | None = None,
    most: int = 1,
) -> list[Reseller]:
    asked = api_filters.Filters()
    asked.add("r.code = {}", code)
    asked.add("coalesce(p.tier, r.tier) = {}", tier)
    asked.add("r.code > {}", after)
    query = RESELLERS.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(query, *asked.values)
    return [Reseller(**dict(row)) for row in rows]


async def orders(
    *,
    brand_id: uuid.UUID,
    reseller: str | None,
    order_no: str | None = None,
    of_reseller: str | None = None,
    channel: str | None = None,
    sku: str | None = None,
    stock_state: str | None = None,
    paid_from: dt.date | None = None,
    paid_to: dt.date | None = None,
    after: str | None = None,
    most: int = 1,
) -> list[Order]:
    """Orders of which a line is as asked, by number; each with all of its lines. paid_from, paid_to: local days, half-open."""
    asked = api_filters.Filters()
    asked.add("l.order_no = {}", order_no)
    asked.add("l.reseller = {}", of_reseller)
    asked.add("l.channel = {}", channel)
    asked.add("l.sku = {}", sku)
    asked.add("l.order_no IN (SELECT s.order_no FROM sale s WHERE s.stock_state = {})", stock_state)
    asked.add("l.paid_on >= {}", paid_from)
    asked.add("l.paid_on < {}", paid_to)
    asked.add("l.order_no > {}", after)
    query = LINES.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(query, *asked.values)
        found = {row["order_no"]: Order(**{name: row[name] for name in HEAD}, lines=[], refunds=[]) for row in rows}
        refunds = await db.connection().fetch(REFUNDS, list(found))
    for row in rows:
        found[row["order_no"]].lines.append(Line(**{name: row[name] for name in Line.__struct_fields__}))
    for row in refunds:
        found[row["order_no"]].refunds.append(Refund(**dict(row)))
    return list(found.values())
