"""What stands behind an adjustment is an approval that was used for it: for the owner of the tables too."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.settlement import desk

from qucheng.core import db
from qucheng.identity import approval as approvals
from qucheng.settlement import adjustment

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


async def used(brand: Brand, team: desk.Team, **given: object) -> approvals.Approval:
    """An approval that was used up without anything being written."""
    approval_id = await desk.asked(brand, team.maker, **given)
    approved = await approvals.approve(
        principal=team.checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(team.checker)
    )
    async with db.atomic(brand.id):
        return await approvals.consume(
            brand_id=brand.id, approval_id=approval_id, action=adjustment.ACTION, payload=approved.payload
        )


def case(brand: Brand, allowed: approvals.Approval) -> dict[str, Any]:
    said = allowed.payload
    fields = ("code", "reason_code", "reference_kind", "reference", "note", "dispute")
    return {
        "brand_id": brand.id, "maker": allowed.maker, "checker": allowed.checker, "approval": allowed.id,
        **{name: said[name] for name in fields},
    }  # fmt: skip


async def written(owner: asyncpg.Connection, brand: Brand, said: dict[str, Any], **changed: object) -> None:
    row = {
        "brand_id": brand.id, "code": said["code"], "intake": 1, "source_row": 1, "reseller": said["reseller"],
        "occurred_at": books.NOW, "amount_minor": said["amount_minor"], "reason": said["reason"], **changed,
    }  # fmt: skip
    await books.insert(owner, "adjustment", row)


async def test_what_was_allowed_is_taken(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    allowed = await used(brand, team)
    await written(owner, brand, allowed.payload)
    await books.insert(owner, "adjustment_case", case(brand, allowed))
    assert await books.seen(brand, "SELECT code, maker, checker FROM adjustment_case") == [
        (allowed.payload["code"], team.maker.user_id, team.checker.user_id)
    ]


@pytest.mark.parametrize(
    "changed", [{"amount_minor": -2501}, {"reseller": "R2"}, {"reason": "something else"}], ids=["amount", "reseller", "reason"]
)
async def test_an_adjustment_that_is_not_what_was_allowed(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, changed: dict[str, object]
) -> None:
    allowed = await used(brand, team)
    await written(owner, brand, allowed.payload, **changed)
    async with books.refused(owner, asyncpg.RestrictViolationError, "adjustment_case_allowed"):
        await books.insert(owner, "adjustment_case", case(brand, allowed))


@pytest.mark.parametrize(
    "changed",
    [{"reason_code": "fee"}, {"reference": "E2"}, {"reference_kind": "statement"}, {"note": None}, {"note": "y"}],
    ids=["reason", "reference", "kind", "no note", "note"],
)
async def test_a_case_that_is_not_what_was_allowed(
    brand: Brand, team: desk.Team, owner: asyncpg.Connection, changed: dict[str, object]
) -> None:
    allowed = await used(brand, team)
    await written(owner, brand, allowed.payload)
    async with books.refused(owner, asyncpg.RestrictViolationError, "adjustment_case_allowed"):
        await books.insert(owner, "adjustment_case", {**case(brand, allowed), **changed})


async def test_other_people_than_those_who_asked_and_allowed(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    allowed = await used(brand, team)
    await written(owner, brand, allowed.payload)
    for changed in ({"maker": team.other.user_id}, {"checker": team.other.user_id}):
        async with books.refused(owner, asyncpg.RestrictViolationError, "adjustment_case_allowed"):
            await books.insert(owner, "adjustment_case", {**case(brand, allowed), **changed})
    async with books.refused(owner, asyncpg.CheckViolationError, "adjustment_case_people_check"):
        await books.insert(owner, "adjustment_case", {**case(brand, allowed), "checker": team.maker.user_id})


@pytest.mark.parametrize("state", ["waiting", "approved"])
async def test_an_approval_that_was_not_used(brand: Brand, team: desk.Team, owner: asyncpg.Connection, state: str) -> None:
    approval_id = await desk.asked(brand, team.maker)
    if state == "approved":
        await approvals.approve(
            principal=team.checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(team.checker)
        )
    found = await approvals.read(brand_id=brand.id, approval_id=approval_id)
    await written(owner, brand, found.payload)
    async with books.refused(owner, asyncpg.RestrictViolationError, "adjustment_case_allowed"):
        await books.insert(owner, "adjustment_case", {**case(brand, found), "checker": team.checker.user_id})


async def test_an_approval_serves_once(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    approval_id = await desk.asked(brand, team.maker)
    await desk.allowed(brand, team.checker, approval_id)
    found = await approvals.read(brand_id=brand.id, approval_id=approval_id)
    await written(owner, brand, {**found.payload, "code": "ANOTHER"})
    async with books.refused(owner, asyncpg.UniqueViolationError, "adjustment_case_approval_unique"):
        await books.insert(owner, "adjustment_case", {**case(brand, found), "code": "ANOTHER"})


async def test_an_approval_of_something_else(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    allowed = await used(brand, team)
    other = uuid.uuid4()
    await owner.execute("ALTER TABLE approval DISABLE TRIGGER USER")
    try:
        await owner.execute(
            "INSERT INTO approval SELECT brand_id, $2, 'run.issue', payload, sha256, maker, checker, state, requested_at, expires_at, decided_at, executed_at, reason"
            " FROM approval WHERE id = $1",
            allowed.id,
            other,
        )
    finally:
        await owner.execute("ALTER TABLE approval ENABLE TRIGGER USER")
    await written(owner, brand, allowed.payload)
    async with books.refused(owner, asyncpg.RestrictViolationError, "adjustment_case_allowed"):
        await books.insert(owner, "adjustment_case", {**case(brand, allowed), "approval": other})


async def test_it_refers_to_something_of_its_reseller(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    """Whatever was allowed."""
    payload = (await used(brand, team)).payload | {"reference": "E2", "code": "ASTRAY"}
    async with db.atomic(brand.id):
        approval_id = await approvals.request(
            principal=team.maker, action=adjustment.ACTION, payload=payload, actor=people.actor(team.maker)
        )
        await approvals.approve(
            principal=team.checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(team.checker)
        )
        allowed = await approvals.consume(brand_id=brand.id, approval_id=approval_id, action=adjustment.ACTION, payload=payload)
    await written(owner, brand, payload)
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "adjustment_case_reference"):
        await books.insert(owner, "adjustment_case", case(brand, allowed))


async def test_a_dispute_is_not_adjusted_without_a_case(brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    await desk.allowed(brand, team.checker, await desk.asked(brand, team.maker))
    code = await owner.fetchval("SELECT code FROM adjustment_case WHERE brand_id = $1", brand.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "dispute_step"):
        await owner.execute(
            "UPDATE dispute SET state = 'adjusted', adjustment = $2, decided_by = $3 WHERE id = $1",
            opened,
            code,
            team.checker.user_id,
        )


async def test_the_app_sets_no_adjustment_of_a_dispute(brand: Brand, team: desk.Team) -> None:
    await desk.disputed(brand, team.of["R1"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(brand.id):
            await db.connection().execute("UPDATE dispute SET adjustment = 'x'")
