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
    SELECT l.order_no, l.line_no, l.paid_at, l.reseller, l.channel, l.sku, l.quantity, l.gross_minor, l.discount_minor, l.net_minor, l.self_purchase
    FROM wanted JOIN order_line l USING (order_no) ORDER BY l.order_no, l.line_no"""
REFUNDS = """
    SELECT order_no, line_no, refund_no, refunded_at, quantity, amount_minor FROM refund WHERE order_no = ANY ($1)
    ORDER BY order_no, line_no, refunded_at, refund_no"""


class Reseller(msgspec.Struct, frozen=True, kw_only=True):
    """tier and parent: as they are today."""

    code: str
    name: str
    kind: Literal["individual", "company"]
    tier: str
    parent: str | None
    joined_on: dt.date


class Line(msgspec.Struct, frozen=True, kw_only=True):
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


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    order_no: str
    line_no: str
    refund_no: str
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    order_no: str
    lines: list[Line]
    refunds: list[Refund]


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
    asked.add("l.paid_on >= {}", paid_from)
    asked.add("l.paid_on < {}", paid_to)
    asked.add("l.order_no > {}", after)
    query = LINES.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id, reseller=reseller):
        lines = [Line(**dict(row)) for row in await db.connection().fetch(query, *asked.values)]
        found = {line.order_no: Order(order_no=line.order_no, lines=[], refunds=[]) for line in lines}
        refunds = await db.connection().fetch(REFUNDS, list(found))
    for line in lines:
        found[line.order_no].lines.append(line)
    for row in refunds:
        found[row["order_no"]].refunds.append(Refund(**dict(row)))
    return list(found.values())
