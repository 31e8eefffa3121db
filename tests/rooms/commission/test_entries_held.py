"""Accruals and reversals are held by the database: one accrual for a line and level, and history stays as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

from qucheng.commission import accrual

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ACCRUAL = "SELECT * FROM accrual ORDER BY order_no, line_no, level LIMIT 1"
REVERSAL = "SELECT * FROM reversal_version ORDER BY order_no, line_no, level LIMIT 1"


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await books.settled(books.example(tmp_path_factory.mktemp("a") / "bundle", code="held"), "2026-04")


@pytest.fixture(scope="module")
async def other(brand: Brand, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert brand
    folder = books.write(
        tmp_path_factory.mktemp("b"), code="other", orders=["ELSE,1,2026-03-01T10:00:00,R1,web,card,1,100.00,0,"]
    )
    return await books.settled(folder, "2026-04")


@pytest.fixture
async def teller(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


@pytest.mark.parametrize(
    "changes",
    [{}, {"reseller": "A01"}, {"rule": "TEA"}, {"amount_minor": 1}, {"matures_at": "2027-01-01T00:00:00Z"}],
    ids=str,
)
async def test_a_second_accrual_for_a_line_and_level_is_refused(
    teller: asyncpg.Connection, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    row = await books.row(teller, ACCRUAL)
    async with books.refused(owner, asyncpg.UniqueViolationError, "accrual_pkey"):
        await books.insert(teller, "accrual", {**row, **changes})


async def test_control_an_accrual_of_a_level_that_has_none_is_taken(teller: asyncpg.Connection) -> None:
    row = await books.row(teller, ACCRUAL)
    transaction = teller.transaction()
    await transaction.start()
    await books.insert(teller, "accrual", {**row, "level": 3})
    await transaction.rollback()


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"level": 0}, "accrual_level_check"),
        ({"level": 4}, "accrual_level_check"),
        ({"level": 3, "amount_minor": 0}, "accrual_amount_minor_check"),
        ({"level": 3, "amount_minor": -1}, "accrual_amount_minor_check"),
    ],
    ids=str,
)
async def test_an_accrual_has_a_level_and_a_positive_amount(
    teller: asyncpg.Connection, owner: asyncpg.Connection, changes: dict[str, Any], constraint: str
) -> None:
    row = await books.row(teller, ACCRUAL)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await books.insert(teller, "accrual", {**row, **changes})


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"order_no": "ELSE", "line_no": "1"}, "accrual_line_reference"),
        ({"level": 3, "reseller": "R1"}, "accrual_reseller_reference"),
        ({"level": 3, "rule": "OWN"}, "accrual_rule_reference"),
    ],
    ids=str,
)
async def test_an_accrual_refers_to_its_own_brand_only(
    teller: asyncpg.Connection, other: Brand, owner: asyncpg.Connection, changes: dict[str, Any], constraint: str
) -> None:
    assert await books.seen(other, "SELECT order_no, reseller, rule FROM accrual") == [("ELSE", "R1", "OWN")]
    row = await books.row(teller, ACCRUAL)
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, constraint):
        await books.insert(teller, "accrual", {**row, **changes})


async def test_nothing_is_taken_back_that_was_not_earned(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    row = await books.row(teller, REVERSAL)
    assert not await teller.fetchval(
        "SELECT EXISTS (SELECT 1 FROM accrual WHERE order_no = $1 AND line_no = $2 AND level = 3)",
        row["order_no"],
        row["line_no"],
    )
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "reversal_accrual_reference"):
        await books.insert(teller, "reversal_version", {**row, "level": 3})


async def test_a_reversal_has_a_refund_of_its_line(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    row = await books.row(teller, REVERSAL)
    earned = await books.row(teller, "SELECT * FROM accrual WHERE order_no <> $1 ORDER BY order_no LIMIT 1", row["order_no"])
    elsewhere = {name: earned[name] for name in ("order_no", "line_no", "level", "reseller", "rule")}
    for changes in ({"refund_no": "none"}, elsewhere):
        async with books.refused(owner, asyncpg.ForeignKeyViolationError, "reversal_refund_reference"):
            await books.insert(teller, "reversal_version", {**row, **changes})


@pytest.mark.parametrize("amount", [0, 1, 15000])
async def test_a_reversal_takes_and_never_gives(teller: asyncpg.Connection, owner: asyncpg.Connection, amount: int) -> None:
    row = await books.row(teller, REVERSAL)
    async with books.refused(owner, asyncpg.CheckViolationError, "reversal_version_amount_check"):
        await books.insert(teller, "reversal_version", {**row, "amount_minor": amount})


async def test_a_refund_reverses_an_accrual_once(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    row = await books.row(teller, REVERSAL)
    async with books.refused(owner, asyncpg.UniqueViolationError, "reversal_version_pkey"):
        await books.insert(teller, "reversal_version", {**row, "amount_minor": -1})


async def test_accruing_again_finds_nothing_waiting(teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    assert teller
    before = await books.everything(owner)
    await accrual.accrue(brand_id=brand.id, now=books.NOW)
    assert await books.everything(owner) == before


async def test_an_intake_that_is_opened_again_accrues_nothing_twice(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    await teller.execute("UPDATE intake SET accrued_at = NULL, accrued_through = NULL")
    async with books.refused(owner, asyncpg.UniqueViolationError, "accrual_pkey"):
        await accrual.accrue(brand_id=brand.id, now=books.NOW)
    await teller.execute("UPDATE intake SET accrued_at = $1, accrued_through = number", books.NOW)


@pytest.mark.parametrize("table", ["accrual", "reversal_version", "own_volume", "rule", "rule_bracket"])
@pytest.mark.parametrize("change", ["UPDATE {0} SET rule = rule", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_entries_and_their_rules_are_append_only_for_the_app_and_for_the_owner(
    teller: asyncpg.Connection, owner: asyncpg.Connection, table: str, change: str
) -> None:
    statement = change.format(table).replace("SET rule = rule", "SET code = code" if table == "rule" else "SET rule = rule")
    assert await teller.fetchval(f"SELECT count(*) FROM {table}") > 0
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await teller.execute(statement)
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(statement)


async def test_an_upsert_rewrites_no_accrual(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await teller.execute(
            "INSERT INTO accrual SELECT * FROM accrual ON CONFLICT (brand_id, order_no, line_no, level) DO UPDATE SET amount_minor = 1"
        )
