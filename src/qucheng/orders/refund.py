"""Refunds of order lines: partial, repeated, never more than the line."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, outbox
from qucheng.orders import delivery, intake, rules
from qucheng.orders.sale import OrderUnknownError
from qucheng.stock import act, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.identity.brand import Brand

Fault = rules.Fault
LineBack = rules.LineBack
LONGEST_REASON = 200
LEFT = """
    SELECT l.line_no, l.paid_at, l.sku, l.quantity - coalesce(sum(r.quantity), 0) AS units, l.net_minor - coalesce(sum(r.amount_minor), 0)::bigint AS minor
    FROM order_line l LEFT JOIN refund r USING (brand_id, order_no, line_no)
    WHERE l.brand_id = current_brand() AND l.order_no = $1 GROUP BY l.brand_id, l.order_no, l.line_no"""
STORE = """
    INSERT INTO refund (brand_id, order_no, line_no, refund_no, intake, source_row, refunded_at, quantity, amount_minor)
    SELECT current_brand(), $1, u.line_no, $2, $3, nextval('live_row')::integer, $4, u.quantity, u.amount_minor
    FROM unnest($5::text[], $6::integer[], $7::bigint[]) WITH ORDINALITY u (line_no, quantity, amount_minor, place) ORDER BY u.place"""

# of a delivery, and of lines that have cards or wait for some: units that are refunded, and those that are left then
BROUGHT = """
    SELECT r.order_no, r.line_no, sum(r.quantity)::int AS units, l.quantity - (
        SELECT sum(b.quantity) FROM refund b WHERE b.brand_id = l.brand_id AND b.order_no = l.order_no AND b.line_no = l.line_no)::int AS rest
    FROM refund r JOIN order_line l ON l.brand_id = r.brand_id AND l.order_no = r.order_no AND l.line_no = r.line_no
    WHERE r.brand_id = current_brand() AND r.intake = $1
        AND EXISTS (SELECT 1 FROM line_need n WHERE n.brand_id = r.brand_id AND n.order_no = r.order_no AND n.line_no = r.line_no)
    GROUP BY l.brand_id, l.order_no, l.line_no, r.order_no, r.line_no, l.quantity HAVING sum(r.quantity) > 0 ORDER BY r.order_no, r.line_no"""
PLACES = """
    SELECT DISTINCT c.sku, p.pool FROM unnest($1::text[], $2::text[]) w (order_no, line_no)
    JOIN card c ON c.brand_id = current_brand() AND c.order_no = w.order_no AND c.line_no = w.line_no
    CROSS JOIN LATERAL (VALUES (c.pool), (CASE WHEN c.borrowed THEN 0 ELSE c.pool END)) p (pool)"""


class RefundInvalidError(errors.RefusedError):
    """faults: everything that cannot be so, not the first alone."""

    code: ClassVar[str] = "refund.invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} things about the refund cannot be so.")
        self.faults = faults


class RefundExistsError(errors.RefusedError):
    """Another refund has the number."""

    code: ClassVar[str] = "refund.exists"
    status: ClassVar[int] = 409


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """Of a line what was given back. cards_missing: units for which no card was left to take back."""

    line_no: str
    quantity: int
    amount_minor: int
    cards_missing: int = 0


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """created: whether it was given now."""

    order_no: str
    refund_no: str
    refunded_at: dt.datetime
    lines: tuple[Back, ...]
    created: bool


async def accept(*, staged: str, intake: int) -> None:
    """Takes in the accepted rows that a delivery brings."""
    await db.connection().execute(
        f"""INSERT INTO refund (brand_id, order_no, line_no, refund_no, intake, source_row, refunded_at, quantity, amount_minor)
            SELECT current_brand(), order_no, line_no, refund_no, $1, row, refunded_at, quantity, amount_minor FROM {staged} WHERE fault IS NULL""",
        intake,
    )


async def take_cards(*, brand: Brand, intake: int, now: dt.datetime) -> None:
    """At the end of the transaction of a delivery: the cards of the units that it says were refunded. They are few: live orders of which
    another system keeps the money.
    """
    rows = await db.connection().fetch(BROUGHT, intake)
    if not rows:
        return
    orders, lines = [row["order_no"] for row in rows], [row["line_no"] for row in rows]
    # all at once, in the order in which everybody locks them
    await act.lock(pairs=[(row["sku"], row["pool"]) for row in await db.connection().fetch(PLACES, orders, lines)])
    for row in rows:
        await draw.give_back(
            brand=brand,
            order_no=row["order_no"],
            line_no=row["line_no"],
            units=row["units"],
            left=row["rest"],
            actor=audit.SYSTEM,
            now=now,
        )
        await delivery.ended(order_no=row["order_no"], state="resolved")


async def give(
    *,
    brand: Brand,
    order_no: str,
    refund_no: str,
    lines: Sequence[LineBack],
    refunded_at: dt.datetime | None = None,
    reason: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> Refund:
    """Gives back units and money of an order, whichever way it came. The number is the brand's: with the same content it is the same refund.

    Raises OrderUnknownError, RefundInvalidError, RefundExistsError.
    """
    at = refunded_at or now
    async with db.atomic(brand.id):
        # one refund of an order at a time, and one of a number: each sees what the other took
        for subject in (f"refund/{order_no}", f"refund_no/{refund_no}"):
            await db.connection().execute("SELECT lock_brand(current_brand(), $1)", subject)
        standing = await _standing(order_no, refund_no, lines, refunded_at)
        if standing is not None:
            return standing
        left = await _require(order_no, refund_no, lines, at, reason, now)
        number = await intake.enter(now=now)
        try:
            async with db.atomic():
                await db.connection().execute(
                    STORE, order_no, refund_no, number, at, *([getattr(line, name) for line in lines] for name in ("line_no", "quantity", "amount_minor"))
                )  # fmt: skip
        except asyncpg.CheckViolationError as error:
            # a delivery took some of it meanwhile
            if error.constraint_name != "refund_within_line":
                raise
            raise RefundInvalidError([_exceeds(0, "amount/amount")]) from None
        if len(lines) > 1:
            await draw.lock_lines(order_no=order_no, lines=[line.line_no for line in lines])
        backs = tuple(
            [await _take_back(brand, order_no, place, line, left[line.line_no], actor, now) for place, line in enumerate(lines)]
        )
        await delivery.ended(order_no=order_no, state="resolved")
        await _tell(brand, order_no, refund_no, backs, reason, actor)
    return Refund(order_no=order_no, refund_no=refund_no, refunded_at=at, lines=backs, created=True)


async def _standing(order_no: str, refund_no: str, lines: Sequence[LineBack], refunded_at: dt.datetime | None) -> Refund | None:
    """The refund of that number, if it is this one. Raises RefundExistsError."""
    rows = await db.connection().fetch(
        "SELECT order_no, line_no, quantity, amount_minor, refunded_at FROM refund WHERE brand_id = current_brand() AND refund_no = $1 ORDER BY source_row",
        refund_no,
    )
    if not rows:
        return None
    same = {(order_no, line.line_no, line.quantity, line.amount_minor) for line in lines} == {
        (row["order_no"], row["line_no"], row["quantity"], row["amount_minor"]) for row in rows
    }
    if not same or (refunded_at is not None and any(row["refunded_at"] != refunded_at for row in rows)):
        raise RefundExistsError("Another refund has this number.")
    backs = [Back(line_no=row["line_no"], quantity=row["quantity"], amount_minor=row["amount_minor"]) for row in rows]
    return Refund(order_no=order_no, refund_no=refund_no, refunded_at=rows[0]["refunded_at"], lines=tuple(backs), created=False)


async def _require(
    order_no: str, refund_no: str, lines: Sequence[LineBack], at: dt.datetime, reason: str | None, now: dt.datetime
) -> dict[str, asyncpg.Record]:
    """What is left of each line. Raises OrderUnknownError, RefundInvalidError."""
    left = {row["line_no"]: row for row in await db.connection().fetch(LEFT, order_no)}
    if not left:
        raise OrderUnknownError("There is no such order.")
    found = rules.refund_faults(refund_no=refund_no, lines=lines, refunded_at=at, now=now)
    if reason is not None and (len(reason) > LONGEST_REASON or not reason.isprintable()):
        found.append(Fault(code="reason.invalid", pointer="/reason", detail=f"At most {LONGEST_REASON} printable characters."))
    for place, line in enumerate(lines):
        row = left.get(line.line_no)
        if row is None:
            found.append(Fault(code="ref.unknown", pointer=f"/lines/{place}/lineNo", detail="The order has no such line."))
            continue
        if at < row["paid_at"]:
            found.append(Fault(code="refund.before_payment", pointer="/refundedAt", detail="The line was paid later."))
        if line.quantity > row["units"]:
            found.append(_exceeds(place, "quantity"))
        if line.amount_minor > row["minor"]:
            found.append(_exceeds(place, "amount/amount"))
    if found:
        raise RefundInvalidError(found)
    return left


def _exceeds(place: int, field: str) -> Fault:
    return Fault(code="refund.exceeds_line", pointer=f"/lines/{place}/{field}", detail="More than is left of the line.")


async def _take_back(
    brand: Brand, order_no: str, place: int, line: LineBack, left: asyncpg.Record, actor: audit.Actor, now: dt.datetime
) -> Back:
    """The cards of the units that come back."""
    try:
        returned = await draw.give_back(
            brand=brand,
            order_no=order_no,
            line_no=line.line_no,
            units=line.quantity,
            left=left["units"] - line.quantity,
            cards=line.cards,
            actor=actor,
            now=now,
        )
    except draw.CardElsewhereError as refusal:
        raise RefundInvalidError([Fault(code=refusal.code, pointer=f"/lines/{place}/cards", detail=str(refusal))]) from None
    return Back(line_no=line.line_no, quantity=line.quantity, amount_minor=line.amount_minor, cards_missing=returned.missing)


async def _tell(
    brand: Brand, order_no: str, refund_no: str, backs: Sequence[Back], reason: str | None, actor: audit.Actor
) -> None:
    await audit.record(
        brand_id=brand.id,
        actor=actor,
        action="order.refund",
        subject=order_no,
        after={"refund": refund_no, "lines": [msgspec.structs.asdict(back) for back in backs], "reason": reason},
    )
    data = {"orderNo": order_no, "refundNo": refund_no}
    await outbox.tell(brand_id=brand.id, kind="order.refunded", subject=order_no, data=data)
