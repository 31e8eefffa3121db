"""POST /api/v1/claims: signed by the brand's app, once for each person and for each key, and a test key draws nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.rooms.campaigns import gate

from qucheng.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests import books
    from tests.doors.open_api import callers

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
PATH = "/api/v1/claims"
SENT = {"offer": gate.CODE, "subject": "user-8812"}
NOTHING = (0, 0, 0, 0, 0)


@pytest.fixture
async def shop(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """Two cards on offer."""
    assert workspace
    made, _ = await gate.opened(tmp_path, gate.NEVER, gate.NEVER)
    await gate.offered(made, starts_at=clock.now() - gate.HOUR, ends_at=clock.now() + gate.HOUR)
    return made


async def test_a_card_is_claimed_once_for_a_key_and_once_for_a_person(
    make: callers.Make, shop: Brand, owner: asyncpg.Connection
) -> None:
    machine = await make(shop, "claims.write")
    first = await machine.post(PATH, SENT, key="k-1")
    assert first.status_code == 201, first.text
    body = first.json()
    assert (body["offer"], body["card"], body["earlier"]) == (gate.CODE, "1-1", False)
    assert dt.datetime.fromisoformat(body["claimedAt"]) <= clock.now()
    again = await machine.post(PATH, SENT, key="k-1")
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, body, "true")
    other_key = await machine.post(PATH, SENT, key="k-2")
    assert (other_key.status_code, other_key.json()) == (200, {**body, "earlier": True})
    other_person = await machine.post(PATH, {**SENT, "subject": "user-8813"}, key="k-1")
    assert (other_person.status_code, other_person.json()["code"]) == (422, "idempotency.other_request")
    assert await gate.written(shop) == (1, 1, 1, 1, 1)
    assert SENT["subject"] not in str(await owner.fetch("SELECT * FROM claim"))


async def test_of_many_at_once_as_many_have_one_as_there_are(make: callers.Make, shop: Brand) -> None:
    machine = await make(shop, "claims.write")
    answers = await asyncio.gather(*(machine.post(PATH, {**SENT, "subject": f"u{place}"}) for place in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201, 201] + [409] * 10
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"claim.sold_out"}
    assert {answer.json()["card"] for answer in answers if answer.status_code == 201} == {"1-1", "1-2"}


async def test_what_cannot_be_is_refused_and_nothing_is_written(make: callers.Make, shop: Brand) -> None:
    machine = await make(shop, "claims.write")
    unknown = await machine.post(PATH, {**SENT, "offer": "autumn"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "offer.unknown")
    unfit = await machine.post(PATH, {**SENT, "subject": "用户"})
    assert (unfit.status_code, unfit.json()["errors"][0]["pointer"]) == (422, "/subject")
    assert (await machine.post(PATH, SENT, at=-301)).status_code == 401
    await gate.offered(shop, code="later", starts_at=clock.now() + gate.HOUR, ends_at=clock.now() + 2 * gate.HOUR)
    await gate.offered(shop, code="over", starts_at=clock.now() - 2 * gate.HOUR, ends_at=clock.now() - gate.HOUR)
    said = [await machine.post(PATH, {**SENT, "offer": code}) for code in ("later", "over")]
    assert [(each.status_code, each.json()["code"]) for each in said] == [(409, "claim.not_begun"), (410, "claim.ended")]
    assert await gate.written(shop) == NOTHING


async def test_a_test_key_is_answered_and_draws_nothing(make: callers.Make, shop: Brand) -> None:
    machine = await make(shop, "claims.write", mode="test")
    answer = await machine.post(PATH, SENT)
    assert (answer.status_code, answer.json()["card"]) == (201, "1-1")
    assert await gate.written(shop) == NOTHING
