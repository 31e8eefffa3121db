"""A user: one person with one login, whatever brands and resellers they work for. Names and logins are stored sealed."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.identity import password as passwords

if TYPE_CHECKING:
    from qucheng.core import crypto

State = Literal["active", "locked", "closed"]
LOGIN = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}|[\w.-]{3,64}")
LONGEST_NAME = 80
FREE_FAILURES = 5
LONGEST_BLOCK_SECONDS = 900
FORGOTTEN_AFTER = dt.timedelta(days=1)
PRESSURE_FAILURES, PRESSURE_SPAN = 20, dt.timedelta(hours=1)


class LoginInvalidError(errors.RefusedError):
    code: ClassVar[str] = "user.login_invalid"
    status: ClassVar[int] = 422


class AddressMissingError(errors.RefusedError):
    """A letter goes to an e-mail address, and to nothing else."""

    code: ClassVar[str] = "user.address_missing"
    status: ClassVar[int] = 422


class LoginTakenError(errors.RefusedError):
    code: ClassVar[str] = "user.login_taken"


class NameInvalidError(errors.RefusedError):
    code: ClassVar[str] = "user.name_invalid"
    status: ClassVar[int] = 422


class UserUnknownError(errors.RefusedError):
    code: ClassVar[str] = "user.unknown"
    status: ClassVar[int] = 404


class UserClosedError(errors.RefusedError):
    code: ClassVar[str] = "user.closed"


class SignInRefusedError(errors.RefusedError):
    """Wrong login or password, or an account that is not active: which of them is not said."""

    code: ClassVar[str] = "sign_in.refused"
    status: ClassVar[int] = 401


class SignInBlockedError(errors.RefusedError):
    """Too many wrong attempts from here. retry_after: seconds."""

    code: ClassVar[str] = "sign_in.blocked"
    status: ClassVar[int] = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts: try again in {retry_after} s.")
        self.retry_after = retry_after


class ProofNeededError(errors.RefusedError):
    """Many wrong attempts on this login from elsewhere: a proof of work is asked of whoever tries now. Nobody is locked out."""

    code: ClassVar[str] = "sign_in.proof_needed"
    status: ClassVar[int] = 403


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: uuid.UUID
    login: str
    name: str
    locale: Literal["zh-CN", "en"]
    state: State


def normalised(login: str) -> str:
    """One person, one login, however it is written. Raises LoginInvalidError."""
    found = unicodedata.normalize("NFKC", login).strip().casefold()
    if LOGIN.fullmatch(found) is None:
        raise LoginInvalidError("A login is an e-mail address, or 3 to 64 letters, digits, dots, hyphens and underscores.")
    return found


def address(login: str) -> str:
    """A login to which a letter can go. Raises AddressMissingError."""
    try:
        found = normalised(login)
    except LoginInvalidError:
        found = ""
    if "@" not in found:
        raise AddressMissingError("This is no e-mail address.")
    return found


def login_hash(keys: crypto.Keys, login: str) -> bytes:
    return keys.fingerprint(normalised(login), of="login")


async def create(
    *,
    keys: crypto.Keys,
    login: str,
    name: str,
    locale: Literal["zh-CN", "en"],
    password: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> User:
    """Raises LoginTakenError, and what makes a login, a name or a password unfit."""
    password_hash = await prepared(login=login, name=name, password=password)
    async with db.atomic(audit.PLATFORM):
        made = await insert(keys=keys, login=login, name=name, locale=locale, password_hash=password_hash, now=now)
        await audit.record(
            brand_id=audit.PLATFORM, actor=actor, action="user.create", subject=str(made.id), after={"locale": locale}
        )
    return made


async def prepared(*, login: str, name: str, password: str) -> str:
    """The hash for a user who is to be made, outside any transaction: it is slow."""
    _require_name(name)
    passwords.require(password, names=(normalised(login), name))
    return await passwords.hashed(password)


async def insert(
    *, keys: crypto.Keys, login: str, name: str, locale: Literal["zh-CN", "en"], password_hash: str, now: dt.datetime
) -> User:
    """Inside the transaction of whatever makes the user."""
    found, name, user_id = normalised(login), _require_name(name), ids.new_id()
    try:
        async with db.atomic():
            await db.connection().execute(
                "INSERT INTO person (id, login_hash, login_cipher, name_cipher, locale, password_hash, state, created_at, password_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $7)",
                user_id,
                login_hash(keys, found),
                keys.seal(found.encode(), place=f"person.login/{user_id}"),
                keys.seal(name.encode(), place=f"person.name/{user_id}"),
                locale,
                password_hash,
                now,
            )
    except asyncpg.UniqueViolationError:
        raise LoginTakenError("This login is somebody's already.") from None
    return User(id=user_id, login=found, name=name, locale=locale, state="active")


def _require_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise NameInvalidError(f"A name has 1 to {LONGEST_NAME} characters.")
    return name


async def sign_in(*, keys: crypto.Keys, login: str, password: str, network: str, proven: bool, now: dt.datetime) -> uuid.UUID:
    """The user's id. proven: a proof of work came with the attempt.

    An attempt counts as wrong before it is tried and is forgiven when it was right: many at once get no more tries than one
    after the other. A login that nobody has takes the same way and the same time.
    """
    fingerprint = login_hash(keys, login)
    await _reserve(fingerprint, network, now, proven=proven)
    async with db.atomic():
        row = await db.connection().fetchrow("SELECT id, password_hash, state FROM person WHERE login_hash = $1", fingerprint)
    right = await passwords.matches(password, row["password_hash"] if row else None)
    if row is None or not right or row["state"] != "active":
        raise SignInRefusedError("The login or the password is wrong.")
    await _forgive(fingerprint, network, now)
    if passwords.outdated(row["password_hash"]):
        await _renew_hash(row["id"], row["password_hash"], await passwords.hashed(password))
    return uuid.UUID(str(row["id"]))


async def _reserve(fingerprint: bytes, network: str, now: dt.datetime, *, proven: bool) -> None:
    """Both counts are taken under their rows' locks, and are undone where the attempt is refused."""
    async with db.atomic():
        pressure = await db.connection().fetchval(
            "INSERT INTO sign_in_pressure AS p (login_hash, since, failures) VALUES ($1, $2, 1) ON CONFLICT (login_hash) DO UPDATE SET"
            " since = CASE WHEN p.since > $3 THEN p.since ELSE $2 END, failures = CASE WHEN p.since > $3 THEN p.failures + 1 ELSE 1 END"
            " RETURNING failures",
            fingerprint,
            now,
            now - PRESSURE_SPAN,
        )
        if pressure > PRESSURE_FAILURES and not proven:
            raise ProofNeededError("This sign-in needs a proof besides the password.")
        blocked_until = await _count(fingerprint, network, now)
        if blocked_until is not None:
            raise SignInBlockedError(max(1, -((now - blocked_until) // dt.timedelta(seconds=1))))


async def _count(fingerprint: bytes, network: str, now: dt.datetime) -> dt.datetime | None:
    """Counts the attempt, or says until when there is none to be had. The row is locked from here on, so nobody passes beside."""
    counted = await db.connection().fetchval(
        f"""INSERT INTO sign_in_failure AS f (login_hash, network, failures, last_at, blocked_until) VALUES ($1, $2, 1, $3, $3)
            ON CONFLICT (login_hash, network) DO UPDATE SET
                failures = CASE WHEN f.last_at < $4 THEN 1 ELSE f.failures + 1 END, last_at = $3,
                blocked_until = CASE WHEN f.last_at < $4 OR f.failures + 1 < {FREE_FAILURES} THEN $3
                    ELSE $3 + make_interval(secs => least({LONGEST_BLOCK_SECONDS}, 2 ^ least(f.failures + 2 - {FREE_FAILURES}, 20))) END
            WHERE f.blocked_until <= $3 RETURNING failures""",
        fingerprint,
        network,
        now,
        now - FORGOTTEN_AFTER,
    )
    if counted is not None:
        return None
    until: dt.datetime = await db.connection().fetchval(
        "SELECT blocked_until FROM sign_in_failure WHERE login_hash = $1 AND network = $2", fingerprint, network
    )
    return until


async def _forgive(fingerprint: bytes, network: str, now: dt.datetime) -> None:
    """The password was right: what was tried from here is forgotten, and of what was tried from anywhere this one attempt."""
    async with db.atomic():
        await db.connection().execute(
            "UPDATE sign_in_pressure SET failures = greatest(failures - 1, 0) WHERE login_hash = $1 AND since > $2",
            fingerprint,
            now - PRESSURE_SPAN,
        )
        await db.connection().execute("DELETE FROM sign_in_failure WHERE login_hash = $1 AND network = $2", fingerprint, network)


async def _renew_hash(user_id: uuid.UUID, before: str, after: str) -> None:
    async with db.atomic():  # not over a password that was changed meanwhile
        await db.connection().execute(
            "UPDATE person SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user_id, before, after
        )


async def prune_attempts(*, now: dt.datetime) -> None:
    """Forgets attempts that no longer count."""
    async with db.atomic():
        await db.connection().execute(
            "DELETE FROM sign_in_failure WHERE last_at < $1 AND blocked_until < $2", now - FORGOTTEN_AFTER, now
        )
        await db.connection().execute("DELETE FROM sign_in_pressure WHERE since < $1", now - PRESSURE_SPAN)


async def holder(*, keys: crypto.Keys, login: str) -> uuid.UUID | None:
    """Whose login it is."""
    async with db.atomic():
        found: uuid.UUID | None = await db.connection().fetchval(
            "SELECT id FROM person WHERE login_hash = $1", login_hash(keys, login)
        )
    return found


async def read(*, keys: crypto.Keys, user_id: uuid.UUID) -> User:
    """Raises UserUnknownError."""
    found = await named(keys=keys, user_ids=[user_id])
    if user_id not in found:
        raise UserUnknownError("There is no such user.")
    return found[user_id]


async def named(*, keys: crypto.Keys, user_ids: list[uuid.UUID]) -> dict[uuid.UUID, User]:
    async with db.atomic():
        rows = await db.connection().fetch(
            "SELECT id, login_cipher, name_cipher, locale, state FROM person WHERE id = ANY ($1)", user_ids
        )
    return {
        row["id"]: User(
            id=row["id"],
            login=keys.open(row["login_cipher"], place=f"person.login/{row['id']}").decode(),
            name=keys.open(row["name_cipher"], place=f"person.name/{row['id']}").decode(),
            locale=row["locale"],
            state=row["state"],
        )
        for row in rows
    }


async def changed_password(*, keys: crypto.Keys, user_id: uuid.UUID, old: str, new: str) -> str:
    """The hash of the new password, outside any transaction: it is slow. Raises SignInRefusedError where the old one is wrong."""
    user = await read(keys=keys, user_id=user_id)
    async with db.atomic():
        known = await db.connection().fetchval("SELECT password_hash FROM person WHERE id = $1 AND state = 'active'", user_id)
    if not await passwords.matches(old, known):
        raise SignInRefusedError("The password is wrong.")
    passwords.require(new, names=(user.login, user.name))
    return await passwords.hashed(new)


async def set_password(*, user_id: uuid.UUID, password_hash: str, keep_session: uuid.UUID | None, now: dt.datetime) -> None:
    """Inside the transaction that allows it."""
    await db.connection().execute(
        "UPDATE person SET password_hash = $2, password_at = $3 WHERE id = $1", user_id, password_hash, now
    )
    await end_sessions(user_id=user_id, keep=keep_session, ending="password", now=now)


async def set_locale(*, user_id: uuid.UUID, locale: Literal["zh-CN", "en"], actor: audit.Actor) -> None:
    """The language of letters to the person."""
    async with db.atomic(audit.PLATFORM):
        before = await db.connection().fetchval("SELECT locale FROM person WHERE id = $1 FOR UPDATE", user_id)
        if before is None:
            raise UserUnknownError("There is no such user.")
        if before == locale:
            return
        await db.connection().execute("UPDATE person SET locale = $2 WHERE id = $1", user_id, locale)
        await audit.record(
            brand_id=audit.PLATFORM,
            actor=actor,
            action="user.locale",
            subject=str(user_id),
            before={"locale": before},
            after={"locale": locale},
        )


async def set_state(*, user_id: uuid.UUID, state: State, actor: audit.Actor, now: dt.datetime) -> None:
    """Locks, unlocks or closes an account; whoever is signed in with it is signed out. A closed one stays closed."""
    async with db.atomic(audit.PLATFORM):
        before = await db.connection().fetchval("SELECT state FROM person WHERE id = $1 FOR UPDATE", user_id)
        if before is None:
            raise UserUnknownError("There is no such user.")
        if before == "closed":
            raise UserClosedError("The account is closed and stays so.")
        await db.connection().execute("UPDATE person SET state = $2 WHERE id = $1", user_id, state)
        if state != "active":
            await end_sessions(user_id=user_id, keep=None, ending="account", now=now)
        await audit.record(
            brand_id=audit.PLATFORM,
            actor=actor,
            action="user.state",
            subject=str(user_id),
            before={"state": before},
            after={"state": state},
        )


async def end_sessions(*, user_id: uuid.UUID, keep: uuid.UUID | None, ending: str, now: dt.datetime) -> None:
    await db.connection().execute(
        "UPDATE session SET ended_at = $3, ending = $4 WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2",
        user_id,
        keep,
        now,
        ending,
    )
