"""The database holds what may become of a card, whoever writes: every pair of states, every pool, every level, whose act it is."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import NEVER, level, opened, sold, stocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ACT = """
    WITH made AS (INSERT INTO stock_act (brand_id, id, kind, at, role) VALUES ($1::uuid, gen_random_uuid(), $2, now(), $3) RETURNING id)
    SELECT set_config('qucheng.stock_act', id::text, true) FROM made"""
# how a card of its batch comes to a state (each from the one named), and what an UPDATE to the state says
LINE = "order_no = 'O1', line_no = '1'"
HELD = "reservation = $1, reserved_until = '2026-11-22T05:00:00Z'"
WAY: dict[str, tuple[str | None, str]] = {
    "inactive": (None, ""),
    "available": ("inactive", "state = 'available'"),
    "reserved": ("available", f"state = 'reserved', {HELD}"),
    "delivered": ("available", f"state = 'delivered', {LINE}"),
    "revealed": ("delivered", "state = 'revealed', revealed_at = '2026-11-22T05:00:00Z'"),
    "redeemed:delivered": ("delivered", "state = 'redeemed', came_from = 'delivered'"),
    "redeemed:revealed": ("revealed", "state = 'redeemed', came_from = 'revealed'"),
    **{
        f"frozen:{state}": (state, f"state = 'frozen', came_from = '{state}'")
        for state in ("inactive", "available", "reserved", "delivered", "revealed")
    },
    "void": ("available", "state = 'void', void_reason = 'withdrawn'"),
}
CLEAR = "came_from = NULL, void_reason = NULL, order_no = NULL, line_no = NULL, reservation = NULL, reserved_until = NULL, revealed_at = NULL, valid_until = NULL"
# what an attempt sets, so that the row is as the state wants it
TO: dict[str, str] = {
    "inactive": f"state = 'inactive', {CLEAR}",
    "available": f"state = 'available', {CLEAR}",
    "reserved": f"state = 'reserved', came_from = NULL, void_reason = NULL, order_no = NULL, line_no = NULL, revealed_at = NULL, {HELD}",
    "delivered": f"state = 'delivered', came_from = NULL, void_reason = NULL, {LINE}, reservation = NULL, reserved_until = NULL, revealed_at = NULL",
    "revealed": f"state = 'revealed', came_from = NULL, void_reason = NULL, {LINE}, reservation = NULL, reserved_until = NULL,"
    " revealed_at = coalesce(revealed_at, '2026-11-22T05:00:00Z')",
    "redeemed": f"state = 'redeemed', void_reason = NULL, came_from = CASE WHEN revealed_at IS NULL THEN 'delivered' ELSE 'revealed' END, {LINE},"
    " reservation = NULL, reserved_until = NULL",
    "frozen": "state = 'frozen', void_reason = NULL, came_from = CASE WHEN state IN ('redeemed', 'frozen', 'void') THEN coalesce(came_from, 'delivered') ELSE state END",
    **{
        f"void:{reason}": f"state = 'void', came_from = NULL, reservation = NULL, reserved_until = NULL, void_reason = '{reason}'"
        for reason in ("expired", "withdrawn", "refunded", "faulty")
    },
}
REFUSERS = {"card_step", "card_holder", "card_came_from_check", "card_holder_check", "card_revealed_check"}
ALLOWED: dict[str, set[str]] = {
    "inactive": {"available", "frozen", "void:expired", "void:withdrawn"},
    "available": {"reserved", "delivered", "frozen", "void:expired", "void:withdrawn"},
    "reserved": {"available", "delivered", "frozen"},
    "delivered": {"revealed", "redeemed", "available", "frozen", "void:expired", "void:faulty"},
    "revealed": {"redeemed", "frozen", "void:refunded", "void:expired", "void:faulty"},
    "redeemed:delivered": {"delivered"},
    "redeemed:revealed": {"revealed"},
    "frozen:inactive": {"inactive", "void:withdrawn", "void:expired"},
    "frozen:available": {"available", "void:withdrawn", "void:expired"},
    "frozen:reserved": {"reserved", "void:withdrawn", "void:expired"},
    "frozen:delivered": {"delivered", "void:withdrawn", "void:expired", "void:refunded"},
    "frozen:revealed": {"revealed", "void:withdrawn", "void:expired", "void:refunded"},
    "void": set(),
}


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """With an order of one line and no cards of its own, and a reservation for nothing."""
    assert workspace
    made = await warehouse.brand(tmp_path_factory.mktemp("held"))
    await opened(made)
    own = await opened(made, "R1")
    await opened(made, "R2")
    await sold(made, "O1", ("1", "tea", 1))
    await stocked(made, *[NEVER] * 20, pool=own)
    return made


@contextlib.asynccontextmanager
async def undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Whatever becomes of it."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest.fixture
async def clerk(owner: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    """The owner itself, standing in the brand: no grant is in its way."""
    await books.stand_in(owner, brand.id)
    return owner


async def act(connection: asyncpg.Connection, brand: Brand, kind: str = "test", role: str = "manager") -> None:
    await connection.execute(ACT, brand.id, kind, role)


async def change(connection: asyncpg.Connection, what: str, *, batch: int = 1) -> None:
    query = f"UPDATE card SET {what} WHERE brand_id = current_brand() AND batch = {batch} AND number = 1"
    assert await connection.execute(query, *([uuid.UUID(int=7)] if "$1" in what else [])) == "UPDATE 1"


async def fresh(connection: asyncpg.Connection, brand: Brand, state: str) -> None:
    """A card that has just come in, inactive or frozen."""
    await connection.execute(
        "INSERT INTO batch (brand_id, number, sku, source, pool, quantity, opened_at) VALUES ($1, 2, 'card', 'imported', 1, 1, now())",
        brand.id,
    )
    await connection.execute("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 2, 1, 'card', 1)", brand.id)
    if state != "inactive":
        await change(connection, WAY[state][1], batch=2)


async def brought(connection: asyncpg.Connection, state: str) -> None:
    """A card of the batch, available so far, to the state; each step is one that the table has."""
    steps = []
    before: str | None = state
    while before not in (None, "available"):
        assert before is not None
        steps.append(WAY[before][1])
        before = WAY[before][0]
    for step in reversed(steps):
        await change(connection, step)


async def test_every_step_that_is_not_in_the_table_is_refused(clerk: asyncpg.Connection, brand: Brand) -> None:
    """Of all pairs: what may be is done, and what may not changes nothing. The control is in it: the allowed ones."""
    done: dict[str, set[str]] = {state: set() for state in WAY}
    for state in WAY:
        for to, what in TO.items():
            async with undone(clerk):
                await act(clerk, brand)
                batch = 2 if state.endswith("inactive") else 1
                await (fresh(clerk, brand, state) if batch == 2 else brought(clerk, state))
                before = await clerk.fetch("SELECT card::text FROM card ORDER BY brand_id, batch, number")
                try:
                    async with clerk.transaction():
                        await change(clerk, what, batch=batch)
                    done[state].add(to)
                except (asyncpg.RestrictViolationError, asyncpg.CheckViolationError) as error:
                    assert error.constraint_name in REFUSERS, (state, to, error)  # noqa: PT017
                    assert await clerk.fetch("SELECT card::text FROM card ORDER BY brand_id, batch, number") == before
    assert done == ALLOWED


async def test_a_state_brings_what_belongs_to_it_and_nothing_else(clerk: asyncpg.Connection, brand: Brand) -> None:
    """Each attempt with what refuses it; the control is the same without what is wrong in it."""
    attempts = [
        ("available", "state = 'delivered'", "card_holder_check"),
        ("available", f"state = 'delivered', {LINE}, revealed_at = now()", "card_revealed_check"),
        ("available", f"state = 'delivered', {LINE}, claim = '{uuid.uuid4()}'", "card_holder_check"),
        ("available", "state = 'reserved', reserved_until = now()", "card_holder_check"),
        ("available", "state = 'reserved', reservation = $1", "card_reserved_check"),
        ("available", "state = 'available', void_reason = 'expired'", "card_void_check"),
        ("available", "state = 'void'", "card_void_check"),
        ("available", "state = 'frozen'", "card_came_from_check"),
        ("available", "state = 'frozen', came_from = 'delivered'", "card_holder_check"),
        ("available", f"state = 'delivered', {LINE}, borrowed = true", "card_pool"),
        ("available", "state = 'delivered', order_no = 'O1', line_no = '9'", "card_line"),
        ("available", "state = 'available', valid_until = '2027-01-01'", "card_valid_check"),
        ("available", "state = 'available'", "card_step"),
        ("delivered", "state = 'revealed', revealed_at = now(), order_no = 'O2'", "card_holder"),
        ("delivered", "state = 'frozen', came_from = 'delivered', order_no = 'O2'", "card_holder"),
        ("delivered", f"state = 'delivered', {LINE}", "card_step"),
        ("delivered", "state = 'available'", "card_holder_check"),
        ("delivered", "state = 'frozen', came_from = 'delivered', valid_until = '2027-01-01'", "card_holder"),
        ("revealed", "state = 'frozen', came_from = 'revealed', revealed_at = now()", "card_holder"),
        ("reserved", "state = 'frozen', came_from = 'reserved', reserved_until = now()", "card_holder"),
    ]
    for state, what, constraint in attempts:
        async with undone(clerk):
            await act(clerk, brand)
            await brought(clerk, state)
            with pytest.raises(asyncpg.PostgresError) as caught:
                async with clerk.transaction():
                    await change(clerk, what)
            assert caught.value.constraint_name == constraint, (state, what, caught.value)


async def test_cards_change_pools_by_allocation_alone(clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    own, other = 1, 2
    async with books.refused(owner, asyncpg.RestrictViolationError, "card_pool"), clerk.transaction():
        await act(clerk, brand, "allocate")
        await change(clerk, f"pool = {other}")
    for kind, role in (("test", "manager"), ("allocate", "admin"), ("allocate", "seller")):
        async with books.refused(owner, asyncpg.RestrictViolationError, "card_allocated"), clerk.transaction():
            await act(clerk, brand, kind, role)
            await change(clerk, "pool = 0")
    async with books.refused(owner, asyncpg.RestrictViolationError, "card_allocated"), clerk.transaction():
        await clerk.execute("SELECT set_config('qucheng.reseller', 'R1', true)")
        await act(clerk, brand, "allocate")
        await change(clerk, "pool = 0")
    async with books.refused(owner, asyncpg.RestrictViolationError, "card_pool"), clerk.transaction():
        await act(clerk, brand, "allocate")
        await change(clerk, "pool = 0")
        await act(clerk, brand, "deliver")
        await change(clerk, f"state = 'delivered', {LINE}")
    async with books.refused(owner, asyncpg.RestrictViolationError, "card_borrowed"), clerk.transaction():
        await act(clerk, brand, "allocate")
        await change(clerk, "pool = 0")
        await act(clerk, brand, "deliver")
        await change(clerk, f"state = 'delivered', {LINE}, pool = {own}, borrowed = true")
    async with undone(clerk):  # the control
        await act(clerk, brand, "allocate")
        moving = "UPDATE card SET pool = 0 WHERE brand_id = current_brand() AND batch = 1 AND number <= 3"
        assert await clerk.execute(moving) == "UPDATE 3"
        moved = await clerk.fetch("SELECT sku, from_pool, to_pool, quantity FROM allocation WHERE brand_id = $1", brand.id)
        assert [tuple(row) for row in moved] == [("card", own, 0, 3)]


async def test_nobody_has_a_card_of_another_s_pool(clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    """Of a line of R2, also by way of a hold; the control is the line of R1, whose pool it is."""
    await sold(brand, "O9", ("1", "tea", 1), reseller="R2", channel="shop")
    for way in ((), (WAY["reserved"][1],)):
        async with books.refused(owner, asyncpg.RestrictViolationError, "card_owner"), clerk.transaction():
            await act(clerk, brand)
            for step in way:
                await change(clerk, step)
            await change(clerk, "state = 'delivered', order_no = 'O9', line_no = '1', reservation = NULL, reserved_until = NULL")
    async with undone(clerk):
        await act(clerk, brand)
        await change(clerk, WAY["delivered"][1])


async def test_who_changes_a_card_answers_for_it_in_the_same_transaction(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.RestrictViolationError, "card_act"):
        await change(clerk, "state = 'frozen', came_from = 'available'")
    earlier = await clerk.fetchval("SELECT id FROM stock_act WHERE brand_id = $1 LIMIT 1", brand.id)
    for named in (earlier, uuid.uuid4()):
        async with books.refused(owner, asyncpg.RestrictViolationError, "card_act"), clerk.transaction():
            await clerk.execute("SELECT set_config('qucheng.stock_act', $1, true)", str(named))
            await change(clerk, "state = 'frozen', came_from = 'available'")


@pytest.mark.parametrize(
    ("attempt", "constraint"),
    [
        ("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 1, 99, 'card', 1)", "card_in"),
        ("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 9, 1, 'card', 1)", "card_in"),
        ("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 8, 1, 'gift', 1)", "card_in"),
        ("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 8, 1, 'card', 0)", "card_in"),
        ("INSERT INTO card (brand_id, batch, number, sku, pool) VALUES ($1, 8, 3, 'card', 1)", "card_in"),
        ("INSERT INTO card (brand_id, batch, number, sku, pool, state) VALUES ($1, 8, 1, 'card', 1, 'available')", "card_in"),
        ("UPDATE card SET number = 50 WHERE brand_id = $1 AND batch = 1 AND number = 1", None),
        ("UPDATE card SET expires_on = '2030-01-01' WHERE brand_id = $1", None),
        ("DELETE FROM card WHERE brand_id = $1", None),
        ("DELETE FROM stock_level WHERE brand_id = $1", None),
        ("UPDATE batch SET state = 'filling' WHERE brand_id = $1 AND number = 1", "batch_step"),
        ("UPDATE batch SET sku = 'gift' WHERE brand_id = $1 AND number = 1", "batch_step"),
    ],
)
async def test_not_even_the_owner(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, attempt: str, constraint: str | None
) -> None:
    """Batch 1 is released; batch 8 is being filled and may have two cards of `card` in pool 1."""
    await clerk.execute(
        "INSERT INTO batch (brand_id, number, sku, source, pool, quantity, opened_at) VALUES ($1, 8, 'card', 'imported', 1, 2, now()) ON CONFLICT DO NOTHING",
        brand.id,
    )
    async with books.refused(owner, asyncpg.RestrictViolationError, constraint):
        await clerk.execute(attempt, brand.id)


@pytest.mark.parametrize("column", ["available", "frozen", "came_in", "moved_in"])
async def test_a_level_that_does_not_add_up_is_refused_even_to_the_owner(
    clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, column: str
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "stock_level_equation"):
        await clerk.execute(f"UPDATE stock_level SET {column} = {column} + 1 WHERE brand_id = $1 AND batch = 1", brand.id)


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE stock_level SET available = available + 1, came_in = came_in + 1",
        "INSERT INTO stock_level (brand_id, pool, batch, sku) SELECT brand_id, pool, number, sku FROM batch",
        "INSERT INTO allocation (brand_id, act, sku, from_pool, to_pool, quantity) SELECT brand_id, id, 'card', 0, 1, 1 FROM stock_act",
        "INSERT INTO card_event SELECT brand_id, batch, number, 99, gen_random_uuid(), 0, 0, 'x', 'y' FROM card",
        "INSERT INTO card (brand_id, batch, number, sku, pool, state) SELECT brand_id, 1, 99, 'card', 1, 'available' FROM batch",
        "UPDATE card SET changes = 0",
        "UPDATE card SET expires_on = 'infinity'",
        "UPDATE pool SET reseller = 'R2' WHERE number = 1",
        "UPDATE pool_sku SET borrowed = 0",
        "DELETE FROM card",
        "DELETE FROM pool",
        "INSERT INTO stock_act (brand_id, id, kind, at, role, in_transaction) SELECT brand_id, gen_random_uuid(), 'x.y', now(), 'owner', 1 FROM pool",
    ],
)
async def test_the_app_cannot(app: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection, attempt: str) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(attempt)


async def test_the_levels_follow_whoever_writes(app: asyncpg.Connection, brand: Brand) -> None:
    """Raw statements of the app's role, and the sums with them."""
    await books.stand_in(app, brand.id)
    before = await level(brand, 1)
    async with app.transaction():
        await act(app, brand, "freeze")
        assert (
            await app.execute("UPDATE card SET state = 'frozen', came_from = state WHERE batch = 1 AND number BETWEEN 5 AND 8")
            == "UPDATE 4"
        )
    assert await level(brand, 1) == {**before, "available": before["available"] - 4, "frozen": 4}
    async with app.transaction():
        await act(app, brand, "unfreeze")
        await app.execute("UPDATE card SET state = came_from, came_from = NULL WHERE batch = 1 AND state = 'frozen'")
    assert await level(brand, 1) == before
    assert await warehouse.differences(brand) == []


async def test_what_was_decided_stays_decided(clerk: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    await sold(brand, "O-case", ("1", "gift", 3))
    await clerk.execute("UPDATE stock_case SET units = 2 WHERE brand_id = $1", brand.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "stock_case_step"):
        await clerk.execute("UPDATE stock_case SET units = 3 WHERE brand_id = $1", brand.id)
    await clerk.execute("UPDATE stock_case SET closed_at = now(), way = 'retried' WHERE brand_id = $1", brand.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "stock_case_step"):
        await clerk.execute("UPDATE stock_case SET closed_at = NULL, way = NULL WHERE brand_id = $1", brand.id)
