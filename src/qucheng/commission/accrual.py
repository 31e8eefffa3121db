"""Accruals and reversals: what waiting intakes earn and take back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qucheng.core import db
from qucheng.orders import intake

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Callable

KERNEL = Path(__file__).with_name("kernel.sql")


def steps() -> int:
    """How often `accrue` says that a step is done."""
    return len(db.sections(KERNEL.read_text(encoding="utf-8")))


async def accrue(*, brand_id: uuid.UUID, now: dt.datetime, done: Callable[[int], None] | None = None) -> None:
    """Runs the earning kernel over all waiting intakes of the brand, in one transaction; without any it does nothing."""
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand_id)
        if await intake.waiting():
            await db.run_script(KERNEL.read_text(encoding="utf-8"), done)
            await intake.mark_accrued(now=now)
