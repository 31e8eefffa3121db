"""How changes reach a draft: staged, judged, laid over what is there, counted, recorded, and read back.

Each key has a revision, which says how often it was edited in the draft; what was changed on an older one is stale and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.catalog import price_errors, price_records, price_version
from qucheng.catalog.price_records import Key, Limit, Piece, Saved, Stand
from qucheng.core import audit, db

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import asyncpg

# of the keys of one edit, so many are on record word for word
MOST_RECORDED = 50
COLUMNS = (
    'place bigint, version integer, sku text COLLATE "C", channel text COLLATE "C" NOT NULL DEFAULT \'-\', tier text COLLATE "C" NOT NULL DEFAULT \'-\','
    " action text, price_minor numeric, floors boolean, costs boolean, floor_minor numeric, cost_minor numeric, reverted boolean,"
    " starts_on date, ends_on date, day date, seen integer, reason text, laid boolean, fault text, stale boolean NOT NULL DEFAULT false"
)
STAGE = """
    INSERT INTO price_change (place, version, sku, channel, tier, action, price_minor, floors, costs, floor_minor, cost_minor, reverted,
                              starts_on, ends_on, day, seen, reason, laid)
    SELECT place, $2, sku, coalesce(channel, ''), coalesce(tier, ''), action, price_minor, floors, costs, floor_minor, cost_minor, coalesce(reverted, false),
           starts_on, ends_on, $3, seen, nullif(trim(reason), ''), coalesce(laid, false)
    FROM jsonb_to_recordset($1::jsonb) x (place bigint, sku text, channel text, tier text, action text, price_minor numeric, floors boolean, costs boolean,
        floor_minor numeric, cost_minor numeric, reverted boolean, starts_on date, ends_on date, seen integer, reason text, laid boolean)"""
COUNT = """
    INSERT INTO price_edit AS e (brand_id, version, limits, sku, channel, tier, revision, reason, edited_by, edited_at)
    SELECT current_brand(), version, $1, sku, nullif(channel, ''), nullif(tier, ''), 1, left(max(reason), 200), $2::uuid, $3::timestamptz
    FROM price_change WHERE fault IS NULL AND NOT stale GROUP BY version, sku, channel, tier
    ON CONFLICT (brand_id, version, limits, sku, channel, tier)
    DO UPDATE SET revision = e.revision + 1, reason = excluded.reason, edited_by = excluded.edited_by, edited_at = excluded.edited_at"""
STANDS = """
    SELECT x.sku, nullif(x.channel, '') AS channel, nullif(x.tier, '') AS tier, x.stale, coalesce(e.revision, 0) AS revision, e.reason, e.edited_by, e.edited_at,
           coalesce(k.pieces, '[]')::text AS pieces
    FROM (SELECT DISTINCT ON (sku, channel, tier) * FROM price_change WHERE fault IS NULL ORDER BY sku, channel, tier, place) x
    LEFT JOIN price_edit e ON e.brand_id = current_brand() AND e.version = x.version AND e.limits = $1 AND e.sku = x.sku
        AND coalesce(e.channel, '') = x.channel AND coalesce(e.tier, '') = x.tier
    LEFT JOIN (SELECT * FROM price_key WHERE brand_id = current_brand() AND version = $2 AND limits = $1
                   AND sku = ANY ((SELECT array_agg(DISTINCT sku) FROM price_change)::text[])) k
        ON k.sku = x.sku AND coalesce(k.channel, '') = x.channel AND coalesce(k.tier, '') = x.tier
    ORDER BY x.place"""


async def lay(
    *,
    brand_id: uuid.UUID,
    version: int,
    changes: Sequence[dict[str, Any]],
    limits: bool,
    script: Path,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> Saved:
    """Writes what is fresh. Two who edit one draft wait for each other, and the second sees what the first has written."""
    async with db.atomic(brand_id):
        await hold(brand_id, version)
        await stage(version, changes, day)
        await db.connection().execute(script.read_text(encoding="utf-8"))
        await db.connection().execute(COUNT, limits, actor.user_id, now)
        saved = await _saved(version, limits=limits)
        await db.connection().execute("DROP TABLE price_change")
        if saved.saved:
            await price_version.record(brand_id, actor, "prices.edit", version, after=_recorded(saved.saved))
    return saved


async def hold(brand_id: uuid.UUID, version: int) -> None:
    """Of writers in one draft each waits for the other; nobody submits it meanwhile. Raises PriceStateError."""
    await price_version.require_state(brand_id, version, "draft")


async def stage(version: int, changes: Sequence[dict[str, Any]], day: dt.date) -> None:
    """As the temporary table price_change, which the scripts read."""
    numbered = [{"place": place, **change} for place, change in enumerate(changes)]
    await db.connection().execute(f"CREATE TEMP TABLE price_change ({COLUMNS}) ON COMMIT DROP")
    await db.connection().execute(STAGE, msgspec.json.encode(numbered).decode(), version, day)


async def _saved(version: int, *, limits: bool) -> Saved:
    faults = await db.connection().fetch(
        "SELECT sku, nullif(channel, '') AS channel, nullif(tier, '') AS tier, fault FROM price_change WHERE fault IS NOT NULL ORDER BY place"
    )
    stands = [(row["stale"], _stand(row, limits=limits)) for row in await db.connection().fetch(STANDS, limits, version)]
    return Saved(
        saved=tuple(stand for stale, stand in stands if not stale),
        stale=tuple(stand for stale, stand in stands if stale),
        faults=tuple((Key(row["sku"], row["channel"], row["tier"]), row["fault"]) for row in faults),
    )


def _stand(row: asyncpg.Record, *, limits: bool) -> Stand:
    return Stand(
        key=Key(row["sku"], row["channel"], row["tier"]),
        limits=limits,
        revision=row["revision"],
        pieces=read_pieces(row["pieces"], limits=limits),
        edited_by=row["edited_by"],
        edited_at=row["edited_at"],
        reason=row["reason"],
    )


def read_pieces(text: str | None, *, limits: bool) -> tuple[Piece, ...] | tuple[Limit, ...]:
    """Of price_key's pieces."""
    if text is None:
        return ()
    return msgspec.json.decode(text, type=tuple[Limit, ...]) if limits else msgspec.json.decode(text, type=tuple[Piece, ...])


def _recorded(stands: Sequence[Stand]) -> dict[str, Any]:
    named = [
        {"key": list(stand.key), "limits": stand.limits, "pieces": msgspec.to_builtins(stand.pieces)}
        for stand in stands[:MOST_RECORDED]
    ]
    return {"count": len(stands), "keys": named}


async def stand(*, brand_id: uuid.UUID, version: int, key: Key, limits: bool = False) -> Stand:
    """How the key stands there. Raises PriceVersionUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            "SELECT $2::text AS sku, $3::text AS channel, $4::text AS tier, coalesce(e.revision, 0) AS revision, e.reason, e.edited_by, e.edited_at,"
            " coalesce(k.pieces, '[]')::text AS pieces FROM price_version v"
            " LEFT JOIN price_edit e ON e.brand_id = v.brand_id AND e.version = v.number AND e.limits = $5 AND e.sku = $2"
            "   AND e.channel IS NOT DISTINCT FROM $3 AND e.tier IS NOT DISTINCT FROM $4"
            " LEFT JOIN price_key k ON k.brand_id = v.brand_id AND k.version = v.number AND k.limits = $5 AND k.sku = $2"
            "   AND k.channel IS NOT DISTINCT FROM $3 AND k.tier IS NOT DISTINCT FROM $4 WHERE v.number = $1",
            version,
            *key,
            limits,
        )
    if row is None:
        raise price_errors.PriceVersionUnknownError(f"There is no price version {version}.")
    return _stand(row, limits=limits)


def difference(row: Mapping[str, Any]) -> price_records.Difference:
    """Of a row of price_difference()."""
    return price_records.Difference(
        sku=row["sku"],
        channel=row["channel"],
        tier=row["tier"],
        limit=row["limits"],
        before=read_pieces(row["before"], limits=row["limits"]),
        after=read_pieces(row["after"], limits=row["limits"]),
    )
