"""The books of a brand whose bundles came one after the other, and only up to a period."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.bundle import books as outputs
from qucheng.bundle import importing
from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_books_through_a_period_and_deliveries_in_their_order(books_home: tuple[str, str], tmp_path: Path) -> None:
    bad = "O9,1,2026-03-02T10:00:00,nobody,web,card,1,100.00,0,"
    months = [f"O{month},1,2026-0{month}-02T10:00:00,R1,web,card,1,99.00,0," for month in (3, 4)]
    prices = ["card,,,100.00,,2026-01-01,"]
    first = books.write(tmp_path / "1", code="two", prices=prices, orders=[bad, months[0]])
    second = books.write(tmp_path / "2", code="two", prices=prices, skus=["card"], orders=[months[1], bad])
    async with books.fresh(books_home):
        brand = await books.found(first)
        assert [await books.take_in(brand, folder) for folder in (first, second)] == [1, 2]
        await books.settle_through(brand, "2026-04")
        await outputs.write(brand=brand, out=tmp_path / "all")
        await outputs.write(brand=brand, out=tmp_path / "march", through=dt.date(2026, 3, 1))
        await outputs.write_delivery(brand=brand, out=tmp_path / "second", intake=2)
    for name, many, few in (("statements", 2, 1), ("entries", 2, 1), ("journal", 8, 4)):
        whole, part = ((tmp_path / folder / f"{name}.csv").read_bytes().splitlines() for folder in ("all", "march"))
        assert (len(whole), len(part)) == (1 + many, 1 + few), name
        assert part == whole[: 1 + few]
    found = [line[:20] for line in (tmp_path / "all" / "rejected.csv").read_text(encoding="utf-8").splitlines()[1:]]
    assert found == ["orders.csv,1,ref.unk", "orders.csv,2,ref.unk", "skus.csv,1,value.mis"]
    flags = (tmp_path / "march" / "flags.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert flags == ["orders.csv,2,order.price_deviates", "orders.csv,1,order.price_deviates"]
    assert (tmp_path / "second" / "flags.csv").read_text(encoding="utf-8") == "file,row,code\norders.csv,1,order.price_deviates\n"
    found = [line[:20] for line in (tmp_path / "second" / "rejected.csv").read_text(encoding="utf-8").splitlines()[1:]]
    assert found == ["orders.csv,2,ref.unk", "skus.csv,1,value.mis"]


async def test_an_import_on_a_connection_that_has_had_temporary_tables(books_home: tuple[str, str], tmp_path: Path) -> None:
    """Their buffers can no longer be set there."""
    folder = books.write(tmp_path / "1", code="used")
    async with books.fresh(books_home, pool_size=1):
        async with db.atomic():
            await db.connection().execute("CREATE TEMP TABLE before ON COMMIT DROP AS SELECT 1")
        brand = await books.found(folder)
        assert await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET) == 1
