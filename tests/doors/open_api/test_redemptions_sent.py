"""Redemptions as a till sends them: always answered with 200, done once for a key, and found and taken back by it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.redemption import tills

from qucheng.core import clock
from qucheng.redemption import picture, store

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser
    from tests.doors.open_api import callers

pytestmark = pytest.mark.anyio
PATH, BACK = "/api/v1/redemptions", "/api/v1/reversals"


@pytest.fixture
async def ground(workspace: books.Workspace, house: browser.House, tmp_path: Path) -> tills.Ground:
    assert workspace
    return await tills.opened(tmp_path / "b", house.keys)


async def till(make: callers.Make, ground: tills.Ground) -> callers.Machine:
    machine = await make(ground.brand, "cards.redeem")
    await store.add_terminal(
        brand_id=ground.brand.id, store="S1", name="till", api_key=machine.issued.id, actor=ground.actor, now=clock.now()
    )
    return machine


async def send(machine: callers.Machine, path: str, body: Any, key: str | None) -> httpx.Response:
    headers = {"authorization": f"Bearer {machine.issued.token}", "content-type": "application/json"}
    named = {"idempotency-key": key} if key is not None else {}
    return await machine.client.post(path, content=json.dumps(body).encode(), headers=headers | named)


async def test_a_card_is_redeemed_found_and_taken_back(
    make: callers.Make, ground: tills.Ground, owner: asyncpg.Connection
) -> None:
    machine, (batch, number) = await till(make, ground), ground.cards[0]
    answer = await send(machine, PATH, {"code": ground.codes[0]}, "k-1")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["result"], told["card"], told["sku"], told["store"], told["used"], told["undone"]) == (
        "ok", f"{batch}-{number}", "card", "S1", None, False,
    )  # fmt: skip
    again = await send(machine, PATH, {"code": ground.codes[0]}, "k-1")
    assert (again.json(), again.headers["idempotent-replayed"]) == (told, "true")
    other = await send(machine, PATH, {"code": ground.codes[1]}, "k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.other_request")
    used = (await send(machine, PATH, {"code": ground.codes[0]}, "k-2")).json()
    assert (used["result"], used["used"]) == ("used", {"at": told["at"], "store": "S1", "storeName": "一店"})
    assert (await machine.get(PATH, key="k-1")).json() == told
    assert (await machine.get(PATH, key="k-9")).json()["code"] == "redemption.unknown"
    back = await send(machine, BACK, {"key": "k-1", "reason": "wrong card"}, "b-1")
    assert (back.status_code, back.json()) == (200, {"result": "undone", "redemptionId": told["id"], "approvalId": None})
    assert await ground.state() == "revealed"
    blocked = await send(machine, BACK, {"key": "k-7"}, "b-2")
    assert blocked.json() == {"result": "blocked", "redemptionId": None, "approvalId": None}
    late = await send(machine, PATH, {"code": ground.codes[0]}, "k-7")
    assert (late.status_code, late.json()["code"], await ground.state()) == (409, "redemption.reversed", "revealed")
    # what is kept of requests and answers holds no code
    kept = await owner.fetch("SELECT body FROM idempotent_reply WHERE brand_id = $1", ground.brand.id)
    assert all(code not in row["body"] for row in kept for code in ground.codes)


async def test_a_moving_qr_is_taken_and_what_is_no_request_is_refused(make: callers.Make, ground: tills.Ground) -> None:
    machine, (batch, number), before = await till(make, ground), ground.cards[0], await ground.count("redemption")
    for body, status in (
        ({}, 422),
        ({"code": "x", "dynamic": "y"}, 422),
        ({"digits": "123456"}, 422),
        ({"code": "x", "phoneEnd": "1234"}, 422),
        ({"digits": "12", "phoneEnd": "1234"}, 422),
    ):
        assert (await send(machine, PATH, body, "k-0")).status_code == status
    assert (await send(machine, PATH, {"code": ground.codes[0]}, None)).json()["code"] == "idempotency.missing"
    assert await ground.count("redemption") == before
    shown = await picture.issue(brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, now=clock.now())
    assert (await send(machine, PATH, {"dynamic": shown}, "k-1")).json()["result"] == "ok"
    wrong = await send(machine, PATH, {"digits": "123456", "phoneEnd": "1234"}, "k-2")
    assert (wrong.status_code, wrong.json()["result"]) == (200, "unknown")


async def test_a_key_that_is_no_terminals_is_told_one_thing(make: callers.Make, ground: tills.Ground) -> None:
    stranger = await make(ground.brand, "cards.redeem")
    answers = [(await send(stranger, PATH, {"code": code}, f"k-{code}")).json() for code in (ground.codes[0], "no-such-code")]
    assert answers[0] == answers[1]
    assert (answers[0]["result"], answers[0]["id"], await ground.state()) == ("unknown", None, "revealed")
    assert (await send(stranger, BACK, {"key": "k-1"}, "b-1")).status_code == 404
    reader = await make(ground.brand, "stock.read")
    assert (await send(reader, PATH, {"code": ground.codes[0]}, "k-1")).status_code == 403
    assert await ground.count("redemption") == 0


async def test_a_key_that_is_a_code_is_answered_like_any_other_and_is_not_kept(
    make: callers.Make, ground: tills.Ground, owner: asyncpg.Connection
) -> None:
    machine, stranger = await till(make, ground), await make(ground.brand, "cards.redeem")
    named = (ground.codes[1], "AAAA-AAAA-AAAA")
    for by in (stranger, machine):
        answers = [await send(by, PATH, {"code": "no-such-code"}, key) for key in named]
        told = [{**each.json(), "id": None, "at": None} for each in answers]
        assert ([each.status_code for each in answers], told[0]["result"]) == ([200, 200], "unknown")
        assert told[0] == told[1]
    done = await send(machine, PATH, {"code": ground.codes[0]}, ground.codes[2])
    assert done.json()["result"] == "ok"
    again = await send(machine, PATH, {"code": ground.codes[0]}, ground.codes[2])
    assert (again.json(), again.headers["idempotent-replayed"]) == (done.json(), "true")
    assert (await machine.get(PATH, key=ground.codes[2])).json() == done.json()
    back = await send(machine, BACK, {"key": ground.codes[2]}, ground.codes[2].lower())
    assert (back.json()["result"], await ground.state()) == ("undone", "revealed")
    assert (await send(machine, BACK, {"key": ground.codes[3]}, "b-2")).json()["result"] == "blocked"
    kept = ""
    for table in ("redemption", "reversed_key", "idempotent_reply", "audit_record"):
        rows = await owner.fetch(f"SELECT to_jsonb(t)::text FROM {table} t WHERE brand_id = $1", ground.brand.id)
        kept += "".join(row[0] for row in rows).upper()
    # the control: a key that is no code stands there
    assert [key for key in (*ground.codes, named[1]) if key.upper() in kept] == [named[1]]


async def test_a_late_reversal_waits_for_a_person(
    make: callers.Make, ground: tills.Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = await till(make, ground)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - dt.timedelta(minutes=6))
    assert (await send(machine, PATH, {"code": ground.codes[0]}, "k-1")).json()["result"] == "ok"
    monkeypatch.undo()
    back = (await send(machine, BACK, {"key": "k-1"}, "b-1")).json()
    assert (back["result"], await ground.state()) == ("waiting", "redeemed")
    asked = "SELECT id::text, action, maker FROM approval WHERE state = 'waiting'"
    assert await books.seen(ground.brand, asked) == [(back["approvalId"], "redemption.reverse", machine.maker.user_id)]
