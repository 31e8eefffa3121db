"""Orders draw cards: each line all of them from one pool, or none; and give them back when units are refunded."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import db, errors
from qucheng.stock import act, rules

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence

    from qucheng.core import audit
    from qucheng.identity.brand import Brand

NEEDY = """
    SELECT s.code FROM sku s WHERE s.code = ANY ($1) AND (s.kind = 'card_secret' OR (s.kind = 'package' AND EXISTS (
        SELECT 1 FROM sku_part p JOIN sku k ON k.brand_id = p.brand_id AND k.code = p.part
        WHERE p.brand_id = s.brand_id AND p.package = s.code AND k.kind = 'card_secret')))"""


OWN = """
    SELECT lock_stock(array_agg(d.sku), array_agg(d.pool)) FROM (
        SELECT c.sku, c.pool FROM card c WHERE c.brand_id = current_brand() AND c.order_no = $1 AND c.line_no = ANY ($2)
        UNION SELECT c.sku, 0 FROM card c WHERE c.brand_id = current_brand() AND c.order_no = $1 AND c.line_no = ANY ($2) AND c.borrowed) d"""

# a card that is in hand again, where its line holds more of the SKU than was not paid back. What expired or was withdrawn was the
# line's all the same; a faulty card had another for it
OWED = """
    SELECT c.sku, c.state, c.borrowed, c.order_no, c.line_no,
        EXISTS (SELECT 1 FROM redemption r WHERE r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number AND r.way = 'code') AS typed
    FROM card c
    JOIN order_line l ON l.brand_id = c.brand_id AND l.order_no = c.order_no AND l.line_no = c.line_no
    JOIN line_need n ON n.brand_id = c.brand_id AND n.order_no = c.order_no AND n.line_no = c.line_no AND n.sku = c.sku
    WHERE c.brand_id = current_brand() AND c.batch = $1 AND c.number = $2 AND c.state IN ('delivered', 'revealed') AND n.each * (l.quantity - (
        SELECT coalesce(sum(r.quantity), 0) FROM refund r WHERE r.brand_id = l.brand_id AND r.order_no = l.order_no AND r.line_no = l.line_no)) < (
        SELECT count(*) FROM card h WHERE h.brand_id = c.brand_id AND h.order_no = c.order_no AND h.line_no = c.line_no AND h.sku = c.sku
            AND (h.void_reason IS NULL OR h.void_reason NOT IN ('refunded', 'faulty')))"""
FREE = """
    UPDATE card SET state = 'available', order_no = NULL, line_no = NULL, valid_until = NULL, pool = CASE WHEN borrowed THEN 0 ELSE pool END, borrowed = false
    WHERE brand_id = current_brand() AND batch = $1 AND number = $2"""
SEEN = "UPDATE card SET state = 'revealed', revealed_at = $3 WHERE brand_id = current_brand() AND batch = $1 AND number = $2"
VOID = """
    UPDATE card SET state = 'void', came_from = NULL, void_reason = 'refunded' WHERE brand_id = current_brand() AND batch = $1 AND number = $2"""
NOT_MISSING = """
    UPDATE stock_case SET units = units - 1, closed_at = CASE WHEN units = 1 THEN $3::timestamptz END, way = CASE WHEN units = 1 THEN 'refunded' END
    WHERE brand_id = current_brand() AND id = (
        SELECT id FROM stock_case WHERE brand_id = current_brand() AND order_no = $1 AND line_no = $2 AND kind = 'exceeds' AND closed_at IS NULL
        ORDER BY opened_at, id LIMIT 1 FOR NO KEY UPDATE)"""


class StockShortError(errors.RefusedError):
    """No pool has as many cards as that."""

    code: ClassVar[str] = "stock.short"


class ReservationUnknownError(errors.RefusedError):
    code: ClassVar[str] = "reservation.unknown"
    status: ClassVar[int] = 404


class ReservationElsewhereError(errors.RefusedError):
    """It is another reseller's or channel's, or of a SKU that the order has not."""

    code: ClassVar[str] = "reservation.elsewhere"


class CardElsewhereError(errors.RefusedError):
    """Cards were named that are not the line's, or more than are refunded."""

    code: ClassVar[str] = "card.elsewhere"
    status: ClassVar[int] = 422


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order: so many units of its SKU, which may need no cards."""

    line_no: str
    sku: str
    units: int


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What a line got. none: it needs no cards. short: it needs some, and got none."""

    line_no: str
    state: Literal["none", "delivered", "short"]
    cards: int
    pool: int | None


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """Cards that are free again, that are void, and that were to come back and are not there."""

    returned: int
    voided: int
    missing: int


async def needs_cards(skus: Sequence[str]) -> set[str]:
    """Which of them need cards. Inside a transaction of the brand."""
    return {row["code"] for row in await db.connection().fetch(NEEDY, list(skus))}


async def draw(
    *,
    brand: Brand,
    order_no: str,
    reseller: str,
    channel: str,
    lines: Sequence[Wanted],
    reservation: uuid.UUID | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> list[Drawn]:
    """Inside the transaction of the order, when its lines are written. A line that gets none is a case (stock_case.py), and no refusal.

    Raises ReservationUnknownError, ReservationElsewhereError; a reservation that is over is none, and the order takes its chance.
    """
    if reservation is not None:
        await _require_fitting(reservation, reseller, channel, lines)
    elif not await needs_cards([line.sku for line in lines]):
        return [Drawn(line_no=line.line_no, state="none", cards=0, pool=None) for line in lines]
    await act.open_act(kind="deliver", actor=actor, now=now)
    rows = await db.connection().fetch(
        "SELECT * FROM draw_cards($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        order_no,
        reseller,
        channel,
        [line.line_no for line in lines],
        [line.sku for line in lines],
        [line.units for line in lines],
        rules.local_day(now, brand.time_zone),
        now,
        reservation,
    )
    return [Drawn(**dict(row)) for row in rows]


async def _require_fitting(reservation: uuid.UUID, reseller: str, channel: str, lines: Sequence[Wanted]) -> None:
    row = await db.connection().fetchrow("SELECT reseller, channel, sku FROM reservation WHERE id = $1", reservation)
    if row is None:
        raise ReservationUnknownError("There is no such reservation.")
    if (row["reseller"], row["channel"]) != (reseller, channel) or row["sku"] not in {line.sku for line in lines}:
        raise ReservationElsewhereError("This reservation is not for this reseller, channel and SKU.")


async def lock_lines(*, order_no: str, lines: Sequence[str]) -> None:
    """Before the cards of several lines come back: line by line they would be locked in the order in which the lines were sent."""
    await db.connection().execute(OWN, order_no, list(lines))


async def give_back(
    *,
    brand: Brand,
    order_no: str,
    line_no: str,
    units: int,
    left: int,
    cards: Sequence[tuple[int, int]] = (),
    actor: audit.Actor,
    now: dt.datetime,
) -> Returned:
    """Inside the transaction of a refund. units: of the line, refunded now; left: those not refunded after it. cards: those that are named.

    Fewer cards than were to come back are a case, and no refusal. Raises CardElsewhereError.
    """
    connection = db.connection()
    needs = await connection.fetch(
        "SELECT sku, each FROM line_need WHERE order_no = $1 AND line_no = $2 AND each > 0", order_no, line_no
    )
    await _require_own(order_no, line_no, list(cards), {row["sku"]: units * row["each"] for row in needs})
    if units == 0 or not needs or await _was_short(order_no, line_no, left, now):
        return Returned(returned=0, voided=0, missing=0)
    await act.open_act(kind="refund", actor=actor, now=now)
    row = await connection.fetchrow(
        "SELECT * FROM return_cards($1, $2, $3, $4, $5)",
        order_no,
        line_no,
        units,
        [batch for batch, _ in cards],
        [number for _, number in cards],
    )
    if row["missing"] > 0:
        await connection.execute(
            "INSERT INTO stock_case (brand_id, kind, order_no, line_no, reseller, channel, sku, units, opened_at)"
            " SELECT brand_id, 'exceeds', order_no, line_no, reseller, channel, sku, $4, $5 FROM order_line"
            " WHERE brand_id = $1 AND order_no = $2 AND line_no = $3",
            brand.id,
            order_no,
            line_no,
            row["missing"],
            now,
        )
    return Returned(**dict(row))


async def take_owed(*, card: tuple[int, int], actor: audit.Actor, now: dt.datetime) -> bool:
    """Inside the transaction that takes a redemption back, with the card locked: a refund that found it used takes it now, so that
    nobody has both the money and the card. Returns whether it was taken.
    """
    connection = db.connection()
    row = await connection.fetchrow(OWED, *card)
    if row is None:
        return False
    await act.open_act(kind="refund", actor=actor, now=now)
    if row["state"] == "delivered" and not row["typed"]:
        if row["borrowed"]:
            await act.lock(pairs=[(row["sku"], rules.UNALLOCATED)])
        await connection.execute(FREE, *card)
    else:
        if row["state"] == "delivered":
            await connection.execute(SEEN, *card, now)
        await connection.execute(VOID, *card)
    await connection.execute(NOT_MISSING, row["order_no"], row["line_no"], now)
    return True


async def _require_own(order_no: str, line_no: str, cards: list[tuple[int, int]], most: Mapping[str, int]) -> None:
    """most: by SKU, for a unit may take cards of several."""
    if not cards:
        return
    rows = await db.connection().fetch(
        "SELECT c.sku, count(*) AS cards FROM card c JOIN unnest($3::int[], $4::int[]) named (batch, number) ON named.batch = c.batch AND named.number = c.number"
        " WHERE c.brand_id = current_brand() AND c.order_no = $1 AND c.line_no = $2 GROUP BY c.sku",
        order_no,
        line_no,
        [batch for batch, _ in cards],
        [number for _, number in cards],
    )
    own = sum(row["cards"] for row in rows)
    if own != len(set(cards)) or len(set(cards)) != len(cards) or any(row["cards"] > most.get(row["sku"], 0) for row in rows):
        raise CardElsewhereError("Name cards of this line, each once, and no more than are refunded.")


async def _was_short(order_no: str, line_no: str, left: int, now: dt.datetime) -> bool:
    """A line that has no cards yet wants fewer now, or none any more."""
    status: str = await db.connection().execute(
        "UPDATE stock_case SET units = $3, closed_at = CASE WHEN $3 = 0 THEN $4::timestamptz END, way = CASE WHEN $3 = 0 THEN 'refunded' END"
        " WHERE order_no = $1 AND line_no = $2 AND kind = 'short' AND closed_at IS NULL",
        order_no,
        line_no,
        left,
        now,
    )
    return status != "UPDATE 0"
