"""News for those outside who want to know: a row written with what happened, and taken up by the worker once it is committed.

An event is told of at least once; those of one subject in the order in which they were committed. What is to be told of many rows
at once is inserted by SQL (the columns brand_id, kind, subject and data). Ids and codes alone: no amounts, names or secrets.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from qucheng.core import db, ids

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

Kind = Literal["order.paid", "order.refunded", "entry.accrued", "entry.reversed", "statement.published", "card.redeemed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# how long an event can be sent once more
KEPT = dt.timedelta(days=30)
# the oldest that is kept: looked for from the oldest row on, so that only what goes is read
OLDEST_KEPT = "SELECT seq FROM outbox_event WHERE brand_id = $1 AND at >= $2 ORDER BY seq LIMIT 1"


async def tell(*, brand_id: uuid.UUID, kind: Kind, subject: str, data: Mapping[str, str]) -> None:
    """Inside the transaction of what it tells of, after the lock that puts changes of the subject in their order."""
    await db.connection().execute(
        "INSERT INTO outbox_event (brand_id, id, kind, subject, data) VALUES ($1, $2, $3, $4, $5)",
        brand_id,
        ids.new_id(),
        kind,
        subject,
        msgspec.json.encode(data).decode(),
    )


async def oldest_kept(*, brand_id: uuid.UUID, now: dt.datetime) -> int | None:
    """The number below which events are let go of; None where none is young enough. Inside a transaction of the brand."""
    found: int | None = await db.connection().fetchval(OLDEST_KEPT, brand_id, now - KEPT)
    return found
