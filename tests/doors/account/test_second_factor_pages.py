"""The second factor: forced for roles that move money, asked for at every sign-in, a code once."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, crypto, db
from qucheng.identity import membership as memberships
from qucheng.identity import second_factor
from qucheng.identity import user as users

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


async def an_operator(house: browser.House) -> str:
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.member(house.keys, audit.PLATFORM, "operator", login=login)
    return login


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


async def guest_id(house: browser.House, login: str) -> uuid.UUID:
    async with db.atomic():
        found = await db.connection().fetchval("SELECT id FROM person WHERE login_hash = $1", users.login_hash(house.keys, login))
    return uuid.UUID(str(found))


def next_code(secret: str) -> str:
    """Of the step after this one: later than any that was used."""
    return pyotp.TOTP(secret).at(int(time.time()) + second_factor.STEP_SECONDS)


async def test_an_operator_without_one_gets_nothing_but_its_enrolment(house: browser.House, guest: browser.Browser) -> None:
    await guest.sign_in(await an_operator(house))
    for path in ("/", "/account", "/account/password", "/account/sessions", "/account/second-factor", "/second-factor"):
        answer = await guest.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/second-factor/new"), path
    await guest.get("/second-factor/new")
    assert 'href="/roles"' not in guest.page
    answer = await guest.send("/account/language", locale="en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/second-factor/new")
    assert (await guest.send("/sign-out")).headers["location"] == "/sign-in?done=signed-out"


async def test_who_owes_one_may_work_in_another_role(house: browser.House, guest: browser.Browser, brand: Brand) -> None:
    login = await an_operator(house)
    user_id = await guest_id(house, login)
    seller = await memberships.grant(
        brand_id=brand.id, user_id=user_id, role="seller", reseller="R1", granted_by=None, actor=audit.SYSTEM, now=people.NOW
    )
    await guest.sign_in(login)
    await guest.get("/roles")
    operator = await people.role_of(user_id, audit.PLATFORM)
    await guest.send("/roles", membership=str(operator))
    assert (await guest.get("/account")).headers["location"] == "/second-factor/new"
    await guest.get("/second-factor/new")
    assert 'href="/roles"' in guest.page
    assert (await guest.get("/roles")).status_code == 200
    answer = await guest.send("/roles", membership=str(seller))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await guest.get("/account")).status_code == 200


async def test_enrolment_gives_ten_codes_once_and_a_new_token(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    await guest.sign_in(await an_operator(house))
    before = str(guest.token())
    secret = await guest.enrol()
    after, codes = str(guest.token()), guest.codes()
    assert len(codes) == len(set(codes)) == 10
    assert secret not in guest.page
    assert after != before
    known = {row["token_hash"] for row in await owner.fetch("SELECT token_hash FROM session WHERE ended_at IS NULL")}
    assert (crypto.token_hash(before) in known, crypto.token_hash(after) in known) == (False, True)
    assert (await guest.get("/account")).status_code == 200
    assert "Platform operator" in guest.page
    assert (await guest.get("/second-factor/new")).headers["location"] == "/account"
    assert (await guest.get("/second-factor")).headers["location"] == "/"


async def test_the_qr_code_stays_the_same_after_a_wrong_code(house: browser.House, guest: browser.Browser) -> None:
    await guest.sign_in(await an_operator(house))
    await guest.open("/second-factor/new")
    await guest.send("/second-factor/new")
    drawn = guest.page.partition('<div class="qr">')[2].partition("</div>")[0]
    secret = guest.page.partition("<code>")[2].partition("</code>")[0]
    assert 'aria-label="QR code for the authenticator"' in drawn
    answer = await guest.send("/second-factor/confirm", enrolment=guest.hidden("enrolment"), code="12")
    assert answer.status_code == 422
    assert "The code is wrong, or was used already." in answer.text
    assert drawn in answer.text
    assert secret in answer.text
    answer = await guest.send(
        "/second-factor/confirm", enrolment=guest.hidden("enrolment"), code=pyotp.TOTP(secret.replace(" ", "")).now()
    )
    assert answer.status_code == 200


async def test_an_enrolment_of_somebody_else_is_no_enrolment(house: browser.House, guest: browser.Browser) -> None:
    await guest.sign_in(await an_operator(house))
    await guest.open("/second-factor/new")
    await guest.send("/second-factor/new")
    foreign = guest.hidden("enrolment")
    other = await house.browser()
    await other.sign_in(await an_operator(house))
    await other.open("/second-factor/new")
    for sealed in (foreign, "", "AA==", "not base64", foreign[:-8]):
        await other.get("/second-factor/new")
        answer = await other.send("/second-factor/confirm", enrolment=sealed, code="123456")
        assert (answer.status_code, answer.headers["location"]) == (303, "/second-factor/new")


async def test_at_the_next_sign_in_it_is_asked_for_and_a_code_is_taken_once(house: browser.House, guest: browser.Browser) -> None:
    login = await an_operator(house)
    await guest.sign_in(login)
    secret = await guest.enrol()
    fresh = await house.browser()
    await fresh.sign_in(login)
    answer = await fresh.get("/account/sessions")
    assert answer.headers["location"] == "/second-factor?next=%2Faccount%2Fsessions"
    await fresh.open("/account/sessions")
    wrong = await fresh.send("/second-factor", code="abcdef", next=fresh.hidden("next"))
    assert (wrong.status_code, "The code is wrong, or was used already." in wrong.text) == (422, True)
    assert (await fresh.send("/second-factor", code="0" * 3000)).status_code == 422
    before, code = fresh.token(), next_code(secret)
    answer = await fresh.send("/second-factor", code=f" {code[:3]} {code[3:]} ", next="/account/sessions")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/sessions")
    assert fresh.token() != before
    assert (await fresh.get("/account/sessions")).status_code == 200
    third = await house.browser()
    await third.sign_in(login)
    await third.open("/")
    used = await third.send("/second-factor", code=code)
    assert used.status_code == 422
    assert (await third.get("/")).headers["location"] == "/second-factor"


async def test_a_recovery_code_opens_once(house: browser.House, guest: browser.Browser) -> None:
    login = await an_operator(house)
    await guest.sign_in(login)
    await guest.enrol()
    code = guest.codes()[3].lower()
    answers = []
    for _ in range(2):
        fresh = await house.browser()
        await fresh.sign_in(login)
        await fresh.open("/")
        answers.append((await fresh.send("/second-factor", code=code)).status_code)
    assert answers == [303, 422]
    await guest.get("/account")
    assert "9 recovery codes are left." in guest.page


async def test_five_wrong_codes_and_none_is_taken_for_a_while(house: browser.House, guest: browser.Browser) -> None:
    login = await an_operator(house)
    await guest.sign_in(login)
    secret = await guest.enrol()
    fresh = await house.browser()
    await fresh.sign_in(login)
    await fresh.open("/")
    answers = [(await fresh.send("/second-factor", code="x")).status_code for _ in range(5)]
    assert answers == [422] * 5
    blocked = await fresh.send("/second-factor", code=next_code(secret))
    assert (blocked.status_code, "Too many wrong codes. You can try again in 15 minutes." in blocked.text) == (429, True)
    assert 890 <= int(blocked.headers["retry-after"]) <= 900


async def test_new_recovery_codes_are_made_against_a_code(house: browser.House, guest: browser.Browser) -> None:
    login = await an_operator(house)
    await guest.sign_in(login)
    secret = await guest.enrol()
    old = guest.codes()
    await guest.get("/account")
    assert (await guest.send("/account/recovery-codes", code="x")).status_code == 422
    assert guest.codes() == []
    assert (await guest.send("/account/recovery-codes", code=next_code(secret))).status_code == 200
    assert len(guest.codes()) == 10
    assert set(guest.codes()).isdisjoint(old)
    fresh = await house.browser()
    await fresh.sign_in(login)
    await fresh.open("/")
    assert (await fresh.send("/second-factor", code=old[0])).status_code == 422


async def test_another_authenticator_takes_its_place(
    house: browser.House, guest: browser.Browser, owner: asyncpg.Connection
) -> None:
    login = await an_operator(house)
    await guest.sign_in(login)
    old, recovery = await guest.enrol(), guest.codes()
    other = await house.browser()
    await other.sign_in(login)
    await other.open("/")
    await other.send("/second-factor", code=recovery[0])
    assert (await other.get("/account")).status_code == 200
    await guest.get("/account/second-factor")
    wrong = await guest.send("/account/second-factor", code="000")
    assert (wrong.status_code, "The code is wrong, or was used already." in wrong.text) == (422, True)
    assert (await guest.send("/account/second-factor", code=recovery[1])).status_code == 200
    fresh = guest.page.partition("<code>")[2].partition("</code>")[0].replace(" ", "")
    assert fresh != old
    assert (await other.get("/account")).status_code == 200  # nothing is different yet
    drawn = guest.page.partition('<div class="qr">')[2].partition("</div>")[0]
    sealed, before = guest.hidden("enrolment"), str(guest.token())
    mistyped = await guest.send("/account/second-factor/confirm", enrolment=sealed, code="000")
    assert (mistyped.status_code, drawn in mistyped.text) == (422, True)
    done = await guest.send("/account/second-factor/confirm", enrolment=sealed, code=pyotp.TOTP(fresh).now())
    assert (done.status_code, len(guest.codes()), set(guest.codes()) & set(recovery)) == (200, 10, set())
    assert guest.token() != before
    assert (await guest.get("/account")).status_code == 200
    assert (await other.get("/account")).status_code == 303
    told = await owner.fetchval("SELECT count(*) FROM letter WHERE kind = 'second-factor' AND sent_at IS NULL")
    assert told == 1
    again = await house.browser()
    await again.sign_in(login)
    await again.open("/")
    statuses = [
        (await again.send("/second-factor", code=code)).status_code for code in (next_code(old), recovery[2], next_code(fresh))
    ]
    assert statuses == [422, 422, 303]


async def test_a_replacement_is_of_this_person_and_once(house: browser.House, guest: browser.Browser) -> None:
    await guest.sign_in(await an_operator(house))
    await guest.enrol()
    codes = guest.codes()
    await guest.get("/account/second-factor")
    await guest.send("/account/second-factor", code=codes[0])
    fresh = guest.page.partition("<code>")[2].partition("</code>")[0].replace(" ", "")
    sealed = guest.hidden("enrolment")
    other = await house.browser()
    await other.sign_in(await an_operator(house))
    theirs = await other.enrol()
    for value in (sealed, "", "AA==", "not base64", sealed[:-8]):
        await other.get("/account/second-factor")
        answer = await other.send("/account/second-factor/confirm", enrolment=value, code=pyotp.TOTP(fresh).now())
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/second-factor")
    await other.get("/account")
    assert (await other.send("/account/recovery-codes", code=next_code(theirs))).status_code == 200
    form = guest.page
    assert (await guest.send("/account/second-factor/confirm", enrolment=sealed, code=pyotp.TOTP(fresh).now())).status_code == 200
    guest.page = form.replace(form.partition('name="_csrf" value="')[2].partition('"')[0], csrf_of(await guest.get("/account")))
    answer = await guest.send("/account/second-factor/confirm", enrolment=sealed, code=next_code(fresh))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/second-factor")


def csrf_of(answer: httpx.Response) -> str:
    return answer.text.partition('name="_csrf" value="')[2].partition('"')[0]


async def test_who_has_none_is_led_to_the_first_one(house: browser.House, guest: browser.Browser) -> None:
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.person(house.keys, login)
    await guest.sign_in(login)
    assert (await guest.get("/account/second-factor")).headers["location"] == "/second-factor/new"
    await guest.get("/account")
    assert (await guest.send("/account/second-factor", code="123456")).headers["location"] == "/second-factor/new"
