"""One order of a reseller: of each line what it earned, by which rule, when it becomes available, and what refunds took back."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import clock, db, errors
from qucheng.insight import portal, portal_orders, rules

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

LINES = f"""
    SELECT f.*, l.gross_minor, l.discount_minor, l.self_purchase, l.channel, c.name AS channel_name, c.kind AS channel_kind,
           EXISTS (SELECT 1 FROM order_flag g WHERE g.brand_id = l.brand_id AND g.order_no = l.order_no AND g.line_no = l.line_no AND g.code = 'order.capped') AS capped,
           e.rule, e.basis_value, e.amount_minor, e.occurred_at, u.kind, u.basis, u.rate_ppm, u.rate_minor,
           p.max_total_rate_ppm
    FROM ({portal_orders.LINES}) f JOIN order_line l ON l.brand_id = (SELECT id FROM brand) AND l.order_no = f.order_no AND l.line_no = f.line_no
    JOIN policy_term p ON p.brand_id = l.brand_id AND p.starts_on <= l.paid_on AND l.paid_on < p.ends_on
    JOIN channel c ON c.brand_id = l.brand_id AND c.code = l.channel
    LEFT JOIN accrual e ON e.brand_id = l.brand_id AND e.order_no = l.order_no AND e.line_no = l.line_no AND e.level = 1
    LEFT JOIN rule u ON u.brand_id = e.brand_id AND u.code = e.rule
    WHERE f.order_no = $2 ORDER BY f.line_no LIMIT {{most}}"""
REFUNDS = """
    SELECT r.line_no, r.refund_no, r.refunded_at, r.quantity, r.amount_minor, r.intake = ANY (w.waiting) AS waits,
           v.basis_value, v.amount_minor AS reversed_minor, (v.matures_at AT TIME ZONE b.time_zone)::date AS matures_on, s.statement_no, s.period
    FROM brand b CROSS JOIN (SELECT waiting_intakes() AS waiting OFFSET 0) w
    JOIN refund r ON r.brand_id = b.id
    LEFT JOIN timed_reversal v ON v.brand_id = r.brand_id AND v.order_no = r.order_no AND v.line_no = r.line_no AND v.refund_no = r.refund_no AND v.level = 1
    LEFT JOIN statement_reversal m ON m.brand_id = v.brand_id AND m.order_no = v.order_no AND m.line_no = v.line_no AND m.level = 1 AND m.refund_no = v.refund_no
    LEFT JOIN statement s ON s.brand_id = m.brand_id AND s.period = m.period AND s.number = m.number
    WHERE r.order_no = $1 ORDER BY r.refunded_at, r.refund_no LIMIT {most}"""
MOST = 200
MILLION = 1_000_000


class OrderUnknownError(errors.RefusedError):
    code: ClassVar[str] = "order.unknown"
    status: ClassVar[int] = 404


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    """basis_value: minor units, or a plain count for basis `unit`. product: basis x rate exactly, in minor units. rounded: before the cap.

    started_at: from when the hold counts; matures_at: None while the event that starts it (hold_from) has not come.
    """

    rule: str
    basis: str
    basis_value: int
    rate_ppm: int | None
    rate_minor: int | None
    product: Fraction
    rounded: int
    amount_minor: int
    occurred_at: dt.datetime
    hold_from: str
    started_at: dt.datetime
    matures_at: dt.datetime | None
    hold_days: int


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """basis_value: what was left of the basis; reversed_minor: what it took back, None where nothing. waits: not reckoned with yet."""

    refund_no: str
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int
    waits: bool
    basis_value: int | None
    reversed_minor: int | None
    matures_on: dt.date | None
    statement_no: str | None
    period: dt.date | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """expected: the month on whose statement an entry that is on none will stand, None where it is not known."""

    row: portal_orders.Row
    gross_minor: int
    discount_minor: int
    channel_name: str
    wholesale: bool
    self_purchase: bool
    capped: bool
    cap_minor: int
    earned: Earned | None
    expected: dt.date | None
    refunds: tuple[Refund, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    order_no: str
    paid_at: dt.datetime
    lines: tuple[Line, ...]

    @property
    def net_minor(self) -> int:
        return sum(line.row.net_minor for line in self.lines)

    @property
    def earned_minor(self) -> int:
        return sum(line.row.earned_minor or 0 for line in self.lines)


async def read(*, brand: Brand, reseller: str, order_no: str, now: dt.datetime) -> Order:
    """The lines that the reseller sold itself. Raises OrderUnknownError for anybody else's order too."""
    async with db.atomic(brand.id, reseller=reseller):
        lines = await db.connection().fetch(LINES.format(most=MOST), now, order_no)
        refunds = await db.connection().fetch(REFUNDS.format(most=MOST), order_no) if lines else []
        last = await db.connection().fetchval(portal.PUBLISHED)
    if not lines:
        raise OrderUnknownError(f"{reseller} has no order {order_no!r}.")
    taken: dict[str, list[Refund]] = {}
    for row in refunds:
        fields = dict(row)
        taken.setdefault(fields.pop("line_no"), []).append(Refund(**fields))
    return Order(
        order_no=order_no,
        paid_at=min(row["paid_at"] for row in lines),
        lines=tuple(_line(row, tuple(taken.get(row["line_no"], ())), last) for row in lines),
    )


def _line(row: asyncpg.Record, refunds: tuple[Refund, ...], last: dt.date | None) -> Line:
    shown = portal_orders.Row(**{name: row[name] for name in portal_orders.Row.__struct_fields__})
    waits = row["rule"] is not None and row["statement_no"] is None
    month = row["matures_on"].replace(day=1) if waits and row["matures_on"] is not None else None
    return Line(
        row=shown,
        gross_minor=row["gross_minor"],
        discount_minor=row["discount_minor"],
        channel_name=row["channel_name"],
        wholesale=row["channel_kind"] == "wholesale",
        self_purchase=row["self_purchase"],
        capped=row["capped"],
        cap_minor=row["max_total_rate_ppm"] * row["net_minor"] // MILLION,
        earned=_earned(row) if row["rule"] is not None else None,
        expected=max(month, clock.month_after(last)) if month and last else month,
        refunds=refunds,
    )


def _earned(row: asyncpg.Record) -> Earned:
    rate = Fraction(row["rate_minor"]) if row["kind"] == "per_unit" else Fraction(row["rate_ppm"], MILLION)
    product = row["basis_value"] * rate
    return Earned(
        rule=row["rule"],
        basis=row["basis"],
        basis_value=row["basis_value"],
        rate_ppm=row["rate_ppm"],
        rate_minor=row["rate_minor"],
        product=product,
        rounded=rules.half_away(product),
        amount_minor=row["amount_minor"],
        occurred_at=row["occurred_at"],
        hold_from=row["hold_from"],
        started_at=row["started_at"],
        matures_at=row["matures_at"],
        hold_days=row["hold_days"],
    )
