"""Approvals: what was asked for stays as it is, another decides, it is done once; whoever tries otherwise, and however many at once."""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.races import duel
from tests.rooms.identity.people import NOW, actor, member, principal, role_of

from qucheng.core import audit, db
from qucheng.identity import approval
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

PAYLOAD = {"reseller": "R1", "amount_minor": -1250, "reason": "更正"}
Two = tuple["permissions.Principal", "permissions.Principal"]


@pytest.fixture
async def two(keys: crypto.Keys, empty_brand: Brand) -> Two:
    """Two accountants of the brand."""
    one, other = [await member(keys, empty_brand.id, "accountant") for _ in range(2)]
    return one, other


async def asked(who: permissions.Principal, payload: dict[str, Any] | None = None) -> uuid.UUID:
    return await approval.request(principal=who, action="adjustment.add", payload=payload or PAYLOAD, actor=actor(who))


async def approve(who: permissions.Principal, brand_id: uuid.UUID, approval_id: uuid.UUID) -> approval.Approval:
    return await approval.approve(principal=who, brand_id=brand_id, approval_id=approval_id, actor=actor(who))


async def do(
    brand_id: uuid.UUID, approval_id: uuid.UUID, payload: dict[str, Any] | None = None, action: str = "adjustment.add"
) -> None:
    """An effect of an approval: an account for each time."""
    async with db.atomic(brand_id):
        await approval.consume(brand_id=brand_id, approval_id=approval_id, action=action, payload=payload or PAYLOAD)
        await db.connection().execute("INSERT INTO account (brand_id, code) VALUES ($1, $2)", brand_id, f"asset:{uuid.uuid4()}")


async def effects(brand: Brand) -> int:
    return int((await books.seen(brand, "SELECT count(*) FROM account WHERE code LIKE 'asset:%-%-%'"))[0][0])


async def run_out(owner: asyncpg.Connection, approval_id: uuid.UUID) -> None:
    """Its time, as if three days had gone by."""
    await owner.execute("ALTER TABLE approval DISABLE TRIGGER approval_step")
    await owner.execute("UPDATE approval SET expires_at = clock_timestamp() - interval '1 ms' WHERE id = $1", approval_id)
    await owner.execute("ALTER TABLE approval ENABLE TRIGGER approval_step")


async def test_one_asks_another_allows_and_it_is_done_once(empty_brand: Brand, two: Two, owner: asyncpg.Connection) -> None:
    one, other = two
    approval_id = await asked(one)
    waiting = await approval.read(brand_id=empty_brand.id, approval_id=approval_id)
    assert (waiting.state, waiting.payload, waiting.maker, waiting.checker) == ("waiting", PAYLOAD, one.user_id, None)
    assert (waiting.expires_at - waiting.requested_at).total_seconds() == pytest.approx(72 * 3600, abs=1)
    assert waiting.sha256 == hashlib.sha256('{"amount_minor":-1250,"reason":"更正","reseller":"R1"}'.encode()).hexdigest()
    with pytest.raises(approval.ApprovalStateError):
        await do(empty_brand.id, approval_id)
    assert (await approve(other, empty_brand.id, approval_id)).checker == other.user_id
    await do(empty_brand.id, approval_id)
    with pytest.raises(approval.ApprovalStateError):
        await do(empty_brand.id, approval_id)
    assert await effects(empty_brand) == 1
    assert (await approval.read(brand_id=empty_brand.id, approval_id=approval_id)).state == "executed"
    trail = [(each.action, each.user_id, each.approval) for each in await audit.listing(brand_id=empty_brand.id)]
    assert trail[:2] == [("approval.approve", other.user_id, approval_id), ("approval.request", one.user_id, approval_id)]
    assert await owner.fetchval("SELECT count(*) FROM approval WHERE brand_id = $1", empty_brand.id) == 1


async def test_nobody_decides_what_they_asked_for(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    with pytest.raises(approval.NotAllowedToDecideError):
        await approve(two[0], empty_brand.id, approval_id)
    assert (await approval.read(brand_id=empty_brand.id, approval_id=approval_id)).state == "waiting"


@pytest.mark.parametrize(
    "payload",
    [
        {**PAYLOAD, "amount_minor": -1251},
        {**PAYLOAD, "more": 1},
        {"reseller": "R1", "amount_minor": -1250},
        {**PAYLOAD, "amount_minor": "-1250"},
    ],
    ids=str,
)
async def test_only_what_was_allowed_is_done(empty_brand: Brand, two: Two, payload: dict[str, Any]) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    with pytest.raises(approval.ApprovalDiffersError):
        await do(empty_brand.id, approval_id, payload)
    with pytest.raises(approval.ApprovalDiffersError):
        await do(empty_brand.id, approval_id, action="run.issue")
    assert await effects(empty_brand) == 0
    await do(empty_brand.id, approval_id, dict(reversed(PAYLOAD.items())))  # the order of keys says nothing
    assert await effects(empty_brand) == 1


async def test_an_effect_that_fails_uses_nothing_up(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.atomic(empty_brand.id):
            await approval.consume(brand_id=empty_brand.id, approval_id=approval_id, action="adjustment.add", payload=PAYLOAD)
            await db.connection().execute("INSERT INTO account (brand_id, code) VALUES ($1, 'no account')", empty_brand.id)
    assert (await approval.read(brand_id=empty_brand.id, approval_id=approval_id)).state == "approved"
    await do(empty_brand.id, approval_id)


async def test_after_three_days_it_is_over(empty_brand: Brand, two: Two, owner: asyncpg.Connection) -> None:
    late, later = await asked(two[0]), await asked(two[0])
    await approve(two[1], empty_brand.id, later)
    for approval_id in (late, later):
        await run_out(owner, approval_id)
    with pytest.raises(approval.ApprovalExpiredError):
        await approve(two[1], empty_brand.id, late)
    with pytest.raises(approval.ApprovalExpiredError):
        await do(empty_brand.id, later)
    assert await approval.expire(brand_id=empty_brand.id) == 2
    assert await approval.expire(brand_id=empty_brand.id) == 0
    assert {each.state for each in await approval.listing(brand_id=empty_brand.id, states=("expired",))} == {"expired"}
    with pytest.raises(approval.ApprovalStateError):
        await do(empty_brand.id, later)
    assert await effects(empty_brand) == 0


async def test_a_rejection_says_why_and_is_final(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    reject = {"principal": two[1], "brand_id": empty_brand.id, "approval_id": approval_id, "actor": actor(two[1])}
    with pytest.raises(approval.ReasonMissingError):
        await approval.reject(reason=" ", **reject)  # type: ignore[arg-type]
    found = await approval.reject(reason=" 金额不符 ", **reject)  # type: ignore[arg-type]
    assert (found.state, found.reason) == ("rejected", "金额不符")
    with pytest.raises(approval.ApprovalStateError):
        await approve(two[1], empty_brand.id, approval_id)
    with pytest.raises(approval.ApprovalStateError):
        await do(empty_brand.id, approval_id)


@pytest.mark.parametrize("role", ["auditor", "support", "admin"])
async def test_other_roles_neither_ask_nor_decide(
    keys: crypto.Keys, empty_brand: Brand, two: Two, role: permissions.Role
) -> None:
    who = await member(keys, empty_brand.id, role, reseller="R1" if role == "admin" else None)
    with pytest.raises(approval.NotAllowedToAskError):
        await asked(who)
    approval_id = await asked(two[0])
    with pytest.raises(approval.NotAllowedToDecideError):
        await approve(who, empty_brand.id, approval_id)


async def test_who_only_says_to_have_the_role_decides_nothing(keys: crypto.Keys, empty_brand: Brand, two: Two) -> None:
    """The database is asked, not the session: of another brand, of none, or without the second factor."""
    approval_id = await asked(two[0])
    nobody = await member(keys, empty_brand.id, "auditor")
    claimed = principal(nobody.user_id, empty_brand.id, "accountant")
    with pytest.raises(approval.NotAllowedToDecideError):
        await approve(claimed, empty_brand.id, approval_id)
    with pytest.raises(approval.ApprovalUnknownError):
        await approve(two[1], uuid.uuid4(), approval_id)


async def test_a_checker_who_lost_the_role_takes_the_word_back(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    await memberships.revoke(
        brand_id=empty_brand.id, membership_id=await role_of(two[1].user_id, empty_brand.id), actor=audit.SYSTEM, now=NOW
    )
    with pytest.raises(approval.NotAllowedToDecideError):
        await do(empty_brand.id, approval_id)
    assert await effects(empty_brand) == 0


async def test_so_does_one_whose_account_was_locked(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    await users.set_state(user_id=two[1].user_id, state="locked", actor=audit.SYSTEM, now=NOW)
    with pytest.raises(approval.NotAllowedToDecideError):
        await do(empty_brand.id, approval_id)


async def test_the_operator_decides_only_where_the_brand_has_nobody_else(keys: crypto.Keys, empty_brand: Brand) -> None:
    operator = await member(keys, audit.PLATFORM, "operator")
    alone = await member(keys, empty_brand.id, "owner")
    approval_id = await asked(alone)
    found = await approve(operator, empty_brand.id, approval_id)
    assert found.checker == operator.user_id
    second = await asked(alone)
    await member(keys, empty_brand.id, "manager")
    with pytest.raises(approval.NotAllowedToDecideError, match="people of its own"):
        await approve(operator, empty_brand.id, second)


async def test_of_many_who_do_it_at_once_one_does(empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    found = await asyncio.gather(*(do(empty_brand.id, approval_id) for _ in range(8)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == [*["ApprovalStateError"] * 7, "NoneType"]
    assert await effects(empty_brand) == 1


async def test_control_without_lock_and_trigger_several_do(workspace: books.Workspace, empty_brand: Brand, two: Two) -> None:
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    looked = asyncio.Barrier(3)

    async def unlocked() -> None:
        async with db.atomic(empty_brand.id):
            state = await db.connection().fetchval("SELECT state FROM approval WHERE id = $1", approval_id)
            await looked.wait()
            assert state == "approved"
            await db.connection().execute(
                "UPDATE approval SET state = 'executed', executed_at = now() WHERE id = $1", approval_id
            )
            await db.connection().execute(
                "INSERT INTO account (brand_id, code) VALUES ($1, $2)", empty_brand.id, f"asset:{uuid.uuid4()}"
            )

    found = await asyncio.gather(*(unlocked() for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == [
        "NoneType",
        *["RestrictViolationError"] * 2,
    ]  # the trigger holds alone
    assert await effects(empty_brand) == 1
    again = await asked(two[0])
    await approve(two[1], empty_brand.id, again)
    approval_id, looked = again, asyncio.Barrier(3)
    async with duel.disabled(workspace, "approval", "approval_step"):
        await asyncio.gather(*(unlocked() for _ in range(3)))
    assert await effects(empty_brand) == 4


async def test_of_two_who_decide_at_once_one_does(keys: crypto.Keys, empty_brand: Brand, two: Two) -> None:
    third = await member(keys, empty_brand.id, "manager")
    approval_id = await asked(two[0])
    found = await asyncio.gather(
        approve(two[1], empty_brand.id, approval_id),
        approval.reject(principal=third, brand_id=empty_brand.id, approval_id=approval_id, reason="no", actor=actor(third)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Approval", "ApprovalStateError"]


async def test_a_revocation_waits_for_what_the_role_allowed(workspace: books.Workspace, empty_brand: Brand, two: Two) -> None:
    """Done first, the role is revoked after it; revoked first, nothing is done: never both half."""
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    role = await role_of(two[1].user_id, empty_brand.id)
    held = "SELECT hold_role($1, $2, $3)"

    async def execute(connection: asyncpg.Connection) -> None:
        assert await connection.fetchval(held, two[1].user_id, empty_brand.id, ["accountant"]) == "accountant"

    async def revoke(connection: asyncpg.Connection) -> None:
        await connection.execute("UPDATE membership SET revoked_at = $2 WHERE id = $1", role, NOW)

    assert await duel.fight(workspace, empty_brand.id, execute, revoke) == duel.End(waited=True, first=None, second=None)
    with pytest.raises(approval.NotAllowedToDecideError):
        await do(empty_brand.id, approval_id)
    async with duel.without(workspace, "hold_role", " FOR SHARE"):
        other = await role_of(two[0].user_id, empty_brand.id)

        async def execute_other(connection: asyncpg.Connection) -> None:
            assert await connection.fetchval(held, two[0].user_id, empty_brand.id, ["accountant"]) == "accountant"

        async def revoke_other(connection: asyncpg.Connection) -> None:
            await connection.execute("UPDATE membership SET revoked_at = $2 WHERE id = $1", other, NOW)

        control = await duel.fight(workspace, empty_brand.id, execute_other, revoke_other)
    assert control == duel.End(waited=False, first=None, second=None)


@pytest.mark.parametrize(
    "change",
    [
        "payload = '{}'",
        "payload = '{}', sha256 = encode(sha256('{}'), 'hex')",
        "maker = checker",
        "action = 'run.issue'",
        "expires_at = expires_at + interval '1 day'",
        "requested_at = now()",
        "state = 'waiting', checker = NULL, decided_at = NULL",
        "checker = maker",
        "decided_at = decided_at - interval '1 day'",
        "state = 'expired'",
        "state = 'rejected', reason = 'x'",
    ],
)
async def test_what_was_allowed_is_frozen(empty_brand: Brand, two: Two, owner: asyncpg.Connection, change: str) -> None:
    """For the owner of the tables too."""
    approval_id = await asked(two[0])
    await approve(two[1], empty_brand.id, approval_id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "approval_step"):
        await owner.execute(f"UPDATE approval SET {change} WHERE id = $1", approval_id)


@pytest.mark.parametrize(
    ("columns", "values", "error", "constraint"),
    [
        ("", "", None, None),
        (", state, checker, decided_at", ", 'approved', $4, now()", asyncpg.RestrictViolationError, "approval_begins"),
        (", state", ", 'executed'", asyncpg.RestrictViolationError, "approval_begins"),
        (", reason", ", ''", asyncpg.CheckViolationError, "approval_reason_check"),
    ],
)
async def test_it_begins_by_waiting(
    empty_brand: Brand, two: Two, owner: asyncpg.Connection, columns: str, values: str, error: Any, constraint: str | None
) -> None:
    statement = (
        f"INSERT INTO approval (brand_id, id, action, payload, sha256, maker{columns})"
        f" VALUES ($1, $2, 'adjustment.add', '{{}}', encode(sha256('{{}}'), 'hex'), $3{values})"
    )
    arguments = [empty_brand.id, uuid.uuid4(), two[0].user_id, *([two[1].user_id] if "$4" in values else [])]
    if error is None:
        await owner.execute(statement, *arguments)
        return
    async with books.refused(owner, error, constraint):
        await owner.execute(statement, *arguments)


async def test_the_app_sets_no_time_and_no_state_of_its_own(empty_brand: Brand, two: Two) -> None:
    insert = "INSERT INTO approval (brand_id, id, action, payload, sha256, maker{}) SELECT $1, $2, 'a.b', '{{}}', encode(sha256('{{}}'), 'hex'), $3, {}"
    for column, value in (("state", "'approved'"), ("expires_at", "now() + interval '1 year'"), ("checker", "$3")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.atomic(empty_brand.id):
                await db.connection().execute(insert.format(f", {column}", value), empty_brand.id, uuid.uuid4(), two[0].user_id)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        async with db.atomic(empty_brand.id):
            await db.connection().execute(
                "INSERT INTO approval (brand_id, id, action, payload, sha256, maker) VALUES ($1, $2, 'a.b', '{}', repeat('0', 64), $3)",
                empty_brand.id,
                uuid.uuid4(),
                two[0].user_id,
            )
    assert caught.value.constraint_name == "approval_hash_check"


async def test_maker_and_checker_are_two_for_the_database_too(two: Two, owner: asyncpg.Connection) -> None:
    approval_id = await asked(two[0])
    async with books.refused(owner, asyncpg.CheckViolationError, "approval_two_people_check"):
        await owner.execute(
            "UPDATE approval SET state = 'approved', checker = maker, decided_at = now() WHERE id = $1", approval_id
        )
