"""A request that comes twice is done once: its reply is written in the transaction of what it did, and given again.

A refusal is no reply: nothing was done, and the key is free for a better request. A reply never holds a secret.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.core import audit, db, errors, passing

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

KEPT = dt.timedelta(days=30)
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
FORM = re.compile(r"[!-~]{1,255}")


class MissingError(errors.RefusedError):
    code: ClassVar[str] = "idempotency.missing"
    status: ClassVar[int] = 400


class OtherRequestError(errors.RefusedError):
    """The key was used for something else."""

    code: ClassVar[str] = "idempotency.other_request"
    status: ClassVar[int] = 422


class StillRunningError(errors.RefusedError):
    code: ClassVar[str] = "idempotency.running"
    status: ClassVar[int] = 409
    retry_after = 1


class SecretInReplyError(RuntimeError):
    """A reply that would be kept has something in it that is named like a secret."""


class _UndoneError(Exception):
    """What is tried and not kept ends with it."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """body: JSON. replayed: it was given before, and nothing was done this time."""

    status: int
    body: bytes
    replayed: bool = False


def require_key(given: str | None) -> str:
    """The request's key, as it must look."""
    if given is None or not FORM.fullmatch(given):
        raise MissingError("Send an Idempotency-Key of 1 to 255 visible ASCII characters, a new one for each thing to do.")
    return given


def fingerprint(*parts: bytes) -> bytes:
    """What a request is, apart from when and how often it was sent."""
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).digest()


async def once(
    *,
    brand_id: uuid.UUID,
    key_id: uuid.UUID,
    key: str,
    request: bytes,
    act: Callable[[], Awaitable[tuple[int, Any]]],
    actor: audit.Actor,
    now: dt.datetime,
    kept: bool = True,
) -> Reply:
    """Does what the request asks for, unless it was done. request: its fingerprint. act: returns status and reply; it may be
    asked more than once, where what it did was undone for another's sake.

    kept=False: everything is tried and answered, and nothing of it stays.
    """

    async def whole() -> Reply:
        reply: Reply | None = None
        with contextlib.suppress(_UndoneError):
            async with db.atomic(brand_id):
                reply = await _once(brand_id, key_id, key, request, act, actor, now)
                if not kept:
                    raise _UndoneError
        if reply is None:
            raise RuntimeError("a request ended without a reply")
        return reply

    return await passing.outlasted(whole)


async def _once(
    brand_id: uuid.UUID,
    key_id: uuid.UUID,
    key: str,
    request: bytes,
    act: Callable[[], Awaitable[tuple[int, Any]]],
    actor: audit.Actor,
    now: dt.datetime,
) -> Reply:
    # not waited for: whoever asks again while the first is at work is told to come back
    mine = await db.connection().fetchval(LOCK, f"idempotency:{brand_id}:{key_id}:{key}")
    if not mine:
        raise StillRunningError("The first request with this Idempotency-Key is still at work: ask again in a second.")
    row = await db.connection().fetchrow(
        "SELECT request_hash, answer, body FROM idempotent_reply WHERE key = $1 AND idempotency_key = $2", key_id, key
    )
    if row is not None:
        if row["request_hash"] != request:
            raise OtherRequestError("This Idempotency-Key was used for another request.")
        return Reply(status=row["answer"], body=row["body"].encode(), replayed=True)
    status, answer = await act()
    plain = msgspec.to_builtins(answer)
    _require_no_secret(plain)
    body = msgspec.json.encode(plain)
    await db.connection().execute(
        "INSERT INTO idempotent_reply (brand_id, key, idempotency_key, request_hash, answer, body, answered_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        brand_id,
        key_id,
        key,
        request,
        status,
        body.decode(),
        now,
    )
    await audit.record(
        brand_id=brand_id,
        actor=actor,
        action="api_key.use",
        subject=str(key_id),
        after={"idempotency_key": key, "reply": plain},
    )
    return Reply(status=status, body=body)


def _require_no_secret(value: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        if any(word in str(name).lower() for name in value for word in audit.SECRET_NAMES):
            raise SecretInReplyError
        for inner in value.values():
            _require_no_secret(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _require_no_secret(inner)


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes replies that are older than they are promised to be kept; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute("DELETE FROM idempotent_reply WHERE answered_at < $1", now - KEPT)
    return int(status.removeprefix("DELETE "))
