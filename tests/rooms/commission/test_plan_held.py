"""What the database itself holds about versions of a plan: for the app's role, whatever the program says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.commission.plan_desk import DAY, Desk
from tests.rooms.identity import people

from qucheng.commission import plan_draft
from qucheng.core import db
from qucheng.identity import approval as approvals

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

TENTH = {"kind": "percent", "level": "1", "basis": "net", "rate": "0.1"}
SUBMIT = """
    WITH said AS (SELECT jsonb_build_object('version', v.number, 'effective_on', $2::date, 'rules', {rules})::text AS document FROM plan_version v WHERE number = $1)
    UPDATE plan_version SET state = 'submitted', effective_on = $2, document = said.document,
        sha256 = encode(sha256(convert_to(said.document, 'UTF8')), 'hex'), author = $3, approval = $4 FROM said WHERE number = $1"""
AS_IT_IS = "plan_rules(current_brand(), v.number)"
APPROVE = "UPDATE plan_version SET state = 'approved', approver = $2, intake = 1 WHERE number = $1"
RULE = (
    "INSERT INTO rule (brand_id, code, kind, level, basis, rate_ppm, rate_text, priority, intake{more})"
    " VALUES (current_brand(), 'X', 'percent', {level}, 'net', 1000, '0.001', 0, 1{value})"
)


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(tmp_path, keys, orders=[])


@pytest.fixture
async def app(workspace: books.Workspace, desk: Desk) -> AsyncIterator[asyncpg.Connection]:
    """As the app's role, standing in the brand."""
    async with books.connected(workspace.app, desk.brand.id) as connection:
        yield connection


async def asked(desk: Desk, action: str = "plan.publish") -> uuid.UUID:
    """A request by the first manager, for something."""
    return await approvals.request(principal=desk.first, action=action, payload={"version": 1}, actor=people.actor(desk.first))


async def test_only_the_database_writes_rules_of_a_version(
    app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk
) -> None:
    await desk.open()
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(RULE.format(more=", plan_version", level=1, value=", 1"))
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(
            "INSERT INTO rule_end (brand_id, rule, plan_version, ends_on, intake) VALUES (current_brand(), 'OWN', 1, '2026-01-01', 1)"
        )
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE rule SET plan_version = 1")


async def test_once_a_version_was_approved_no_other_rule_comes(
    app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk
) -> None:
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    await desk.publish(number)
    async with books.refused(owner, asyncpg.RestrictViolationError, "rule_plan_kept"):
        await app.execute(RULE.format(more="", level=1, value=""))
    async with books.refused(owner, asyncpg.RestrictViolationError, "rule_plan_kept"):
        await owner.execute(RULE.format(more="", level=1, value="").replace("current_brand()", f"'{desk.brand.id}'::uuid"))


async def test_control_before_a_version_a_rule_of_a_delivery_comes(app: asyncpg.Connection, desk: Desk) -> None:
    await app.execute(RULE.format(more="", level=3, value=""))
    assert await books.seen(desk.brand, "SELECT code, plan_version FROM rule ORDER BY code") == [("OWN", None), ("X", None)]


@pytest.mark.parametrize(
    ("policy", "level"), [(books.STRICT, 2), ('policy = "cn-two-tier"\nlegal_opinion = "L"\nexpires_on = 2099-01-01', 3)]
)
async def test_nobody_earns_on_a_level_past_the_policy(
    tmp_path: Path, keys: crypto.Keys, workspace: books.Workspace, owner: asyncpg.Connection, policy: str, level: int
) -> None:
    desk = await plan_desk.opened(tmp_path, keys, compliance=policy, orders=[])
    async with books.connected(workspace.app, desk.brand.id) as app:
        async with books.refused(owner, asyncpg.CheckViolationError, "rule_levels"):
            await app.execute(RULE.format(more="", level=level, value=""))
        async with books.refused(owner, asyncpg.CheckViolationError, "rule_level_check"):
            await app.execute(RULE.format(more="", level=4, value=""))
        number = await desk.open()
        await desk.add(number, code="UP", kind="percent", level=str(level), basis="net", rate="0.01")
        approval = await asked(desk)
        async with books.refused(owner, asyncpg.CheckViolationError, "plan_version_lawful"):
            await app.execute(SUBMIT.format(rules=AS_IT_IS), number, DAY, desk.first.user_id, approval)


async def test_a_version_begins_as_a_draft_and_takes_no_short_cut(
    app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk
) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(
            "INSERT INTO plan_version (brand_id, number, state, known, opened_by, opened_at) VALUES (current_brand(), 1, 'approved', 1, $1, now())",
            desk.first.user_id,
        )
    number = await desk.open()
    async with books.refused(owner, asyncpg.UniqueViolationError, "plan_version_open_unique"):
        await app.execute(
            "INSERT INTO plan_version (brand_id, number, known, opened_by, opened_at) VALUES (current_brand(), 2, 1, $1, now())",
            desk.first.user_id,
        )
    async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
        await app.execute(APPROVE, number, desk.second.user_id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
        await app.execute("UPDATE plan_version SET effective_on = '2020-01-01' WHERE number = $1", number)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE plan_version SET approved_at = now() WHERE number = $1", number)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("DELETE FROM plan_version")


async def test_what_is_submitted_is_what_the_draft_holds(app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk) -> None:
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    approval = await asked(desk)
    given = (number, DAY, desk.first.user_id, approval)
    async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_document"):
        await app.execute(SUBMIT.format(rules="'[]'::jsonb"), *given)
    async with books.refused(owner, asyncpg.CheckViolationError, "plan_version_effective"):
        await app.execute(SUBMIT.format(rules=AS_IT_IS), number, books.NOW.date().replace(year=2020), *given[2:])
    await app.execute("UPDATE plan_draft_rule SET rate_text = '0.9' WHERE code = 'OWN'")
    async with books.refused(owner, asyncpg.CheckViolationError, "plan_version_codes"):
        await app.execute(SUBMIT.format(rules=AS_IT_IS), *given)
    await app.execute("UPDATE plan_draft_rule SET rate_text = '0.1', change = 'added' WHERE code = 'OWN'")
    async with books.refused(owner, asyncpg.CheckViolationError, "plan_version_codes"):
        await app.execute(SUBMIT.format(rules=AS_IT_IS), *given)
    await app.execute("UPDATE plan_draft_rule SET change = 'kept' WHERE code = 'OWN'")
    for column, value in (("event", "join"), ("reads", "team_volume"), ("kind", "team")):
        await app.execute(f"UPDATE plan_draft_rule SET {column} = $1 WHERE code = 'MORE'", value)
        async with books.refused(owner, asyncpg.CheckViolationError, "plan_version_lawful"):
            await app.execute(SUBMIT.format(rules=AS_IT_IS), *given)
        await app.execute("UPDATE plan_draft_rule SET event = 'order', reads = 'own', kind = 'percent' WHERE code = 'MORE'")
    await desk.bring(rules=["LATE,percent,1,,,,,net,0.01,0,,"])
    async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_current"):
        await app.execute(SUBMIT.format(rules=AS_IT_IS), *given)


async def test_nothing_of_a_submitted_version_changes(app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk) -> None:
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    await desk.submit(number)
    for statement in (
        "UPDATE plan_draft_rule SET rate_text = '0.9' WHERE code = 'MORE'",
        "DELETE FROM plan_draft_rule WHERE code = 'MORE'",
        (
            "INSERT INTO plan_draft_rule (brand_id, version, code, change, kind, event, reads, level, basis, rate_text, priority, changed_by, changed_at)"
            f" VALUES (current_brand(), {number}, 'Y', 'added', 'percent', 'order', 'own', 1, 'net', '0.1', 0, '{desk.first.user_id}', now())"
        ),
    ):
        async with books.refused(owner, asyncpg.RestrictViolationError, "plan_draft_rule_open"):
            await app.execute(statement)
    for change in (
        "effective_on = '2101-02-01'",
        "document = '{}', sha256 = encode(sha256('{}'), 'hex')",
        "name = 'x'",
        "state = 'discarded'",
    ):
        async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
            await app.execute(f"UPDATE plan_version SET {change} WHERE number = $1", number)


async def test_it_comes_into_force_by_the_approval_of_another_person_for_just_this(
    app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk, keys: crypto.Keys
) -> None:
    third = await people.member(keys, desk.brand.id, "owner")
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    other = await asked(desk)
    approval_id = await desk.submit(number)
    allowed = "plan_version_allowed"
    async with books.refused(owner, asyncpg.RestrictViolationError, allowed):
        await app.execute(APPROVE, number, desk.second.user_id)
    await approvals.approve(
        principal=desk.second, brand_id=desk.brand.id, approval_id=approval_id, actor=people.actor(desk.second)
    )
    async with books.refused(owner, asyncpg.RestrictViolationError, allowed):
        await app.execute(APPROVE, number, desk.second.user_id)
    # used up, for something else
    await approvals.approve(principal=desk.second, brand_id=desk.brand.id, approval_id=other, actor=people.actor(desk.second))
    async with db.atomic(desk.brand.id):
        await approvals.consume(brand_id=desk.brand.id, approval_id=other, action="plan.publish", payload={"version": 1})
    async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
        await app.execute(
            "UPDATE plan_version SET state = 'approved', approver = $2, intake = 1, approval = $3 WHERE number = $1",
            number,
            desk.second.user_id,
            other,
        )
    said = (await approvals.read(brand_id=desk.brand.id, approval_id=approval_id)).payload
    async with db.atomic(desk.brand.id):
        await approvals.consume(brand_id=desk.brand.id, approval_id=approval_id, action="plan.publish", payload=said)
    async with books.refused(owner, asyncpg.RestrictViolationError, allowed):
        await app.execute(APPROVE, number, third.user_id)
    await app.execute(APPROVE, number, desk.second.user_id)
    assert await books.seen(desk.brand, "SELECT code, plan_version FROM rule ORDER BY code") == [("MORE", 1), ("OWN", None)]
    for change in ("state = 'draft'", "name = 'x'", "state = 'discarded'", "approver = NULL, state = 'submitted'"):
        async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
            await app.execute(f"UPDATE plan_version SET {change} WHERE number = $1", number)


async def test_a_discarded_version_stays_so(app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk) -> None:
    number = await desk.open()
    await plan_draft.discard(brand=desk.brand, number=number, actor=people.actor(desk.first), now=books.NOW)
    for change in ("state = 'draft'", "name = 'x'"):
        async with books.refused(owner, asyncpg.RestrictViolationError, "plan_version_step"):
            await app.execute(f"UPDATE plan_version SET {change} WHERE number = $1", number)


async def test_a_rule_ends_once_and_for_good(app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", **{**TENTH, "rate": "0.2"})
    await desk.publish(number)
    assert await books.seen(desk.brand, "SELECT rule, plan_version, ends_on::text FROM rule_end") == [("OWN", 1, "2101-01-01")]
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute("UPDATE rule_end SET ends_on = '2100-01-01'")
    async with books.refused(owner, asyncpg.UniqueViolationError, "rule_end_pkey"):
        await owner.execute(
            "INSERT INTO rule_end (brand_id, rule, plan_version, ends_on, intake) SELECT brand_id, rule, plan_version, '2100-01-01', intake FROM rule_end"
        )
    second = await desk.open()
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("DELETE FROM rule_end")
    assert second == 2


async def test_control_without_the_trigger_a_version_takes_the_short_cut(
    app: asyncpg.Connection, owner: asyncpg.Connection, desk: Desk
) -> None:
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    await desk.submit(number)
    await owner.execute("ALTER TABLE plan_version DISABLE TRIGGER plan_version_step")
    try:
        async with app.transaction():
            await app.execute("UPDATE plan_version SET name = 'changed', effective_on = '2020-01-01' WHERE number = $1", number)
    finally:
        await owner.execute("ALTER TABLE plan_version ENABLE TRIGGER plan_version_step")
    assert await books.seen(desk.brand, "SELECT name, effective_on::text FROM plan_version") == [("changed", "2020-01-01")]
