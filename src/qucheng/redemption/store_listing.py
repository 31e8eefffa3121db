"""Stores and terminals as the brand's people see them, with what was redeemed there of late."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.redemption import store
from qucheng.stock import rules as stock_rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

PAGE = 20
MOST = 500
MONTH = dt.timedelta(days=30)
CHOSEN = """
    ($1 = '' OR strpos(lower(concat_ws(' ', s.code, s.name, s.name_en, s.address)), lower($1)) > 0)
    AND ($2::text IS NULL OR s.area = $2) AND ($3::boolean IS NULL OR (s.closed_at IS NULL) = $3)"""
ONE = "s.code = $1 AND $2::text IS NULL AND $3::boolean IS NULL"
FACTS = "s.code, s.name, s.name_en, s.area, s.address, s.opened_at, s.closed_at"
# of the stores that are shown, by the index of a terminal and the time
FIGURES = """
    LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE t.ended_at IS NULL) AS terminals FROM terminal t WHERE t.brand_id = s.brand_id AND t.store = s.code) t ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS month, count(*) FILTER (WHERE r.at >= $4) AS today FROM terminal t
        JOIN redemption r ON r.brand_id = t.brand_id AND r.terminal = t.id AND r.at >= $5 AND r.verdict = 'ok' AND NOT r.undone
        WHERE t.brand_id = s.brand_id AND t.store = s.code) f ON true"""
LISTED = f"""
    SELECT {FACTS}, t.terminals, f.today, f.month
    FROM (SELECT s.* FROM store s WHERE {{}} ORDER BY s.closed_at IS NOT NULL, s.area NULLS LAST, s.code LIMIT {PAGE} OFFSET $6) s {FIGURES}
    ORDER BY s.closed_at IS NOT NULL, s.area NULLS LAST, s.code"""
TERMINALS = f"""
    SELECT t.id, t.store, s.name AS store_name, t.name, t.api_key, k.name AS key_name, t.user_id, t.all_skus, t.added_at, t.ended_at,
        ARRAY(SELECT u.sku FROM terminal_sku u WHERE u.brand_id = t.brand_id AND u.terminal = t.id ORDER BY u.sku) AS skus,
        CASE WHEN t.user_id IS NULL THEN k.revoked_at IS NULL AND k.expires_at > $1
            ELSE EXISTS (SELECT 1 FROM membership m WHERE m.brand_id = t.brand_id AND m.user_id = t.user_id AND m.role = '{store.ROLE}' AND m.revoked_at IS NULL)
        END AS works,
        (SELECT max(r.at) FROM redemption r WHERE r.brand_id = t.brand_id AND r.terminal = t.id) AS last_at
    FROM terminal t JOIN store s ON s.brand_id = t.brand_id AND s.code = t.store
    LEFT JOIN api_key k ON k.brand_id = t.brand_id AND k.id = t.api_key
    WHERE ($2::text IS NULL OR t.store = $2) ORDER BY t.ended_at IS NOT NULL, t.store, t.added_at DESC, t.id LIMIT {MOST}"""
FREE_KEYS = """
    SELECT k.id, k.name FROM api_key k WHERE k.mode = 'live' AND k.reseller IS NULL AND k.revoked_at IS NULL AND k.expires_at > $1
        AND $2 = ANY (string_to_array(k.scopes, ' '))
        AND NOT EXISTS (SELECT 1 FROM terminal t WHERE t.brand_id = k.brand_id AND t.api_key = k.id AND t.ended_at IS NULL)
    ORDER BY k.name, k.id LIMIT 200"""
FREE_CLERKS = """
    SELECT DISTINCT m.user_id FROM membership m WHERE m.role = $1 AND m.revoked_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM terminal t WHERE t.brand_id = m.brand_id AND t.user_id = m.user_id AND t.ended_at IS NULL)
    LIMIT 500"""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """terminals: those in use. today, month: cards that were redeemed today, and in the last 30 days, and not taken back."""

    code: str
    name: str
    name_en: str | None
    area: str | None
    address: str | None
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    terminals: int
    today: int
    month: int


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """works: its key is good, or its person a shop clerk."""

    id: uuid.UUID
    store: str
    store_name: str
    name: str
    api_key: uuid.UUID | None
    key_name: str | None
    user_id: uuid.UUID | None
    all_skus: bool
    skus: list[str]
    added_at: dt.datetime
    ended_at: dt.datetime | None
    works: bool
    last_at: dt.datetime | None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """text: part of the code, name or address."""

    text: str = ""
    area: str | None = None
    standing: bool | None = None


async def listing(*, brand: Brand, chosen: Chosen, now: dt.datetime, page: int = 1) -> tuple[list[Store], int]:
    """The open ones first, by area; with how many there are."""
    values = (chosen.text, chosen.area, chosen.standing)
    async with db.atomic(brand.id):
        connection = db.connection()
        rows = await connection.fetch(LISTED.format(CHOSEN), *values, *_since(brand, now), (page - 1) * PAGE)
        total: int = await connection.fetchval(f"SELECT count(*) FROM store s WHERE {CHOSEN}", *values)
    return [Store(**dict(row)) for row in rows], total


async def one(*, brand: Brand, code: str, now: dt.datetime) -> Store:
    """Raises StoreUnknownError."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(LISTED.format(ONE), code, None, None, *_since(brand, now), 0)
    if not rows:
        raise store.StoreUnknownError("There is no such store.")
    return Store(**dict(rows[0]))


async def terminals(*, brand_id: uuid.UUID, now: dt.datetime, of_store: str | None = None) -> list[Terminal]:
    """Those in use first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(TERMINALS, now, of_store)
    return [Terminal(**dict(row)) for row in rows]


async def names(*, brand_id: uuid.UUID) -> list[tuple[str, str]]:
    """Code and name of every store, the open ones first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"SELECT code, name FROM store ORDER BY closed_at IS NOT NULL, code LIMIT {MOST}")
    return [(row["code"], row["name"]) for row in rows]


async def areas(*, brand_id: uuid.UUID) -> list[str]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"SELECT DISTINCT area FROM store WHERE area IS NOT NULL ORDER BY area LIMIT {MOST}")
    return [row["area"] for row in rows]


async def free_keys(*, brand_id: uuid.UUID, now: dt.datetime) -> list[tuple[uuid.UUID, str]]:
    """Id and name of the keys that a terminal could have and none has."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(FREE_KEYS, now, store.SCOPE)
    return [(row["id"], row["name"]) for row in rows]


async def free_clerks(*, brand_id: uuid.UUID) -> list[uuid.UUID]:
    """Shop clerks who have no terminal."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(FREE_CLERKS, store.ROLE)
    return [row["user_id"] for row in rows]


def _since(brand: Brand, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    zone = zoneinfo.ZoneInfo(brand.time_zone)
    return dt.datetime.combine(stock_rules.local_day(now, brand.time_zone), dt.time(), zone), now - MONTH
