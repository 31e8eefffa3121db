"""Which key a request comes with, and whether it may be used: by its token, or by a signature. Asked before any brand is stood in."""

from __future__ import annotations

import datetime as dt
import hmac
import ipaddress
import re
import uuid
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from qucheng.core import crypto, db, errors, together
from qucheng.identity import api_key, api_signature, permissions
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

TOKEN = re.compile(r"qc_(live|test)_([0-9a-f]{32})_[A-Za-z0-9_-]{43}")
# in one order, so that two that send the same do not wait for each other
USE_UP = """
    INSERT INTO api_nonce (brand_id, key, nonce, used_at)
    SELECT $1, u.key, u.nonce, u.used_at FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) u (key, nonce, used_at) ORDER BY u.key, u.nonce
    ON CONFLICT DO NOTHING RETURNING key, nonce"""
# as pages show it, and with the dashes of a UUID
KEY_ID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


class NotKnownError(errors.RefusedError):
    """No key, a wrong one, or a signature that is not the key's: which of them is not said."""

    code: ClassVar[str] = "api.not_known"
    status: ClassVar[int] = 401


class KeyExpiredError(errors.RefusedError):
    code: ClassVar[str] = "api_key.expired"
    status: ClassVar[int] = 401


class KeyRevokedError(errors.RefusedError):
    code: ClassVar[str] = "api_key.revoked"
    status: ClassVar[int] = 401


class AddressError(errors.RefusedError):
    """The key is good, and may not be used from here."""

    code: ClassVar[str] = "api_key.address"
    status: ClassVar[int] = 403


class TimeError(errors.RefusedError):
    """The request was signed too long ago, or by a clock that is ahead."""

    code: ClassVar[str] = "api_signature.time"
    status: ClassVar[int] = 401


class NonceUsedError(errors.RefusedError):
    code: ClassVar[str] = "api_signature.nonce"
    status: ClassVar[int] = 401


class MakerGoneError(errors.RefusedError):
    """Whoever made the key has the role for this no longer."""

    code: ClassVar[str] = "api_key.maker"
    status: ClassVar[int] = 403


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may be used, now and from here. bearer_orders: its token alone is enough to send orders."""

    key_id: uuid.UUID
    brand_id: uuid.UUID
    reseller: str | None
    name: str
    mode: api_key.Mode
    scopes: frozenset[str]
    networks: tuple[str, ...]
    expires_at: dt.datetime
    created_by: uuid.UUID
    bearer_orders: bool = False


async def by_token(*, token: str, address: str, now: dt.datetime) -> Caller:
    """Raises NotKnownError; and for who has the secret, what is the matter with the key."""
    match = TOKEN.fullmatch(token)
    secrets = await _SECRETS.ask(uuid.UUID(match[2]), None) if match else []
    given, found = crypto.token_hash(token), False
    for row in _good(secrets, now):
        found |= hmac.compare_digest(row["token_hash"], given)
    if not found:
        raise NotKnownError("This needs a key: send its token as `Authorization: Bearer …`.")
    return await _used(secrets[0], address, now)


async def by_signature(*, keys: crypto.Keys, key: str, request: api_signature.Signed, address: str, now: dt.datetime) -> Caller:
    """As by_token(); and TimeError or NonceUsedError for who has the secret. The nonce is used up with it."""
    secrets = await _SECRETS.ask(uuid.UUID(key), None) if KEY_ID.fullmatch(key) and request.readable() else []
    if not api_signature.right(request, _signing(keys, secrets, now)):
        raise NotKnownError("This needs a signature: send Qucheng-Key, -Timestamp, -Nonce and -Signature.")
    if not api_signature.in_time(request, now):
        raise TimeError("The request was signed more than 300 s from now: check the clock.")
    caller = await _used(secrets[0], address, now)
    if not await _NONCES.ask(caller.brand_id, _Nonce(caller.key_id, request.nonce, now)):
        raise NonceUsedError("This nonce was used: sign each request with a new one.")
    return caller


async def by_text(*, keys: crypto.Keys, key: str, text: str, signature: str, now: dt.datetime) -> Caller:
    """Whose key signed the text, for a person who brings it: so from which address is not asked. Raises what by_token() raises."""
    secrets = await _secrets(uuid.UUID(key)) if KEY_ID.fullmatch(key) and api_signature.SIGNATURE.fullmatch(signature) else []
    if not api_signature.right_text(text, signature, _signing(keys, secrets, now)):
        raise NotKnownError("This is signed by none of our keys.")
    return await _used(secrets[0], None, now)


def _signing(keys: crypto.Keys, secrets: list[asyncpg.Record], now: dt.datetime) -> list[str]:
    return [
        keys.open(row["signing_cipher"], place=api_key.place(row["id"], row["number"])).decode()
        for row in _good(secrets, now)
        if row["signing_cipher"] is not None
    ]


async def _secrets(key_id: uuid.UUID) -> list[asyncpg.Record]:
    """The two newest, the newest first, each with the key."""
    async with db.atomic():
        return list(await db.connection().fetch("SELECT * FROM api_key_named($1)", key_id))


async def _secrets_of(key_id: uuid.UUID, asked: Sequence[None]) -> list[list[asyncpg.Record]]:
    return [await _secrets(key_id)] * len(asked)


class _Nonce(NamedTuple):
    key: uuid.UUID
    nonce: str
    used_at: dt.datetime


async def _use_up(brand_id: uuid.UUID, sent: Sequence[_Nonce]) -> list[bool]:
    """Of each, whether it is new; of the same twice, the first."""
    keys, nonces, times = zip(*sent, strict=True)
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(USE_UP, brand_id, keys, nonces, times)
    fresh = {(row["key"], row["nonce"]) for row in rows}
    answers = []
    for each in sent:
        answers.append((each.key, each.nonce) in fresh)
        fresh.discard((each.key, each.nonce))
    return answers


_SECRETS = together.Together(_secrets_of)
_NONCES = together.Together(_use_up)


def _good(secrets: list[asyncpg.Record], now: dt.datetime) -> list[asyncpg.Record]:
    return [row for row in secrets if row["ends_at"] is None or now < row["ends_at"]]


async def _used(row: asyncpg.Record, address: str | None, now: dt.datetime) -> Caller:
    if row["revoked_at"] is not None:
        raise KeyRevokedError("The key was revoked.")
    if now >= row["expires_at"]:
        raise KeyExpiredError("The key's time is over.")
    networks = tuple((row["networks"] or "").split())
    if networks and address is not None and not _inside(address, networks):
        raise AddressError("The key may not be used from this address.")
    if row["last_used_on"] != now.date():
        async with db.atomic(row["brand_id"]):
            await db.connection().execute(
                "UPDATE api_key SET last_used_on = $2 WHERE id = $1 AND last_used_on IS DISTINCT FROM $2", row["id"], now.date()
            )
    return Caller(
        key_id=row["id"],
        brand_id=row["brand_id"],
        reseller=row["reseller"],
        name=row["name"],
        mode=row["mode"],
        scopes=frozenset(row["scopes"].split()),
        networks=networks,
        expires_at=row["expires_at"],
        created_by=row["created_by"],
        bearer_orders=row["bearer_orders"],
    )


def _inside(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return any(found in ipaddress.ip_network(network) for network in networks)


async def maker(caller: Caller, *, permission: str) -> permissions.Principal:
    """Who asks, where a key asks for something: the person who made it, in the role for it. Raises MakerGoneError."""
    for role in await memberships.of(caller.created_by):
        allowed = permissions.given(role.role, enrolled=True, second_factor=True)
        if role.brand_id == caller.brand_id and role.reseller is None and permission in allowed:
            return permissions.Principal(
                user_id=caller.created_by,
                session_id=caller.key_id,
                brand_id=caller.brand_id,
                reseller=None,
                role=role.role,
                permissions=allowed,
                second_factor_at=None,
            )
    raise MakerGoneError("Whoever made this key may not ask for this any more: make another key.")
