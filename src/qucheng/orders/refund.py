"""Refunds of order lines: partial, repeated, never more than the line."""

from __future__ import annotations

from qucheng.core import db


async def accept(*, staged: str, intake: int) -> None:
    await db.connection().execute(
        f"""INSERT INTO refund (brand_id, order_no, line_no, refund_no, intake, source_row, refunded_at, quantity, amount_minor)
            SELECT current_brand(), order_no, line_no, refund_no, $1, row, refunded_at, quantity, amount_minor FROM {staged} WHERE fault IS NULL""",
        intake,
    )
