"""Answers that terminals were given, as the brand's people look for them: with totals of all that fit, and one with what it was judged by."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from qucheng.core import db
from qucheng.redemption import redemption, reversal, rules
from qucheng.stock import rules as stock_rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

PAGE = 20
LAST = dt.timedelta(days=29)
Result = rules.Verdict | Literal["undone"]
RESULTS: tuple[Result, ...] = (*rules.VERDICTS, "undone")
RESULT = "CASE WHEN r.undone THEN 'undone' ELSE r.verdict END"
FOUND = f"""
    FROM redemption r JOIN terminal t ON t.brand_id = r.brand_id AND t.id = r.terminal JOIN store s ON s.brand_id = t.brand_id AND s.code = t.store
    LEFT JOIN batch b ON b.brand_id = r.brand_id AND b.number = r.batch LEFT JOIN sku k ON k.brand_id = b.brand_id AND k.code = b.sku
    WHERE r.at >= $1 AND r.at < $2 AND ($3::text IS NULL OR t.store = $3) AND ($4::uuid IS NULL OR r.terminal = $4)
        AND ($5::text IS NULL OR b.sku = $5) AND ($6::text IS NULL OR {RESULT} = $6)
        AND ($7::int IS NULL OR (r.batch = $7 AND r.number = $8))"""
COLUMNS = f"""
    r.id, r.at, {RESULT} AS result, r.way, r.batch, r.number, t.store, s.name AS store_name, r.terminal, t.name AS terminal_name, b.sku, k.name AS sku_name"""
ONE = f"""
    SELECT {COLUMNS}, r.verdict, r.recorded_at, r.snapshot::text AS snapshot, t.user_id, y.name AS key_name,
        u.at AS undone_at, u.reason AS undone_reason, u.user_id AS undone_by, u.approval AS undone_approval,
        (SELECT a.id FROM approval a WHERE a.brand_id = r.brand_id AND a.action = $2 AND a.state = 'waiting' AND a.expires_at > clock_timestamp()
         AND a.payload::jsonb ->> 'redemption' = r.id::text) AS asked
    FROM redemption r JOIN terminal t ON t.brand_id = r.brand_id AND t.id = r.terminal JOIN store s ON s.brand_id = t.brand_id AND s.code = t.store
    LEFT JOIN api_key y ON y.brand_id = t.brand_id AND y.id = t.api_key LEFT JOIN redemption_undo u ON u.brand_id = r.brand_id AND u.redemption = r.id
    LEFT JOIN batch b ON b.brand_id = r.brand_id AND b.number = r.batch LEFT JOIN sku k ON k.brand_id = b.brand_id AND k.code = b.sku WHERE r.id = $1"""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """first, last: days of the brand. card: its id."""

    first: dt.date
    last: dt.date
    store: str | None = None
    terminal: uuid.UUID | None = None
    sku: str | None = None
    result: Result | None = None
    card: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """batch, number, sku: None where no card was found. result: what stands, `undone` where it was taken back."""

    id: uuid.UUID
    at: dt.datetime
    result: Result
    way: redemption.Way
    batch: int | None
    number: int | None
    store: str
    store_name: str
    terminal: uuid.UUID
    terminal_name: str
    sku: str | None
    sku_name: str | None

    @property
    def card(self) -> str | None:
        return stock_rules.card_id(self.batch, self.number) if self.batch is not None and self.number is not None else None


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    at: dt.datetime
    reason: str | None
    user_id: uuid.UUID | None
    approval: uuid.UUID | None


class One(msgspec.Struct, frozen=True, kw_only=True):
    """user_id: of the shop clerk at whose terminal it was. asked: the request to take it back that waits."""

    row: Row
    verdict: rules.Verdict
    recorded_at: dt.datetime | None
    seen: rules.Snapshot
    user_id: uuid.UUID | None
    key_name: str | None
    undo: Undo | None
    asked: uuid.UUID | None

    def late(self, now: dt.datetime) -> bool:
        """Whether it stands, and its terminal cannot take it back any more."""
        return self.row.result == "ok" and (self.recorded_at is not None or now > self.row.at + rules.UNDO)


def the_last_days(brand: Brand, now: dt.datetime) -> tuple[dt.date, dt.date]:
    """Thirty, with today."""
    today = stock_rules.local_day(now, brand.time_zone)
    return today - LAST, today


async def listing(*, brand: Brand, chosen: Chosen, page: int = 1) -> tuple[list[Row], dict[Result, int]]:
    """The newest first, with how many of all that fit were answered what. Raises CardUnknownError for what is no card's id."""
    values = values_of(brand, chosen)
    async with db.atomic(brand.id):
        connection = db.connection()
        rows = await connection.fetch(
            f"SELECT {COLUMNS} {FOUND} ORDER BY r.at DESC, r.id DESC LIMIT {PAGE} OFFSET $9", *values, (page - 1) * PAGE
        )
        counted = await connection.fetch(f"SELECT {RESULT} AS result, count(*) AS answers {FOUND} GROUP BY 1", *values)
    found = {row["result"]: row["answers"] for row in counted}
    return [Row(**dict(row)) for row in rows], {result: found[result] for result in RESULTS if result in found}


def values_of(brand: Brand, chosen: Chosen) -> tuple[Any, ...]:
    """Of FOUND."""
    zone = zoneinfo.ZoneInfo(brand.time_zone)
    batch, number = stock_rules.parse_card_id(chosen.card) if chosen.card else (None, None)
    first, after = (dt.datetime.combine(day, dt.time(), zone) for day in (chosen.first, chosen.last + dt.timedelta(days=1)))
    return (first, after, chosen.store, chosen.terminal, chosen.sku, chosen.result, batch, number)


async def one(*, brand: Brand, made: uuid.UUID) -> One:
    """Raises RedemptionUnknownError."""
    async with db.atomic(brand.id):
        found = await db.connection().fetchrow(ONE, made, reversal.ACTION)
    if found is None:
        raise redemption.RedemptionUnknownError("There is no such redemption.")
    row = dict(found)
    undo = {name: row.pop(f"undone_{name}") for name in ("at", "reason", "by", "approval")}
    return One(
        row=Row(**{name: row[name] for name in Row.__struct_fields__}),
        seen=msgspec.json.decode(row["snapshot"], type=rules.Snapshot),
        undo=Undo(at=undo["at"], reason=undo["reason"], user_id=undo["by"], approval=undo["approval"]) if undo["at"] else None,
        **{name: row[name] for name in ("verdict", "recorded_at", "user_id", "key_name", "asked")},
    )
