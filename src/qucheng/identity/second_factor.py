"""The second factor: codes of an authenticator (TOTP), each step once; and recovery codes, each once."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pyotp

from qucheng.core import audit, crypto, db, errors, letter
from qucheng.identity import user as users

if TYPE_CHECKING:
    import uuid

    import asyncpg

STEP_SECONDS = 30
DRIFT_STEPS = 1
MOST_FAILURES = 5
BLOCKED_FOR = dt.timedelta(minutes=15)
REPLACED_WITHIN = dt.timedelta(minutes=10)
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
ISSUER = "Qucheng"


class CodeWrongError(errors.RefusedError):
    """Wrong, used before, or of another time: which of them is not said."""

    code: ClassVar[str] = "second_factor.wrong"
    status: ClassVar[int] = 401


class CodeBlockedError(errors.RefusedError):
    code: ClassVar[str] = "second_factor.blocked"
    status: ClassVar[int] = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many wrong codes: try again in {retry_after} s.")
        self.retry_after = retry_after


class AlreadyEnrolledError(errors.RefusedError):
    code: ClassVar[str] = "second_factor.enrolled"


class NotEnrolledError(errors.RefusedError):
    code: ClassVar[str] = "second_factor.not_enrolled"


class ReplacementVoidError(errors.RefusedError):
    """It was begun too long ago, or the second factor is another one by now."""

    code: ClassVar[str] = "second_factor.void"


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once. uri: what the QR code holds."""

    secret: str
    uri: str


async def begin(*, keys: crypto.Keys, user_id: uuid.UUID, login: str) -> Enrolment:
    """A secret for the user's authenticator. It counts once a code of it was given; begun again, the one before is void."""
    secret = pyotp.random_base32()
    async with db.atomic():
        status = await db.connection().execute(
            "INSERT INTO second_factor AS f (user_id, secret_cipher) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE"
            " SET secret_cipher = $2, last_step = 0 WHERE f.confirmed_at IS NULL",
            user_id,
            keys.seal(secret.encode(), place=f"second_factor/{user_id}"),
        )
    if status != "INSERT 0 1":
        raise AlreadyEnrolledError("There is a second factor already.")
    return Enrolment(secret=secret, uri=pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER))


async def confirm(*, keys: crypto.Keys, user_id: uuid.UUID, code: str, actor: audit.Actor, now: dt.datetime) -> list[str]:
    """The first code: from now on it is asked for. Returns the recovery codes, which are shown once."""
    async with db.atomic():
        if await db.connection().fetchval("SELECT confirmed_at FROM second_factor WHERE user_id = $1", user_id) is not None:
            raise AlreadyEnrolledError("There is a second factor already.")
    codes: list[str] = []
    async with db.atomic(audit.PLATFORM):
        failure = await _try(keys=keys, user_id=user_id, code=code, now=now)
        if failure is None:
            await db.connection().execute("UPDATE second_factor SET confirmed_at = $2 WHERE user_id = $1", user_id, now)
            codes = await _fresh_codes(user_id)
            await audit.record(brand_id=audit.PLATFORM, actor=actor, action="second_factor.enrol", subject=str(user_id))
    if failure is not None:
        raise failure
    return codes


async def check(*, keys: crypto.Keys, user_id: uuid.UUID, code: str, now: dt.datetime) -> None:
    """Takes a code of the authenticator, or a recovery code. Raises CodeWrongError, and CodeBlockedError after too many of those."""
    async with db.atomic():
        if await db.connection().fetchval("SELECT confirmed_at FROM second_factor WHERE user_id = $1", user_id) is None:
            raise NotEnrolledError("There is no second factor yet.")
        failure = await _try(keys=keys, user_id=user_id, code=code, now=now)
    if failure is not None:  # after COMMIT: the failure is counted
        raise failure


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """A secret to come, before its first code. of: which one it takes the place of."""

    secret: str
    uri: str
    of: str
    begun_at: dt.datetime


async def begin_replacement(*, keys: crypto.Keys, user: users.User, code: str, now: dt.datetime) -> tuple[Enrolment, str]:
    """Against a code of the one so far, or a recovery code. What is shown, and the same sealed for the way to the page and back."""
    await check(keys=keys, user_id=user.id, code=code, now=now)
    async with db.atomic():
        standing = await db.connection().fetchval("SELECT secret_cipher FROM second_factor WHERE user_id = $1", user.id)
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.login, issuer_name=ISSUER)
    begun = Replacement(secret=secret, uri=uri, of=hashlib.sha256(standing).hexdigest(), begun_at=now)
    sealed = keys.seal(msgspec.json.encode(begun), place=f"second_factor.replacement/{user.id}")
    return Enrolment(secret=secret, uri=uri), base64.urlsafe_b64encode(sealed).decode()


def open_replacement(*, keys: crypto.Keys, user_id: uuid.UUID, sealed: str, now: dt.datetime) -> Replacement:
    """Raises ReplacementVoidError."""
    try:
        opened = keys.open(base64.urlsafe_b64decode(sealed), place=f"second_factor.replacement/{user_id}")
        begun = msgspec.json.decode(opened, type=Replacement)
    except (crypto.SealBrokenError, ValueError, IndexError):
        raise ReplacementVoidError("Begin again.") from None
    if now - begun.begun_at >= REPLACED_WITHIN:
        raise ReplacementVoidError("This was begun too long ago: begin again.")
    return begun


async def replace(
    *,
    keys: crypto.Keys,
    user: users.User,
    sealed: str,
    code: str,
    keep_session: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> list[str]:
    """The first code of the new one: it stands instead, with new recovery codes, and a letter tells the person."""
    begun = open_replacement(keys=keys, user_id=user.id, sealed=sealed, now=now)
    codes: list[str] = []
    async with db.atomic(audit.PLATFORM):
        row = await db.connection().fetchrow("SELECT * FROM second_factor WHERE user_id = $1 FOR UPDATE", user.id)
        if row is None or hashlib.sha256(row["secret_cipher"]).hexdigest() != begun.of:
            raise ReplacementVoidError("The second factor is another one by now: begin again.")
        failure = _blocked(row, now)
        step = None if failure else _step_of(begun.secret, _plain(code), now, after=0)
        if step is not None:
            codes = await _replace(keys, user, begun.secret, step, keep_session, actor, now)
        elif failure is None:
            failure = await _failed(row, now)
    if failure is not None:  # after COMMIT: the failure is counted
        raise failure
    return codes


async def _replace(
    keys: crypto.Keys,
    user: users.User,
    secret: str,
    step: int,
    keep_session: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> list[str]:
    await db.connection().execute(
        "UPDATE second_factor SET secret_cipher = $2, confirmed_at = $3, last_step = $4, failures = 0, blocked_until = NULL"
        " WHERE user_id = $1",
        user.id,
        keys.seal(secret.encode(), place=f"second_factor/{user.id}"),
        now,
        step,
    )
    codes = await _fresh_codes(user.id)
    await users.end_sessions(user_id=user.id, keep=keep_session, ending="ended", now=now)
    if "@" in user.login:
        await letter.write(keys=keys, kind="second-factor", locale=user.locale, to=user.login, values={}, now=now)
    await audit.record(brand_id=audit.PLATFORM, actor=actor, action="second_factor.replace", subject=str(user.id))
    return codes


def _blocked(row: asyncpg.Record, now: dt.datetime) -> errors.RefusedError | None:
    if row["blocked_until"] is None or now >= row["blocked_until"]:
        return None
    return CodeBlockedError(max(1, -((now - row["blocked_until"]) // dt.timedelta(seconds=1))))


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()


async def _try(*, keys: crypto.Keys, user_id: uuid.UUID, code: str, now: dt.datetime) -> errors.RefusedError | None:
    """The row is locked: two tries at once are one after the other, and a code is taken by one of them."""
    row = await db.connection().fetchrow("SELECT * FROM second_factor WHERE user_id = $1 FOR UPDATE", user_id)
    if row is None:
        return NotEnrolledError("There is no second factor yet.")
    if blocked := _blocked(row, now):
        return blocked
    given = _plain(code)
    secret = keys.open(row["secret_cipher"], place=f"second_factor/{user_id}").decode()
    step = _step_of(secret, given, now, after=row["last_step"])
    if step is None and not (row["confirmed_at"] is not None and await _take_recovery(user_id, given, now)):
        return await _failed(row, now)
    await db.connection().execute(
        "UPDATE second_factor SET failures = 0, blocked_until = NULL, last_step = greatest(last_step, $2) WHERE user_id = $1",
        user_id,
        step or 0,
    )
    return None


def _step_of(secret: str, given: str, now: dt.datetime, *, after: int) -> int | None:
    """The step whose code this is, now or one beside, if it is later than the last that was used."""
    current = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    matching = [
        step
        for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode())
    ]
    return next((step for step in matching if step > after), None)


async def _take_recovery(user_id: uuid.UUID, given: str, now: dt.datetime) -> bool:
    status = await db.connection().execute(
        "UPDATE recovery_code SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
        user_id,
        _hash(given),
        now,
    )
    return bool(status == "UPDATE 1")


async def _failed(row: asyncpg.Record, now: dt.datetime) -> errors.RefusedError:
    failures = row["failures"] + 1
    blocked = failures >= MOST_FAILURES
    await db.connection().execute(
        "UPDATE second_factor SET failures = $2, blocked_until = $3 WHERE user_id = $1",
        row["user_id"],
        0 if blocked else failures,
        now + BLOCKED_FOR if blocked else None,
    )
    return CodeWrongError("The code is wrong, or was used already.")


async def renew_recovery_codes(*, user_id: uuid.UUID, actor: audit.Actor) -> list[str]:
    """Ten new ones; the old are void."""
    async with db.atomic(audit.PLATFORM):
        if (
            await db.connection().fetchval("SELECT confirmed_at FROM second_factor WHERE user_id = $1 FOR UPDATE", user_id)
            is None
        ):
            raise NotEnrolledError("There is no second factor yet.")
        codes = await _fresh_codes(user_id)
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="second_factor.recovery_codes", subject=str(user_id))
    return codes


async def _fresh_codes(user_id: uuid.UUID) -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    await db.connection().execute("DELETE FROM recovery_code WHERE user_id = $1", user_id)
    await db.connection().executemany(
        "INSERT INTO recovery_code (user_id, code_hash) VALUES ($1, $2)", [(user_id, _hash(code)) for code in codes]
    )
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def _hash(code: str) -> bytes:
    """80 bits by chance: a plain hash is enough."""
    return hashlib.sha256(b"recovery\0" + code.encode()).digest()


async def codes_left(*, user_id: uuid.UUID) -> int:
    async with db.atomic():
        return int(
            await db.connection().fetchval("SELECT count(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL", user_id)
        )


async def remove(*, user_id: uuid.UUID, actor: audit.Actor) -> None:
    """For who has lost the device and the codes: done by somebody else, after looking at a face. Every session ends with it at its next step."""
    async with db.atomic(audit.PLATFORM):
        await db.connection().execute("DELETE FROM recovery_code WHERE user_id = $1", user_id)
        status = await db.connection().execute("DELETE FROM second_factor WHERE user_id = $1", user_id)
        if status != "DELETE 1":
            raise NotEnrolledError("There is no second factor yet.")
        await db.connection().execute(
            "UPDATE session SET second_factor_at = NULL WHERE user_id = $1 AND ended_at IS NULL", user_id
        )
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="second_factor.remove", subject=str(user_id))
