"""The platform's brands and operators: a brand begins with two owners, all that is wrong is said at once, no figure of it is shown."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people

from qucheng.core import audit, clock
from qucheng.identity import brand as brands
from qucheng.identity import legal_opinion, queries
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FAULT = re.compile(r'<p class="error" id="(\w+)-fault">')


def a_form(**changes: str) -> dict[str, str]:
    return {
        "code": f"n-{uuid.uuid4().hex[:20]}", "name": "山岚", "currency": "CNY", "time_zone": "Asia/Shanghai", "locale": "zh-CN", "policy": "cn-strict",
        "legal_opinion": "", "expires_on": "", "max_depth": "", "max_levels": "", "max_total_rate": "", "hold_days": "7", "min_payout": "50.00",
        "withholding": "cn-labor", "owner_1": visits.a_login(), "owner_2": visits.a_login(), **changes,
    }  # fmt: skip


async def test_a_brand_is_made_with_two_letters(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    assert brand
    visitor, who = await visits.operator(house)
    await visitor.get("/brands/new")
    form = a_form(max_depth="1", max_total_rate="0.25")
    answer = await visitor.send("/brands/new", **form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/brands/{form['code']}?done=invited")
    made = await brands.require(form["code"])
    assert made == brands.Brand(
        id=made.id, code=form["code"], name="山岚", currency="CNY", decimals=2, time_zone="Asia/Shanghai", locale="zh-CN", policy="cn-strict",
        legal_opinion=None, expires_on=None, max_depth=1, max_levels=1, max_total_rate_ppm=250_000, hold_days=7, min_payout_minor=5000,
        withholding="cn-labor",
    )  # fmt: skip
    for name in ("owner_1", "owner_2"):
        (letter,) = await visits.letters(house, owner, form[name])
        assert (letter["role"], letter["brand"]) == ("owner", "山岚")
    (created,) = [each for each in await audit.listing(brand_id=made.id) if each.action == "brand.create"]
    assert (created.user_id, created.role, created.subject) == (who.user_id, "operator", form["code"])
    await visitor.get(f"/brands/{form['code']}")
    assert (form["owner_1"] in visitor.page, "Invite an owner" in visitor.page) == (True, False)


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_made(
    house: browser.House, brand: Brand, owner: asyncpg.Connection
) -> None:
    assert brand
    visitor, _ = await visits.operator(house)
    await visitor.get("/brands/new")
    wrong = a_form(
        code="ein Code", name="", currency="XXX1", time_zone="Mars/North", locale="fr", policy="cn-two-tier", expires_on="morgen", max_depth="3",
        max_levels="0", max_total_rate="0.31", hold_days="91", min_payout="1.234", withholding="x", owner_1="nobody", owner_2="",
    )  # fmt: skip
    before = await books.everything(owner)
    answer = await visitor.send("/brands/new", **wrong)
    assert answer.status_code == 422
    assert sorted(FAULT.findall(answer.text)) == sorted(
        [
            "code", "name", "currency", "time_zone", "locale", "legal_opinion", "expires_on", "max_depth", "max_levels",
            "max_total_rate", "hold_days", "min_payout", "withholding", "owner_1", "owner_2",
        ]
    )  # fmt: skip
    assert 'value="ein Code"' in answer.text
    assert "15 things to fix" in answer.text
    assert await books.everything(owner) == before


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"owner_2": ""}, ["owner_2"]), ({"owner_1": "a@example.com", "owner_2": " A@Example.com "}, ["owner_2"]), ({"policy": ""}, ["policy"]),
        ({"policy": "cn-two-tier", "legal_opinion": "2026-7"}, ["expires_on"]), ({"policy": "cn-two-tier", "expires_on": "2027-01-31"}, ["legal_opinion"]),
        ({"currency": "EUR"}, ["withholding"]), ({"currency": "KWD", "withholding": "none"}, ["currency"]), ({"currency": "JPY", "withholding": "none"}, ["min_payout"]),
        ({"hold_days": "²"}, ["hold_days"]), ({"hold_days": "7.0"}, ["hold_days"]), ({"max_depth": "9" * 4000}, ["max_depth"]), ({"code": "x" * 41}, ["code"]),
    ],
    ids=str,
)  # fmt: skip
async def test_what_makes_no_brand(
    house: browser.House, brand: Brand, owner: asyncpg.Connection, changes: dict[str, str], fields: list[str]
) -> None:
    assert brand
    visitor, _ = await visits.operator(house)
    await visitor.get("/brands/new")
    before = await books.everything(owner)
    answer = await visitor.send("/brands/new", **a_form(**changes))
    assert (answer.status_code, FAULT.findall(answer.text)) == (422, fields)
    assert await books.everything(owner) == before


async def test_two_tiers_need_an_opinion_and_its_end(house: browser.House, brand: Brand) -> None:
    assert brand
    visitor, _ = await visits.operator(house)
    await visitor.get("/brands/new")
    form = a_form(policy="cn-two-tier", legal_opinion="沪律 2026-7", expires_on="2027-01-31")
    assert (await visitor.send("/brands/new", **form)).status_code == 303
    made = await brands.require(form["code"])
    # no day of it counts before two people of the brand rely on it
    assert (made.policy, made.legal_opinion, made.expires_on, made.max_levels) == (
        "cn-two-tier", "沪律 2026-7", legal_opinion.NEVER, 2,
    )  # fmt: skip
    await visitor.get(f"/brands/{form['code']}")
    assert "no day yet: two people of the brand have to rely on it first" in visitor.page


async def test_a_code_is_taken_once_and_a_second_click_makes_no_second(
    house: browser.House, brand: Brand, owner: asyncpg.Connection
) -> None:
    visitor, _ = await visits.operator(house)
    await visitor.get("/brands/new")
    before = await books.everything(owner)
    answer = await visitor.send("/brands/new", **a_form(code=brand.code))
    assert (answer.status_code, FAULT.findall(answer.text)) == (422, ["code"])
    assert await books.everything(owner) == before


@pytest.mark.parametrize("role", ["owner", "manager", "accountant", "auditor", "support", "admin", "seller"])
async def test_nobody_of_a_brand_sees_the_platform(house: browser.House, brand: Brand, role: permissions.Role) -> None:
    visitor, _ = await visits.entered(house, brand.id, role, reseller="R1" if role in {"admin", "seller"} else None)
    await visitor.open("/account")
    form = visitor.page
    for path in ("/brands", "/brands/new", f"/brands/{brand.code}", "/operators"):
        assert (await visitor.get(path)).status_code == 404, path
    for path in ("/brands/new", f"/brands/{brand.code}/owners", "/operators/invite"):
        visitor.page = form
        assert (await visitor.send(path, **a_form(), login="x@example.com")).status_code == 404, path
    assert await brands.named("n-x") is None


async def test_the_list_counts_people_and_no_money(house: browser.House, brand: Brand) -> None:
    await people.member(house.keys, brand.id, "owner")
    await people.member(house.keys, brand.id, "seller", reseller="R1")
    visitor, _ = await visits.operator(house)
    await visitor.get("/brands")
    assert f"{brand.name} {brand.code} cn-strict CNY 1 2 1 of 2, 0 invited" in visits.plain(visitor.page)
    assert "¥" not in visitor.page
    await visitor.get(f"/brands?after={brand.code}")
    assert f"/brands/{brand.code}" not in visitor.page


async def test_a_first_owner_who_did_not_come_is_replaced(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    visitor, _ = await visits.operator(house)
    path = f"/brands/{brand.code}"
    await visitor.get(path)
    assert (await visitor.send(f"{path}/owners", login="nobody")).status_code == 422
    assert "Enter an e-mail address" in visitor.page
    logins = [visits.a_login() for _ in range(3)]
    await visitor.get(path)
    form = visitor.page
    statuses = []
    for login in (logins[0], logins[0], logins[1], logins[2]):
        visitor.page = form
        statuses.append((await visitor.send(f"{path}/owners", login=login)).status_code)
    assert statuses == [303, 422, 303, 422]
    waiting = await queries.invitations(keys=house.keys, brand_id=brand.id, now=clock.now())
    assert {each.login for each in waiting} == set(logins[:2])
    await visitor.get(path)
    assert "Invite an owner" not in visitor.page
    assert (await visitor.send(f"{path}/invitations/{waiting[0].id}/withdraw")).headers["location"] == f"{path}?done=withdrawn"
    await visitor.get(path)
    assert "Invite an owner" in visitor.page
    assert (await visitor.send(f"{path}/owners", login=logins[2])).status_code == 303
    assert await owner.fetchval("SELECT count(*) FROM invitation WHERE brand_id = $1", brand.id) == 3


@pytest.mark.parametrize("code", ["nowhere", "%00", "é", "x" * 80, "a b"])
async def test_a_brand_that_there_is_not(house: browser.House, brand: Brand, code: str) -> None:
    assert brand
    visitor, _ = await visits.operator(house)
    assert (await visitor.get(f"/brands/{code}")).status_code == 404
    await visitor.get("/brands/new")
    assert (await visitor.send(f"/brands/{code}/owners", login="x@example.com")).status_code == 404


async def test_operators_invite_and_dismiss_each_other(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    assert brand
    visitor, who = await visits.operator(house)
    other, second = await visits.operator(house)
    login = visits.a_login()
    await visitor.get("/operators")
    form = visitor.page
    assert "They see no books." in form
    assert (await visitor.send("/operators/invite", login="nobody")).status_code == 422
    visitor.page = form
    assert (await visitor.send("/operators/invite", login=login, locale="en")).headers["location"] == "/operators?done=invited"
    visitor.page = form
    assert (await visitor.send("/operators/invite", login=login)).status_code == 422
    assert len(await visits.letters(house, owner, login)) == 1
    waiting = [
        each
        for each in await queries.invitations(keys=house.keys, brand_id=audit.PLATFORM, now=clock.now())
        if each.login == login
    ]
    await visitor.get("/operators")
    assert login in visitor.page
    withdrawn = await visitor.send(f"/operators/invitations/{waiting[0].id}/withdraw")
    assert withdrawn.headers["location"] == "/operators?done=withdrawn"
    role = await people.role_of(second.user_id, audit.PLATFORM)
    await visitor.get(f"/operators/{role}/revoke")
    assert (await visitor.send(f"/operators/{role}/revoke")).headers["location"] == "/operators?done=revoked"
    assert (await other.get("/operators")).status_code == 404
    assert await memberships.of(second.user_id) == []
    assert [each.role for each in await memberships.of(who.user_id)] == ["operator"]


async def test_the_last_operator_stays(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    assert brand
    visitor, who = await visits.operator(house)
    standing = await owner.fetch(
        "SELECT id FROM membership WHERE role = 'operator' AND revoked_at IS NULL AND user_id <> $1", who.user_id
    )
    for row in standing:
        await memberships.revoke(brand_id=audit.PLATFORM, membership_id=row["id"], actor=audit.SYSTEM, now=clock.now())
    own = await people.role_of(who.user_id, audit.PLATFORM)
    await visitor.get(f"/operators/{own}/revoke")
    answer = await visitor.send(f"/operators/{own}/revoke")
    assert (answer.status_code, "This is the last one with this role." in answer.text) == (409, True)
    assert len(await memberships.of(who.user_id)) == 1
