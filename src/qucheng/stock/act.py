"""Who changes cards says so first: one act for the changes of a transaction that belong together, and the locks in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db, ids
from qucheng.stock import rules

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Iterable

    from qucheng.core import audit


async def open_act(*, kind: str, actor: audit.Actor, now: dt.datetime, note: str | None = None) -> uuid.UUID:
    """Inside the transaction; the changes of cards that follow are its, until another is opened."""
    made = ids.new_id()
    await db.connection().execute(
        "WITH made AS (INSERT INTO stock_act (brand_id, id, kind, at, user_id, role, network, request_id, note)"
        " VALUES (current_brand(), $1, $2, $3, $4, $5, $6, $7, $8) RETURNING id)"
        " SELECT set_config('qucheng.stock_act', id::text, true) FROM made",
        made,
        kind,
        now,
        actor.user_id,
        actor.role,
        actor.network,
        actor.request_id,
        rules.line(note, rules.LONGEST_REASON),
    )
    return made


async def lock(*, pairs: Iterable[tuple[str, int]]) -> None:
    """Locks SKUs in pools, in the order in which everybody does."""
    wanted = list(pairs)
    await db.connection().execute("SELECT lock_stock($1, $2)", [sku for sku, _ in wanted], [pool for _, pool in wanted])
