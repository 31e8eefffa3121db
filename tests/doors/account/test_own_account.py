"""Roles, devices and the password of who is signed in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, crypto
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity import brand as brands

pytestmark = pytest.mark.anyio

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> brands.Brand:
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


def a_login() -> str:
    return f"{crypto.token()[:12].lower().strip('-_')}@example.com"


async def test_each_role_sees_its_name_and_place(house: browser.House, brand: brands.Brand) -> None:
    for role, reseller, shown, place in (
        ("support", None, "Support", brand.name),
        ("auditor", None, "Auditor", brand.name),
        ("seller", "R1", "Seller", f"{brand.name}, reseller R1"),
        ("admin", "R1", "Reseller administrator", f"{brand.name}, reseller R1"),
    ):
        login, guest = a_login(), await house.browser()
        await people.member(house.keys, brand.id, role, reseller=reseller, login=login)  # type: ignore[arg-type]
        await guest.sign_in(login)
        assert (await guest.get("/account")).status_code == 200
        assert f"<span>{shown}</span><span>{place}</span>" in guest.page
        assert "Switch role" not in guest.page


async def test_one_person_with_two_roles_chooses_and_switches(
    house: browser.House, guest: browser.Browser, brand: brands.Brand, owner: asyncpg.Connection
) -> None:
    login = a_login()
    who = await people.member(house.keys, brand.id, "auditor", login=login)
    seller = await memberships.grant(
        brand_id=brand.id, user_id=who.user_id, role="seller", reseller="R1", granted_by=None, actor=audit.SYSTEM, now=people.NOW
    )
    await guest.sign_in(login)
    await guest.get("/")
    assert "Choose the role you work in" in guest.page
    before, stale = str(guest.token()), guest.page
    await guest.get("/roles")
    answer = await guest.send("/roles", membership=str(seller))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert guest.token() != before
    hashes = {row["token_hash"] for row in await owner.fetch("SELECT token_hash FROM session WHERE ended_at IS NULL")}
    assert (crypto.token_hash(before) in hashes, crypto.token_hash(str(guest.token())) in hashes) == (False, True)
    await guest.get("/account")
    assert f"<span>Seller</span><span>{brand.name}, reseller R1</span>" in guest.page
    guest.page = stale  # of the role before: its forms send nothing any more
    assert (await guest.send("/account/sessions/end-others")).status_code == 403
    await guest.get("/roles")
    assert guest.page.count("Work here") == 1


@pytest.mark.parametrize(("membership", "status"), [("", 422), ("x", 422), (str(uuid.UUID(int=1)), 404)])
async def test_a_role_that_is_not_ones_own_is_not_there(
    house: browser.House, guest: browser.Browser, brand: brands.Brand, membership: str, status: int
) -> None:
    login = a_login()
    await people.member(house.keys, brand.id, "auditor", login=login)
    stranger = await people.member(house.keys, brand.id, "owner")
    await guest.sign_in(login)
    await guest.get("/roles")
    before = guest.token()
    assert (await guest.send("/roles", membership=membership)).status_code == status
    foreign = await people.role_of(stranger.user_id, brand.id)
    assert (await guest.send("/roles", membership=str(foreign))).status_code == 404
    assert guest.token() == before


async def test_a_role_that_is_taken_away_is_gone_with_the_next_request(
    house: browser.House, guest: browser.Browser, brand: brands.Brand
) -> None:
    login = a_login()
    who = await people.member(house.keys, brand.id, "auditor", login=login)
    await guest.sign_in(login)
    await guest.get("/account")
    assert "<span>Auditor</span>" in guest.page
    await memberships.revoke(
        brand_id=brand.id, membership_id=await people.role_of(who.user_id, brand.id), actor=audit.SYSTEM, now=people.NOW
    )
    await guest.get("/")
    assert "<span>No role chosen</span>" in guest.page
    assert "You have no role yet" in guest.page


async def test_devices_are_listed_and_ended_at_once(house: browser.House, guest: browser.Browser) -> None:
    login = a_login()
    await people.person(house.keys, login)
    other = await house.browser("203.0.113.9", agent=CHROME)
    await guest.sign_in(login)
    await other.sign_in(login)
    await guest.get("/account/sessions")
    assert "You are signed in on 2 devices." in guest.page
    assert [guest.page.count(text) for text in ("Firefox · Linux", '<b class="medium">Chrome · Windows</b>', "This device")] == [
        1,
        1,
        1,
    ]
    assert "from 203.0.113.0/24" in guest.page
    (path,) = [
        part.partition('"')[0]
        for part in guest.page.split('action="')
        if part.startswith("/account/sessions/") and '/end"' in part
    ]
    assert (await other.get("/account")).status_code == 200
    answer = await guest.send(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/sessions")
    assert (await other.get("/")).headers["location"] == "/sign-in"
    await guest.get("/account/sessions")
    assert "You are signed in on 1 device." in guest.page
    assert "Sign out all others" not in guest.page
    assert (await guest.send(path)).status_code == 404


async def test_all_others_end_together(house: browser.House, guest: browser.Browser) -> None:
    login = a_login()
    await people.person(house.keys, login)
    others = [await house.browser() for _ in range(2)]
    for each in (guest, *others):
        await each.sign_in(login)
    await guest.get("/account/sessions")
    assert (await guest.send("/account/sessions/end-others")).status_code == 303
    assert [(await each.get("/account")).status_code for each in (guest, *others)] == [200, 303, 303]


async def test_a_session_of_somebody_else_is_not_there_and_stays(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    mine, theirs = a_login(), a_login()
    await people.person(house.keys, mine)
    stranger = await people.person(house.keys, theirs)
    other = await house.browser()
    await other.sign_in(theirs)
    await guest.sign_in(mine)
    session = await owner.fetchval("SELECT id FROM session WHERE user_id = $1", stranger)
    await guest.get("/account/sessions")
    for name in (str(session), str(uuid.UUID(int=9)), "x"):
        assert (await guest.send(f"/account/sessions/{name}/end")).status_code == 404
        await guest.get("/account/sessions")
    assert (await other.get("/account")).status_code == 200


async def test_the_password_is_changed_and_other_devices_are_out(house: browser.House, guest: browser.Browser) -> None:
    login, fresh = a_login(), "heron-lamp-77-cedar"
    await people.person(house.keys, login)
    other = await house.browser()
    await guest.sign_in(login)
    await other.sign_in(login)
    await guest.get("/account/password")
    wrong = await guest.send("/account/password", old=people.WRONG, new=fresh)
    assert (wrong.status_code, wrong.text.count("This is not your password."), fresh in wrong.text) == (422, 2, False)
    weak = await guest.send("/account/password", old=people.PASSWORD, new="short")
    assert (weak.status_code, weak.text.count("This password is easy to guess.")) == (422, 2)
    before, stale = guest.token(), guest.page
    done = await guest.send("/account/password", old=people.PASSWORD, new=fresh)
    assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
    assert guest.token() != before
    guest.page = stale  # its form was of the token before
    assert (await guest.send("/account/sessions/end-others")).status_code == 403
    await guest.get("/account?done=password")
    assert "The password is changed" in guest.page
    assert (await other.get("/")).status_code == 303
    assert (await other.sign_in(login)).status_code == 422
    assert (await other.sign_in(login, fresh)).status_code == 303


async def test_an_open_session_is_no_way_to_try_passwords(house: browser.House, guest: browser.Browser) -> None:
    login = a_login()
    await people.person(house.keys, login)
    await guest.sign_in(login)
    await guest.get("/account/password")
    answers = [await guest.send("/account/password", old=people.WRONG, new="heron-lamp-77-cedar") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert (await guest.send("/account/password", old=people.PASSWORD, new="heron-lamp-77-cedar")).status_code == 429


async def test_the_language_is_changed_for_pages_and_letters(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = a_login()
    user_id = await people.person(house.keys, login)
    await guest.sign_in(login)
    await guest.get("/account")
    assert '<html lang="en">' in guest.page
    for locale, notice in (("zh-CN", "语言已更改。"), ("en", "The language is changed.")):
        answer = await guest.send("/account/language", locale=locale)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=language")
        await guest.get("/account?done=language")
        assert (f'<html lang="{locale}">' in guest.page, notice in guest.page) == (True, True)
        assert await owner.fetchval("SELECT locale FROM person WHERE id = $1", user_id) == locale
    assert (await guest.send("/account/language", locale="fr")).status_code == 404
    assert await owner.fetchval("SELECT locale FROM person WHERE id = $1", user_id) == "en"
    trail = [each for each in await audit.listing(brand_id=audit.PLATFORM, user_id=user_id) if each.action == "user.locale"]
    assert [(each.before, each.after) for each in trail] == [({"locale": "zh-CN"}, {"locale": "en"})]


async def test_without_script_the_pages_of_the_drawer_stand_at_the_foot(house: browser.House, guest: browser.Browser) -> None:
    login = a_login()
    await people.person(house.keys, login)
    await guest.sign_in(login)
    await guest.get("/account")
    foot = guest.page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert [address for address in ("/account", "/account/sessions") if f'href="{address}"' in foot] == [
        "/account", "/account/sessions",
    ]  # fmt: skip
    assert 'action="/sign-out"' in foot
