"""Whether a reseller may work: frozen and unfrozen by the brand at once, closed from a day on. What it is owed stays and is settled."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import attempt
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

State = Literal["active", "frozen", "closed"]
Change = Literal["freeze", "unfreeze", "close"]
LONGEST_REASON = 500
LONGEST_AHEAD = dt.timedelta(days=366)
OF = """
    SELECT number, change, effective_on, reason, changed_at FROM standing_change WHERE brand_id = current_brand() AND reseller = $1
    ORDER BY number"""
# somebody stands below it on the day or later
BELOW = "SELECT EXISTS (SELECT 1 FROM placement_span s WHERE s.brand_id = current_brand() AND s.parent = $1 AND s.ends_on > $2)"


class ReasonMissingError(errors.RefusedError):
    code: ClassVar[str] = "standing.reason"
    status: ClassVar[int] = 422


class StandingDayError(errors.RefusedError):
    code: ClassVar[str] = "standing.day"
    status: ClassVar[int] = 422


class StandingStateError(errors.RefusedError):
    """Frozen or closed already, or neither."""

    code: ClassVar[str] = "standing.state"


class HasBelowError(errors.RefusedError):
    """Others stand below it: they are moved first, so that nobody stands below somebody who is gone."""

    code: ClassVar[str] = "standing.has_below"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    change: Change
    effective_on: dt.date
    reason: str
    changed_at: dt.datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """since and reason: of what it is now, where that is not active. closes_on: the day of a closing that was said."""

    state: State
    since: dt.date | None = None
    reason: str | None = None
    closes_on: dt.date | None = None


def at(changes: Sequence[Entry], day: dt.date) -> Standing:
    """On a day. changes: in the order in which they were made."""
    close = next((each for each in changes if each.change == "close"), None)
    closes_on = close.effective_on if close else None
    if close is not None and close.effective_on <= day:
        return Standing(state="closed", since=close.effective_on, reason=close.reason, closes_on=closes_on)
    last = next((each for each in reversed(changes) if each.change != "close" and each.effective_on <= day), None)
    if last is not None and last.change == "freeze":
        return Standing(state="frozen", since=last.effective_on, reason=last.reason, closes_on=closes_on)
    return Standing(state="active", closes_on=closes_on)


async def history(*, brand_id: uuid.UUID, reseller: str, own: bool = False) -> list[Entry]:
    """own: with the reseller's own eyes."""
    async with db.atomic(brand_id, reseller=reseller if own else None):
        rows = await db.connection().fetch(OF, reseller)
    return [Entry(**dict(row)) for row in rows]


async def state(*, brand_id: uuid.UUID, reseller: str, day: dt.date, own: bool = False) -> Standing:
    return at(await history(brand_id=brand_id, reseller=reseller, own=own), day)


async def freeze(*, brand_id: uuid.UUID, reseller: str, reason: str, day: dt.date, actor: audit.Actor, now: dt.datetime) -> None:
    """From today on it sells nothing, and nothing is paid to it. What it has earned stays."""
    await _change(brand_id, reseller, "freeze", day, reason, day, actor, now)


async def unfreeze(
    *, brand_id: uuid.UUID, reseller: str, reason: str, day: dt.date, actor: audit.Actor, now: dt.datetime
) -> None:
    await _change(brand_id, reseller, "unfreeze", day, reason, day, actor, now)


async def close(
    *,
    brand_id: uuid.UUID,
    reseller: str,
    closes_on: dt.date,
    reason: str,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """For good. Its people keep the statements, and nothing else; its programs are let in no more.

    Raises HasBelowError, StandingDayError, StandingStateError, and blocklist.PromiseError: the reseller reads the reason.
    """
    await _change(brand_id, reseller, "close", closes_on, reason, day, actor, now)


async def _change(
    brand_id: uuid.UUID,
    reseller: str,
    change: Change,
    effective_on: dt.date,
    reason: str,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    reason = require_reason(reason)
    await attempt.require_honest(brand_id=brand_id, what="reseller.reason", subject=reseller, text=reason, actor=actor)
    if not day <= effective_on <= day + LONGEST_AHEAD:
        raise StandingDayError("From today on, and within a year.")
    async with db.atomic(brand_id):
        await resellers.hold(brand_id)
        await resellers.require(reseller)
        made = await history(brand_id=brand_id, reseller=reseller)
        _require_step(change, at(made, day))
        if change == "close" and await db.connection().fetchval(BELOW, reseller, effective_on):
            raise HasBelowError("Others stand below it: move them first.")
        await db.connection().execute(
            "INSERT INTO standing_change (brand_id, reseller, number, change, effective_on, reason, changed_at, changed_by)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            brand_id,
            reseller,
            len(made) + 1,
            change,
            effective_on,
            reason,
            now,
            actor.user_id,
        )
        after = {"effective_on": effective_on, "reason": reason}
        await audit.record(brand_id=brand_id, actor=actor, action=f"reseller.{change}", subject=reseller, after=after)


def require_reason(reason: str) -> str:
    """Raises ReasonMissingError."""
    found = reason.strip()
    if not 0 < len(found) <= LONGEST_REASON or not found.replace("\n", "").replace("\r", "").isprintable():
        raise ReasonMissingError("Say why, in 1 to 500 characters.")
    return found


def _require_step(change: Change, now: Standing) -> None:
    fits = {"freeze": now.state == "active", "unfreeze": now.state == "frozen", "close": now.closes_on is None}[change]
    if not fits or now.state == "closed":
        raise StandingStateError("It is in another state by now.")
