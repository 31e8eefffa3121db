"""Money that goes back to a buyer: asked for under a number that was written down first, and never under another.

States: waiting → sent → done or refused. Sent means that nobody knows: the provider is asked before it is asked for again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import audit, db, ids

if TYPE_CHECKING:
    from qucheng.core import payment_port

ALL = "all"
# between two tries: 2, 4, 8 … minutes, at most two hours
FIRST_WAIT, LONGEST_WAIT = dt.timedelta(minutes=1), dt.timedelta(hours=2)
STEPS = 7
COLUMNS = "f.id, f.payment, f.amount_minor, f.state, f.tries, p.provider"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """tries: how often the provider was asked for it."""

    id: uuid.UUID
    payment: uuid.UUID
    amount_minor: int
    state: Literal["waiting", "sent", "done", "refused"]
    tries: int
    provider: str


async def whole(*, brand_id: uuid.UUID, payment: uuid.UUID, amount_minor: int, now: dt.datetime) -> None:
    """All of a payment of which no order came; inside the transaction that says so. Refunds of orders come by themselves."""
    await db.connection().execute(
        "INSERT INTO payment_refund (brand_id, id, payment, refund_no, amount_minor, state, created_at) VALUES ($1, $2, $3, $4, $5, 'waiting', $6)"
        " ON CONFLICT DO NOTHING",
        brand_id,
        ids.new_id(),
        payment,
        ALL,
        amount_minor,
        now,
    )


async def open_ones(*, brand_id: uuid.UUID, now: dt.datetime, most: int) -> list[Refund]:
    """Those that are due, the oldest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM payment_refund f JOIN payment p ON p.brand_id = f.brand_id AND p.id = f.payment"
            " WHERE f.state IN ('waiting', 'sent')"
            " AND (f.asked_at IS NULL OR f.asked_at <= $1::timestamptz - least($2::interval, $3::interval * (1 << least(f.tries, $4::integer))))"
            " ORDER BY f.created_at, f.id LIMIT $5",
            now,
            LONGEST_WAIT,
            FIRST_WAIT,
            STEPS,
            most,
        )
    return [Refund(**dict(row)) for row in rows]


async def sending(*, brand_id: uuid.UUID, refund: Refund, now: dt.datetime) -> bool:
    """Written down before the provider is asked; False where another has asked meanwhile."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute(
            "UPDATE payment_refund SET state = 'sent', asked_at = $2, tries = tries + 1 WHERE id = $1 AND state = $3 AND tries = $4",
            refund.id,
            now,
            refund.state,
            refund.tries,
        )
    return status == "UPDATE 1"


async def told(
    *, brand_id: uuid.UUID, refund: Refund, answer: payment_port.RefundState, actor: audit.Actor, now: dt.datetime
) -> None:
    """The payment is refunded when all of it went back. Without an answer that ends it, it stays sent."""
    if answer not in ("done", "refused"):
        return
    async with db.atomic(brand_id):
        # of two answers the first counts, and two refunds of one payment add up one after the other
        await db.connection().execute("SELECT 1 FROM payment WHERE id = $1 FOR UPDATE", refund.payment)
        status: str = await db.connection().execute(
            "UPDATE payment_refund SET state = $2, ended_at = $3 WHERE id = $1 AND state = 'sent'", refund.id, answer, now
        )
        if status != "UPDATE 1":
            return
        await db.connection().execute(
            "UPDATE payment p SET state = 'refunded' WHERE p.id = $1 AND p.state = 'paid' AND p.gross_minor ="
            " (SELECT sum(f.amount_minor) FROM payment_refund f WHERE f.brand_id = p.brand_id AND f.payment = p.id AND f.state = 'done')",
            refund.payment,
        )
        after = {"amount_minor": refund.amount_minor, "payment": str(refund.payment)}
        action = "payment.give_back" if answer == "done" else "payment.refund_refused"
        await audit.record(brand_id=brand_id, actor=actor, action=action, subject=str(refund.id), after=after)
