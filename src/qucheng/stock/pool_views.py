"""Pools as people see them: what is in them by SKU and by batch, what was moved, and what became of orders that wait for cards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

import msgspec

from qucheng.core import db
from qucheng.stock import rules, stock_case, stop

PAGE = 20
MOST = 200
SUMMED = ", ".join(f"sum({state})::bigint AS {state}" for state in rules.STATES)
COUNTED = ", ".join(f"coalesce(l.{state}, 0) AS {state}" for state in rules.STATES)
TOTALS = ", ".join(f"coalesce(sum({state}), 0)::bigint AS {state}" for state in rules.STATES)
FOUND = f"""
    WITH level AS (SELECT brand_id, pool, sku, {SUMMED} FROM stock_level GROUP BY 1, 2, 3), found AS (
        SELECT p.number AS pool, p.reseller, s.name AS reseller_name, p.channel, c.name AS channel_name, r.sku, k.name AS sku_name,
            r.low_level, r.borrow_quota, coalesce(r.borrowed, 0) AS borrowed, {COUNTED}
        FROM pool p LEFT JOIN pool_sku r ON r.brand_id = p.brand_id AND r.pool = p.number LEFT JOIN sku k ON k.brand_id = r.brand_id AND k.code = r.sku
        LEFT JOIN reseller s ON s.brand_id = p.brand_id AND s.code = p.reseller LEFT JOIN channel c ON c.brand_id = p.brand_id AND c.code = p.channel
        LEFT JOIN level l ON l.brand_id = p.brand_id AND l.pool = p.number AND l.sku = r.sku
        WHERE ($1::text IS NULL OR p.reseller = $1 OR s.name ILIKE '%' || $1 || '%') AND ($2::text IS NULL OR p.channel = $2)
            AND ($3::text IS NULL OR r.sku = $3) AND (NOT $4 OR coalesce(l.available, 0) < r.low_level) AND ($5::int IS NULL OR p.number = $5))"""
OWN = f"""
    WITH level AS (SELECT brand_id, pool, sku, {SUMMED} FROM stock_level GROUP BY 1, 2, 3)
    SELECT p.number AS pool, p.reseller, NULL AS reseller_name, p.channel, c.name AS channel_name, r.sku, k.name AS sku_name,
        r.low_level, NULL AS borrow_quota, 0 AS borrowed, {COUNTED}
    FROM pool p JOIN pool_sku r ON r.brand_id = p.brand_id AND r.pool = p.number JOIN sku k ON k.brand_id = r.brand_id AND k.code = r.sku
    LEFT JOIN channel c ON c.brand_id = p.brand_id AND c.code = p.channel
    LEFT JOIN level l ON l.brand_id = p.brand_id AND l.pool = p.number AND l.sku = r.sku
    ORDER BY k.name, r.sku, p.channel NULLS FIRST LIMIT {MOST}"""
BATCHES = f"""
    SELECT l.batch, l.sku, k.name AS sku_name, nullif(nullif(b.latest_expiry, 'infinity'), '-infinity') AS latest_expiry,
        l.came_in, l.moved_in, l.moved_out, {COUNTED}
    FROM stock_level l JOIN batch b ON b.brand_id = l.brand_id AND b.number = l.batch JOIN sku k ON k.brand_id = l.brand_id AND k.code = l.sku
    WHERE l.pool = $1 ORDER BY b.earliest_expiry, l.batch LIMIT {MOST}"""
MOVES = """
    SELECT a.at, a.user_id, a.note, m.sku, m.from_pool, m.to_pool, m.quantity FROM allocation m
    JOIN stock_act a ON a.brand_id = m.brand_id AND a.id = m.act WHERE m.from_pool = $1 OR m.to_pool = $1 ORDER BY a.at DESC, a.id LIMIT 50"""
CASES = f"""
    SELECT {", ".join(f"c.{name.strip()}" for name in stock_case.COLUMNS.split(","))}, k.name AS sku_name, r.name AS reseller_name,
        h.name AS channel_name, c.closed_by
    FROM stock_case c JOIN sku k ON k.brand_id = c.brand_id AND k.code = c.sku JOIN reseller r ON r.brand_id = c.brand_id AND r.code = c.reseller
    JOIN channel h ON h.brand_id = c.brand_id AND h.code = c.channel"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU in a pool; no SKU where the pool never had any. low: fewer are available than its rule says."""

    pool: int
    reseller: str | None
    reseller_name: str | None
    channel: str | None
    channel_name: str | None
    sku: str | None
    sku_name: str | None
    low_level: int | None
    borrow_quota: int | None
    borrowed: int
    levels: dict[str, int]

    @property
    def low(self) -> bool:
        return self.low_level is not None and self.levels["available"] < self.low_level


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """reseller: its code, or part of its name."""

    reseller: str | None = None
    channel: str | None = None
    sku: str | None = None
    low: bool = False
    pool: int | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """totals: of all that fit, by state."""

    rows: list[Place]
    total: int
    totals: dict[str, int]


class InBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What of a batch is in a pool, and how it came there: came_in + moved_in - moved_out is the sum of its levels."""

    batch: int
    sku: str
    sku_name: str
    latest_expiry: dt.date | None
    came_in: int
    moved_in: int
    moved_out: int
    levels: dict[str, int]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    at: dt.datetime
    user_id: uuid.UUID | None
    note: str | None
    sku: str
    from_pool: int
    to_pool: int
    quantity: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """With the names of what it is about."""

    case: stock_case.Case
    sku_name: str
    reseller_name: str
    channel_name: str
    closed_by: uuid.UUID | None


async def listing(*, brand_id: uuid.UUID, chosen: Chosen, page: int = 1) -> Listing:
    """What is not allocated first, then by reseller and channel."""
    values = (chosen.reseller, chosen.channel, chosen.sku, chosen.low, chosen.pool)
    async with db.atomic(brand_id):
        connection = db.connection()
        rows = await connection.fetch(
            f"{FOUND} SELECT * FROM found ORDER BY pool <> 0, reseller NULLS LAST, channel NULLS FIRST, sku LIMIT {PAGE} OFFSET $6",
            *values,
            (page - 1) * PAGE,
        )
        whole = dict(await connection.fetchrow(f"{FOUND} SELECT count(*) AS total, {TOTALS} FROM found", *values))
    return Listing(rows=[_place(dict(row)) for row in rows], total=whole.pop("total"), totals=whole)


async def pool(*, brand_id: uuid.UUID, number: int) -> list[Place]:
    """All its SKUs; one row without a SKU where it has none; nothing where there is no such pool."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"{FOUND} SELECT * FROM found ORDER BY sku LIMIT {MOST}", None, None, None, False, number
        )
    return [_place(dict(row)) for row in rows]


async def own(*, brand_id: uuid.UUID, reseller: str) -> list[Place]:
    """A reseller's, with its own eyes."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(OWN)
    return [_place(dict(row)) for row in rows]


async def batches(*, brand_id: uuid.UUID, number: int) -> list[InBatch]:
    """Those of which a pool has cards, or had; in the order in which they are sold."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(BATCHES, number)
    return [InBatch(**_split(dict(row))) for row in rows]


async def moves(*, brand_id: uuid.UUID, number: int) -> list[Move]:
    """The latest allocations to a pool and returns from it, the newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(MOVES, number)
    return [Move(**dict(row)) for row in rows]


async def channels(*, brand_id: uuid.UUID, reseller: str | None = None) -> list[tuple[str, str]]:
    """Code and name; with the eyes of who asks."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch("SELECT code, name FROM channel ORDER BY name, code LIMIT 1000")
    return [(row["code"], row["name"]) for row in rows]


async def own_skus(*, brand_id: uuid.UUID, reseller: str) -> list[tuple[str, str]]:
    """Code and name of those of which each unit is a card, with a reseller's own eyes."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch("SELECT code, name FROM sku WHERE kind = 'card_secret' ORDER BY name, code LIMIT 1000")
    return [(row["code"], row["name"]) for row in rows]


async def cases(
    *, brand_id: uuid.UUID, closed: bool = False, kind: Literal["short", "exceeds"] | None = None, page: int = 1
) -> tuple[list[Case], int]:
    """Those that wait, the oldest first; or those that are closed, the newest first. With how many there are."""
    where = f"WHERE (c.closed_at IS NOT NULL) = {closed} AND ($1::text IS NULL OR c.kind = $1)"
    order = "c.closed_at DESC, c.id" if closed else "c.opened_at, c.id"
    async with db.atomic(brand_id):
        connection = db.connection()
        rows = await connection.fetch(f"{CASES} {where} ORDER BY {order} LIMIT {PAGE} OFFSET $2", kind, (page - 1) * PAGE)
        total: int = await connection.fetchval(f"SELECT count(*) FROM stock_case c {where}", kind)
    return [_case(dict(row)) for row in rows], total


async def states(*, brand_id: uuid.UUID, chosen: stop.Chosen) -> dict[str, int]:
    """How many of these cards are in which state, without those in which none is. Raises ChosenError."""
    where, values = chosen.where()
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"SELECT state, count(*) AS cards FROM card WHERE {where} GROUP BY state", *values)
    found = {row["state"]: row["cards"] for row in rows}
    return {state: found[state] for state in rules.STATES if state in found}


async def case(*, brand_id: uuid.UUID, case_id: uuid.UUID) -> Case | None:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{CASES} WHERE c.id = $1", case_id)
    return _case(dict(row)) if row else None


def _split(row: dict[str, Any]) -> dict[str, Any]:
    levels = {state: row.pop(state) for state in rules.STATES}
    return {**row, "levels": levels}


def _place(row: dict[str, Any]) -> Place:
    return Place(**_split(row))


def _case(row: dict[str, Any]) -> Case:
    names = {name: row.pop(name) for name in ("sku_name", "reseller_name", "channel_name", "closed_by")}
    return Case(case=stock_case.Case(**row), **names)
