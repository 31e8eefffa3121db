"""What months that are over would have earned under a draft, beside what today's plan gives for the same sales.

Both are reckoned by the kernel and the bonus step of a settlement, on copies in temporary tables, in transactions that are rolled
back: nothing of it is in the books. Each plan counts as it is on one day, today's on that of the request and the draft on its
first day, and as if it had been in force all the time. Refunds are those that are known.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.commission import accrual, plan_check, plan_rows, plan_version
from qucheng.core import clock, db, errors, ids, task, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from qucheng.commission.plan_words import PlanRule
    from qucheng.core import audit
    from qucheng.identity.brand import Brand

KIND = "plan.simulate"
MOST_MONTHS = 12
BOOKS = Path(__file__).with_name("plan_simulation.sql")
BONUSES = Path(__file__).with_name("compute.sql")
COPIED = (
    "order_line",
    "refund",
    "fulfilment",
    "line_clock",
    "intake",
    "accrual",
    "reversal",
    "reversal_version",
    "own_volume",
    "order_flag",
    "bonus",
    "rule",
    "rule_bracket",
    "rule_term",
)
TERMS = """
    CREATE TEMP TABLE rule_term ON COMMIT DROP AS
    SELECT *, ends_on AS own_ends_on, NULL::date AS dropped_on, NULL::integer AS dropped_by FROM rule"""
SHADOWED = """
    SELECT bool_and(c.relnamespace = pg_my_temp_schema()) FROM pg_class c WHERE c.oid = ANY (SELECT name::regclass FROM unnest($1::text[]) name)"""
# what the plan gives, by reseller and by SKU, as one value
EARNED = """
    WITH entry AS (
        SELECT e.reseller, l.sku, e.amount_minor FROM accrual e JOIN order_line l USING (order_no, line_no)
        UNION ALL SELECT e.reseller, l.sku, e.amount_minor FROM reversal e JOIN order_line l USING (order_no, line_no)
        UNION ALL SELECT reseller, '', amount_minor FROM due_bonus)
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'code', code, 'amount', amount)), '[]')::text
    FROM (SELECT 'reseller' AS kind, reseller AS code, sum(amount_minor) AS amount FROM entry GROUP BY 2
          UNION ALL SELECT 'sku', sku, sum(amount_minor) FROM entry GROUP BY 2) sums"""
STORE = """
    INSERT INTO plan_simulation_row (brand_id, simulation, kind, code, today_minor, draft_minor)
    SELECT current_brand(), $1, kind, code, coalesce(t.amount, 0), coalesce(d.amount, 0)
    FROM jsonb_to_recordset($2::jsonb) AS t (kind text, code text, amount bigint)
    FULL JOIN jsonb_to_recordset($3::jsonb) AS d (kind text, code text, amount bigint) USING (kind, code)"""
SHOWN = """
    SELECT s.id, s.version, s.first_month, s.last_month, s.asked_by, s.asked_at, s.lines, s.today_minor, s.draft_minor, s.made_at,
           CASE WHEN s.made_at IS NOT NULL THEN 'done' WHEN t.state IN ('waiting', 'running') THEN t.state ELSE 'failed' END AS state,
           coalesce(t.units_done, 0) AS units_done, t.units
    FROM plan_simulation s LEFT JOIN task t ON t.id = s.task"""
ROWS = """
    SELECT r.code, coalesce({name}, '') AS name, r.today_minor, r.draft_minor FROM plan_simulation_row r
    LEFT JOIN {table} n ON n.brand_id = r.brand_id AND n.code = r.code
    WHERE r.simulation = $1 AND r.kind = $2 AND ($3 = '' OR r.code > $3) ORDER BY r.code LIMIT $4"""


class SimulationUnknownError(errors.RefusedError):
    code: ClassVar[str] = "plan.simulation_unknown"
    status: ClassVar[int] = 404


class SimulationInvalidError(errors.RefusedError):
    """The months are not over, too many, or the wrong way round."""

    code: ClassVar[str] = "plan.simulation_invalid"
    status: ClassVar[int] = 422


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """lines: how many sales were reckoned. units_done of units: how far its task is."""

    id: uuid.UUID
    version: int
    months: list[dt.date]
    asked_by: uuid.UUID
    asked_at: dt.datetime
    state: Literal["waiting", "running", "done", "failed"]
    units_done: int
    units: int | None
    lines: int | None
    today_minor: int | None
    draft_minor: int | None
    made_at: dt.datetime | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """By SKU the bonuses stand under the code ``, since they are on none."""

    code: str
    name: str
    today_minor: int
    draft_minor: int


class _RolledBackError(Exception):
    """Ends a transaction of which nothing stays."""


async def request(*, brand: Brand, number: int, first: dt.date, last: dt.date, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Adds the task and returns the simulation's id. first, last: the first days of the months.

    Raises SimulationInvalidError, PlanUnknownError.
    """
    hand = plan_rows.hand(actor, now)
    this_month = _today(brand, now).replace(day=1)
    first, last = first.replace(day=1), last.replace(day=1)
    if not first <= last < this_month or len(_months(first, last)) > MOST_MONTHS:
        raise SimulationInvalidError(f"The months are over, the first not after the last, and at most {MOST_MONTHS}.")
    simulation_id = ids.new_id()
    async with db.atomic(brand.id):
        await plan_version.read(brand=brand, number=number)
        task_id = await task.add(kind=KIND, queue="rest", brand_id=brand.id, subject={"simulation": simulation_id})
        await db.connection().execute(
            "INSERT INTO plan_simulation (brand_id, id, version, first_month, last_month, task, asked_by, asked_at)"
            " VALUES (current_brand(), $1, $2, $3, $4, $5, $6, $7)",
            *(simulation_id, number, first, last, task_id, hand.user_id, now),
        )
        await plan_rows.record(brand, actor, "plan.simulate", number, {"first": f"{first:%Y-%m}", "last": f"{last:%Y-%m}"})
    return simulation_id


async def simulate(*, work: task.Work, brand: Brand) -> None:
    """Does what request() asked for."""
    found = await read(brand=brand, simulation_id=uuid.UUID(work.task.subject["simulation"]))
    version = await plan_version.read(brand=brand, number=found.version)
    day = _today(brand, found.asked_at)
    first_day = version.effective_on or plan_check.tomorrow(brand, found.asked_at)
    wanted = [
        _begun(each, first_day)
        for each in (await plan_rows.read_draft(brand=brand, number=found.version)).rules
        if each.rule.lawful
    ]
    plans = [
        ((await plan_version.live(brand=brand, day=day)).rules, day),
        ([rule for rule in wanted if _in_force(rule, first_day)], first_day),
    ]
    told = telling.Rows(2 * (accrual.steps() + 1))
    async with telling.telling(work, told.how_far):
        today, draft = [await earned(brand=brand, rules=rules, day=on, months=found.months, told=told) for rules, on in plans]
    async with work.finishing(brand.id):
        await db.connection().execute(STORE, found.id, today[0], draft[0])
        await db.connection().execute(
            "UPDATE plan_simulation SET lines = $2, made_at = clock_timestamp(), (today_minor, draft_minor) ="
            " (SELECT coalesce(sum(r.today_minor), 0), coalesce(sum(r.draft_minor), 0) FROM plan_simulation_row r"
            " WHERE r.simulation = $1 AND r.kind = 'reseller') WHERE id = $1",
            found.id,
            today[1],
        )


async def earned(
    *, brand: Brand, rules: Sequence[PlanRule], day: dt.date, months: list[dt.date], told: telling.Rows | None = None
) -> tuple[str, int]:
    """What the rules, which are in force on `day`, give for the sales that mature in the months: as JSON, and of how many lines.

    Nothing of it is kept.
    """
    told = told or telling.Rows(None)
    found = ("[]", 0)
    with contextlib.suppress(_RolledBackError):
        async with db.atomic(brand.id):
            lines = await _copy(brand, months)
            await _take(rules, day)
            await db.connection().execute(TERMS)
            if not await db.connection().fetchval(SHADOWED, list(COPIED)):
                raise RuntimeError("a simulation works on copies only")
            await db.run_script(accrual.KERNEL.read_text(encoding="utf-8"), told.more)
            await db.add_exact_functions()
            await db.connection().execute(db.sections(BONUSES.read_text(encoding="utf-8"))[1])
            told.more(1)
            found = (await db.connection().fetchval(EARNED), lines)
            raise _RolledBackError
    return found


async def _copy(brand: Brand, months: list[dt.date]) -> int:
    """The books of the months under the kernel's names; returns how many lines."""
    hold = dt.timedelta(hours=24 * brand.hold_days)
    starts_at, _ = clock.month_bounds(months[0], brand.time_zone)
    _, ends_at = clock.month_bounds(months[-1], brand.time_zone)
    connection = db.connection()
    await connection.execute("CREATE TEMP TABLE sim_span (from_paid timestamptz, to_paid timestamptz) ON COMMIT DROP")
    await connection.execute("INSERT INTO sim_span VALUES ($1, $2)", starts_at - hold, ends_at - hold)
    await db.run_script(BOOKS.read_text(encoding="utf-8"))
    lines: int = await connection.fetchval("SELECT count(*) FROM order_line")
    return lines


async def _take(rules: Sequence[PlanRule], day: dt.date) -> None:
    """The rules as if in force since before the first line: their beginnings keep their order, which decides between equals."""
    connection = db.connection()
    first: dt.date | None = await connection.fetchval("SELECT min(paid_on) FROM order_line")
    back = max(day - first, dt.timedelta()) if first is not None else dt.timedelta()
    await connection.executemany(
        "INSERT INTO rule (brand_id, code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor, rate_text, priority, starts_on, intake)"
        " VALUES (current_brand(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)",
        [
            (
                *(rule.code, rule.kind, rule.level, rule.sku, rule.category, rule.channel, rule.tier, rule.basis),
                *(rule.rate_ppm, rule.rate_minor, rule.rate_text, rule.priority),
                rule.starts_on - back if rule.starts_on is not None and rule.starts_on <= day else None,
            )
            for rule in rules
        ],
    )
    await connection.executemany(
        "INSERT INTO rule_bracket (brand_id, rule, from_value, rate_ppm, rate_minor) VALUES (current_brand(), $1, $2, $3, $4)",
        [(rule.code, each.from_value, each.rate_ppm, each.rate_minor) for rule in rules for each in rule.brackets],
    )


def _begun(row: plan_rows.DraftRule, first_day: dt.date) -> PlanRule:
    """What is new in a version begins with it, however early its own beginning."""
    if row.change == "kept":
        return row.rule
    return msgspec.structs.replace(row.rule, starts_on=max(row.rule.starts_on or first_day, first_day))


def _in_force(rule: PlanRule, day: dt.date) -> bool:
    return (rule.starts_on is None or rule.starts_on <= day) and (rule.ends_on is None or day < rule.ends_on)


def _today(brand: Brand, now: dt.datetime) -> dt.date:
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    found = [first]
    while found[-1] < last and len(found) <= MOST_MONTHS:
        found.append(clock.month_after(found[-1]))
    return found


async def read(*, brand: Brand, simulation_id: uuid.UUID) -> Simulation:
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(f"{SHOWN} WHERE s.id = $1", simulation_id)
    if row is None:
        raise SimulationUnknownError("There is no such simulation.")
    return _simulation(row)


async def listing(*, brand: Brand, number: int, most: int = 50) -> list[Simulation]:
    """Of a version, the newest first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            f"{SHOWN} WHERE s.version = $1 ORDER BY s.asked_at DESC, s.id DESC LIMIT $2", number, most
        )
    return [_simulation(row) for row in rows]


async def by_reseller(*, brand: Brand, simulation_id: uuid.UUID, after: str = "", most: int = 200) -> list[Difference]:
    return await _rows(brand, simulation_id, "reseller", after, most)


async def by_sku(*, brand: Brand, simulation_id: uuid.UUID, after: str = "", most: int = 200) -> list[Difference]:
    return await _rows(brand, simulation_id, "sku", after, most)


async def _rows(brand: Brand, simulation_id: uuid.UUID, kind: str, after: str, most: int) -> list[Difference]:
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(ROWS.format(name="n.name", table=kind), simulation_id, kind, after, most)
    return [Difference(**dict(row)) for row in rows]


def _simulation(row: asyncpg.Record) -> Simulation:
    fields = dict(row)
    return Simulation(months=_months(fields.pop("first_month"), fields.pop("last_month")), **fields)
