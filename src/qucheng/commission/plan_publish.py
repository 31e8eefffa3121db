"""A draft becomes a version: checked, asked for by one person, allowed by another, and in force from its day on.

What the linter refuses is not submitted, and every attempt is kept, with who tried it. What is allowed is frozen word for word;
the database makes the rules of it (publish_plan in 0027_plans.sql).
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg
import msgspec

from qucheng.commission import plan_check, plan_document, plan_rows, plan_version, price_plan
from qucheng.core import audit, db, errors, task
from qucheng.identity import approval as approvals
from qucheng.identity import notification
from qucheng.orders import intake as intakes

if TYPE_CHECKING:
    from qucheng.commission.plan_check import Check
    from qucheng.commission.plan_version import Version
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

ACTION = "plan.publish"
REFUSED = "plan.refused"
CERTIFICATE = "plan.certificate"
LAST_DAY = dt.date(2199, 12, 31)
# an import holds the same lock for as long as it lasts
PATIENCE = "3s"


class PlanRefusedError(errors.RefusedError):
    """The linter refuses the plan. check: everything it found."""

    code: ClassVar[str] = REFUSED
    status: ClassVar[int] = 422

    def __init__(self, check: Check) -> None:
        super().__init__("The plan can't be published: " + " ".join(each.en for each in check.refusals[:5]))
        self.check = check


class EffectiveDateError(errors.RefusedError):
    """The day is not to come, lies before that of the version it follows, or after the end of a rule that is new in it."""

    code: ClassVar[str] = "plan.effective"
    status: ClassVar[int] = 422


class BaseMovedError(errors.RefusedError):
    """Rules were published or delivered since the draft was opened: it is to be brought up to date."""

    code: ClassVar[str] = "plan.base_moved"


class NothingChangedError(errors.RefusedError):
    """The draft says what is in force."""

    code: ClassVar[str] = "plan.unchanged"
    status: ClassVar[int] = 422


class PlanNotSubmittedError(errors.RefusedError):
    """The version does not wait for this approval."""

    code: ClassVar[str] = "plan.state"


class PlanBusyError(errors.RefusedError):
    """A delivery is being taken in: the plan takes effect between two, not within one."""

    code: ClassVar[str] = "plan.busy"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 30


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was refused: who, when, and why, each reason with code, rules, clause, zh and en."""

    at: dt.datetime
    user_id: uuid.UUID | None
    role: str
    version: int
    refusals: list[dict[str, Any]]


async def submit(
    *,
    principal: permissions.Principal,
    brand: Brand,
    number: int,
    effective_on: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Freezes the draft and asks for it; returns the approval's id.

    Raises PlanRefusedError, EffectiveDateError, BaseMovedError, NothingChangedError, plan_rows.DraftClosedError, PlanUnknownError,
    approval.NotAllowedToAskError.
    """
    if principal.brand_id != brand.id:
        raise approvals.NotAllowedToAskError("Your role does not ask for this.")
    async with db.atomic(brand.id):
        version = await plan_rows.require_draft(brand, number)
        await _require_current(version)
        differences = await plan_version.compare(brand=brand, before=None, after=number)
        if not (differences.added or differences.changed or differences.dropped):
            raise NothingChangedError("The draft says what is in force already: there is nothing to ask for.")
        rules = await plan_version.rules(brand=brand, number=number)
        ends = [rule.ends_on for rule in [*differences.added, *(new for _, new in differences.changed)] if rule.ends_on]
        await _require_day(brand, effective_on, min(ends, default=None), now)
        check = await plan_check.lint(brand=brand, rules=rules, since=effective_on)
        if check.passed:
            asked = await plan_document.write(
                brand=brand,
                version=version,
                author=principal.user_id,
                effective_on=effective_on,
                differences=differences,
                check=check,
            )
            return await _ask(principal, brand, number, asked, actor)
    await _keep(brand, number, check, actor)
    raise PlanRefusedError(check)


async def _ask(
    principal: permissions.Principal, brand: Brand, number: int, asked: plan_document.Asked, actor: audit.Actor
) -> uuid.UUID:
    approval_id = await approvals.request(principal=principal, action=ACTION, payload=asked.payload, actor=actor)
    await db.connection().execute(
        "UPDATE plan_version SET state = 'submitted', effective_on = $2, document = $3, sha256 = $4, author = $5, approval = $6 WHERE number = $1",
        *(number, asked.effective_on, asked.document, asked.sha256, principal.user_id, approval_id),
    )
    await plan_rows.record(brand, actor, "plan.submit", number, asked.payload)
    return approval_id


async def _require_current(version: Version) -> None:
    row = await db.connection().fetchrow(
        "SELECT v.known >= (SELECT coalesce(max(intake), 0) FROM rule) AS knows, v.follows IS NOT DISTINCT FROM"
        " (SELECT max(number) FROM plan_version WHERE state = 'approved') AS follows FROM plan_version v WHERE v.number = $1",
        version.number,
    )
    if not (row["knows"] and row["follows"]):
        raise BaseMovedError("Rules were published or delivered since this draft was opened: bring it up to date first.")


async def _require_day(brand: Brand, day: dt.date, first_end: dt.date | None, now: dt.datetime) -> None:
    today = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    newest = await db.connection().fetchval(
        "SELECT effective_on FROM plan_version WHERE state = 'approved' ORDER BY number DESC LIMIT 1"
    )
    if day <= today or day > LAST_DAY:
        raise EffectiveDateError("A version takes effect on a day after the one on which it is allowed.")
    if newest is not None and day < newest:
        raise EffectiveDateError(f"The version before takes effect on {newest}: this one not before it.")
    if first_end is not None and first_end <= day:
        raise EffectiveDateError(f"A rule that is new in this version ends on {first_end}, before it would begin.")


async def withdraw(*, brand: Brand, number: int, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of every write
    """A version that waits, or that was not allowed, is a draft again. Raises PlanNotSubmittedError, PlanUnknownError."""
    async with db.atomic(brand.id):
        version = await _locked(brand, number)
        if version.state != "submitted":
            raise PlanNotSubmittedError(f"Version {number} is {version.state}: it does not wait.")
        await db.connection().execute(
            "UPDATE plan_version SET state = 'draft', effective_on = NULL, document = NULL, sha256 = NULL, author = NULL, approval = NULL WHERE number = $1",
            number,
        )
        await plan_rows.record(brand, actor, "plan.withdraw", number, {"approval": str(version.approval)})


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Puts the version in force from its day on, and has its certificate made, in the transaction that decides.

    Raises PlanNotSubmittedError, PlanRefusedError, EffectiveDateError, BaseMovedError, PlanBusyError, and what approval.consume() raises.
    """
    async with db.atomic(brand.id):
        version = await _locked(brand, int(approval.payload["version"]))
        if version.state != "submitted" or version.approval != approval.id or version.effective_on is None:
            raise PlanNotSubmittedError(f"Version {version.number} is {version.state}: it does not wait for this.")
        allowed = await approvals.consume(
            brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=plan_document.payload(version)
        )
        delivery = await _delivery(brand, now)
        await _require_current(version)
        await _require_day(brand, version.effective_on, None, now)
        await _require_lawful(brand, version, actor)
        await db.connection().execute(
            "UPDATE plan_version SET state = 'approved', approver = $2, intake = $3 WHERE number = $1",
            *(version.number, allowed.checker, delivery),
        )
        await task.add(
            kind=CERTIFICATE,
            queue="documents",
            brand_id=brand.id,
            subject={"version": version.number},
            key=f"{CERTIFICATE}/{brand.id}/{version.number}",
        )
        await audit.record(
            brand_id=brand.id,
            actor=actor,
            action=ACTION,
            subject=f"plan/{version.number}",
            after=allowed.payload,
            approval=allowed.id,
        )
        await notification.tell(
            brand_id=brand.id,
            kind="plan.published",
            subject=str(version.number),
            values={"version": version.number, "effective_on": version.effective_on.isoformat()},
            roles=("owner", "manager", "accountant", "auditor"),
            but=actor.user_id,
        )


async def _require_lawful(brand: Brand, version: Version, actor: audit.Actor) -> None:
    """Prices, costs and opinions may have changed since it was asked for. The decision is taken back, its refusal is kept."""
    await db.connection().execute(price_plan.LOCK, brand.id)
    check = await plan_check.lint(
        brand=brand,
        rules=await plan_version.rules(brand=brand, number=version.number),
        since=version.effective_on or LAST_DAY,
    )
    if not check.passed:
        await asyncio.create_task(_keep(brand, version.number, check, actor), context=contextvars.Context())
        raise PlanRefusedError(check)


async def _delivery(brand: Brand, now: dt.datetime) -> int:
    """The intake as which the plan comes: what is accrued later knows it. It earns nothing, so it waits for no kernel unless others do."""
    try:
        await db.connection().execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
        await db.connection().execute("SET LOCAL lock_timeout = DEFAULT")
    except asyncpg.LockNotAvailableError:
        raise PlanBusyError("A delivery is being taken in: this can be done when it is in the books.") from None
    others = await intakes.waiting()
    number = await intakes.receive(now=now)
    if not others:
        await intakes.mark_accrued(numbers=[number], now=now)
    return number


async def _locked(brand: Brand, number: int) -> Version:
    await db.connection().execute("SELECT lock_brand(current_brand(), $1)", f"plan/{number}")
    return await plan_version.read(brand=brand, number=number)


async def _keep(brand: Brand, number: int, check: Check, actor: audit.Actor) -> None:
    """In a transaction of its own: nothing else is written."""
    reasons = [
        {"code": each.code, "rules": each.rules, "clause": each.clause, "zh": each.zh, "en": each.en} for each in check.refusals
    ]
    async with db.atomic(brand.id):
        await plan_rows.record(brand, actor, REFUSED, number, {"since": check.since, "more": check.more, "refusals": reasons})


async def refused(*, brand: Brand, most: int = 50) -> list[Refused]:
    """Attempts that the linter refused, the newest first."""
    return [
        Refused(
            at=each.at,
            user_id=each.user_id,
            role=each.role,
            version=int(each.subject.removeprefix("plan/")),
            refusals=each.after["refusals"],
        )
        for each in await audit.listing(brand_id=brand.id, action=REFUSED, most=most)
    ]
