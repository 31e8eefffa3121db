"""Settlement runs: computed, computed again, discarded, issued in batches; late rows wait for the next statement."""

from __future__ import annotations

import asyncio
import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books

from qucheng.core import clock, db, ids, task
from qucheng.settlement import advance, document_store, period, run

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

JANUARY, FEBRUARY, MARCH, APRIL = (dt.date(2026, month, 1) for month in (1, 2, 3, 4))
RESELLERS = [f"R{i},第{i}号,company,,gold,2026-01-01," for i in range(1, 6)]
SALES = [f"E{i},1,2026-01-1{i}T10:00:00,R{i},web,card,1,{i}00.00,," for i in range(1, 6)]
FIGURES = (
    "SELECT statement_no, reseller, opening_minor, accrued_minor, payable_minor, net_minor FROM statement ORDER BY period, number"
)


async def stored(folder: Path, code: str, **tables: list[str]) -> Brand:
    brand = await books.found(books.write(folder / code, code=code, **{"resellers": RESELLERS, "orders": SALES, **tables}))  # type: ignore[arg-type] # of tables only
    await books.take_in(brand, folder / code)
    return brand


async def delivered(brand: Brand, folder: Path, **tables: list[str]) -> None:
    more = books.write(folder / f"{brand.code}-more", code=brand.code, **{"resellers": RESELLERS, **tables})  # type: ignore[arg-type] # of tables only
    await books.take_in(brand, more)


async def settled(brand: Brand, through: dt.date, *, draft: bool = False) -> task.Task:
    task_id = await advance.request(brand=brand, through=through, draft=draft, now=books.NOW)
    return await performed(brand, task_id)


async def performed(brand: Brand, task_id: object) -> task.Task:
    got = await task.claim(task_id, worker=ids.new_id(), kinds=[advance.SETTLE, advance.ISSUE])  # type: ignore[arg-type]
    assert got is not None
    perform = advance.settle if got.kind == advance.SETTLE else advance.issue
    await perform(work=task.Work(got), brand=brand, now=books.NOW)
    return await task.read(got.id)


async def states(brand: Brand) -> list[tuple[str, str, int]]:
    return [(run.code_of(brand, each), each.state, each.issued) for each in await run.listing(brand=brand)]


async def drafts(brand: Brand) -> int:
    ((count,),) = await books.seen(brand, "SELECT (SELECT count(*) FROM run_statement) + (SELECT count(*) FROM run_entry)")
    return int(count)


async def test_a_draft_stores_figures_and_no_statement(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "draft")
    assert (await settled(brand, MARCH, draft=True)).state == "done"
    (made,) = await run.listing(brand=brand)
    assert (made.period, made.number, made.state, made.statements, made.gross_minor, made.net_minor) == (
        JANUARY,
        1,
        "computed",
        5,
        15000,
        15000,
    )
    assert await books.seen(brand, "SELECT number, reseller, payable_minor FROM run_statement ORDER BY number") == [
        (i, f"R{i}", 1000 * i) for i in range(1, 6)
    ]
    assert await books.seen(brand, "SELECT number, kind, order_no, amount_minor FROM run_entry ORDER BY number") == [
        (i, "accrual", f"E{i}", 1000 * i) for i in range(1, 6)
    ]
    for table in ("statement", "period", "journal_entry", "statement_accrual", "statement_document"):
        assert await books.seen(brand, f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_second_draft_takes_the_place_of_the_first(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "again")
    await settled(brand, MARCH, draft=True)
    await delivered(brand, tmp_path, orders=["E9,1,2026-01-20T10:00:00,R1,web,card,1,900.00,,"])
    await settled(brand, MARCH, draft=True)
    assert await states(brand) == [("again-202601-2", "computed", 0), ("again-202601-1", "discarded", 0)]
    assert await books.seen(brand, "SELECT run, count(*), sum(payable_minor) FROM run_statement GROUP BY run") == [(2, 5, 24000)]


async def test_a_discarded_draft_leaves_nothing_and_cannot_be_issued(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "gone")
    await settled(brand, MARCH, draft=True)
    (made,) = await run.listing(brand=brand)
    await run.discard(brand=brand, run=made, now=books.NOW)
    assert await drafts(brand) == 0
    with pytest.raises(run.RunStateError):
        await run.issue_batch(brand=brand, run=made, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await run.discard(brand=brand, run=made, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await advance.request_issue(brand=brand, starts_on=JANUARY, number=1)
    assert await books.seen(brand, "SELECT count(*) FROM statement") == [(0,)]


async def test_batches_are_issued_in_the_order_of_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    brand = await stored(tmp_path, "batch")
    await settled(brand, MARCH, draft=True)
    (made,) = await run.listing(brand=brand)
    for issued, state in ((2, "issuing"), (4, "issuing"), (5, "issued"), (5, "issued")):
        made = await run.issue_batch(brand=brand, run=made, now=books.NOW)
        assert (made.issued, made.state) == (issued, state)
        assert await books.seen(brand, "SELECT count(*), max(number), sum(payable_minor) FROM statement") == [
            (issued, issued, sum(1000 * i for i in range(1, issued + 1)))
        ]
    assert await drafts(brand) == 0
    assert [each.subject for each in await task.listing(brand_id=brand.id, kind="document.render")] == [
        {"period": "2026-01-01", "first": first, "last": last} for first, last in ((5, 5), (3, 4), (1, 2))
    ]
    assert await books.seen(brand, "SELECT count(*) FROM statement_document") == [(5,)]


async def test_a_run_that_is_half_issued_goes_on_and_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    brand = await stored(tmp_path, "half", orders=[*SALES, "F1,1,2026-02-10T10:00:00,R1,web,card,1,50.00,,"])
    await settled(brand, MARCH, draft=True)
    (made,) = await run.listing(brand=brand)
    half = await run.issue_batch(brand=brand, run=made, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await run.discard(brand=brand, run=half, now=books.NOW)
    for month in (JANUARY, FEBRUARY):
        with pytest.raises(run.RunStateError):
            await run.compute(brand=brand, starts_on=month, now=books.NOW)
    # even where something was delivered meanwhile: what is being issued is not computed again
    await delivered(brand, tmp_path, orders=["E9,1,2026-01-20T10:00:00,R1,web,card,1,900.00,,"])
    await settled(brand, FEBRUARY)
    assert await states(brand) == [("half-202602-1", "issued", 1), ("half-202601-1", "issued", 5)]
    assert await books.seen(brand, FIGURES) == [
        *[(f"half-202601-{i:06}", f"R{i}", 0, 1000 * i, 1000 * i, 1000 * i) for i in range(1, 6)],
        ("half-202602-000001", "R1", 0, 9500, 9500, 9500),
    ]


async def test_settling_computes_again_what_is_stale_and_issues_what_is_not(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "stale")
    await settled(brand, JANUARY, draft=True)
    await settled(brand, JANUARY)
    assert await states(brand) == [("stale-202601-1", "issued", 5)]
    other = await stored(tmp_path, "stale2")
    await settled(other, JANUARY, draft=True)
    await delivered(other, tmp_path, orders=["E9,1,2026-01-20T10:00:00,R1,web,card,1,900.00,,"])
    await settled(other, JANUARY)
    assert await states(other) == [("stale2-202601-2", "issued", 5), ("stale2-202601-1", "discarded", 0)]


async def test_late_rows_land_on_the_next_statement(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "late")
    await settled(brand, JANUARY)
    before = await books.seen(brand, FIGURES)
    await delivered(
        brand,
        tmp_path,
        orders=["E9,1,2026-01-20T10:00:00,R2,web,card,1,900.00,,"],
        refunds=["F1,E3,1,2026-01-25T10:00:00,1,300.00"],
        adjustments=["A1,R4,2026-01-05T10:00:00,-1.50,late"],
    )
    await settled(brand, JANUARY)
    assert await books.seen(brand, FIGURES) == before
    await settled(brand, FEBRUARY)
    assert (await books.seen(brand, FIGURES))[5:] == [
        ("late-202602-000001", "R2", 0, 9000, 9000, 9000),
        ("late-202602-000002", "R3", 0, 0, -3000, 0),
        ("late-202602-000003", "R4", 0, 0, -150, 0),
    ]
    assert await books.seen(
        brand, "SELECT reversed_minor, adjustment_minor, carried_minor FROM statement WHERE period = '2026-02-01' ORDER BY number"
    ) == [
        (0, 0, 0),
        (-3000, 0, -3000),
        (0, -150, -150),
    ]


async def test_a_late_row_is_settled_though_nothing_else_happens_in_the_month(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "alone")
    await settled(brand, MARCH)
    assert await books.seen(brand, "SELECT starts_on FROM period ORDER BY 1") == [(JANUARY,), (FEBRUARY,), (MARCH,)]
    await delivered(brand, tmp_path, orders=["E9,1,2026-02-20T10:00:00,R2,web,card,1,900.00,,"])
    await settled(brand, APRIL)
    assert (await books.seen(brand, FIGURES))[5:] == [("alone-202604-000001", "R2", 0, 9000, 9000, 9000)]


async def test_an_empty_month_closes_without_a_run_and_takes_nothing_later(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "empty", orders=[])
    await settled(brand, MARCH)
    assert await books.seen(brand, "SELECT count(*) FROM period") == [(0,)]
    await delivered(brand, tmp_path, orders=["E1,1,2026-02-20T10:00:00,R2,web,card,1,900.00,,"])
    await settled(brand, MARCH, draft=True)
    assert await states(brand) == [("empty-202602-1", "computed", 0)]
    await settled(brand, MARCH)
    assert await states(brand) == [("empty-202602-1", "issued", 1)]
    assert await books.seen(brand, "SELECT starts_on FROM period ORDER BY 1") == [(FEBRUARY,), (MARCH,)]
    with pytest.raises(period.PeriodSettledError):
        await run.compute(brand=brand, starts_on=MARCH, now=books.NOW)


async def test_a_month_that_lasts_is_refused_by_either_clock(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "early", orders=[])
    now = clock.now()
    this_month = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date().replace(day=1)
    for moment in (now, now + dt.timedelta(days=62)):
        for asked in (
            advance.request(brand=brand, through=this_month, draft=True, now=moment),
            run.compute(brand=brand, starts_on=this_month, now=moment),
        ):
            with pytest.raises(period.PeriodNotEndedError):
                await asked
    # a month that is over, by a clock that is behind
    with pytest.raises(period.PeriodNotEndedError):
        await run.compute(brand=brand, starts_on=MARCH, now=dt.datetime(2026, 3, 31, 15, 59, 59, tzinfo=dt.UTC))
    assert await run.compute(brand=brand, starts_on=MARCH, now=dt.datetime(2026, 3, 31, 16, tzinfo=dt.UTC)) is None
    assert await task.listing(brand_id=brand.id) == []


async def test_months_are_settled_in_order(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "order")
    with pytest.raises(run.RunStateError):
        await run.compute(brand=brand, starts_on=FEBRUARY, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await run.close_empty(brand=brand, starts_on=FEBRUARY, now=books.NOW)


async def test_two_at_once_give_one_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 1)
    brand = await stored(tmp_path, "twice")
    await settled(brand, JANUARY, draft=True)
    (made,) = await run.listing(brand=brand)

    async def issued() -> run.Run:
        one = made
        while one.state != "issued":
            one = await run.issue_batch(brand=brand, run=one, now=books.NOW)
        return one

    one, other = await asyncio.gather(issued(), issued())
    assert one == other
    assert await books.seen(brand, "SELECT count(*), sum(payable_minor) FROM statement") == [(5, 15000)]
    assert await books.seen(brand, "SELECT count(*) FROM journal_entry") == [(10,)]


async def test_without_the_lock_two_at_once_would_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the database then refuses one of them, and what is booked is booked once all the same."""

    async def no_lock(*, brand: Brand) -> None:
        assert brand

    monkeypatch.setattr(run, "BATCH", 1)
    monkeypatch.setattr(period, "open_books", no_lock)
    brand = await stored(tmp_path, "clash")
    await settled(brand, JANUARY, draft=True)
    (made,) = await run.listing(brand=brand)
    ends = await asyncio.gather(
        *(run.issue_batch(brand=brand, run=made, now=books.NOW) for _ in range(4)), return_exceptions=True
    )
    assert any(isinstance(end, asyncpg.PostgresError) for end in ends)
    assert await books.seen(brand, "SELECT count(*) FROM statement WHERE number = 1") == [(1,)]


async def test_two_requests_are_one_task(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "asked")
    asked = [await advance.request(brand=brand, through=month, draft=False, now=books.NOW) for month in (JANUARY, MARCH)]
    assert asked[0] == asked[1]


async def test_a_draft_that_was_changed_is_not_issued(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "tamper")
    await settled(brand, JANUARY, draft=True)
    (made,) = await run.listing(brand=brand)
    async with db.atomic(brand.id):
        await db.connection().execute("DELETE FROM run_entry WHERE number = 3")
    with pytest.raises(run.RunDamagedError):
        await run.issue_batch(brand=brand, run=made, now=books.NOW)
    assert await books.seen(brand, "SELECT count(*) FROM statement") == [(0,)]
    assert await states(brand) == [("tamper-202601-1", "computed", 0)]


@pytest.mark.parametrize(
    ("attack", "error", "constraint"),
    [
        ("UPDATE settlement_run SET net_minor = net_minor + 1", asyncpg.RestrictViolationError, "settlement_run_step"),
        (
            "UPDATE settlement_run SET state = 'issued', issued = 5, issued_at = now()",
            asyncpg.RestrictViolationError,
            "settlement_run_step",
        ),
        ("UPDATE settlement_run SET state = 'computed', issued = 0", asyncpg.RestrictViolationError, "settlement_run_step"),
        ("UPDATE settlement_run SET period = '2026-05-01'", asyncpg.RestrictViolationError, "settlement_run_step"),
        (
            "INSERT INTO run_statement SELECT brand_id, period, number, 1, 'R1', 'company', 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM settlement_run",
            asyncpg.RestrictViolationError,
            "run_statement_open",
        ),
        (
            (
                "INSERT INTO settlement_run SELECT brand_id, period, 2, 'computed', intake, 1, 0, 0, 0, 0, computed_at FROM settlement_run"
                " UNION ALL SELECT brand_id, period, 3, 'computed', intake, 1, 0, 0, 0, 0, computed_at FROM settlement_run"
            ),
            asyncpg.UniqueViolationError,
            "settlement_run_open_unique",
        ),
    ],
)
async def test_an_issued_run_is_held_by_the_database(
    tmp_path: Path,
    owner: asyncpg.Connection,
    app: asyncpg.Connection,
    attack: str,
    error: type[asyncpg.PostgresError],
    constraint: str,
) -> None:
    code = f"held{abs(hash(attack)) % 10**8}"
    brand = await stored(tmp_path, code)
    await settled(brand, JANUARY)
    await books.stand_in(app, brand.id)
    async with books.refused(owner, error, constraint):
        await app.execute(attack)


def test_the_code_of_a_run() -> None:
    assert run.parse_code("lan-xi.2-202608-12") == ("lan-xi.2", dt.date(2026, 8, 1), 12)
    for wrong in ("lanxi", "lanxi-202613-1", "lanxi-202608", "lanxi-2026-08-x", ""):
        with pytest.raises(run.RunUnknownError):
            run.parse_code(wrong)


async def test_what_was_issued_is_frozen(tmp_path: Path) -> None:
    brand = await stored(tmp_path, "frozen")
    await settled(brand, JANUARY)
    found = await document_store.status(brand=brand, period=JANUARY)
    assert (found.ready, found.waiting, found.failed) == (0, 5, {})
