"""Issuing a run with two people: one asks, another allows, and with the same COMMIT it is given over to be issued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from qucheng.core import audit, db, errors
from qucheng.identity import approval as approvals
from qucheng.settlement import advance, checking, period, run

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

ACTION = "run.issue"
OF_RUN = """
    SELECT id FROM approval WHERE action = $1 AND payload::jsonb @> jsonb_build_object('period', $2::text, 'run', $3::integer)"""
STANDING = f"{OF_RUN} AND state IN ('waiting', 'approved') AND expires_at > clock_timestamp() ORDER BY requested_at DESC LIMIT 1"
NEWEST = f"{OF_RUN} ORDER BY requested_at DESC, id DESC LIMIT 1"


class AlreadyAskedError(errors.RefusedError):
    """The run waits for a decision."""

    code: ClassVar[str] = "run.asked"

    def __init__(self, message: str, approval_id: uuid.UUID) -> None:
        super().__init__(message)
        self.approval_id = approval_id


def payload(brand: Brand, chosen: Run) -> dict[str, Any]:
    """What is asked for, word for word. The figures of a run never change."""
    return {
        "brand": brand.code,
        "period": f"{chosen.period:%Y-%m}",
        "run": chosen.number,
        "statements": chosen.statements,
        "gross_minor": chosen.gross_minor,
        "tax_minor": chosen.tax_minor,
        "net_minor": chosen.net_minor,
        "intake": chosen.intake,
    }


async def request(
    *,
    principal: permissions.Principal,
    brand: Brand,
    starts_on: dt.date,
    number: int,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Asks for the run to be issued as it was computed; returns the approval's id.

    Raises RunStateError, AlreadyAskedError, CheckMissingError, CheckStaleError, CheckDiffersError, NotAllowedToAskError.
    """
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        chosen = await require_askable(brand=brand, starts_on=starts_on, number=number)
        await checking.require_now(brand=brand, chosen=chosen, now=now)
        return await approvals.request(principal=principal, action=ACTION, payload=payload(brand, chosen), actor=actor)


async def require_askable(*, brand: Brand, starts_on: dt.date, number: int) -> Run:
    """The run, if it can be asked for as it is.

    Raises RunStateError, AlreadyAskedError, CheckMissingError, CheckStaleError, CheckDiffersError.
    """
    async with db.atomic(brand.id):
        chosen = await run.read(brand=brand, starts_on=starts_on, number=number)
        code = run.code_of(brand, chosen)
        if chosen.state != "computed":
            raise run.RunStateError(f"Run {code} is {chosen.state}: there is nothing to ask for.")
        standing = await db.connection().fetchval(STANDING, ACTION, f"{starts_on:%Y-%m}", number)
        if standing is not None:
            raise AlreadyAskedError(f"Run {code} waits for a decision already.", standing)
        await checking.require_agreed(brand=brand, chosen=chosen)
    return chosen


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Uses the approval up and adds the task that issues the run, in the transaction that decides.

    Raises RunStateError, CheckMissingError, CheckStaleError, CheckDiffersError, and what approval.consume() raises.
    """
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        starts_on = run.month(str(approval.payload["period"]))
        chosen = await run.read(brand=brand, starts_on=starts_on, number=int(approval.payload["run"]))
        await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=payload(brand, chosen))
        if chosen.state == "computed":
            await checking.require_agreed(brand=brand, chosen=chosen)
            await checking.require_now(brand=brand, chosen=chosen, now=now)
        await run.begin_issue(brand=brand, run=chosen, now=now)
        await advance.add_issue(brand=brand, starts_on=chosen.period, number=chosen.number)
        await audit.record(
            brand_id=brand.id,
            actor=actor,
            action=ACTION,
            subject=run.code_of(brand, chosen),
            after=payload(brand, chosen),
            approval=approval.id,
        )


async def newest(*, brand: Brand, chosen: Run) -> approvals.Approval | None:
    """The last request for the run, whatever became of it."""
    async with db.atomic(brand.id):
        found = await db.connection().fetchval(NEWEST, ACTION, f"{chosen.period:%Y-%m}", chosen.number)
        return await approvals.read(brand_id=brand.id, approval_id=found) if found is not None else None
