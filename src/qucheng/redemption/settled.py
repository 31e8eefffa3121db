"""Redemptions that are past being undone: from then on the hold of their order line may count from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.identity import brand as brands
from qucheng.orders import fulfilment, intake
from qucheng.redemption import digits, rules

if TYPE_CHECKING:
    import datetime as dt
    import uuid

KIND = "redemption.settle"
MOST = 10_000
# of the oldest first: a unit of a line is redeemed with the last of its cards. An order may say that it is paid some minutes from now:
# its redemption waits for that, and counts from then
PAST = f"""
    WITH past AS (
        SELECT r.id FROM redemption r JOIN card c ON c.brand_id = r.brand_id AND c.batch = r.batch AND c.number = r.number
        LEFT JOIN order_line l ON l.brand_id = c.brand_id AND l.order_no = c.order_no AND l.line_no = c.line_no
        WHERE r.verdict = 'ok' AND NOT r.undone AND r.recorded_at IS NULL AND r.at <= $1 AND (l.paid_at IS NULL OR l.paid_at <= $1)
        ORDER BY r.at, r.id LIMIT {MOST} FOR UPDATE OF r SKIP LOCKED)
    UPDATE redemption r SET recorded_at = $2 FROM past WHERE r.brand_id = current_brand() AND r.id = past.id RETURNING r.batch, r.number"""
# units of lines that count from redemption, and that no event says yet
UNITS = """
    WITH line AS (
        SELECT DISTINCT l.brand_id, l.order_no, l.line_no, l.paid_at
        FROM unnest($1::int[], $2::int[]) w (batch, number)
        JOIN card c ON c.brand_id = current_brand() AND c.batch = w.batch AND c.number = w.number
        JOIN order_line l ON l.brand_id = c.brand_id AND l.order_no = c.order_no AND l.line_no = c.line_no AND l.hold_from = 'redeemed'
    ), used AS (
        SELECT c.order_no, c.line_no, c.sku, n.each, greatest(r.at, line.paid_at) AS at,
               row_number() OVER (PARTITION BY c.order_no, c.line_no, c.sku ORDER BY r.at, r.id) AS place
        FROM line JOIN card c ON c.brand_id = line.brand_id AND c.order_no = line.order_no AND c.line_no = line.line_no
        JOIN line_need n ON n.brand_id = c.brand_id AND n.order_no = c.order_no AND n.line_no = c.line_no AND n.sku = c.sku AND n.each > 0
        JOIN redemption r ON r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number
            AND r.verdict = 'ok' AND NOT r.undone AND r.recorded_at IS NOT NULL
    ), unit AS (
        SELECT order_no, line_no, div(place, each) AS unit, max(at) AS at, count(*) AS parts FROM used WHERE mod(place, each) = 0 GROUP BY 1, 2, 3
    )
    SELECT u.order_no, u.line_no, 'redeemed' AS event, u.at, count(*)::int AS quantity FROM unit u
    WHERE u.parts = (SELECT count(*) FROM line_need n WHERE n.brand_id = current_brand() AND n.order_no = u.order_no AND n.line_no = u.line_no AND n.each > 0)
        AND u.unit > (SELECT coalesce(sum(f.quantity), 0) FROM fulfilment f WHERE f.brand_id = current_brand() AND f.order_no = u.order_no
                      AND f.line_no = u.line_no AND f.event = 'redeemed')
    GROUP BY 1, 2, 4 ORDER BY 1, 2, 4"""


async def record(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Returns how many redemptions are past being undone."""
    async with db.atomic(brand_id):
        connection = db.connection()
        past = await connection.fetch(PAST, now - rules.UNDO, now)
        if not past:
            return 0
        rows = await connection.fetch(UNITS, [row["batch"] for row in past], [row["number"] for row in past])
        if rows:
            number = await intake.enter(now=now)
            events = [msgspec.convert(dict(row), fulfilment.Event) for row in rows]
            await fulfilment.record(brand_id=brand_id, intake=number, events=events)
    return len(past)


async def record_all(*, now: dt.datetime) -> None:
    """Of all brands; digits whose time is over go with it."""
    for brand_id, _code in await brands.every():
        while await record(brand_id=brand_id, now=now) == MOST:
            pass
        await digits.prune(brand_id=brand_id, now=now)
