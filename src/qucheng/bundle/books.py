"""The books of a settled brand as files: statements, entries, journal, rejections, flags. The same books are the same bytes."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

INSTANT = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
MONTH = "to_char({}, 'YYYY-MM')"


def money(column: str, decimals: int) -> str:
    """An amount in minor units as the text of a file has it."""
    return f"{column} * {1 if decimals == 0 else '0.' + '1'.zfill(decimals)}"


def entry_columns(decimals: int) -> dict[str, str]:
    """The columns of an entry as text, over `statement_entry` e, its `statement` s and its `rule` r."""
    return {
        "period": MONTH.format("e.period"),
        "statement_no": "s.statement_no",
        "reseller": "s.reseller",
        "kind": "e.kind",
        "level": "e.level",
        "order": "e.order_no",
        "line": "e.line_no",
        "refund": "e.refund_no",
        "rule": "e.rule",
        "of_period": MONTH.format("e.of_period"),
        "basis_amount": f"CASE WHEN r.basis = 'unit' THEN e.basis_value::numeric ELSE {money('e.basis_value', decimals)} END",
        "rate": "r.rate_text",
        "amount": money("e.amount_minor", decimals),
        "occurred_at": INSTANT.format("e.occurred_at"),
        "matures_at": INSTANT.format("e.matures_at"),
    }


def _select(columns: dict[str, str]) -> str:
    return ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())


def _queries(brand: Brand, through: dt.date) -> dict[str, str]:
    sums = ("opening", "accrued", "reversed", "bonus", "adjustment", "gross", "payable", "tax", "net", "carried")
    sums_as_text = {name: money(f"{name}_minor", brand.decimals) for name in sums}
    return {
        "statements.csv": f"""
            SELECT statement_no, {MONTH.format("period")} AS period, reseller, kind, {_select(sums_as_text)}
            FROM statement WHERE period <= '{through}' ORDER BY statement.period, reseller""",
        "entries.csv": f"""
            SELECT {_select(entry_columns(brand.decimals))}
            FROM statement_entry e JOIN statement s USING (brand_id, period, number) LEFT JOIN rule r ON r.brand_id = e.brand_id AND r.code = e.rule
            WHERE e.period <= '{through}'
            ORDER BY e.period, s.reseller, e.kind COLLATE "C", e.order_no NULLS FIRST, e.line_no NULLS FIRST, e.level NULLS FIRST,
                     e.refund_no COLLATE "C" NULLS FIRST, e.rule NULLS FIRST, e.of_period NULLS FIRST""",
        "journal.csv": f"""
            SELECT e.code AS entry, {MONTH.format("e.period")} AS period, e.document AS statement_no, p.account,
                   CASE WHEN p.debit_minor > 0 THEN {money("p.debit_minor", brand.decimals)} END AS debit,
                   CASE WHEN p.credit_minor > 0 THEN {money("p.credit_minor", brand.decimals)} END AS credit
            FROM journal_entry e JOIN posting p ON p.brand_id = e.brand_id AND p.entry = e.code
            JOIN statement s ON s.brand_id = e.brand_id AND s.statement_no = e.document
            WHERE s.period <= '{through}'
            ORDER BY s.period, s.number, e.position, p.leg""",
    }


def _delivery_queries(intake: int | None) -> dict[str, str]:
    """Of one intake, or of all in their order."""
    chosen = "true" if intake is None else f"intake = {intake}"
    return {
        "rejected.csv": f"SELECT file, source_row AS row, code, message FROM rejection WHERE {chosen} ORDER BY intake, file, source_row",
        "flags.csv": f"""
            SELECT 'orders.csv' AS file, l.source_row AS row, f.code FROM order_flag f JOIN order_line l USING (brand_id, order_no, line_no)
            WHERE {chosen} ORDER BY l.intake, l.source_row, f.code""",
    }


async def write(*, brand: Brand, out: Path, through: dt.date = dt.date.max) -> None:
    """Writes the five files. through: the first day of the last period that the first three tell of."""
    await copy_out(brand=brand, out=out, queries=_queries(brand, through) | _delivery_queries(None))


async def write_delivery(*, brand: Brand, out: Path, intake: int) -> None:
    """Writes rejected.csv and flags.csv of one intake."""
    await copy_out(brand=brand, out=out, queries=_delivery_queries(intake))


async def copy_out(*, brand: Brand, out: Path, queries: dict[str, str]) -> None:
    """Writes what each query finds into the file of its name; each file takes its place only when it is whole."""
    out.mkdir(parents=True, exist_ok=True)
    for name, query in queries.items():
        fresh = out / f".{name}.{os.getpid()}"
        try:
            async with db.atomic(brand.id):
                await db.connection().execute("SET LOCAL work_mem = '256MB'")
                await db.connection().copy_from_query(query, output=fresh, format="csv", header=True)
            fresh.replace(out / name)
        finally:
            fresh.unlink(missing_ok=True)
