"""What the life of a figure is told from: frozen facts and stored entries of the visible brand, read inside atomic()."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.insight import rules

if TYPE_CHECKING:
    import asyncpg

LINE = """
    SELECT l.*, c.kind AS channel_kind, i.accrued_at IS NOT NULL AS accrued,
           coalesce(i.accrued_through, (SELECT max(o.number) FROM intake o)) AS known, k.started_at, k.matures_at AS clock_at, s.accrued_through AS clock_batch
    FROM order_line l JOIN channel c ON c.brand_id = l.brand_id AND c.code = l.channel
    JOIN intake i ON i.brand_id = l.brand_id AND i.number = l.intake
    LEFT JOIN line_clock k ON k.brand_id = l.brand_id AND k.order_no = l.order_no AND k.line_no = l.line_no
    LEFT JOIN intake s ON s.brand_id = k.brand_id AND s.number = k.intake"""
REFUND = """
    SELECT r.order_no, r.line_no, r.refund_no, r.intake, i.accrued_through AS batch, r.refunded_at, r.quantity, r.amount_minor
    FROM refund r JOIN intake i ON i.brand_id = r.brand_id AND i.number = r.intake"""
# with its own end: what a version of the plan cut off stands beside it
RULE = """
    SELECT code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor, rate_text, priority, starts_on, own_ends_on AS ends_on, intake,
           dropped_on, dropped_by
    FROM rule_term"""
# one shape for entries on a statement and for those that wait; an adjustment's code stands for an order
ENTRY = """
    SELECT e.*, s.statement_no, s.period, period_of(e.matures_at, b.time_zone) AS due
    FROM brand b CROSS JOIN (
        SELECT 'accrual' AS kind, e.order_no, e.line_no, e.level, NULL::text AS refund_no, e.reseller, e.rule, NULL::date AS of_period,
               e.basis_value, e.amount_minor, e.occurred_at, e.matures_at, m.period AS on_period, m.number
        FROM timed_accrual e LEFT JOIN statement_accrual m USING (brand_id, order_no, line_no, level)
        UNION ALL
        SELECT 'reversal', e.order_no, e.line_no, e.level, e.refund_no, e.reseller, e.rule, NULL, e.basis_value, e.amount_minor, e.occurred_at, e.matures_at,
               m.period, m.number
        FROM timed_reversal e LEFT JOIN statement_reversal m USING (brand_id, order_no, line_no, level, refund_no)
        UNION ALL
        SELECT 'bonus', NULL, NULL, NULL, NULL, e.reseller, e.rule, e.of_period, e.basis_value, e.amount_minor, e.occurred_at, e.occurred_at, o.period, o.number
        FROM bonus e JOIN statement o USING (brand_id, reseller, period)
        UNION ALL
        SELECT 'adjustment', e.code, NULL, NULL, NULL, e.reseller, NULL, NULL, NULL, e.amount_minor, e.occurred_at, e.occurred_at, m.period, m.number
        FROM adjustment e LEFT JOIN statement_adjustment m USING (brand_id, code)) e
    LEFT JOIN statement s ON s.brand_id = b.id AND s.period = e.on_period AND s.number = e.number"""


class Posting(msgspec.Struct, frozen=True):
    entry: str
    account: str
    debit_minor: int
    credit_minor: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """As it is stored. due: the month in which it matures, None while its line's clock has not started; statement_no: None while it waits."""

    kind: str
    order_no: str | None
    line_no: str | None
    level: int | None
    refund_no: str | None
    reseller: str
    rule: str | None
    of_period: dt.date | None
    basis_value: int | None
    amount_minor: int
    occurred_at: dt.datetime
    matures_at: dt.datetime | None
    statement_no: str | None
    period: dt.date | None
    due: dt.date | None

    @property
    def code(self) -> str:
        parts: tuple[object, ...] = (self.order_no, self.line_no, self.level, self.refund_no)
        if self.kind == "bonus":
            parts = (self.reseller, self.rule, f"{self.of_period:%Y-%m}", f"{self.period:%Y-%m}")
        return "/".join([self.kind, *(str(part) for part in parts if part is not None)])


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    period: dt.date
    number: int
    statement_no: str
    reseller: str
    kind: str
    opening_minor: int
    accrued_minor: int
    reversed_minor: int
    bonus_minor: int
    adjustment_minor: int
    gross_minor: int
    payable_minor: int
    tax_minor: int
    net_minor: int
    carried_minor: int


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    reseller: str
    occurred_at: dt.datetime
    amount_minor: int
    reason: str


async def line(order_no: str, line_no: str) -> rules.Line | None:
    row = await db.connection().fetchrow(f"{LINE} WHERE l.order_no = $1 AND l.line_no = $2", order_no, line_no)
    return _line(row) if row is not None else None


async def lines_of(reseller: str, since: dt.datetime, until: dt.datetime, hold: dt.timedelta) -> list[rules.Line]:
    """The lines of the seller that mature in the half-open span, without those on which nobody earns."""
    rows = await db.connection().fetch(
        f"{LINE} WHERE l.reseller = $1 AND NOT l.self_purchase AND c.kind = 'agency'"
        " AND CASE l.hold_from WHEN 'paid' THEN l.paid_at >= $2 AND l.paid_at < $3 ELSE k.matures_at >= $4 AND k.matures_at < $5 END"
        " ORDER BY l.paid_at, l.order_no, l.line_no",
        reseller,
        since - hold,
        until - hold,
        since,
        until,
    )
    return [_line(row) for row in rows]


async def refunds_of(lines: list[rules.Line]) -> dict[tuple[str, str], list[rules.Refund]]:
    rows = await db.connection().fetch(
        f"{REFUND} WHERE (r.order_no, r.line_no) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY r.refunded_at, r.refund_no",
        [each.order_no for each in lines],
        [each.line_no for each in lines],
    )
    found: dict[tuple[str, str], list[rules.Refund]] = {}
    for row in rows:
        fields = dict(row)
        found.setdefault((fields.pop("order_no"), fields.pop("line_no")), []).append(rules.Refund(**fields))
    return found


async def rules_of_sales() -> list[rules.Rule]:
    return [_rule(row) for row in await db.connection().fetch(f"{RULE} WHERE level IS NOT NULL ORDER BY code")]


async def rules_of_volume() -> list[rules.Rule]:
    return [_rule(row) for row in await db.connection().fetch(f"{RULE} WHERE level IS NULL ORDER BY code")]


async def bonus_rule(code: str) -> tuple[rules.Rule, list[tuple[int, int]]] | None:
    """The rule with its brackets: from, and the rate in millionths or minor units."""
    row = await db.connection().fetchrow(f"{RULE} WHERE code = $1 AND level IS NULL", code)
    brackets = await db.connection().fetch(
        "SELECT from_value, coalesce(rate_ppm, rate_minor) AS rate FROM rule_bracket WHERE rule = $1 ORDER BY from_value", code
    )
    return (_rule(row), [(each["from_value"], each["rate"]) for each in brackets]) if row is not None else None


async def entries_of_line(order_no: str, line_no: str) -> list[Entry]:
    return await _entries("e.kind IN ('accrual', 'reversal') AND e.order_no = $1 AND e.line_no = $2", order_no, line_no)


async def entry_of_adjustment(code: str) -> list[Entry]:
    return await _entries("e.kind = 'adjustment' AND e.order_no = $1", code)


async def entries_of_bonus(reseller: str, rule: str, of_period: dt.date) -> list[Entry]:
    return await _entries("e.kind = 'bonus' AND e.reseller = $1 AND e.rule = $2 AND e.of_period = $3", reseller, rule, of_period)


async def entries_on(found: Statement, kind: str, most: int) -> list[Entry]:
    return await _entries(
        "e.on_period = $1 AND e.number = $2 AND e.kind = $3", found.period, found.number, kind, tail=f"LIMIT {most}"
    )


async def sums_on(found: Statement) -> dict[str, tuple[int, int]]:
    """By kind: how many entries the statement has, and their sum."""
    rows = await db.connection().fetch(
        "SELECT kind, count(*) AS entries, sum(amount_minor)::bigint AS amount FROM statement_entry WHERE period = $1 AND number = $2 GROUP BY kind",
        found.period,
        found.number,
    )
    return {row["kind"]: (row["entries"], row["amount"]) for row in rows}


async def adjustment(code: str) -> Adjustment | None:
    row = await db.connection().fetchrow(
        "SELECT code, reseller, occurred_at, amount_minor, reason FROM adjustment WHERE code = $1", code
    )
    return Adjustment(**dict(row)) if row is not None else None


async def statement(statement_no: str) -> Statement | None:
    columns = ", ".join(Statement.__struct_fields__)
    row = await db.connection().fetchrow(f"SELECT {columns} FROM statement WHERE statement_no = $1", statement_no)
    return Statement(**dict(row)) if row is not None else None


async def reseller_is_known(code: str) -> bool:
    return bool(await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM reseller WHERE code = $1)", code))


async def postings(documents: list[str]) -> list[Posting]:
    """Of the journal entries of these statements, in their order."""
    rows = await db.connection().fetch(
        "SELECT p.entry, p.account, p.debit_minor, p.credit_minor FROM journal_entry j JOIN posting p ON p.brand_id = j.brand_id AND p.entry = j.code"
        " WHERE j.document = ANY ($1) ORDER BY j.document, j.position, p.leg",
        documents,
    )
    return [Posting(**dict(row)) for row in rows]


async def levels_on(day: dt.date) -> int:
    """How many levels earn on a sale of that day: what the policy lets, or one where it needs a legal opinion and none covers the day."""
    levels: int = await db.connection().fetchval("SELECT paid_levels($1)", day)
    return levels


async def closed() -> list[rules.Closed]:
    """The closed months."""
    rows = await db.connection().fetch(
        """SELECT p.starts_on, p.ends_at, p.intake, r.state IS NOT DISTINCT FROM 'issuing' AS issuing
           FROM period p LEFT JOIN settlement_run r ON r.period = p.starts_on AND r.state IN ('issuing', 'issued') ORDER BY p.starts_on"""
    )
    return [rules.Closed(**dict(row)) for row in rows]


async def _entries(condition: str, *values: object, tail: str = "") -> list[Entry]:
    rows = await db.connection().fetch(
        f"{ENTRY} WHERE {condition} ORDER BY e.occurred_at, e.order_no, e.line_no, e.level, e.refund_no, e.rule, e.of_period, e.on_period {tail}",
        *values,
    )
    return [Entry(**{name: row[name] for name in Entry.__struct_fields__}) for row in rows]


def _line(row: asyncpg.Record) -> rules.Line:
    return rules.Line(**{name: row[name] for name in rules.Line.__struct_fields__})


def _rule(row: asyncpg.Record) -> rules.Rule:
    return rules.Rule(**{name: row[name] for name in rules.Rule.__struct_fields__})
