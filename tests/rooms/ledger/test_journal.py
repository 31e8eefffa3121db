"""The journal is held by the database: attacked as the app's role with plain SQL, with the owner looking on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ENTRY = "INSERT INTO journal_entry (brand_id, code, period, document, position) VALUES ($1, $2, '2026-05-01', $2, 1)"
LEG = "INSERT INTO posting (brand_id, entry, leg, account, debit_minor, credit_minor) VALUES ($1, $2, $3, $4, $5, $6)"
BANK, TAX = "asset:bank", "liability:tax"
JOURNAL = ("account", "journal_entry", "posting")


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await books.settled(books.example(tmp_path_factory.mktemp("a") / "bundle", code="held"), "2026-04")


@pytest.fixture(scope="module")
async def other(brand: Brand, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert brand
    return await books.settled(books.example(tmp_path_factory.mktemp("b") / "bundle", code="other"), "2026-04")


@pytest.fixture
async def teller(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


async def post(teller: asyncpg.Connection, brand: Brand, code: str, *legs: tuple[int, str, int, int]) -> None:
    await teller.execute(ENTRY, brand.id, code)
    for leg in legs:
        await teller.execute(LEG, brand.id, code, *leg)


async def test_control_a_balanced_entry_is_taken(teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    async with teller.transaction():
        await post(teller, brand, "good", (1, BANK, 70, 0), (2, BANK, 30, 0), (3, TAX, 0, 100))
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {"journal_entry", "posting"}
    legs = await owner.fetch("SELECT leg, debit_minor, credit_minor FROM posting WHERE entry = 'good' ORDER BY leg")
    assert [tuple(leg) for leg in legs] == [(1, 70, 0), (2, 30, 0), (3, 0, 100)]


@pytest.mark.parametrize(
    "legs",
    [
        pytest.param([], id="no leg"),
        pytest.param([(1, BANK, 100, 0)], id="one leg"),
        pytest.param([(1, BANK, 100, 0), (2, TAX, 0, 99)], id="debit over credit"),
        pytest.param([(1, BANK, 99, 0), (2, TAX, 0, 100)], id="credit over debit"),
        pytest.param([(1, BANK, 1, 0), (2, BANK, 1, 0)], id="two debits"),
        pytest.param([(1, BANK, 2**63 - 1, 0), (2, BANK, 2**63 - 1, 0), (3, TAX, 0, 2**63 - 2)], id="past 64 bits"),
    ],
)
async def test_an_entry_that_does_not_balance_is_refused_at_commit(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, legs: list[tuple[int, str, int, int]]
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "journal_entry_balanced"):
        transaction = teller.transaction()
        await transaction.start()
        await post(teller, brand, "bad", *legs)
        await transaction.commit()


@pytest.mark.parametrize(
    ("leg", "constraint"),
    [
        ((1, BANK, 5, 5), "posting_one_side_check"),
        ((1, BANK, 0, 0), "posting_one_side_check"),
        ((1, BANK, -5, 0), "posting_debit_minor_check"),
        ((1, BANK, 0, -5), "posting_credit_minor_check"),
        ((0, BANK, 5, 0), "posting_leg_check"),
    ],
)
async def test_a_leg_has_one_side_and_a_positive_amount(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, leg: tuple[int, str, int, int], constraint: str
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, constraint), teller.transaction():
        await post(teller, brand, "bad", leg)


async def test_a_leg_stands_on_an_account_of_its_own_brand(
    teller: asyncpg.Connection, brand: Brand, other: Brand, owner: asyncpg.Connection
) -> None:
    await owner.execute("INSERT INTO account (brand_id, code) VALUES ($1, 'asset:elsewhere')", other.id)
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "posting_account_reference"), teller.transaction():
        await post(teller, brand, "bad", (1, "asset:elsewhere", 5, 0), (2, TAX, 0, 5))


async def test_a_leg_of_another_brands_entry_is_refused(
    teller: asyncpg.Connection, brand: Brand, other: Brand, owner: asyncpg.Connection
) -> None:
    assert brand
    code = await owner.fetchval("SELECT code FROM journal_entry WHERE brand_id = $1 ORDER BY code LIMIT 1", other.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError), teller.transaction():
        await teller.execute(LEG, other.id, code, 3, BANK, 5, 0)


async def test_an_entry_in_the_books_takes_no_further_legs_even_balanced_ones(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    code = await owner.fetchval("SELECT code FROM journal_entry WHERE brand_id = $1 ORDER BY code LIMIT 1", brand.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "posting_in_time"), teller.transaction():
        await teller.execute(
            "INSERT INTO posting (brand_id, entry, leg, account, debit_minor, credit_minor)"
            " VALUES ($1, $2, 101, 'asset:bank', 5, 0), ($1, $2, 102, 'liability:tax', 0, 5)",
            brand.id,
            code,
        )


async def test_an_entry_cannot_be_left_open_for_a_later_transaction(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.RestrictViolationError, "posting_in_time"), teller.transaction():
        await teller.execute(
            "INSERT INTO journal_entry (brand_id, code, period, document, position, opened_by)"
            " VALUES ($1, 'open', '2026-05-01', 'open', 1, ((pg_current_xact_id()::text)::bigint + 1)::text::xid8)",
            brand.id,
        )
        await teller.execute(LEG, brand.id, "open", 1, BANK, 5, 0)


async def test_legs_after_the_check_was_brought_forward_are_checked_again(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "journal_entry_balanced"):
        transaction = teller.transaction()
        await transaction.start()
        await post(teller, brand, "early", (1, BANK, 5, 0), (2, TAX, 0, 5))
        await teller.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await teller.execute(LEG, brand.id, "early", 3, BANK, 1_000_000, 0)
        await transaction.commit()


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize("change", ["UPDATE {0} SET brand_id = brand_id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_the_journal_is_append_only_for_the_app_and_for_the_owner(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, table: str, change: str
) -> None:
    assert brand
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await teller.execute(change.format(table))
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(change.format(table))


async def test_an_upsert_rewrites_no_leg(teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    assert brand
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await teller.execute(
            "INSERT INTO posting SELECT * FROM posting ORDER BY entry, leg LIMIT 1"
            " ON CONFLICT (brand_id, entry, leg) DO UPDATE SET debit_minor = 1"
        )


async def test_two_entries_of_a_document_do_not_share_a_position(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    assert brand
    async with books.refused(owner, asyncpg.UniqueViolationError, "journal_entry_document_unique"), teller.transaction():
        await teller.execute(
            "INSERT INTO journal_entry (brand_id, code, period, document, position)"
            " SELECT brand_id, code || 'x', period, document, position FROM journal_entry ORDER BY code LIMIT 1"
        )
