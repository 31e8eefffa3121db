"""A draft brought up to date: what was approved since it was made is taken in, and what it changes stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.catalog import price_draft, price_version
from qucheng.catalog.price_records import Rebased
from qucheng.core import audit, db

if TYPE_CHECKING:
    import datetime as dt
    import uuid

# mine: what the draft changes, theirs: what was changed since, both by key. A key that became the same in both is neither's.
DIFFERENCES = """
    WITH version AS (
        SELECT v.number, v.based_on, (SELECT max(o.number) FROM price_version o WHERE o.state = 'approved') AS newest FROM price_version v WHERE v.number = $1
    ), mine AS (
        SELECT d.*, coalesce(d.channel, '') AS c, coalesce(d.tier, '') AS t FROM version v CROSS JOIN LATERAL price_difference(v.based_on, v.number) d
    ), theirs AS (
        SELECT d.*, coalesce(d.channel, '') AS c, coalesce(d.tier, '') AS t FROM version v CROSS JOIN LATERAL price_difference(v.based_on, v.newest) d
    )
    SELECT o.limits, o.sku, o.channel, o.tier, o.before::text AS before, o.after::text AS after, m.sku IS NOT NULL AS both_changed, m.after::text AS kept
    FROM theirs o LEFT JOIN mine m ON (m.limits, m.sku, m.c, m.t) = (o.limits, o.sku, o.c, o.t)
    WHERE m.sku IS NULL OR m.after IS DISTINCT FROM o.after
    ORDER BY o.sku COLLATE "C", o.limits, o.c, o.t"""
MINE = """
    CREATE TEMP TABLE price_mine ON COMMIT DROP AS
    SELECT d.limits, d.sku, coalesce(d.channel, '') AS channel, coalesce(d.tier, '') AS tier FROM price_version v
    CROSS JOIN LATERAL price_difference(v.based_on, v.number) d WHERE v.number = {number}"""
CELLS = """
    INSERT INTO price_cell (brand_id, version, sku, channel, tier, starts_on, ends_on, price_minor)
    SELECT c.brand_id, $2, c.sku, c.channel, c.tier, c.starts_on, c.ends_on, c.price_minor FROM price_cell c
    WHERE c.version IN ($1, $3) AND (c.version = $1) = EXISTS (
        SELECT 1 FROM price_mine m WHERE NOT m.limits AND (m.sku, m.channel, m.tier) = (c.sku, coalesce(c.channel, ''), coalesce(c.tier, '')))"""
LIMITS = """
    INSERT INTO price_limit (brand_id, version, sku, starts_on, ends_on, floor_minor, cost_minor)
    SELECT l.brand_id, $2, l.sku, l.starts_on, l.ends_on, l.floor_minor, l.cost_minor FROM price_limit l
    WHERE l.version IN ($1, $3) AND (l.version = $1) = EXISTS (SELECT 1 FROM price_mine m WHERE m.limits AND m.sku = l.sku)"""


async def overtaken(*, brand_id: uuid.UUID, number: int) -> Rebased | None:
    """What bringing it up to date would do; None where nothing was approved since it was made. Nothing is written.

    Raises PriceVersionUnknownError, PriceStateError.
    """
    async with db.atomic(brand_id):
        await price_version.require_state(brand_id, number, "draft", "submitted")
        return await _differences(number) if await _is_overtaken(number) else None


async def bring_up_to_date(*, brand_id: uuid.UUID, number: int, actor: audit.Actor, now: dt.datetime) -> Rebased:
    """The draft is discarded for one made from the newest approved version, with the same changes; its number is in the answer.

    Of what was changed both there and here, what stands here stays. A draft that is up to date stays as it is. Raises
    PriceVersionUnknownError, PriceStateError.
    """
    async with db.atomic(brand_id):
        await price_version.require_state(brand_id, number, "draft", "submitted")
        if not await _is_overtaken(number):
            return Rebased(number=number, taken=(), both=())
        found = await _differences(number)
        row = await db.connection().fetchrow("SELECT restores, name FROM price_version WHERE number = $1", number)
        await db.connection().execute(MINE.format(number=int(number)))
        await price_version.end(number)
        fresh = await price_version.begin(brand_id, restores=row["restores"], name=row["name"], actor=actor, now=now)
        newest = await db.connection().fetchval("SELECT based_on FROM price_version WHERE number = $1", fresh)
        for statement in (CELLS, LIMITS):
            await db.connection().execute(statement, number, fresh, newest)
        await db.connection().execute(price_version.EDITS, number, fresh)
        await db.connection().execute("DROP TABLE price_mine")
        after = {"version": number, "based_on": newest, "taken": len(found.taken), "both": len(found.both)}
        await price_version.record(brand_id, actor, "prices.rebase", fresh, after=after)
    return Rebased(number=fresh, taken=found.taken, both=found.both)


async def _is_overtaken(number: int) -> bool:
    return bool(
        await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM price_version v JOIN price_version o USING (brand_id)"
            " WHERE v.number = $1 AND o.state = 'approved' AND o.number > coalesce(v.based_on, 0))",
            number,
        )
    )


async def _differences(number: int) -> Rebased:
    rows = await db.connection().fetch(DIFFERENCES, number)
    return Rebased(
        number=number,
        taken=tuple(price_draft.difference(row) for row in rows if not row["both_changed"]),
        # what was approved, and what stands here instead
        both=tuple(
            price_draft.difference({**dict(row), "before": row["after"], "after": row["kept"]})
            for row in rows
            if row["both_changed"]
        ),
    )
