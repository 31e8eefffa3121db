"""What a brand offers to be claimed: made once, read, and ended sooner."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import asyncpg
import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import attempt, blocklist
from qucheng.stock import pool as pools

if TYPE_CHECKING:
    import uuid

    from qucheng.identity.brand import Brand

Period = Literal["ever", "month", "day"]
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
# stands in the address of a page where a code stands
RESERVED = "new"
LONGEST_NAME = 80
MOST_QUOTA = 1_000_000_000


class OfferUnknownError(errors.RefusedError):
    code: ClassVar[str] = "offer.unknown"
    status: ClassVar[int] = 404


class OfferUnfitError(errors.RefusedError):
    """field: of the offer, what cannot be so."""

    code: ClassVar[str] = "offer.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class OfferExistsError(errors.RefusedError):
    code: ClassVar[str] = "offer.exists"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """taken: so many claims there are."""

    code: str
    name: str
    sku: str
    pool: int
    period: Period
    quota: int | None
    taken: int
    starts_at: dt.datetime
    ends_at: dt.datetime


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose pool: a reseller's, a channel's, or a reseller's in a channel. quota: so many claims at most."""

    code: str
    name: str
    sku: str
    reseller: str | None
    channel: str | None
    period: Period
    quota: int | None
    starts_at: dt.datetime
    ends_at: dt.datetime


async def make(*, brand: Brand, wanted: Wanted, actor: audit.Actor, now: dt.datetime) -> Offer:
    """Raises OfferUnfitError, OfferExistsError, PoolOwnerError, and blocklist.PromiseError where its name promises an income."""
    _require_fit(wanted)
    try:
        blocklist.require(wanted.name)
    except blocklist.PromiseError as refusal:
        facts = {"name": wanted.name}
        await attempt.keep(brand_id=brand.id, what="offer.name", subject=wanted.code, refusal=refusal, actor=actor, facts=facts)
        raise
    async with db.atomic(brand.id):
        if await db.connection().fetchval("SELECT kind FROM sku WHERE code = $1", wanted.sku) != "card_secret":
            raise OfferUnfitError("sku", f"{wanted.sku!r} is no SKU of which each unit is a card.")
        pool = await pools.pool_of(reseller=wanted.reseller, channel=wanted.channel)
        try:
            async with db.atomic():
                await db.connection().execute(
                    "INSERT INTO claim_offer (brand_id, code, name, sku, pool, period, quota, starts_at, ends_at, made_by, made_at)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                    brand.id,
                    wanted.code,
                    wanted.name,
                    wanted.sku,
                    pool,
                    wanted.period,
                    wanted.quota,
                    wanted.starts_at,
                    wanted.ends_at,
                    actor.user_id,
                    now,
                )
        except asyncpg.UniqueViolationError:
            raise OfferExistsError("There is an offer of this code.") from None
        await audit.record(
            brand_id=brand.id, actor=actor, action="offer.make", subject=wanted.code, after=msgspec.to_builtins(wanted)
        )
        return await _read(wanted.code)


def _require_fit(wanted: Wanted) -> None:
    if CODE.fullmatch(wanted.code) is None or wanted.code == RESERVED:
        raise OfferUnfitError("code", f"1 to 40 of A-Z a-z 0-9 . _ - and not {RESERVED!r}.")
    if not wanted.name.strip() or len(wanted.name) > LONGEST_NAME:
        raise OfferUnfitError("name", f"1 to {LONGEST_NAME} characters.")
    if wanted.reseller is None and wanted.channel is None:
        raise OfferUnfitError("pool", "Name a reseller or a channel: nobody draws from what is not allocated.")
    if wanted.period not in get_args(Period):
        raise OfferUnfitError("period", "ever, month or day.")
    if wanted.quota is not None and not 1 <= wanted.quota <= MOST_QUOTA:
        raise OfferUnfitError("quota", "At least 1, or none.")
    if wanted.starts_at >= wanted.ends_at:
        raise OfferUnfitError("endsAt", "It ends after it begins.")


async def end(*, brand: Brand, code: str, actor: audit.Actor, now: dt.datetime) -> Offer:
    """Nobody claims of it from now on; one that has ended stays as it is. Raises OfferUnknownError."""
    async with db.atomic(brand.id):
        changed = await db.connection().execute(
            "UPDATE claim_offer SET ends_at = greatest(starts_at, $2) WHERE code = $1 AND ends_at > greatest(starts_at, $2)",
            code,
            now,
        )
        if changed != "UPDATE 0":
            await audit.record(brand_id=brand.id, actor=actor, action="offer.end", subject=code)
        return await _read(code)


async def read(*, brand_id: uuid.UUID, code: str) -> Offer:
    """Raises OfferUnknownError."""
    async with db.atomic(brand_id):
        return await _read(code)


async def _read(code: str) -> Offer:
    row = await db.connection().fetchrow(
        "SELECT code, name, sku, pool, period, quota, taken, starts_at, ends_at FROM claim_offer WHERE code = $1", code
    )
    if row is None:
        raise OfferUnknownError("There is no such offer.")
    return Offer(**dict(row))
