"""An export of a brand whose plan is kept on the platform: rules with their days, and books that come out the same elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.commission import plan_desk

from qucheng.bundle import brand_file, exporting, importing
from qucheng.commission import accrual
from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ENTRIES = "SELECT order_no, level, rule, amount_minor FROM accrual ORDER BY order_no, level"


async def test_the_exported_rules_have_the_days_on_which_they_count(books_home: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with books.fresh(books_home):
        keys = crypto.keys(tmp_path / "keys")
        desk = await plan_desk.opened(tmp_path, keys, orders=[])
        first = await desk.open()
        await desk.change(first, "OWN", kind="percent", level="1", basis="net", rate="0.2")
        await desk.add(first, code="NEVER", kind="percent", level="1", basis="net", rate="0.01", priority="-1")
        await desk.publish(first, plan_desk.LATER)
        second = await desk.open()
        await desk.drop(second, "NEVER")
        await desk.publish(second, plan_desk.LATER)
        await desk.bring(orders=[f"O{month},1,2101-{month:02}-01T00:00:00,R1,web,card,1,100.00,0," for month in (5, 6)])
        entries = await books.seen(desk.brand, ENTRIES)
        assert entries == [("O5", 1, "OWN", 1000), ("O6", 1, "OWN-2", 2000)]
        await exporting.write(brand=desk.brand, out=out, progress=books.QUIET)
    rows = (out / "rules.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert rows == ["OWN,percent,1,,,,,net,0.1,0,,2101-06-01", "OWN-2,percent,1,,,,,net,0.2,0,2101-06-01,"]
    async with books.fresh(books_home):
        brand = await books.found(out)
        assert brand.code == brand_file.read(out / "brand.toml").code
        await importing.take_in(folder=out, brand=brand, now=books.NOW, progress=books.QUIET)
        await accrual.accrue(brand_id=brand.id, now=books.NOW)
        assert await books.seen(brand, "SELECT 1 FROM rejection") == []
        assert await books.seen(brand, ENTRIES) == entries
