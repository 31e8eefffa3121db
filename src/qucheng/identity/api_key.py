"""Keys of machines: made, renewed and revoked by the brand's owners. The secrets are shown once.

Stored are the token's hash, and what signatures are made with, sealed. Who the caller is, is found in `api_caller`.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, crypto, db, errors, ids
from qucheng.identity import api_signature
from qucheng.identity import overlap as overlaps

if TYPE_CHECKING:
    from collections.abc import Collection

Mode = Literal["live", "test"]
LONGEST_NAME = 80
CODE = re.compile("[A-Za-z0-9._-]{1,40}")
MOST_NETWORKS = 20
LONGEST_LIFE = dt.timedelta(days=731)


class Scope(msgspec.Struct, frozen=True):
    """money: its requests are signed. reseller: a key of a reseller may have it, for its own rows."""

    name: str
    money: bool = False
    reseller: bool = False


SCOPES = {
    scope.name: scope
    for scope in (
        Scope("orders.read", reseller=True),
        Scope("entries.read", reseller=True),
        Scope("statements.read", reseller=True),
        Scope("documents.read", reseller=True),
        Scope("resellers.read", reseller=True),
        Scope("prices.read", reseller=True),
        Scope("catalog.read"),
        Scope("catalog.write"),
        Scope("runs.read"),
        Scope("journal.read"),
        Scope("adjustments.read"),
        Scope("adjustments.request", money=True),
        Scope("orders.write", money=True, reseller=True),
        Scope("refunds.write", money=True),
        Scope("fulfilments.write", money=True),
        Scope("reservations.write", money=True, reseller=True),
        Scope("stock.read", reseller=True),
        Scope("cards.reveal", money=True),
        Scope("cards.redeem"),
        Scope("claims.write", money=True),
    )
}


class KeyUnknownError(errors.RefusedError):
    code: ClassVar[str] = "api_key.unknown"
    status: ClassVar[int] = 404


class KeyUnfitError(errors.RefusedError):
    """field: of the key, what cannot be so."""

    code: ClassVar[str] = "api_key.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class KeyStateError(errors.RefusedError):
    """It was revoked, or two of its secrets are good already."""

    code: ClassVar[str] = "api_key.state"


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once. signing_secret: of a key that may move money."""

    id: uuid.UUID
    token: str
    signing_secret: str | None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """As its brand sees it. old_until: the secret before the newest is good until then; None where there is none."""

    id: uuid.UUID
    name: str
    mode: Mode
    reseller: str | None
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    created_at: dt.datetime
    created_by: uuid.UUID
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    last_used_on: dt.date | None
    old_until: dt.datetime | None
    bearer_orders: bool

    def state(self, now: dt.datetime) -> Literal["active", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        return "active" if now < self.expires_at else "expired"


def signs(scopes: Collection[str]) -> bool:
    return any(SCOPES[name].money for name in scopes if name in SCOPES)


async def create(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    name: str,
    mode: Mode,
    reseller: str | None,
    scopes: Collection[str],
    networks: Collection[str],
    expires_at: dt.datetime,
    bearer_orders: bool = False,
    created_by: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> Issued:
    """Raises KeyUnfitError. networks: addresses or networks that it may be used from; none for anywhere. bearer_orders: its token
    alone is enough to send orders, without a signature.
    """
    name, places = name.strip(), read_networks(networks)
    bearer_orders = bearer_orders and "orders.write" in scopes
    for refusal in unfit(name=name, reseller=reseller, scopes=scopes, networks=networks, expires_at=expires_at, now=now):
        raise refusal
    key_id = ids.new_id()
    async with db.atomic(brand_id):
        try:
            async with db.atomic():
                await db.connection().execute(
                    "INSERT INTO api_key (brand_id, id, name, mode, reseller, scopes, networks, created_at, created_by, expires_at, bearer_orders)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                    brand_id,
                    key_id,
                    name,
                    mode,
                    reseller,
                    " ".join(sorted(scopes)),
                    " ".join(places) or None,
                    now,
                    created_by,
                    expires_at,
                    bearer_orders,
                )
        except asyncpg.ForeignKeyViolationError:
            raise KeyUnfitError("reseller", "There is no such reseller.") from None
        issued = await _issue(keys, brand_id, key_id, mode, number=1, signs=signs(scopes), by=created_by, now=now)
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="api_key.create",
            subject=str(key_id),
            after={
                "name": name, "mode": mode, "reseller": reseller, "scopes": sorted(scopes), "networks": places,
                "expires_at": expires_at, "bearer_orders": bearer_orders,
            },
        )  # fmt: skip
    return issued


def read_networks(given: Collection[str]) -> list[str]:
    """Raises KeyUnfitError for what is neither an address nor a network."""
    if len(given) > MOST_NETWORKS:
        raise KeyUnfitError("networks", f"At most {MOST_NETWORKS} addresses.")
    try:
        return [str(ipaddress.ip_network(text)) for text in given]
    except ValueError:
        raise KeyUnfitError("networks", "An address is like 203.0.113.7, a network like 203.0.113.0/24.") from None


def unfit(
    *,
    name: str,
    reseller: str | None,
    scopes: Collection[str],
    networks: Collection[str],
    expires_at: dt.datetime,
    now: dt.datetime,
) -> list[KeyUnfitError]:
    """All that create() would refuse without asking the database."""
    found = []
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        found.append(KeyUnfitError("name", f"A name has 1 to {LONGEST_NAME} characters."))
    if reseller is not None and not CODE.fullmatch(reseller):
        found.append(KeyUnfitError("reseller", "There is no such reseller."))
    if not scopes or not set(scopes) <= set(SCOPES):
        found.append(KeyUnfitError("scopes", "A key is for something: choose what it may do."))
    elif reseller is not None and not all(SCOPES[scope].reseller for scope in scopes):
        found.append(KeyUnfitError("scopes", "A key of a reseller reads the reseller's own rows, and nothing of the brand."))
    try:
        read_networks(networks)
    except KeyUnfitError as refusal:
        found.append(refusal)
    if not now < expires_at <= now + LONGEST_LIFE:
        found.append(KeyUnfitError("expires", "A key ends within two years."))
    return found


async def _issue(
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    key_id: uuid.UUID,
    mode: Mode,
    *,
    number: int,
    signs: bool,
    by: uuid.UUID,
    now: dt.datetime,
) -> Issued:
    token, signing = f"qc_{mode}_{key_id.hex}_{crypto.token()}", f"qcs_{crypto.token()}" if signs else None
    await db.connection().execute(
        "INSERT INTO api_secret (brand_id, key, number, token_hash, signing_cipher, issued_at, issued_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        brand_id,
        key_id,
        number,
        crypto.token_hash(token),
        keys.seal(signing.encode(), place=place(key_id, number)) if signing else None,
        now,
        by,
    )
    return Issued(id=key_id, token=token, signing_secret=signing)


def place(key_id: uuid.UUID, number: int) -> str:
    """Where a signing secret is sealed for."""
    return f"api_secret/{key_id}/{number}"


async def rotate(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    key_id: uuid.UUID,
    overlap: dt.timedelta,
    by: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> Issued:
    """New secrets for the key; those so far stay good for the overlap. Raises KeyStateError while an earlier overlap lasts."""
    overlaps.require(overlap)
    async with db.atomic(brand_id):
        row = await _open(key_id, now)
        newest = await db.connection().fetchrow(
            "SELECT number, issued_at FROM api_secret WHERE key = $1 AND ends_at IS NULL", key_id
        )
        if await _old_until(key_id, now) is not None:
            raise KeyStateError("Two secrets of this key are good already: end the old one first.")
        await db.connection().execute(
            "UPDATE api_secret SET ends_at = greatest($3, issued_at) WHERE key = $1 AND number = $2",
            key_id,
            newest["number"],
            now + overlap,
        )
        scopes = row["scopes"].split()
        issued = await _issue(
            keys, brand_id, key_id, row["mode"], number=newest["number"] + 1, signs=signs(scopes), by=by, now=now
        )
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="api_key.rotate",
            subject=str(key_id),
            after={"number": newest["number"] + 1, "old_until": now + overlap},
        )
    return issued


async def end_old(*, brand_id: uuid.UUID, key_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """The secret before the newest is good no longer, from now on."""
    async with db.atomic(brand_id):
        await _open(key_id, now)
        status = await db.connection().execute(
            "UPDATE api_secret SET ends_at = greatest($2, issued_at) WHERE key = $1 AND ends_at > $2", key_id, now
        )
        if status == "UPDATE 0":
            raise KeyStateError("Only one secret of this key is good.")
        await audit.record(brand_id=brand_id, actor=actor, action="api_key.end_old", subject=str(key_id))


async def revoke(*, brand_id: uuid.UUID, key_id: uuid.UUID, by: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """From the next request on nobody has it."""
    async with db.atomic(brand_id):
        row = await _locked(key_id)
        if row["revoked_at"] is not None:
            raise KeyStateError("The key was revoked already.")
        await db.connection().execute("UPDATE api_key SET revoked_at = $2, revoked_by = $3 WHERE id = $1", key_id, now, by)
        await audit.record(
            brand_id=brand_id, actor=actor, action="api_key.revoke", subject=str(key_id), before={"name": row["name"]}
        )


async def _locked(key_id: uuid.UUID) -> asyncpg.Record:
    """Two who change a key at once do so one after the other."""
    row = await db.connection().fetchrow("SELECT * FROM api_key WHERE id = $1 FOR UPDATE", key_id)
    if row is None:
        raise KeyUnknownError("There is no such key.")
    return row


async def _open(key_id: uuid.UUID, now: dt.datetime) -> asyncpg.Record:
    row = await _locked(key_id)
    if row["revoked_at"] is not None or now >= row["expires_at"]:
        raise KeyStateError("The key was revoked, or its time is over: make another.")
    return row


async def _old_until(key_id: uuid.UUID, now: dt.datetime) -> dt.datetime | None:
    found: dt.datetime | None = await db.connection().fetchval(
        "SELECT max(ends_at) FROM api_secret WHERE key = $1 AND ends_at > $2", key_id, now
    )
    return found


async def listing(*, brand_id: uuid.UUID, now: dt.datetime) -> list[Key]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT k.id, k.name, k.mode, k.reseller, k.scopes, k.networks, k.created_at, k.created_by, k.expires_at, k.revoked_at, k.last_used_on, k.bearer_orders,"
            " (SELECT max(s.ends_at) FROM api_secret s WHERE s.brand_id = k.brand_id AND s.key = k.id AND s.ends_at > $1) AS old_until"
            " FROM api_key k ORDER BY k.id DESC",
            now,
        )
    return [
        Key(**{**dict(row), "scopes": tuple(row["scopes"].split()), "networks": tuple((row["networks"] or "").split())})
        for row in rows
    ]


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes nonces whose requests would be too old by now; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute("DELETE FROM api_nonce WHERE used_at < $1", now - api_signature.REMEMBERED)
    return int(status.removeprefix("DELETE "))
