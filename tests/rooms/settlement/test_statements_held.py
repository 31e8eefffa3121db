"""Statements are held by the database: numbers without gaps, openings that follow, entries on one statement, sums that add up."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

RESELLERS = [f"R{n},R{n},individual,,gold,2026-01-01," for n in (1, 2, 3)]
# R1 earns 10.00 in March and in April, R2 5.00 in March; a refund in April takes 10.00 of R1 back; a sale waits for June.
ORDERS = [
    "O1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,",
    "O2,1,2026-03-02T10:00:00,R2,web,card,1,50.00,0,",
    "O3,1,2026-04-02T10:00:00,R1,web,card,1,100.00,0,",
    "O4,1,2026-06-02T10:00:00,R1,web,card,1,100.00,0,",
]
REFUNDS = ["F1,O1,1,2026-04-03T10:00:00,1,100.00", "F2,O4,1,2026-06-03T10:00:00,0,50.00"]
ADJUSTMENTS = ["A1,R2,2026-03-05T10:00:00,-9.00,too much", "A2,R1,2026-06-05T10:00:00,1.00,later"]
SUMS = ("opening", "accrued", "reversed", "bonus", "adjustment", "gross", "payable", "tax", "net", "carried")


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """Settled through April; the period of May is open for statements, June has entries that are due."""
    folder = books.write(
        tmp_path_factory.mktemp("a"), code="held", resellers=RESELLERS, orders=ORDERS, refunds=REFUNDS, adjustments=ADJUSTMENTS
    )
    brand = await books.settled(folder, "2026-04")
    async with books.connected(workspace.app, brand.id) as app:
        for month in (2, 5, 6):
            period = {"starts_on": f"2026-0{month}-01", "starts_at": f"2026-0{month}-01", "ends_at": f"2026-0{month + 1}-01"}
            await books.insert(app, "period", {"brand_id": brand.id, **period, "settled_at": books.NOW, "intake": 1})
    return brand


@pytest.fixture
async def clerk(app: asyncpg.Connection, brand: Brand) -> AsyncIterator[asyncpg.Connection]:
    """As the app in the brand; what succeeds is undone."""
    await books.stand_in(app, brand.id)
    async with undone(app):
        yield app


@contextlib.asynccontextmanager
async def undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def statement(brand: Brand, reseller: str, number: int, month: int = 5, **sums: int) -> dict[str, Any]:
    """With no sums it is one of zeros."""
    return {
        "brand_id": brand.id,
        "period": f"2026-{month:02}-01",
        "number": number,
        "statement_no": f"x-{month}-{number}",
        "reseller": reseller,
        "kind": "individual",
        **{f"{name}_minor": sums.get(name, 0) for name in SUMS},
    }


def carrying(brand: Brand, reseller: str, number: int, amount: int, month: int = 5) -> dict[str, Any]:
    return statement(brand, reseller, number, month, adjustment=amount, gross=amount, payable=amount, carried=amount)


async def test_control_the_statements_of_the_story(brand: Brand) -> None:
    found = await books.seen(
        brand,
        "SELECT to_char(period, 'MM'), number, statement_no, reseller, opening_minor, gross_minor, net_minor, carried_minor"
        " FROM statement ORDER BY period, number",
    )
    assert found == [
        ("03", 1, "held-202603-000001", "R1", 0, 1000, 1000, 0),
        ("03", 2, "held-202603-000002", "R2", 0, -400, 0, -400),
        ("04", 1, "held-202604-000001", "R1", 0, 0, 0, 0),
        ("04", 2, "held-202604-000002", "R2", -400, 0, 0, -400),
    ]


async def test_control_numbers_and_openings_that_follow_are_taken(clerk: asyncpg.Connection, brand: Brand) -> None:
    await books.insert(clerk, "statement", carrying(brand, "R3", 1, -5), carrying(brand, "R1", 2, 7))
    await books.insert(clerk, "statement", statement(brand, "R2", 3, opening=-400, payable=-400, carried=-400))
    await books.insert(clerk, "statement", statement(brand, "R3", 1, 6, opening=-5, payable=-5, carried=-5))


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (2, 3), (1_000_000,)], ids=str)
async def test_statement_numbers_have_no_gap(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, numbers: tuple[int, ...]
) -> None:
    fresh = [statement(brand, reseller, number) for reseller, number in zip(("R3", "R1"), numbers, strict=False)]
    async with books.refused(owner, asyncpg.CheckViolationError, "statement_gapless"), clerk.transaction():
        await books.insert(clerk, "statement", *fresh)


async def test_statement_numbers_begin_with_one_and_count_once(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "statement_number_check"), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R3", 0))
    async with books.refused(owner, asyncpg.UniqueViolationError, "statement_pkey"), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R3", 1, 4))
    async with books.refused(owner, asyncpg.UniqueViolationError, "statement_no_unique"), clerk.transaction():
        await books.insert(clerk, "statement", {**statement(brand, "R3", 1), "statement_no": "held-202603-000001"})


async def test_a_reseller_has_one_statement_a_period(clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.UniqueViolationError, "statement_reseller_unique"), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R1", 3, 4))


async def test_a_statement_has_a_period(clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "statement_period_reference"), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R3", 1, 9))


@pytest.mark.parametrize(
    ("reseller", "opening"),
    [("R2", 0), ("R2", -399), ("R2", 400), ("R1", 1), ("R3", -1)],
)
async def test_an_opening_is_what_was_carried(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, reseller: str, opening: int
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "statement_opening"), clerk.transaction():
        await books.insert(
            clerk, "statement", statement(brand, reseller, 1, opening=opening, adjustment=-opening, gross=-opening)
        )


async def test_openings_of_one_insert_are_followed_too(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "statement_opening"), clerk.transaction():
        await books.insert(clerk, "statement", carrying(brand, "R3", 1, 50), statement(brand, "R3", 1, 6))


async def test_a_statement_is_not_slipped_in_before_a_later_one(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "statement_opening"), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R1", 1, 2))
    await books.insert(clerk, "statement", statement(brand, "R3", 1, 2))


@pytest.mark.parametrize(
    ("sums", "constraint"),
    [
        ({"accrued": 100, "gross": 99, "payable": 99, "net": 99}, "statement_gross_check"),
        ({"adjustment": -1}, "statement_gross_check"),
        ({"bonus": 5, "gross": 5, "payable": 6, "net": 6}, "statement_payable_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "net": 4}, "statement_paid_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "net": 5, "tax": 1}, "statement_paid_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "net": 5, "carried": 5}, "statement_paid_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "net": 3, "carried": 2}, "statement_paid_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "tax": 1, "carried": 5}, "statement_paid_check"),
        ({"bonus": 5, "gross": 5, "payable": 5}, "statement_paid_check"),
        ({"bonus": -5, "gross": -5, "payable": -5}, "statement_paid_check"),
        ({"bonus": -5, "gross": -5, "payable": -5, "net": -5}, "statement_net_minor_check"),
        ({"bonus": 5, "gross": 5, "payable": 5, "net": 6, "tax": -1}, "statement_tax_minor_check"),
        ({"accrued": -5, "gross": -5, "payable": -5, "carried": -5}, "statement_accrued_minor_check"),
        ({"reversed": 5, "gross": 5, "payable": 5, "net": 5}, "statement_reversed_minor_check"),
    ],
    ids=str,
)
async def test_the_sums_of_a_statement_add_up(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, sums: dict[str, int], constraint: str
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, constraint), clerk.transaction():
        await books.insert(clerk, "statement", statement(brand, "R3", 1, **sums))


# what is due in June, each with the table of its membership
DUE: dict[str, dict[str, Any]] = {
    "accrual": {"order_no": "O4", "line_no": "1", "level": 1},
    "reversal": {"order_no": "O4", "line_no": "1", "level": 1, "refund_no": "F2"},
    "adjustment": {"code": "A2"},
}


async def put(
    clerk: asyncpg.Connection, brand: Brand, kind: str, entry: dict[str, Any], *, month: int = 6, number: int = 1
) -> None:
    row = {"brand_id": brand.id, **entry, "period": f"2026-{month:02}-01", "number": number}
    await books.insert(clerk, f"statement_{kind}", row)


@pytest.mark.parametrize("kind", DUE)
async def test_control_an_entry_goes_onto_its_resellers_statement(clerk: asyncpg.Connection, brand: Brand, kind: str) -> None:
    await books.insert(clerk, "statement", statement(brand, "R1", 1, 6))
    await put(clerk, brand, kind, DUE[kind])
    assert await clerk.fetchval("SELECT count(*) FROM statement_entry WHERE period = '2026-06-01'") == 1


@pytest.mark.parametrize("kind", DUE)
async def test_an_entry_is_on_one_statement_only(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    await books.insert(clerk, "statement", statement(brand, "R1", 1, 5))
    await books.insert(clerk, "statement", statement(brand, "R1", 1, 6))
    await put(clerk, brand, kind, DUE[kind], month=5)
    async with books.refused(owner, asyncpg.UniqueViolationError, f"statement_{kind}_pkey"), clerk.transaction():
        await put(clerk, brand, kind, DUE[kind], month=6)


@pytest.mark.parametrize("kind", DUE)
async def test_an_entry_that_is_on_a_settled_statement_goes_onto_no_other(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    settled = await books.row(clerk, f"SELECT * FROM statement_{kind} ORDER BY period LIMIT 1")
    whose = await clerk.fetchval(
        "SELECT reseller FROM statement WHERE period = $1::text::date AND number = $2", settled["period"], settled["number"]
    )
    await books.insert(clerk, "statement", {"R1": statement(brand, "R1", 1, 6), "R2": carrying_on(brand)}[whose])
    async with books.refused(owner, asyncpg.UniqueViolationError, f"statement_{kind}_pkey"), clerk.transaction():
        await books.insert(clerk, f"statement_{kind}", {**settled, "period": "2026-06-01", "number": 1})


def carrying_on(brand: Brand) -> dict[str, Any]:
    return statement(brand, "R2", 1, 6, opening=-400, payable=-400, carried=-400)


@pytest.mark.parametrize("kind", DUE)
async def test_an_entry_goes_onto_no_other_resellers_statement(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    await books.insert(clerk, "statement", carrying_on(brand))
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, f"statement_{kind}_membership"), clerk.transaction():
        await put(clerk, brand, kind, DUE[kind])


@pytest.mark.parametrize("kind", DUE)
async def test_a_statement_takes_no_entry_that_does_not_exist(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    await books.insert(clerk, "statement", statement(brand, "R1", 1, 6))
    absent = {**DUE[kind], **({"code": "A9"} if kind == "adjustment" else {"order_no": "O9"})}
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, f"statement_{kind}_membership"), clerk.transaction():
        await put(clerk, brand, kind, absent)


@pytest.mark.parametrize("kind", DUE)
async def test_an_entry_goes_onto_no_statement_that_does_not_exist(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
        async with clerk.transaction():
            await put(clerk, brand, kind, DUE[kind], number=7)
    assert caught.value.constraint_name in (f"statement_{kind}_membership", f"statement_{kind}_statement_reference")
    assert await owner.fetchval(f"SELECT count(*) FROM statement_{kind} WHERE number = 7") == 0


@pytest.mark.parametrize("kind", DUE)
async def test_a_settled_statement_takes_no_further_entry(
    app: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, kind: str
) -> None:
    """As with the legs of a journal entry: what is on a statement comes in the statement's own transaction."""
    await books.stand_in(app, brand.id)
    before = await books.everything(owner)
    async with undone(app):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await put(app, brand, kind, DUE[kind], month=4)
    assert await books.everything(owner) == before


async def test_a_bonus_is_born_on_a_statement_of_its_reseller(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    bonus = {
        "brand_id": brand.id,
        "period": "2026-06-01",
        "reseller": "R1",
        "rule": "OWN",
        "of_period": "2026-06-01",
        "basis_value": 1,
        "amount_minor": 1,
        "occurred_at": books.NOW,
    }
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "bonus_statement_reference"), clerk.transaction():
        await books.insert(clerk, "bonus", bonus)
    await books.insert(clerk, "statement", statement(brand, "R1", 1, 6))
    async with books.refused(owner, asyncpg.CheckViolationError, "bonus_amount_minor_check"), clerk.transaction():
        await books.insert(clerk, "bonus", {**bonus, "amount_minor": 0})
    async with books.refused(owner, asyncpg.CheckViolationError, "bonus_check"), clerk.transaction():
        await books.insert(clerk, "bonus", {**bonus, "of_period": "2026-07-01"})
    await books.insert(clerk, "bonus", bonus)


@pytest.mark.parametrize(
    "table",
    ["statement", "statement_accrual", "statement_reversal", "statement_adjustment", "adjustment", "bonus", "period"],
)
@pytest.mark.parametrize("change", ["UPDATE {0} SET brand_id = brand_id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_statements_are_append_only_for_the_app_and_for_the_owner(
    clerk: asyncpg.Connection, owner: asyncpg.Connection, table: str, change: str
) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError), clerk.transaction():
        await clerk.execute(change.format(table))
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(change.format(table))


async def test_a_period_starts_on_the_first_and_is_settled_once(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    period = await books.row(clerk, "SELECT * FROM period WHERE brand_id = $1 AND starts_on = '2026-03-01'", brand.id)
    async with books.refused(owner, asyncpg.UniqueViolationError, "period_pkey"), clerk.transaction():
        await books.insert(clerk, "period", period)
    async with books.refused(owner, asyncpg.CheckViolationError, "period_starts_on_check"), clerk.transaction():
        await books.insert(clerk, "period", {**period, "starts_on": "2026-08-02"})
    async with books.refused(owner, asyncpg.CheckViolationError, "period_dates_check"), clerk.transaction():
        await books.insert(clerk, "period", {**period, "starts_on": "2026-08-01", "ends_at": period["starts_at"]})
