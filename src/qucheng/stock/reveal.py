"""A card was seen: it never returns to stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db
from qucheng.stock import act, rules, stop

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from qucheng.core import audit

NAMED = "brand_id = current_brand() AND (batch, number) IN (SELECT * FROM unnest($1::int[], $2::int[]))"


async def mark_revealed(*, cards: Sequence[tuple[int, int]], actor: audit.Actor, now: dt.datetime) -> None:
    """Inside the transaction of who shows them; those that were seen before stay as they are. Raises CardUnknownError, CardStateError."""
    connection = db.connection()
    named = [batch for batch, _ in cards], [number for _, number in cards]
    places = await connection.fetch(f"SELECT DISTINCT sku, pool FROM card WHERE {NAMED}", *named)
    await act.lock(pairs=[(row["sku"], row["pool"]) for row in places])
    rows = await connection.fetch(f"SELECT state, count(*) AS cards FROM card WHERE {NAMED} GROUP BY state", *named)
    if sum(row["cards"] for row in rows) != len(set(cards)):
        raise rules.CardUnknownError("There is no such card.")
    odd = [row["state"] for row in rows if row["state"] not in {"delivered", "revealed"}]
    if odd:
        raise stop.CardStateError(f"A card that is {odd[0]} is not shown.")
    await act.open_act(kind="reveal", actor=actor, now=now)
    await connection.execute(
        f"UPDATE card SET state = 'revealed', revealed_at = $3 WHERE {NAMED} AND state = 'delivered'", *named, now
    )
