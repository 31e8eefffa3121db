"""What happens to stock by itself: holds that lapse, cards that expire, and what people are told of few and of old ones."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import audit, db
from qucheng.identity import brand as brands
from qucheng.identity import notification
from qucheng.stock import act, rules

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

SWEEP = "stock.sweep"
WATCH = "stock.watch"
# so many days before their last one cards are told of
EXPIRY_DAYS = 14
LIVE = "inactive + available + delivered + revealed + frozen > 0"
DUE = f"""
    SELECT b.number FROM batch b WHERE b.earliest_expiry < $1 AND EXISTS (
        SELECT 1 FROM stock_level l WHERE l.brand_id = b.brand_id AND l.batch = b.number AND {LIVE}) ORDER BY b.number"""
EXPIRE = """
    UPDATE card SET state = 'void', came_from = NULL, void_reason = 'expired', reservation = NULL, reserved_until = NULL
    WHERE brand_id = current_brand() AND {which}"""
LAST_DAY_OVER = "batch = $2 AND expires_on < $1 AND state IN ('inactive', 'available', 'delivered', 'revealed', 'frozen')"
VALIDITY_OVER = "valid_until < $1 AND state IN ('delivered', 'revealed', 'frozen')"
FEW = """
    SELECT p.sku, p.pool, coalesce(sum(l.available), 0)::int AS cards, NULL::date AS expires_on FROM pool_sku p
    LEFT JOIN stock_level l ON l.brand_id = p.brand_id AND l.pool = p.pool AND l.sku = p.sku
    WHERE p.low_level IS NOT NULL GROUP BY p.sku, p.pool, p.low_level HAVING coalesce(sum(l.available), 0) < p.low_level"""
OLD = """
    SELECT l.sku, l.pool, count(*)::int AS cards, min(c.expires_on) AS expires_on FROM batch b JOIN stock_level l ON l.brand_id = b.brand_id AND l.batch = b.number
    JOIN card c ON c.brand_id = b.brand_id AND c.batch = b.number AND c.pool = l.pool AND c.sku = l.sku
    WHERE b.earliest_expiry <= $1 AND l.available > 0 AND c.state = 'available' AND c.expires_on <= $1 GROUP BY l.sku, l.pool"""
RAISE = """
    WITH found AS ({found}), cleared AS (
        UPDATE stock_alert a SET cleared_at = $2 WHERE a.kind = $3 AND a.cleared_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM found f WHERE f.sku = a.sku AND f.pool = a.pool)
    ) INSERT INTO stock_alert AS a (brand_id, kind, sku, pool, cards, expires_on, raised_at)
      SELECT current_brand(), $3, sku, pool, cards, expires_on, $2 FROM found
      ON CONFLICT (brand_id, kind, sku, pool) WHERE cleared_at IS NULL DO UPDATE SET cards = excluded.cards, expires_on = excluded.expires_on
      WHERE (a.cards, a.expires_on) IS DISTINCT FROM (excluded.cards, excluded.expires_on) RETURNING id, sku, pool, cards, expires_on, raised_at = $2 AS fresh"""
TELLS: dict[str, Literal["stock.low", "stock.expiring"]] = {"low": "stock.low", "expiry": "stock.expiring"}
# so many are named to who is told
MOST_TOLD = 10


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """low: fewer available than the pool's level. expiry: so many available have their last day within two weeks."""

    id: uuid.UUID
    kind: Literal["low", "expiry"]
    pool: int
    sku: str
    cards: int
    expires_on: dt.date | None
    raised_at: dt.datetime


async def sweep(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Frees what was held past its deadline; returns how many cards."""
    async with db.atomic(brand_id):
        freed: int = await db.connection().fetchval("SELECT lapse_stock($1)", now)
    return freed


async def sweep_all(*, now: dt.datetime) -> None:
    for brand_id, _code in await brands.every():
        await sweep(brand_id=brand_id, now=now)


async def watch_all(*, now: dt.datetime) -> None:
    for brand_id, _code in await brands.every():
        brand = await brands.read(brand_id)
        await expire(brand=brand, now=now)
        await look(brand=brand, now=now)


async def expire(*, brand: Brand, now: dt.datetime) -> int:
    """Cards whose last day of use is over are void, batch by batch; returns how many."""
    today = rules.local_day(now, brand.time_zone)
    await sweep(brand_id=brand.id, now=now)
    async with db.atomic(brand.id):
        due = [row["number"] for row in await db.connection().fetch(DUE, today)]
    gone = 0
    for number in due:
        gone += await _expire(brand, LAST_DAY_OVER, (today, number), now)
    return gone + await _expire(brand, VALIDITY_OVER, (today,), now)


async def _expire(brand: Brand, which: str, values: tuple[object, ...], now: dt.datetime) -> int:
    async with db.atomic(brand.id):
        connection = db.connection()
        places = await connection.fetch(
            f"SELECT sku, pool FROM card WHERE brand_id = current_brand() AND {which} GROUP BY sku, pool", *values
        )
        if not places:
            return 0
        await act.lock(pairs=[(row["sku"], row["pool"]) for row in places])
        await act.open_act(kind="expire", actor=audit.SYSTEM, now=now)
        status: str = await connection.execute(EXPIRE.format(which=which), *values)
    return int(status.split()[1])


async def look(*, brand: Brand, now: dt.datetime) -> None:
    """Raises what is to be told, and clears what is so no more."""
    until = rules.local_day(now, brand.time_zone) + dt.timedelta(days=EXPIRY_DAYS)
    async with db.atomic(brand.id):
        await db.connection().execute("SELECT lock_brand($1, 'stock_alert')", brand.id)
        few = RAISE.format(found=f"SELECT * FROM ({FEW}) f WHERE $1::date IS NOT NULL")
        for kind, statement in (("low", few), ("expiry", RAISE.format(found=OLD))):
            rows = await db.connection().fetch(statement, until, now, kind)
            await _tell(brand.id, TELLS[kind], [row for row in rows if row["fresh"]])


async def _tell(brand_id: uuid.UUID, kind: Literal["stock.low", "stock.expiring"], rows: list[asyncpg.Record]) -> None:
    """Of what was raised now, in one notification."""
    if not rows:
        return
    first = sorted(rows, key=lambda row: (row["expires_on"] or dt.date.max, row["sku"], row["pool"]))
    pools = await db.connection().fetch(
        "SELECT number, reseller, channel FROM pool WHERE number = ANY ($1)", [row["pool"] for row in first[:MOST_TOLD]]
    )
    owners = {row["number"]: {"reseller": row["reseller"], "channel": row["channel"]} for row in pools}
    alerts = [
        {"sku": row["sku"], "pool": row["pool"], "cards": row["cards"], "expires_on": row["expires_on"], **owners[row["pool"]]}
        for row in first[:MOST_TOLD]
    ]
    values = {"count": len(rows), "alerts": alerts}
    await notification.tell(brand_id=brand_id, kind=kind, subject=str(first[0]["id"]), values=values)


async def alerts(*, brand_id: uuid.UUID) -> list[Alert]:
    """Those that stand, the oldest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT id, kind, pool, sku, cards, expires_on, raised_at FROM stock_alert WHERE cleared_at IS NULL ORDER BY raised_at, kind, sku, pool"
        )
    return [Alert(**dict(row)) for row in rows]
