"""A card found again: by its whole code, by the end of it, by order, phone or batch. The code itself is neither stored nor shown."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.stock import queries, secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.core import crypto

MOST = 200
FOUND = """
    SELECT c.batch, c.number, c.sku, k.name, c.pool, p.reseller, p.channel, c.state, c.void_reason, c.order_no, c.line_no,
        nullif(c.expires_on, 'infinity') AS expires_on, c.revealed_at, s.last_four
    FROM card c JOIN sku k ON k.brand_id = c.brand_id AND k.code = c.sku JOIN pool p ON p.brand_id = c.brand_id AND p.number = c.pool
    LEFT JOIN card_secret s ON s.brand_id = c.brand_id AND s.batch = c.batch AND s.number = c.number"""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """reseller, channel: whose pool it is in; both None for what is not allocated."""

    batch: int
    number: int
    sku: str
    name: str
    pool: int
    reseller: str | None
    channel: str | None
    state: str
    void_reason: str | None
    order_no: str | None
    line_no: str | None
    expires_on: dt.date | None
    revealed_at: dt.datetime | None
    last_four: str | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """That a card's secret was shown, to whom and what for."""

    viewer_kind: str
    viewer: uuid.UUID
    purpose: str
    at: dt.datetime


async def is_code(*, brand_id: uuid.UUID, keys: crypto.Keys, text: str) -> bool:
    """Whether a card of the brand has it for its code: a text that came in another's place is not to be kept then."""
    async with db.atomic(brand_id):
        found: bool = await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM card_secret WHERE blind = ANY ($1::bytea[]))",
            secret.BlindIndex(keys, brand_id).typed(text),
        )
    return found


async def by_code(*, brand_id: uuid.UUID, keys: crypto.Keys, typed: str) -> list[Found]:
    blinds = secret.BlindIndex(keys, brand_id).typed(typed)
    return await _found(
        brand_id, "(c.batch, c.number) IN (SELECT batch, number FROM card_secret WHERE blind = ANY ($1::bytea[]))", blinds
    )


async def by_last_four(*, brand_id: uuid.UUID, end: str) -> list[Found]:
    condition = "(c.batch, c.number) IN (SELECT batch, number FROM card_secret WHERE last_four = ANY ($1::text[]))"
    return await _found(brand_id, condition, list({end, end.upper()}))


async def by_orders(*, brand_id: uuid.UUID, orders: Sequence[str]) -> list[Found]:
    return await _found(brand_id, "c.order_no = ANY ($1::text[])", list(orders))


async def by_batch(*, brand_id: uuid.UUID, batch: int) -> list[Found]:
    return await _found(brand_id, "c.batch = $1", batch)


async def by_cards(*, brand_id: uuid.UUID, cards: Sequence[tuple[int, int]]) -> list[Found]:
    """Those that there are."""
    condition = "(c.batch, c.number) IN (SELECT (each ->> 0)::int, (each ->> 1)::int FROM jsonb_array_elements($1::jsonb) each)"
    return await _found(brand_id, condition, msgspec.json.encode(cards[:MOST]).decode())


async def by_card(*, brand_id: uuid.UUID, batch: int, number: int) -> Found | None:
    found = await _found(brand_id, "c.batch = $1[1] AND c.number = $1[2]", [batch, number], kind="int[]")
    return found[0] if found else None


async def reveals(*, brand_id: uuid.UUID, batch: int, number: int) -> list[Shown]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT viewer_kind, viewer, purpose, at FROM card_reveal WHERE batch = $1 AND number = $2 ORDER BY at DESC, id DESC LIMIT $3",
            batch,
            number,
            MOST,
        )
    return [Shown(**dict(row)) for row in rows]


async def _found(brand_id: uuid.UUID, condition: str, value: object, *, kind: str | None = None) -> list[Found]:
    where = condition.replace("$1", f"($1::{kind})") if kind else condition
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"{FOUND} WHERE {where} ORDER BY c.batch DESC, c.number LIMIT {MOST}", value)
    return [Found(**dict(row)) for row in rows]


async def events(*, brand_id: uuid.UUID, batch: int, number: int) -> list[queries.Event]:
    """Every change of the card, the first first."""
    async with db.atomic(brand_id):
        return await queries.events(batch=batch, number=number)
