"""Who has which role where, with the names that a page shows: opened here, and stored nowhere in the clear."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.identity import invitation_row, permissions
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qucheng.core import crypto

MOST_INVITATIONS = 200


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A standing role. granted_by: a name, None for the platform itself."""

    id: uuid.UUID
    user_id: uuid.UUID
    name: str
    login: str
    role: permissions.Role
    reseller: str | None
    granted_at: dt.datetime
    granted_by: str | None


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """total: how many there are in all."""

    rows: list[Member]
    total: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that was not answered yet. invited_by: a name."""

    id: uuid.UUID
    login: str
    role: permissions.Role
    reseller: str | None
    invited_at: dt.datetime
    invited_by: str | None
    expires_at: dt.datetime


async def members(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    roles: Iterable[permissions.Role],
    reseller: str | None = None,
    skip: int = 0,
    most: int = 50,
) -> Members:
    """The longest there first. reseller: only those of it."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT id, user_id, role, reseller, granted_at, granted_by, count(*) OVER () AS total FROM membership"
            " WHERE role = ANY ($1) AND revoked_at IS NULL AND ($2::text IS NULL OR reseller = $2)"
            " ORDER BY granted_at, id OFFSET $3 LIMIT $4",
            list(roles),
            reseller,
            skip,
            most,
        )
    named = await users.named(keys=keys, user_ids=_ids(row[name] for row in rows for name in ("user_id", "granted_by")))
    found = [
        Member(
            id=row["id"],
            user_id=row["user_id"],
            name=named[row["user_id"]].name,
            login=named[row["user_id"]].login,
            role=row["role"],
            reseller=row["reseller"],
            granted_at=row["granted_at"],
            granted_by=named[row["granted_by"]].name if row["granted_by"] else None,
        )
        for row in rows
    ]
    return Members(rows=found, total=rows[0]["total"] if rows else 0)


async def member(*, keys: crypto.Keys, brand_id: uuid.UUID, membership_id: uuid.UUID) -> Member:
    """A standing role of the brand. Raises MembershipUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            "SELECT id, user_id, role, reseller, granted_at FROM membership WHERE id = $1 AND revoked_at IS NULL", membership_id
        )
    if row is None:
        raise memberships.MembershipUnknownError("There is no such role, or it was revoked already.")
    user = await users.read(keys=keys, user_id=row["user_id"])
    return Member(**dict(row), name=user.name, login=user.login, granted_by=None)


async def invitations(
    *, keys: crypto.Keys, brand_id: uuid.UUID, now: dt.datetime, roles: Iterable[permissions.Role] | None = None
) -> list[Waiting]:
    """Those that can still be taken up, the newest first. roles: only those to one of them."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT id, login_cipher, role, reseller, invited_at, invited_by, expires_at FROM invitation"
            " WHERE accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $1 AND ($2::text[] IS NULL OR role = ANY ($2))"
            " ORDER BY invited_at DESC, id DESC LIMIT $3",
            now,
            None if roles is None else list(roles),
            MOST_INVITATIONS,
        )
    named = await users.named(keys=keys, user_ids=_ids(row["invited_by"] for row in rows))
    return [
        Waiting(
            id=row["id"],
            login=keys.open(row["login_cipher"], place=invitation_row.place(row["id"])).decode(),
            role=row["role"],
            reseller=row["reseller"],
            invited_at=row["invited_at"],
            invited_by=named[row["invited_by"]].name if row["invited_by"] else None,
            expires_at=row["expires_at"],
        )
        for row in rows
    ]


async def names(*, keys: crypto.Keys, user_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    return {user_id: user.name for user_id, user in (await users.named(keys=keys, user_ids=_ids(user_ids))).items()}


def _ids(found: Iterable[uuid.UUID | None]) -> list[uuid.UUID]:
    return sorted({user_id for user_id in found if user_id is not None})
