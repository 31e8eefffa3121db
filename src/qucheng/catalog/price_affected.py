"""Whom a version of the price book concerns: resellers for whom a price changes, with the old and the new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.catalog import price_errors
from qucheng.catalog.price_records import Affected, Concerned
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid

TEMPLATE = Path(__file__).with_name("price_affected.sql").read_text(encoding="utf-8")
# the day a draft could be in force is the next; of one with a day of its own that day
FIRST_DAY = """
    SELECT (coalesce(v.effective_at, $2::timestamptz + interval '1 day') AT TIME ZONE b.time_zone)::date
    FROM price_version v JOIN brand b ON b.id = v.brand_id WHERE v.number = $1"""
ROWS = f"""{TEMPLATE}
    SELECT *, count(*) OVER () AS total, (SELECT count(DISTINCT reseller) FROM concerned) AS resellers FROM concerned
    ORDER BY reseller COLLATE "C", sku COLLATE "C", channel COLLATE "C" LIMIT $3 OFFSET $4"""
TOLD = f"""{TEMPLATE}
    SELECT reseller, count(*) AS count,
           jsonb_agg(jsonb_build_object('sku', sku, 'name', sku_name, 'channel', channel, 'on', day, 'old_minor', old_minor, 'new_minor', new_minor)
                     ORDER BY sku COLLATE "C", channel COLLATE "C") FILTER (WHERE place <= $3)::text AS changes
    FROM (SELECT *, row_number() OVER (PARTITION BY reseller ORDER BY sku COLLATE "C", channel COLLATE "C") AS place FROM concerned) listed
    GROUP BY reseller ORDER BY reseller COLLATE "C" """


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a reseller is told: how many prices change, and the first of them."""

    reseller: str
    count: int
    changes: list[dict[str, Any]]


async def affected(*, brand_id: uuid.UUID, version: int, now: dt.datetime, skip: int = 0, most: int = 200) -> Affected:
    """By reseller, SKU and channel. resellers, total: of all. Raises PriceVersionUnknownError."""
    async with db.atomic(brand_id):
        day = await _first_day(version, now)
        rows = await db.connection().fetch(ROWS, version, day, most, skip)
    named = [
        Concerned(
            on=row["day"],
            **{name: row[name] for name in ("reseller", "name", "tier", "sku", "sku_name", "channel", "old_minor", "new_minor")},
        )
        for row in rows
    ]
    return Affected(rows=tuple(named), resellers=rows[0]["resellers"] if rows else 0, total=rows[0]["total"] if rows else 0)


async def told(*, brand_id: uuid.UUID, version: int, now: dt.datetime, changes: int = 5) -> list[Told]:
    """One for each reseller. changes: how many of its prices are named."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(TOLD, version, await _first_day(version, now), changes)
    return [Told(reseller=row["reseller"], count=row["count"], changes=msgspec.json.decode(row["changes"])) for row in rows]


async def _first_day(version: int, now: dt.datetime) -> dt.date:
    day: dt.date | None = await db.connection().fetchval(FIRST_DAY, version, now)
    if day is None:
        raise price_errors.PriceVersionUnknownError(f"There is no price version {version}.")
    return day
