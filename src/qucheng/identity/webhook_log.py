"""What was sent where, for the owners of a brand: looked through, and sent once more under the same number."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import webhook_lanes, webhook_message
from qucheng.identity.webhook_delivery import State

if TYPE_CHECKING:
    import asyncpg

MOST_REPLAYED = 10_000
ROW = """
    d.endpoint, e.url, d.event, o.id AS event_id, d.kind, d.subject, d.state, d.tries, o.at, d.due_at, d.ended_at, a.status, a.fault
    FROM webhook_delivery d JOIN outbox_event o ON o.brand_id = d.brand_id AND o.seq = d.event
    JOIN webhook_endpoint e ON e.brand_id = d.brand_id AND e.id = d.endpoint
    LEFT JOIN LATERAL (SELECT status, fault FROM webhook_attempt t WHERE t.brand_id = d.brand_id AND t.endpoint = d.endpoint AND t.event = d.event
                       ORDER BY number DESC LIMIT 1) a ON true"""
LISTED = f"""
    SELECT {ROW} WHERE ($1::uuid IS NULL OR d.endpoint = $1) AND ($2::text IS NULL OR d.kind = $2) AND ($3::text IS NULL OR d.state = $3)
      AND ($4::text IS NULL OR d.subject = $4) AND ($5::bigint IS NULL OR (d.event, d.endpoint) < ($5, $6::uuid))
    ORDER BY d.event DESC, d.endpoint DESC LIMIT $7"""
# what is sent once more begins its tries anew
AGAIN = """
    UPDATE webhook_delivery d SET state = 'queued', tries = 0, ended_at = NULL FROM ({chosen}) c
    WHERE d.brand_id = current_brand() AND d.endpoint = c.endpoint AND d.event = c.event RETURNING d.endpoint, d.subject"""
ONE = AGAIN.format(
    chosen="""
    SELECT w.endpoint, w.event FROM webhook_delivery w JOIN webhook_endpoint e ON e.brand_id = w.brand_id AND e.id = w.endpoint
    WHERE w.brand_id = current_brand() AND w.endpoint = $1 AND w.event = $2 AND w.state IN ('delivered', 'dead') AND e.state IN ('active', 'paused')"""
)
DEAD = AGAIN.format(
    chosen="""
    SELECT w.endpoint, w.event FROM webhook_delivery w JOIN webhook_endpoint e ON e.brand_id = w.brand_id AND e.id = w.endpoint
    WHERE w.brand_id = current_brand() AND w.state = 'dead' AND w.ended_at >= $1 AND ($2::uuid IS NULL OR w.endpoint = $2)
      AND e.state IN ('active', 'paused') ORDER BY w.event LIMIT $3"""
)


class DeliveryUnknownError(errors.RefusedError):
    code: ClassVar[str] = "webhook.delivery_unknown"
    status: ClassVar[int] = 404


class DeliveryStateError(errors.RefusedError):
    """It is still under way, or its endpoint takes nothing."""

    code: ClassVar[str] = "webhook.delivery_state"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """at: when it happened. status, fault: of the last attempt; neither where there was none yet."""

    endpoint: uuid.UUID
    url: str
    event: int
    event_id: uuid.UUID
    kind: str
    subject: str
    state: State
    tries: int
    at: dt.datetime
    due_at: dt.datetime | None
    ended_at: dt.datetime | None
    status: int | None
    fault: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    at: dt.datetime
    duration_ms: int
    status: int | None
    fault: str | None
    answer: str | None


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """body: what is sent. attempts: the newest first."""

    delivery: Delivery
    body: str
    attempts: list[Attempt]


async def listing(
    *,
    brand_id: uuid.UUID,
    endpoint_id: uuid.UUID | None = None,
    kind: str | None = None,
    state: str | None = None,
    subject: str | None = None,
    before: tuple[int, uuid.UUID] | None = None,
    most: int = 50,
) -> list[Delivery]:
    """The newest first. before: event and endpoint of the last of the page before."""
    event, endpoint = before or (None, None)
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(LISTED, endpoint_id, kind, state, subject, event, endpoint, most)
    return [_delivery(row) for row in rows]


async def read(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, event: int) -> Detail:
    """Raises DeliveryUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"SELECT o.data, {ROW} WHERE d.endpoint = $1 AND d.event = $2", endpoint_id, event)
        if row is None:
            raise DeliveryUnknownError("There is no such delivery, or it is no longer kept.")
        attempts = await db.connection().fetch(
            "SELECT number, at, duration_ms, status, fault, answer FROM webhook_attempt WHERE endpoint = $1 AND event = $2 ORDER BY number DESC",
            endpoint_id,
            event,
        )
    values: dict[str, Any] = dict(row)
    data = msgspec.json.decode(values.pop("data"))
    body = webhook_message.body(kind=row["kind"], at=row["at"], data=data)
    return Detail(delivery=Delivery(**values), body=body.decode(), attempts=[Attempt(**dict(each)) for each in attempts])


async def replay(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, event: int, actor: audit.Actor) -> None:
    """Once more, behind what is under way of its subject. Raises DeliveryStateError."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        rows = await db.connection().fetch(ONE, endpoint_id, event)
        if not rows:
            raise DeliveryStateError("It is still under way, or its endpoint takes nothing.")
        await webhook_lanes.advance([(row["endpoint"], row["subject"]) for row in rows])
        await audit.record(brand_id=brand_id, actor=actor, action="webhook.replay", subject=f"{endpoint_id}/{event}")


async def replay_dead(*, brand_id: uuid.UUID, since: dt.datetime, endpoint_id: uuid.UUID | None, actor: audit.Actor) -> int:
    """All that were given up since then, the oldest first and at most MOST_REPLAYED; returns how many."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        rows = await db.connection().fetch(DEAD, since, endpoint_id, MOST_REPLAYED)
        if rows:
            await webhook_lanes.advance([(row["endpoint"], row["subject"]) for row in rows])
            subject = str(endpoint_id) if endpoint_id else "all"
            after = {"since": since, "deliveries": len(rows)}
            await audit.record(brand_id=brand_id, actor=actor, action="webhook.replay_dead", subject=subject, after=after)
    return len(rows)


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(**dict(row))
