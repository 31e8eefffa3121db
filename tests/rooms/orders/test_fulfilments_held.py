"""Fulfilments and clocks are held by the database: no unit has an event twice, and no clock starts but at its event."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.commission.test_hold_clock import at, line, sold

from qucheng.core import db
from qucheng.orders import fulfilment, intake

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

EVENT = {
    "order_no": "WAITS",
    "line_no": "1",
    "event": "delivered",
    "at": "2026-02-06T10:00:00+08:00",
    "intake": 1,
    "source_row": 9,
}
CLOCK = {"order_no": "WAITS", "line_no": "1", "intake": 1}


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """A line that is not held, one whose clock runs, and one of two units that waits."""
    assert workspace
    folder = sold(
        tmp_path_factory.mktemp("a") / "bundle",
        code="held",
        orders=[line("PAID", "card"), line("DONE", "gift"), line("WAITS", "gift", 2)],
        fulfilments=["DONE,1,delivered,2026-02-05T10:00:00,1"],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand


@pytest.fixture
async def teller(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


def event(**changes: Any) -> fulfilment.Event:
    given: dict[str, Any] = {"order_no": "WAITS", "line_no": "1", "event": "redeemed", "at": at(2, 6), "quantity": 1}
    return fulfilment.Event(**{**given, **changes})


async def record(brand: Brand, *events: fulfilment.Event) -> int:
    async with db.atomic(brand.id):
        number = await intake.enter(now=books.NOW)
        return await fulfilment.record(brand_id=brand.id, intake=number, events=events)


async def test_what_is_recorded_twice_is_recorded_once(brand: Brand) -> None:
    assert await record(brand, event(), event(at=at(2, 7))) == 2
    assert await record(brand, event(), event(order_no="PAID")) == 1
    assert await record(brand) == 0
    stored = await books.seen(
        brand, "SELECT order_no, at, quantity FROM fulfilment WHERE event = 'redeemed' ORDER BY order_no, at"
    )
    assert stored == [("PAID", at(2, 6), 1), ("WAITS", at(2, 6), 1), ("WAITS", at(2, 7), 1)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"order_no": "NOBODY"}, fulfilment.FulfilmentUnknownLineError),
        ({"order_no": "DONE", "event": "delivered", "at": at(2, 5), "quantity": 2}, fulfilment.FulfilmentConflictError),
        ({"event": "delivered", "at": at(2, 1)}, fulfilment.FulfilmentEarlyError),
        ({"event": "delivered", "quantity": 3}, fulfilment.FulfilmentExceedsError),
    ],
    ids=["unknown", "conflict", "early", "exceeds"],
)
async def test_what_cannot_be_is_refused_with_all_that_came_with_it(
    brand: Brand, owner: asyncpg.Connection, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    await record(brand)  # the open intake is there
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await record(brand, event(order_no="DONE", at=at(2, 9)), event(**changes))
    assert await books.everything(owner) == before


async def test_two_at_once_do_not_both_take_the_last_unit(
    workspace: books.Workspace, brand: Brand, owner: asyncpg.Connection
) -> None:
    """The second waits for the first and then sees what it took; without the check both pass."""
    first, second = {**EVENT, "quantity": 2}, {**EVENT, "at": "2026-02-07T10:00:00+08:00", "quantity": 1}
    assert await _both(workspace, brand, first, second) == "fulfilment_within_line"
    await owner.execute("ALTER TABLE fulfilment DISABLE TRIGGER fulfilment_within_line")
    try:
        assert await _both(workspace, brand, first, second) is None
    finally:
        await owner.execute("ALTER TABLE fulfilment ENABLE TRIGGER fulfilment_within_line")


async def _both(workspace: books.Workspace, brand: Brand, first: dict[str, Any], second: dict[str, Any]) -> str | None:
    """What refuses the second where the first is committed while it waits; nothing of either stays."""
    async with books.connected(workspace.owner, brand.id) as one, books.connected(workspace.owner, brand.id) as other:
        started, waiting = one.transaction(), other.transaction()
        await started.start()
        await waiting.start()
        refusal: str | None = None
        try:
            await books.insert(one, "fulfilment", {**first, "brand_id": brand.id})
            late = asyncio.create_task(books.insert(other, "fulfilment", {**second, "brand_id": brand.id}))
            done, _ = await asyncio.wait({late}, timeout=0.5)
            await started.commit()
            try:
                await late
            except asyncpg.CheckViolationError as error:
                assert not done
                refusal = error.constraint_name
        finally:
            await waiting.rollback()
            await one.execute("ALTER TABLE fulfilment DISABLE TRIGGER append_only")
            await one.execute("DELETE FROM fulfilment WHERE source_row = 9")
            await one.execute("ALTER TABLE fulfilment ENABLE TRIGGER append_only")
    return refusal


@pytest.mark.parametrize(
    "changes",
    [
        {"order_no": "PAID", "started_at": "2026-02-02T10:00:00+08:00", "matures_at": "2026-02-09T10:00:00+08:00"},
        {"started_at": "2026-02-05T10:00:00+08:00", "matures_at": "2026-02-12T10:00:00+08:00"},
        {"started_at": "2026-02-08T10:00:00+08:00", "matures_at": "2026-02-15T10:00:00+08:00"},
        {"started_at": "2026-02-06T10:00:00+08:00", "matures_at": "2026-02-13T10:00:01+08:00"},
    ],
    ids=["of a line that is not held", "before its event", "after its event", "with another hold"],
)
async def test_a_wrong_clock_is_refused(
    teller: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, changes: dict[str, Any]
) -> None:
    transaction = teller.transaction()
    await transaction.start()
    await books.insert(teller, "fulfilment", {**EVENT, "quantity": 2, "brand_id": brand.id})
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await books.insert(teller, "line_clock", {**CLOCK, **changes, "brand_id": brand.id})
    assert caught.value.constraint_name == "line_clock_start"
    await transaction.rollback()
    assert await owner.fetchval("SELECT count(*) FROM line_clock") == 1


async def test_control_the_right_clock_is_taken_and_a_second_is_not(teller: asyncpg.Connection, brand: Brand) -> None:
    clock = {**CLOCK, "started_at": "2026-02-06T10:00:00+08:00", "matures_at": "2026-02-13T10:00:00+08:00", "brand_id": brand.id}
    transaction = teller.transaction()
    await transaction.start()
    await books.insert(teller, "fulfilment", {**EVENT, "quantity": 2, "brand_id": brand.id})
    await books.insert(teller, "line_clock", clock)
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await books.insert(teller, "line_clock", {**clock, "started_at": dt.datetime(2026, 2, 9, tzinfo=dt.UTC).isoformat()})
    assert caught.value.constraint_name == "line_clock_pkey"
    await transaction.rollback()


@pytest.mark.parametrize("table", ["fulfilment", "line_clock"])
async def test_history_stays(teller: asyncpg.Connection, owner: asyncpg.Connection, table: str) -> None:
    for statement in (f"UPDATE {table} SET line_no = line_no", f"DELETE FROM {table}"):
        async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
            await teller.execute(statement)
        async with books.refused(owner, asyncpg.RestrictViolationError):
            await owner.execute(statement)
