"""Adjustments of the desk go out with the books and come back in: what they settle to is the same."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.settlement import desk

from qucheng.bundle import books as outputs
from qucheng.bundle import exporting, keeping
from qucheng.commission import accrual
from qucheng.core import crypto
from qucheng.identity import brand as brands
from qucheng.insight import books as checks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FEBRUARY = dt.datetime(2026, 2, 15, 4, 30, 5, 123456, tzinfo=dt.UTC)
SETTLED = ("statements.csv", "entries.csv", "journal.csv")


async def test_an_export_settles_to_the_same_figures(books_home: tuple[str, str], tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    async with books.fresh(books_home):
        brand = await desk.settled(tmp_path, "there")
        team = await desk.team(keys, brand)
        await desk.allowed(brand, team.checker, await desk.asked(brand, team.maker, note='a, "b" ；c'), FEBRUARY)
        await desk.settle_february(brand)
        await outputs.write(brand=brand, out=tmp_path / "books")
        await exporting.write(brand=brand, out=tmp_path / "export", progress=books.QUIET)
        again = await keeping.take_in(folder=tmp_path / "export", out=None, now=books.NOW, progress=books.QUIET)
        assert (again.intake, again.rejected) == (None, 0)
        assert (await checks.check(brand=brand, now=books.NOW)).total == 0
    async with books.fresh(books_home):
        await keeping.take_in(folder=tmp_path / "export", out=None, now=books.NOW, progress=books.QUIET)
        back = await brands.require("there")
        assert await books.seen(back, "SELECT amount_minor, reason, occurred_at FROM adjustment") == [
            (-2500, '更正，订单 E1：a, "b" ；c', FEBRUARY)
        ]
        await accrual.accrue(brand_id=back.id, now=books.NOW)
        await books.settle_through(back, "2026-02")
        await outputs.write(brand=back, out=tmp_path / "again")
    for name in SETTLED:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "books" / name).read_bytes(), name
