"""Clean books: the check of every invariant finds nothing in them, whatever came late or is being issued just then."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.insight import damage

from qucheng.bundle import importing
from qucheng.commission import accrual
from qucheng.core import db
from qucheng.insight import books as checks
from qucheng.settlement import period, run

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CASES = sorted(path.parent.name for path in books.GOLDEN.glob("[0-9]*/bundle"))
LATER = books.NOW + dt.timedelta(days=1)
SALE = "L1,1,2026-02-10T12:00:00,R1,web,card,1,100.00,,"
LATE = "L2,1,2026-02-11T12:00:00,R1,web,card,2,200.00,,"
BACK = "B1,L1,1,2026-02-12T12:00:00,1,40.00"
WAITS = """
-- 2. Waits for the test.
SELECT 'x' AS invariant, 'x' AS subject, 'x' AS expected, 'x' AS found
FROM (SELECT pg_advisory_xact_lock(20261122)::text AS held OFFSET 0) w WHERE held = 'never';
"""
WAITING = """SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
             WHERE l.locktype = 'advisory' AND NOT l.granted)"""


def rows(path: Path) -> int:
    return path.read_bytes().count(b"\n") - 1


async def differences(brand: Brand) -> list[str]:
    report = await checks.check(brand=brand, now=books.NOW)
    return [f"{each.invariant} {each.subject}: {each.expected} | {each.found}" for each in report.differences]


async def deliver(brand: Brand, folder: Path, now: dt.datetime) -> None:
    await importing.take_in(folder=folder, brand=brand, now=now, progress=books.QUIET)
    await accrual.accrue(brand_id=brand.id, now=now)


async def knows(owner: asyncpg.Connection, brand: Brand, intake: int) -> None:
    """The statements of the brand's months are said to know of the deliveries up to this one."""
    await owner.execute("ALTER TABLE period DISABLE TRIGGER append_only")
    await owner.execute("UPDATE period SET intake = $2 WHERE brand_id = $1", brand.id, intake)
    await owner.execute("ALTER TABLE period ENABLE TRIGGER append_only")


@pytest.mark.parametrize("case", CASES)
async def test_a_golden_case_agrees(books_home: tuple[str, str], case: str) -> None:
    expected = books.GOLDEN / case / "expected"
    async with books.fresh(books_home):
        brand = await books.settled(books.GOLDEN / case / "bundle", "2026-07")
        report = await checks.check(brand=brand, now=books.NOW)
    assert report == checks.Report(
        brand=brand.code,
        checked_at=books.NOW,
        statements=rows(expected / "statements.csv"),
        entries=rows(expected / "entries.csv"),
        postings=rows(expected / "journal.csv"),
        total=0,
        differences=[],
    )


async def test_books_without_a_statement_agree(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    brand = await books.found(books.write(tmp_path / "a", code="fresh"))
    report = await checks.check(brand=brand, now=books.NOW)
    assert (report.statements, report.entries, report.postings, report.total) == (0, 0, 0, 0)


async def test_what_comes_late_waits_and_is_not_lost(
    workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert workspace
    brand = await books.settled(books.write(tmp_path / "a", code="late", orders=[SALE]), "2026-02")
    await deliver(brand, books.write(tmp_path / "b", code="late", orders=[SALE, LATE], refunds=[BACK]), LATER)
    assert await differences(brand) == []
    # the control: had it been known when the month was settled, it would be lost
    await knows(owner, brand, 2)
    assert await differences(brand) == [
        "entry.lost accrual/L2/1/1: on a statement by 2026-02 | on none",
        "entry.lost reversal/L1/1/1/B1: on a statement by 2026-02 | on none",
    ]
    await knows(owner, brand, 1)
    await deliver(
        brand, books.write(tmp_path / "c", code="late", orders=[SALE.replace("L1", "L3").replace("-02-", "-03-")]), LATER
    )
    await period.settle(brand=brand, starts_on=dt.date(2026, 3, 1), now=LATER)
    assert await differences(brand) == []
    assert await books.seen(
        brand, "SELECT to_char(period, 'YYYY-MM'), accrued_minor, reversed_minor FROM statement ORDER BY period"
    ) == [
        ("2026-02", 1000, 0),
        ("2026-03", 3000, -400),
    ]


async def test_a_late_bonus_waits_for_the_next_statement(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    rules = ["VOL,slab,,,,,,net,0:0.01,0,,"]
    brand = await books.settled(books.write(tmp_path / "a", code="bonus", orders=[SALE], rules=rules), "2026-02")
    await deliver(brand, books.write(tmp_path / "b", code="bonus", orders=[SALE, LATE], rules=rules), LATER)
    assert await differences(brand) == []
    assert await books.seen(brand, "SELECT sum(amount_minor) FROM bonus") == [(100,)]


async def test_of_runs_the_last_issued_says_what_was_known(workspace: books.Workspace, tmp_path: Path) -> None:
    """By its number, not by a clock: the delivery after the run has the same time as the run."""
    assert workspace
    brand = await books.found(folder := books.write(tmp_path / "a", code="runs", orders=[SALE]))
    await deliver(brand, folder, books.NOW)
    await damage.issue_through(brand, "2026-02")
    await deliver(brand, books.write(tmp_path / "b", code="runs", orders=[SALE, LATE], refunds=[BACK]), books.NOW)
    assert await differences(brand) == []


async def test_a_run_that_is_half_issued_is_no_difference(
    workspace: books.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workspace
    monkeypatch.setattr(run, "BATCH", 1)
    other = SALE.replace("L1", "L2").replace("R1", "R2")
    resellers = [f"R{n},{n} 号,company,,gold,2026-01-01," for n in (1, 2)]
    brand = await books.found(folder := books.write(tmp_path / "a", code="half", orders=[SALE, other], resellers=resellers))
    await deliver(brand, folder, books.NOW)
    made = await run.compute(brand=brand, starts_on=dt.date(2026, 2, 1), now=books.NOW)
    assert made is not None
    made = await run.issue_batch(brand=brand, run=made, now=books.NOW)
    assert (made.state, made.issued, made.statements) == ("issuing", 1, 2)
    assert await differences(brand) == []
    made = await run.issue_batch(brand=brand, run=made, now=books.NOW)
    assert (made.state, made.issued, made.statements) == ("issued", 2, 2)
    assert await differences(brand) == []


@pytest.mark.parametrize(
    ("isolation", "found"),
    [
        (checks.ISOLATION, []),
        (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            [
                "statement.empty snap{n}-202602-000001: an entry or an opening | neither",
                "statement.entries snap{n}-202602-000001/accrual: 0.00 | 10.00",
            ],
        ),
    ],
    ids=["one moment", "control: each its own moment"],
)
async def test_a_month_that_is_issued_meanwhile_is_no_difference(
    workspace: books.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str, found: list[str]
) -> None:
    code = f"snap{len(found)}"
    brand = await books.found(folder := books.write(tmp_path / "a", code=code, orders=[SALE]))
    await deliver(brand, folder, books.NOW)
    first, *others = db.sections(checks.SQL.read_text(encoding="utf-8"))
    (tmp_path / "waits.sql").write_text(first + WAITS + "".join(others), encoding="utf-8")
    monkeypatch.setattr(checks, "SQL", tmp_path / "waits.sql")
    monkeypatch.setattr(checks, "ISOLATION", isolation)
    async with books.connected(workspace.app) as gate:
        await gate.execute("SELECT pg_advisory_lock(20261122)")
        checking = asyncio.create_task(differences(brand))
        while not await gate.fetchval(WAITING):
            await gate.execute("SELECT pg_sleep(0.01)")
        await books.settle_through(brand, "2026-02")
        await gate.execute("SELECT pg_advisory_unlock(20261122)")
        assert await asyncio.wait_for(checking, 20) == [each.format(n=len(found)) for each in found]
    assert await books.seen(brand, "SELECT statement_no FROM statement") == [(f"{code}-202602-000001",)]
