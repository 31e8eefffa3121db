"""Where letters lead: an invitation becomes a person with a role, a forgotten password a new one. A token counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.rooms.identity import people

from qucheng.core import audit, clock, crypto
from qucheng.identity import invitation as invitations
from qucheng.identity import password_reset

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio

FRESH = "heron-lamp-77-cedar"


def a_login() -> str:
    return f"{crypto.token()[:12].lower().strip('-_')}@example.com"


async def token_of(house: browser.House, owner: asyncpg.Connection) -> str:
    """Of the last letter."""
    row = await owner.fetchrow("SELECT id, values_cipher FROM letter ORDER BY id DESC LIMIT 1")
    assert row is not None
    values = house.keys.open(row["values_cipher"], place=f"letter.values/{row['id']}")
    return str(msgspec.json.decode(values)["token"])


async def invited(house: browser.House, owner: asyncpg.Connection, login: str) -> str:
    host = await people.member(house.keys, audit.PLATFORM, "operator")
    await invitations.invite(
        keys=house.keys, principal=host, brand_id=audit.PLATFORM, login=login, role="operator", locale="en",
        actor=people.actor(host), now=clock.now(),
    )  # fmt: skip
    return await token_of(house, owner)


async def test_a_new_person_accepts_and_is_signed_in(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = a_login()
    token = await invited(house, owner, login)
    await guest.get("/invitation")
    offered = await guest.send("/invitation", token=f" {token} ")
    assert offered.status_code == 200
    assert "Qucheng invites you as Platform operator." in offered.text
    assert f"You will sign in as {login}." in offered.text
    weak = await guest.send("/invitation/accept", token=token, name="Ming", new="short")
    assert (weak.status_code, 'value="Ming"' in weak.text, "This password is easy to guess." in weak.text) == (422, True, True)
    nameless = await guest.send("/invitation/accept", token=token, name=" ", new=FRESH)
    assert (nameless.status_code, nameless.text.count("A name has 1 to 80 characters.")) == (422, 2)
    accepted = await guest.send("/invitation/accept", token=token, name="Ming", new=FRESH)
    assert (accepted.status_code, accepted.headers["location"]) == (303, "/")
    assert (await guest.get("/")).headers["location"] == "/second-factor/new"
    await guest.enrol()
    await guest.get("/account")
    assert "<span>Platform operator</span>" in guest.page
    again = await house.browser()
    await again.get("/invitation")
    used = await again.send("/invitation", token=token)
    assert (used.status_code, "This invitation is not valid" in used.text) == (404, True)
    assert (await again.sign_in(login, FRESH)).status_code == 303


async def test_who_has_an_account_accepts_with_it_and_nobody_else_does(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login, other = a_login(), a_login()
    await people.person(house.keys, login)
    await people.person(house.keys, other)
    token = await invited(house, owner, login)
    await guest.get("/invitation")
    offered = await guest.send("/invitation", token=token)
    assert f"{login} has an account here." in offered.text
    assert "/invitation/accept" not in offered.text
    await guest.get("/invitation")
    taken = await guest.send("/invitation/accept", token=token, name="Ming", new=FRESH)
    assert (taken.status_code, "This address has an account already" in taken.text) == (422, True)
    await guest.sign_in(other)
    await guest.get("/invitation")
    await guest.send("/invitation", token=token)
    foreign = await guest.send("/invitation/accept", token=token)
    assert (foreign.status_code, "<code>invitation.not_yours</code>" in foreign.text) == (403, True)
    mine = await house.browser()
    await mine.sign_in(login)
    await mine.get("/invitation")
    await mine.send("/invitation", token=token)
    accepted = await mine.send("/invitation/accept", token=token)
    assert (accepted.status_code, accepted.headers["location"]) == (303, "/roles")


async def test_a_half_signed_in_person_accepts_nothing(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = a_login()
    await people.person(house.keys, login)
    await guest.sign_in(login)
    await guest.enrol()
    token = await invited(house, owner, login)
    half = await house.browser()
    await half.sign_in(login)
    await half.get("/invitation")
    answer = await half.send("/invitation/accept", token=token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/second-factor?next=%2Finvitation&done=ended")
    assert await owner.fetchval("SELECT accepted_at FROM invitation ORDER BY id DESC LIMIT 1") is None


@pytest.mark.parametrize("token", ["", "x", "AAAA.BBBB", "." * 300, "é.é", "\0"])
async def test_a_token_that_is_none(guest: browser.Browser, token: str) -> None:
    for path in ("/invitation", "/password"):
        await guest.get(path)
        answer = await guest.send(path, token=token, new=FRESH)
        assert answer.status_code == 404, path


async def test_a_forgotten_password_is_set_anew_once(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = a_login()
    await people.person(house.keys, login)
    inside = await house.browser()
    await inside.sign_in(login)
    pages = []
    for asked in (f"x{login}", login):
        await guest.get("/password/forgotten")
        answer = await guest.send("/password/forgotten", login=asked)
        pages.append((answer.status_code, answer.text))
    assert pages[0] == pages[1]
    assert "the letter is on its way" in pages[0][1]
    token = await token_of(house, owner)
    await guest.get("/password")
    weak = await guest.send("/password", token=token, new=login)
    assert (weak.status_code, f'value="{token}"' in weak.text) == (422, True)
    done = await guest.send("/password", token=token, new=FRESH)
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in?done=password")
    await guest.get("/sign-in?done=password")
    assert "every device is signed out" in guest.page
    assert (await inside.get("/")).status_code == 303
    await guest.get("/password")
    assert (await guest.send("/password", token=token, new=FRESH)).status_code == 404
    assert (await guest.sign_in(login, FRESH)).status_code == 303


async def test_who_set_a_new_password_passes_what_strangers_tried(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = a_login()
    await people.person(house.keys, login)
    for number in range(5):
        stranger = await house.browser(f"192.0.{number}.1")
        for _ in range(4):
            await stranger.sign_in(login, people.WRONG)
    assert (await guest.sign_in(login)).status_code == 403
    await guest.get("/password/forgotten")
    await guest.send("/password/forgotten", login=login)
    token = await token_of(house, owner)
    await guest.get("/password")
    await guest.send("/password", token=token, new=FRESH)
    assert (await guest.sign_in(login, FRESH)).status_code == 303


async def test_the_time_of_an_answer_does_not_tell_whose_login_it_is(
    house: browser.House, guest: browser.Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter takes longer than none: it is written when the answer has been sent."""
    order, inner, written = [], house.app.asgi_handler, password_reset.request

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            await send(message)
            order.append(message["type"])

        await inner(scope, receive, told)

    async def request(**asked: Any) -> None:
        order.append("written")
        await written(**asked)

    login = a_login()
    await people.person(house.keys, login)
    await guest.get("/password/forgotten")
    monkeypatch.setattr(house.app, "asgi_handler", watched)
    monkeypatch.setattr(password_reset, "request", request)
    for asked in (login, f"x{login}"):
        order.clear()
        await guest.send("/password/forgotten", login=asked)
        assert order == ["http.response.start", "http.response.body", "written"]
