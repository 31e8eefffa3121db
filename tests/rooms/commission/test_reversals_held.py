"""Versions of a reversal are held by the database: one follows the other, and what is on a statement has no later one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

from qucheng.settlement import run

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MARCH = dt.date(2026, 3, 1)
ORDERS = [f"O{number},1,2026-0{month}-02T10:00:00,R1,web,card,2,100.00,0," for number, month in ((1, 3), (2, 4))]
REFUNDS = [f"F{number},O{number},1,2026-0{month}-09T10:00:00,1,40.00" for number, month in ((1, 3), (2, 4))]
RULES = ["OWN,percent,1,,,,,net,0.1,0,,", "OTHER,percent,1,,,,,net,0.1,0,2027-01-01,"]
FIRST = "SELECT * FROM reversal_version WHERE order_no = $1"


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """A refund of March, which is settled, and one of April, which is not."""
    assert workspace
    folder = books.write(tmp_path_factory.mktemp("a"), code="versions", rules=RULES, orders=ORDERS, refunds=REFUNDS)
    return await books.settled(folder, "2026-03")


@pytest.fixture
async def teller(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


@pytest.mark.parametrize("amount", [0, -1])
async def test_control_one_that_waits_has_a_later_version_and_counts_as_that(teller: asyncpg.Connection, amount: int) -> None:
    row = await books.row(teller, FIRST, "O2")
    transaction = teller.transaction()
    await transaction.start()
    await books.insert(teller, "reversal_version", {**row, "version": 2, "amount_minor": amount})
    for view in ("reversal", "timed_reversal"):
        counted = await teller.fetch(f"SELECT amount_minor FROM {view} WHERE order_no = 'O2'")
        assert [each["amount_minor"] for each in counted] == ([amount] if amount else []), view
    await books.insert(teller, "reversal_version", {**row, "version": 3})
    assert await teller.fetchval("SELECT sum(amount_minor) FROM reversal WHERE order_no = 'O2'") == row["amount_minor"]
    await transaction.rollback()


async def test_what_is_on_a_statement_has_no_later_version(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    row = await books.row(teller, FIRST, "O1")
    async with books.refused(owner, asyncpg.RestrictViolationError, "reversal_version_open"):
        await books.insert(teller, "reversal_version", {**row, "version": 2, "amount_minor": -1})


async def test_what_is_being_put_on_a_statement_has_none_either(
    teller: asyncpg.Connection, owner: asyncpg.Connection, workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert workspace
    folder = books.write(tmp_path_factory.mktemp("b"), code="issuing", orders=ORDERS, refunds=REFUNDS)
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    await books.stand_in(teller, brand.id)
    row = await books.row(teller, FIRST, "O1")
    draft = await run.compute(brand=brand, starts_on=MARCH, now=books.NOW)
    assert draft is not None
    async with teller.transaction():
        await books.insert(teller, "reversal_version", {**row, "version": 2, "amount_minor": -1})
        with pytest.raises(asyncpg.CheckViolationError):
            async with teller.transaction():
                await books.insert(teller, "reversal_version", {**row, "version": 4, "amount_minor": -1})
        await books.insert(teller, "reversal_version", {**row, "version": 3})
    await run.begin_issue(brand=brand, run=draft, now=books.NOW)
    async with books.refused(owner, asyncpg.RestrictViolationError, "reversal_version_open"):
        await books.insert(teller, "reversal_version", {**row, "version": 4, "amount_minor": -1})


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 3},
        {"version": 2, "rule": "OTHER"},
        {"version": 2, "occurred_at": "2026-04-10T00:00:00Z"},
        {"version": 2, "matures_at": "2026-06-10T00:00:00Z"},
        {"version": 2, "matures_at": None},
    ],
    ids=str,
)
async def test_a_later_version_follows_the_one_before_it(
    teller: asyncpg.Connection, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    row = await books.row(teller, FIRST, "O2")
    async with books.refused(owner, asyncpg.CheckViolationError, "reversal_version_sequence"):
        await books.insert(teller, "reversal_version", {**row, **changes})


async def test_a_version_is_written_once_and_takes_or_is_nothing(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    row = await books.row(teller, FIRST, "O2")
    async with books.refused(owner, asyncpg.UniqueViolationError, "reversal_version_pkey"):
        await books.insert(teller, "reversal_version", {**row, "amount_minor": -1})
    for version, amount in ((1, 0), (2, 1)):
        async with books.refused(owner, asyncpg.CheckViolationError, "reversal_version_amount_check"):
            await books.insert(teller, "reversal_version", {**row, "refund_no": "F2", "version": version, "amount_minor": amount})
    async with books.refused(owner, asyncpg.CheckViolationError, "reversal_version_version_check"):
        await books.insert(teller, "reversal_version", {**row, "version": 0})


async def test_what_counts_is_read_and_not_written(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    for change in (
        "UPDATE reversal SET amount_minor = -1",
        "DELETE FROM reversal",
        "INSERT INTO reversal SELECT * FROM reversal",
    ):
        async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
            await teller.execute(change)
