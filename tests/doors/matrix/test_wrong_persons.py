"""Every page, tried by every wrong person with the addresses of what is not theirs: the answer says nothing, and nothing changes."""

from __future__ import annotations

import pytest
from tests.doors.matrix import attempts, table

from qucheng.web import guards

pytestmark = pytest.mark.anyio

PAGES = [route for route in table.routes() if route.audience == "pages" and route.permission != "anybody"]


async def faults_of(ground: attempts.Ground, route: table.Route) -> list[str]:
    """What some wrong person was answered otherwise than they should be."""
    faults, address = [], ground.world.address(route.path)
    back = attempts.way_back(table.options(ground.house.app)[route.name], route, address)
    for person in ground.world.people:
        if (wanted := attempts.expected(route, person)) is None:
            continue
        status, place = wanted
        answer = await ground.send(route.method, address, person.token, route.fields, parts=route.parts)
        led = answer.headers.get("location")
        if (answer.status_code, led) != (status, place and place.replace("{back}", back)):
            faults.append(f"{person.name}: {answer.status_code} {led} instead of {status} {place}")
        faults += [f"{person.name}: is shown {mark}" for mark in attempts.marks(person, route) if mark in answer.text]
    return faults


@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.name)
async def test_a_wrong_person_gets_the_answer_of_a_stranger_and_changes_nothing(
    ground: attempts.Ground, route: table.Route
) -> None:
    await ground.rested()
    before = await ground.state()
    assert any(attempts.expected(route, person) for person in ground.world.people)
    faults = await faults_of(ground, route)
    assert not faults, "\n".join([route.name, *faults])
    assert attempts.changed(before, await ground.state()) == []


async def test_whoever_signs_in_again_after_a_form_comes_back_to_a_page(ground: attempts.Ground) -> None:
    """A session that ends while a form is filled in leads to the sign-in and back: where it leads is a page."""
    served = table.options(ground.house.app)
    pages = {table.plain(served[route.name].get(guards.FORM, route.path)) for route in PAGES if route.method == "POST"}
    assert {page for page in pages if f"GET {page}" not in served} == set()


async def test_without_the_guard_wrong_persons_get_in(ground: attempts.Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same attempts, with nobody at the door."""
    await ground.rested()
    before = await ground.state()
    monkeypatch.setattr(guards, "require", lambda *_: None)
    by_name = {route.name: route for route in PAGES}
    seen = await faults_of(ground, by_name["GET /statements/{statement_no}"])
    assert any(fault.startswith("seller of R-own of the own brand: 200") for fault in seen), seen
    await faults_of(ground, by_name["POST /runs/{code}/discard"])
    assert "settlement_run" in attempts.changed(before, await ground.state())


READ = [route for route in PAGES if route.method == "GET"]


@pytest.mark.parametrize("route", READ, ids=lambda route: route.name)
async def test_a_page_shows_nothing_of_others(ground: attempts.Ground, route: table.Route) -> None:
    """To who may open it, in another brand or in another reseller."""
    faults = []
    for person in ground.world.people:
        if attempts.expected(route, person) is not None or not attempts.marks(person, route):
            continue
        answer = await ground.send("GET", ground.world.address(route.path), person.token)
        if answer.status_code not in (200, 303, 409):
            faults.append(f"{person.name}: {answer.status_code}")
        faults += [f"{person.name}: is shown {mark}" for mark in attempts.marks(person, route) if mark in answer.text]
    assert not faults, "\n".join([route.name, *faults])
