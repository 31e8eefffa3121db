"""What is read of stock: pools with their levels, batches, cards of an order, and what became of a card."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.stock import rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

COUNTED = ", ".join(f"sum({state})::bigint AS {state}" for state in rules.STATES)
MOST_HINTED = 10_000
# what a line could take from each pool by itself, and with what that may borrow; of a package its scarcest part says it
DRAWABLE = f"""
    WITH needed AS (
        SELECT coalesce(p.part, s.code) AS sku, coalesce(p.quantity, 1) AS each FROM sku s
        LEFT JOIN sku_part p ON p.brand_id = s.brand_id AND p.package = s.code AND s.kind = 'package'
        LEFT JOIN sku k ON k.brand_id = s.brand_id AND k.code = p.part WHERE s.code = $3 AND (s.kind = 'card_secret' OR k.kind = 'card_secret'))
    SELECT max(units) FROM (
        SELECT min(div(count_drawable(n.sku, c.pool, {MOST_HINTED}, $4) + least(coalesce(greatest(r.borrow_quota - r.borrowed, 0), 0),
                   CASE WHEN r.borrow_quota > r.borrowed THEN count_drawable(n.sku, 0, {MOST_HINTED}, $4) ELSE 0 END), n.each))::int AS units
        FROM needed n CROSS JOIN unnest(pools_for($1, $2)) c (pool)
        LEFT JOIN pool_sku r ON r.brand_id = current_brand() AND r.sku = n.sku AND r.pool = c.pool GROUP BY c.pool) each_pool"""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Of a SKU in a pool. A pool with neither reseller nor channel is what is not allocated."""

    pool: int
    reseller: str | None
    channel: str | None
    sku: str
    inactive: int
    available: int
    reserved: int
    delivered: int
    revealed: int
    redeemed: int
    frozen: int
    void: int


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """last_day: of its use; None for ever."""

    batch: int
    number: int
    sku: str
    state: rules.State
    void_reason: Literal["expired", "refunded", "withdrawn", "faulty"] | None
    last_day: dt.date | None
    order_no: str | None
    line_no: str | None
    revealed_at: dt.datetime | None

    @property
    def id(self) -> str:
        return rules.card_id(self.batch, self.number)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a card: from what to what, by whom and why."""

    change: int
    from_state: str
    to_state: str
    from_pool: int
    to_pool: int
    order_no: str | None
    line_no: str | None
    kind: str
    at: dt.datetime
    user_id: uuid.UUID | None
    role: str
    network: str | None
    note: str | None


CARD = """SELECT batch, number, sku, state, void_reason, nullif(least(expires_on, coalesce(valid_until, 'infinity')), 'infinity') AS last_day,
    order_no, line_no, revealed_at FROM card"""


async def levels(*, brand_id: uuid.UUID, reseller: str | None = None) -> list[Level]:
    """By pool and SKU; of a reseller its own, with its own eyes."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            f"SELECT p.number AS pool, p.reseller, p.channel, l.sku, {COUNTED} FROM stock_level l"
            " JOIN pool p ON p.brand_id = l.brand_id AND p.number = l.pool GROUP BY p.number, p.reseller, p.channel, l.sku"
            " ORDER BY p.number <> 0, p.reseller NULLS FIRST, p.channel NULLS FIRST, l.sku"
        )
    return [Level(**dict(row)) for row in rows]


async def cards_of_order(*, order_no: str) -> list[Card]:
    """Inside a transaction, with the eyes of who asks."""
    rows = await db.connection().fetch(f"{CARD} WHERE order_no = $1 ORDER BY line_no, batch, number", order_no)
    return [Card(**dict(row)) for row in rows]


async def card(*, batch: int, number: int) -> Card:
    """Inside a transaction, with the eyes of who asks. Raises CardUnknownError."""
    row = await db.connection().fetchrow(f"{CARD} WHERE batch = $1 AND number = $2", batch, number)
    if row is None:
        raise rules.CardUnknownError("There is no such card.")
    return Card(**dict(row))


async def events(*, batch: int, number: int) -> list[Event]:
    """Inside a transaction of the brand, the first first."""
    rows = await db.connection().fetch(
        "SELECT e.change, e.from_state, e.to_state, e.from_pool, e.to_pool, e.order_no, e.line_no, a.kind, a.at, a.user_id, a.role, a.network, a.note"
        " FROM card_event e JOIN stock_act a ON a.brand_id = e.brand_id AND a.id = e.act WHERE e.batch = $1 AND e.number = $2 ORDER BY e.change",
        batch,
        number,
    )
    return [Event(**dict(row)) for row in rows]


async def drawable(*, brand: Brand, reseller: str, channel: str, sku: str, now: dt.datetime) -> int | None:
    """How many units one line could draw at the moment, counted up to MOST_HINTED; a hint, for others draw too. None: it needs no cards."""
    async with db.atomic(brand.id):
        connection = db.connection()
        needy = await connection.fetchval(
            "SELECT s.kind = 'card_secret' OR EXISTS (SELECT 1 FROM sku_part p JOIN sku k ON k.brand_id = p.brand_id AND k.code = p.part"
            " WHERE p.brand_id = s.brand_id AND p.package = s.code AND k.kind = 'card_secret') FROM sku s WHERE s.code = $1",
            sku,
        )
        if not needy:
            return None
        today = rules.local_day(now, brand.time_zone)
        units: int | None = await connection.fetchval(DRAWABLE, reseller, channel, sku, today)
    return units or 0
