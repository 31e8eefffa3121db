"""The same orders settle to the same bytes, whether a bundle brings them or they are sent one by one, in whatever batches."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.orders import live

from qucheng.bundle import books as outputs
from qucheng.bundle import exporting

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
FILES = ("statements.csv", "entries.csv", "journal.csv")
THROUGH = "2026-07"
CASES = [pytest.param(f"{number:02}", marks=[] if number in (4, 7) else pytest.mark.long) for number in range(1, 13)]


@pytest.mark.parametrize("case", CASES)
async def test_orders_sent_one_by_one_settle_as_the_bundle(books_home: tuple[str, str], tmp_path: Path, case: str) -> None:
    folder = books.GOLDEN / case / "bundle"
    async with books.fresh(books_home):
        brand = await books.found(folder)
        await books.take_in(brand, folder)
        orders, given = await live.facts(brand)
        await exporting.write(brand=brand, out=tmp_path / "imported", progress=books.QUIET)
    sent = live.sendable(orders, given)
    orders = {order_no: rows for order_no, rows in orders.items() if order_no in sent}
    given = {key: rows for key, rows in given.items() if key[0] in sent}
    assert len(orders) > 10
    async with books.fresh(books_home):
        brand = await books.found(folder)
        await books.take_in(brand, live.without(folder, tmp_path / "rest", sent))
        await live.send(brand, orders, given, chance=random.Random(case), batches=4)
        await exporting.write(brand=brand, out=tmp_path / "sent", progress=books.QUIET)
        await books.settle_through(brand, THROUGH)
        await outputs.write(brand=brand, out=tmp_path / "out")
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (books.GOLDEN / case / "expected" / name).read_bytes(), name
    for path in sorted((tmp_path / "imported").iterdir()):
        assert live.shown(tmp_path / "sent", path.name) == live.shown(tmp_path / "imported", path.name), path.name
