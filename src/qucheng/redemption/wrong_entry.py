"""Wrong digits and codes, counted terminal by terminal: past a number of them within ten minutes its entry of that kind is closed
for ten. Codes are longer than digits, so more of them may be wrong.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, ClassVar, Literal

from qucheng.core import db, errors

if TYPE_CHECKING:
    import uuid

Way = Literal["code", "digits"]
MOST: dict[Way, int] = {"code": 30, "digits": 5}
WATCHED = CLOSED = dt.timedelta(minutes=10)
CLOSE: dict[Way, str] = {
    "code": "UPDATE terminal SET codes_closed_until = $2 WHERE id = $1",
    "digits": "UPDATE terminal SET digits_closed_until = $2 WHERE id = $1",
}
UNTIL: dict[Way, str] = {
    "code": "SELECT codes_closed_until FROM terminal WHERE id = $1",
    "digits": "SELECT digits_closed_until FROM terminal WHERE id = $1",
}


class DigitsClosedError(errors.RefusedError):
    """Too many wrong ones were entered on this terminal."""

    code: ClassVar[str] = "digits.closed"
    status: ClassVar[int] = 429

    def __init__(self, wait: dt.timedelta) -> None:
        super().__init__("Too many wrong digits were entered: scan the code, or wait.")
        self.retry_after = math.ceil(wait.total_seconds())


class CodesClosedError(errors.RefusedError):
    """Too many codes that nobody has were entered on this terminal."""

    code: ClassVar[str] = "codes.closed"
    status: ClassVar[int] = 429

    def __init__(self, wait: dt.timedelta) -> None:
        super().__init__("Too many codes were entered that there are not: wait, then try again.")
        self.retry_after = math.ceil(wait.total_seconds())


async def take_turns(*, brand_id: uuid.UUID, terminal: uuid.UUID, way: Way) -> None:
    """Until the transaction ends: two entries on one terminal are counted one after the other."""
    await db.connection().execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{way}:{brand_id}:{terminal}")


async def require_open(*, terminal: uuid.UUID, way: Way, now: dt.datetime) -> None:
    """Raises DigitsClosedError, CodesClosedError."""
    until = await db.connection().fetchval(UNTIL[way], terminal)
    if until is not None and now < until:
        raise DigitsClosedError(until - now) if way == "digits" else CodesClosedError(until - now)


async def count(*, brand_id: uuid.UUID, terminal: uuid.UUID, way: Way, now: dt.datetime) -> None:
    """One more; the last that may be closes the entry. Who calls has taken their turn."""
    connection = db.connection()
    await connection.execute(
        "DELETE FROM wrong_entry WHERE terminal = $1 AND way = $2 AND at <= $3", terminal, way, now - WATCHED
    )
    await connection.execute(
        "INSERT INTO wrong_entry (brand_id, terminal, way, at) VALUES ($1, $2, $3, $4)", brand_id, terminal, way, now
    )
    counted = await connection.fetchval("SELECT count(*) FROM wrong_entry WHERE terminal = $1 AND way = $2", terminal, way)
    if counted >= MOST[way]:
        await connection.execute(CLOSE[way], terminal, now + CLOSED)
        await connection.execute("DELETE FROM wrong_entry WHERE terminal = $1 AND way = $2", terminal, way)
