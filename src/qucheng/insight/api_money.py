"""What machines read of commissions, statements and runs. With reseller only its own, and statements once they are published."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from qucheng.core import db
from qucheng.insight import api_filters

if TYPE_CHECKING:
    import uuid

    from qucheng.insight.api_filters import Filters

Kind = Literal["accrual", "reversal", "adjustment", "bonus"]
Position: TypeAlias = tuple[str, list[str]]

# of each kind: what is read, and its natural key, by which it is paged
_DAYS = "(e.occurred_at AT TIME ZONE b.time_zone)::date AS occurred_on"
_RULED = "LEFT JOIN rule r ON r.brand_id = e.brand_id AND r.code = e.rule"
_KEYS: dict[str, tuple[str, ...]] = {
    "accrual": ("e.order_no", "e.line_no", "e.level"),
    "reversal": ("e.order_no", "e.line_no", "e.level", "e.refund_no"),
    "adjustment": ("e.code",),
    "bonus": ("e.period", "e.reseller", "e.rule", "e.of_period"),
}
_TYPES = {"e.level": "smallint", "e.period": "date", "e.of_period": "date"}
_COLUMNS = {
    "accrual": f"e.order_no, e.line_no, e.level, NULL AS refund_no, e.rule, r.basis, r.rate_text, NULL::date AS of_period, e.basis_value, {_DAYS},"
    " (e.matures_at AT TIME ZONE b.time_zone)::date AS available_on",
    "reversal": f"e.order_no, e.line_no, e.level, e.refund_no, e.rule, r.basis, r.rate_text, NULL::date AS of_period, e.basis_value, {_DAYS},"
    " (e.matures_at AT TIME ZONE b.time_zone)::date AS available_on",
    "adjustment": "NULL AS order_no, NULL AS line_no, NULL::smallint AS level, NULL AS refund_no, NULL AS rule, NULL AS basis, NULL AS rate_text,"
    f" NULL::date AS of_period, NULL::bigint AS basis_value, {_DAYS}, (e.occurred_at AT TIME ZONE b.time_zone)::date AS available_on",
    "bonus": f"NULL AS order_no, NULL AS line_no, NULL::smallint AS level, NULL AS refund_no, e.rule, r.basis, r.rate_text, e.of_period, e.basis_value, {_DAYS},"
    " (e.occurred_at AT TIME ZONE b.time_zone)::date AS available_on",
}
_FROM = {
    "accrual": f"timed_accrual e LEFT JOIN statement_accrual m USING (brand_id, order_no, line_no, level) {_RULED}",
    "reversal": f"timed_reversal e LEFT JOIN statement_reversal m USING (brand_id, order_no, line_no, level, refund_no) {_RULED}",
    "adjustment": "adjustment e LEFT JOIN statement_adjustment m USING (brand_id, code)",
    "bonus": f"bonus e {_RULED} LEFT JOIN statement m ON m.brand_id = e.brand_id AND m.reseller = e.reseller AND m.period = e.period",
}
_STATEMENTS = """
    SELECT s.period, s.number, s.statement_no, s.reseller, s.kind, s.opening_minor, s.accrued_minor, s.reversed_minor, s.bonus_minor,
           s.adjustment_minor, s.payable_minor, s.tax_minor, s.net_minor, s.carried_minor, period_published_at(s.period) AS published_at
    FROM statement s WHERE {where} ORDER BY s.period, s.number {limit}"""
_RUNS = """
    SELECT period, number, state, statements, issued, gross_minor, tax_minor, net_minor, computed_at, issued_at, published_at, discarded_at
    FROM settlement_run r WHERE {where} ORDER BY period, number {limit}"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """key: its kind and what it is called by. basis_value: minor units, or a plain count where the basis is `unit`.

    available_on: None while the event from which its hold counts has not come.
    """

    key: Position
    kind: Kind
    reseller: str
    order_no: str | None
    line_no: str | None
    level: int | None
    refund_no: str | None
    adjustment: str | None
    rule: str | None
    basis: str | None
    rate: str | None
    basis_value: int | None
    of_period: dt.date | None
    amount_minor: int
    occurred_on: dt.date
    available_on: dt.date | None
    statement_no: str | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    period: dt.date
    number: int
    statement_no: str
    reseller: str
    kind: Literal["individual", "company"]
    opening_minor: int
    accrued_minor: int
    reversed_minor: int
    bonus_minor: int
    adjustment_minor: int
    payable_minor: int
    tax_minor: int
    net_minor: int
    carried_minor: int
    published_at: dt.datetime | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    period: dt.date
    number: int
    state: Literal["computed", "issuing", "issued", "discarded"]
    statements: int
    issued: int
    gross_minor: int
    tax_minor: int
    net_minor: int
    computed_at: dt.datetime
    issued_at: dt.datetime | None
    published_at: dt.datetime | None
    discarded_at: dt.datetime | None


async def entries(
    *,
    brand_id: uuid.UUID,
    reseller: str | None,
    statement_no: str | None = None,
    order_no: str | None = None,
    of_reseller: str | None = None,
    period: dt.date | None = None,
    kind: Kind | None = None,
    after: Position | None = None,
    most: int = 1,
) -> list[Entry]:
    """Kind by kind, each in the order of its key. period: of the statement they are on."""
    kinds = [each for each in _KEYS if kind in (None, each) and (order_no is None or each in {"accrual", "reversal"})]
    if after is not None:
        kinds = [each for each in kinds if list(_KEYS).index(each) >= list(_KEYS).index(after[0])]
    found: list[Entry] = []
    async with db.atomic(brand_id, reseller=reseller):
        for each in kinds:
            if len(found) < most:
                asked = api_filters.Filters()
                asked.add("s.statement_no = {}", statement_no)
                asked.add("e.order_no = {}", order_no)
                asked.add("e.reseller = {}", of_reseller)
                asked.add("s.period = {}", period)
                if after is not None and after[0] == each:
                    _after(asked, each, after[1])
                found += await _entries(each, asked, most - len(found))
    return found


def _after(asked: Filters, kind: str, position: list[str]) -> None:
    """The key's parts came back as texts."""
    columns = _KEYS[kind]
    places = ", ".join(f"{{}}::text::{_TYPES.get(column, 'text')}" for column in columns)
    asked.add(f"({', '.join(columns)}) > ({places})", *position)


async def _entries(kind: str, asked: Filters, most: int) -> list[Entry]:
    columns = _KEYS[kind]
    rows = await db.connection().fetch(
        f"SELECT e.reseller, e.amount_minor, {_COLUMNS[kind]}, s.statement_no, ARRAY[{', '.join(f'{each}::text' for each in columns)}] AS key"
        f" FROM (SELECT time_zone FROM brand) b CROSS JOIN {_FROM[kind]} LEFT JOIN statement s ON s.brand_id = e.brand_id AND s.period = m.period AND s.number = m.number"
        f" WHERE {asked.where()} ORDER BY {', '.join(columns)} {asked.limit(most)}",
        *asked.values,
    )
    return [
        Entry(
            kind=kind,  # type: ignore[arg-type]
            key=(kind, row["key"]),
            rate=row["rate_text"],
            adjustment=row["key"][0] if kind == "adjustment" else None,
            **{name: value for name, value in row.items() if name not in {"key", "rate_text"}},
        )
        for row in rows
    ]


async def statements(
    *,
    brand_id: uuid.UUID,
    reseller: str | None,
    statement_no: str | None = None,
    of_reseller: str | None = None,
    period: dt.date | None = None,
    after: tuple[dt.date, int] | None = None,
    most: int = 1,
) -> list[Statement]:
    """By period and number."""
    asked = api_filters.Filters()
    asked.add("s.statement_no = {}", statement_no)
    asked.add("s.reseller = {}", of_reseller)
    asked.add("s.period = {}", period)
    asked.after("s.period, s.number", after)
    query = _STATEMENTS.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(query, *asked.values)
    return [Statement(**dict(row)) for row in rows]


async def runs(
    *, brand_id: uuid.UUID, period: dt.date | None = None, after: tuple[dt.date, int] | None = None, most: int = 1
) -> list[Run]:
    """By period and number."""
    asked = api_filters.Filters()
    asked.add("r.period = {}", period)
    asked.after("r.period, r.number", after)
    query = _RUNS.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(query, *asked.values)
    return [Run(**dict(row)) for row in rows]
