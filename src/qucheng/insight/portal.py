"""What a reseller has coming and where it stands, read with its own eyes: as its people may see it, and no more."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import clock, db, errors

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

# All that was ever earned, less what stands on statements, is what stands on none; so nothing is looked for entry by entry.
OPEN = """
    SELECT (SELECT coalesce(sum(amount_minor), 0) FROM accrual) + (SELECT coalesce(sum(amount_minor), 0) FROM reversal)
           + (SELECT coalesce(sum(amount_minor), 0) FROM adjustment)
           - (SELECT coalesce(sum(accrued_minor + reversed_minor + adjustment_minor), 0) FROM statement)"""
# the last month whose statements a reseller can read
PUBLISHED = "SELECT max(starts_on) FROM period WHERE starts_on <> ALL ((SELECT unpublished_periods())::date[])"
LAST = "SELECT period, carried_minor FROM statement ORDER BY period DESC LIMIT 1"
# what matures from an instant on, and what nobody knows of when
FROM_ON = """
    SELECT matures_at, amount_minor FROM timed_accrual WHERE matures_at >= $1
    UNION ALL SELECT matures_at, amount_minor FROM timed_reversal WHERE matures_at >= $1
    UNION ALL SELECT matures_at, amount_minor FROM timed_accrual WHERE matures_at IS NULL
    UNION ALL SELECT matures_at, amount_minor FROM timed_reversal WHERE matures_at IS NULL
    UNION ALL SELECT occurred_at, amount_minor FROM adjustment WHERE occurred_at >= $1"""
LATER = f"SELECT coalesce(sum(amount_minor), 0)::bigint FROM ({FROM_ON}) entry"
FIRST = f"SELECT min(matures_at) FROM ({FROM_ON}) entry"
NEXT = f"""
    SELECT day, sum(amount_minor)::bigint AS amount_minor FROM (SELECT (matures_at AT TIME ZONE $2)::date AS day, amount_minor FROM ({FROM_ON}) entry WHERE matures_at IS NOT NULL) daily
    GROUP BY day ORDER BY day LIMIT 1"""
PAID = "SELECT count(*), coalesce(sum(net_minor), 0)::bigint FROM statement WHERE net_minor > 0 AND period >= $1 AND period < $2"
SOLD = """
    SELECT count(DISTINCT order_no) AS orders, coalesce(sum(net_minor), 0)::bigint AS net,
           coalesce(sum(net_minor) FILTER (WHERE self_purchase), 0)::bigint AS own
    FROM order_line WHERE paid_at >= $1 AND paid_at < $2"""
# a commission matures at most 90 days after its sale, so both limits of the index hold; one that waits for an event has no time
EARNED = """
    SELECT coalesce(sum(amount_minor), 0)::bigint FROM accrual
    WHERE (matures_at >= $1 AND matures_at < $2::timestamptz + interval '91 days' OR matures_at IS NULL) AND occurred_at >= $1 AND occurred_at < $2"""
STANDING = """
    SELECT r.code, r.name, r.kind, r.joined_on, own_depth($1) AS depth, now.parent, now.tier, now.since, t.name AS tier_name, paid_levels($1) AS paid_levels
    FROM reseller r CROSS JOIN LATERAL (
        SELECT parent, tier, day AS since FROM (
            SELECT r.parent, r.tier, r.joined_on AS day, false AS moved
            UNION ALL SELECT p.parent, p.tier, p.effective_on, true FROM placement p WHERE p.brand_id = r.brand_id AND p.reseller = r.code) event
        WHERE day <= greatest($1, r.joined_on) ORDER BY day DESC, moved DESC LIMIT 1) now
    JOIN tier t ON t.brand_id = r.brand_id AND t.code = now.tier"""
HISTORY = """
    SELECT e.day, e.parent, t.name AS tier_name FROM (
        SELECT brand_id, joined_on AS day, false AS moved, parent, tier FROM reseller
        UNION ALL SELECT brand_id, effective_on, true, parent, tier FROM placement) e
    JOIN tier t ON t.brand_id = e.brand_id AND t.code = e.tier ORDER BY e.day DESC, e.moved DESC LIMIT 50"""
MILLION = 1_000_000


class ResellerUnknownError(errors.RefusedError):
    code: ClassVar[str] = "reseller.unknown"
    status: ClassVar[int] = 404


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Before tax, and without bonuses of months that are not settled.

    due_minor: has matured and stands on no statement, with what the last one carried over (carried_minor, of carried_from).
    pending_minor: matures later, or nobody knows when; next_minor of it on next_on. payout_minor: what the statement of payout_period would pay if
    nothing came between. paid: by the statements of the year, each of which counts as paid in its own month.
    """

    due_minor: int
    carried_minor: int
    carried_from: dt.date | None
    pending_minor: int
    next_on: dt.date | None
    next_minor: int
    payout_minor: int
    payout_period: dt.date
    not_before: dt.date
    paid_minor: int
    paid_statements: int
    year: int


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """Of the running month. self_purchase_ppm: the share that it bought itself, None where nothing was sold."""

    month: dt.date
    orders: int
    net_minor: int
    earned_minor: int
    self_purchase_ppm: int | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """depth: counted from its root; None before it has joined. since: from when on it stands there. paid_levels: how many earn today."""

    code: str
    name: str
    kind: str
    joined_on: dt.date
    depth: int | None
    parent: str | None
    tier: str
    tier_name: str
    since: dt.date
    paid_levels: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    day: dt.date
    parent: str | None
    tier_name: str


def today(brand: Brand, now: dt.datetime) -> dt.date:
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


async def figures(*, brand: Brand, reseller: str, now: dt.datetime) -> Figures:
    day = today(brand, now)
    year = dt.date(day.year, 1, 1)
    async with db.atomic(brand.id, reseller=reseller):
        connection = db.connection()
        found = await connection.fetchval(OPEN)
        last = await connection.fetchrow(LAST)
        carried = last["carried_minor"] if last else 0
        pending = await connection.fetchval(LATER, now)
        following = await connection.fetchrow(NEXT, now, brand.time_zone)
        period = await _coming(connection, brand, int(found), carried, day)
        after = await connection.fetchval(LATER, clock.month_bounds(period, brand.time_zone)[1])
        statements, paid = await connection.fetchrow(PAID, year, year.replace(year=day.year + 1))
    return Figures(
        due_minor=int(found) + carried - pending,
        carried_minor=carried,
        carried_from=last["period"] if last and carried else None,
        pending_minor=pending,
        next_on=following["day"] if following else None,
        next_minor=following["amount_minor"] if following else 0,
        payout_minor=int(found) + carried - after,
        payout_period=period,
        not_before=clock.month_after(period),
        paid_minor=paid,
        paid_statements=statements,
        year=day.year,
    )


async def _coming(connection: asyncpg.Connection, brand: Brand, found: int, carried: int, day: dt.date) -> dt.date:
    """The month of the next statement: the one after the last that was published, or later where nothing matures in it."""
    last = await connection.fetchval(PUBLISHED)
    since = clock.month_bounds(last, brand.time_zone)[1] if last else dt.datetime.min.replace(tzinfo=dt.UTC)
    first = await connection.fetchval(FIRST, since)
    late = found - int(await connection.fetchval(LATER, since))
    if last is not None and (late or carried):
        return clock.month_after(last)
    if first is None:
        return max(day.replace(day=1), clock.month_after(last)) if last else day.replace(day=1)
    return first.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date().replace(day=1)  # type: ignore[no-any-return]


async def sold(*, brand: Brand, reseller: str, now: dt.datetime) -> Sold:
    month = today(brand, now).replace(day=1)
    starts_at, ends_at = clock.month_bounds(month, brand.time_zone)
    async with db.atomic(brand.id, reseller=reseller):
        orders, net, own = await db.connection().fetchrow(SOLD, starts_at, ends_at)
        earned = await db.connection().fetchval(EARNED, starts_at, ends_at)
    share = (2 * own * MILLION + net) // (2 * net) if net else None
    return Sold(month=month, orders=orders, net_minor=net, earned_minor=earned, self_purchase_ppm=share)


async def standing(*, brand: Brand, reseller: str, now: dt.datetime) -> Standing:
    async with db.atomic(brand.id, reseller=reseller):
        row = await db.connection().fetchrow(STANDING, today(brand, now))
    if row is None:
        raise ResellerUnknownError(f"{brand.code} has no reseller {reseller!r}.")
    return Standing(**dict(row))


async def places(*, brand: Brand, reseller: str) -> list[Place]:
    """Where it stood and stands, and where it is to stand; the latest first."""
    async with db.atomic(brand.id, reseller=reseller):
        return [Place(**dict(row)) for row in await db.connection().fetch(HISTORY)]
