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
