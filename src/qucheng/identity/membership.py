"""What a user is in a brand, in one of its resellers, or on the platform. Roles are given and revoked; the rows stay."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.identity import permissions, role_request

if TYPE_CHECKING:
    from qucheng.identity import approval as approvals
    from qucheng.identity.brand import Brand

COLUMNS = "id, user_id, role, reseller, granted_at, granted_by, revoked_at, revoked_by"


class MembershipUnknownError(errors.RefusedError):
    code: ClassVar[str] = "membership.unknown"
    status: ClassVar[int] = 404


class MembershipStandsError(errors.RefusedError):
    code: ClassVar[str] = "membership.stands"


class MembershipUnfitError(errors.RefusedError):
    """The role and the place do not go together, or the place is not there."""

    code: ClassVar[str] = "membership.unfit"
    status: ClassVar[int] = 422


class LastOwnerError(errors.RefusedError):
    """A brand without an owner could be given to nobody any more."""

    code: ClassVar[str] = "membership.last_owner"


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """brand_code and brand_name are None on the platform. limited: of a reseller whose account is closed."""

    brand_id: uuid.UUID
    id: uuid.UUID
    role: permissions.Role
    reseller: str | None
    brand_code: str | None
    brand_name: str | None
    limited: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A role as its brand sees it, standing or revoked."""

    id: uuid.UUID
    user_id: uuid.UUID
    role: permissions.Role
    reseller: str | None
    granted_at: dt.datetime
    granted_by: uuid.UUID | None
    revoked_at: dt.datetime | None
    revoked_by: uuid.UUID | None


async def of(user_id: uuid.UUID) -> list[Membership]:
    """What the user is, over all brands; the platform first."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT * FROM memberships_of($1)", user_id)
    return [Membership(**dict(row)) for row in rows]


async def require(*, user_id: uuid.UUID, membership_id: uuid.UUID) -> Membership:
    found = [each for each in await of(user_id) if each.id == membership_id]
    if not found:
        raise MembershipUnknownError("There is no such role of yours.")
    return found[0]


async def grant(
    *,
    brand_id: uuid.UUID,
    user_id: uuid.UUID,
    role: permissions.Role,
    reseller: str | None = None,
    granted_by: uuid.UUID | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """brand_id: the platform's for an operator. May stand inside the transaction of an invitation."""
    membership_id = ids.new_id()
    async with db.atomic(brand_id):
        try:
            async with db.atomic():
                await db.connection().execute(
                    "INSERT INTO membership (brand_id, id, user_id, role, reseller, granted_at, granted_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    brand_id,
                    membership_id,
                    user_id,
                    role,
                    reseller,
                    now,
                    granted_by,
                )
        except asyncpg.UniqueViolationError:
            raise MembershipStandsError(f"The user is {role} here already.") from None
        except (asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError):
            raise MembershipUnfitError(f"Nobody can be {role} there.") from None
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="membership.grant",
            subject=str(membership_id),
            after={"user": str(user_id), "role": role, "reseller": reseller},
        )
    return membership_id


async def execute_grant(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """What an approval of `role.grant` does: the invitation goes out. The role is theirs when they take it up."""
    await role_request.execute(brand_id=brand.id, approval=approval, actor=actor, now=now)


async def revoke(
    *, brand_id: uuid.UUID, membership_id: uuid.UUID, reseller: str | None = None, actor: audit.Actor, now: dt.datetime
) -> None:
    """Takes effect with the next request of whoever had it. reseller: only a role in it, for its own people."""
    async with db.atomic(brand_id, reseller=reseller):
        if reseller is None:  # two owners who revoke each other at once: the second waits, and is the last one
            await db.connection().execute("SELECT lock_brand($1, 'membership')", brand_id)
        row = await db.connection().fetchrow(
            f"SELECT {COLUMNS} FROM membership WHERE id = $1 AND revoked_at IS NULL", membership_id
        )
        if row is None:
            raise MembershipUnknownError("There is no such role, or it was revoked already.")
        if row["role"] in {"owner", "operator"} and await _count(row["role"]) == 1:
            raise LastOwnerError(f"This is the last {row['role']}: give the role to somebody else first.")
        changed = await db.connection().execute(
            "UPDATE membership SET revoked_at = greatest($2, granted_at), revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL",
            membership_id,
            now,
            actor.user_id,
        )
        if changed != "UPDATE 1":
            raise MembershipUnknownError("There is no such role, or it was revoked already.")
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="membership.revoke",
            subject=str(membership_id),
            before={"user": str(row["user_id"]), "role": row["role"], "reseller": row["reseller"]},
        )


async def _count(role: str) -> int:
    """How many different people have it."""
    return int(
        await db.connection().fetchval(
            "SELECT count(DISTINCT user_id) FROM membership WHERE role = $1 AND revoked_at IS NULL", role
        )
    )


async def listing(*, brand_id: uuid.UUID, reseller: str | None = None, history: bool = False) -> list[Entry]:
    """The people of the brand, or of a reseller of it. history: those whose role was revoked too."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM membership WHERE ($1::text IS NULL OR reseller = $1) AND ($2 OR revoked_at IS NULL) ORDER BY granted_at, id",
            reseller,
            history,
        )
    return [Entry(**dict(row)) for row in rows]
