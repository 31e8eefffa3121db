"""Live orders beside a month that is being settled: those of later do not hold it up, those of the month do."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.commission import accrual
from qucheng.core import audit
from qucheng.insight import books as checks
from qucheng.orders import rules, sale
from qucheng.settlement import run

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
MARCH = dt.date(2026, 3, 1)
NOW = books.NOW


async def place(brand: Brand, order_no: str, paid_at: dt.datetime) -> None:
    line = rules.LineIn(line_no="1", sku="card", quantity=1, gross_minor=10_000)
    await sale.place(
        brand=brand, order_no=order_no, lines=[line], reseller="R1", channel="web", source="page", paid_at=paid_at,
        actor=audit.SYSTEM, now=NOW,
    )  # fmt: skip


async def test_a_month_goes_on_while_orders_come(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    folder = books.write(
        tmp_path / "b", code=f"m-{uuid.uuid4().hex[:12]}", orders=["D1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"]
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    draft = await run.compute(brand=brand, starts_on=MARCH, now=NOW)
    assert draft is not None
    await place(brand, "L1", NOW)
    await accrual.accrue(brand_id=brand.id, now=NOW)
    assert not await run.is_stale(brand=brand, run=draft)
    await place(brand, "L2", dt.datetime(2026, 3, 20, tzinfo=dt.UTC))
    assert await run.is_stale(brand=brand, run=draft)
    await accrual.accrue(brand_id=brand.id, now=NOW)
    again = await run.compute(brand=brand, starts_on=MARCH, now=NOW)
    assert again is not None
    assert (again.gross_minor, await run.is_stale(brand=brand, run=again)) == (2_000, False)
    await run.discard(brand=brand, run=again, now=NOW)
    await books.settle_through(brand, "2026-03")
    # what comes late is on the next statement, and nothing is missed meanwhile
    await place(brand, "L3", dt.datetime(2026, 3, 21, tzinfo=dt.UTC))
    await accrual.accrue(brand_id=brand.id, now=NOW + dt.timedelta(minutes=1))
    assert (await checks.check(brand=brand, now=NOW)).total == 0
    april = await run.compute(brand=brand, starts_on=dt.date(2026, 4, 1), now=NOW + dt.timedelta(minutes=2))
    assert april is not None
    assert (april.gross_minor, april.statements) == (1_000, 1)
    assert await books.seen(brand, "SELECT period, accrued_minor FROM statement ORDER BY 1") == [(MARCH, 2_000)]
