"""Statements and runs as they are read: the list with its totals, one statement with what hangs on it.

Everything of a statement is read for the brand, or with `reseller` with its people's own eyes: what is not published is not there.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import clock, db, errors

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

PAGE = 20
Sort = Literal["newest", "reseller", "-reseller", "accrued", "-accrued", "payable", "-payable", "tax", "-tax", "net", "-net"]
Kind = Literal["individual", "company"]
KINDS: tuple[Kind, ...] = ("individual", "company")
State = Literal["computed", "issued", "paid", "carried", "none"]
AMOUNTS = ("opening", "accrued", "reversed", "bonus", "adjustment", "payable", "tax", "net", "carried")
SORTS: dict[Sort, str] = {
    "newest": "s.period DESC, s.number",
    **{
        f"{sign}{name}": f"s.{column} {'DESC' if sign else 'ASC'}, s.period DESC, s.number"  # type: ignore[misc]
        for sign in ("", "-")
        for name, column in (
            ("reseller", "reseller"),
            *((each, f"{each}_minor") for each in ("accrued", "payable", "tax", "net")),
        )
    },
}
STATE = """
    CASE WHEN s.period = ANY ((SELECT unpublished_periods())::date[]) THEN 'issued' WHEN s.net_minor + s.tax_minor > 0 THEN 'paid'
         WHEN s.carried_minor <> 0 THEN 'carried' ELSE 'none' END"""
ISSUED = f"""
    SELECT s.brand_id, s.period, s.number, s.statement_no, s.reseller, s.kind, {", ".join(f"s.{name}_minor" for name in AMOUNTS)}, {STATE} AS state,
           EXISTS (SELECT 1 FROM statement_confirmation c WHERE c.brand_id = s.brand_id AND c.period = s.period AND c.number = s.number) AS confirmed,
           (SELECT count(*) FROM dispute d WHERE d.brand_id = s.brand_id AND d.period = s.period AND d.number = s.number AND d.state = 'open') AS disputes
    FROM statement s"""
DRAFT = f"""
    SELECT s.brand_id, s.period, s.number, NULL::text AS statement_no, s.reseller, s.kind, {", ".join(f"s.{name}_minor" for name in AMOUNTS)},
           'computed' AS state, false AS confirmed, 0::bigint AS disputes
    FROM run_statement s WHERE s.run = {{run}}"""
COUNTS = """
    SELECT count(*) FILTER (WHERE kind = 'accrual') AS accruals, count(*) FILTER (WHERE kind = 'reversal') AS reversals,
           count(*) FILTER (WHERE kind = 'bonus') AS bonuses, count(*) FILTER (WHERE kind = 'adjustment') AS adjustments
    FROM {entries} WHERE period = $1 AND number = $2"""
# in the shape and the order of statement_row
DRAFT_ROWS = """
    SELECT e.*, row_number() OVER (
        PARTITION BY e.brand_id, e.period, e.number
        ORDER BY e.occurred_at, e.order_no COLLATE "C" NULLS FIRST, e.line_no COLLATE "C" NULLS FIRST, e.kind COLLATE "C", e.refund_no COLLATE "C" NULLS FIRST,
                 e.rule COLLATE "C" NULLS FIRST, e.of_period NULLS FIRST, e.level NULLS FIRST)::integer AS position
    FROM (SELECT r.brand_id, r.period, r.number, r.kind, r.level, r.order_no, r.line_no, r.refund_no, coalesce(r.rule, a.rule, v.rule) AS rule, r.of_period,
                 coalesce(r.basis_value, a.basis_value, v.basis_value) AS basis_value, r.amount_minor,
                 coalesce(a.occurred_at, v.occurred_at, j.occurred_at, m.ends_at) AS occurred_at, coalesce(a.matures_at, v.matures_at, j.occurred_at, m.ends_at) AS matures_at
          FROM run_entry r JOIN brand b ON b.id = r.brand_id
          CROSS JOIN LATERAL (SELECT instant_of_local(r.period + interval '1 month', b.time_zone) AS ends_at) m
          LEFT JOIN timed_accrual a ON r.kind = 'accrual' AND a.brand_id = r.brand_id AND a.order_no = r.order_no AND a.line_no = r.line_no AND a.level = r.level
          LEFT JOIN timed_reversal v ON r.kind = 'reversal' AND v.brand_id = r.brand_id AND v.order_no = r.order_no AND v.line_no = r.line_no
              AND v.level = r.level AND v.refund_no = r.refund_no
          LEFT JOIN adjustment j ON r.kind = 'adjustment' AND j.brand_id = r.brand_id AND j.code = r.order_no
          WHERE r.run = {run}) e"""
LAST_NUMBER = 2**31 - 1
CHOSEN = """
    ($1::date IS NULL OR s.period = $1) AND ($2::text IS NULL OR s.state = $2) AND ($4::text IS NULL OR s.kind = $4)
    AND ($3::text IS NULL OR strpos(lower(r.name), lower($3)) > 0 OR strpos(lower(s.reseller), lower($3)) > 0 OR s.statement_no = $3)
    AND ($5::bigint IS NULL OR s.net_minor >= $5) AND ($6::bigint IS NULL OR s.net_minor <= $6) AND (NOT $7::boolean OR s.disputes > 0)"""
TIER = """
    LEFT JOIN LATERAL (SELECT p.tier FROM placement p WHERE p.brand_id = s.brand_id AND p.reseller = s.reseller
                       AND p.effective_on < (s.period + interval '1 month')::date ORDER BY p.effective_on DESC LIMIT 1) moved ON true
    JOIN tier t ON t.brand_id = s.brand_id AND t.code = coalesce(moved.tier, r.tier)"""


class StatementUnknownError(errors.RefusedError):
    code: ClassVar[str] = "statement.unknown"
    status: ClassVar[int] = 404


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """reseller: a part of its code or name, or a statement's number. net_from, net_to: both included. disputed: with an open dispute."""

    period: dt.date | None = None
    state: State | None = None
    reseller: str | None = None
    kind: Kind | None = None
    net_from: int | None = None
    net_to: int | None = None
    disputed: bool = False
    sort: Sort = "newest"


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    opening_minor: int
    accrued_minor: int
    reversed_minor: int
    bonus_minor: int
    adjustment_minor: int
    payable_minor: int
    tax_minor: int
    net_minor: int
    carried_minor: int


class Listed(Amounts, frozen=True, kw_only=True):
    """statement_no: None of a draft. confirmed: by its reseller; disputes: how many are open."""

    period: dt.date
    number: int
    statement_no: str | None
    reseller: str
    reseller_name: str
    kind: Kind
    tier_name: str
    state: State
    confirmed: bool
    disputes: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """items: of one page; count and sums of all that the filters let through."""

    items: tuple[Listed, ...]
    count: int
    sums: Amounts


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries of each kind are on a statement."""

    accruals: int
    reversals: int
    bonuses: int
    adjustments: int


class Statement(Listed, frozen=True, kw_only=True):
    """published_at: when its reseller could see it. sha256: of what it says, as frozen when it was issued.

    draft: the run that it is a draft of; then it is neither settled nor frozen.
    """

    counts: Counts
    settled_at: dt.datetime | None
    starts_at: dt.datetime
    ends_at: dt.datetime
    published_at: dt.datetime | None
    confirmed_at: dt.datetime | None
    sha256: str | None
    draft: int | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A document of a statement. sha256 and bytes of one that is ready; reason of one that could not be made."""

    format: Literal["pdf", "xlsx", "csv"]
    state: Literal["ready", "failed"]
    sha256: str | None
    bytes: int | None
    reason: str | None
    made_at: dt.datetime


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """maker and checker: of one that a person asked for and another allowed; not told to a reseller."""

    position: int
    code: str
    occurred_at: dt.datetime
    amount_minor: int
    reason: str
    reason_code: str | None
    reference: str | None
    maker: uuid.UUID | None
    checker: uuid.UUID | None


async def statements(
    *, brand: Brand, filters: Filters, page: int = 1, size: int = PAGE, draft: int | None = None, reseller: str | None = None
) -> Page:
    """draft: the statements of that run of filters.period as they are computed, in place of those that are issued."""
    source = f"({ISSUED})" if draft is None else f"({DRAFT.format(run=int(draft))})"
    values = (
        filters.period,
        filters.state,
        filters.reseller,
        filters.kind,
        filters.net_from,
        filters.net_to,
        filters.disputed,
    )
    tables = f"FROM {source} s JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller"
    async with db.atomic(brand.id, reseller=reseller):
        sums = await db.connection().fetchrow(
            f"SELECT count(*) AS count, {', '.join(f'coalesce(sum(s.{name}_minor), 0)::bigint AS {name}_minor' for name in AMOUNTS)}"
            f" {tables} WHERE {CHOSEN}",
            *values,
        )
        rows = await db.connection().fetch(
            f"SELECT s.*, r.name AS reseller_name, t.name AS tier_name {tables} {TIER} WHERE {CHOSEN}"
            f" ORDER BY {SORTS[filters.sort]} LIMIT $8 OFFSET $9",
            *values,
            size,
            (max(page, 1) - 1) * size,
        )
    return Page(items=tuple(_listed(row) for row in rows), count=sums["count"], sums=_amounts(sums))


async def statement(*, brand: Brand, statement_no: str, reseller: str | None = None) -> Statement:
    """Raises StatementUnknownError, for one that is not published to its reseller too."""
    if "\0" in statement_no:
        raise StatementUnknownError("There is no statement of such a number.")
    async with db.atomic(brand.id, reseller=reseller):
        row = await db.connection().fetchrow(
            f"""SELECT s.*, r.name AS reseller_name, t.name AS tier_name, p.settled_at, p.starts_at, p.ends_at, d.sha256,
                       period_published_at(s.period) AS published_at, c.confirmed_at
                FROM ({ISSUED}) s JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller {TIER}
                JOIN period p ON p.brand_id = s.brand_id AND p.starts_on = s.period
                LEFT JOIN statement_document d ON d.brand_id = s.brand_id AND d.period = s.period AND d.number = s.number
                LEFT JOIN statement_confirmation c ON c.brand_id = s.brand_id AND c.period = s.period AND c.number = s.number
                WHERE s.statement_no = $1""",
            statement_no,
        )
        if row is None:
            raise StatementUnknownError(f"{brand.code} has no statement {statement_no!r}.")
        counts = await db.connection().fetchrow(COUNTS.format(entries="statement_entry"), row["period"], row["number"])
    fields = {name: row[name] for name in Statement.__struct_fields__ if name not in ("counts", "draft")}
    return Statement(counts=Counts(**dict(counts)), **fields)


async def draft(*, brand: Brand, period: dt.date, run: int, number: int) -> Statement:
    """As the run has computed it: whoever is to approve it looks at it before it is issued. Raises StatementUnknownError."""
    starts_at, ends_at = clock.month_bounds(period, brand.time_zone)
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"""SELECT s.*, r.name AS reseller_name, t.name AS tier_name
                FROM ({DRAFT.format(run=int(run))}) s JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller {TIER}
                WHERE s.period = $1 AND s.number = $2""",
            period,
            max(0, min(number, LAST_NUMBER)),
        )
        if row is None:
            raise StatementUnknownError(f"Run {run} of {period:%Y-%m} has no statement {number}.")
        counts = await db.connection().fetchrow(f"{COUNTS.format(entries='run_entry')} AND run = {int(run)}", period, number)
    return Statement(
        **{name: row[name] for name in Listed.__struct_fields__},
        counts=Counts(**dict(counts)),
        settled_at=None,
        starts_at=starts_at,
        ends_at=ends_at,
        published_at=None,
        confirmed_at=None,
        sha256=None,
        draft=run,
    )


def rows_of(statement: Statement) -> str:
    """Where its rows stand, for a FROM."""
    return "statement_row" if statement.draft is None else f"({DRAFT_ROWS.format(run=int(statement.draft))})"


async def files(*, brand: Brand, statement: Statement, reseller: str | None = None) -> list[File]:
    """Its documents that were made, or why not: PDF, XLSX, CSV."""
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(
            "SELECT format, state, sha256, bytes, reason, made_at FROM document_file WHERE period = $1 AND number = $2"
            " ORDER BY array_position(ARRAY['pdf', 'xlsx', 'csv'], format)",
            statement.period,
            statement.number,
        )
    return [File(**dict(row)) for row in rows]


async def adjustments(*, brand: Brand, statement: Statement, reseller: str | None = None) -> list[Adjustment]:
    """Those on the statement, in the order of its rows. Who asked and who allowed is the brand's own business."""
    people = (
        "c.reason_code, c.reference, c.maker, c.checker"
        if reseller is None
        else "NULL AS reason_code, NULL AS reference, NULL AS maker, NULL AS checker"
    )
    case = "LEFT JOIN adjustment_case c ON c.brand_id = e.brand_id AND c.code = e.order_no" if reseller is None else ""
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(
            f"""SELECT e.position, e.order_no AS code, e.occurred_at, e.amount_minor, a.reason, {people}
                FROM {rows_of(statement)} e JOIN adjustment a ON a.brand_id = e.brand_id AND a.code = e.order_no {case}
                WHERE e.period = $1 AND e.number = $2 AND e.kind = 'adjustment' ORDER BY e.position""",
            statement.period,
            statement.number,
        )
    return [Adjustment(**dict(row)) for row in rows]


def _listed(row: asyncpg.Record) -> Listed:
    return Listed(**{name: row[name] for name in Listed.__struct_fields__})


def _amounts(row: asyncpg.Record) -> Amounts:
    return Amounts(**{name: row[name] for name in Amounts.__struct_fields__})


async def months(*, brand: Brand) -> list[dt.date]:
    """Those that have statements, the newest first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            "SELECT p.starts_on FROM period p WHERE EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = p.brand_id AND s.period = p.starts_on)"
            " ORDER BY p.starts_on DESC"
        )
    return [row["starts_on"] for row in rows]
