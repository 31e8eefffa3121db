"""Signing in and out: a new token each time, the same words for everybody, forms from here only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.doors.account import browser
from tests.rooms.identity import people

from qucheng.core import crypto
from qucheng.web import csrf, guards

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests import books

pytestmark = pytest.mark.anyio

COOKIE = re.compile(r"__Host-session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure")


async def sessions(owner: asyncpg.Connection) -> list[tuple[bytes, str | None]]:
    return [tuple(row) for row in await owner.fetch("SELECT token_hash, ending FROM session ORDER BY id")]


async def a_login(house: browser.House) -> str:
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.person(house.keys, login)
    return login


async def test_who_signs_in_sees_the_first_page_and_who_signs_out_does_not(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = await a_login(house)
    led = await guest.get("/")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in")
    answer = await guest.sign_in(login)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (given,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith("__Host-session")]
    assert COOKIE.fullmatch(given)
    assert (await guest.get("/account")).status_code == 200
    assert "某人" in guest.page
    token = guest.token()
    assert token is not None
    left = await guest.send("/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in?done=signed-out")
    assert guest.token() is None
    assert (crypto.token_hash(token), "signed-out") in await sessions(owner)
    guest.client.cookies.set("__Host-session", token, domain="shop.example")
    assert (await guest.get("/")).headers["location"] == "/sign-in"


async def test_a_token_that_was_known_before_is_worth_nothing_after(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login, planted = await a_login(house), "a" * 43
    guest.client.cookies.set("__Host-session", planted, domain="shop.example", path="/")
    await guest.sign_in(login)
    held = [cookie.value for cookie in guest.client.cookies.jar if cookie.name == "__Host-session"]
    assert planted not in held
    (token,) = held
    known = [hash_ for hash_, _ in await sessions(owner)]
    assert crypto.token_hash(planted) not in known
    assert crypto.token_hash(str(token)) in known
    stranger = await house.browser()
    stranger.client.cookies.set("__Host-session", planted, domain="shop.example")
    assert (await stranger.get("/")).headers["location"] == "/sign-in"


async def test_signing_in_again_ends_the_session_before(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = await a_login(house)
    await guest.get("/sign-in")
    form = guest.page
    await guest.sign_in(login)
    first = str(guest.token())
    assert (await guest.get("/sign-in")).headers["location"] == "/"
    await guest.get("/")
    answer = await guest.send("/sign-in", login=login, password=people.PASSWORD)
    assert answer.status_code == 303
    assert guest.token() != first
    assert dict(await sessions(owner))[crypto.token_hash(first)] == "signed-out"
    guest.page = form
    assert (await guest.send("/sign-out")).status_code == 403  # of the stranger that one was


async def test_the_same_answer_for_a_wrong_password_and_for_nobody(house: browser.House, guest: browser.Browser) -> None:
    login = await a_login(house)
    pages = []
    for tried in (login, f"x{login}", "no login at all"):
        answer = await guest.sign_in(tried, people.WRONG)
        assert answer.status_code == 422
        assert f'value="{tried}"' in answer.text
        assert people.WRONG not in answer.text
        pages.append(answer.text.replace(tried, "LOGIN"))
    assert pages[0] == pages[1] == pages[2]
    assert "The login or the password is wrong." in pages[0]


async def test_what_lacks_is_said_at_its_field(guest: browser.Browser) -> None:
    answer = await guest.sign_in("", "")
    assert answer.status_code == 422
    assert answer.text.count("Enter your password.") == 2
    assert '<a href="#login">Enter your e-mail or user name.</a>' in answer.text
    assert 'aria-describedby="password-fault"' in answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, "csrf.origin"),
        ({"origin": "null"}, "csrf.origin"),
        ({"origin": ""}, "csrf.origin"),
        ({"origin": "https://shop.example.evil.example"}, "csrf.origin"),
        ({"sec_fetch_site": "cross-site"}, "csrf.origin"),
        ({"sec_fetch_site": "same-site"}, "csrf.origin"),
        ({"sec_fetch_site": "none"}, "csrf.origin"),
    ],
)
async def test_a_form_from_elsewhere_does_nothing(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection, headers: dict[str, str], code: str
) -> None:
    login = await a_login(house)
    await guest.get("/sign-in")
    sent = {"_csrf": guest.hidden("_csrf"), "login": login, "password": people.PASSWORD}
    before = await sessions(owner)
    answer = await guest.post("/sign-in", sent, **headers)
    assert (answer.status_code, f"<code>{code}</code>" in answer.text) == (403, True)
    assert guest.token() is None
    assert await sessions(owner) == before
    assert (await guest.post("/sign-in", sent)).status_code == 303  # the same from here


@pytest.mark.parametrize("sent", [None, "", "wrong", "another visit's"])
async def test_a_form_without_its_token_does_nothing(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection, sent: str | None
) -> None:
    login = await a_login(house)
    other = await house.browser()
    await other.get("/sign-in")
    await guest.get("/sign-in")
    before = await sessions(owner)
    given = {} if sent is None else {"_csrf": other.hidden("_csrf") if sent == "another visit's" else sent}
    answer = await guest.post("/sign-in", {**given, "login": login, "password": people.PASSWORD})
    assert (answer.status_code, "<code>csrf.token</code>" in answer.text) == (403, True)
    assert await sessions(owner) == before


async def test_without_the_check_a_form_from_elsewhere_would_be_taken(
    house: browser.House, guest: browser.Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_request: object) -> None:
        return None

    login = await a_login(house)
    monkeypatch.setattr(csrf, "require", nothing)
    answer = await guest.post(
        "/sign-in", {"login": login, "password": people.PASSWORD}, origin="https://evil.example", sec_fetch_site="cross-site"
    )
    assert (answer.status_code, guest.token() is not None) == (303, True)


async def test_the_token_may_come_as_a_header(house: browser.House, guest: browser.Browser) -> None:
    login = await a_login(house)
    await guest.get("/sign-in")
    answer = await guest.post(
        "/sign-in",
        {"login": login, "password": people.PASSWORD},
        x_csrf_token=guest.hidden("_csrf"),
        sec_fetch_site="same-origin",
    )
    assert answer.status_code == 303


async def test_five_wrong_ones_and_the_sixth_waits_but_only_from_there(house: browser.House, guest: browser.Browser) -> None:
    login = await a_login(house)
    answers = [await guest.sign_in(login, people.WRONG) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert answers[5].headers["retry-after"] == "2"
    assert "Too many attempts from here. You can try again in 2 seconds." in answers[5].text
    assert (await guest.sign_in(login)).status_code == 429
    elsewhere = await house.browser("203.0.113.9")
    assert (await elsewhere.sign_in(login)).status_code == 303


async def test_strangers_lock_nobody_out_of_a_device_that_is_known(house: browser.House, guest: browser.Browser) -> None:
    login = await a_login(house)
    assert (await guest.sign_in(login)).status_code == 303
    await guest.get("/")
    await guest.send("/sign-out")
    for number in range(5):
        stranger = await house.browser(f"192.0.{number}.1")
        for _ in range(4):
            await stranger.sign_in(login, people.WRONG)
    unknown = await house.browser("203.0.113.9")
    answer = await unknown.sign_in(login)
    assert (answer.status_code, "Sign in on a device that you have used before" in answer.text) == (403, True)
    assert (await guest.sign_in(login)).status_code == 303
    other = await a_login(house)
    copied = str(guest.client.cookies.get("__Host-device"))
    unknown.client.cookies.set("__Host-device", copied.replace(copied[-4:], "AAAA"), domain="shop.example", path="/")
    assert (await unknown.sign_in(login)).status_code == 403
    assert (await unknown.sign_in(other)).status_code == 303


async def test_without_anybody_who_counts_nobody_signs_in(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    async with browser.house(tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as house:
        guest = await house.browser()
        login = await a_login(house)
        answer = await guest.sign_in(login)
        assert (answer.status_code, answer.headers["retry-after"], guest.token()) == (503, "5", None)


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/account?lang=en", "/account?lang=en"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/a\tb", "/"),
        ("", "/"),
    ],
)
async def test_the_way_back_is_within_this_site(house: browser.House, guest: browser.Browser, asked: str, led: str) -> None:
    login = await a_login(house)
    answer = await guest.sign_in(login, next=asked)
    assert answer.headers["location"] == led


async def test_the_way_to_a_page_leads_over_the_sign_in(guest: browser.Browser) -> None:
    answer = await guest.get("/account/sessions?page=2")
    assert answer.headers["location"] == f"{guards.SIGN_IN}?next=%2Faccount%2Fsessions%3Fpage%3D2"
    await guest.get(answer.headers["location"])
    assert guest.hidden("next") == "/account/sessions?page=2"


async def test_plain_cookies_on_this_machine_only(house: browser.House) -> None:
    login = await a_login(house)
    local, remote = await house.browser(base="http://127.0.0.1:8000"), await house.browser(base="http://shop.example")
    await local.sign_in(login)
    assert {cookie.name for cookie in local.client.cookies.jar} >= {"session", "device"}
    answer = await remote.get("/sign-in")
    assert answer.headers["set-cookie"].startswith("__Host-visit=")
    assert answer.headers["set-cookie"].endswith("Secure")
