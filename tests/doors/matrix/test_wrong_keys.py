"""Every route for programs, called with every wrong key and every wrong signature: refused in words that say nothing, and nothing changes."""

from __future__ import annotations

import time
import uuid

import msgspec
import pytest
from tests.doors.matrix import attempts, callers, table

pytestmark = pytest.mark.anyio

ROUTES = [route for route in table.routes() if route.audience == "api"]
READ = [route for route in ROUTES if route.method == "GET"]
SIGNED = [route for route in ROUTES if route.permission in callers.MONEY]
THERE = {200, 201, 202, 422}
# asked without what they need, they answer that, and not whose key it is
ASKING = {
    "GET /api/v1/quotes": {400},
    "POST /api/v1/redemptions": {400},
    "GET /api/v1/redemptions": {400},
    "POST /api/v1/reversals": {400},
    "DELETE /api/v1/reservations/{reservation_id}": {200, 409},
    "POST /api/v1/cards/{card_id}/reveal": {409},
    "POST /api/v1/claims": {404},
    # of the same line once more, more units than it has
    "POST /api/v1/orders/{order_no}/fulfilments": {201, 409},
}


@pytest.fixture(scope="module")
async def keys(ground: attempts.Ground) -> tuple[callers.Caller, ...]:
    return await callers.made(ground)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_wrong_key_gets_nothing_and_changes_nothing(
    ground: attempts.Ground, keys: tuple[callers.Caller, ...], route: table.Route
) -> None:
    ground.unlimited()
    before, faults, tried = await ground.state(), [], 0
    address = ground.world.address(route.path)
    for caller in keys:
        if (wanted := callers.expected(route, caller)) is None:
            continue
        tried += 1
        answer = await callers.call(ground, route, caller, address)
        if answer.status_code != wanted or answer.headers["content-type"] != "application/problem+json":
            faults.append(f"{caller.name}: {answer.status_code} instead of {wanted}")
        faults += [f"{caller.name}: is shown {mark}" for mark in callers.marks(caller) if mark in answer.text]
    assert tried > 0
    assert not faults, "\n".join([route.name, *faults])
    assert attempts.changed(before, await ground.state()) == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_key_that_may_gets_in_and_is_shown_nothing_of_others(
    ground: attempts.Ground, keys: tuple[callers.Caller, ...], route: table.Route
) -> None:
    ground.unlimited()
    faults, address, tried = [], ground.world.address(route.path), 0
    for caller in keys:
        if callers.expected(route, caller) is not None:
            continue
        tried += caller.brand == "own"
        answer = await callers.call(ground, route, caller, address)
        if answer.status_code not in ASKING.get(route.name, THERE):
            faults.append(f"{caller.name}: {answer.status_code} {answer.text}")
        faults += [f"{caller.name}: is shown {mark}" for mark in callers.marks(caller) if mark in answer.text]
    assert tried > 0
    assert not faults, "\n".join([route.name, *faults])


WRONG: dict[str, dict[str, str]] = {
    "of another body": {"body": msgspec.json.encode({"note": "another"}).decode()},
    "of another address": {"signed_for": "/api/v1/me"},
    "of ten minutes ago": {"timestamp": str(int(time.time()) - 600)},
    "of ten minutes ahead": {"timestamp": str(int(time.time()) + 600)},
    "of nothing": {"signature": "0" * 64},
    "left out": {"signature": ""},
    "with a short nonce": {"nonce": "x"},
    "of a key of nobody": {"key": uuid.uuid4().hex},
}


@pytest.mark.parametrize("route", SIGNED, ids=lambda route: route.name)
async def test_a_wrong_signature_moves_nothing(
    ground: attempts.Ground, keys: tuple[callers.Caller, ...], route: table.Route
) -> None:
    ground.unlimited()
    right, *_ = keys
    before, address = await ground.state(), ground.world.address(route.path)
    answers = {
        name: (
            await callers.sign(ground, right.issued, address, callers.asked(route), method=route.method, **changed)
        ).status_code
        for name, changed in WRONG.items()
    }
    assert answers == dict.fromkeys(WRONG, 401)
    bearer = {"authorization": f"Bearer {right.bearer()}"}
    plain = await ground.client.request(route.method, address, json=callers.asked(route), headers=bearer)
    assert plain.status_code == 401
    assert attempts.changed(before, await ground.state()) == []
    nonce = uuid.uuid4().hex
    twice = [
        (await callers.sign(ground, right.issued, address, callers.asked(route), method=route.method, nonce=nonce)).status_code
        for _ in range(2)
    ]
    assert twice[0] in ASKING.get(route.name, THERE)
    assert twice[1] == 401


@pytest.mark.parametrize("route", [route for route in SIGNED if route.method == "POST"], ids=lambda route: route.name)
async def test_a_field_nobody_asked_for_is_refused(
    ground: attempts.Ground, keys: tuple[callers.Caller, ...], route: table.Route
) -> None:
    ground.unlimited()
    right, *_ = keys
    before, address = await ground.state(), ground.world.address(route.path)
    for name in ("brandId", "state", "maker", "checker", "amountMinor", "brand_id"):
        answer = await callers.sign(ground, right.issued, address, {**callers.asked(route), name: "1"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    assert attempts.changed(before, await ground.state()) == []
