"""The nightly check: every brand, each written down under the task's lease."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import db, task
from qucheng.insight import books as checks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

LATER = books.NOW + dt.timedelta(days=1)
SALE = "L1,1,2026-02-10T12:00:00,R1,web,card,1,100.00,,"


async def claimed() -> task.Task:
    async with db.atomic():
        task_id = await task.add(kind="books.check", queue="rest")
    found = await task.claim(task_id, worker=uuid.uuid4(), kinds=["books.check"])
    assert found is not None
    return found


async def test_the_nightly_check_writes_down_what_it_finds(books_home: tuple[str, str], tmp_path: Path) -> None:
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        good = await books.settled(books.write(tmp_path / "a", code="good", orders=[SALE]), "2026-02")
        bad = await books.settled(books.write(tmp_path / "b", code="bad", orders=[SALE]), "2026-02")
        work = task.Work(await claimed())
        await checks.check_all(work=work, now=books.NOW)
        assert await owner.fetchval("SELECT books_differing()") == 0
        async with owner.transaction():
            await owner.execute("ALTER TABLE accrual DISABLE TRIGGER USER")
            await owner.execute("UPDATE accrual SET amount_minor = amount_minor + 1 WHERE brand_id = $1", bad.id)
            await owner.execute("ALTER TABLE accrual ENABLE TRIGGER USER")
        work = task.Work(await claimed())
        await checks.check_all(work=work, now=LATER)
        ended = await task.read(work.task.id)
        assert (ended.state, ended.units_done, ended.units, work.finished) == ("done", 2, 2, True)
        checked = "SELECT number, checked_at, differences, findings FROM books_check ORDER BY number"
        assert await books.seen(good, checked) == [(1, books.NOW, 0, "[]"), (2, LATER, 0, "[]")]
        ((_, _, clean, _), (number, at, differing, findings)) = await books.seen(bad, checked)
        assert (clean, number, at, differing) == (0, 2, LATER, 2)
        assert json.loads(findings) == [
            {"invariant": "statement.entries", "subject": "bad-202602-000001/accrual", "expected": "10.01", "found": "10.00"},
            {"invariant": "accrual.amount", "subject": "L1/1/1", "expected": "10.00", "found": "10.01"},
        ]
        assert await owner.fetchval("SELECT books_differing()") == 1


async def test_a_check_whose_lease_is_lost_writes_nothing_down(books_home: tuple[str, str], tmp_path: Path) -> None:
    async with books.fresh(books_home):
        brand = await books.settled(books.write(tmp_path / "a", code="good", orders=[SALE]), "2026-02")
        held = await claimed()
        await task.cancel(held.id)
        with pytest.raises(task.LeaseLostError):
            await checks.check_all(work=task.Work(held), now=books.NOW)
        assert await books.seen(brand, "SELECT count(*) FROM books_check") == [(0,)]
        await checks.check_all(work=task.Work(await claimed()), now=books.NOW)
        assert await books.seen(brand, "SELECT count(*) FROM books_check") == [(1,)]
