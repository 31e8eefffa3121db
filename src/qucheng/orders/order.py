"""Order lines: accepted once, with what they froze, and flagged where a person should look."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from qucheng.catalog import channel_price
from qucheng.core import db, errors

SQL = Path(__file__).with_name("order.sql")
# What freezes on a line is the same whether a delivery brings it or it is sent by itself: `standing` is where its seller stands, `cost`
# the price book's costs, both by date; `row` its place.
FREEZE = """
    INSERT INTO order_line (brand_id, order_no, line_no, intake, source_row, paid_at, paid_on, reseller, channel, sku, quantity, gross_minor,
                            discount_minor, net_minor, buyer, tier, parent, parent_tier, grandparent, grandparent_tier, category, cost_minor, hold_from,
                            self_purchase)
    SELECT b.id, c.order_no, c.line_no, $1, {row}, c.paid_at, d.paid_on, c.reseller, c.channel, c.sku, c.quantity, c.gross_minor,
           c.discount_minor, c.gross_minor - c.discount_minor, c.buyer, h.tier, h.parent, h.parent_tier, h.grandparent, h.grandparent_tier,
           k.category, coalesce(x.cost_minor, k.cost_minor), k.hold_from,
           coalesce(c.buyer = h.identity, false) OR coalesce(c.buyer = h.parent_identity, false) OR coalesce(c.buyer = h.grandparent_identity, false)
    FROM brand b CROSS JOIN {staged} c
    CROSS JOIN LATERAL (SELECT (c.paid_at AT TIME ZONE b.time_zone)::date AS paid_on) d
    JOIN {standing} h ON h.reseller = c.reseller AND d.paid_on >= h.starts_on AND d.paid_on < h.ends_on
    JOIN sku k ON k.brand_id = b.id AND k.code = c.sku
    LEFT JOIN {cost} x ON x.sku = c.sku AND x.starts_at <= c.paid_at AND c.paid_at < x.ends_at
        AND x.starts_on <= d.paid_on AND (x.ends_on IS NULL OR d.paid_on < x.ends_on)"""
COST = """
    SELECT l.sku, l.cost_minor, l.starts_on, l.ends_on, v.starts_at, v.ends_at
    FROM price_limit l JOIN price_live v ON v.brand_id = l.brand_id AND v.version = l.version
    WHERE l.brand_id = current_brand() AND l.cost_minor IS NOT NULL"""


class OrderCollidedError(errors.RefusedError):
    """An order of a delivery was placed live while the delivery was taken in."""

    code: ClassVar[str] = "order.collided"
    status: ClassVar[int] = 409


async def accept(*, staged: str, intake: int) -> None:
    """Takes in the accepted rows of `staged`: row, order_no … buyer as in the table, fault NULL.

    The chain, tiers, category, what the hold counts from and the cost of the day, the price book's before the SKU's, are frozen on
    the line. A line is a self-purchase if its buyer is the identity of the seller or of anyone above it.
    """
    connection = db.connection()
    await connection.execute(SQL.read_text(encoding="utf-8"))
    # costs of the price book, by the time of their version and their dates
    await connection.execute(f"CREATE TEMP TABLE dated_cost ON COMMIT DROP AS {COST}; ANALYZE dated_cost;")
    statement = FREEZE.format(row="c.row", staged=staged, standing="standing", cost="dated_cost")
    await connection.execute(f"{statement} WHERE c.fault IS NULL", intake)
    await _flag(intake)


async def meet_live(*, intake: int) -> None:
    """At the end of the transaction of a delivery. Raises OrderCollidedError where one of its orders was placed live meanwhile."""
    await db.connection().execute("SELECT meet_live_orders()")
    order_no = await db.connection().fetchval(
        """SELECT s.order_no FROM sale s WHERE s.brand_id = current_brand() AND EXISTS (
               SELECT 1 FROM order_line l WHERE l.brand_id = s.brand_id AND l.order_no = s.order_no AND l.intake = $1) LIMIT 1""",
        intake,
    )
    if order_no is not None:
        raise OrderCollidedError(f"Order {order_no} was placed while the delivery was taken in: send the delivery again.")


async def _flag(intake: int) -> None:
    connection = db.connection()
    await connection.execute(
        "INSERT INTO order_flag (brand_id, order_no, line_no, code)"
        " SELECT brand_id, order_no, line_no, 'order.self_purchase' FROM order_line WHERE intake = $1 AND self_purchase",
        intake,
    )
    if not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM price_version WHERE state = 'approved')"):
        return
    # of a channel that refuses such orders as well: what a bundle brings has been sold
    await connection.execute(
        f"""CREATE TEMP TABLE asked ON COMMIT DROP AS
            SELECT DISTINCT v.version, l.sku, l.channel, l.tier, l.paid_on AS day
            FROM order_line l JOIN price_live v ON v.brand_id = l.brand_id AND v.starts_at <= l.paid_at AND l.paid_at < v.ends_at
            WHERE l.brand_id = current_brand() AND l.intake = {intake};
            ANALYZE asked;"""
    )
    await channel_price.resolve(asked="asked", prices="price_of_day")
    await connection.execute(
        """INSERT INTO order_flag (brand_id, order_no, line_no, code)
           SELECT l.brand_id, l.order_no, l.line_no, 'order.price_deviates'
           FROM order_line l JOIN price_live v ON v.brand_id = l.brand_id AND v.starts_at <= l.paid_at AND l.paid_at < v.ends_at
           JOIN price_of_day p ON p.version = v.version AND p.sku = l.sku AND p.channel = l.channel AND p.tier = l.tier AND p.day = l.paid_on
           WHERE l.brand_id = current_brand() AND l.intake = $1 AND l.gross_minor <> p.price_minor::numeric * l.quantity""",
        intake,
    )
