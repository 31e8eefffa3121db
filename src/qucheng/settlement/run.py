"""Settlement runs: a month computed as a draft, which may be computed again or discarded, and issued batch by batch."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, clock, crashpoint, db, errors
from qucheng.settlement import document_store, period

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

BATCH = 200
"""Statements issued in one transaction."""
NUMBER = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)

SUMS = ("opening", "accrued", "reversed", "bonus", "adjustment", "payable", "tax", "net", "carried")
STORE = f"""
    INSERT INTO run_statement (brand_id, period, run, number, reseller, kind, {", ".join(f"{name}_minor" for name in SUMS)})
    SELECT current_brand(), c.starts_on, {{run}}, d.number, d.reseller, d.kind, {", ".join(f"d.{name}" for name in SUMS)}
    FROM closing c CROSS JOIN draft_statement d ORDER BY d.number;
    INSERT INTO run_entry (brand_id, period, run, number, position, kind, order_no, line_no, level, refund_no, rule, of_period, basis_value, amount_minor)
    SELECT current_brand(), c.starts_on, {{run}}, number, row_number() OVER (PARTITION BY number), kind, order_no, line_no, level, refund_no, rule,
           of_period, basis_value, amount_minor
    FROM closing c CROSS JOIN (
        SELECT d.number, 'accrual' AS kind, a.order_no, a.line_no, a.level, NULL::text AS refund_no, NULL::text AS rule, NULL::date AS of_period,
               NULL::bigint AS basis_value, a.amount_minor FROM due_accrual a JOIN draft_statement d USING (reseller)
        UNION ALL SELECT d.number, 'reversal', v.order_no, v.line_no, v.level, v.refund_no, NULL, NULL, NULL, v.amount_minor
        FROM due_reversal v JOIN draft_statement d USING (reseller)
        UNION ALL SELECT d.number, 'bonus', NULL, NULL, NULL, NULL, o.rule, o.of_period, o.basis_value, o.amount_minor
        FROM due_bonus o JOIN draft_statement d USING (reseller)
        UNION ALL SELECT d.number, 'adjustment', j.code, NULL, NULL, NULL, NULL, NULL, NULL, j.amount_minor
        FROM due_adjustment j JOIN draft_statement d USING (reseller)) entries"""
LOAD = f"""
    CREATE TEMP TABLE chosen ON COMMIT DROP AS
    SELECT e.*, s.reseller FROM run_entry e JOIN run_statement s USING (brand_id, period, run, number)
    WHERE e.brand_id = current_brand() AND e.period = (SELECT starts_on FROM closing) AND e.run = {{run}} AND e.number BETWEEN {{first}} AND {{last}};
    CREATE TEMP TABLE draft_statement ON COMMIT DROP AS
    SELECT number, reseller, kind, {", ".join(f"{name}_minor AS {name}" for name in SUMS)} FROM run_statement
    WHERE brand_id = current_brand() AND period = (SELECT starts_on FROM closing) AND run = {{run}} AND number BETWEEN {{first}} AND {{last}};
    CREATE TEMP TABLE due_accrual ON COMMIT DROP AS SELECT order_no, line_no, level, reseller FROM chosen WHERE kind = 'accrual';
    CREATE TEMP TABLE due_reversal ON COMMIT DROP AS SELECT order_no, line_no, level, refund_no, reseller FROM chosen WHERE kind = 'reversal';
    CREATE TEMP TABLE due_adjustment ON COMMIT DROP AS SELECT order_no AS code, reseller FROM chosen WHERE kind = 'adjustment';
    CREATE TEMP TABLE due_bonus ON COMMIT DROP AS SELECT rule, reseller, of_period, basis_value, amount_minor FROM chosen WHERE kind = 'bonus';
    ANALYZE draft_statement; ANALYZE due_accrual; ANALYZE due_reversal;"""
# the draft is not append-only: what is issued is what its own entries add up to, or nothing
DAMAGED = """
    SELECT count(*) FROM draft_statement d LEFT JOIN (
        SELECT number, coalesce(sum(amount_minor) FILTER (WHERE kind = 'accrual'), 0) AS accrued, coalesce(sum(amount_minor) FILTER (WHERE kind = 'reversal'), 0) AS reversed,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'bonus'), 0) AS bonus, coalesce(sum(amount_minor) FILTER (WHERE kind = 'adjustment'), 0) AS adjustment
        FROM chosen GROUP BY number) e USING (number)
    WHERE (d.accrued, d.reversed, d.bonus, d.adjustment) IS DISTINCT FROM
          (coalesce(e.accrued, 0), coalesce(e.reversed, 0), coalesce(e.bonus, 0), coalesce(e.adjustment, 0))"""

# a refund that came late may have taken its place before one of the draft's
OVERTAKEN = """
    SELECT EXISTS (SELECT 1 FROM run_entry e LEFT JOIN reversal v USING (brand_id, order_no, line_no, level, refund_no)
                   WHERE e.period = $1 AND e.run = $2 AND e.kind = 'reversal' AND v.amount_minor IS DISTINCT FROM e.amount_minor)"""

# $1: the last delivery that is known. $2: the end of the month. $3: only of what is accrued.
BEHIND = """
    SELECT EXISTS (SELECT 1 FROM intake WHERE NOT live AND number > $1 AND (accrued_at IS NOT NULL OR NOT $3))
        OR EXISTS (SELECT 1 FROM intake i WHERE i.live AND CASE WHEN i.accrued_at IS NULL THEN NOT $3 ELSE i.accrued_through > $1 END AND (
            EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = i.brand_id AND l.intake = i.number AND l.paid_at < $2)
            OR EXISTS (SELECT 1 FROM fulfilment e WHERE e.brand_id = i.brand_id AND e.intake = i.number AND e.at < $2)
            OR EXISTS (SELECT 1 FROM refund r WHERE r.brand_id = i.brand_id AND r.intake = i.number AND r.refunded_at < $2)))"""


class RunUnknownError(errors.RefusedError):
    code: ClassVar[str] = "run.unknown"
    status: ClassVar[int] = 404


class RunStateError(errors.RefusedError):
    """The run is not in a state in which this can be done to it."""

    code: ClassVar[str] = "run.state"
    status: ClassVar[int] = 409


class RunDamagedError(errors.RefusedError):
    """The entries of a draft do not add up to its statements."""

    code: ClassVar[str] = "run.damaged"
    status: ClassVar[int] = 409


class RunOutdatedError(errors.RefusedError):
    """What the draft takes back has changed since it was computed."""

    code: ClassVar[str] = "run.outdated"
    status: ClassVar[int] = 409


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in minor units. period: its first day. issued: how many of its statements are, in the order of their numbers.

    published_by: None where its last document did it.
    """

    period: dt.date
    number: int
    state: Literal["computed", "issuing", "issued", "discarded"]
    intake: int
    statements: int
    gross_minor: int
    tax_minor: int
    net_minor: int
    issued: int
    computed_at: dt.datetime
    issued_at: dt.datetime | None
    discarded_at: dt.datetime | None
    published_at: dt.datetime | None
    published_by: uuid.UUID | None


COLUMNS = ", ".join(Run.__struct_fields__)


def code_of(brand: Brand, run: Run) -> str:
    """What a person calls it: lanxi-202608-1."""
    return f"{brand.code}-{run.period:%Y%m}-{run.number}"


def parse_code(code: str) -> tuple[str, dt.date, int]:
    """The brand's code, the period and the number of a run's code; RunUnknownError where it is none."""
    parts = code.rsplit("-", 2)
    try:
        brand_code, month, number = parts if NUMBER.fullmatch(parts[-1]) else []
        return brand_code, dt.datetime.strptime(month, "%Y%m").replace(tzinfo=dt.UTC).date(), int(number)
    except ValueError:
        raise RunUnknownError(
            f"{code!r} is not the code of a run: those look like BRAND-202608-1; see qucheng runs list."
        ) from None


def month(text: str) -> dt.date:
    """The first day of `2026-10`. ValueError for anything else."""
    return dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()


async def listing(*, brand: Brand) -> list[Run]:
    """All runs, the newest period first, of each the newest number first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(f"SELECT {COLUMNS} FROM settlement_run ORDER BY period DESC, number DESC")
    return [_run(row) for row in rows]


async def read(*, brand: Brand, starts_on: dt.date, number: int) -> Run:
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"SELECT {COLUMNS} FROM settlement_run WHERE period = $1 AND number = $2", starts_on, number
        )
    if row is None:
        raise RunUnknownError(f"{brand.code} has no run {number} of {starts_on:%Y-%m}; see qucheng runs list.")
    return _run(row)


async def open_run(*, brand: Brand) -> Run | None:
    """The run that is computed or being issued, if there is one."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM settlement_run WHERE state IN ('computed', 'issuing')")
    return _run(row) if row is not None else None


async def of_period(*, brand: Brand, starts_on: dt.date) -> Run | None:
    """The one by which the month is or was issued; None where it was settled without one."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"SELECT {COLUMNS} FROM settlement_run WHERE period = $1 AND state IN ('issuing', 'issued')", starts_on
        )
    return _run(row) if row is not None else None


async def is_stale(*, brand: Brand, run: Run) -> bool:
    """Whether anything was delivered since the draft was computed, or a live order or refund came that is of the month or an earlier one."""
    return await is_behind(brand=brand, starts_on=run.period, known=run.intake, accrued=False)


async def is_behind(*, brand: Brand, starts_on: dt.date, known: int, accrued: bool) -> bool:
    """Whether there is something for the month that came after the delivery `known`. accrued: of what the kernel has reckoned with.

    Live orders come all the time: those that were paid after the month cannot be on its statements.
    """
    _, ends_at = clock.month_bounds(starts_on, brand.time_zone)
    async with db.atomic(brand.id):
        behind: bool = await db.connection().fetchval(BEHIND, known, ends_at, accrued)
    return behind


async def next_period(*, brand: Brand) -> dt.date | None:
    """The first month that is not closed: the one after the last closed, else the first in which anything is due."""
    last = await period.last_closed(brand=brand)
    return clock.month_after(last) if last is not None else await period.next_after(brand=brand, last=None)


async def compute(*, brand: Brand, starts_on: dt.date, now: dt.datetime) -> Run | None:
    """Drafts the month, in place of an earlier draft; None where nothing is due for anybody.

    Raises PeriodNotEndedError, PeriodSettledError, and RunStateError where another month comes first or is being issued.
    """
    await period.require_ended(brand=brand, starts_on=starts_on, now=now)
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        await _require_next(brand, starts_on)
        standing = await open_run(brand=brand)
        if standing is not None:
            await discard(brand=brand, run=standing, now=now)
        await period.compute(brand=brand, starts_on=starts_on)
        number = await _store(starts_on, now)
        run = await read(brand=brand, starts_on=starts_on, number=number) if number is not None else None
        crashpoint.reached("run.computed")
    return run


async def discard(*, brand: Brand, run: Run, actor: audit.Actor = audit.SYSTEM, now: dt.datetime) -> None:
    """Throws the draft away. Raises RunStateError where any of it has been issued."""
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        current = await read(brand=brand, starts_on=run.period, number=run.number)
        if current.state != "computed":
            raise RunStateError(f"Run {code_of(brand, run)} is {current.state}: only one that is computed can be discarded.")
        await db.connection().execute(
            "UPDATE settlement_run SET state = 'discarded', discarded_at = $3 WHERE period = $1 AND number = $2",
            run.period,
            run.number,
            now,
        )
        await _delete_draft(run)
        await audit.record(brand_id=brand.id, actor=actor, action="run.discard", subject=code_of(brand, run))


async def begin_issue(*, brand: Brand, run: Run, now: dt.datetime) -> None:
    """Closes the month and gives the run over to be issued: from now on it is neither computed again nor discarded.

    Raises RunStateError where it is not computed any more, RunOutdatedError.
    """
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        current = await read(brand=brand, starts_on=run.period, number=run.number)
        if current.state != "computed":
            raise RunStateError(f"Run {code_of(brand, run)} is {current.state}: it is not to be issued any more.")
        await _close(brand, run, now)
        await db.connection().execute(
            "UPDATE settlement_run SET state = 'issuing' WHERE period = $1 AND number = $2", run.period, run.number
        )


async def close_empty(*, brand: Brand, starts_on: dt.date, now: dt.datetime) -> None:
    """Closes a month in which nothing was due for anybody."""
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        await _require_next(brand, starts_on)
        # what came since it was found to be empty may be due in it
        known: int = await db.connection().fetchval("SELECT coalesce(max(intake), 0) FROM period")
        await period.close(brand=brand, starts_on=starts_on, intake=known, now=now)


async def issue_batch(*, brand: Brand, run: Run, now: dt.datetime) -> Run:
    """Issues the next statements of the run: numbers, postings, frozen documents and the task that renders them, all at once.

    Returns the run as it then is; one that is issued stays as it is. Raises RunStateError for a discarded one, RunOutdatedError.
    """
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        run = await read(brand=brand, starts_on=run.period, number=run.number)
        if run.state == "issued":
            return run
        if run.state == "discarded":
            raise RunStateError(f"Run {code_of(brand, run)} was discarded: compute the month again.")
        if run.state == "computed":
            await _close(brand, run, now)
        first, last = run.issued + 1, min(run.issued + BATCH, run.statements)
        await period.stage_closing(brand=brand, starts_on=run.period)
        await db.connection().execute(LOAD.format(run=run.number, first=first, last=last))
        if await db.connection().fetchval(DAMAGED):
            raise RunDamagedError(
                f"The draft of run {code_of(brand, run)} does not add up: discard it and compute the month again."
            )
        await period.issue()
        await document_store.freeze(brand=brand, period=run.period, first=first, last=last)
        await document_store.request(brand=brand, period=run.period, first=first, last=last)
        await _advance(run, last, now)
        if last == run.statements:
            await _delete_draft(run)
        crashpoint.reached("run.batch")
        return await read(brand=brand, starts_on=run.period, number=run.number)


async def _close(brand: Brand, run: Run, now: dt.datetime) -> None:
    if await db.connection().fetchval(OVERTAKEN, run.period, run.number):
        raise RunOutdatedError(
            f"A refund came late and changes what run {code_of(brand, run)} takes back: discard it and compute the month again."
        )
    await period.close(brand=brand, starts_on=run.period, intake=run.intake, now=now)


async def _require_next(brand: Brand, starts_on: dt.date) -> None:
    standing = await open_run(brand=brand)
    if standing is not None and standing.state == "issuing":
        raise RunStateError(f"Run {code_of(brand, standing)} is being issued: that comes first.")
    last = await period.last_closed(brand=brand)
    if last is not None and starts_on <= last:
        raise period.PeriodSettledError(f"{starts_on:%Y-%m} has been settled: what comes later lands on a later statement.")
    following = await next_period(brand=brand)
    if following is not None and starts_on > following:
        raise RunStateError(f"{following:%Y-%m} comes before {starts_on:%Y-%m}: months are settled in order.")


async def _store(starts_on: dt.date, now: dt.datetime) -> int | None:
    connection = db.connection()
    number: int | None = await connection.fetchval(
        """INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, computed_at)
           SELECT current_brand(), $1, (SELECT coalesce(max(number), 0) + 1 FROM settlement_run WHERE period = $1), 'computed', $3,
                  count(*), sum(payable - opening)::bigint, sum(tax)::bigint, sum(net)::bigint, $2
           FROM draft_statement HAVING count(*) > 0 RETURNING number""",
        starts_on,
        now,
        await period.known(),
    )
    if number is not None:
        await connection.execute(STORE.format(run=number))
    return number


async def _advance(run: Run, last: int, now: dt.datetime) -> None:
    done = last == run.statements
    await db.connection().execute(
        "UPDATE settlement_run SET issued = $3, state = $4, issued_at = $5 WHERE period = $1 AND number = $2",
        run.period,
        run.number,
        last,
        "issued" if done else "issuing",
        now if done else None,
    )


async def _delete_draft(run: Run) -> None:
    for table in ("run_entry", "run_statement"):
        await db.connection().execute(f"DELETE FROM {table} WHERE period = $1 AND run = $2", run.period, run.number)


def _run(row: asyncpg.Record) -> Run:
    return Run(**dict(row))
