"""Reservations: cards held for an order that is about to be paid, for an hour at most."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import db, errors, ids
from qucheng.stock import act, draw, rules

if TYPE_CHECKING:
    from qucheng.core import audit
    from qucheng.identity.brand import Brand

StockShortError = draw.StockShortError
ReservationUnknownError = draw.ReservationUnknownError
MOST_MINUTES = 60
KNOWN = """
    SELECT EXISTS (SELECT 1 FROM reseller WHERE brand_id = current_brand() AND code = $1) AS reseller,
           EXISTS (SELECT 1 FROM channel WHERE brand_id = current_brand() AND code = $2) AS channel"""
COLUMNS = "id, reseller, channel, sku, units, pool, state, made_at, until, order_no"


class ReservationUnfitError(errors.RefusedError):
    """So many units or minutes cannot be reserved, the SKU needs no cards, or there is no such seller or channel.

    faults: by field all that cannot be so.
    """

    code: ClassVar[str] = "reservation.unfit"
    status: ClassVar[int] = 422

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = faults


class ReservationOverError(errors.RefusedError):
    """It was used, released or past its deadline."""

    code: ClassVar[str] = "reservation.over"


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """order_no: the order that took the cards. A deadline that is past counts at once, whether or not the cards are free already."""

    id: uuid.UUID
    reseller: str
    channel: str
    sku: str
    units: int
    pool: int
    state: Literal["held", "used", "released", "lapsed"]
    made_at: dt.datetime
    until: dt.datetime
    order_no: str | None


async def reserve(
    *, brand: Brand, reseller: str, channel: str, sku: str, units: int, minutes: int, actor: audit.Actor, now: dt.datetime
) -> Reservation:
    """Raises ReservationUnfitError, StockShortError."""
    faults = {}
    if not 1 <= minutes <= MOST_MINUTES:
        faults["minutes"] = f"Cards are held for 1 to {MOST_MINUTES} minutes."
    if not 1 <= units <= rules.MOST_CARDS:
        faults["quantity"] = f"1 to {rules.MOST_CARDS} units can be reserved."
    made = ids.new_id()
    async with db.atomic(brand.id):
        if not await draw.needs_cards([sku]):
            faults["sku"] = "There is no such SKU that is sold from stock."
        known = await db.connection().fetchrow(KNOWN, reseller, channel)
        faults |= {field: f"There is no such {field}." for field in ("reseller", "channel") if not known[field]}
        if faults:
            raise ReservationUnfitError(faults)
        await act.open_act(kind="reserve", actor=actor, now=now)
        pool: int | None = await db.connection().fetchval(
            "SELECT reserve_cards($1, $2, $3, $4, $5, $6, $7, $8)",
            made,
            reseller,
            channel,
            sku,
            units,
            rules.local_day(now, brand.time_zone),
            now,
            now + dt.timedelta(minutes=minutes),
        )
        if pool is None:
            raise StockShortError(f"There are no {units} of {sku} for this reseller and channel.")
        return await _read(made, reseller)


async def find(*, brand: Brand, id: uuid.UUID, reseller: str | None = None) -> Reservation:  # noqa: A002 - as the API names it
    """reseller: its own only. Raises ReservationUnknownError."""
    async with db.atomic(brand.id):
        return await _read(id, reseller)


async def release(*, brand: Brand, id: uuid.UUID, reseller: str | None = None, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: A002
    """Its cards are free again. Raises ReservationUnknownError, ReservationOverError."""
    async with db.atomic(brand.id):
        connection = db.connection()
        held = await _read(id, reseller)
        cards = await connection.fetch(
            "SELECT DISTINCT sku, pool FROM card WHERE reserved_until = $2 AND reservation = $1 AND state = 'reserved'"
            " UNION SELECT sku, 0 FROM card WHERE reserved_until = $2 AND reservation = $1 AND state = 'reserved' AND borrowed",
            id,
            held.until,
        )
        await act.lock(pairs=[(row["sku"], row["pool"]) for row in cards])
        state = await connection.fetchval("SELECT state FROM reservation WHERE id = $1 FOR NO KEY UPDATE", id)
        if state != "held":
            raise ReservationOverError(f"This reservation is {state}.")
        await act.open_act(kind="unreserve", actor=actor, now=now)
        await connection.execute(
            "SELECT free_reservation(r, $2, NULL, $3) FROM reservation r WHERE r.id = $1", id, "released", now
        )


async def _read(wanted: uuid.UUID, reseller: str | None) -> Reservation:
    row = await db.connection().fetchrow(
        f"SELECT {COLUMNS} FROM reservation WHERE id = $1 AND ($2::text IS NULL OR reseller = $2)", wanted, reseller
    )
    if row is None:
        raise ReservationUnknownError("There is no such reservation.")
    return Reservation(**dict(row))
