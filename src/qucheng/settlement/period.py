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

COMPUTE = Path(__file__).with_name("compute.sql")
ISSUE = Path(__file__).with_name("issue.sql")


class PeriodSettledError(errors.RefusedError):
    """The month has been settled: what comes later lands on a later statement."""

    code: ClassVar[str] = "period.settled"
    status: ClassVar[int] = 409


class PeriodNotEndedError(errors.RefusedError):
    """The month is not over in the brand's time zone: what it earns is not known yet."""

    code: ClassVar[str] = "period.not_ended"
    status: ClassVar[int] = 409


async def settle(*, brand: Brand, starts_on: dt.date, now: dt.datetime) -> None:
    """Computes and issues the month in one transaction: what has matured by its end and is on no statement yet goes onto one for each reseller."""
    async with db.atomic(brand.id):
        await open_books(brand=brand)
        if await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM period WHERE starts_on = $1)", starts_on):
            raise PeriodSettledError(f"{starts_on:%Y-%m} has been settled: what comes later lands on a later statement.")
        await compute(brand=brand, starts_on=starts_on)
        await close(brand=brand, starts_on=starts_on, intake=await known(), now=now)
        await issue()


async def open_books(*, brand: Brand) -> None:
    """Waits until nobody else computes or issues statements of the brand; until the transaction ends it is us."""
    await db.connection().execute("SELECT lock_brand($1, 'statement')", brand.id)


async def compute(*, brand: Brand, starts_on: dt.date) -> None:
    """Drafts the month's statements into temporary tables: draft_statement and due_accrual, due_reversal, due_bonus, due_adjustment."""
    await stage_closing(brand=brand, starts_on=starts_on)
    await withholding.stage(name=brand.withholding, period=starts_on)
    await db.add_exact_functions()
    await db.run_script(COMPUTE.read_text(encoding="utf-8"))


async def issue() -> None:
    """Issues the statements drafted in those temporary tables, and posts them."""
    await db.run_script(ISSUE.read_text(encoding="utf-8"))
    await journal.post(drafts="journal_draft")


async def stage_closing(*, brand: Brand, starts_on: dt.date) -> None:
    """The month at work, for the SQL: `closing` has its first day and the instants at which it starts and ends."""
    starts_at, ends_at = clock.month_bounds(starts_on, brand.time_zone)
    await db.connection().execute(
        "CREATE TEMP TABLE closing (starts_on date, starts_at timestamptz, ends_at timestamptz) ON COMMIT DROP"
    )
    await db.connection().execute("INSERT INTO closing VALUES ($1, $2, $3)", starts_on, starts_at, ends_at)


async def known() -> int:
    """The last delivery that has been accrued. Asked for after a computation: it is not behind what that has seen."""
    number: int = await db.connection().fetchval("SELECT coalesce(max(accrued_through), 0) FROM intake")
    return number


async def close(*, brand: Brand, starts_on: dt.date, intake: int, now: dt.datetime) -> None:
    """Closes the month: from now on what comes late for it lands on a later statement. intake: the last delivery that its statements know of."""
    starts_at, ends_at = clock.month_bounds(starts_on, brand.time_zone)
    await db.connection().execute(
        "INSERT INTO period (brand_id, starts_on, starts_at, ends_at, settled_at, intake) VALUES ($1, $2, $3, $4, $5, $6)",
        brand.id,
        starts_on,
        starts_at,
        ends_at,
        now,
        intake,
    )


async def last_closed(*, brand: Brand) -> dt.date | None:
    async with db.atomic(brand.id):
        last: dt.date | None = await db.connection().fetchval("SELECT max(starts_on) FROM period")
    return last


async def require_ended(*, brand: Brand, starts_on: dt.date, now: dt.datetime) -> None:
    """Raises PeriodNotEndedError while the month lasts, by our clock or by the database's."""
    ends_at = clock.month_bounds(starts_on, brand.time_zone)[1]
    async with db.atomic():
        over = await db.connection().fetchval("SELECT least($1::timestamptz, clock_timestamp()) >= $2", now, ends_at)
    if not over:
        raise PeriodNotEndedError(
            f"{starts_on:%Y-%m} has not ended in {brand.time_zone}: it can be settled from {clock.month_after(starts_on)} 00:00 there on."
        )


async def next_after(*, brand: Brand, last: dt.date | None) -> dt.date | None:
    """The next month with something to settle: the one after `last` while a balance is carried, else where anything is due.

    Months in which nothing happens for anyone have no statements; they need no visit.
    """
    async with db.atomic(brand.id):
        carried, due = await db.connection().fetchrow(
            """
            SELECT EXISTS (SELECT 1 FROM statement s WHERE s.period = $1 AND s.carried_minor <> 0),
                   (SELECT min(month) FROM (
                        SELECT period_of(min(matures_at), b.time_zone) AS month FROM timed_accrual
                        WHERE $1::date IS NULL OR matures_at >= $2
                        UNION ALL SELECT period_of(min(matures_at), b.time_zone) FROM timed_reversal WHERE $1::date IS NULL OR matures_at >= $2
                        UNION ALL SELECT period_of(min(occurred_at), b.time_zone) FROM adjustment WHERE $1::date IS NULL OR occurred_at >= $2
                        UNION ALL SELECT min(counted_in) FROM own_volume WHERE $1::date IS NULL OR counted_in > $1) months)
            FROM brand b""",
            last,
            clock.month_bounds(last, brand.time_zone)[1] if last else None,
        )
    return clock.month_after(last) if carried and last else due
