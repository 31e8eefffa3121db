"""The three-way check of a run: what its orders come to, what its statements say, and what the ledger holds are the same figures.

Each side is summed from its own rows, reseller by reseller and component by component. A look is kept as it was; the newest
decides whether the run may be issued.
"""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.settlement import period, run, withholding

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

SIDES = Path(__file__).with_name("checking.sql")
PARTS = ("opening", "accrued", "reversed", "bonus", "adjustment", "payable", "tax", "net", "carried")
RESELLERS_NAMED = 5
PAPER = {
    False: (
        "SELECT * FROM run_statement WHERE period = (SELECT starts_on FROM closing) AND run = (SELECT run FROM checked)",
        "SELECT number, kind, amount_minor FROM run_entry WHERE period = (SELECT starts_on FROM closing) AND run = (SELECT run FROM checked)",
    ),
    True: (
        "SELECT * FROM statement WHERE period = (SELECT starts_on FROM closing)",
        "SELECT number, kind, amount_minor FROM statement_entry WHERE period = (SELECT starts_on FROM closing)",
    ),
}
NO_BONUS = "CREATE TEMP TABLE due_bonus (rule text, reseller text, of_period date, basis_value bigint, amount_minor bigint) ON COMMIT DROP"
STAGED = (
    "closing, checked, due_bonus, paper, paper_sum, withholding, withholding_bracket, orders_part, draft, payment, draft_statement,"
    " side_orders, side_statements, ledger_part, side_ledger, side_compared"
)
APART = """
    (orders_minor, orders_minor) IS DISTINCT FROM (statements_minor, ledger_minor)
    OR (part IN ('accrued', 'reversed', 'bonus', 'adjustment', 'payable') AND orders_entries <> statements_entries)"""
FIGURES = """
    SELECT part, sum(orders_entries)::bigint AS orders_entries, sum(orders_minor)::bigint AS orders_minor,
           sum(statements_entries)::bigint AS statements_entries, sum(statements_minor)::bigint AS statements_minor,
           sum(ledger_entries)::bigint AS ledger_entries, sum(ledger_minor)::bigint AS ledger_minor
    FROM side_compared GROUP BY part"""
SHOWN = "number, checked_at, checked_by, intake, apart, figures::text AS figures"


class CheckMissingError(errors.RefusedError):
    """Nobody has looked at the run, or nobody but the platform itself."""

    code: ClassVar[str] = "check.missing"


class CheckStaleError(errors.RefusedError):
    """Something was accrued since."""

    code: ClassVar[str] = "check.stale"


class CheckDiffersError(errors.RefusedError):
    """Orders, statements and ledger are not the same."""

    code: ClassVar[str] = "check.differs"


class Side(msgspec.Struct, frozen=True):
    """entries: of orders and statements the rows that make up the amount; of the ledger its journal entries."""

    entries: int
    minor: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A component on the three sides, over all resellers."""

    name: str
    orders: Side
    statements: Side
    ledger: Side

    @property
    def statements_apart(self) -> int:
        return self.statements.minor - self.orders.minor

    @property
    def ledger_apart(self) -> int:
        return self.ledger.minor - self.orders.minor


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """checked_by: None for the look that comes with every computation. apart: of how many resellers any figure differs; named: some of them."""

    number: int
    checked_at: dt.datetime
    checked_by: uuid.UUID | None
    intake: int
    apart: int
    named: tuple[str, ...]
    parts: tuple[Part, ...]

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)


class _Figures(msgspec.Struct, frozen=True):
    named: tuple[str, ...]
    parts: tuple[Part, ...]


async def check(*, brand: Brand, starts_on: dt.date, number: int, actor: audit.Actor, now: dt.datetime) -> Check:
    """Looks at the run as it is, a draft or issued, and keeps what was seen. Raises RunStateError for one in between, or discarded."""
    async with db.atomic(brand.id):
        await period.open_books(brand=brand)
        chosen = await run.read(brand=brand, starts_on=starts_on, number=number)
        if chosen.state not in {"computed", "issued"}:
            raise run.RunStateError(f"Run {run.code_of(brand, chosen)} is {chosen.state}: there is nothing to check.")
        figures, apart = await _compare(brand, chosen)
        row = await db.connection().fetchrow(
            f"""INSERT INTO run_check (brand_id, period, run, number, checked_at, checked_by, intake, apart, figures)
                SELECT current_brand(), $1, $2, (SELECT coalesce(max(number), 0) + 1 FROM run_check WHERE period = $1 AND run = $2), $3, $4,
                       (SELECT coalesce(max(accrued_through), 0) FROM intake), $5, $6 RETURNING {SHOWN}""",
            starts_on,
            number,
            now,
            actor.user_id,
            apart,
            msgspec.json.encode(figures).decode(),
        )
        await audit.record(
            brand_id=brand.id,
            actor=actor,
            action="run.check",
            subject=run.code_of(brand, chosen),
            after={"check": row["number"], "apart": apart},
        )
    return _check(row)


async def newest(*, brand: Brand, starts_on: dt.date, number: int) -> Check | None:
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"SELECT {SHOWN} FROM run_check WHERE period = $1 AND run = $2 ORDER BY run_check.number DESC LIMIT 1",
            starts_on,
            number,
        )
    return _check(row) if row is not None else None


async def confirmed(*, brand: Brand, starts_on: dt.date, number: int) -> Check | None:
    """The newest that a person made and that found no difference."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"SELECT {SHOWN} FROM run_check WHERE period = $1 AND run = $2 AND checked_by IS NOT NULL AND apart = 0"
            " ORDER BY run_check.number DESC LIMIT 1",
            starts_on,
            number,
        )
    return _check(row) if row is not None else None


async def is_stale(*, brand: Brand, chosen: Run, check: Check) -> bool:
    """Whether anything was accrued since that can be of the run's month."""
    return await run.is_behind(brand=brand, starts_on=chosen.period, known=check.intake, accrued=True)


async def require_agreed(*, brand: Brand, chosen: Run) -> Check:
    """The newest look, if a person has checked the run, nothing was accrued since, and nothing differs.

    Raises CheckMissingError, CheckStaleError, CheckDiffersError.
    """
    code = run.code_of(brand, chosen)
    async with db.atomic(brand.id):
        last = await newest(brand=brand, starts_on=chosen.period, number=chosen.number)
        seen = await confirmed(brand=brand, starts_on=chosen.period, number=chosen.number)
        if last is not None and last.apart:
            raise CheckDiffersError(f"Orders, statements and ledger of run {code} differ for {last.apart} resellers.")
        if last is None or seen is None:
            raise CheckMissingError(f"Run {code} has not been checked.")
        if await is_stale(brand=brand, chosen=chosen, check=last):
            raise CheckStaleError(f"Something was accrued since run {code} was checked: check it again.")
    return last


async def require_now(*, brand: Brand, chosen: Run, now: dt.datetime) -> Check:
    """Looks once more, in the transaction of what is about to be done. Raises CheckDiffersError."""
    found = await check(brand=brand, starts_on=chosen.period, number=chosen.number, actor=audit.SYSTEM, now=now)
    if found.apart:
        raise CheckDiffersError(
            f"Orders, statements and ledger of run {run.code_of(brand, chosen)} differ now for {found.apart} resellers."
        )
    return found


async def _compare(brand: Brand, chosen: Run) -> tuple[_Figures, int]:
    issued = chosen.state == "issued"
    connection = db.connection()
    reckoned = {part[3]: part for part in db.sections(period.COMPUTE.read_text(encoding="utf-8"))}
    own = db.sections(SIDES.read_text(encoding="utf-8"))
    await connection.execute("SET LOCAL work_mem = '128MB'")
    await period.stage_closing(brand=brand, starts_on=chosen.period)
    await withholding.stage(name=brand.withholding, period=chosen.period)
    await db.add_exact_functions()
    await connection.execute("CREATE TEMP TABLE checked (run smallint, issued boolean) ON COMMIT DROP")
    await connection.execute("INSERT INTO checked VALUES ($1, $2)", chosen.number, issued)
    papers, entries = PAPER[issued]
    await connection.execute(f"CREATE TEMP TABLE paper ON COMMIT DROP AS {papers}")
    await connection.execute(
        f"CREATE TEMP TABLE paper_sum ON COMMIT DROP AS SELECT number, kind, count(*) AS entries, sum(amount_minor)::bigint AS amount"
        f" FROM ({entries}) e GROUP BY 1, 2"
    )
    await connection.execute(NO_BONUS if issued else reckoned["2"])
    for section in (own[0], reckoned["4"], reckoned["5"], *own[1:]):
        await connection.execute(section)
    rows = {row["part"]: row for row in await connection.fetch(FIGURES)}
    resellers = await connection.fetch(f"SELECT DISTINCT reseller FROM side_compared WHERE {APART} ORDER BY reseller")
    await connection.execute(f"DROP TABLE {STAGED}")
    named = tuple(row["reseller"] for row in resellers[:RESELLERS_NAMED])
    return _Figures(named=named, parts=tuple(_part(name, rows[name]) for name in PARTS if name in rows)), len(resellers)


def _part(name: str, row: asyncpg.Record) -> Part:
    sides = {side: Side(row[f"{side}_entries"], row[f"{side}_minor"]) for side in ("orders", "statements", "ledger")}
    return Part(name=name, **sides)


def _check(row: asyncpg.Record) -> Check:
    figures = msgspec.json.decode(row["figures"], type=_Figures)
    fields = {name: row[name] for name in ("number", "checked_at", "checked_by", "intake", "apart")}
    return Check(named=figures.named, parts=figures.parts, **fields)
