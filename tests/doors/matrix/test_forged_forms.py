"""No form is taken that was not sent from a page of ours by who was shown it."""

from __future__ import annotations

import pytest
from tests.doors.matrix import attempts, table, world

from qucheng.core import crypto
from qucheng.web import csrf

pytestmark = pytest.mark.anyio

FORMS = [route for route in table.routes() if route.audience == "pages" and route.method in table.UNSAFE]
# the browser says: from elsewhere, from nowhere, or nothing at all; and what it is refused with
FOREIGN: dict[str, dict[str, str | None]] = {
    "another site": {"origin": "https://elsewhere.example"},
    "the same name without encryption": {"origin": "http://shop.example.elsewhere.example"},
    "a page of nobody": {"origin": "null"},
    "a neighbour under the same domain": {"origin": "https://shop.example", "sec-fetch-site": "same-site"},
    "a link on another site": {"origin": None, "sec-fetch-site": "cross-site"},
    "nothing said": {"origin": None},
}


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.name)
async def test_a_forged_form_is_refused_and_changes_nothing(ground: attempts.Ground, route: table.Route) -> None:
    before, address = await ground.state(), ground.world.address(route.path)
    token = None if route.permission == "anybody" else attempts.right_person(route, ground.world).token
    bound: dict[str, str | None] = {} if token else {"cookie": "__Host-visit=somebody", csrf.HEADER: ground.csrf("somebody")}
    for said, headers in FOREIGN.items():
        answer = await ground.send(route.method, address, token, headers={**bound, **headers}, parts=route.parts)
        assert (answer.status_code, "sent from another site" in answer.text) == (403, True), (said, answer.status_code)
    for forged in (None, "", "x", ground.csrf(crypto.token())):
        answer = await ground.send(route.method, address, token, headers={**bound, csrf.HEADER: forged}, parts=route.parts)
        assert (answer.status_code, "out of date" in answer.text) == (403, True), (forged, answer.status_code)
    assert attempts.changed(before, await ground.state()) == []


async def test_the_token_of_ones_other_session_is_none_of_this_one(ground: attempts.Ground) -> None:
    person = ground.world.named("owner of the own brand")
    other, this = [await world.fresh(ground.owner, person) for _ in range(2)]
    answers = [
        (await ground.send("POST", "/sign-out", this, headers={csrf.HEADER: ground.csrf(bound)})).status_code
        for bound in (other, this)
    ]
    assert answers == [403, 303]
