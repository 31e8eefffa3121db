"""The same addresses, opened by who may: what the wrong ones are refused is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doors.matrix import attempts, table, world

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

PAGES = [route for route in table.routes() if route.audience == "pages" and route.permission != "anybody"]
# an empty form is a wrong one, and what it is about may be over; neither is said to who may not see it
THERE = {"GET": {200, 303, 409}, "POST": {200, 303, 409, 410, 422}}
STEPS = ("/sign-in?", "/second-factor?", "/second-factor/new")


@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.name)
async def test_who_may_gets_in(ground: attempts.Ground, route: table.Route) -> None:
    ground.unlimited()
    person = attempts.right_person(route, ground.world)
    token = await world.fresh(ground.owner, person)
    answer = await ground.send(route.method, ground.world.address(route.path), token, route.fields, parts=route.parts)
    assert answer.status_code in THERE[route.method], (person.name, answer.status_code)
    # without an enrolment begun before, its confirmation leads back to where one begins
    assert not _led_away(answer) or route.name == "POST /second-factor/confirm", (person.name, answer.headers)


def _led_away(answer: httpx.Response) -> bool:
    led = answer.headers.get("location", "")
    return bool(led.startswith(STEPS)) and "done=" not in led


@pytest.mark.parametrize("address", ["/sign-in", "/password", "/password/forgotten", "/invitation"])
async def test_a_door_for_strangers_is_open(ground: attempts.Ground, address: str) -> None:
    assert (await ground.send("GET", address, None)).status_code == 200


async def test_figures_are_for_who_has_the_token(ground: attempts.Ground) -> None:
    for given in (None, "", "Bearer ", "Bearer x", "Basic eDp4"):
        assert (await ground.send("GET", "/metrics", None, headers={"authorization": given})).status_code == 404
