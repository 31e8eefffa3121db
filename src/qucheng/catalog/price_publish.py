"""A draft submitted, and put in force by another person's approval from a midnight of the brand's day on."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

from qucheng.catalog import price_affected, price_errors, price_version
from qucheng.core import audit, clock, db
from qucheng.identity import approval as approvals
from qucheng.identity import notification

if TYPE_CHECKING:
    import uuid

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

ACTION = "prices.publish"


def midnight(day: dt.date, zone: str) -> dt.datetime:
    """The instant at which a local day begins."""
    return clock.instant_of_local(dt.datetime.combine(day, dt.time()), zone)


def local_day(at: dt.datetime, zone: str) -> dt.date:
    return at.astimezone(zoneinfo.ZoneInfo(zone)).date()


async def submit(
    *,
    brand: Brand,
    principal: permissions.Principal,
    number: int,
    effective_on: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Asks for the draft to be in force from the beginning of that day, and returns the approval's id. It stays as it is then.

    Raises PriceVersionUnknownError, PriceStateError, PriceNoChangesError, PriceOvertakenError, PriceEffectiveError,
    PriceFaultsError, approval.NotAllowedToAskError.
    """
    async with db.atomic(brand.id):
        await price_version.require_state(brand.id, number, "draft")
        row = await db.connection().fetchrow(
            "SELECT v.name, v.based_on, v.restores, nullif(b.effective_at, '-infinity') AS base_at, price_digest(v.brand_id, v.number) AS sha256,"
            " (SELECT count(*) FROM price_difference(v.based_on, v.number)) AS changes,"
            " (SELECT count(*) FROM price_faults(v.brand_id, v.number, $2)) AS faults"
            " FROM price_version v LEFT JOIN price_version b ON b.brand_id = v.brand_id AND b.number = v.based_on WHERE v.number = $1",
            number,
            effective_on,
        )
        if row["changes"] == 0:
            raise price_errors.PriceNoChangesError("There is nothing in it that is not in force already.")
        await _require_not_overtaken(number)
        effective_at = midnight(effective_on, brand.time_zone)
        if effective_at <= now:
            raise price_errors.PriceEffectiveError("It takes effect after today: choose a later day.")
        if row["base_at"] is not None and row["base_at"] > effective_at:
            raise price_errors.PriceEffectiveError(
                "It takes effect no earlier than the version it was made from: choose a later day."
            )
        if row["faults"]:
            raise price_errors.PriceFaultsError(row["faults"])
        payload = {
            "version": number,
            "sha256": row["sha256"],
            "effective_at": effective_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "effective_on": effective_on.isoformat(),
            **{name: row[name] for name in ("changes", "based_on", "restores", "name")},
        }
        asked = await approvals.request(principal=principal, action=ACTION, payload=payload, actor=actor)
        await db.connection().execute(
            "UPDATE price_version SET state = 'submitted', effective_at = $2, sha256 = $3, submitted_at = $4, approval = $5 WHERE number = $1",
            number,
            effective_at,
            row["sha256"],
            now,
            asked,
        )
        await price_version.record(brand.id, actor, "prices.submit", number, after=payload)
    return asked


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Puts what was allowed in force from its day on, and tells the resellers for whom a price changes.

    Raises what approval.consume() raises; PriceStateError, PriceOvertakenError, PriceEffectiveError.
    """
    said: dict[str, Any] = approval.payload
    number = said["version"]
    async with db.atomic(brand.id):
        allowed = await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=said)
        await price_version.require_state(brand.id, number, "submitted")
        if await db.connection().fetchval("SELECT approval FROM price_version WHERE number = $1", number) != allowed.id:
            raise price_errors.PriceStateError(f"Price version {number} was asked for otherwise: look at what is asked for now.")
        await _require_not_overtaken(number)
        if dt.datetime.fromisoformat(said["effective_at"]) <= now:
            raise price_errors.PriceEffectiveError("The day on which it was to take effect has come: choose a later one.")
        told = await price_affected.told(brand_id=brand.id, version=number, now=now)
        await db.connection().execute(
            "UPDATE price_version SET state = 'approved', approver = $2 WHERE number = $1", number, allowed.checker
        )
        await price_version.record(brand.id, actor, ACTION, number, after=said, approval=allowed.id)
        await notification.tell_resellers(
            brand_id=brand.id,
            kind="price.change",
            subject=str(number),
            told=[
                notification.Told(
                    reseller=each.reseller,
                    values={
                        "version": number,
                        "effective_on": said["effective_on"],
                        "count": each.count,
                        "changes": each.changes,
                    },
                )
                for each in told
            ],
        )


async def _require_not_overtaken(number: int) -> None:
    if await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM price_version v JOIN price_version o USING (brand_id)"
        " WHERE v.number = $1 AND o.state = 'approved' AND o.number > coalesce(v.based_on, 0))",
        number,
    ):
        raise price_errors.PriceOvertakenError("Another version was approved since it was made: bring it up to date first.")
