"""Batches as the brand's people see them: where their cards are, how far they have come in, and how their secrets were shown."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

import msgspec

from qucheng.core import db
from qucheng.stock import card_intake, rules

PAGE = 20
COUNTED = ", ".join(f"coalesce(l.{state}, 0) AS {state}" for state in rules.STATES)
SUMMED = ", ".join(f"sum({state})::bigint AS {state}" for state in rules.STATES)
LISTED = f"""
    SELECT b.number, b.sku, s.name AS sku_name, b.source, b.pool, p.reseller, p.channel, b.quantity, b.face_value_minor, b.note, b.state,
        nullif(nullif(b.latest_expiry, 'infinity'), '-infinity') AS latest_expiry, b.opened_by, b.opened_at, {COUNTED}
    FROM batch b JOIN sku s ON s.brand_id = b.brand_id AND s.code = b.sku JOIN pool p ON p.brand_id = b.brand_id AND p.number = b.pool
    LEFT JOIN LATERAL (SELECT {SUMMED} FROM stock_level v WHERE v.brand_id = b.brand_id AND v.batch = b.number) l ON true"""
State = Literal["filling", "filled", "releasing", "released", "withdrawn"]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """reseller, channel: of the pool in which its cards came in. intake: None for one that was filled in another way."""

    number: int
    sku: str
    sku_name: str
    source: Literal["generated", "imported"]
    pool: int
    reseller: str | None
    channel: str | None
    quantity: int
    face_value_minor: int | None
    note: str | None
    state: State
    latest_expiry: dt.date | None
    opened_by: uuid.UUID | None
    opened_at: dt.datetime
    levels: dict[rules.State, int]
    intake: card_intake.Intake | None


async def total(*, brand_id: uuid.UUID) -> int:
    async with db.atomic(brand_id):
        return int(await db.connection().fetchval("SELECT count(*) FROM batch"))


async def listing(*, brand_id: uuid.UUID, page: int = 1) -> list[Batch]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"{LISTED} ORDER BY b.number DESC LIMIT {PAGE} OFFSET $1", (page - 1) * PAGE)
    intakes = await card_intake.listing(brand_id=brand_id, batches=[row["number"] for row in rows])
    return [_batch(dict(row), intakes.get(row["number"])) for row in rows]


async def read(*, brand_id: uuid.UUID, number: int) -> Batch | None:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{LISTED} WHERE b.number = $1", number)
    if row is None:
        return None
    intakes = await card_intake.listing(brand_id=brand_id, batches=[number])
    return _batch(dict(row), intakes.get(number))


async def pools(*, brand_id: uuid.UUID) -> list[tuple[int, str | None, str | None]]:
    """Where cards can come in: number, reseller and channel."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT number, reseller, channel FROM pool WHERE number <> 0 ORDER BY reseller NULLS LAST, channel NULLS FIRST LIMIT 1000"
        )
    return [(row["number"], row["reseller"], row["channel"]) for row in rows]


async def skus(*, brand_id: uuid.UUID) -> list[tuple[str, str]]:
    """Code and name of those of which each unit is a card."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code, name FROM sku WHERE kind = 'card_secret' ORDER BY name, code LIMIT 1000")
    return [(row["code"], row["name"]) for row in rows]


def _batch(row: dict[str, Any], intake: card_intake.Intake | None) -> Batch:
    levels = {state: row.pop(state) for state in rules.STATES}
    return Batch(**row, levels=levels, intake=intake)
