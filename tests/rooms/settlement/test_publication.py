"""Publication: with the last document or by a person, once; and until then a reseller sees nothing of its statement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.identity.people import member
from tests.rooms.settlement.run_work import MARCH, issued, stored

from qucheng.core import crypto, db, task
from qucheng.settlement import publication, queries, run, statement_rows

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

RECORD = """
    INSERT INTO document_file (brand_id, period, number, format, state, sha256, bytes, made_at)
    SELECT $1, '2026-03-01', $2, format, 'ready', repeat('0', 64), 1, $3 FROM unnest(ARRAY['pdf', 'xlsx', 'csv']) format"""
HANGING = (
    "statement",
    "statement_accrual",
    "statement_reversal",
    "statement_adjustment",
    "statement_document",
    "document_file",
    "bonus",
)


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    """March is issued; its documents are recorded by the tests, and no task makes them."""
    made = await stored(tmp_path)
    await issued(made, MARCH)
    for each in await task.listing(brand_id=made.id, kind="document.render"):
        await task.cancel(each.id)
    return made


@pytest.fixture
async def keeper(keys: crypto.Keys, brand: Brand) -> permissions.Principal:
    return await member(keys, brand.id, "accountant")


async def recorded(brand: Brand, *numbers: int, complete: bool = True) -> bool:
    """As the task does that makes them."""
    async with db.atomic(brand.id):
        for number in numbers:
            await db.connection().execute(RECORD, brand.id, number, books.NOW)
        return await publication.when_complete(brand=brand, period=MARCH, now=books.NOW) if complete else False


async def published(brand: Brand, who: permissions.Principal, missing: int) -> run.Run:
    return await publication.publish(
        brand=brand, starts_on=MARCH, number=1, missing=missing, actor=people.actor(who), now=books.NOW
    )


async def state(brand: Brand) -> tuple[Any, uuid.UUID | None]:
    found = await run.read(brand=brand, starts_on=MARCH, number=1)
    return found.published_at, found.published_by


async def of_reseller(brand: Brand, reseller: str) -> dict[str, int]:
    async with db.atomic(brand.id, reseller=reseller):
        return {name: await db.connection().fetchval(f"SELECT count(*) FROM {name}") for name in HANGING}


async def test_a_reseller_sees_nothing_of_it_before_and_all_of_it_after(brand: Brand, keeper: permissions.Principal) -> None:
    number = f"{brand.code}-202603-000002"
    assert await of_reseller(brand, "A02") == dict.fromkeys(HANGING, 0)
    with pytest.raises(queries.StatementUnknownError):
        await queries.statement(brand=brand, statement_no=number, reseller="A02")
    assert (await queries.statements(brand=brand, filters=queries.Filters(), reseller="A02")).count == 0
    await published(brand, keeper, 2)
    found = await queries.statement(brand=brand, statement_no=number, reseller="A02")
    assert (found.net_minor, found.state, found.published_at) == (89386, "paid", books.NOW)
    assert (await statement_rows.rows(brand=brand, statement=found, reseller="A02")).count == 4
    assert await of_reseller(brand, "A02") == {
        **dict.fromkeys(HANGING, 0),
        "statement": 1,
        "statement_accrual": 3,
        "statement_document": 1,
        "bonus": 1,
    }
    with pytest.raises(queries.StatementUnknownError):
        await queries.statement(brand=brand, statement_no=f"{brand.code}-202603-000001", reseller="A02")


async def test_of_a_sale_below_it_a_reseller_sees_the_article_and_no_quantity(
    brand: Brand, keeper: permissions.Principal
) -> None:
    await published(brand, keeper, 2)
    found = await queries.statement(brand=brand, statement_no=f"{brand.code}-202603-000001", reseller="A01")
    below = [
        each for each in (await statement_rows.rows(brand=brand, statement=found, reseller="A01")).items if (each.level or 0) > 1
    ]
    assert [(each.order_no, each.line_no, each.sku, each.quantity, each.sale_minor) for each in below] == [
        ("E1001", "1", "VIP-Y", None, None),
        ("E1002", "1", "VIP-Y", None, None),
    ]


async def test_a_month_that_was_settled_without_a_run_is_seen_at_once(tmp_path: Path) -> None:
    other = await stored(tmp_path)
    await books.settle_through(other, "2026-03")
    found = await queries.statement(brand=other, statement_no=f"{other.code}-202603-000002", reseller="A02")
    assert (found.net_minor, found.published_at) == (89386, books.NOW)


async def test_the_last_document_publishes_once(brand: Brand) -> None:
    assert await recorded(brand, 1) is False
    assert await state(brand) == (None, None)
    assert await recorded(brand, 2) is True
    assert await state(brand) == (books.NOW, None)
    assert await recorded(brand) is False


async def test_of_two_last_documents_at_once_one_publishes(brand: Brand) -> None:
    assert sorted(await asyncio.gather(recorded(brand, 1), recorded(brand, 2))) == [False, True]
    assert await state(brand) == (books.NOW, None)


async def test_control_without_the_lock_neither_sees_the_other(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Barrier(2)

    async def unlocked(_: Brand) -> None: ...

    async def apart(number: int) -> bool:
        async with db.atomic(brand.id):
            await db.connection().execute(RECORD, brand.id, number, books.NOW)
            done = await publication.when_complete(brand=brand, period=MARCH, now=books.NOW)
            await looked.wait()
        return done

    monkeypatch.setattr(publication, "_lock", unlocked)
    assert list(await asyncio.gather(apart(1), apart(2))) == [False, False]
    assert await state(brand) == (None, None)


async def test_a_person_says_how_many_documents_are_missing(brand: Brand, keeper: permissions.Principal) -> None:
    for missing in (0, 1, 3, -1):
        with pytest.raises(publication.DocumentsDifferError):
            await published(brand, keeper, missing)
    assert await state(brand) == (None, None)
    found = await published(brand, keeper, 2)
    assert (found.published_at, found.published_by) == (books.NOW, keeper.user_id)
    with pytest.raises(publication.RunPublishedError):
        await published(brand, keeper, 2)


async def test_while_documents_are_being_made_nobody_publishes(brand: Brand, keeper: permissions.Principal) -> None:
    (first,) = await task.listing(brand_id=brand.id, kind="document.render")
    await task.retry(first.id)
    with pytest.raises(publication.DocumentsWaitingError):
        await published(brand, keeper, 2)
    assert await state(brand) == (None, None)


async def test_a_draft_is_not_published(tmp_path: Path, keys: crypto.Keys) -> None:
    other = await stored(tmp_path)
    assert await run.compute(brand=other, starts_on=MARCH, now=books.NOW) is not None
    with pytest.raises(run.RunStateError):
        await published(other, await member(keys, other.id, "accountant"), 0)
    assert await state(other) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        "published_at = published_at + interval '1 day'",
        "published_at = NULL",
        "published_by = NULL, published_at = now()",
        "state = 'issuing', issued = 1, issued_at = NULL, published_at = NULL",
        "net_minor = net_minor + 1",
    ],
)
async def test_what_was_published_stays_so(
    brand: Brand, keeper: permissions.Principal, owner: asyncpg.Connection, change: str
) -> None:
    """For the owner of the tables too."""
    await published(brand, keeper, 2)
    async with books.refused(owner, asyncpg.RestrictViolationError, "settlement_run_step"):
        await owner.execute(f"UPDATE settlement_run SET {change} WHERE brand_id = $1", brand.id)


async def test_nothing_else_changes_with_publication(brand: Brand, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.RestrictViolationError, "settlement_run_step"):
        await owner.execute(
            "UPDATE settlement_run SET published_at = now(), issued_at = now() + interval '1 day' WHERE brand_id = $1", brand.id
        )
