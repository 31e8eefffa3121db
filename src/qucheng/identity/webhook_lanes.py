"""The order of deliveries: a lane is an endpoint and a subject, and one delivery of a lane at a time waits for its sending or is sent.

What changes many lanes holds them all; what ends one sending shares them with its like. Otherwise an event that is queued while the
one before it ends could be seen by neither, and wait for ever. All of it inside a transaction of the brand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qucheng.core import db

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

HOLD = "SELECT lock_brand($1, 'webhooks')"
SHARE = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text || ':webhooks', 0))"
# of each lane the oldest that is queued, where nothing of the lane is under way and its endpoint is active. Found first and looked
# up by its key then: put together, the planner looks for the oldest once for each row of the endpoint.
ADVANCE = """
    WITH next AS MATERIALIZED (
        SELECT lane.endpoint, (SELECT min(q.event) FROM webhook_delivery q
                               WHERE q.brand_id = current_brand() AND q.endpoint = lane.endpoint AND q.subject = lane.subject AND q.state = 'queued') AS event
        FROM ({lanes}) lane JOIN webhook_endpoint e ON e.brand_id = current_brand() AND e.id = lane.endpoint AND e.state = 'active'
        WHERE (SELECT h.event FROM webhook_delivery h WHERE h.brand_id = current_brand() AND h.endpoint = lane.endpoint
               AND h.subject = lane.subject AND h.state IN ('waiting', 'sending') LIMIT 1) IS NULL
    )
    UPDATE webhook_delivery d SET state = 'waiting', due_at = clock_timestamp()
    FROM next WHERE d.brand_id = current_brand() AND d.endpoint = next.endpoint AND d.event = next.event"""
NAMED = ADVANCE.format(lanes="SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) named (endpoint, subject)")
EVERY = ADVANCE.format(
    lanes="SELECT DISTINCT endpoint, subject FROM webhook_delivery WHERE brand_id = current_brand() AND endpoint = $1 AND state = 'queued'"
)


async def hold(brand_id: uuid.UUID) -> None:
    await db.connection().execute(HOLD, brand_id)


async def share(brand_id: uuid.UUID) -> None:
    await db.connection().execute(SHARE, brand_id)


async def advance(lanes: Sequence[tuple[uuid.UUID, str]]) -> None:
    await db.connection().execute(NAMED, [endpoint for endpoint, _ in lanes], [subject for _, subject in lanes])


async def advance_all(endpoint_id: uuid.UUID) -> None:
    await db.connection().execute(EVERY, endpoint_id)


async def stand_back(endpoint_id: uuid.UUID) -> None:
    """What waits is queued again."""
    await db.connection().execute(
        "UPDATE webhook_delivery SET state = 'queued', due_at = NULL WHERE endpoint = $1 AND state = 'waiting'", endpoint_id
    )


async def give_up(endpoint_id: uuid.UUID, state: Literal["dead", "dropped"]) -> None:
    """What is queued or waits is not sent; a sending that is under way ends by itself."""
    await db.connection().execute(
        "UPDATE webhook_delivery SET state = $2, due_at = NULL, ended_at = clock_timestamp() WHERE endpoint = $1 AND state IN ('queued', 'waiting')",
        endpoint_id,
        state,
    )
