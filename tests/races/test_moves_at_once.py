"""Two moves that are each allowed alone and together pass the cap or close a ring: one waits for the other and is refused."""

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

MOVE = "INSERT INTO placement (brand_id, reseller, parent, tier, effective_on) VALUES ($1, $2, $3, 'gold', '2026-03-01')"
JOIN = "INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on) VALUES ($1, $2, $2, 'company', $3, 'gold', '2026-03-01')"
# (statement, who, under whom): P, Q and A are roots without anyone below
PAIRS = {
    "past the cap": ((MOVE, "P", "Q"), (MOVE, "Q", "A")),
    "a ring": ((MOVE, "P", "Q"), (MOVE, "Q", "P")),
    "a join and a move": ((JOIN, "N", "Q"), (MOVE, "Q", "A")),
    "a move and a join": ((MOVE, "Q", "A"), (JOIN, "N", "Q")),
}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    resellers = [f"{code},{code},company,,gold,2026-01-01," for code in "APQ"]
    folder = books.write(tmp_path_factory.mktemp("a"), code=f"b-{uuid.uuid4().hex[:20]}", resellers=resellers)
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand


def write(brand: Brand, event: tuple[str, str, str]) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    statement, who, parent = event

    async def run(connection: asyncpg.Connection) -> None:
        await connection.execute(statement, brand.id, who, parent)

    return run


async def fight(
    workspace: books.Workspace, brand: Brand, pair: str, isolation: str = duel.READ_COMMITTED
) -> tuple[duel.End, int]:
    """How it ended, and how deep the network is afterwards."""
    first, second = PAIRS[pair]
    end = await duel.fight(workspace, brand.id, write(brand, first), write(brand, second), isolation=isolation)
    ((depth,),) = await books.seen(brand, "SELECT max(depth) FROM chain")
    return end, depth


@pytest.mark.parametrize("pair", PAIRS)
async def test_the_second_waits_and_is_refused(workspace: books.Workspace, brand: Brand, pair: str) -> None:
    end, depth = await fight(workspace, brand, pair)
    assert end.waited
    assert end.first is None
    assert isinstance(end.second, asyncpg.CheckViolationError)
    assert end.second.constraint_name == "network_depth"
    assert depth == 2
    ((stored,),) = await books.seen(brand, "SELECT (SELECT count(*) FROM reseller) + (SELECT count(*) FROM placement)")
    assert stored == 4


@pytest.mark.parametrize("isolation", [duel.REPEATABLE_READ, duel.SERIALIZABLE])
@pytest.mark.parametrize("pair", PAIRS)
async def test_no_isolation_level_of_the_apps_choice_gets_round_the_cap(
    workspace: books.Workspace, brand: Brand, pair: str, isolation: str
) -> None:
    end, depth = await fight(workspace, brand, pair, isolation)
    assert depth <= 2
    assert end.second is not None


async def test_moves_of_two_brands_do_not_wait_for_each_other(
    workspace: books.Workspace, brand: Brand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    resellers = [f"{code},{code},company,,gold,2026-01-01," for code in "APQ"]
    folder = books.write(tmp_path_factory.mktemp("b"), code=f"b-{uuid.uuid4().hex[:20]}", resellers=resellers)
    other = await books.found(folder)
    await books.take_in(other, folder)

    async def elsewhere(connection: asyncpg.Connection) -> None:
        await books.stand_in(connection, other.id)
        await write(other, (MOVE, "P", "Q"))(connection)

    end = await duel.fight(workspace, brand.id, write(brand, (MOVE, "P", "Q")), elsewhere)
    assert end == duel.End(waited=False, first=None, second=None)


@pytest.mark.parametrize("pair", PAIRS)
async def test_control_without_the_lock_both_go_through(workspace: books.Workspace, brand: Brand, pair: str) -> None:
    async with duel.without(workspace, "check_network", "PERFORM lock_brand(subject, 'network');"):
        end, depth = await fight(workspace, brand, pair)
    assert end == duel.End(waited=False, first=None, second=None)
    assert depth > 2


async def test_control_without_the_trigger_both_go_through(workspace: books.Workspace, brand: Brand) -> None:
    async with duel.disabled(workspace, "placement", "placement_network"):
        end, depth = await fight(workspace, brand, "a ring")
    assert end == duel.End(waited=False, first=None, second=None)
    assert depth > 2
