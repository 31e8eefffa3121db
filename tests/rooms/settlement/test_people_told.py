"""What happens at the desk is told to those whom it concerns, with the change itself, and to nobody when it is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.settlement import desk, run_work

from qucheng.core import audit
from qucheng.identity import approval as approvals
from qucheng.settlement import decision, dispute, publication

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


async def told(brand: Brand, kind: str) -> list[tuple[Any, ...]]:
    """Person, place, subject and what is said, and whether it is new still."""
    query = "SELECT user_id, reseller, subject, content::text, read_at IS NULL FROM notification WHERE kind = $1 ORDER BY told_at, user_id"
    return [
        (user, place, subject, books.json.loads(content), new)
        for user, place, subject, content, new in await books.seen(brand, query, kind)
    ]


async def test_a_request_is_told_to_those_who_may_decide_it(keys: crypto.Keys, brand: Brand, team: desk.Team) -> None:
    manager, auditor = [await people.member(keys, brand.id, role) for role in ("manager", "auditor")]
    approval_id = await desk.asked(brand, team.maker)
    deciders = {team.checker.user_id, team.other.user_id, manager.user_id}
    waiting = await told(brand, "approval.waiting")
    assert {row[0] for row in waiting} == deciders
    assert {str(row[1:]) for row in waiting} == {str((None, str(approval_id), {"action": "adjustment.add"}, True))}
    assert auditor.user_id not in deciders
    await decision.decide(
        principal=team.checker, brand_id=brand.id, approval_id=approval_id, approve=True, reason="", actor=people.actor(team.checker), now=books.NOW
    )  # fmt: skip
    assert {row[-1] for row in await told(brand, "approval.waiting")} == {False}
    assert await told(brand, "approval.decided") == [
        (team.maker.user_id, None, str(approval_id), {"action": "adjustment.add", "state": "approved"}, True)
    ]


async def test_a_rejected_request_is_told_to_who_asked(brand: Brand, team: desk.Team) -> None:
    approval_id = await desk.asked(brand, team.maker)
    await decision.decide(
        principal=team.checker, brand_id=brand.id, approval_id=approval_id, approve=False, reason="no", actor=people.actor(team.checker), now=books.NOW
    )  # fmt: skip
    assert await told(brand, "approval.decided") == [
        (team.maker.user_id, None, str(approval_id), {"action": "adjustment.add", "state": "rejected"}, True)
    ]


async def test_where_a_brand_has_nobody_else_the_operators_are_told(
    keys: crypto.Keys, brand: Brand, owner: asyncpg.Connection
) -> None:
    operator, alone = await people.member(keys, audit.PLATFORM, "operator"), await people.member(keys, brand.id, "owner")
    approval_id = await desk.asked(brand, alone)
    assert await told(brand, "approval.waiting") == []
    rows = await owner.fetch("SELECT brand_id, content::text AS said FROM notification WHERE user_id = $1", operator.user_id)
    assert [(row["brand_id"], books.json.loads(row["said"])) for row in rows] == [
        (audit.PLATFORM, {"action": "adjustment.add", "brand": brand.code})
    ]
    await approvals.approve(principal=operator, brand_id=brand.id, approval_id=approval_id, actor=people.actor(operator))
    assert await owner.fetchval(
        "SELECT read_at IS NOT NULL AND mail = 'none' FROM notification WHERE user_id = $1", operator.user_id
    )


async def test_who_asks_for_what_is_refused_tells_nobody(
    keys: crypto.Keys, brand: Brand, team: desk.Team, owner: asyncpg.Connection
) -> None:
    auditor = await people.member(keys, brand.id, "auditor")
    approval_id = await desk.asked(brand, team.maker)
    before = await books.everything(owner)
    with pytest.raises(approvals.NotAllowedToAskError):
        await desk.asked(brand, auditor)
    for nobody in (team.maker, auditor):
        with pytest.raises(approvals.NotAllowedToDecideError):
            await approvals.approve(principal=nobody, brand_id=brand.id, approval_id=approval_id, actor=people.actor(nobody))
    with pytest.raises(dispute.RowUnknownError):
        await desk.disputed(brand, team.of["R2"], desk.FIRST, number=1)
    assert await books.everything(owner) == before


async def test_a_dispute_is_told_to_the_books_and_its_answer_to_who_opened_it(
    keys: crypto.Keys, brand: Brand, team: desk.Team
) -> None:
    owner_, manager, second = [
        await people.member(keys, brand.id, "owner"),
        await people.member(keys, brand.id, "manager"),
        await people.member(keys, brand.id, "admin", reseller="R1"),
    ]
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK, reason="the buyer's card is 4111 1111 1111 1111")
    number = f"{brand.code}-202601-000001"
    found = await told(brand, "dispute.opened")
    assert {row[0] for row in found} == {owner_.user_id, team.maker.user_id, team.checker.user_id, team.other.user_id}
    assert {str(row[1:]) for row in found} == {str((None, str(opened), {"reseller": "R1", "statement_no": number}, True))}
    await dispute.reject(brand=brand, dispute_id=opened, reason="4111", actor=people.actor(team.checker))
    assert {row[-1] for row in await told(brand, "dispute.opened")} == {False}
    assert await told(brand, "dispute.decided") == [
        (team.of["R1"].user_id, "R1", str(opened), {"state": "rejected", "statement_no": number}, True)
    ]
    assert {manager.user_id, second.user_id}.isdisjoint(
        row[0] for row in await books.seen(brand, "SELECT user_id FROM notification")
    )
    assert await books.seen(brand, "SELECT count(*) FROM notification n WHERE n::text LIKE '%4111%'") == [(0,)]


async def test_an_adjustment_answers_its_dispute(brand: Brand, team: desk.Team) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    approval_id = await desk.asked(brand, team.maker, reason_code="dispute", dispute_id=opened)
    await desk.allowed(brand, team.checker, approval_id, books.NOW)
    assert await told(brand, "dispute.decided") == [
        (team.of["R1"].user_id, "R1", str(opened), {"state": "adjusted", "statement_no": f"{brand.code}-202601-000001"}, True)
    ]


async def test_a_published_run_is_told_to_the_administrators_of_its_resellers(keys: crypto.Keys, tmp_path: Path) -> None:
    made = await run_work.stored(tmp_path)
    await run_work.issued(made, run_work.MARCH)
    statements = await books.seen(
        made, "SELECT reseller, statement_no, number FROM statement WHERE period = '2026-03-01' ORDER BY number"
    )
    assert len(statements) > 1
    admins = {reseller: await people.member(keys, made.id, "admin", reseller=reseller) for reseller, _, _ in statements}
    await people.member(keys, made.id, "seller", reseller=statements[0][0])
    await people.member(keys, made.id, "owner")
    keeper = await people.member(keys, made.id, "accountant")
    for task_id in [each.id for each in await run_work.task.listing(brand_id=made.id, kind="document.render")]:
        await run_work.task.cancel(task_id)
    assert await told(made, "statement.published") == []
    await publication.publish(
        brand=made, starts_on=run_work.MARCH, number=1, missing=len(statements), actor=people.actor(keeper), now=books.NOW
    )
    wanted = {
        (admins[reseller].user_id, reseller, "2026-03", str({"number": number, "period": "2026-03-01", "statement_no": code}))
        for reseller, code, number in statements
    }
    found = await told(made, "statement.published")
    assert {(user, place, subject, str(dict(sorted(said.items())))) for user, place, subject, said, _ in found} == wanted
    assert len(found) == len(statements)
    assert await books.seen(made, "SELECT DISTINCT mail FROM notification WHERE kind = 'statement.published'") == [("waiting",)]
    assert uuid.UUID(int=0) not in {row[0] for row in found}
    events = await books.seen(
        made, "SELECT subject, data ->> 'statementNo' FROM outbox_event WHERE kind = 'statement.published' ORDER BY seq"
    )
    assert events == sorted((code, code) for _, code, _ in statements)
