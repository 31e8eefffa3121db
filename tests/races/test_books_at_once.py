"""Imports, accruals and settlements of one brand at once: one result, the same as one after the other."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.races import duel

from qucheng.bundle import importing, progress
from qucheng.commission import accrual
from qucheng.core import db
from qucheng.settlement import period

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 1)
AMOUNTS = (
    "SELECT reseller, opening_minor, gross_minor, tax_minor, net_minor, carried_minor FROM statement ORDER BY period, number"
)
POSTED = "SELECT account, sum(debit_minor)::bigint, sum(credit_minor)::bigint FROM posting GROUP BY 1 ORDER BY 1"
ENTRIES = "SELECT order_no, line_no, level, amount_minor FROM accrual ORDER BY 1, 2, 3"
VOLUME = "SELECT rule, reseller, of_period, sum(numerator / denominator) FROM own_volume GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
COUNTS = "SELECT imported, duplicate FROM intake_file WHERE intake = $1 AND file = 'orders.csv'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return books.example(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")


@pytest.fixture
async def reference(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """The same books, made one after the other."""
    assert workspace
    folder = books.example(tmp_path_factory.mktemp("r") / "bundle", code=f"r-{uuid.uuid4().hex[:20]}")
    return await books.settled(folder, "2026-03")


@pytest.fixture
async def brand(reference: Brand, folder: Path) -> Brand:
    assert reference
    return await books.found(folder)


async def same_as(brand: Brand, reference: Brand, *queries: str) -> None:
    for query in queries:
        want = await books.seen(reference, query)
        assert want
        assert await books.seen(brand, query) == want


async def test_a_bundle_taken_in_twice_at_once_is_stored_once(brand: Brand, folder: Path) -> None:
    async def take_in() -> int:
        return await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=progress.Progress(terminal=False))

    numbers = sorted(await asyncio.gather(take_in(), take_in()))
    assert numbers == [1, 2]
    ((rows, _),) = await books.seen(brand, COUNTS, 1)
    assert rows == 7
    assert await books.seen(brand, COUNTS, 2) == [(0, 7)]
    assert await books.seen(brand, "SELECT count(*) FROM order_line") == [(7,)]


async def test_accruing_twice_at_once_accrues_once(brand: Brand, reference: Brand, folder: Path) -> None:
    await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
    await asyncio.gather(*(accrual.accrue(brand_id=brand.id, now=books.NOW) for _ in range(3)))
    await same_as(brand, reference, ENTRIES, VOLUME)


async def test_settling_a_period_twice_at_once_gives_one_result(brand: Brand, reference: Brand, folder: Path) -> None:
    await books.take_in(brand, folder)
    ends: list[Any] = await asyncio.gather(
        *(period.settle(brand=brand, starts_on=MARCH, now=books.NOW) for _ in range(2)), return_exceptions=True
    )
    failed = [end for end in ends if end is not None]
    assert [type(end) for end in failed] == [period.PeriodSettledError]
    await same_as(brand, reference, AMOUNTS, POSTED)


async def test_a_settlement_waits_for_one_that_is_under_way(brand: Brand, folder: Path, workspace: books.Workspace) -> None:
    await books.take_in(brand, folder)
    async with books.connected(workspace.app, brand.id) as holder:
        async with holder.transaction():
            await holder.execute("SELECT lock_brand($1, 'statement')", brand.id)
            task = asyncio.create_task(period.settle(brand=brand, starts_on=MARCH, now=books.NOW))
            await asyncio.sleep(0.2)
            assert not task.done()
            assert await books.seen(brand, "SELECT count(*) FROM statement") == [(0,)]
        await task
    assert await books.seen(brand, "SELECT count(*) FROM statement") == [(2,)]


async def test_a_late_refund_waits_for_statements_under_way_and_leaves_them_as_they_are(
    workspace: books.Workspace, tmp_path: Path
) -> None:
    """F1 is of an earlier day than F2, which is being put on a statement while F1 is accrued. Unless it waited, F2 would change."""
    assert workspace
    sale = "O1,1,2026-03-02T10:00:00,R1,web,card,3,10.00,0,"
    given = [f"F{number},O1,1,2026-03-1{number}T10:00:00,1,3.33" for number in (1, 2)]
    rules = ["OWN,percent,1,,,,,net,0.125,0,,"]
    folder = books.write(tmp_path / "1", code=f"r-{uuid.uuid4().hex[:12]}", rules=rules, orders=[sale], refunds=given[1:])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    (folder / "refunds.csv").write_text("\n".join([",".join(books.COLUMNS["refunds"]), *given, ""]), encoding="utf-8")
    await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
    settled, go_on = asyncio.Event(), asyncio.Event()

    async def settle_and_hold() -> None:
        async with db.atomic(brand.id):
            await period.settle(brand=brand, starts_on=MARCH, now=books.NOW)
            settled.set()
            await go_on.wait()

    settling = asyncio.create_task(settle_and_hold())
    await settled.wait()
    accruing = asyncio.create_task(accrual.accrue(brand_id=brand.id, now=books.NOW))
    await asyncio.sleep(0.5)
    assert not accruing.done()
    go_on.set()
    await asyncio.gather(settling, accruing)
    assert await books.seen(brand, "SELECT refund_no, basis_value, amount_minor FROM reversal ORDER BY 1") == [
        ("F1", 334, -41), ("F2", 667, -42),
    ]  # fmt: skip
    assert await books.seen(brand, "SELECT refund_no, period FROM statement_reversal") == [("F2", MARCH)]


def statement(brand: Brand, starts_on: dt.date) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    """The only statement of a month for A02, who carries 5; its opening is 0."""
    sums = {f"{name}_minor": 0 for name in ("opening", "accrued", "reversed", "bonus", "tax", "net")}
    sums |= {f"{name}_minor": -5 for name in ("adjustment", "gross", "payable", "carried")}
    month = {
        "starts_on": starts_on,
        "starts_at": starts_on,
        "ends_at": starts_on + dt.timedelta(days=28),
        "settled_at": books.NOW,
        "intake": 1,
    }
    row = {"brand_id": brand.id, "period": starts_on, "number": 1, "statement_no": str(starts_on), "reseller": "A02"}

    async def run(connection: asyncpg.Connection) -> None:
        await books.insert(connection, "period", {"brand_id": brand.id, **month})
        await books.insert(connection, "statement", {**row, "kind": "individual", **sums})

    return run


@pytest.mark.parametrize("isolation", [duel.READ_COMMITTED, duel.REPEATABLE_READ, duel.SERIALIZABLE])
async def test_statements_of_two_periods_at_once_do_not_miss_what_was_carried(
    workspace: books.Workspace, brand: Brand, folder: Path, isolation: str
) -> None:
    await books.take_in(brand, folder)
    end = await duel.fight(workspace, brand.id, statement(brand, MARCH), statement(brand, APRIL), isolation=isolation)
    assert await books.seen(brand, "SELECT period, opening_minor, carried_minor FROM statement") == [(MARCH, 0, -5)]
    assert end.first is None
    assert end.second is not None
    if isolation == duel.READ_COMMITTED:
        assert end.waited
        assert isinstance(end.second, asyncpg.CheckViolationError)
        assert end.second.constraint_name == "statement_opening"


async def test_control_without_the_lock_what_was_carried_is_missed(
    workspace: books.Workspace, brand: Brand, folder: Path
) -> None:
    await books.take_in(brand, folder)
    async with duel.without(workspace, "check_statements", "PERFORM lock_brand(subject.brand_id, 'statement');"):
        end = await duel.fight(workspace, brand.id, statement(brand, MARCH), statement(brand, APRIL))
    assert end == duel.End(waited=False, first=None, second=None)
    assert len(await books.seen(brand, "SELECT period FROM statement WHERE opening_minor = 0")) == 2


async def test_one_accrual_for_a_line_and_level_also_from_two_at_once(
    workspace: books.Workspace, brand: Brand, folder: Path
) -> None:
    await books.take_in(brand, folder)

    async def earn(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "INSERT INTO accrual SELECT brand_id, order_no, line_no, 3, reseller, rule, basis_value, amount_minor, occurred_at, matures_at"
            " FROM accrual ORDER BY order_no, line_no, level LIMIT 1"
        )

    end = await duel.fight(workspace, brand.id, earn, earn)
    assert end.waited
    assert isinstance(end.second, asyncpg.UniqueViolationError)
    assert end.second.constraint_name == "accrual_pkey"
    assert await books.seen(brand, "SELECT count(*) FROM accrual WHERE level = 3") == [(1,)]
