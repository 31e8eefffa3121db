"""What a brand's people want to know in the morning: what was sold, what it costs, and what waits for them."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import clock, db
from qucheng.insight import exceptions

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

SQL = Path(__file__).with_name("overview.sql")
DAYS, TOP = 30, 5
DAILY = """
    SELECT day::date AS day, coalesce(l.net, 0)::bigint AS net_minor
    FROM generate_series($1::date, $2::date, interval '1 day') day
    LEFT JOIN (SELECT paid_on, sum(net_minor) AS net FROM order_line WHERE paid_on >= $1 AND paid_on <= $2 GROUP BY paid_on) l ON l.paid_on = day::date
    ORDER BY day"""
TOPS = """
    WITH sold AS (
        SELECT sku, reseller, sum(net_minor) AS net, sum(quantity) AS units, GROUPING(sku) AS of_reseller FROM order_line
        WHERE paid_on >= $1 AND paid_on <= $2 GROUP BY GROUPING SETS ((sku), (reseller))
    ), placed AS (
        SELECT *, row_number() OVER (PARTITION BY of_reseller ORDER BY net DESC, sku, reseller) AS place FROM sold
    )
    SELECT p.of_reseller = 1 AS of_reseller, coalesce(p.sku, p.reseller) AS code, coalesce(s.name, r.name) AS name, p.net::bigint AS net_minor, p.units
    FROM placed p LEFT JOIN sku s ON s.brand_id = current_brand() AND s.code = p.sku LEFT JOIN reseller r ON r.brand_id = current_brand() AND r.code = p.reseller
    WHERE p.place <= $3 ORDER BY p.of_reseller, p.place"""
# each as the page of its list counts it
WAITING = """
    SELECT (SELECT count(*) FROM approval WHERE state = 'waiting' AND expires_at > clock_timestamp()) AS approvals,
           (SELECT count(*) FROM dispute WHERE state = 'open') AS disputes,
           (SELECT count(*) FROM application WHERE state IN ('waiting', 'repeated')) AS applications,
           (SELECT count(*) FROM price_version WHERE state = 'draft') AS price_drafts,
           (SELECT count(*) FROM plan_version WHERE state = 'draft') AS plan_drafts,
           (SELECT coalesce(sum(statements), 0)::integer FROM settlement_run WHERE state = 'issued' AND published_at IS NULL) AS unpublished,
           (SELECT count(*) FROM risk_alert WHERE state = 'open') AS risks"""


class Sales(msgspec.Struct, frozen=True, kw_only=True):
    """net_minor of the orders that were paid in a time, and the refunds that came in it, whatever they take back."""

    net_minor: int
    orders: int
    refunded_minor: int
    refunds: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    day: dt.date
    net_minor: int


class Top(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    net_minor: int
    units: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """unpublished: statements that are issued. exceptions: as their page lists them, approvals and disputes among them."""

    approvals: int
    disputes: int
    applications: int
    price_drafts: int
    plan_drafts: int
    unpublished: int
    risks: int
    exceptions: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """sold: of the running month until today. before: of the same days of the month before, its last day at most, until before_last.

    accrued, reversed and pending: of the running month; pending is of what accrued and matures later than now, or at no day that is
    known. period: the next month to be settled, from settles_on on. days: the last 30, of which today is not over.
    """

    day: dt.date
    month: dt.date
    before_first: dt.date
    before_last: dt.date
    today: Sales
    sold: Sales
    before: Sales
    accrued_minor: int
    reversed_minor: int
    pending_minor: int
    period: dt.date
    settles_on: dt.date
    days: list[Day]
    skus: list[Top]
    resellers: list[Top]


async def figures(*, brand: Brand, now: dt.datetime) -> Overview:
    day = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    month, (before_first, before_last) = day.replace(day=1), _same_days_before(day)
    instants = [
        clock.instant_of_local(dt.datetime.combine(each, dt.time()), brand.time_zone)
        for each in (before_first, before_last + dt.timedelta(days=1), month, day + dt.timedelta(days=1))
    ]
    async with db.atomic(brand.id):
        connection = db.connection()
        row = await connection.fetchrow(
            SQL.read_text(encoding="utf-8"), day, month, before_first, before_last, *instants, now, brand.time_zone
        )
        daily = await connection.fetch(DAILY, day - dt.timedelta(days=DAYS - 1), day)
        tops = await connection.fetch(TOPS, month, day, TOP)
        settled = await connection.fetchval("SELECT max(starts_on) FROM period")
    period = clock.month_after(settled) if settled else month
    return Overview(
        day=day,
        month=month,
        before_first=before_first,
        before_last=before_last,
        today=Sales(
            net_minor=row["today_net"],
            orders=row["today_orders"],
            refunded_minor=row["today_refunded"],
            refunds=row["today_refunds"],
        ),
        sold=Sales(net_minor=row["net"], orders=row["orders"], refunded_minor=row["refunded"], refunds=row["refunds"]),
        before=Sales(
            net_minor=row["before_net"],
            orders=row["before_orders"],
            refunded_minor=row["before_refunded"],
            refunds=row["before_refunds"],
        ),
        accrued_minor=row["accrued"],
        reversed_minor=row["reversed"],
        pending_minor=row["pending"],
        period=period,
        settles_on=clock.month_after(period),
        days=[Day(**dict(each)) for each in daily],
        skus=[_top(dict(each)) for each in tops if not each["of_reseller"]],
        resellers=[_top(dict(each)) for each in tops if each["of_reseller"]],
    )


async def waiting(*, brand: Brand, now: dt.datetime) -> Waiting:
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(WAITING)
    listed = await exceptions.listing(brand=brand, now=now, most=0)
    return Waiting(**dict(row), exceptions=sum(group.count for group in listed))


def _same_days_before(day: dt.date) -> tuple[dt.date, dt.date]:
    last = day.replace(day=1) - dt.timedelta(days=1)
    return last.replace(day=1), last.replace(day=min(day.day, last.day))


def _top(row: dict[str, object]) -> Top:
    return msgspec.convert({name: value for name, value in row.items() if name != "of_reseller"}, Top)
