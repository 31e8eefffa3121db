"""Invitations: a role waits for whoever holds the letter, and has the address that it was sent to."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, crypto, db, errors
from qucheng.identity import invitation_row, permissions
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_OWNERS = 2
COLUMNS = "brand_id, id, login_cipher, role, reseller, invited_at, invited_by, expires_at, accepted_at, withdrawn_at"


class InvitationUnknownError(errors.RefusedError):
    """No such invitation, or it was taken up or withdrawn, or its time is over: which of them is not said."""

    code: ClassVar[str] = "invitation.unknown"
    status: ClassVar[int] = 404


class InvitationNotYoursError(errors.RefusedError):
    """It was sent to another address than the one of who is signed in."""

    code: ClassVar[str] = "invitation.not_yours"
    status: ClassVar[int] = 403


class RoleNotYoursToGiveError(errors.RefusedError):
    code: ClassVar[str] = "invitation.role"
    status: ClassVar[int] = 403


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    brand_id: uuid.UUID
    id: uuid.UUID
    login: str
    role: permissions.Role
    reseller: str | None
    invited_at: dt.datetime
    invited_by: uuid.UUID | None
    expires_at: dt.datetime
    accepted_at: dt.datetime | None
    withdrawn_at: dt.datetime | None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the letter's holder is shown. known: the address has an account here, which is to be signed in to."""

    login: str
    role: permissions.Role
    reseller: str | None
    brand: str | None
    known: bool


async def invite(
    *,
    keys: crypto.Keys,
    principal: permissions.Principal,
    brand_id: uuid.UUID,
    login: str,
    role: permissions.Role,
    reseller: str | None = None,
    locale: Literal["zh-CN", "en"],
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Writes the letter too. Roles of the brand's own people are asked for instead (role_request.py)."""
    async with db.atomic(brand_id):
        await _require_right(principal, brand_id, role, reseller)
        drawn = await invitation_row.draw(
            keys=keys, brand_id=brand_id, login=login, role=role, reseller=reseller, locale=locale, now=now
        )
        try:
            async with db.atomic():
                await invitation_row.send(
                    brand_id=brand_id,
                    drawn=drawn,
                    role=role,
                    reseller=reseller,
                    invited_by=principal.user_id,
                    approval=None,
                    actor=actor,
                    now=now,
                )
        except (asyncpg.ForeignKeyViolationError, asyncpg.CheckViolationError):
            raise memberships.MembershipUnfitError(f"Nobody can be {role} there.") from None
    return drawn.id


async def _require_right(
    principal: permissions.Principal, brand_id: uuid.UUID, role: permissions.Role, reseller: str | None
) -> None:
    own = principal.role
    if own is None or own not in permissions.INVITES:
        raise RoleNotYoursToGiveError("Your role gives no roles.")
    if own == "operator" and role == "owner":  # a new brand's first ones; afterwards its owners ask each other
        await db.connection().execute("SELECT lock_brand($1, 'membership')", brand_id)
        owners = await db.connection().fetchval(
            "SELECT (SELECT count(DISTINCT user_id) FROM membership WHERE role = 'owner' AND revoked_at IS NULL)"
            " + (SELECT count(DISTINCT login_hash) FROM invitation WHERE role = 'owner' AND accepted_at IS NULL AND withdrawn_at IS NULL"
            " AND expires_at > clock_timestamp())"
        )
        if owners >= FIRST_OWNERS:
            raise RoleNotYoursToGiveError("The brand has its owners: they decide who else is one.")
        return
    at_home = principal.brand_id == brand_id and (principal.reseller is None or principal.reseller == reseller)
    if not at_home or role not in permissions.INVITES[own]:
        raise RoleNotYoursToGiveError(f"Your role does not give the role {role} there.")


def _read_token(token: str) -> tuple[uuid.UUID, bytes]:
    place, _, secret = token.partition(".")
    try:
        return uuid.UUID(bytes=base64.urlsafe_b64decode(place + "==")), crypto.token_hash(secret)
    except (ValueError, binascii.Error):
        raise InvitationUnknownError("There is no such invitation.") from None


async def look(*, keys: crypto.Keys, token: str, now: dt.datetime) -> Offer:
    brand_id, token_hash = _read_token(token)
    async with db.atomic(brand_id):
        row = await _open(token_hash, now)
        known = await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM person WHERE login_hash = $1)", row["login_hash"])
        name = await db.connection().fetchval("SELECT name FROM brand")
    return Offer(login=_login(keys, row), role=row["role"], reseller=row["reseller"], brand=name, known=known)


async def accept_new(
    *,
    keys: crypto.Keys,
    token: str,
    name: str,
    locale: Literal["zh-CN", "en"],
    password: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Makes the user. Raises user.LoginTakenError where the address has an account. Returns the user's id."""
    offer = await look(keys=keys, token=token, now=now)
    password_hash = await users.prepared(login=offer.login, name=name, password=password)
    brand_id, token_hash = _read_token(token)
    async with db.atomic(brand_id):
        row = await _open(token_hash, now, lock=True)
        made = await users.insert(keys=keys, login=offer.login, name=name, locale=locale, password_hash=password_hash, now=now)
        await _accept(row, made.id, actor, now)
    return made.id


async def accept_as(*, token: str, user_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """By who is signed in, with the same address."""
    brand_id, token_hash = _read_token(token)
    async with db.atomic(brand_id):
        row = await _open(token_hash, now, lock=True)
        own = await db.connection().fetchval("SELECT login_hash FROM person WHERE id = $1 AND state = 'active'", user_id)
        if own != row["login_hash"]:
            raise InvitationNotYoursError("The invitation went to another address: sign in with that one.")
        await _accept(row, user_id, actor, now)


async def _open(token_hash: bytes, now: dt.datetime, *, lock: bool = False) -> asyncpg.Record:
    row = await db.connection().fetchrow(
        "SELECT * FROM invitation WHERE token_hash = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2"
        + (" FOR UPDATE" if lock else ""),
        token_hash,
        now,
    )
    if row is None:
        raise InvitationUnknownError("There is no such invitation.")
    return row


async def _accept(row: asyncpg.Record, user_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    await db.connection().execute(
        "UPDATE invitation SET accepted_at = $2, accepted_by = $3 WHERE id = $1", row["id"], now, user_id
    )
    giver = msgspec.structs.replace(actor, user_id=user_id)
    await audit.record(brand_id=row["brand_id"], actor=giver, action="invitation.accept", subject=str(row["id"]))
    await memberships.grant(
        brand_id=row["brand_id"],
        user_id=user_id,
        role=row["role"],
        reseller=row["reseller"],
        granted_by=row["invited_by"],
        actor=giver,
        now=now,
    )


async def withdraw(
    *,
    brand_id: uuid.UUID,
    invitation_id: uuid.UUID,
    reseller: str | None = None,
    roles: Iterable[permissions.Role] | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """roles: one to another role is not to be found."""
    async with db.atomic(brand_id, reseller=reseller):
        status = await db.connection().execute(
            "UPDATE invitation SET withdrawn_at = $2 WHERE id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL"
            " AND ($3::text[] IS NULL OR role = ANY ($3))",
            invitation_id,
            now,
            None if roles is None else list(roles),
        )
        if status != "UPDATE 1":
            raise InvitationUnknownError("There is no such invitation.")
        await audit.record(brand_id=brand_id, actor=actor, action="invitation.withdraw", subject=str(invitation_id))


async def listing(*, keys: crypto.Keys, brand_id: uuid.UUID, reseller: str | None = None) -> list[Invitation]:
    """The newest first."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM invitation WHERE $1::text IS NULL OR reseller = $1 ORDER BY invited_at DESC, id DESC",
            reseller,
        )
    return [
        Invitation(login=_login(keys, row), **{name: value for name, value in dict(row).items() if name != "login_cipher"})
        for row in rows
    ]


def _login(keys: crypto.Keys, row: asyncpg.Record) -> str:
    return keys.open(row["login_cipher"], place=invitation_row.place(row["id"])).decode()
