"""A run issued by two people: asked for, allowed and given over in one transaction, once, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.identity.people import member, role_of
from tests.rooms.settlement.run_work import MARCH, asked, drafted, looked_at, stored, to_issue

from qucheng.core import audit, crypto, ids, task
from qucheng.identity import approval
from qucheng.identity import membership as memberships
from qucheng.settlement import advance, checking, decision, issuance, run

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

Asked = tuple["Brand", "Run", "permissions.Principal", "permissions.Principal", "uuid.UUID"]


@pytest.fixture
async def waiting(tmp_path: Path, keys: crypto.Keys) -> Asked:
    """A checked March that one accountant has asked for, and another who may decide."""
    brand = await stored(tmp_path)
    maker, checker = [await member(keys, brand.id, "accountant") for _ in range(2)]
    made = await drafted(brand, MARCH)
    await looked_at(brand, made, maker)
    return brand, made, maker, checker, await asked(brand, made, maker)


async def decided(
    brand: Brand, who: permissions.Principal, approval_id: uuid.UUID, *, approve: bool = True, reason: str = ""
) -> approval.Approval:
    return await decision.decide(
        principal=who,
        brand_id=brand.id,
        approval_id=approval_id,
        approve=approve,
        reason=reason,
        actor=people.actor(who),
        now=books.NOW,
    )


async def nothing_done(brand: Brand, approval_id: uuid.UUID, state: str = "waiting") -> None:
    assert (await approval.read(brand_id=brand.id, approval_id=approval_id)).state == state
    assert await books.seen(brand, "SELECT (SELECT count(*) FROM period), (SELECT count(*) FROM statement)") == [(0, 0)]
    assert await to_issue(brand) == []


async def test_what_is_asked_for_is_the_run_with_its_figures(waiting: Asked) -> None:
    brand, _, maker, _, approval_id = waiting
    found = await approval.read(brand_id=brand.id, approval_id=approval_id)
    assert (found.state, found.action, found.maker) == ("waiting", "run.issue", maker.user_id)
    assert found.payload == {
        "brand": brand.code,
        "period": "2026-03",
        "run": 1,
        "statements": 2,
        "gross_minor": 104036,
        "tax_minor": 2347,
        "net_minor": 101689,
        "intake": 1,
    }


async def test_allowed_by_another_it_is_given_over_and_issued(waiting: Asked) -> None:
    brand, made, maker, checker, approval_id = waiting
    found = await decided(brand, checker, approval_id)
    assert (found.state, found.maker, found.checker) == ("executed", maker.user_id, checker.user_id)
    assert (await run.read(brand=brand, starts_on=MARCH, number=1)).state == "issuing"
    assert await to_issue(brand) == ["waiting"]
    (given,) = await task.listing(brand_id=brand.id, kind=advance.ISSUE)
    got = await task.claim(given.id, worker=ids.new_id(), kinds=[advance.ISSUE])
    assert got is not None
    await advance.issue(work=task.Work(got), brand=brand, now=books.NOW)
    issued = await run.read(brand=brand, starts_on=MARCH, number=made.number)
    assert (issued.state, issued.issued, issued.published_at) == ("issued", 2, None)
    trail = [(each.action, each.user_id, each.approval) for each in await audit.listing(brand_id=brand.id)]
    assert trail[:4] == [
        ("run.check", None, None),
        ("run.issue", checker.user_id, approval_id),
        ("run.check", None, None),
        ("approval.approve", checker.user_id, approval_id),
    ]


async def test_given_over_it_is_neither_computed_again_nor_discarded(waiting: Asked) -> None:
    brand, made, _, checker, approval_id = waiting
    await decided(brand, checker, approval_id)
    with pytest.raises(run.RunStateError):
        await run.compute(brand=brand, starts_on=MARCH, now=books.NOW)
    with pytest.raises(run.RunStateError):
        await run.discard(brand=brand, run=made, now=books.NOW)
    assert (await run.read(brand=brand, starts_on=MARCH, number=1)).state == "issuing"


async def test_whoever_asked_does_not_decide(waiting: Asked) -> None:
    brand, _, maker, _, approval_id = waiting
    with pytest.raises(approval.NotAllowedToDecideError):
        await decided(brand, maker, approval_id)
    await nothing_done(brand, approval_id)


async def test_a_run_is_asked_for_once(waiting: Asked) -> None:
    brand, made, maker, checker, approval_id = waiting
    for who in (maker, checker):
        with pytest.raises(issuance.AlreadyAskedError) as caught:
            await asked(brand, made, who)
        assert caught.value.approval_id == approval_id
    assert [each.id for each in await approval.listing(brand_id=brand.id)] == [approval_id]
    await decided(brand, checker, approval_id, approve=False, reason="先核对退款")
    again = await asked(brand, made, maker)
    assert [each.id for each in await approval.listing(brand_id=brand.id)] == [again]


async def test_rejected_it_stays_a_draft(waiting: Asked) -> None:
    brand, _, _, checker, approval_id = waiting
    found = await decided(brand, checker, approval_id, approve=False, reason="先核对退款")
    assert (found.state, found.reason) == ("rejected", "先核对退款")
    await nothing_done(brand, approval_id, "rejected")
    assert (await run.read(brand=brand, starts_on=MARCH, number=1)).state == "computed"


async def test_a_checker_whose_role_is_gone_decides_nothing(waiting: Asked) -> None:
    brand, _, maker, checker, approval_id = waiting
    role = await role_of(checker.user_id, brand.id)
    await memberships.revoke(brand_id=brand.id, membership_id=role, actor=people.actor(maker), now=books.NOW)
    with pytest.raises(approval.NotAllowedToDecideError):
        await decided(brand, checker, approval_id)
    await nothing_done(brand, approval_id)


async def test_after_its_time_it_is_not_decided(waiting: Asked, owner: asyncpg.Connection) -> None:
    brand, made, maker, checker, approval_id = waiting
    await owner.execute("ALTER TABLE approval DISABLE TRIGGER approval_step")
    await owner.execute("UPDATE approval SET expires_at = clock_timestamp() - interval '1 ms' WHERE id = $1", approval_id)
    await owner.execute("ALTER TABLE approval ENABLE TRIGGER approval_step")
    with pytest.raises(approval.ApprovalExpiredError):
        await decided(brand, checker, approval_id)
    await nothing_done(brand, approval_id)
    assert await asked(brand, made, maker) != approval_id


async def test_a_difference_that_came_meanwhile_takes_the_whole_decision_back(waiting: Asked, owner: asyncpg.Connection) -> None:
    brand, made, maker, checker, approval_id = waiting
    plant = "UPDATE run_statement SET accrued_minor = accrued_minor {} 1 WHERE brand_id = $1 AND reseller = 'A02'"
    await owner.execute(plant.format("+"), brand.id)
    with pytest.raises(checking.CheckDiffersError):
        await decided(brand, checker, approval_id)
    await nothing_done(brand, approval_id)
    await owner.execute(plant.format("-"), brand.id)
    assert (await looked_at(brand, made, maker)).apart == 0
    assert (await decided(brand, checker, approval_id)).state == "executed"


async def test_control_without_the_check_the_difference_would_be_issued(
    waiting: Asked, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand, _, _, checker, approval_id = waiting
    await owner.execute(
        "UPDATE run_statement SET tax_minor = tax_minor + 1, net_minor = net_minor - 1 WHERE brand_id = $1 AND reseller = 'A02'",
        brand.id,
    )

    async def unseen(**_: Any) -> None: ...

    monkeypatch.setattr(checking, "require_now", unseen)
    assert (await decided(brand, checker, approval_id)).state == "executed"


async def test_what_was_computed_again_is_not_issued_by_an_old_request(waiting: Asked) -> None:
    brand, _, _, checker, approval_id = waiting
    again = await run.compute(brand=brand, starts_on=MARCH, now=books.NOW)
    assert again is not None
    assert again.number == 2
    with pytest.raises(run.RunStateError):
        await decided(brand, checker, approval_id)
    await nothing_done(brand, approval_id)


async def test_of_several_who_decide_at_once_one_does(waiting: Asked, keys: crypto.Keys) -> None:
    brand, _, _, checker, approval_id = waiting
    others = [checker, await member(keys, brand.id, "owner"), await member(keys, brand.id, "manager")]
    found = await asyncio.gather(*(decided(brand, who, approval_id) for who in others), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["Approval", "ApprovalStateError", "ApprovalStateError"]
    assert await to_issue(brand) == ["waiting"]
    assert await books.seen(brand, "SELECT count(*) FROM period") == [(1,)]


async def test_the_operator_sees_what_nobody_else_can_decide(tmp_path: Path, keys: crypto.Keys) -> None:
    brand = await stored(tmp_path)
    alone, operator = await member(keys, brand.id, "owner"), await member(keys, audit.PLATFORM, "operator")
    made = await drafted(brand, MARCH)
    await looked_at(brand, made, alone)
    approval_id = await asked(brand, made, alone)
    assert (brand.code, approval_id) in [(of.code, each.id) for of, each in await decision.for_operator()]
    await member(keys, brand.id, "accountant")
    assert (brand.code, approval_id) not in [(of.code, each.id) for of, each in await decision.for_operator()]
    with pytest.raises(approval.NotAllowedToDecideError):
        await decided(brand, operator, approval_id)
    await nothing_done(brand, approval_id)
