"""Allocations and requests from a page: what is sent twice is done once, and what was looked at is what is changed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors
from qucheng.stock import act, allocation, rules

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand

Way = Literal["in", "out"]
# it grows with every card that comes into the pool or leaves it, and with no sale
SEEN = """
    SELECT p.number = $2 AS own, coalesce(sum(l.available), 0)::bigint AS available,
        coalesce(sum(l.came_in + l.moved_in + l.moved_out), 0)::bigint AS moved
    FROM pool p LEFT JOIN stock_level l ON l.brand_id = p.brand_id AND l.pool = p.number AND l.sku = $1
    WHERE p.number IN (0, $2) GROUP BY p.number"""
ONE = f"""
    SELECT {", ".join(f"a.{name.strip()}" for name in allocation.COLUMNS.split(","))}, r.name AS reseller_name, c.name AS channel_name, a.decided_by,
        coalesce(p.number, -1) AS pool
    FROM allocation_request a JOIN reseller r ON r.brand_id = a.brand_id AND r.code = a.reseller
    LEFT JOIN channel c ON c.brand_id = a.brand_id AND c.code = a.channel
    LEFT JOIN pool p ON p.brand_id = a.brand_id AND p.reseller = a.reseller AND p.channel IS NOT DISTINCT FROM a.channel WHERE a.id = $1"""
ASKED = """
    SELECT EXISTS (SELECT 1 FROM allocation_request WHERE state = 'waiting' AND sku = $1 AND quantity = $2 AND channel IS NOT DISTINCT FROM $3)"""


class PoolMovedError(errors.RefusedError):
    """Cards were allocated or returned since the page was opened."""

    code: ClassVar[str] = "pool.moved"


class AskedAlreadyError(errors.RefusedError):
    """The same request waits."""

    code: ClassVar[str] = "allocation_request.asked"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request with the names of what it is about. pool: where the cards would go; -1 where that is not opened yet."""

    request: allocation.Request
    reseller_name: str
    channel_name: str | None
    decided_by: uuid.UUID | None
    pool: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """available: in the pool; unallocated: in what is not allocated. moved: what a move of it is compared with."""

    available: int
    unallocated: int
    moved: int

    def after(self, way: Way, quantity: int) -> tuple[int, int]:
        """In the pool, and in what is not allocated."""
        change = quantity if way == "in" else -quantity
        return self.available + change, self.unallocated - change


async def preview(*, brand_id: uuid.UUID, pool: int, sku: str) -> Preview:
    async with db.atomic(brand_id):
        return await _seen(pool, sku)


async def move(
    *,
    brand: Brand,
    pool: int,
    sku: str,
    way: Way,
    quantity: int,
    moved: int,
    note: str | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """From what is not allocated into the pool, or back. moved: as the preview said.

    Raises PoolMovedError, AllocationRefusedError, PoolUnknownError, StockShortError.
    """
    ends = (rules.UNALLOCATED, pool) if way == "in" else (pool, rules.UNALLOCATED)
    async with db.atomic(brand.id):
        await act.lock(pairs=[(sku, rules.UNALLOCATED), (sku, pool)])
        if (await _seen(pool, sku)).moved != moved:
            raise PoolMovedError("Cards were allocated or returned meanwhile.")
        await allocation.allocate(
            brand=brand, sku=sku, from_pool=ends[0], to_pool=ends[1], quantity=quantity, note=note, actor=actor, now=now
        )


async def asked(*, brand_id: uuid.UUID, request: uuid.UUID) -> Asked | None:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(ONE, request)
    if row is None:
        return None
    found = dict(row)
    names = {name: found.pop(name) for name in ("reseller_name", "channel_name", "decided_by", "pool")}
    return Asked(request=allocation.Request(**found), **names)


async def ask(
    *,
    brand_id: uuid.UUID,
    reseller: str,
    channel: str | None,
    sku: str,
    quantity: int,
    note: str | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """By its people, with their own rights. Raises AskedAlreadyError, RequestUnfitError."""
    async with db.atomic(brand_id, reseller=reseller):
        connection = db.connection()
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"allocation.ask:{brand_id}:{reseller}")
        if await connection.fetchval(ASKED, sku, quantity, channel):
            raise AskedAlreadyError("The same request waits for the brand already.")
        return await allocation.ask(
            brand_id=brand_id, reseller=reseller, channel=channel, sku=sku, quantity=quantity, note=note, actor=actor, now=now
        )


async def _seen(pool: int, sku: str) -> Preview:
    rows = {row["own"]: row for row in await db.connection().fetch(SEEN, sku, pool)}
    mine = rows.get(True)
    rest = rows.get(False)
    return Preview(
        available=mine["available"] if mine else 0,
        unallocated=rest["available"] if rest else 0,
        moved=mine["moved"] if mine else 0,
    )
