"""Who a reseller is by law: sealed, found again by a keyed fingerprint, and looked at by somebody who says so."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import document_number
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    from qucheng.core import crypto

State = Literal["unverified", "verified", "expired", "failed"]
Method = Literal["document", "register", "video", "bank"]
METHODS: tuple[Method, ...] = get_args(Method)
LONGEST_REFERENCE = 80
LAST = """
    SELECT outcome, method, expires_on, verified_at FROM identity_verification WHERE brand_id = current_brand() AND reseller = $1
    ORDER BY number DESC LIMIT 1"""


class FactsMissingError(errors.RefusedError):
    """Nobody has written down who the reseller is: it came with a delivery."""

    code: ClassVar[str] = "identity.missing"
    status: ClassVar[int] = 404


class VerificationUnfitError(errors.RefusedError):
    """field: what of it cannot be so."""

    code: ClassVar[str] = "identity.verification"
    status: ClassVar[int] = 422

    def __init__(self, field: str) -> None:
        super().__init__(f"The verification cannot be kept: its {field} is not right.")
        self.field = field


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """In the clear. number: normalised."""

    legal_name: str
    document: document_number.Document
    number: str
    contact_name: str
    email: str
    phone: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The last one counts; unverified where there is none."""

    state: State
    method: Method | None = None
    verified_at: dt.datetime | None = None
    expires_on: dt.date | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    outcome: Literal["verified", "failed"]
    method: Method
    reference: str | None
    expires_on: dt.date | None
    verified_at: dt.datetime
    verified_by: uuid.UUID


def place(brand_id: uuid.UUID, reseller: str) -> str:
    """Where a reseller's facts are sealed for."""
    return f"reseller_identity.facts/{brand_id}/{reseller}"


def sealed(keys: crypto.Keys, facts: Facts, *, place: str) -> bytes:
    return keys.seal(msgspec.json.encode(facts), place=place)


def opened(keys: crypto.Keys, cipher: bytes, *, place: str) -> Facts:
    return msgspec.json.decode(keys.open(cipher, place=place), type=Facts)


def fingerprint(keys: crypto.Keys, brand_id: uuid.UUID, document: document_number.Document, number: str) -> bytes:
    """The same for the same person within a brand, and another in every other brand."""
    return keys.fingerprint(f"{document}/{number}", of=f"identity/{brand_id}")


async def read(*, keys: crypto.Keys, brand_id: uuid.UUID, reseller: str, actor: audit.Actor) -> Facts:
    """That somebody has looked is on record. Raises FactsMissingError."""
    async with db.atomic(brand_id):
        cipher = await db.connection().fetchval("SELECT facts_cipher FROM reseller_identity WHERE reseller = $1", reseller)
        if cipher is None:
            raise FactsMissingError(f"Nothing is known of who {reseller} is by law.")
        await audit.record(brand_id=brand_id, actor=actor, action="identity.read", subject=reseller)
    return opened(keys, cipher, place=place(brand_id, reseller))


async def has_facts(*, brand_id: uuid.UUID, reseller: str) -> bool:
    async with db.atomic(brand_id):
        return bool(
            await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM reseller_identity WHERE reseller = $1)", reseller)
        )


async def verify(
    *,
    brand_id: uuid.UUID,
    reseller: str,
    outcome: Literal["verified", "failed"],
    method: str,
    reference: str,
    expires_on: dt.date | None,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """reference: where the proof is kept. day: today at the brand. Raises VerificationUnfitError and ResellerUnknownError."""
    if method not in METHODS:
        raise VerificationUnfitError("method")
    if len(reference) > LONGEST_REFERENCE or not reference.isprintable():
        raise VerificationUnfitError("reference")
    if outcome == "failed":
        expires_on = None
    if expires_on is not None and expires_on <= day:
        raise VerificationUnfitError("expires_on")
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, $2)", brand_id, f"verification/{reseller}")
        await resellers.require(reseller)
        await db.connection().execute(
            "INSERT INTO identity_verification (brand_id, reseller, number, outcome, method, reference, expires_on, verified_at, verified_by)"
            " SELECT $1, $2, 1 + count(*), $3, $4, $5, $6, $7, $8 FROM identity_verification WHERE reseller = $2",
            brand_id,
            reseller,
            outcome,
            method,
            reference or None,
            expires_on,
            now,
            actor.user_id,
        )
        after = {"outcome": outcome, "method": method, "expires_on": expires_on}
        await audit.record(brand_id=brand_id, actor=actor, action="identity.verify", subject=reseller, after=after)


async def verification(*, brand_id: uuid.UUID, reseller: str, day: dt.date, own: bool = False) -> Verification:
    """own: with the reseller's own eyes."""
    async with db.atomic(brand_id, reseller=reseller if own else None):
        row = await db.connection().fetchrow(LAST, reseller)
    if row is None:
        return Verification(state="unverified")
    state: State = row["outcome"]
    if state == "verified" and row["expires_on"] is not None and row["expires_on"] <= day:
        state = "expired"
    return Verification(state=state, method=row["method"], verified_at=row["verified_at"], expires_on=row["expires_on"])


async def history(*, brand_id: uuid.UUID, reseller: str) -> list[Entry]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT number, outcome, method, reference, expires_on, verified_at, verified_by FROM identity_verification"
            " WHERE reseller = $1 ORDER BY number DESC LIMIT 20",
            reseller,
        )
    return [Entry(**dict(row)) for row in rows]
