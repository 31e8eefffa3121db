"""One asks, another allows, and what was asked for is done once. The database freezes the request and keeps the two apart."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.identity import notification, permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

State = Literal["waiting", "approved", "rejected", "expired", "executed"]
COLUMNS = "id, action, payload, sha256, maker, checker, state, requested_at, expires_at, decided_at, executed_at, reason, expires_at > clock_timestamp() AS live"
LONGEST_REASON = 500


class ApprovalUnknownError(errors.RefusedError):
    code: ClassVar[str] = "approval.unknown"
    status: ClassVar[int] = 404


class ApprovalStateError(errors.RefusedError):
    """It was decided, done, or ran out: it is not open for this any more."""

    code: ClassVar[str] = "approval.state"


class ApprovalExpiredError(errors.RefusedError):
    code: ClassVar[str] = "approval.expired"
    status: ClassVar[int] = 410


class ApprovalDiffersError(errors.RefusedError):
    """What is to be done is not what was allowed."""

    code: ClassVar[str] = "approval.differs"


class NotAllowedToAskError(errors.RefusedError):
    code: ClassVar[str] = "approval.ask"
    status: ClassVar[int] = 403


class NotAllowedToDecideError(errors.RefusedError):
    """The person's role does not decide this, here, for this maker; or does not any more."""

    code: ClassVar[str] = "approval.decide"
    status: ClassVar[int] = 403


class ReasonMissingError(errors.RefusedError):
    code: ClassVar[str] = "approval.reason"
    status: ClassVar[int] = 422


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """payload: what will be done, word for word. live: its time is not over."""

    id: uuid.UUID
    action: str
    payload: dict[str, Any]
    sha256: str
    maker: uuid.UUID
    checker: uuid.UUID | None
    state: State
    requested_at: dt.datetime
    expires_at: dt.datetime
    decided_at: dt.datetime | None
    executed_at: dt.datetime | None
    reason: str | None
    live: bool


def canonical(payload: Mapping[str, Any]) -> str:
    """One text for what means the same: keys in order, no spaces."""
    return msgspec.json.encode(payload, order="sorted").decode()


def digest(payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(payload).encode()).hexdigest()


async def request(*, principal: permissions.Principal, action: str, payload: Mapping[str, Any], actor: audit.Actor) -> uuid.UUID:
    """Asks in the principal's brand. It waits for three days of this server's clock."""
    if principal.brand_id is None or permissions.APPROVALS[action][0] not in principal.permissions:
        raise NotAllowedToAskError("Your role does not ask for this.")
    approval_id = ids.new_id()
    async with db.atomic(principal.brand_id):
        await db.connection().execute(
            "INSERT INTO approval (brand_id, id, action, payload, sha256, maker) VALUES ($1, $2, $3, $4, $5, $6)",
            principal.brand_id,
            approval_id,
            action,
            canonical(payload),
            digest(payload),
            principal.user_id,
        )
        await _record(principal.brand_id, actor, "approval.request", approval_id, {"action": action, "sha256": digest(payload)})
        await _tell_deciders(principal.brand_id, approval_id, action, maker=principal.user_id)
    return approval_id


async def _tell_deciders(brand_id: uuid.UUID, approval_id: uuid.UUID, action: str, *, maker: uuid.UUID) -> None:
    """The brand's own people who may decide it; the operators where it has none besides the one who asks."""
    own = [role for role in permissions.holders(permissions.APPROVALS[action][1]) if role != "operator"]
    others = await db.connection().fetchval("SELECT other_checkers($1, $2, $3)", brand_id, own, maker)
    values: dict[str, Any] = {"action": action}
    if not others:
        values["brand"] = await db.connection().fetchval("SELECT code FROM brand")
    await notification.tell(
        brand_id=brand_id,
        kind="approval.waiting",
        subject=str(approval_id),
        values=values,
        roles=own if others else None,
        on_platform=not others,
        but=maker,
    )


async def approve(
    *, principal: permissions.Principal, brand_id: uuid.UUID, approval_id: uuid.UUID, actor: audit.Actor
) -> Approval:
    """By somebody else of the brand; by an operator where the brand has nobody else."""
    return await _decide(principal, brand_id, approval_id, "approved", None, actor)


async def reject(
    *, principal: permissions.Principal, brand_id: uuid.UUID, approval_id: uuid.UUID, reason: str, actor: audit.Actor
) -> Approval:
    if not reason.strip():
        raise ReasonMissingError("Say why, so that it can be asked for better.")
    return await _decide(principal, brand_id, approval_id, "rejected", reason.strip()[:LONGEST_REASON], actor)


async def _decide(
    principal: permissions.Principal,
    brand_id: uuid.UUID,
    approval_id: uuid.UUID,
    state: Literal["approved", "rejected"],
    reason: str | None,
    actor: audit.Actor,
) -> Approval:
    async with db.atomic(brand_id):
        found = await _locked(approval_id)
        if found.state != "waiting":
            raise ApprovalStateError(f"This was decided already: it is {found.state}.")
        if not found.live:
            raise ApprovalExpiredError("Its time is over: it is to be asked for again.")
        permission = permissions.APPROVALS[found.action][1]
        if permission not in principal.permissions or principal.brand_id not in (brand_id, audit.PLATFORM):
            raise NotAllowedToDecideError("Your role does not decide this.")
        await _require_checker(brand_id, found.action, maker=found.maker, checker=principal.user_id)
        row = await db.connection().fetchrow(
            f"UPDATE approval SET state = $2, checker = $3, decided_at = clock_timestamp(), reason = $4 WHERE id = $1 RETURNING {COLUMNS}",
            approval_id,
            state,
            principal.user_id,
            reason,
        )
        await _record(
            brand_id, actor, f"approval.{'approve' if state == 'approved' else 'reject'}", approval_id, {"sha256": found.sha256}
        )
        await notification.settle(brand_id=brand_id, kind="approval.waiting", subject=str(approval_id))
        values = {"action": found.action, "state": state}
        await notification.tell(
            brand_id=brand_id, kind="approval.decided", subject=str(approval_id), values=values, to=[found.maker]
        )
    return _approval(row)


async def consume(*, brand_id: uuid.UUID, approval_id: uuid.UUID, action: str, payload: Mapping[str, Any]) -> Approval:
    """Inside the transaction of what was allowed: with its COMMIT the approval is used up, and never again.

    Whoever allowed it must still be one who may: a role that was revoked meanwhile takes its word back.
    """
    found = await _locked(approval_id)
    if found.state != "approved":
        raise ApprovalStateError(f"This is not open to be done: it is {found.state}.")
    if not found.live:
        raise ApprovalExpiredError("Its time is over: it is to be asked for again.")
    if found.action != action or found.sha256 != digest(payload):
        raise ApprovalDiffersError("What is to be done is not what was allowed: ask for it again.")
    await _require_checker(brand_id, action, maker=found.maker, checker=found.checker)
    row = await db.connection().fetchrow(
        f"UPDATE approval SET state = 'executed', executed_at = clock_timestamp() WHERE id = $1 RETURNING {COLUMNS}", approval_id
    )
    return _approval(row)


async def _require_checker(brand_id: uuid.UUID, action: str, *, maker: uuid.UUID, checker: uuid.UUID | None) -> None:
    """The role is held until the transaction ends: who revokes it meanwhile waits."""
    if checker is None or checker == maker:
        raise NotAllowedToDecideError("What one asks for another decides.")
    roles = list(permissions.holders(permissions.APPROVALS[action][1]))
    held = await db.connection().fetchval("SELECT hold_role($1, $2, $3)", checker, brand_id, roles)
    if held is None:
        raise NotAllowedToDecideError("Whoever decides this must have the role for it, now.")
    if held == "operator":
        own = [role for role in roles if role != "operator"]
        if await db.connection().fetchval("SELECT other_checkers($1, $2, $3)", brand_id, own, maker):
            raise NotAllowedToDecideError("The brand has people of its own who decide this.")


async def _locked(approval_id: uuid.UUID) -> Approval:
    row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM approval WHERE id = $1 FOR UPDATE", approval_id)
    if row is None:
        raise ApprovalUnknownError("There is no such request.")
    return _approval(row)


async def read(*, brand_id: uuid.UUID, approval_id: uuid.UUID) -> Approval:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM approval WHERE id = $1", approval_id)
    if row is None:
        raise ApprovalUnknownError("There is no such request.")
    return _approval(row)


async def listing(*, brand_id: uuid.UUID, states: tuple[State, ...] = ("waiting", "approved"), most: int = 50) -> list[Approval]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM approval WHERE state = ANY ($1) ORDER BY requested_at DESC, id DESC LIMIT $2",
            list(states),
            most,
        )
    return [_approval(row) for row in rows]


async def expire(*, brand_id: uuid.UUID) -> int:
    """Closes those whose time is over; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute(
            "UPDATE approval SET state = 'expired' WHERE state IN ('waiting', 'approved') AND expires_at <= clock_timestamp()"
        )
    return int(status.removeprefix("UPDATE "))


async def _record(brand_id: uuid.UUID, actor: audit.Actor, action: str, approval_id: uuid.UUID, after: dict[str, Any]) -> None:
    await audit.record(brand_id=brand_id, actor=actor, action=action, subject=str(approval_id), after=after, approval=approval_id)


def _approval(row: asyncpg.Record) -> Approval:
    return Approval(**{**dict(row), "payload": msgspec.json.decode(row["payload"])})
