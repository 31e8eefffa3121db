"""The monthly report is made once for each month that is over on the brand's calendar, and says how the network stood."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books

from qucheng.core import audit, db
from qucheng.network import compliance_report

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

# a minute before and at midnight of 1 April in Shanghai
BEFORE, MIDNIGHT = dt.datetime(2026, 3, 31, 15, 59, tzinfo=dt.UTC), dt.datetime(2026, 3, 31, 16, 0, tzinfo=dt.UTC)
RESELLERS = [
    "A,甲,company,,gold,2026-01-20,",
    "B,乙,individual,A,gold,2026-02-10,",
    "C,丙,individual,A,gold,2026-02-10,",
    "D,丁,company,,gold,2026-02-28,",
]
# C leaves A for D within March, and B becomes a root on 1 April
PLACEMENTS = ["C,D,gold,2026-03-15", "B,,gold,2026-04-01"]
SHOWN = "SELECT to_char(month, 'YYYY-MM'), root, heads, persons, most_heads, most_persons FROM compliance_report ORDER BY 1, 2"
WAITING = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'"""
AS_COUNTED = [
    ("2026-01", "A", 1, 1, 1, 1),
    ("2026-02", "A", 3, 2, 3, 2),
    ("2026-02", "D", 1, 1, 1, 1),
    ("2026-03", "A", 2, 2, 3, 2),
    ("2026-03", "D", 2, 2, 2, 2),
]


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    folder = books.write(
        tmp_path / "bundle", code=f"r-{uuid.uuid4().hex[:20]}", resellers=RESELLERS, placements=PLACEMENTS, orders=[]
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


async def test_missed_months_are_made_up_for_in_the_brands_own_time(brand: Brand) -> None:
    assert await compliance_report.make(brand=brand, now=BEFORE) == [dt.date(2026, 1, 1), dt.date(2026, 2, 1)]
    assert await books.seen(brand, SHOWN) == AS_COUNTED[:3]
    assert await compliance_report.make(brand=brand, now=MIDNIGHT) == [dt.date(2026, 3, 1)]
    assert await books.seen(brand, SHOWN) == AS_COUNTED
    records = [each for each in await audit.listing(brand_id=brand.id) if each.action == "compliance.report"]
    assert [each.after for each in records] == [{"months": ["2026-03"]}, {"months": ["2026-01", "2026-02"]}]


async def test_again_it_makes_nothing(brand: Brand, owner: asyncpg.Connection) -> None:
    await compliance_report.make(brand=brand, now=MIDNIGHT)
    before = await books.everything(owner)
    assert await compliance_report.make(brand=brand, now=MIDNIGHT) == []
    assert await books.everything(owner) == before


async def test_it_says_what_was_known_then(brand: Brand) -> None:
    """A move of the past that is delivered later changes no report."""
    await compliance_report.make(brand=brand, now=MIDNIGHT)
    async with db.atomic(brand.id):
        await db.connection().execute(
            "INSERT INTO placement (brand_id, reseller, effective_on, parent, tier) VALUES ($1, 'B', '2026-03-02', 'D', 'gold')", brand.id
        )  # fmt: skip
    assert await compliance_report.make(brand=brand, now=MIDNIGHT) == []
    assert await books.seen(brand, SHOWN) == AS_COUNTED


async def test_a_root_that_is_none_any_more_stands_with_its_most(brand: Brand) -> None:
    async with db.atomic(brand.id):
        await db.connection().execute(
            "INSERT INTO placement (brand_id, reseller, effective_on, parent, tier) VALUES ($1, 'D', '2026-03-01', NULL, 'gold')", brand.id
        )  # fmt: skip
        await db.connection().execute(
            "INSERT INTO placement (brand_id, reseller, effective_on, parent, tier)"
            " VALUES ($1, 'C', '2026-03-20', 'A', 'gold'), ($1, 'D', '2026-03-20', 'A', 'gold')",
            brand.id,
        )
    await compliance_report.make(brand=brand, now=MIDNIGHT)
    assert (await books.seen(brand, SHOWN))[3:] == [("2026-03", "A", 4, 2, 4, 2), ("2026-03", "D", 0, 0, 2, 2)]
    (row, gone) = await compliance_report.read(brand_id=brand.id, month=dt.date(2026, 3, 1))
    assert (row.root, row.name, row.most_heads, row.policy, gone.root) == ("A", "甲", 4, "cn-strict", "D")


async def test_all_brands_are_reported_each_for_itself(brand: Brand) -> None:
    await compliance_report.make_all(now=MIDNIGHT)
    assert await compliance_report.months(brand_id=brand.id) == [dt.date(2026, month, 1) for month in (3, 2, 1)]


async def test_two_at_once_make_each_month_once(brand: Brand) -> None:
    made = await asyncio.gather(*(compliance_report.make(brand=brand, now=MIDNIGHT) for _ in range(2)))
    assert sorted(len(months) for months in made) == [0, 3]
    assert await books.seen(brand, SHOWN) == AS_COUNTED


async def test_without_waiting_one_of_two_would_fail(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the first holds its months back until the second has begun."""
    monkeypatch.setattr(compliance_report, "LOCK", "SELECT 1 WHERE $1::uuid IS NOT NULL")
    begun, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with db.atomic(brand.id):
            await db.connection().fetch(compliance_report.MONTHS, dt.date(2026, 4, 1), 120)
            begun.set()
            await go.wait()

    holding = asyncio.create_task(first())
    await begun.wait()
    second = asyncio.create_task(compliance_report.make(brand=brand, now=MIDNIGHT))
    async with asyncio.timeout(30):
        while await books.seen(brand, WAITING) == [(0,)]:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.02)
    go.set()
    await holding
    with pytest.raises(asyncpg.UniqueViolationError):
        await second


@pytest.mark.parametrize("month", ["current", "2026-02-02"])
async def test_a_month_that_is_not_over_is_refused_by_the_database(
    brand: Brand, owner: asyncpg.Connection, workspace: books.Workspace, month: str
) -> None:
    day = (
        dt.datetime.now(zoneinfo.ZoneInfo(brand.time_zone)).date().replace(day=1)
        if month == "current"
        else dt.date.fromisoformat(month)
    )
    constraint = "compliance_month_over" if month == "current" else "compliance_month_month_check"
    async with (
        books.connected(workspace.app, brand.id) as app,
        books.refused(owner, asyncpg.CheckViolationError, constraint),
    ):
        await books.insert(
            app, "compliance_month", {"brand_id": brand.id, "month": day, "policy": "cn-strict", "max_depth": 2, "paid_levels": 1}
        )


async def test_a_report_is_never_changed(brand: Brand, owner: asyncpg.Connection) -> None:
    await compliance_report.make(brand=brand, now=MIDNIGHT)
    for change in ("UPDATE compliance_report SET heads = 0, persons = 0", "DELETE FROM compliance_report"):
        async with books.refused(owner, asyncpg.RestrictViolationError):
            await owner.execute(change)
