"""A forgotten password: a letter with a token, for an hour, once. Who asks learns nothing about whether there is such a user."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

from qucheng.core import audit, crypto, db, errors, letter
from qucheng.identity import password as passwords
from qucheng.identity import user as users

if TYPE_CHECKING:
    import uuid

VALID_FOR = dt.timedelta(hours=1)
MOST_AN_HOUR = 3


class ResetUnknownError(errors.RefusedError):
    """No such token, or it was used, or its time is over: which of them is not said."""

    code: ClassVar[str] = "password_reset.unknown"
    status: ClassVar[int] = 404


async def request(*, keys: crypto.Keys, login: str, now: dt.datetime) -> None:
    """Says nothing, whoever it was; of somebody unknown the same things are looked up and sealed."""
    found = users.normalised(login)
    token = crypto.token()
    keys.seal(token.encode(), place="nowhere")
    async with db.atomic():
        user = await db.connection().fetchrow(
            "SELECT id, locale FROM person WHERE login_hash = $1 AND state = 'active' FOR NO KEY UPDATE",
            users.login_hash(keys, found),
        )
        lately = await db.connection().fetchval(
            "SELECT count(*) FROM password_reset WHERE user_id = $1 AND requested_at > $2",
            user["id"] if user else None,
            now - VALID_FOR,
        )
        if user is None or lately >= MOST_AN_HOUR or "@" not in found:
            return
        await db.connection().execute(
            "INSERT INTO password_reset (token_hash, user_id, requested_at, expires_at) VALUES ($1, $2, $3, $4)",
            crypto.token_hash(token),
            user["id"],
            now,
            now + VALID_FOR,
        )
        await letter.write(keys=keys, kind="password-reset", locale=user["locale"], to=found, values={"token": token}, now=now)


async def complete(*, keys: crypto.Keys, token: str, password: str, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Sets the password, ends every session and voids every other token of the user. The second factor stays. Returns the user's id."""
    async with db.atomic():
        user_id = await db.connection().fetchval(
            "SELECT r.user_id FROM password_reset r JOIN person p ON p.id = r.user_id"
            " WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > $2 AND p.state = 'active'",
            crypto.token_hash(token),
            now,
        )
    if user_id is None:
        raise ResetUnknownError("This link is not valid any more: ask for another.")
    user = await users.read(keys=keys, user_id=user_id)
    passwords.require(password, names=(user.login, user.name))
    password_hash = await passwords.hashed(password)
    async with db.atomic(audit.PLATFORM):
        status = await db.connection().execute(
            "UPDATE password_reset SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL", crypto.token_hash(token), now
        )
        if status != "UPDATE 1":  # another click was first
            raise ResetUnknownError("This link is not valid any more: ask for another.")
        await db.connection().execute(
            "UPDATE password_reset SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL", user_id, now
        )
        await users.set_password(user_id=user_id, password_hash=password_hash, keep_session=None, now=now)
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="user.password.reset", subject=str(user_id))
    return user.id


async def prune(*, now: dt.datetime) -> None:
    async with db.atomic():
        await db.connection().execute("DELETE FROM password_reset WHERE requested_at < $1", now - dt.timedelta(days=1))
