"""Whatever stands in an address or a form, a page answers: what nobody types is refused, passed over or not there, and breaks nothing."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib import parse

import pytest
from tests.doors.matrix import attempts, table, world

from qucheng.web.finance import step_up

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

PAGES = [route for route in table.routes() if route.audience == "pages"]
TEMPLATES = Path(__file__).parents[3] / "templates"
NAMED = re.compile(r'(?:name="|[?&]|; |, )([a-z_]{1,20})(?:"|=)')
# what the database has no room for; a number beyond its own; the last day and the last month of the calendar
NONSENSE = ("a\0b", "9" * 19, "9999-12-31", "9999-12")
# more digits than are read as a number
DIGITS = "1" * 5000
COUNTED = ("page", "number", "from", "version", "again", "changed", "before", "after", "month", "with")
SERVER_ERROR = 500


@functools.cache
def names() -> list[str]:
    """What fields of forms and of addresses are called, in all templates."""
    found = {name for file in TEMPLATES.rglob("*.html") for name in NAMED.findall(file.read_text(encoding="utf-8"))}
    return sorted(found - {"_csrf", "lang"})


async def sent(ground: attempts.Ground, route: table.Route, token: str | None, fields: dict[str, str]) -> httpx.Response:
    address = ground.world.address(route.path)
    if route.method == "GET":
        return await ground.send("GET", f"{address}?{parse.urlencode(fields)}", token)
    headers = {} if token else {"cookie": "__Host-visit=somebody", "x-csrf-token": ground.csrf("somebody")}
    return await ground.send(route.method, address, token, fields | route.fields, headers, parts=route.parts)


@pytest.mark.parametrize("turns", [(0,), pytest.param((1, 2, 3), marks=pytest.mark.long)], ids=["once", "again"])
@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.name)
async def test_nonsense_breaks_no_page(
    ground: attempts.Ground, route: table.Route, turns: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """turns: by which each field is given another piece of it."""

    async def given(*_: object) -> None:
        """The one-time code stands before what is to be tried."""

    monkeypatch.setattr(step_up, "require", given)
    ground.unlimited()
    person = None if route.permission == "anybody" else attempts.right_person(route, ground.world)
    asked = [{name: NONSENSE[(place + turn) % len(NONSENSE)] for place, name in enumerate(names())} for turn in turns]
    if route.method == "GET":
        asked.append(dict.fromkeys(COUNTED, DIGITS))
    broken = []
    for fields in asked:
        token = await world.fresh(ground.owner, person) if person else None
        answer = await sent(ground, route, token, fields)
        if answer.status_code >= SERVER_ERROR:
            broken.append(fields)
    assert broken == []
