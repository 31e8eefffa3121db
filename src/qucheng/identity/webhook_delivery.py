"""Deliveries as the worker does them: events taken up, what is due claimed under a lease, and what came of it written down.

Nothing is sent inside a transaction. A worker that dies with a message leaves its lease to run out, and the message is sent again
under the same number: at least once. The order of a subject is kept by its lane (webhook_lanes.py).
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from qucheng.core import db, outbox
from qucheng.identity import webhook_endpoint, webhook_lanes, webhook_message

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity.webhook_message import Message

State = Literal["queued", "waiting", "sending", "delivered", "dead", "dropped"]
STATES: tuple[State, ...] = ("queued", "waiting", "sending", "delivered", "dead", "dropped")
LEASE_SECONDS = 30
# of one endpoint at a time: a slow one holds up no other
MOST_OF_ONE = 4
MOST_TAKEN = 500
DUE = "SELECT * FROM brands_with_webhooks_due()"
PENDING = "SELECT EXISTS (SELECT FROM outbox_event WHERE brand_id = current_brand() AND pending)"
TAKE_UP = """
    WITH taken AS (
        UPDATE outbox_event SET pending = false WHERE brand_id = current_brand() AND pending AND seq IN (
            SELECT seq FROM outbox_event WHERE brand_id = current_brand() AND pending ORDER BY seq LIMIT $1)
        RETURNING seq, kind, subject
    ), made AS (
        INSERT INTO webhook_delivery (brand_id, endpoint, event, kind, subject, state)
        SELECT current_brand(), e.id, t.seq, t.kind, t.subject, 'queued' FROM taken t
        JOIN webhook_endpoint e ON e.brand_id = current_brand() AND e.state IN ('active', 'paused') AND t.kind = ANY (string_to_array(e.kinds, ' '))
        RETURNING endpoint, subject
    ) SELECT (SELECT count(*) FROM taken) AS taken, endpoint, subject FROM made UNION SELECT count(*), NULL, NULL FROM taken"""
ONE_CLAIMS = "SELECT pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || ':webhooks claimed', 0))"
LOST = f"""
    WITH lost AS (
        SELECT d.endpoint, d.event, d.attempt, d.lease_until, e.state AS standing FROM webhook_delivery d
        JOIN webhook_endpoint e ON e.brand_id = d.brand_id AND e.id = d.endpoint
        WHERE d.brand_id = current_brand() AND d.state = 'sending' AND d.lease_until < statement_timestamp() FOR UPDATE OF d SKIP LOCKED
    ), told AS (
        INSERT INTO webhook_attempt (brand_id, endpoint, event, number, at, duration_ms, fault)
        SELECT current_brand(), endpoint, event, attempt, lease_until - make_interval(secs => {LEASE_SECONDS}), 0, 'lost' FROM lost
    )
    UPDATE webhook_delivery d SET lease_until = NULL,
        state = CASE lost.standing WHEN 'active' THEN 'waiting' WHEN 'paused' THEN 'queued' WHEN 'disabled' THEN 'dead' ELSE 'dropped' END,
        due_at = CASE lost.standing WHEN 'active' THEN clock_timestamp() END,
        ended_at = CASE WHEN lost.standing IN ('disabled', 'deleted') THEN clock_timestamp() END
    FROM lost WHERE d.brand_id = current_brand() AND d.endpoint = lost.endpoint AND d.event = lost.event"""
CLAIM = f"""
    WITH chosen AS (
        SELECT w.endpoint, w.event FROM webhook_endpoint e, LATERAL (
            SELECT d.endpoint, d.event, d.due_at FROM webhook_delivery d
            WHERE d.brand_id = e.brand_id AND d.endpoint = e.id AND d.state = 'waiting' AND d.due_at <= statement_timestamp() ORDER BY d.due_at, d.event
            LIMIT greatest(0, {MOST_OF_ONE} - (SELECT count(*) FROM webhook_delivery s WHERE s.brand_id = e.brand_id AND s.endpoint = e.id AND s.state = 'sending'))
        ) w WHERE e.brand_id = current_brand() AND e.state = 'active' ORDER BY w.due_at, w.event LIMIT $1
    ), claimed AS (
        UPDATE webhook_delivery d SET state = 'sending', due_at = NULL, attempt = d.attempt + 1, tries = d.tries + 1,
            lease_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
        FROM chosen c WHERE d.brand_id = current_brand() AND d.endpoint = c.endpoint AND d.event = c.event AND d.due_at IS NOT NULL
        RETURNING d.endpoint, d.event, d.attempt, d.tries
    )
    SELECT c.endpoint, c.event, c.attempt, c.tries, o.id AS event_id, o.kind, o.at, o.data, e.url,
           ARRAY (SELECT s.number FROM webhook_secret s WHERE s.brand_id = e.brand_id AND s.endpoint = e.id AND (s.ends_at IS NULL OR s.ends_at > $2) ORDER BY s.number DESC) AS numbers,
           ARRAY (SELECT s.cipher FROM webhook_secret s WHERE s.brand_id = e.brand_id AND s.endpoint = e.id AND (s.ends_at IS NULL OR s.ends_at > $2) ORDER BY s.number DESC) AS ciphers
    FROM claimed c JOIN outbox_event o ON o.brand_id = current_brand() AND o.seq = c.event JOIN webhook_endpoint e ON e.brand_id = current_brand() AND e.id = c.endpoint"""
OURS = """
    SELECT d.subject, e.state AS standing FROM webhook_delivery d JOIN webhook_endpoint e ON e.brand_id = d.brand_id AND e.id = d.endpoint
    WHERE d.endpoint = $1 AND d.event = $2 AND d.attempt = $3 AND d.state = 'sending' FOR UPDATE OF d"""
CONCLUDE = """
    UPDATE webhook_delivery SET state = $3, lease_until = NULL, due_at = CASE WHEN $3 = 'waiting' THEN clock_timestamp() + $4::interval END,
        ended_at = CASE WHEN $3 IN ('delivered', 'dead', 'dropped') THEN clock_timestamp() END
    WHERE endpoint = $1 AND event = $2"""


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that was claimed. sealed: the secrets that are good, with their numbers, the newest first."""

    brand_id: uuid.UUID
    endpoint: uuid.UUID
    event: int
    attempt: int
    tries: int
    event_id: uuid.UUID
    kind: str
    at: dt.datetime
    data: dict[str, Any]
    url: str
    sealed: list[tuple[int, bytes]]

    def message(self, *, keys: crypto.Keys, now: dt.datetime) -> Message:
        secrets = [
            keys.open(cipher, place=webhook_endpoint.place(self.endpoint, number)).decode() for number, cipher in self.sealed
        ]
        return webhook_message.compose(
            url=self.url, event_id=self.event_id, kind=self.kind, at=self.at, data=self.data, signed_with=secrets, now=now
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """at: when it was sent. status: what was answered; without one a fault says why nothing was."""

    at: dt.datetime
    duration_ms: int
    status: int | None = None
    fault: str | None = None
    text: str | None = None


async def brands_due() -> list[uuid.UUID]:
    """Those that have something to take up or to send now."""
    async with db.atomic():
        return [row[0] for row in await db.connection().fetch(DUE)]


async def take_up(*, brand_id: uuid.UUID) -> int:
    """Events that were committed become deliveries, the oldest first and at most MOST_TAKEN; returns how many events it were."""
    async with db.atomic(brand_id):
        if not await db.connection().fetchval(PENDING):
            return 0
        await webhook_lanes.hold(brand_id)
        rows = await db.connection().fetch(TAKE_UP, MOST_TAKEN)
        await webhook_lanes.advance([(row["endpoint"], row["subject"]) for row in rows if row["endpoint"] is not None])
    return int(rows[0]["taken"])


async def claim(*, brand_id: uuid.UUID, most: int, now: dt.datetime) -> list[Sending]:
    """What is due, for one attempt each. One worker of a brand claims at a time, so that no endpoint gets more than MOST_OF_ONE."""
    async with db.atomic(brand_id):
        if not await db.connection().fetchval(ONE_CLAIMS, brand_id):
            return []
        await webhook_lanes.share(brand_id)
        await db.connection().execute(LOST)
        rows = await db.connection().fetch(CLAIM, most, now)
    return [
        Sending(
            brand_id=brand_id,
            endpoint=row["endpoint"],
            event=row["event"],
            attempt=row["attempt"],
            tries=row["tries"],
            event_id=row["event_id"],
            kind=row["kind"],
            at=row["at"],
            data=msgspec.json.decode(row["data"]),
            url=row["url"],
            sealed=list(zip(row["numbers"], row["ciphers"], strict=True)),
        )
        for row in rows
    ]


async def conclude(sending: Sending, outcome: Outcome) -> bool:
    """Writes down what came of it, and lets the next of its subject go; False where the attempt is not this one's any more."""
    if outcome.status == webhook_message.GONE:
        await webhook_endpoint.disable(brand_id=sending.brand_id, endpoint_id=sending.endpoint, now=outcome.at)
    async with db.atomic(sending.brand_id):
        await webhook_lanes.share(sending.brand_id)
        row = await db.connection().fetchrow(OURS, sending.endpoint, sending.event, sending.attempt)
        if row is None:
            return False
        state, wait = _state_after(outcome.status, row["standing"], sending.tries)
        await db.connection().execute(CONCLUDE, sending.endpoint, sending.event, state, wait)
        await db.connection().execute(
            "INSERT INTO webhook_attempt (brand_id, endpoint, event, number, at, duration_ms, status, fault, answer)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            sending.brand_id,
            sending.endpoint,
            sending.event,
            sending.attempt,
            outcome.at,
            outcome.duration_ms,
            outcome.status,
            outcome.fault,
            outcome.text,
        )
        if state not in {"waiting", "queued"}:
            await webhook_lanes.advance([(sending.endpoint, row["subject"])])
    return True


def _state_after(status: int | None, standing: webhook_endpoint.State, tries: int) -> tuple[State, dt.timedelta | None]:
    if webhook_message.is_taken(status):
        return "delivered", None
    if standing == "deleted":
        return "dropped", None
    wait = webhook_message.wait_after(tries)
    if standing == "disabled" or wait is None:
        return "dead", None
    return ("queued", None) if standing == "paused" else ("waiting", wait)


async def give_back(sending: Sending) -> None:
    """The worker stops before it was sent to the end: another sends it at once, and no try was used up."""
    async with db.atomic(sending.brand_id):
        await db.connection().execute(
            "UPDATE webhook_delivery SET lease_until = clock_timestamp(), tries = tries - 1"
            " WHERE endpoint = $1 AND event = $2 AND attempt = $3 AND state = 'sending'",
            sending.endpoint,
            sending.event,
            sending.attempt,
        )


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes events that are too old to be sent once more, with what became of them; returns how many events it were."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        young = await outbox.oldest_kept(brand_id=brand_id, now=now)
        old = "SELECT seq FROM outbox_event WHERE at < $1 AND NOT pending AND ($2::bigint IS NULL OR seq < $2)"
        over = f"event IN ({old}) AND state NOT IN ('waiting', 'sending')"
        bounds = (now - outbox.KEPT, young)
        await db.connection().execute(
            f"DELETE FROM webhook_attempt WHERE (endpoint, event) IN (SELECT endpoint, event FROM webhook_delivery WHERE {over})",
            *bounds,
        )
        await db.connection().execute(f"DELETE FROM webhook_delivery WHERE {over}", *bounds)
        status: str = await db.connection().execute(
            f"DELETE FROM outbox_event o WHERE seq IN ({old}) AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.brand_id = o.brand_id AND d.event = o.seq)",
            *bounds,
        )
    return int(status.removeprefix("DELETE "))
