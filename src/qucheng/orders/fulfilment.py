"""Fulfilments: how many units of a line were delivered or redeemed, and when. The hold of some lines counts from there."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors
from qucheng.orders import intake

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

# clocks that are ahead a little
LATEST = dt.timedelta(minutes=5)
HELD = "fulfilment_within_line"
FACTS = """
    FROM jsonb_to_recordset($1::jsonb) AS c (order_no text, line_no text, event text, at timestamptz, quantity integer)
    LEFT JOIN order_line l ON l.brand_id = current_brand() AND l.order_no = c.order_no AND l.line_no = c.line_no
    LEFT JOIN fulfilment e ON e.brand_id = l.brand_id AND e.order_no = l.order_no AND e.line_no = l.line_no AND e.event = c.event AND e.at = c.at"""
FAULTS = f"""
    SELECT bool_or(l.order_no IS NULL) AS unknown, bool_or(e.quantity <> c.quantity) AS conflict, bool_or(c.at < l.paid_at) AS early,
           count(*) <> count(DISTINCT (c.order_no, c.line_no, c.event, c.at)) AS twice {FACTS}"""
# numbered as they arrive
ADD = f"""
    INSERT INTO fulfilment (brand_id, order_no, line_no, event, at, intake, source_row, quantity)
    SELECT current_brand(), c.order_no, c.line_no, c.event, c.at, $2,
           nextval('live_row'), c.quantity {FACTS}
    WHERE e.at IS NULL"""


class FulfilmentUnknownLineError(errors.RefusedError):
    """The brand has no such order line."""

    code: ClassVar[str] = "order.unknown"
    status: ClassVar[int] = 404


class FulfilmentConflictError(errors.RefusedError):
    """At that instant another number of units is recorded for the line and the event."""

    code: ClassVar[str] = "fulfilment.conflict"


class FulfilmentExceedsError(errors.RefusedError):
    """More units than the line has would have had the event."""

    code: ClassVar[str] = "fulfilment.exceeds_line"


class FulfilmentEarlyError(errors.RefusedError):
    """Before the line was paid."""

    code: ClassVar[str] = "fulfilment.before_payment"


class FulfilmentFutureError(errors.RefusedError):
    """It has not happened yet."""

    code: ClassVar[str] = "fulfilment.future"
    status: ClassVar[int] = 422


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """So many units of the line at one instant; of one line, event and instant there is one."""

    order_no: str
    line_no: str
    event: Literal["delivered", "redeemed"]
    at: dt.datetime
    quantity: int


async def accept(*, staged: str, intake: int) -> None:
    """Takes in the accepted rows of `staged`."""
    await db.connection().execute(
        f"""INSERT INTO fulfilment (brand_id, order_no, line_no, event, at, intake, source_row, quantity)
            SELECT current_brand(), order_no, line_no, event, at, $1, row, quantity FROM {staged} WHERE fault IS NULL""",
        intake,
    )


async def record(*, brand_id: uuid.UUID, intake: int, events: Sequence[Event]) -> int:
    """Stands in the transaction of what caused the events; returns how many are new. The same again is nothing new.

    intake: the brand's open one. Raises FulfilmentUnknownLineError, FulfilmentConflictError, FulfilmentEarlyError and
    FulfilmentExceedsError, and then none is recorded.
    """
    if not events:
        return 0
    given = msgspec.json.encode(events).decode()
    try:
        async with db.atomic(brand_id):
            await _require_fit(given)
            done: str = await db.connection().execute(ADD, given, intake)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != HELD:
            raise
        raise FulfilmentExceedsError("The line has fewer units than would be delivered or redeemed.") from None
    return int(done.rsplit(maxsplit=1)[-1])


async def report(*, brand_id: uuid.UUID, event: Event, actor: audit.Actor, now: dt.datetime) -> bool:
    """What happened outside the platform, for the brand to say; returns whether it is new. Raises what record() raises, and FulfilmentFutureError."""
    if event.at > now + LATEST:
        raise FulfilmentFutureError("What is reported has happened.")
    async with db.atomic(brand_id):
        number = await intake.enter(now=now)
        new = await record(brand_id=brand_id, intake=number, events=[event])
        if new:
            after = {"line_no": event.line_no, "event": event.event, "quantity": event.quantity, "at": event.at.isoformat()}
            await audit.record(brand_id=brand_id, actor=actor, action="order.fulfil", subject=event.order_no, after=after)
    return bool(new)


async def _require_fit(given: str) -> None:
    faults = await db.connection().fetchrow(FAULTS, given)
    if faults["unknown"]:
        raise FulfilmentUnknownLineError("There is no such order line.")
    if faults["conflict"] or faults["twice"]:
        raise FulfilmentConflictError("Another number of units is recorded for that line and instant.")
    if faults["early"]:
        raise FulfilmentEarlyError("Nothing is delivered or redeemed before it is paid.")
