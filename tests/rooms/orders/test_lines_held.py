"""Order lines and refunds are held by the database: no refund takes more than its line, and history stays as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

# line 1: 10 units, 1000.00 net, of which 4 units and 300.00 came back; line 2: 3 units, 90.00 net
ORDERS = [
    "O1,1,2026-03-02T10:00:00+08:00,R1,web,card,10,1000.00,0,",
    "O1,2,2026-03-02T10:00:00+08:00,R1,web,card,3,100.00,10.00,",
]
REFUNDS = ["F1,O1,1,2026-03-05T10:00:00+08:00,4,300.00"]


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = books.write(tmp_path_factory.mktemp("a"), code="held", orders=ORDERS, refunds=REFUNDS)
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand


@pytest.fixture
async def teller(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


def refund(brand: Brand, code: str, quantity: int, amount: int, *, line: str = "1", day: int = 6) -> dict[str, Any]:
    return {
        "brand_id": brand.id,
        "order_no": "O1",
        "line_no": line,
        "refund_no": code,
        "intake": 1,
        "source_row": 9,
        "refunded_at": f"2026-03-{day:02}T00:00:00Z",
        "quantity": quantity,
        "amount_minor": amount,
    }


async def test_control_refunds_up_to_the_line_are_taken(teller: asyncpg.Connection, brand: Brand) -> None:
    transaction = teller.transaction()
    await transaction.start()
    await books.insert(teller, "refund", refund(brand, "A", 6, 70_000), refund(brand, "A", 3, 9_000, line="2", day=3))
    await books.insert(teller, "refund", refund(brand, "B", 0, 0))
    await transaction.rollback()


@pytest.mark.parametrize(
    "refunds",
    [
        pytest.param([("A", 0, 70_001, "1")], id="more money than is left"),
        pytest.param([("A", 7, 0, "1")], id="more units than are left"),
        pytest.param([("A", 0, 9_001, "2")], id="more than the net, less than the gross"),
        pytest.param([("A", 4, 0, "2")], id="more units than were sold"),
        pytest.param([("A", 3, 35_000, "1"), ("B", 3, 35_001, "1")], id="two at once"),
        pytest.param([("A", 1, 1, "1"), ("A", 4, 0, "2")], id="a good one and a bad one"),
        pytest.param([("A", 0, 2**63 - 1, "1"), ("B", 0, 2**63 - 1, "1")], id="past 64 bits"),
    ],
)
async def test_refunds_never_take_more_than_the_line(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, refunds: list[tuple[str, int, int, str]]
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "refund_within_line"):
        await books.insert(
            teller, "refund", *(refund(brand, code, units, money, line=line) for code, units, money, line in refunds)
        )


async def test_refunds_never_take_more_than_the_line_in_several_statements(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "refund_within_line"), teller.transaction():
        await books.insert(teller, "refund", refund(brand, "A", 3, 40_000))
        await books.insert(teller, "refund", refund(brand, "B", 3, 40_000))


async def test_a_refund_does_not_come_before_its_payment(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "refund_within_line"):
        await books.insert(teller, "refund", refund(brand, "A", 0, 1, day=2))
    early = {**refund(brand, "A", 0, 1), "refunded_at": "-infinity"}
    async with books.refused(owner, asyncpg.CheckViolationError, "refund_within_line"):
        await books.insert(teller, "refund", early)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"amount_minor": -1}, "refund_amount_minor_check"),
        ({"quantity": -1}, "refund_quantity_check"),
        ({"refund_no": ""}, "refund_refund_no_check"),
    ],
    ids=str,
)
async def test_a_refund_takes_and_never_gives(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, changes: dict[str, Any], constraint: str
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await books.insert(teller, "refund", {**refund(brand, "A", 0, 0), **changes})


async def test_a_refund_number_counts_once_for_a_line(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.UniqueViolationError, "refund_pkey"):
        await books.insert(teller, "refund", refund(brand, "F1", 0, 1))


async def test_a_refund_has_a_line(teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "refund_line_reference"):
        await books.insert(teller, "refund", refund(brand, "A", 0, 0, line="3"))


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"net_minor": 100_001}, "order_line_check"),
        ({"gross_minor": 5, "discount_minor": 6, "net_minor": -1}, "order_line_check"),
        ({"discount_minor": -1, "net_minor": 100_001}, "order_line_discount_minor_check"),
        ({"quantity": 0}, "order_line_quantity_check"),
        ({"quantity": 1_000_001}, "order_line_quantity_check"),
    ],
    ids=str,
)
async def test_a_line_adds_up(
    teller: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, changes: dict[str, Any], constraint: str
) -> None:
    row = await books.row(teller, "SELECT * FROM order_line WHERE brand_id = $1 AND line_no = '1'", brand.id)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await books.insert(teller, "order_line", {**row, "order_no": "O2", **changes})


async def test_a_line_is_sold_once(teller: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.UniqueViolationError, "order_line_pkey"):
        await teller.execute("INSERT INTO order_line SELECT * FROM order_line")


@pytest.mark.parametrize("table", ["order_line", "refund"])
@pytest.mark.parametrize("change", ["UPDATE {0} SET quantity = 1", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_sales_are_append_only_for_the_app_and_for_the_owner(
    teller: asyncpg.Connection, owner: asyncpg.Connection, table: str, change: str
) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await teller.execute(change.format(table))
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(change.format(table))
