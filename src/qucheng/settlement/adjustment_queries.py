"""The adjustments of a brand as its people see them: those that wait, those that were turned down, and those in the books."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.settlement import adjustment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.identity.brand import Brand

# due: in the books, on no statement yet; settled: on a statement
State = Literal["waiting", "approved", "rejected", "expired", "due", "settled"]
STATES: tuple[State, ...] = ("waiting", "approved", "rejected", "expired", "due", "settled")

ROWS = f"""
    WITH asked AS MATERIALIZED (
        SELECT id, maker, checker, requested_at, reason AS refusal, payload::jsonb AS said,
               CASE WHEN state IN ('waiting', 'approved') AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END AS state
        FROM approval WHERE action = '{adjustment.ACTION}' AND state <> 'executed'
    ), every AS (
        SELECT j.code, j.reseller, j.amount_minor, j.reason, j.occurred_at AS at, CASE WHEN m.code IS NULL THEN 'due' ELSE 'settled' END AS state,
               c.reason_code, c.reference_kind, c.reference, c.note, c.maker, c.checker, c.approval, c.dispute, NULL::text AS refusal,
               s.statement_no, s.period
        FROM adjustment j LEFT JOIN adjustment_case c USING (brand_id, code) LEFT JOIN statement_adjustment m USING (brand_id, code)
        LEFT JOIN statement s ON s.brand_id = m.brand_id AND s.period = m.period AND s.number = m.number
        UNION ALL
        SELECT said ->> 'code', said ->> 'reseller', (said ->> 'amount_minor')::bigint, said ->> 'reason', requested_at, state, said ->> 'reason_code',
               said ->> 'reference_kind', said ->> 'reference', said ->> 'note', maker, checker, id, (said ->> 'dispute')::uuid, refusal, NULL, NULL
        FROM asked
    ), chosen AS (
        SELECT e.*, r.name AS reseller_name FROM every e JOIN reseller r ON r.code = e.reseller AND r.brand_id = current_brand()
        WHERE (cardinality($1::text[]) = 0 OR e.state = ANY ($1)) AND ($2::text IS NULL OR e.reason_code = $2)
          AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', e.reseller, r.name, e.code, e.reference)), lower($3)) > 0)
    )"""
COLUMNS = (
    "code, reseller, reseller_name, amount_minor, reason, at, state, reason_code, reference_kind, reference, note, maker, checker,"
    " approval, dispute, refusal, statement_no, period"
)


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """at: when it was asked for, or from when it is in the books. reason_code … approval: None for one that came in a delivery."""

    code: str
    reseller: str
    reseller_name: str
    amount_minor: int
    reason: str
    at: dt.datetime
    state: State
    reason_code: str | None
    reference_kind: Literal["order", "statement"] | None
    reference: str | None
    note: str | None
    maker: uuid.UUID | None
    checker: uuid.UUID | None
    approval: uuid.UUID | None
    dispute: uuid.UUID | None
    refusal: str | None
    statement_no: str | None
    period: dt.date | None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """rows: of one page. count, added_minor, taken_minor: of all that were chosen; taken_minor is not positive."""

    rows: list[Adjustment]
    count: int
    added_minor: int
    taken_minor: int


async def listing(
    *,
    brand: Brand,
    states: Sequence[State] = (),
    reason_code: str | None = None,
    text: str | None = None,
    skip: int = 0,
    most: int = 20,
) -> Listing:
    """The newest first. text: part of a reseller's code or name, of the adjustment's code or of what it refers to."""
    chosen = (list(states), reason_code, text)
    async with db.atomic(brand.id):
        sums = await db.connection().fetchrow(
            f"{ROWS} SELECT count(*) AS count, coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0)::bigint AS added_minor,"
            " coalesce(sum(amount_minor) FILTER (WHERE amount_minor < 0), 0)::bigint AS taken_minor FROM chosen",
            *chosen,
        )
        rows = await db.connection().fetch(
            f"{ROWS} SELECT {COLUMNS} FROM chosen ORDER BY at DESC, code LIMIT $4 OFFSET $5", *chosen, most, skip
        )
    return Listing(rows=[Adjustment(**dict(row)) for row in rows], **dict(sums))


async def payees(*, brand: Brand, most: int = 500) -> list[tuple[str, str]]:
    """Code and name of resellers, for who types one: the first by code."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch("SELECT code, name FROM reseller ORDER BY code LIMIT $1", most)
    return [(row["code"], row["name"]) for row in rows]


async def name_of(*, brand: Brand, reseller: str) -> str:
    async with db.atomic(brand.id):
        name: str = await db.connection().fetchval("SELECT name FROM reseller WHERE code = $1", reseller)
    return name


async def of_dispute(*, brand: Brand, dispute_id: uuid.UUID) -> Adjustment | None:
    """The newest that was asked for to answer the dispute."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            f"{ROWS} SELECT {COLUMNS} FROM chosen WHERE dispute = $4 ORDER BY at DESC, code LIMIT 1", [], None, None, dispute_id
        )
    return Adjustment(**dict(row)) if row is not None else None
