"""Two refunds of one line that together take more than it was: one waits for the other and is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.races import duel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ORDER = "O1,1,2026-03-02T10:00:00,R1,web,card,10,1000.00,0,"
REFUND = (
    "INSERT INTO refund (brand_id, order_no, line_no, refund_no, intake, source_row, refunded_at, quantity, amount_minor)"
    " VALUES ($1, 'O1', '1', $2, 1, 9, '2026-03-05T00:00:00Z', $3, $4)"
)


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = books.write(tmp_path_factory.mktemp("a"), code=f"b-{uuid.uuid4().hex[:20]}", orders=[ORDER])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand


def write(brand: Brand, code: str, quantity: int, amount: int) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    async def run(connection: asyncpg.Connection) -> None:
        await connection.execute(REFUND, brand.id, code, quantity, amount)

    return run


async def fight(
    workspace: books.Workspace, brand: Brand, quantity: int, amount: int, isolation: str = duel.READ_COMMITTED
) -> tuple[duel.End, list[tuple[int, int, int]]]:
    end = await duel.fight(
        workspace, brand.id, write(brand, "F1", quantity, amount), write(brand, "F2", quantity, amount), isolation=isolation
    )
    return end, await books.seen(brand, "SELECT count(*), sum(quantity), sum(amount_minor)::bigint FROM refund")


@pytest.mark.parametrize(("quantity", "amount"), [(0, 50_001), (6, 0), (10, 100_000)])
async def test_the_second_waits_and_is_refused(workspace: books.Workspace, brand: Brand, quantity: int, amount: int) -> None:
    end, taken = await fight(workspace, brand, quantity, amount)
    assert end.waited
    assert end.first is None
    assert isinstance(end.second, asyncpg.CheckViolationError)
    assert end.second.constraint_name == "refund_within_line"
    assert taken == [(1, quantity, amount)]


async def test_refunds_that_fit_together_are_both_taken(workspace: books.Workspace, brand: Brand) -> None:
    end, taken = await fight(workspace, brand, 5, 50_000)
    assert end == duel.End(waited=True, first=None, second=None)
    assert taken == [(2, 10, 100_000)]


@pytest.mark.parametrize("isolation", [duel.REPEATABLE_READ, duel.SERIALIZABLE])
async def test_no_isolation_level_of_the_apps_choice_takes_more(workspace: books.Workspace, brand: Brand, isolation: str) -> None:
    end, taken = await fight(workspace, brand, 6, 60_000, isolation)
    assert taken == [(1, 6, 60_000)]
    assert end.second is not None


async def test_control_without_the_lock_both_go_through(workspace: books.Workspace, brand: Brand) -> None:
    lock = "FOR NO KEY UPDATE OF l"
    async with duel.without(workspace, "check_refund_within_line", lock):
        end, taken = await fight(workspace, brand, 6, 60_000)
    assert end == duel.End(waited=False, first=None, second=None)
    assert taken == [(2, 12, 120_000)]


async def test_control_without_the_trigger_both_go_through(workspace: books.Workspace, brand: Brand) -> None:
    async with duel.disabled(workspace, "refund", "refund_within_line"):
        end, taken = await fight(workspace, brand, 6, 60_000)
    assert end == duel.End(waited=False, first=None, second=None)
    assert taken == [(2, 12, 120_000)]
