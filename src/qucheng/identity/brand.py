"""A brand: its currency and time zone, its compliance policy, and how it settles."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import ClassVar, Literal

import msgspec

from qucheng.core import db, errors
from qucheng.identity import tables

MOST_KNOWN = 1000


class BrandUnknownError(errors.RefusedError):
    code: ClassVar[str] = "brand.unknown"
    status: ClassVar[int] = 404


class BrandTakenError(errors.RefusedError):
    code: ClassVar[str] = "brand.taken"


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A brand as the platform looks at it: who has come, and nothing of what it sells or earns."""

    id: uuid.UUID
    code: str
    name: str
    currency: str
    policy: str
    resellers: int
    people: int
    owners: int
    invited: int


class Brand(msgspec.Struct, frozen=True, kw_only=True):
    """Rates in parts per million, amounts in minor units of the currency (`decimals` of them after the point)."""

    id: uuid.UUID
    code: str
    name: str
    currency: str
    decimals: int
    time_zone: str
    locale: str
    policy: str
    legal_opinion: str | None
    expires_on: dt.date | None
    max_depth: int
    max_levels: int
    max_total_rate_ppm: int
    hold_days: int
    min_payout_minor: int
    withholding: Literal["none", "cn-labor", "cn-platform"]


_KNOWN: dict[uuid.UUID, Brand] = {}


async def create(*, brand: Brand) -> None:
    """Stores a brand that was read from its bundle; its limits have been checked against the policy."""
    async with db.atomic(brand.id):
        await tables.Brand.insert(tables.Brand(**msgspec.structs.asdict(brand)))


async def overview(*, after: str = "", most: int = 50) -> list[Overview]:
    """By code, those after this one."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT * FROM brand_overview($1, $2)", after, most)
    return [Overview(**dict(row)) for row in rows]


async def read(brand_id: uuid.UUID) -> Brand:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow("SELECT * FROM brand")
    if row is None:
        raise BrandUnknownError(f"There is no brand {brand_id}.")
    return Brand(**dict(row))


async def known(brand_id: uuid.UUID) -> Brand:
    """As read(), and remembered by this process: the app's role has no right to change the row of a brand."""
    found = _KNOWN.get(brand_id)
    if found is None:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        found = _KNOWN[brand_id] = await read(brand_id)
    return found


async def named(code: str) -> Brand | None:
    """The stored brand of that code, if there is one."""
    async with db.atomic():
        brand_id = await db.connection().fetchval("SELECT brand_named($1)", code)
    return await read(brand_id) if brand_id is not None else None


async def require(code: str) -> Brand:
    """Raises BrandUnknownError, which names the brands that there are."""
    brand = await named(code)
    if brand is None:
        codes = ", ".join([brand_code for _, brand_code in await every()][:10])
        raise BrandUnknownError(f"There is no brand {code!r} here; there is {codes or 'none: import its bundle first'}.")
    return brand


async def every() -> list[tuple[uuid.UUID, str]]:
    """Id and code of all brands, for work that the platform does for each of them."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT id, code FROM brands()")
    return [(row["id"], row["code"]) for row in rows]
