"""What is on a statement: its rows page by page, and their sums by article, by order and by day.

Read for the brand, or with `reseller` with its people's own eyes: of a sale below it they see no quantity and no price.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.settlement import queries

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand
    from qucheng.settlement.queries import Statement

PAGE = 20
LISTED = 100
"""Bonuses of a statement that are listed: there is one for each rule and month of volume."""
Kind = Literal["accrual", "reversal", "bonus", "adjustment"]
# of a sale below it a reseller knows the article and sees no order
OF_BRAND = "LEFT JOIN order_line a ON a.brand_id = e.brand_id AND a.order_no = e.order_no AND a.line_no = e.line_no AND e.kind IN ('accrual', 'reversal')"
OF_RESELLER = "LEFT JOIN articles_on_statement($1, $2) a ON a.order_no = e.order_no AND a.line_no = e.line_no AND e.kind IN ('accrual', 'reversal')"
ROWS = """
    SELECT e.position, e.kind, e.level, e.order_no, e.line_no, e.refund_no, e.rule, e.of_period, a.sku, k.name AS sku_name,
           CASE e.kind WHEN 'accrual' THEN l.quantity WHEN 'reversal' THEN -f.quantity END AS quantity,
           CASE e.kind WHEN 'accrual' THEN l.net_minor WHEN 'reversal' THEN -f.amount_minor END AS sale_minor,
           u.basis, e.basis_value, u.rate_text, e.amount_minor, e.occurred_at, e.matures_at, (e.occurred_at AT TIME ZONE b.time_zone)::date AS day
    FROM brand b CROSS JOIN {rows} e {articles}
    LEFT JOIN order_line l ON l.brand_id = e.brand_id AND l.order_no = e.order_no AND l.line_no = e.line_no AND e.kind IN ('accrual', 'reversal')
    LEFT JOIN refund f ON f.brand_id = e.brand_id AND f.order_no = e.order_no AND f.line_no = e.line_no AND f.refund_no = e.refund_no
    LEFT JOIN rule u ON u.brand_id = e.brand_id AND u.code = e.rule
    LEFT JOIN sku k ON k.brand_id = e.brand_id AND k.code = a.sku
    WHERE b.id = e.brand_id AND e.period = $1 AND e.number = $2"""
CHOSEN = """
    ($3::text IS NULL OR e.kind = $3) AND ($4::text IS NULL OR e.sku = $4) AND ($5::date IS NULL OR e.day = $5)
    AND (NOT $6::boolean OR e.kind IN ('accrual', 'reversal'))"""
SALES = "e.kind IN ('accrual', 'reversal')"
SUMS = """
    count(*) FILTER (WHERE e.kind = 'accrual') AS sales, count(*) FILTER (WHERE e.kind = 'reversal') AS reversals,
    coalesce(sum(e.quantity), 0)::bigint AS quantity, coalesce(sum(e.sale_minor), 0)::bigint AS sale_minor,
    coalesce(sum(e.amount_minor), 0)::bigint AS amount_minor, coalesce(sum(e.amount_minor) FILTER (WHERE e.kind = 'reversal'), 0)::bigint AS reversed_minor"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """position: its place in the statement's CSV, which names it for a dispute. sale_minor: what was paid for it, or refunded.

    quantity and sale_minor are None where the sale is below the reseller who reads, and with sku of bonuses and adjustments, whose
    order_no is the adjustment's code.
    """

    position: int
    kind: Kind
    level: int | None
    order_no: str | None
    line_no: str | None
    refund_no: str | None
    rule: str | None
    of_period: dt.date | None
    sku: str | None
    sku_name: str | None
    quantity: int | None
    sale_minor: int | None
    basis: Literal["net", "gross", "margin", "unit"] | None
    basis_value: int | None
    rate_text: str | None
    amount_minor: int
    occurred_at: dt.datetime
    matures_at: dt.datetime
    day: dt.date

    @property
    def code(self) -> str:
        """As insight/explain.py takes it. A bonus's is made there of reseller and month."""
        parts = (self.order_no, self.line_no, self.level, self.refund_no)
        return "/".join([self.kind, *(str(part) for part in parts if part is not None)])


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """items: of one page; the rest of all that was asked for."""

    items: tuple[Row, ...]
    count: int
    sales: int
    reversals: int
    quantity: int
    sale_minor: int
    amount_minor: int
    reversed_minor: int


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """Accruals and reversals of one article or one day. rates: as the rules have them, where there are few."""

    sku: str | None
    sku_name: str | None
    day: dt.date | None
    sales: int
    reversals: int
    quantity: int
    sale_minor: int
    amount_minor: int
    reversed_minor: int
    rates: tuple[str, ...]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[Sum, ...]
    count: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule brought of an article at one level: how many rows, on what basis in all, and how much."""

    rule: str
    level: int
    basis: Literal["net", "gross", "margin", "unit"]
    rate_text: str
    sales: int
    reversals: int
    basis_value: int
    accrued_minor: int
    reversed_minor: int


async def rows(
    *,
    brand: Brand,
    statement: Statement,
    kind: Kind | None = None,
    sku: str | None = None,
    day: dt.date | None = None,
    sales_only: bool = False,
    page: int = 1,
    size: int = PAGE,
    reseller: str | None = None,
) -> Rows:
    """In the order of the statement's CSV. sales_only: without bonuses and adjustments."""
    values = (statement.period, statement.number, kind, sku, day, sales_only)
    source = _source(statement, reseller)
    async with db.atomic(brand.id, reseller=reseller):
        sums = await db.connection().fetchrow(f"SELECT count(*) AS count, {SUMS} FROM ({source}) e WHERE {CHOSEN}", *values)
        found = await db.connection().fetch(
            f"SELECT e.* FROM ({source}) e WHERE {CHOSEN} ORDER BY e.position LIMIT $7 OFFSET $8",
            *values,
            size,
            (max(page, 1) - 1) * size,
        )
    return Rows(items=tuple(Row(**dict(row)) for row in found), **dict(sums))


async def row(*, brand: Brand, statement: Statement, position: int, reseller: str | None = None) -> Row | None:
    """The one of that number."""
    async with db.atomic(brand.id, reseller=reseller):
        found = await db.connection().fetchrow(
            f"SELECT e.* FROM ({_source(statement, reseller)}) e WHERE e.position = $3",
            statement.period,
            statement.number,
            position,
        )
    return Row(**dict(found)) if found is not None else None


async def by_article(*, brand: Brand, statement: Statement, page: int = 1, size: int = PAGE, reseller: str | None = None) -> Sums:
    """The one that brought most first."""
    return await _sums(
        brand,
        statement,
        "e.sku",
        "e.sku, min(e.sku_name) AS sku_name, NULL::date AS day",
        "amount_minor DESC, e.sku",
        page,
        size,
        reseller,
    )


async def by_day(*, brand: Brand, statement: Statement, page: int = 1, size: int = PAGE, reseller: str | None = None) -> Sums:
    """Days of the brand's calendar on which it was paid, or refunded."""
    return await _sums(
        brand, statement, "e.day", "NULL::text AS sku, NULL::text AS sku_name, e.day", "e.day", page, size, reseller
    )


async def shares_of_article(*, brand: Brand, statement: Statement, sku: str, reseller: str | None = None) -> list[Share]:
    """By which rules the article earned on this statement."""
    async with db.atomic(brand.id, reseller=reseller):
        found = await db.connection().fetch(
            f"""SELECT e.rule, e.level, e.basis, e.rate_text, count(*) FILTER (WHERE e.kind = 'accrual') AS sales,
                       count(*) FILTER (WHERE e.kind = 'reversal') AS reversals,
                       coalesce(sum(e.basis_value) FILTER (WHERE e.kind = 'accrual'), 0)::bigint AS basis_value,
                       coalesce(sum(e.amount_minor) FILTER (WHERE e.kind = 'accrual'), 0)::bigint AS accrued_minor,
                       coalesce(sum(e.amount_minor) FILTER (WHERE e.kind = 'reversal'), 0)::bigint AS reversed_minor
                FROM ({_source(statement, reseller)}) e WHERE {SALES} AND e.sku = $3 GROUP BY 1, 2, 3, 4 ORDER BY 2, 1""",
            statement.period,
            statement.number,
            sku,
        )
    return [Share(**dict(each)) for each in found]


async def _sums(
    brand: Brand, statement: Statement, group: str, shown: str, order: str, page: int, size: int, reseller: str | None
) -> Sums:
    source = f"FROM ({_source(statement, reseller)}) e WHERE {SALES} GROUP BY {group}"
    async with db.atomic(brand.id, reseller=reseller):
        count = await db.connection().fetchval(
            f"SELECT count(*) FROM (SELECT 1 {source}) groups", statement.period, statement.number
        )
        found = await db.connection().fetch(
            f"SELECT {shown}, {SUMS}, array_agg(DISTINCT e.rate_text) AS rates {source} ORDER BY {order} LIMIT $3 OFFSET $4",
            statement.period,
            statement.number,
            size,
            (max(page, 1) - 1) * size,
        )
    return Sums(items=tuple(Sum(**{**dict(each), "rates": tuple(each["rates"])}) for each in found), count=count)


def _source(statement: Statement, reseller: str | None) -> str:
    return ROWS.format(rows=queries.rows_of(statement), articles=OF_BRAND if reseller is None else OF_RESELLER)
