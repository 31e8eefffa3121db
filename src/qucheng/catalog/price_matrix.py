"""The price book as a table on a day: SKUs by columns, what is in force in each and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.catalog import price_draft, price_errors, price_outlook, price_records
from qucheng.catalog.price_records import Cell, Column, Filter, Inspect, Key, Matrix, Past, Row
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    import asyncpg

COLUMNS = """
    SELECT channel, tier FROM (
        SELECT NULL AS channel, NULL AS tier UNION ALL SELECT code, NULL FROM channel
        UNION ALL SELECT * FROM (SELECT DISTINCT channel, tier FROM price_cell WHERE version = $1 AND tier IS NOT NULL) tiered) named
    ORDER BY channel COLLATE "C" NULLS FIRST, tier COLLATE "C" NULLS FIRST"""
# $1 the version, $2 the one it is compared with, $3 the day, then the filter
CHOSEN = """
    FROM sku s WHERE ($4::text IS NULL OR strpos(lower(s.code), lower($4)) > 0 OR strpos(lower(s.name), lower($4)) > 0)
      AND ($5::text IS NULL OR s.category = $5) AND ($6::text IS NULL OR EXISTS (SELECT 1 FROM sku_tag t WHERE t.brand_id = s.brand_id AND t.sku = s.code AND t.tag = $6))
      AND ($7::text[] IS NULL OR s.code = ANY ($7))
      AND (NOT $8::boolean OR s.code IN (SELECT d.sku FROM price_difference($2, $1) d))
      AND (NOT $9::boolean OR s.code IN (SELECT f.sku FROM price_faults(current_brand(), $1, $3) f WHERE f.code = 'price.under_floor'))
      AND (NOT $10::boolean OR s.code IN (
          SELECT c.sku FROM price_cell c WHERE c.version = $1 AND (c.starts_on > $3 OR c.ends_on > $3)
          UNION ALL SELECT d.sku FROM price_version v CROSS JOIN LATERAL price_difference(v.based_on, v.number) d WHERE v.state = 'approved' AND v.effective_at > $11))"""
ROWS = f"""
    SELECT s.code, s.name, s.category, s.list_price_minor, s.cost_minor, count(*) OVER () AS total {CHOSEN}
    ORDER BY s.code LIMIT $13 OFFSET $12"""
LIMITS = """
    SELECT s.sku, l.floor_minor, l.cost_minor, coalesce(e.revision, 0) AS revision
    FROM unnest($1::text[]) s (sku) LEFT JOIN price_limit l ON l.version = $2 AND l.sku = s.sku AND l.starts_on <= $3 AND (l.ends_on IS NULL OR $3 < l.ends_on)
    LEFT JOIN price_edit e ON e.version = $2 AND e.limits AND e.sku = s.sku"""
EDITS = "SELECT sku, channel, tier, revision FROM price_edit WHERE version = $2 AND NOT limits AND sku = ANY ($1::text[])"
CHANGED = """
    SELECT sku, nullif(channel, '') AS channel, nullif(tier, '') AS tier
    FROM (SELECT sku, coalesce(channel, '') AS channel, coalesce(tier, '') AS tier, pieces FROM price_key WHERE version = $2 AND NOT limits AND sku = ANY ($1::text[])) a
    FULL JOIN (SELECT sku, coalesce(channel, '') AS channel, coalesce(tier, '') AS tier, pieces FROM price_key
               WHERE version = $3 AND NOT limits AND sku = ANY ($1::text[])) b USING (sku, channel, tier)
    WHERE a.pieces IS DISTINCT FROM b.pieces"""
ASKED = """
    SELECT row_number() OVER () AS place, s.sku, nullif(c.channel, '') AS channel, nullif(c.tier, '') AS tier, s.n AS sku_place, c.n AS column_place
    FROM unnest($1::text[]) WITH ORDINALITY s (sku, n) CROSS JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY c (channel, tier, n)"""
DAY = "(SELECT instant_of_local($4::date::timestamp, time_zone) FROM brand WHERE id = current_brand())"
SELECT = " SELECT o.*, a.sku_place, a.column_place FROM outlook o JOIN asked a USING (place) ORDER BY a.sku_place, a.column_place"
IN_FORCE = price_outlook.statement(asked=ASKED, at=DAY, select=SELECT)
IN_VERSION = price_outlook.statement(
    asked=ASKED,
    at=DAY,
    select=SELECT,
    spans="SELECT $5::integer AS version, '-infinity'::timestamptz AS starts_at, 'infinity'::timestamptz AS ends_at",
)
HISTORY = """
    SELECT number AS version, approver, nullif(effective_at, '-infinity') AS effective_at, pieces::text AS pieces,
           CASE WHEN effective_at > $4 THEN 'scheduled' WHEN number = max(number) FILTER (WHERE effective_at <= $4) OVER () THEN 'live' ELSE 'ended' END AS standing,
           pieces IS DISTINCT FROM lag(pieces) OVER (ORDER BY number) AS other
    FROM (SELECT v.number, v.approver, v.effective_at, k.pieces FROM price_version v LEFT JOIN price_key k ON k.brand_id = v.brand_id AND k.version = v.number
              AND NOT k.limits AND k.sku = $1 AND k.channel IS NOT DISTINCT FROM $2 AND k.tier IS NOT DISTINCT FROM $3
          WHERE v.state = 'approved') said ORDER BY number DESC"""
MOST_HISTORY = 50
LIVE_VERSION = "SELECT max(number) FROM price_version WHERE state = 'approved' AND effective_at <= $1"


async def columns(*, brand_id: uuid.UUID, version: int | None = None, now: dt.datetime) -> list[Column]:
    """The base with the tiers that have base prices, then each channel with those that have prices there. version None: in force now."""
    async with db.atomic(brand_id):
        shown = version if version is not None else await db.connection().fetchval(LIVE_VERSION, now)
        rows = await db.connection().fetch(COLUMNS, shown)
    return [Column(channel=row["channel"], tier=row["tier"]) for row in rows]


async def matrix(
    *,
    brand_id: uuid.UUID,
    version: int | None,
    columns: Sequence[Column],
    day: dt.date,
    now: dt.datetime,
    chosen: Filter,
    skip: int = 0,
    most: int = 50,
) -> Matrix:
    """Of a version; of None what is in force, versions to come included. Raises PriceVersionUnknownError."""
    async with db.atomic(brand_id):
        live = await db.connection().fetchval(LIVE_VERSION, now)
        shown, base = (live, live) if version is None else (version, await _based_on(version))
        rows = await db.connection().fetch(
            ROWS,
            *(shown, base, day, chosen.text, chosen.category, chosen.tag, None if chosen.skus is None else list(chosen.skus)),
            *(chosen.changed, chosen.under_floor, chosen.scheduled, now, skip, most),
        )
        codes = [row["code"] for row in rows]
        whole = await _columns_of(codes, columns, day, version=version, shown=shown, base=base)
        total = rows[0]["total"] if rows else await _total(shown, base, day, chosen, now)
    width = len(columns)
    return Matrix(
        rows=tuple(_row(row, whole, place * width, width) for place, row in enumerate(rows)),
        total=total,
        version=version,
        live=live,
    )


async def _total(shown: int | None, base: int | None, day: dt.date, chosen: Filter, now: dt.datetime) -> int:
    """Where the page is past their end."""
    given = (shown, base, day, chosen.text, chosen.category, chosen.tag, None if chosen.skus is None else list(chosen.skus))
    found: int = await db.connection().fetchval(
        f"SELECT count(*) {CHOSEN}", *given, chosen.changed, chosen.under_floor, chosen.scheduled, now
    )
    return found


async def _based_on(version: int) -> int | None:
    row = await db.connection().fetchrow("SELECT based_on FROM price_version WHERE number = $1", version)
    if row is None:
        raise price_errors.PriceVersionUnknownError(f"There is no price version {version}.")
    found: int | None = row["based_on"]
    return found


class _Whole(msgspec.Struct, frozen=True):
    """What is known of a page: its cells one after the other, and by SKU."""

    cells: list[Cell]
    limits: dict[str, tuple[int | None, int | None, int]]


async def _columns_of(
    codes: list[str], columns: Sequence[Column], day: dt.date, *, version: int | None, shown: int | None, base: int | None
) -> _Whole:
    asked = (codes, [column.channel or "" for column in columns], [column.tier or "" for column in columns], day)
    fetch = db.connection().fetch
    in_force = await fetch(IN_FORCE, *asked)
    cells = in_force if version is None else await fetch(IN_VERSION, *asked, version)
    limits = {
        row["sku"]: (row["floor_minor"], row["cost_minor"], row["revision"]) for row in await fetch(LIMITS, codes, shown, day)
    }
    revisions = {_key(row): row["revision"] for row in await fetch(EDITS, codes, shown)}
    changed = set() if base == shown else {_key(row) for row in await fetch(CHANGED, codes, shown, base)}
    keys = [Key(code, column.channel, column.tier) for code in codes for column in columns]
    return _Whole(
        [
            _cell(key, cell, live["price_minor"], limits[key.sku][0], changed=key in changed, revision=revisions.get(key, 0))
            for key, cell, live in zip(keys, cells, in_force, strict=True)
        ],
        limits,
    )


def _key(row: asyncpg.Record) -> Key:
    return Key(row["sku"], row["channel"], row["tier"])


def _cell(key: Key, row: asyncpg.Record, live: int | None, floor: int | None, *, changed: bool, revision: int) -> Cell:
    level, price = row["level"], row["price_minor"]
    own_level = ("channel" if key.channel else "base") + ("+tier" if key.tier else "")
    return Cell(
        price_minor=price,
        closed=row["closed"],
        level=level,
        own=level == own_level or (row["closed"] and own_level == "channel"),
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        live_minor=live,
        changed=changed,
        revision=revision,
        under_floor=price is not None and floor is not None and price < floor,
        next_minor=row["next_minor"],
        next_on=row["next_on"],
    )


def _row(row: asyncpg.Record, whole: _Whole, first: int, width: int) -> Row:
    floor, cost, revision = whole.limits[row["code"]]
    return Row(
        sku=row["code"],
        name=row["name"],
        category=row["category"],
        list_price_minor=row["list_price_minor"],
        floor_minor=floor,
        cost_minor=row["cost_minor"] if cost is None else cost,
        limit_revision=revision,
        cells=tuple(whole.cells[first : first + width]),
    )


async def cell(
    *, brand_id: uuid.UUID, version: int, key: Key, day: dt.date, now: dt.datetime, shown: Cell | None = None
) -> Inspect | None:
    """Everything about one cell; None where there is no such SKU. shown: as a matrix of that day has it. Raises PriceVersionUnknownError."""
    async with db.atomic(brand_id):
        base = await _based_on(version)
        place = shown or await _resolved(brand_id=brand_id, version=version, key=key, day=day, now=now)
        if place is None:
            return None
        stand = await price_draft.stand(brand_id=brand_id, version=version, key=key)
        limits = await price_draft.stand(brand_id=brand_id, version=version, key=Key(key.sku), limits=True)
        before = None if base is None else await price_draft.stand(brand_id=brand_id, version=base, key=key)
        past = await db.connection().fetch(HISTORY, *key, now)
    return Inspect(
        key=key,
        stand=stand,
        base=() if before is None else before.pieces,  # type: ignore[arg-type] # of prices, as asked for
        cell=place,
        floor=limits.pieces,  # type: ignore[arg-type] # of limits, as asked for
        history=tuple(_past(row) for row in past if row["other"])[:MOST_HISTORY],
    )


async def _resolved(*, brand_id: uuid.UUID, version: int, key: Key, day: dt.date, now: dt.datetime) -> Cell | None:
    column = Column(channel=key.channel, tier=key.tier)
    found = await matrix(brand_id=brand_id, version=version, columns=[column], day=day, now=now, chosen=Filter(skus=(key.sku,)))
    return found.rows[0].cells[0] if found.rows else None


def _past(row: asyncpg.Record) -> Past:
    pieces = price_draft.read_pieces(row["pieces"], limits=False)
    return price_records.Past(
        version=row["version"],
        standing=row["standing"],
        effective_at=row["effective_at"],
        pieces=pieces,  # type: ignore[arg-type] # of prices, as asked for
        approver=row["approver"],
    )
