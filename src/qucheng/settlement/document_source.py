"""The facts of statements' documents, read from the frozen rows a batch at a time."""

from __future__ import annotations

import collections
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import clock, db
from qucheng.identity import policy_value
from qucheng.settlement import document, withholding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import asyncpg

    from qucheng.identity.brand import Brand

ENTRIES = Path(__file__).with_name("document_entries.sql")
SOURCE = Path(__file__).with_name("document_source.sql")
STATEMENTS_A_BATCH = 64
CSV_HEAD = ",".join(document.CSV_COLUMNS) + "\n"

# what an earlier batch of the same transaction, or the computation of the period, has left
CLEAR = """
    DROP TABLE IF EXISTS pg_temp.paper_wanted, pg_temp.paper_entry, pg_temp.paper_line, pg_temp.paper_csv, pg_temp.paper_sku, pg_temp.paper_tax,
                         pg_temp.withholding, pg_temp.withholding_bracket;
    CREATE TEMP TABLE paper_wanted (period date, number integer) ON COMMIT DROP"""

HEADS = """
    SELECT s.*, r.name AS reseller_name, t.name AS tier_name, p.income, p.withheld, p.since,
           n.accruals, n.reversals, n.bonuses, n.adjustments, n.held,
           encode(sha256(convert_to($2 || coalesce(c.lines || E'\\n', ''), 'UTF8')), 'hex') AS csv_sha256
    FROM paper_wanted w JOIN statement s ON s.brand_id = current_brand() AND s.period = w.period AND s.number = w.number
    JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller
    LEFT JOIN placement_span h ON h.brand_id = s.brand_id AND h.reseller = s.reseller AND $1 >= h.starts_on AND $1 < h.ends_on
    JOIN tier t ON t.brand_id = s.brand_id AND t.code = coalesce(h.tier, r.tier)
    LEFT JOIN paper_csv c ON c.period = s.period AND c.number = s.number
    LEFT JOIN paper_tax p ON p.period = s.period AND p.number = s.number
    LEFT JOIN (SELECT period, number, count(*) FILTER (WHERE kind = 'accrual') AS accruals, count(*) FILTER (WHERE kind = 'reversal') AS reversals,
                      count(*) FILTER (WHERE kind = 'bonus') AS bonuses, count(*) FILTER (WHERE kind = 'adjustment') AS adjustments,
                      count(*) FILTER (WHERE held) AS held
               FROM paper_entry GROUP BY 1, 2) n ON n.period = s.period AND n.number = s.number
    ORDER BY s.number"""
LINES = """
    SELECT number, day AS date, kind, order_no AS "order", line_no AS line, refund_no AS refund, level, sku, sku_name, quantity, net_minor AS net,
           basis, basis_value AS basis_amount, rate_text AS rate, amount_minor AS amount
    FROM paper_line WHERE line_row IS NOT NULL ORDER BY number, line_row"""
DAYS = """
    SELECT number, CASE WHEN day >= $1 THEN day END AS date, count(*) AS count, sum(net_minor)::bigint AS net, sum(amount_minor)::bigint AS amount
    FROM paper_line WHERE line_row IS NULL GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST"""
SKUS = "SELECT number, code, name, lines, quantity, net, commission FROM paper_sku WHERE place <= $1 ORDER BY number, place"
SKUS_REST = """
    SELECT number, count(*) AS skus, sum(lines)::bigint AS lines, sum(quantity)::bigint AS quantity, sum(net)::bigint AS net, sum(commission)::bigint AS commission
    FROM paper_sku WHERE place > $1 GROUP BY number"""
BONUSES = """
    SELECT e.number, e.rule, r.kind, to_char(e.of_period, 'YYYY-MM') AS of_period, e.basis, e.basis_value AS basis_amount, e.rate_text AS brackets, e.amount_minor AS amount
    FROM paper_entry e JOIN rule r ON r.brand_id = current_brand() AND r.code = e.rule WHERE e.kind = 'bonus' ORDER BY e.number, e.of_period, e.rule"""
ADJUSTMENTS = """
    SELECT e.number, e.order_no AS code, e.day AS date, a.reason, e.amount_minor AS amount
    FROM paper_entry e JOIN adjustment a ON a.brand_id = current_brand() AND a.code = e.order_no WHERE e.kind = 'adjustment' ORDER BY e.number, e.occurred_at, e.order_no"""


async def batches(*, brand: Brand) -> AsyncIterator[list[tuple[document.StatementDocument, bytes]]]:
    """Every statement of the brand with its attached CSV, in the order of their numbers."""
    async with db.atomic(brand.id):
        periods = await db.connection().fetch("SELECT period, max(number) AS last FROM statement GROUP BY period ORDER BY period")
    for row in periods:
        for first in range(1, row["last"] + 1, STATEMENTS_A_BATCH):
            last = min(first + STATEMENTS_A_BATCH - 1, row["last"])
            async with db.atomic(brand.id):
                papers = await documents(brand=brand, period=row["period"], first=first, last=last)
                lines = await _csvs()
            yield [(paper, lines.get(number, CSV_HEAD.encode())) for number, paper in papers.items()]


async def documents(*, brand: Brand, period: dt.date, first: int, last: int) -> dict[int, document.StatementDocument]:
    """What the statements first..last of the period say, by their numbers, from the books as they are; inside atomic()."""
    await _stage(period, list(range(first, last + 1)))
    await withholding.stage(name=brand.withholding, period=period)
    await db.run_script(SOURCE.read_text(encoding="utf-8"))
    connection, last_day = db.connection(), clock.month_after(period) - dt.timedelta(days=1)
    parts = {
        "lines": _by_number(await connection.fetch(LINES)),
        "days": _by_number(await connection.fetch(DAYS, document.rest_from(period))),
        "skus": _by_number(await connection.fetch(SKUS, document.SKUS_SHOWN)),
        "skus_rest": _by_number(await connection.fetch(SKUS_REST, document.SKUS_SHOWN)),
        "bonuses": _by_number(await connection.fetch(BONUSES)),
        "adjustments": _by_number(await connection.fetch(ADJUSTMENTS)),
    }
    heads = await connection.fetch(HEADS, last_day, CSV_HEAD)
    brand = await policy_value.on(brand, last_day)
    return {
        head["number"]: _document(brand, head, {name: rows.get(head["number"], []) for name, rows in parts.items()}, last_day)
        for head in heads
    }


async def csvs(*, period: dt.date, numbers: list[int]) -> dict[int, bytes]:
    """The attached CSVs of these statements of the period, by their numbers; inside atomic()."""
    await _stage(period, numbers)
    return dict.fromkeys(numbers, CSV_HEAD.encode()) | await _csvs()


async def _stage(period: dt.date, numbers: list[int]) -> None:
    connection = db.connection()
    await connection.execute(CLEAR)
    await connection.execute("INSERT INTO paper_wanted SELECT $1, unnest($2::integer[])", period, numbers)
    await connection.execute("ANALYZE paper_wanted")
    await db.run_script(ENTRIES.read_text(encoding="utf-8"))


async def _csvs() -> dict[int, bytes]:
    rows = await db.connection().fetch("SELECT number, lines FROM paper_csv")
    return {row["number"]: f"{CSV_HEAD}{row['lines']}\n".encode() for row in rows}


def _by_number(rows: Iterable[asyncpg.Record]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = collections.defaultdict(list)
    for row in rows:
        fields = dict(row)
        found[fields.pop("number")].append(fields)
    return found


def _document(
    brand: Brand, head: asyncpg.Record, parts: dict[str, list[dict[str, Any]]], last_day: dt.date
) -> document.StatementDocument:
    sums = ("opening", "accrued", "reversed", "bonus", "adjustment", "gross", "payable", "tax", "net", "carried")
    bonuses = [document.Bonus(**row) for row in parts["bonuses"]]
    adjustments = [document.Adjustment(**row) for row in parts["adjustments"]]
    return document.StatementDocument(
        brand_code=brand.code,
        brand_name=brand.name,
        currency=brand.currency,
        decimals=brand.decimals,
        time_zone=brand.time_zone,
        locale="en" if brand.locale == "en" else "zh-CN",
        reseller_code=head["reseller"],
        reseller_name=head["reseller_name"],
        reseller_kind=head["kind"],
        tier_name=head["tier_name"],
        statement_no=head["statement_no"],
        period=f"{head['period']:%Y-%m}",
        first_day=head["period"],
        last_day=last_day,
        **{name: head[f"{name}_minor"] for name in sums},
        withholding=_withholding(brand, head),
        hold_days=brand.hold_days,
        held=head["held"] or msgspec.UNSET,
        min_payout=brand.min_payout_minor,
        max_depth=brand.max_depth,
        max_levels=brand.max_levels,
        counts=document.Counts(**{name: head[name] or 0 for name in ("accruals", "reversals", "bonuses", "adjustments")}),
        skus=tuple(document.Sku(**row) for row in parts["skus"]),
        skus_rest=document.SkusRest(**(parts["skus_rest"] or [{}])[0]),
        bonuses=tuple(bonuses[: document.BONUSES_SHOWN]),
        bonuses_rest=_rest(bonuses[document.BONUSES_SHOWN :]),
        adjustments=tuple(adjustments[: document.ADJUSTMENTS_SHOWN]),
        adjustments_rest=_rest(adjustments[document.ADJUSTMENTS_SHOWN :]),
        lines=tuple(document.Line(**row) for row in parts["lines"]),
        days_rest=tuple(document.DayRest(**row) for row in parts["days"]),
        csv_sha256=head["csv_sha256"],
    )


def _withholding(brand: Brand, head: asyncpg.Record) -> document.Withholding:
    scheme = withholding.name_in_force(brand.withholding, head["period"])
    if head["income"] is None:
        return document.Withholding(scheme=scheme)
    cumulative = scheme == "cn-platform"
    months = 1 + head["period"].month - head["since"].month if cumulative else None
    return document.Withholding(scheme=scheme, income=head["income"], withheld=head["withheld"], months=months)


def _rest(rows: list[document.Bonus] | list[document.Adjustment]) -> document.Rest:
    return document.Rest(count=len(rows), amount=sum(row.amount for row in rows))
