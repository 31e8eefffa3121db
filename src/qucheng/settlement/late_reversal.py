"""Redemptions taken back after the hold of their order line had counted them: the clock stays, and the accountants are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import audit, db
from qucheng.redemption import reversal
from qucheng.stock import rules

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity import approval as approvals
    from qucheng.identity.brand import Brand

KIND = "redemption.reversed"
# its line is that of the card's last change: one whose unit was paid back has left it. events: units that the line's events say were redeemed; before, after: those that were and are, without what was taken back
RAISE = """
    WITH line AS (
        SELECT l.brand_id, l.order_no, l.line_no, r.id AS redemption, r.batch, r.number, c.sku
        FROM redemption r JOIN card c ON c.brand_id = r.brand_id AND c.batch = r.batch AND c.number = r.number
        CROSS JOIN LATERAL (SELECT e.order_no, e.line_no FROM card_event e WHERE e.brand_id = c.brand_id AND e.batch = c.batch AND e.number = c.number
                            ORDER BY e.change DESC LIMIT 1) w
        JOIN order_line l ON l.brand_id = c.brand_id AND l.order_no = w.order_no AND l.line_no = w.line_no AND l.hold_from = 'redeemed'
        WHERE r.brand_id = current_brand() AND r.id = $1 AND r.recorded_at IS NOT NULL
    ), used AS (
        SELECT n.sku, n.each, count(r.id) AS after, count(r.id) + (n.sku = line.sku)::int AS before
        FROM line JOIN line_need n ON n.brand_id = line.brand_id AND n.order_no = line.order_no AND n.line_no = line.line_no AND n.each > 0
        LEFT JOIN (card c JOIN redemption r ON r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number
                       AND r.verdict = 'ok' AND NOT r.undone AND r.recorded_at IS NOT NULL)
            ON c.brand_id = n.brand_id AND c.order_no = n.order_no AND c.line_no = n.line_no AND c.sku = n.sku
        GROUP BY n.sku, n.each, line.sku
    ), unit AS (
        SELECT min(div(after, each)) AS after, min(div(before, each)) AS before,
               (SELECT sum(f.quantity) FROM line JOIN fulfilment f ON f.brand_id = line.brand_id AND f.order_no = line.order_no
                    AND f.line_no = line.line_no AND f.event = 'redeemed') AS events FROM used
    ), earned AS (
        SELECT sum(e.amount_minor)::bigint AS minor FROM line JOIN (
            SELECT brand_id, order_no, line_no, amount_minor FROM accrual UNION ALL SELECT brand_id, order_no, line_no, amount_minor FROM reversal) e
            ON e.brand_id = line.brand_id AND e.order_no = line.order_no AND e.line_no = line.line_no
    )
    INSERT INTO late_reversal (brand_id, redemption, order_no, line_no, batch, number, reversed_at, started_minor, matured_minor)
    SELECT line.brand_id, line.redemption, line.order_no, line.line_no, line.batch, line.number, $2::timestamptz,
           CASE WHEN k.matures_at IS NOT NULL THEN coalesce(earned.minor, 0) ELSE 0 END, CASE WHEN k.matures_at <= $2 THEN coalesce(earned.minor, 0) ELSE 0 END
    FROM line CROSS JOIN unit CROSS JOIN earned
    LEFT JOIN line_clock k ON k.brand_id = line.brand_id AND k.order_no = line.order_no AND k.line_no = line.line_no
    WHERE greatest(unit.events - unit.after, 0) > greatest(unit.events - unit.before, 0)
    RETURNING order_no, line_no, batch, number, started_minor, matured_minor"""


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Takes the redemption back, and tells of it where it had counted. Raises what reversal.execute() raises."""
    async with db.atomic(brand.id):
        await reversal.execute(brand=brand, approval=approval, actor=actor, now=now)
        made = approval.payload["redemption"]
        row = await db.connection().fetchrow(RAISE, made, now)
        if row is not None:
            after = {
                "order": row["order_no"],
                "line": row["line_no"],
                "card": rules.card_id(row["batch"], row["number"]),
                "started_minor": row["started_minor"],
                "matured_minor": row["matured_minor"],
            }
            await audit.record(
                brand_id=brand.id,
                actor=actor,
                action="exception.raise",
                subject=f"{KIND}/{made}",
                after=after,
                approval=approval.id,
            )
