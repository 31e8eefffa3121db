"""The list of orders: each once, under the last payment of its lines, page by page, with how many there are."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import audit
from qucheng.insight import order_desk
from qucheng.orders import rules, sale

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
ROW = "{},{},2026-{}T10:00:00,R1,web,card,1,100.00,0,"


async def test_an_order_stands_once_where_it_was_paid_last(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    lines = [("A", 1, "03-01"), ("A", 2, "05-01"), ("B", 1, "04-01"), ("C", 1, "05-01"), ("C", 2, "05-01")]
    folder = books.write(tmp_path, code=f"o-{uuid.uuid4().hex[:12]}", orders=[ROW.format(*line) for line in lines])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    line = rules.LineIn(line_no="1", sku="card", quantity=1, gross_minor=10_000)
    await sale.place(
        brand=brand, order_no="L", lines=[line], reseller="R1", channel="web", source="page", actor=audit.SYSTEM, now=books.NOW
    )

    async def listed(size: int = 50, skip: int = 0, **wanted: object) -> tuple[list[tuple[str, int, int]], int]:
        page = await order_desk.page(brand=brand, wanted=order_desk.Wanted(**wanted), size=size, skip=skip)  # type: ignore[arg-type]
        return [(row.order_no, row.lines, row.net_minor) for row in page.rows], page.total

    every = [("L", 1, 10_000), ("C", 2, 20_000), ("A", 2, 20_000), ("B", 1, 10_000)]
    assert await listed() == (every, 4)
    assert [await listed(2), await listed(2, 2), await listed(2, 4)] == [(every[:2], 4), (every[2:], 4), ([], 4)]
    assert await listed(month=dt.date(2026, 3, 1)) == (every[2:3], 1)
    assert await listed(month=dt.date(2026, 5, 1)) == (every[1:3], 2)
    assert await listed(source="delivery") == (every[1:], 3)
    assert await listed(1, source="page", stock_state="none") == (every[:1], 1)
    assert await listed(stock_state="delivered") == ([], 0)
    assert await listed(text="c") == ([every[1]], 1)
