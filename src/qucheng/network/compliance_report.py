"""The network's monthly report: of each root how many stand under it and how long its longest chain is. Written once a month, and
never again: it says what was known when it was made.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import audit, cells, db
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.identity.brand import Brand

TASK, FILE = "compliance.report", "compliance.network"
MOST_MONTHS, MOST_SHOWN = 120, 200
LOCK = "SELECT lock_brand($1, 'compliance')"
# the months that are over and have no report yet, from the first join on
MONTHS = """
    WITH first AS (SELECT coalesce((SELECT (max(month) + interval '1 month')::date FROM compliance_month),
                                   (SELECT date_trunc('month', min(joined_on))::date FROM reseller)) AS month)
    INSERT INTO compliance_month (brand_id, month, policy, max_depth, paid_levels)
    SELECT b.id, m.month::date, b.policy, p.max_depth, paid_levels((m.month + interval '1 month')::date - 1)
    FROM brand b CROSS JOIN first CROSS JOIN generate_series(first.month::timestamp, $1::timestamp, interval '1 month') m (month)
    JOIN policy_term p ON p.starts_on < m.month + interval '1 month' AND m.month + interval '1 month' <= p.ends_on
    WHERE m.month < $1 ORDER BY m.month LIMIT $2 RETURNING month"""
REPORTS = """
    INSERT INTO compliance_report (brand_id, month, root, heads, persons, most_heads, most_persons)
    WITH span AS MATERIALIZED (
        SELECT m.month, n.next_month, c.root, c.depth, greatest(c.starts_on, m.month) AS starts_on, least(c.ends_on, n.next_month) AS ends_on
        FROM unnest($1::date[]) m (month) CROSS JOIN LATERAL (SELECT (m.month + interval '1 month')::date AS next_month) n
        JOIN chain c ON c.starts_on < n.next_month AND m.month < c.ends_on
    ), daily AS (
        SELECT month, root, day, sum(sum(step)) OVER (PARTITION BY month, root ORDER BY day) AS heads
        FROM (SELECT month, root, starts_on AS day, 1 AS step FROM span UNION ALL SELECT month, root, ends_on, -1 FROM span) change
        GROUP BY month, root, day)
    SELECT current_brand(), s.month, s.root, count(*) FILTER (WHERE s.ends_on = s.next_month), coalesce(max(s.depth) FILTER (WHERE s.ends_on = s.next_month), 0),
           (SELECT max(d.heads) FROM daily d WHERE d.month = s.month AND d.root = s.root), max(s.depth)
    FROM span s GROUP BY s.month, s.root"""


FILE_COLUMNS = ("month", "root", "name", "policy", "heads", "persons", "most_heads", "most_persons", "made_at")
FILE_ROWS = """
    SELECT to_char(c.month, 'YYYY-MM') AS month, {root} AS root, {name} AS name, m.policy, c.heads, c.persons, c.most_heads, c.most_persons,
           to_char(m.made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS made_at
    FROM compliance_report c JOIN compliance_month m USING (brand_id, month) JOIN reseller r ON r.brand_id = c.brand_id AND r.code = c.root
    WHERE c.month = $1 ORDER BY c.most_heads DESC, c.root"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """heads and persons: at the end of the month. most_: of a day in it."""

    month: dt.date
    root: str
    name: str
    heads: int
    persons: int
    most_heads: int
    most_persons: int
    policy: str
    made_at: dt.datetime


async def make(*, brand: Brand, now: dt.datetime) -> list[dt.date]:
    """Reports of the months that are over and have none; returns which."""
    today = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    async with db.atomic(brand.id):
        await db.connection().execute(LOCK, brand.id)
        months = [row[0] for row in await db.connection().fetch(MONTHS, today.replace(day=1), MOST_MONTHS)]
        if months:
            await db.connection().execute(REPORTS, months)
            await audit.record(
                brand_id=brand.id,
                actor=audit.SYSTEM,
                action="compliance.report",
                subject=brand.code,
                after={"months": [f"{month:%Y-%m}" for month in months]},
            )
    return months


async def make_all(*, now: dt.datetime) -> None:
    """Those of every brand, each on its own first of the month."""
    for brand_id, _code in await brands.every():
        await make(brand=await brands.read(brand_id), now=now)


async def months(*, brand_id: uuid.UUID, most: int = MOST_MONTHS) -> list[dt.date]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT month FROM compliance_month ORDER BY month DESC LIMIT $1", most)
    return [row["month"] for row in rows]


async def read(*, brand_id: uuid.UUID, month: dt.date, most: int = MOST_SHOWN) -> list[Row]:
    """The most heads first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT c.month, c.root, r.name, c.heads, c.persons, c.most_heads, c.most_persons, m.policy, m.made_at"
            " FROM compliance_report c JOIN compliance_month m USING (brand_id, month) JOIN reseller r ON r.brand_id = c.brand_id AND r.code = c.root"
            " WHERE c.month = $1 ORDER BY c.most_heads DESC, c.root LIMIT $2",
            month,
            most,
        )
    return [Row(**dict(row)) for row in rows]


async def count(*, brand_id: uuid.UUID, month: dt.date) -> int:
    async with db.atomic(brand_id):
        found: int = await db.connection().fetchval("SELECT count(*) FROM compliance_report WHERE month = $1", month)
    return found


async def write(*, brand: Brand, month: dt.date, form: cells.Form, out: Path) -> None:
    """Every root of the month."""
    text = cells.sql_inert if form == "csv" else str
    query = FILE_ROWS.format(root=text("c.root"), name=text("r.name"))
    async with db.atomic(brand.id):
        if form == "csv":
            await cells.write_csv(query, month, out=out)
            return
        book = cells.Book(out, title="network", names=FILE_COLUMNS)
        try:
            await cells.write_book(
                f"SELECT {', '.join(f'{name}::text' for name in FILE_COLUMNS)} FROM ({query}) q", month, book=book
            )
        finally:
            book.close()
