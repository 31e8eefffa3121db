"""Pools: of a reseller in a channel, of a reseller, of a channel, or the brand's own; and the rules of a SKU in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import asyncpg

from qucheng.core import audit, db, errors
from qucheng.stock import rules

if TYPE_CHECKING:
    import uuid

MOST_LEVEL = 1_000_000_000


class PoolUnknownError(errors.RefusedError):
    code: ClassVar[str] = "pool.unknown"
    status: ClassVar[int] = 404


class PoolOwnerError(errors.RefusedError):
    """There is no such reseller or channel."""

    code: ClassVar[str] = "pool.owner"
    status: ClassVar[int] = 422


class PoolRuleError(errors.RefusedError):
    """A level or quota cannot be meant, or what is not allocated would borrow."""

    code: ClassVar[str] = "pool.rule"
    status: ClassVar[int] = 422


async def pool_of(*, reseller: str | None, channel: str | None) -> int:
    """Inside the transaction: its number; it is opened when it is first asked for. Neither: what is not allocated. Raises PoolOwnerError."""
    found: int | None = await _find(reseller, channel)
    if found is not None:
        return found
    await db.connection().execute("SELECT lock_brand(current_brand(), 'pool')")
    found = await _find(reseller, channel)  # another may have opened it meanwhile
    if found is not None:
        return found
    try:
        async with db.atomic():
            made: int = await db.connection().fetchval(
                "INSERT INTO pool (brand_id, number, reseller, channel)"
                " SELECT current_brand(), CASE WHEN $1::text IS NULL AND $2::text IS NULL THEN 0 ELSE coalesce(max(number), 0) + 1 END, $1, $2"
                " FROM pool RETURNING number",
                reseller,
                channel,
            )
    except asyncpg.ForeignKeyViolationError:
        raise PoolOwnerError("There is no such reseller or channel.") from None
    return made


async def _find(reseller: str | None, channel: str | None) -> int | None:
    found: int | None = await db.connection().fetchval(
        "SELECT number FROM pool WHERE reseller IS NOT DISTINCT FROM $1 AND channel IS NOT DISTINCT FROM $2", reseller, channel
    )
    return found


async def open_pool(*, brand_id: uuid.UUID, reseller: str | None, channel: str | None, actor: audit.Actor) -> int:
    """Raises PoolOwnerError."""
    async with db.atomic(brand_id):
        number = await pool_of(reseller=reseller, channel=channel)
        after = {"reseller": reseller, "channel": channel}
        await audit.record(brand_id=brand_id, actor=actor, action="pool.open", subject=str(number), after=after)
    return number


async def set_rule(
    *, brand_id: uuid.UUID, pool: int, sku: str, low_level: int | None, borrow_quota: int | None, actor: audit.Actor
) -> None:
    """Below which level people are told, and how many cards it may have borrowed. Raises PoolUnknownError, PoolRuleError."""
    if any(value is not None and not 1 <= value <= MOST_LEVEL for value in (low_level, borrow_quota)) or (
        pool == rules.UNALLOCATED and borrow_quota is not None
    ):
        raise PoolRuleError("A level and a quota are at least 1, and what is not allocated does not borrow.")
    try:
        async with db.atomic(brand_id):
            before = await db.connection().fetchrow(
                "SELECT low_level, borrow_quota FROM pool_sku WHERE sku = $1 AND pool = $2 FOR NO KEY UPDATE", sku, pool
            )
            await db.connection().execute(
                "INSERT INTO pool_sku (brand_id, sku, pool, low_level, borrow_quota) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (brand_id, sku, pool) DO UPDATE SET low_level = excluded.low_level, borrow_quota = excluded.borrow_quota",
                brand_id,
                sku,
                pool,
                low_level,
                borrow_quota,
            )
            await audit.record(
                brand_id=brand_id,
                actor=actor,
                action="pool.rule",
                subject=f"{pool}/{sku}",
                before=dict(before) if before else None,
                after={"low_level": low_level, "borrow_quota": borrow_quota},
            )
    except asyncpg.ForeignKeyViolationError:
        raise PoolUnknownError(f"There is no pool {pool}, or no SKU {sku!r}.") from None
