"""Sessions: a token in a browser, its hash here. A new token at every step up, so that one known before is worth nothing after."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, crypto, db, errors, ids
from qucheng.identity import membership as memberships
from qucheng.identity import permissions, second_factor
from qucheng.identity import user as users

if TYPE_CHECKING:
    import asyncpg

SEEN_EVERY = dt.timedelta(minutes=1)
LONGEST_DEVICE = 80
KEPT_DAYS = 30
FOUND = (
    "SELECT s.id, s.user_id, s.brand, s.membership, s.started_at, s.seen_at, s.second_factor_at, f.confirmed_at IS NOT NULL AS enrolled"
    " FROM session s JOIN person p ON p.id = s.user_id LEFT JOIN second_factor f ON f.user_id = s.user_id"
    " WHERE s.token_hash = $1 AND s.ended_at IS NULL AND p.state = 'active'"
)


class SessionUnknownError(errors.RefusedError):
    """Not signed in, or not any more."""

    code: ClassVar[str] = "session.unknown"
    status: ClassVar[int] = 401


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """As its owner sees it. device: what the browser said it is; network: the first part of its address."""

    id: uuid.UUID
    device: str
    network: str
    started_at: dt.datetime
    seen_at: dt.datetime


async def sign_in(
    *,
    keys: crypto.Keys,
    login: str,
    password: str,
    device: str,
    network: str,
    proven: bool,
    request_id: str | None,
    now: dt.datetime,
) -> str:
    """Returns the token of a new session, whatever the browser brought along. Raises what user.sign_in() raises."""
    user_id = await users.sign_in(keys=keys, login=login, password=password, network=network, proven=proven, now=now)
    actor = audit.Actor(user_id=user_id, role="user", network=network, request_id=request_id)
    return await start(user_id=user_id, device=device, network=network, actor=actor, now=now)


async def start(*, user_id: uuid.UUID, device: str, network: str, actor: audit.Actor, now: dt.datetime) -> str:
    """After the password was right. Returns the token, which is nowhere else; who has one role only has chosen it."""
    token, session_id = crypto.token(), ids.new_id()
    roles = await memberships.of(user_id)
    only = roles[0] if len(roles) == 1 else None
    async with db.atomic(audit.PLATFORM):
        await db.connection().execute(
            "INSERT INTO session (id, user_id, token_hash, brand, membership, started_at, seen_at, device, network)"
            " VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
            session_id,
            user_id,
            crypto.token_hash(token),
            only.brand_id if only else None,
            only.id if only else None,
            now,
            _device(device),
            network,
        )
        await audit.record(
            brand_id=audit.PLATFORM, actor=actor, action="session.start", subject=str(user_id), after={"session": str(session_id)}
        )
    return token


def _device(text: str) -> str:
    shown = "".join(char for char in text if char.isprintable()).strip()[:LONGEST_DEVICE]
    return shown or "?"


async def principal(*, token: str, now: dt.datetime) -> permissions.Principal:
    """Who holds the token, and what that allows now. Raises SessionUnknownError where it is nobody's, has ended, or has run out.

    The role is asked for every time: one that was revoked a moment ago allows nothing more.
    """
    async with db.atomic():
        row = await db.connection().fetchrow(FOUND, crypto.token_hash(token))
    if row is None:
        raise SessionUnknownError("Sign in first.")
    role = await _role(row)
    name = role.role if role else None
    if now - row["seen_at"] >= permissions.idle_limit(name) or now - row["started_at"] >= permissions.absolute_limit(name):
        await _end(session_id=row["id"], ending="expired", now=now)
        raise SessionUnknownError("The session has run out: sign in again.")
    if now - row["seen_at"] >= SEEN_EVERY:
        async with db.atomic():
            await db.connection().execute("UPDATE session SET seen_at = $2 WHERE id = $1 AND seen_at < $2", row["id"], now)
    return permissions.Principal(
        user_id=row["user_id"],
        session_id=row["id"],
        brand_id=role.brand_id if role else None,
        reseller=role.reseller if role else None,
        role=name,
        permissions=permissions.given(
            name,
            enrolled=row["enrolled"],
            second_factor=row["second_factor_at"] is not None,
            limited=role is not None and role.limited,
        ),
        second_factor_at=row["second_factor_at"],
    )


async def _role(row: asyncpg.Record) -> memberships.Membership | None:
    if row["membership"] is None:
        return None
    found = [
        each for each in await memberships.of(row["user_id"]) if (each.brand_id, each.id) == (row["brand"], row["membership"])
    ]
    return found[0] if found else None


async def raised(*, keys: crypto.Keys, token: str, code: str, actor: audit.Actor, now: dt.datetime) -> str:
    """The second factor is given: the same session under a new token. The old one is nobody's from here on."""
    who = await principal(token=token, now=now)
    await second_factor.check(keys=keys, user_id=who.user_id, code=code, now=now)
    return await _renewed(token, "session.second_factor", actor, "second_factor_at = $3", now)


async def enrolled(*, keys: crypto.Keys, token: str, code: str, actor: audit.Actor, now: dt.datetime) -> tuple[str, list[str]]:
    """The first code of a new second factor is given: as raised(), and the recovery codes."""
    who = await principal(token=token, now=now)
    codes = await second_factor.confirm(keys=keys, user_id=who.user_id, code=code, actor=actor, now=now)
    return await _renewed(token, "session.second_factor", actor, "second_factor_at = $3", now), codes


async def replaced(
    *, keys: crypto.Keys, token: str, sealed: str, code: str, actor: audit.Actor, now: dt.datetime
) -> tuple[str, list[str]]:
    """The first code of a second factor that takes the place of another: as enrolled(); every other session ends with it."""
    who = await principal(token=token, now=now)
    user = await users.read(keys=keys, user_id=who.user_id)
    codes = await second_factor.replace(
        keys=keys, user=user, sealed=sealed, code=code, keep_session=who.session_id, actor=actor, now=now
    )
    return await _renewed(token, "session.second_factor", actor, "second_factor_at = $3", now), codes


async def change_password(*, keys: crypto.Keys, token: str, old: str, new: str, actor: audit.Actor, now: dt.datetime) -> str:
    """Every other session ends with it, and this one goes on under a new token. Raises what user.changed_password() raises."""
    who = await principal(token=token, now=now)
    fresh = await users.changed_password(keys=keys, user_id=who.user_id, old=old, new=new)
    async with db.atomic(audit.PLATFORM):
        await users.set_password(user_id=who.user_id, password_hash=fresh, keep_session=who.session_id, now=now)
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="user.password.change", subject=str(who.user_id))
        return await _renewed(token, "session.password", actor, "seen_at = $3", now)


async def choose(*, token: str, membership_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> str:
    """The same session in another role, under a new token. Raises MembershipUnknownError where it is not the user's."""
    who = await principal(token=token, now=now)
    role = await memberships.require(user_id=who.user_id, membership_id=membership_id)
    return await _renewed(token, "session.choose", actor, "brand = $3, membership = $4", role.brand_id, role.id)


async def _renewed(token: str, action: str, actor: audit.Actor, change: str, *values: object) -> str:
    fresh = crypto.token()
    async with db.atomic(audit.PLATFORM):
        session_id = await db.connection().fetchval(
            f"UPDATE session SET token_hash = $2, {change} WHERE token_hash = $1 AND ended_at IS NULL RETURNING id",
            crypto.token_hash(token),
            crypto.token_hash(fresh),
            *values,
        )
        if session_id is None:  # another request was first, with the same token
            raise SessionUnknownError("Sign in first.")
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action=action, subject=str(session_id))
    return fresh


async def listing(*, user_id: uuid.UUID) -> list[Session]:
    """Those that have not been ended, the last seen first."""
    async with db.atomic():
        rows = await db.connection().fetch(
            "SELECT id, device, network, started_at, seen_at FROM session WHERE user_id = $1 AND ended_at IS NULL ORDER BY seen_at DESC, id",
            user_id,
        )
    return [Session(**dict(row)) for row in rows]


async def end(
    *, user_id: uuid.UUID, session_id: uuid.UUID, ending: Literal["signed-out", "ended"], actor: audit.Actor, now: dt.datetime
) -> None:
    """One of the user's own; at once. Raises SessionUnknownError where there is none of that id."""
    async with db.atomic(audit.PLATFORM):
        if not await _end(session_id=session_id, ending=ending, now=now, user_id=user_id):
            raise SessionUnknownError("There is no such session of yours.")
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="session.end", subject=str(session_id))


async def end_others(*, user_id: uuid.UUID, keep: uuid.UUID | None, actor: audit.Actor, now: dt.datetime) -> int:
    """All but the one to keep; returns how many."""
    async with db.atomic(audit.PLATFORM):
        status: str = await db.connection().execute(
            "UPDATE session SET ended_at = $3, ending = 'ended' WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2",
            user_id,
            keep,
            now,
        )
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="session.end_others", subject=str(user_id))
    return int(status.removeprefix("UPDATE "))


async def _end(*, session_id: uuid.UUID, ending: str, now: dt.datetime, user_id: uuid.UUID | None = None) -> bool:
    async with db.atomic():
        status = await db.connection().execute(
            "UPDATE session SET ended_at = $2, ending = $3 WHERE id = $1 AND ended_at IS NULL AND ($4::uuid IS NULL OR user_id = $4)",
            session_id,
            now,
            ending,
            user_id,
        )
    return bool(status == "UPDATE 1")


async def prune(*, now: dt.datetime) -> int:
    """Removes sessions that ended, or could not be used any more, some weeks ago."""
    async with db.atomic():
        status: str = await db.connection().execute(
            "DELETE FROM session WHERE coalesce(ended_at, seen_at) < $1", now - dt.timedelta(days=KEPT_DAYS)
        )
    return int(status.removeprefix("DELETE "))
