"""Disputes and confirmations: opened by people of the reseller on what they see, answered once, and never both at once."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.races import duel
from tests.rooms.identity import people
from tests.rooms.settlement import desk

from qucheng.core import crypto, db
from qucheng.settlement import confirmation, dispute

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


async def rows(brand: Brand) -> list[tuple[object, ...]]:
    return await books.seen(
        brand, "SELECT position, reseller, kind, order_no, line_no, refund_no, amount_minor, state FROM dispute"
    )


async def trail(brand: Brand) -> list[tuple[object, ...]]:
    return await books.seen(
        brand, "SELECT action, user_id FROM audit_record WHERE action ~ '^(dispute|statement)[.]' ORDER BY at, id"
    )


async def confirmed(brand: Brand, team: desk.Team, reseller: str = "R1", number: int = 1) -> confirmation.Confirmation:
    who = team.of[reseller]
    return await confirmation.confirm(
        brand_id=brand.id, reseller=reseller, period=desk.JANUARY, number=number, actor=people.actor(who)
    )


async def test_a_row_is_disputed_and_answered_by_a_reason(brand: Brand, team: desk.Team) -> None:
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK, reason="  没有\t退款。 \n\n 请核对 ")
    assert await rows(brand) == [(3, "R1", "reversal", "E1", "1", "F1", -500, "open")]
    seen = await dispute.read(brand_id=brand.id, dispute_id=opened, reseller="R1")
    assert (seen.reason, seen.entry, seen.statement_no) == ("没有 退款。\n\n请核对", "E1/1/1/F1", f"{brand.code}-202601-000001")
    answered = await dispute.reject(brand=brand, dispute_id=opened, reason="退款单 F1 已核对。", actor=people.actor(team.checker))
    assert (answered.state, answered.answer, answered.decided_by) == ("rejected", "退款单 F1 已核对。", team.checker.user_id)
    assert answered.decided_at is not None
    told = await dispute.read(brand_id=brand.id, dispute_id=opened, reseller="R1")
    assert (told.state, told.answer, told.decided_by) == ("rejected", "退款单 F1 已核对。", None)
    assert await trail(brand) == [("dispute.open", team.of["R1"].user_id), ("dispute.reject", team.checker.user_id)]


async def test_positions_are_the_rows_of_the_csv(brand: Brand) -> None:
    found = [
        await dispute.row(brand_id=brand.id, reseller="R1", period=desk.JANUARY, number=1, position=position)
        for position in (1, 2, 3)
    ]
    assert [(each.kind, each.order_no, each.line_no, each.amount_minor) for each in found] == [
        ("accrual", "E1", "1", 1000), ("accrual", "E1", "2", 300), ("reversal", "E1", "1", -500),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reseller", "number", "position"),
    [("R2", 1, 1), ("R1", 2, 1), ("R1", 1, 4), ("R1", 1, 0), ("R1", 1, -1), ("R1", 3, 1), ("R1", 1, 2**31), ("R1", 2**31, 1)],
)
async def test_what_is_not_its_own_is_not_there(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, reseller: str, number: int, position: int
) -> None:
    before = await books.everything(owner)
    with pytest.raises(dispute.RowUnknownError):
        await desk.disputed(brand, team.of[reseller], position, number)
    with pytest.raises(dispute.RowUnknownError):
        await dispute.row(brand_id=brand.id, reseller=reseller, period=desk.JANUARY, number=number, position=position)
    assert await books.everything(owner) == before


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 1001, "a\0b", "a\x07b"])
async def test_a_dispute_says_why(brand: Brand, team: desk.Team, owner: asyncpg.Connection, reason: str) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    before = await books.everything(owner)
    with pytest.raises(dispute.DisputeReasonError):
        await desk.disputed(brand, team.of["R1"], desk.SECOND, reason=reason)
    with pytest.raises(dispute.DisputeReasonError):
        await dispute.reject(brand=brand, dispute_id=opened, reason=reason, actor=people.actor(team.checker))
    assert await books.everything(owner) == before


async def test_a_row_has_one_open_dispute(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    first = await desk.disputed(brand, team.of["R1"])
    before = await books.everything(owner)
    with pytest.raises(dispute.DisputeStandsError):
        await desk.disputed(brand, team.of["R1"])
    assert await books.everything(owner) == before
    await desk.disputed(brand, team.of["R1"], desk.SECOND)
    await dispute.reject(brand=brand, dispute_id=first, reason="对", actor=people.actor(team.checker))
    await desk.disputed(brand, team.of["R1"])
    assert sorted(str(row[0]) for row in await rows(brand)) == ["1", "1", "2"]


async def test_of_two_who_open_at_once_one_does(brand: Brand, team: desk.Team) -> None:
    found = await asyncio.gather(*(desk.disputed(brand, team.of["R1"]) for _ in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == [*["DisputeStandsError"] * 3, "UUID"]
    assert len(await rows(brand)) == 1


async def test_control_without_the_index_all_do(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    made = await owner.fetchval("SELECT pg_get_indexdef('dispute_open_unique'::regclass)")
    await owner.execute("DROP INDEX dispute_open_unique")
    try:
        await asyncio.gather(*(desk.disputed(brand, team.of["R1"]) for _ in range(4)))
        assert len(await rows(brand)) == 4
    finally:
        await owner.execute(
            "ALTER TABLE dispute DISABLE TRIGGER USER; DELETE FROM dispute; ALTER TABLE dispute ENABLE TRIGGER USER"
        )
        await owner.execute(made)


async def test_of_two_who_answer_at_once_one_does(brand: Brand, team: desk.Team) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    found = await asyncio.gather(
        *(
            dispute.reject(brand=brand, dispute_id=opened, reason=str(number), actor=people.actor(team.checker))
            for number in range(4)
        ),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Dispute", *["DisputeStateError"] * 3]
    assert [action for action, _ in await trail(brand)] == ["dispute.open", "dispute.reject"]


async def test_an_unknown_dispute(
    brand: Brand, team: desk.Team, keys: crypto.Keys, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = await desk.settled(tmp_path_factory.mktemp("other"), f"o-{uuid.uuid4().hex[:20]}")
    foreign = await desk.disputed(other, (await desk.team(keys, other)).of["R1"])
    mine = await desk.disputed(brand, team.of["R1"])
    for dispute_id in (uuid.uuid4(), foreign):
        with pytest.raises(dispute.DisputeUnknownError):
            await dispute.reject(brand=brand, dispute_id=dispute_id, reason="x", actor=people.actor(team.checker))
        with pytest.raises(dispute.DisputeUnknownError):
            await dispute.read(brand_id=brand.id, dispute_id=dispute_id)
    with pytest.raises(dispute.DisputeUnknownError):
        await dispute.read(brand_id=brand.id, dispute_id=mine, reseller="R2")
    assert [each.id for each in await dispute.listing(brand_id=brand.id)] == [mine]
    assert await dispute.listing(brand_id=brand.id, reseller="R2") == []


async def test_a_listing_is_of_a_state_a_period_or_a_statement(brand: Brand, team: desk.Team) -> None:
    one = await desk.disputed(brand, team.of["R1"])
    two = await desk.disputed(brand, team.of["R2"], 1, 2)
    await dispute.reject(brand=brand, dispute_id=one, reason="对", actor=people.actor(team.checker))
    for wanted, found in (
        ({}, [two, one]),
        ({"states": ("open",)}, [two]),
        ({"number": 1}, [one]),
        ({"period": desk.JANUARY, "most": 1}, [two]),
        ({"period": desk.JANUARY.replace(month=2)}, []),
        ({"reseller": "R1"}, [one]),
    ):
        assert [each.id for each in await dispute.listing(brand_id=brand.id, **wanted)] == found, wanted


async def test_a_statement_is_confirmed_once(brand: Brand, team: desk.Team) -> None:
    assert await confirmation.read(brand_id=brand.id, period=desk.JANUARY, number=1) is None
    first = await confirmed(brand, team)
    assert first.confirmed_by == team.of["R1"].user_id
    assert await confirmed(brand, team) == first
    assert await confirmation.read(brand_id=brand.id, period=desk.JANUARY, number=1, reseller="R1") == first
    assert await confirmation.read(brand_id=brand.id, period=desk.JANUARY, number=1, reseller="R2") is None
    assert await confirmation.listing(brand_id=brand.id, period=desk.JANUARY) == {1: first}
    assert await trail(brand) == [("statement.confirm", team.of["R1"].user_id)]


async def test_of_many_who_confirm_at_once_one_is_written(brand: Brand, team: desk.Team) -> None:
    found = await asyncio.gather(*(confirmed(brand, team) for _ in range(4)))
    assert [each == found[0] for each in found] == [True] * 4
    assert await trail(brand) == [("statement.confirm", team.of["R1"].user_id)]


@pytest.mark.parametrize(("reseller", "number"), [("R2", 1), ("R1", 2), ("R1", 3)])
async def test_anothers_statement_is_not_confirmed(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, reseller: str, number: int
) -> None:
    before = await books.everything(owner)
    with pytest.raises(confirmation.StatementNotYoursError):
        await confirmed(brand, team, reseller, number)
    assert await books.everything(owner) == before


async def test_an_open_dispute_and_a_confirmation_exclude_each_other(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection
) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    before = await books.everything(owner)
    with pytest.raises(confirmation.ConfirmationDisputedError):
        await confirmed(brand, team)
    assert await books.everything(owner) == before
    await dispute.reject(brand=brand, dispute_id=opened, reason="对", actor=people.actor(team.checker))
    await confirmed(brand, team)
    before = await books.everything(owner)
    with pytest.raises(dispute.DisputeConfirmedError):
        await desk.disputed(brand, team.of["R1"])
    assert await books.everything(owner) == before


async def test_confirming_waits_for_a_dispute_that_is_being_opened(
    workspace: books.Workspace, brand: Brand, team: desk.Team
) -> None:
    async def narrowed(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "SELECT set_config('qucheng.reseller', 'R1', true), set_config('role', 'qucheng_reseller', true)"
        )

    async def open_(connection: asyncpg.Connection) -> None:
        await narrowed(connection)
        await connection.execute(
            "INSERT INTO dispute (brand_id, id, period, number, position, reason, opened_by) VALUES ($1, $2, $3, 1, 1, 'x', $4)",
            brand.id,
            uuid.uuid4(),
            desk.JANUARY,
            team.of["R1"].user_id,
        )

    async def confirm(connection: asyncpg.Connection) -> None:
        await narrowed(connection)
        await connection.execute(
            "INSERT INTO statement_confirmation (brand_id, period, number, confirmed_by) VALUES ($1, $2, 1, $3)",
            brand.id,
            desk.JANUARY,
            team.of["R1"].user_id,
        )

    end = await duel.fight(workspace, brand.id, open_, confirm)
    assert (end.waited, end.first) == (True, None)
    assert isinstance(end.second, asyncpg.RestrictViolationError)
    assert end.second.constraint_name == "statement_confirmation_disputed"
    async with duel.without(workspace, "check_confirmation", "PERFORM lock_statement(NEW.brand_id, NEW.period, NEW.number);"):
        async with db.atomic(brand.id):
            await db.connection().execute("UPDATE dispute SET state = 'rejected', answer = 'x', decided_by = opened_by")
        control = await duel.fight(workspace, brand.id, open_, confirm)
    assert control == duel.End(waited=False, first=None, second=None)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("reason = 'y'", "dispute_step"),
        ("state = 'adjusted', decided_by = opened_by", "dispute_step"),
        ("state = 'rejected', answer = 'x', decided_by = opened_by, amount_minor = 1", "dispute_step"),
        ("state = 'rejected', answer = 'x', decided_by = opened_by, position = 2", "dispute_step"),
        ("state = 'rejected', answer = 'x', decided_by = opened_by, opened_at = now()", "dispute_step"),
        ("answer = 'x'", "dispute_step"),
    ],
)
async def test_the_database_holds_the_steps(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, change: str, constraint: str
) -> None:
    """For the owner of the tables too."""
    opened = await desk.disputed(brand, team.of["R1"])
    async with books.refused(owner, asyncpg.RestrictViolationError, constraint):
        await owner.execute(f"UPDATE dispute SET {change} WHERE id = $1", opened)


async def test_what_was_answered_stays(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    await dispute.reject(brand=brand, dispute_id=opened, reason="对", actor=people.actor(team.checker))
    for change in (
        "state = 'open', answer = NULL, decided_by = NULL, decided_at = NULL",
        "answer = 'other'",
        "decided_by = opened_by",
    ):
        async with books.refused(owner, asyncpg.RestrictViolationError, "dispute_step"):
            await owner.execute(f"UPDATE dispute SET {change} WHERE id = $1", opened)


async def test_a_dispute_begins_by_being_open(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    values = (brand.id, uuid.uuid4(), desk.JANUARY, team.of["R1"].user_id)
    statement = (
        "INSERT INTO dispute (brand_id, id, period, number, position, reason, opened_by{}) VALUES ($1, $2, $3, 1, 1, 'x', $4{})"
    )
    async with books.refused(owner, asyncpg.RestrictViolationError, "dispute_begins"):
        await owner.execute(statement.format(", state, answer, decided_by", ", 'rejected', 'x', $4"), *values)
    for column, value in (("opened_at", "now()"), ("state", "'open'"), ("amount_minor", "1")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.atomic(brand.id, reseller="R1"):
                await db.connection().execute(statement.format(f", {column}", f", {value}"), *values)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(brand.id):
            await db.connection().execute(statement.format("", ""), *values)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with db.atomic(brand.id, reseller="R2"):
            await db.connection().execute(statement.format("", ""), *values)
    assert await rows(brand) == []
