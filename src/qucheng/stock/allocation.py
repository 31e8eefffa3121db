"""Cards go from what is not allocated to a pool, and back: by the brand alone, and by itself or because a reseller asked."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.stock import act, draw, pool, rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

MOVE = """
    UPDATE card SET pool = $3 WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM card WHERE brand_id = current_brand() AND sku = $1 AND pool = $2 AND state = 'available' AND expires_on > $5
        ORDER BY expires_on, batch, number LIMIT $4 FOR NO KEY UPDATE))"""
COLUMNS = "id, reseller, channel, sku, quantity, note, asked_by, asked_at, state, granted, answer, decided_at"
MOST_WAITING = 20


class AllocationRefusedError(errors.RefusedError):
    """Cards go from what is not allocated to a pool or back, and at least one."""

    code: ClassVar[str] = "allocation.pools"
    status: ClassVar[int] = 422


class RequestUnknownError(errors.RefusedError):
    code: ClassVar[str] = "allocation_request.unknown"
    status: ClassVar[int] = 404


class RequestDecidedError(errors.RefusedError):
    """It was granted, refused or withdrawn."""

    code: ClassVar[str] = "allocation_request.decided"


class RequestUnfitError(errors.RefusedError):
    """Nobody can ask for that, or decide so. field: which."""

    code: ClassVar[str] = "allocation_request.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """channel: None for all the reseller's. granted: how many were allocated."""

    id: uuid.UUID
    reseller: str
    channel: str | None
    sku: str
    quantity: int
    note: str | None
    asked_by: uuid.UUID
    asked_at: dt.datetime
    state: Literal["waiting", "granted", "refused", "withdrawn"]
    granted: int | None
    answer: str | None
    decided_at: dt.datetime | None


async def allocate(
    *,
    brand: Brand,
    sku: str,
    from_pool: int,
    to_pool: int,
    quantity: int,
    actor: audit.Actor,
    now: dt.datetime,
    note: str | None = None,
) -> uuid.UUID:
    """Those that expire first go first; returns the act. Raises AllocationRefusedError, PoolUnknownError, StockShortError."""
    if (from_pool == rules.UNALLOCATED) == (to_pool == rules.UNALLOCATED) or not 1 <= quantity <= rules.MOST_CARDS:
        raise AllocationRefusedError("Cards go from what is not allocated to a pool or back, one at least.")
    async with db.atomic(brand.id):
        connection = db.connection()
        try:
            async with db.atomic():
                await connection.execute(
                    "INSERT INTO pool_sku (brand_id, sku, pool) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    brand.id,
                    sku,
                    to_pool,
                )
        except asyncpg.ForeignKeyViolationError:
            raise pool.PoolUnknownError(f"There is no pool {to_pool}, or no SKU {sku!r}.") from None
        await act.lock(pairs=[(sku, from_pool), (sku, to_pool)])
        made = await act.open_act(kind="allocate", actor=actor, now=now, note=note)
        # what is taken back may expire today: it is not for sale any more
        today = rules.local_day(now, brand.time_zone) - (dt.timedelta(days=1) if to_pool == rules.UNALLOCATED else dt.timedelta())
        status = await connection.execute(MOVE, sku, from_pool, to_pool, quantity, today)
        if int(status.split()[1]) != quantity:
            raise draw.StockShortError(f"There are no {quantity} of {sku} in pool {from_pool}.")
        after = {"sku": sku, "from_pool": from_pool, "to_pool": to_pool, "quantity": quantity}
        await audit.record(brand_id=brand.id, actor=actor, action="stock.allocate", subject=str(made), after=after)
    return made


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
    """By its people, with their own rights. Raises RequestUnfitError."""
    if not 1 <= quantity <= rules.MOST_CARDS:
        raise RequestUnfitError("quantity", f"Ask for 1 to {rules.MOST_CARDS} cards.")
    made = ids.new_id()
    try:
        async with db.atomic(brand_id, reseller=reseller):
            connection = db.connection()
            waiting = await connection.fetchval("SELECT count(*) FROM allocation_request WHERE state = 'waiting'")
            if waiting >= MOST_WAITING:
                raise RequestUnfitError("quantity", f"{MOST_WAITING} of your requests wait already.")
            if await connection.fetchval("SELECT kind FROM sku WHERE code = $1", sku) != "card_secret":
                raise RequestUnfitError("sku", f"{sku!r} is not sold from stock.")
            await connection.execute(
                "INSERT INTO allocation_request (brand_id, id, reseller, channel, sku, quantity, note, asked_by, asked_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                brand_id,
                made,
                reseller,
                channel,
                sku,
                quantity,
                rules.line(note, rules.LONGEST_NOTE),
                actor.user_id,
                now,
            )
            after = {"sku": sku, "channel": channel, "quantity": quantity}
            await audit.record(brand_id=brand_id, actor=actor, action="allocation.ask", subject=str(made), after=after)
    except asyncpg.ForeignKeyViolationError:
        raise RequestUnfitError("channel", f"There is no channel {channel!r}.") from None
    return made


async def grant(
    *, brand: Brand, request: uuid.UUID, quantity: int, answer: str | None, actor: audit.Actor, now: dt.datetime
) -> None:
    """All or fewer. Raises RequestUnknownError, RequestDecidedError, RequestUnfitError, StockShortError."""
    async with db.atomic(brand.id):
        asked = await _waiting(request)
        if not 1 <= quantity <= asked.quantity:
            raise RequestUnfitError("quantity", f"Grant 1 to {asked.quantity}, or refuse.")
        to_pool = await pool.pool_of(reseller=asked.reseller, channel=asked.channel)
        made = await allocate(
            brand=brand, sku=asked.sku, from_pool=rules.UNALLOCATED, to_pool=to_pool, quantity=quantity, actor=actor, now=now
        )
        await _decide(
            brand.id, request, "granted", rules.line(answer, rules.LONGEST_NOTE), actor, now, act=made, granted=quantity
        )


async def refuse(*, brand: Brand, request: uuid.UUID, answer: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Raises RequestUnknownError, RequestDecidedError, RequestUnfitError."""
    said = rules.line(answer, rules.LONGEST_NOTE)
    if said is None:
        raise RequestUnfitError("answer", "Say why not, in a line.")
    async with db.atomic(brand.id):
        await _waiting(request)
        await _decide(brand.id, request, "refused", said, actor, now)


async def withdraw(*, brand: Brand, request: uuid.UUID, reseller: str, actor: audit.Actor, now: dt.datetime) -> None:
    """By the reseller who asked. Raises RequestUnknownError, RequestDecidedError."""
    async with db.atomic(brand.id):
        await _waiting(request, reseller)
        await _decide(brand.id, request, "withdrawn", None, actor, now)


async def requests(*, brand_id: uuid.UUID, reseller: str | None = None, waiting: bool = False, most: int = 100) -> list[Request]:
    """The newest first, of the reseller with its own eyes; waiting: only these, the oldest first."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM allocation_request WHERE NOT $1 OR state = 'waiting'"
            " ORDER BY CASE WHEN $1 THEN asked_at END, asked_at DESC, id LIMIT $2",
            waiting,
            most,
        )
    return [Request(**dict(row)) for row in rows]


async def _waiting(request: uuid.UUID, reseller: str | None = None) -> Request:
    row = await db.connection().fetchrow(
        f"SELECT {COLUMNS} FROM allocation_request WHERE id = $1 AND ($2::text IS NULL OR reseller = $2) FOR NO KEY UPDATE",
        request,
        reseller,
    )
    if row is None:
        raise RequestUnknownError("There is no such request.")
    if row["state"] != "waiting":
        raise RequestDecidedError(f"This request is {row['state']}.")
    return Request(**dict(row))


async def _decide(
    brand_id: uuid.UUID,
    request: uuid.UUID,
    state: str,
    answer: str | None,
    actor: audit.Actor,
    now: dt.datetime,
    *,
    act: uuid.UUID | None = None,
    granted: int | None = None,
) -> None:
    await db.connection().execute(
        "UPDATE allocation_request SET state = $2, answer = $3, decided_by = $4, decided_at = $5, act = $6, granted = $7 WHERE id = $1",
        request,
        state,
        answer,
        actor.user_id,
        now,
        act,
        granted,
    )
    after = {"state": state, "granted": granted, "answer": answer}
    await audit.record(brand_id=brand_id, actor=actor, action="allocation.decide", subject=str(request), after=after)
