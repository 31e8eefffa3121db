"""Batches: cards that come in together, are released together, and can be withdrawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from qucheng.core import audit, db, errors, task
from qucheng.stock import act, pool, rules, stop

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.identity.brand import Brand

RELEASE = "stock.release"
# of a larger batch the cards become available by a task, so many in a transaction
AT_ONCE = 50_000


class BatchUnknownError(errors.RefusedError):
    code: ClassVar[str] = "batch.unknown"
    status: ClassVar[int] = 404


class BatchSkuError(errors.RefusedError):
    """There is no such SKU, or it is none of which each unit is a card."""

    code: ClassVar[str] = "batch.sku"
    status: ClassVar[int] = 422


class BatchStateError(errors.RefusedError):
    """It is not in a state in which this can be done to it."""

    code: ClassVar[str] = "batch.state"


async def open_batch(
    *,
    brand_id: uuid.UUID,
    sku: str,
    source: Literal["generated", "imported"],
    quantity: int,
    pool: int = rules.UNALLOCATED,
    face_value_minor: int | None = None,
    note: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """Inside the transaction. Raises BatchSkuError, PoolUnknownError."""
    connection = db.connection()
    if await connection.fetchval("SELECT kind FROM sku WHERE code = $1", sku) != "card_secret":
        raise BatchSkuError(f"{sku!r} is no SKU of which each unit is a card.")
    await _require_pool(pool)
    await connection.execute("SELECT lock_brand($1, 'batch')", brand_id)
    number: int = await connection.fetchval(
        "INSERT INTO batch (brand_id, number, sku, source, pool, quantity, face_value_minor, note, opened_by, opened_at)"
        " SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM batch RETURNING number",
        brand_id,
        sku,
        source,
        pool,
        quantity,
        face_value_minor,
        rules.line(note, rules.LONGEST_NOTE),
        actor.user_id,
        now,
    )
    after = {"sku": sku, "source": source, "pool": pool, "quantity": quantity}
    await audit.record(brand_id=brand_id, actor=actor, action="batch.open", subject=str(number), after=after)
    return number


async def _require_pool(number: int) -> None:
    if number == rules.UNALLOCATED:
        await pool.pool_of(reseller=None, channel=None)
    elif not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM pool WHERE number = $1)", number):
        raise pool.PoolUnknownError(f"There is no pool {number}.")


async def filled(*, number: int) -> int:
    """Inside the transaction: no more cards come in; its quantity is what did. Returns it."""
    came: int | None = await db.connection().fetchval(
        "UPDATE batch SET state = 'filled', quantity = (SELECT coalesce(sum(came_in), 0) FROM stock_level l WHERE l.batch = $1)"
        " WHERE number = $1 AND state = 'filling' RETURNING quantity",
        number,
    )
    if came is None:
        raise BatchStateError(f"Batch {number} is not being filled.")
    return came


async def release(*, brand: Brand, number: int, actor: audit.Actor, now: dt.datetime) -> int:
    """Its cards become available, those of a large one bit by bit by a task. Returns how many. Raises BatchUnknownError, BatchStateError."""
    async with db.atomic(brand.id):
        quantity = await _begin_release(number)
        await audit.record(
            brand_id=brand.id, actor=actor, action="batch.release", subject=str(number), after={"quantity": quantity}
        )
        if quantity > AT_ONCE:
            subject = {"batch": number, "by": str(actor.user_id) if actor.user_id else None, "role": actor.role}
            await task.add(kind=RELEASE, queue="rest", brand_id=brand.id, subject=subject, key=f"{RELEASE}/{brand.id}/{number}")
        else:
            await _free(number, actor, now)
            await _end_release(number, now)
    return quantity


async def _begin_release(number: int) -> int:
    quantity: int | None = await db.connection().fetchval(
        "UPDATE batch SET state = 'releasing' WHERE number = $1 AND state = 'filled' RETURNING quantity", number
    )
    if quantity is None:
        await _state(number)
        raise BatchStateError(f"Batch {number} is not waiting to be released.")
    return quantity


async def _end_release(number: int, now: dt.datetime) -> None:
    await db.connection().execute(
        "UPDATE batch SET state = 'released', released_at = $2 WHERE number = $1 AND state = 'releasing'", number, now
    )


async def _free(number: int, actor: audit.Actor, now: dt.datetime) -> int:
    """So many of its inactive cards as one transaction takes."""
    connection = db.connection()
    row = await connection.fetchrow("SELECT sku, pool FROM batch WHERE number = $1", number)
    await act.lock(pairs=[(row["sku"], row["pool"])])
    await act.open_act(kind="release", actor=actor, now=now)
    status: str = await connection.execute(
        "UPDATE card SET state = 'available' WHERE ctid = ANY (ARRAY("
        " SELECT ctid FROM card WHERE brand_id = current_brand() AND batch = $1 AND state = 'inactive' ORDER BY number LIMIT $2))",
        number,
        AT_ONCE,
    )
    return int(status.split()[1])


async def carry_on(*, work: task.Work, brand: Brand, actor: audit.Actor, now: dt.datetime) -> None:
    """The task: frees what is still inactive. One that was killed left whole steps, and the next goes on."""
    number = int(work.task.subject["batch"])
    async with db.atomic(brand.id):
        whole: int = await db.connection().fetchval("SELECT quantity FROM batch WHERE number = $1", number)
    done = 0
    while True:
        async with work.effect(brand.id):
            if await _state(number, hold=True) != "releasing":  # withdrawn meanwhile, or done by an earlier attempt
                return
            freed = await _free(number, actor, now)
            if freed < AT_ONCE:
                await _end_release(number, now)
        done += freed
        await work.progress(min(whole, done), whole)
        if freed < AT_ONCE:
            return


async def withdraw(*, brand: Brand, number: int, reason: str, actor: audit.Actor, now: dt.datetime) -> stop.Outcome:
    """What of it is in stock or frozen is void, and it is never released. Raises BatchUnknownError, BatchStateError."""
    async with db.atomic(brand.id):
        if await _state(number, hold=True) == "withdrawn":
            raise BatchStateError(f"Batch {number} is withdrawn.")
        await db.connection().execute("UPDATE batch SET state = 'withdrawn' WHERE number = $1", number)
        return await stop.void(brand=brand, chosen=stop.Chosen(batch=number), reason=reason, actor=actor, now=now)


async def _state(number: int, *, hold: bool = False) -> str:
    state: str | None = await db.connection().fetchval(
        f"SELECT state FROM batch WHERE number = $1{' FOR NO KEY UPDATE' if hold else ''}", number
    )
    if state is None:
        raise BatchUnknownError(f"There is no batch {number}.")
    return state
