"""Alerts: kept when something was found, and decided once by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.identity import notification
from qucheng.risk import queries, rules

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

LONGEST_REASON = 500
# the same in a stretch of time that meets an earlier one is the same finding
KEEP = """
    INSERT INTO risk_alert (brand_id, id, rule, subject, reseller, starts_at, ends_at, evidence, limits, found_at)
    SELECT $1, f.id, f.rule, f.subject, f.reseller, f.starts_at, f.ends_at, f.evidence, $3, $4
    FROM jsonb_to_recordset($2::jsonb) AS f (id uuid, rule text, subject text, reseller text, starts_at timestamptz, ends_at timestamptz, evidence jsonb)
    WHERE NOT EXISTS (SELECT 1 FROM risk_alert a WHERE a.brand_id = $1 AND a.rule = f.rule AND a.subject = f.subject
                      AND a.starts_at < f.ends_at AND f.starts_at < a.ends_at)
    RETURNING id, rule, reseller"""
# so many are named to who is told
MOST_TOLD = 10


class AlertStateError(errors.RefusedError):
    """Somebody has decided it already."""

    code: ClassVar[str] = "risk.state"


class AlertReasonError(errors.RefusedError):
    code: ClassVar[str] = "risk.reason"
    status: ClassVar[int] = 422


async def keep(*, brand_id: uuid.UUID, found: Sequence[rules.Finding], limits: int | None, now: dt.datetime) -> int:
    """Returns how many of them are new. limits: the version by which they were found."""
    rows = [{"id": str(ids.new_id()), **msgspec.to_builtins(each)} for each in found]
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'risk')", brand_id)
        kept = await db.connection().fetch(KEEP, brand_id, msgspec.json.encode(rows).decode(), limits, now)
        if kept:
            alerts = [{"rule": row["rule"], "reseller": row["reseller"]} for row in kept[:MOST_TOLD]]
            values = {"count": len(kept), "alerts": alerts}
            await notification.tell(brand_id=brand_id, kind="risk.found", subject=str(kept[0]["id"]), values=values)
    return len(kept)


async def decide(
    *,
    brand_id: uuid.UUID,
    alert_id: uuid.UUID,
    state: Literal["confirmed", "dismissed"],
    reason: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """Of two at once one is told that it was decided. Raises AlertReasonError, AlertStateError and AlertUnknownError."""
    said = " ".join(reason.split())
    if not said or len(said) > LONGEST_REASON or not said.isprintable():
        raise AlertReasonError(f"Say what you found, in 1 to {LONGEST_REASON} characters.")
    async with db.atomic(brand_id):
        decided = await db.connection().fetchval(
            "UPDATE risk_alert SET state = $2, reason = $3, decided_by = $4, decided_at = $5 WHERE id = $1 AND state = 'open' RETURNING id",
            *(alert_id, state, said, actor.user_id, now),
        )
        if decided is None:
            before = await queries.read(brand_id=brand_id, alert_id=alert_id)
            raise AlertStateError(f"The alert {alert_id} is {before.state} already.")
        after = {"state": state, "reason": said}
        await audit.record(brand_id=brand_id, actor=actor, action="risk.decide", subject=str(alert_id), after=after)
