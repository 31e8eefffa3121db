"""Periods: settled one after the other, each into its statements and their journal entries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qucheng.core import clock, db, errors
from qucheng.ledger import journal
from qucheng.settlement import withholding

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand

SQL = Path(__file__).with_name("period.sql")


class PeriodSettledError(errors.RefusedError):
    """The month has been settled: what comes later lands on a later statement."""

    code: ClassVar[str] = "period.settled"
    status: ClassVar[int] = 409


async def settle(*, brand: Brand, starts_on: dt.date, now: dt.datetime) -> None:
    """Settles the month: what has matured by its end and is on no statement yet goes onto one for each reseller."""
    starts_at, ends_at = clock.month_bounds(starts_on, brand.time_zone)
    async with db.atomic(brand.id):
        connection = db.connection()
        await connection.execute("SELECT lock_brand($1, 'statement')", brand.id)
        if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM period WHERE starts_on = $1)", starts_on):
            raise PeriodSettledError(f"{starts_on:%Y-%m} has been settled: what comes later lands on a later statement.")
        await connection.execute(
            "CREATE TEMP TABLE closing (starts_on date, starts_at timestamptz, ends_at timestamptz) ON COMMIT DROP"
        )
        await connection.execute("INSERT INTO closing VALUES ($1, $2, $3)", starts_on, starts_at, ends_at)
        await connection.execute(
            "INSERT INTO period (brand_id, starts_on, starts_at, ends_at, settled_at) VALUES ($1, $2, $3, $4, $5)",
            brand.id,
            starts_on,
            starts_at,
            ends_at,
            now,
        )
        await withholding.stage(name=brand.withholding, period=starts_on)
        await db.run_script(SQL.read_text(encoding="utf-8"))
        await journal.post(drafts="journal_draft")


async def next_after(*, brand: Brand, last: dt.date | None) -> dt.date | None:
    """The next month with something to settle: the one after `last` while a balance is carried, else where anything is due.

    Months in which nothing happens for anyone have no statements; they need no visit.
    """
    async with db.atomic(brand.id):
        carried, due = await db.connection().fetchrow(
            """
            SELECT EXISTS (SELECT 1 FROM statement s WHERE s.period = $1 AND s.carried_minor <> 0),
                   (SELECT min(month) FROM (
                        SELECT period_of(min(matures_at), b.time_zone) AS month FROM accrual a
                        WHERE $1::date IS NULL OR matures_at >= $2
                        UNION ALL SELECT period_of(min(matures_at), b.time_zone) FROM reversal WHERE $1::date IS NULL OR matures_at >= $2
                        UNION ALL SELECT period_of(min(occurred_at), b.time_zone) FROM adjustment WHERE $1::date IS NULL OR occurred_at >= $2
                        UNION ALL SELECT min(counted_in) FROM own_volume WHERE $1::date IS NULL OR counted_in > $1) months)
            FROM brand b""",
            last,
            clock.month_bounds(last, brand.time_zone)[1] if last else None,
        )
    return clock.month_after(last) if carried and last else due
