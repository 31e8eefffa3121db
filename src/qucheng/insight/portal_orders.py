"""The sales of a reseller, line by line, with what each earned and what has become of it. Read with the reseller's own eyes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from qucheng.core import clock, db

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

Status = Literal["calculating", "none", "refunded", "pending", "due", "paid", "carried"]
STATUSES: tuple[Status, ...] = get_args(Status)
Direction = Literal["after", "before"]

# $1: now. The seller is level 1; what those above it earn on its sales is not visible here.
SHAPE = """
    SELECT l.order_no, l.line_no, l.paid_at, l.sku, k.name AS sku_name, l.quantity, l.net_minor, l.hold_from, t.matures_at,
           (t.matures_at AT TIME ZONE b.time_zone)::date AS matures_on, t.started_at, b.hold_days,
           s.statement_no, s.period, a.amount_minor + coalesce(v.amount_minor, 0) AS earned_minor, coalesce(v.amount_minor, 0) AS reversed_minor,
           CASE WHEN a.level IS NULL AND l.intake = ANY (w.waiting) THEN 'calculating' WHEN a.level IS NULL THEN 'none'
                WHEN a.amount_minor + coalesce(v.amount_minor, 0) = 0 THEN 'refunded'
                WHEN s.number IS NULL AND (t.matures_at > $1 OR t.matures_at IS NULL) THEN 'pending' WHEN s.number IS NULL THEN 'due'
                WHEN s.carried_minor = 0 THEN 'paid' ELSE 'carried' END AS status
    FROM brand b CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w
    JOIN order_line l ON l.brand_id = b.id
    JOIN sku k ON k.brand_id = l.brand_id AND k.code = l.sku
    LEFT JOIN accrual a ON a.brand_id = l.brand_id AND a.order_no = l.order_no AND a.line_no = l.line_no AND a.level = 1
    LEFT JOIN line_clock c ON a.matures_at IS NULL AND c.brand_id = a.brand_id AND c.order_no = a.order_no AND c.line_no = a.line_no
    CROSS JOIN LATERAL (SELECT coalesce(a.matures_at, c.matures_at) AS matures_at, coalesce(c.started_at, a.occurred_at) AS started_at) t
    LEFT JOIN {reversed} LEFT JOIN {papers}"""
# Of a few lines what belongs to each is looked up; of all of them it is collected once.
LINES = SHAPE.format(
    reversed="""LATERAL (SELECT sum(r.amount_minor)::bigint AS amount_minor FROM reversal r
                         WHERE r.brand_id = a.brand_id AND r.order_no = a.order_no AND r.line_no = a.line_no AND r.level = 1) v ON true""",
    papers="""statement_accrual m ON m.brand_id = a.brand_id AND m.order_no = a.order_no AND m.line_no = a.line_no AND m.level = 1
    LEFT JOIN statement s ON s.brand_id = m.brand_id AND s.period = m.period AND s.number = m.number""",
)
ALL_LINES = SHAPE.format(
    reversed="""(SELECT r.brand_id, r.order_no, r.line_no, sum(r.amount_minor)::bigint AS amount_minor FROM reversal r WHERE r.level = 1 GROUP BY 1, 2, 3) v
        ON v.brand_id = l.brand_id AND v.order_no = l.order_no AND v.line_no = l.line_no""",
    papers="""(SELECT p.brand_id, m.order_no, m.line_no, p.number, p.statement_no, p.period, p.carried_minor
               FROM statement p JOIN statement_accrual m USING (brand_id, period, number) WHERE m.level = 1 OFFSET 0) s
        ON s.brand_id = l.brand_id AND s.order_no = l.order_no AND s.line_no = l.line_no""",
)
# enough where no status is asked for
EARNED_LINES = """
    SELECT l.order_no, l.line_no, l.paid_at, l.sku, k.name AS sku_name, l.net_minor, e.amount_minor AS earned_minor FROM order_line l
    JOIN sku k ON k.brand_id = l.brand_id AND k.code = l.sku
    LEFT JOIN (SELECT order_no, line_no, sum(amount_minor)::bigint AS amount_minor FROM (
        SELECT order_no, line_no, amount_minor FROM accrual WHERE level = 1
        UNION ALL SELECT order_no, line_no, amount_minor FROM reversal WHERE level = 1) entry GROUP BY 1, 2) e
        ON e.order_no = l.order_no AND e.line_no = l.line_no
    WHERE $1::timestamptz IS NOT NULL"""
SHOWN = "order_no, line_no, paid_at, sku, sku_name, quantity, net_minor, hold_from, matures_on, statement_no, period, earned_minor, reversed_minor, status"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """month: of payment, by its first day. text: part of an order's number or of an article's code or name."""

    month: dt.date | None = None
    status: Status | None = None
    text: str = ""


class Key(msgspec.Struct, frozen=True):
    """Where a page ends: the rows before or after it follow."""

    paid_at: dt.datetime
    order_no: str
    line_no: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """earned_minor: after refunds; None where nothing was earned, or it is not known yet. matures_on: the brand's local day;
    None too where the hold counts from an event (hold_from) that has not come.
    """

    order_no: str
    line_no: str
    paid_at: dt.datetime
    sku: str
    sku_name: str
    quantity: int
    net_minor: int
    hold_from: str
    matures_on: dt.date | None
    statement_no: str | None
    period: dt.date | None
    earned_minor: int | None
    reversed_minor: int
    status: Status

    @property
    def key(self) -> Key:
        return Key(self.paid_at, self.order_no, self.line_no)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. before, after: whether there are rows on that side."""

    rows: tuple[Row, ...]
    before: bool
    after: bool


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Of all lines that the filter lets through."""

    lines: int
    net_minor: int
    earned_minor: int


async def page(
    *,
    brand: Brand,
    reseller: str,
    wanted: Filter,
    now: dt.datetime,
    size: int,
    key: Key | None = None,
    direction: Direction = "after",
) -> Page:
    """The first page without a key; else the one after it, or before it."""
    conditions, values = _conditions(brand, wanted, now)
    backwards = key is not None and direction == "before"
    if key is not None:
        first = len(values) + 1
        conditions.append(
            f'(paid_at, order_no, line_no) {">" if backwards else "<"} (${first}, ${first + 1}::text COLLATE "C", ${first + 2}::text COLLATE "C")'
        )
        values += [key.paid_at, key.order_no, key.line_no]
    order = "ASC" if backwards else "DESC"
    rows = await _fetch(
        brand,
        reseller,
        f"SELECT {SHOWN} FROM ({_lines(wanted)}) line WHERE {' AND '.join(conditions)}"
        f" ORDER BY paid_at {order}, order_no {order}, line_no {order} LIMIT {size + 1}",
        values,
    )
    found, more = [Row(**dict(row)) for row in rows[:size]], len(rows) > size
    if backwards:
        found.reverse()
    return Page(rows=tuple(found), before=more if backwards else key is not None, after=backwards or more)


async def sums(*, brand: Brand, reseller: str, wanted: Filter, now: dt.datetime) -> Sums:
    conditions, values = _conditions(brand, wanted, now)
    (row,) = await _fetch(
        brand,
        reseller,
        "SELECT count(*) AS lines, coalesce(sum(net_minor), 0)::bigint AS net_minor, coalesce(sum(earned_minor), 0)::bigint AS earned_minor"
        f" FROM ({EARNED_LINES if wanted.status is None else ALL_LINES}) line WHERE {' AND '.join(conditions)}",
        values,
    )
    return Sums(**dict(row))


async def months(*, brand: Brand, reseller: str, now: dt.datetime, most: int = 36) -> list[dt.date]:
    """From this month back to that of its first sale, at most so many."""
    async with db.atomic(brand.id, reseller=reseller):
        row = await db.connection().fetchrow(
            "SELECT (min(paid_at) AT TIME ZONE $1)::date, ($2::timestamptz AT TIME ZONE $1)::date FROM order_line",
            brand.time_zone,
            now,
        )
    first, month = (row[0] or row[1]).replace(day=1), row[1].replace(day=1)
    found: list[dt.date] = []
    while month >= first and len(found) < most:
        found.append(month)
        month = (month - dt.timedelta(days=1)).replace(day=1)
    return found


def _lines(wanted: Filter) -> str:
    """A status is known only when all of a line is: then they are all made first, and not one by one in the order of the page."""
    return LINES if wanted.status is None else f"SELECT * FROM ({ALL_LINES}) line OFFSET 0"


def _conditions(brand: Brand, wanted: Filter, now: dt.datetime) -> tuple[list[str], list[Any]]:
    conditions, values = ["true"], [now]
    if wanted.month is not None:
        conditions.append(f"paid_at >= ${len(values) + 1} AND paid_at < ${len(values) + 2}")
        values += clock.month_bounds(wanted.month, brand.time_zone)
    if wanted.status is not None:
        conditions.append(f"status = ${len(values) + 1}")
        values.append(wanted.status)  # type: ignore[arg-type]
    if wanted.text:
        place = f"${len(values) + 1}"
        conditions.append(
            f"(strpos(lower(order_no), lower({place})) > 0 OR strpos(lower(sku), lower({place})) > 0 OR strpos(lower(sku_name), lower({place})) > 0)"
        )
        values.append(wanted.text)  # type: ignore[arg-type]
    return conditions, values


async def _fetch(brand: Brand, reseller: str, query: str, values: list[Any]) -> list[asyncpg.Record]:
    async with db.atomic(brand.id, reseller=reseller):
        rows: list[asyncpg.Record] = await db.connection().fetch(query, *values)
    return rows
