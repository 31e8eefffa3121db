"""An attempt of a person at a route, what it should be answered, and the state of the database before and after."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib import parse

from tests import books
from tests.doors.account import browser
from tests.doors.matrix import table, world

from qucheng.core import limits
from qucheng.web import csrf, guards

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg
    import httpx
    import pytest

# what a request may touch though it is refused: when a session was last seen, and that one has run out; the day of a key's last
# use, and the nonce of what it signed; when the process was seen
ROWS = {
    "api_key": "to_jsonb(t) - 'last_used_on'",
    "session": "to_jsonb(t) - 'seen_at' || CASE t.ending WHEN 'expired' THEN '{\"ending\": null, \"ended_at\": null}' ELSE '{}' END::jsonb",
}
# what these name is the brand's, for each of its resellers alike
OF_ALL_RESELLERS = frozenset({"/portal/products/{code}/image"})
LEFT_OUT = frozenset({"api_nonce", "process"})


@dataclass(frozen=True)
class Ground:
    house: browser.House
    world: world.World
    client: httpx.AsyncClient
    owner: asyncpg.Connection
    patch: pytest.MonkeyPatch

    async def send(
        self,
        method: str,
        address: str,
        token: str | None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        *,
        parts: bool = False,
    ) -> httpx.Response:
        """As a page of ours would send it for that session. headers: others than a browser's, or None for none. parts: with a file."""
        self.client.cookies.clear()
        named: dict[str, str | None] = {"accept": "text/html", "accept-language": "en"}
        if token is not None:
            named["cookie"] = f"__Host-session={token}"
        if method in table.UNSAFE:
            named |= {"origin": browser.HOME, csrf.HEADER: self.csrf(token or "")}
        named |= headers or {}
        return await self.client.request(
            method,
            address,
            data=fields if method in table.UNSAFE and not parts else None,
            files={**{name: (None, value) for name, value in (fields or {}).items()}, "file": ("", b"")} if parts else None,
            headers={name: value for name, value in named.items() if value is not None},
        )

    async def rested(self) -> None:
        """Sessions that have run out are as before anybody tried them."""
        await self.owner.execute("UPDATE session SET ended_at = NULL, ending = NULL WHERE ending = 'expired'")

    def unlimited(self) -> None:
        """Calls so far count for nothing in what follows."""
        self.patch.setattr(limits, "PREFIX", f"test:{uuid.uuid4()}:")

    def csrf(self, bound: str) -> str:
        return csrf.token(self.house.app.state["site"], bound)

    async def state(self) -> dict[str, str]:
        """Of every table the number of its rows and a digest of what they hold."""
        rows = await self.owner.fetch(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*) || ' ' || coalesce(md5(string_agg(r, '|' ORDER BY r)), '')"
                f" FROM (SELECT ({ROWS.get(name, 't')})::text AS r FROM {name} t) rows"
                for name in await books.tables(self.owner)
                if name not in LEFT_OUT
            )
        )
        return {row[0]: row[1] for row in rows}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tables that differ."""
    return sorted(name for name in after if before.get(name) != after[name])


def expected(route: table.Route, person: world.Person) -> tuple[int, str | None] | None:
    """The answer's status, and where it leads; None where the person is a right one. {back}: the address of the page that was asked for, or whose form was sent."""
    way_back = "{back}" if route.path != "/" else ""
    if person.standing in ("stranger", "over"):
        return 303, f"/sign-in{way_back}"
    if route.permission == "signed-in":
        return None
    owed = _OWED.get(person.standing)
    if owed is not None:
        allowed, place = owed
        return None if route.permission in allowed else (303, place.replace("?", way_back))
    if route.permission in table.STEPS:  # open to everybody, or given already
        return (303, "/") if route.permission == "second_factor.confirm" else None
    may = route.roles & {"everybody", person.role} and (not route.parameters or _at_home(route, person))
    if may and person.role in route.refused:
        return route.refused[person.role], None
    return None if may else (404, None)


def way_back(opt: dict[str, Any], route: table.Route, address: str) -> str:
    """What is said to the sign-in and to the second factor: which page comes afterwards, and that a form was not taken."""
    if route.method == "GET":
        return f"?{parse.urlencode({'next': address})}"
    page = opt.get(guards.FORM, address)
    return "" if page == "/" else f"?{parse.urlencode({'next': page, 'done': 'ended'})}"


# what a session may that owes a step, and the page of the step
_OWED = {
    "owes-code": ({"second_factor.confirm"}, "/second-factor?"),
    "owes-enrolment": ({"second_factor.enrol", "memberships.choose"}, "/second-factor/new"),
}


def _at_home(route: table.Route, person: world.Person) -> bool:
    """Whether what the path names is the person's own, its reseller's, or its brand's."""
    if route.personal:
        return person.name == world.HOLDER
    if person.place == "platform":  # what a brand has people of its own for is nothing of the operator's
        return not route.path.startswith("/approvals")
    return person.place == "own" and (route.path in OF_ALL_RESELLERS or person.reseller in (None, world.RESELLER))


def right_person(route: table.Route, there: world.World) -> world.Person:
    """Somebody who may do this where the objects are."""
    if route.permission == "second_factor.confirm":
        return there.named("owner, owes-code")
    if route.permission == "second_factor.enrol":
        return there.named("owner, owes-enrolment")
    if route.personal:
        return there.named(world.HOLDER)
    if route.permission == "signed-in" or "everybody" in route.roles:
        return there.named("owner of the own brand")
    return next(
        person
        for person in there.people
        if person.standing == "in" and person.role in route.roles and _at_home(route, person) and person.place != "other"
    )


def marks(person: world.Person, route: table.Route) -> tuple[str, ...]:
    """What no answer to this person may hold."""
    if person.place in (None, "other"):
        return world.BRAND_MARKS
    if person.reseller == world.PARENT:  # of a sale that it earns on a parent sees the number, and not whose it is
        return world.RESELLER_MARKS
    if person.reseller == world.CHILD and route.path == "/portal/profile":  # whom it is placed under
        return (world.BUYER, *world.ORDER_MARKS)
    if person.reseller in (world.CHILD, world.SIBLING):
        return (*world.RESELLER_MARKS, *world.ORDER_MARKS)
    return ()
