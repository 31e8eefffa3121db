"""Accruals and reversals: what waiting intakes earn and take back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qucheng.core import clock, crashpoint, db
from qucheng.orders import intake

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from qucheng.core.task import Work

KERNEL = Path(__file__).with_name("kernel.sql")
# A line whose intake is open or waits outside this batch: what came of it would be lost, and it would later earn in full.
LOST = """
    SELECT EXISTS (SELECT 1 FROM (SELECT r.brand_id, r.order_no, r.line_no FROM waiting w JOIN refund r ON r.brand_id = current_brand() AND r.intake = w.number
                                  UNION ALL SELECT e.brand_id, e.order_no, e.line_no FROM waiting w JOIN fulfilment e ON e.brand_id = current_brand() AND e.intake = w.number) r
                   JOIN order_line l ON l.brand_id = r.brand_id AND l.order_no = r.order_no AND l.line_no = r.line_no
                   JOIN intake i ON i.brand_id = l.brand_id AND i.number = l.intake
                   WHERE i.accrued_at IS NULL AND i.number NOT IN (SELECT number FROM waiting))"""
# of live orders alone: who delivers a bundle knows what is in it
TELL = """
    INSERT INTO outbox_event (brand_id, kind, subject, data)
    SELECT current_brand(), 'entry.accrued', l.order_no, jsonb_build_object('orderNo', l.order_no)
    FROM waiting w JOIN intake i ON i.brand_id = current_brand() AND i.number = w.number AND i.live
    JOIN order_line l ON l.brand_id = i.brand_id AND l.intake = i.number
    JOIN accrual a ON a.brand_id = l.brand_id AND a.order_no = l.order_no AND a.line_no = l.line_no
    GROUP BY l.order_no ORDER BY l.order_no;
    INSERT INTO outbox_event (brand_id, kind, subject, data)
    SELECT current_brand(), 'entry.reversed', order_no, jsonb_build_object('orderNo', order_no, 'refundNo', refund_no)
    FROM (SELECT r.order_no, r.refund_no
          FROM waiting w JOIN intake i ON i.brand_id = current_brand() AND i.number = w.number AND i.live
          JOIN refund r ON r.brand_id = i.brand_id AND r.intake = i.number
          JOIN reversal v ON v.brand_id = r.brand_id AND v.order_no = r.order_no AND v.line_no = r.line_no AND v.refund_no = r.refund_no
          UNION SELECT order_no, refund_no
          FROM restated JOIN refund r USING (order_no, line_no, refund_no) JOIN intake i ON i.brand_id = r.brand_id AND i.number = r.intake AND i.live
          WHERE r.brand_id = current_brand()) told
    ORDER BY order_no, refund_no;"""


def steps() -> int:
    """How often `accrue` says that a step is done."""
    return len(db.sections(KERNEL.read_text(encoding="utf-8")))


async def accrue(
    *,
    brand_id: uuid.UUID,
    now: dt.datetime,
    done: Callable[[int], None] | None = None,
    within: Callable[[uuid.UUID], AbstractAsyncContextManager[None]] = db.atomic,
) -> bool:
    """Runs the earning kernel over what waits of the brand; returns whether there was anything.

    Two transactions, made by `within`: live orders wait for the first, in which their intake is closed, and not for the kernel.
    """
    async with within(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand_id)
        await intake.close(now=now)
        noted = await intake.waiting()
    crashpoint.reached("accrual.closed")
    if not noted:
        return False
    async with within(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand_id)
        # what came since refers to lines that may stand in the intake that is open by now
        still = sorted(set(noted) & set(await intake.waiting()))
        if still:
            await _run(still, now, done)
        crashpoint.reached("accrual.written")
    return bool(still)


async def _run(numbers: list[int], now: dt.datetime, done: Callable[[int], None] | None) -> None:
    await db.connection().execute(
        "DROP TABLE IF EXISTS pg_temp.waiting; CREATE TEMP TABLE waiting (number integer) ON COMMIT DROP"
    )
    await db.connection().execute("INSERT INTO waiting SELECT unnest($1::integer[])", numbers)
    if await db.connection().fetchval(LOST):
        raise RuntimeError("a refund or a fulfilment is accrued before its line")
    await db.run_script(KERNEL.read_text(encoding="utf-8"), done)
    await db.connection().execute(TELL)
    await intake.mark_accrued(numbers=numbers, now=now)


async def catch_up(*, work: Work, brand_id: uuid.UUID) -> None:
    """Accrues what live orders have brought.

    An order that is placed meanwhile stands in an intake of its own, and has rung for it: nothing is lost when this ends.
    """
    await accrue(brand_id=brand_id, now=clock.now(), within=work.effect)
    async with work.finishing(brand_id):
        pass


async def sweep(*, brand_id: uuid.UUID) -> None:
    """Rings for live orders of the brand whose bell was lost."""
    async with db.atomic(brand_id):
        number = await intake.overdue()
        if number is not None:
            await intake.ring(brand_id=brand_id, number=number)
