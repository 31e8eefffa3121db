"""The network's desk through its forms: an application from the public page to a reseller, and what the brand does with it then."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import clock
from qucheng.insight import portal
from qucheng.network import agreement, application, identity_facts

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FILLED = {
    "kind": "individual",
    "name": "小店",
    "legal_name": "张三",
    "document": "cn-id",
    "number": desk.NUMBER,
    "contact_name": "张三",
    "phone": "13800000000",
    "channel_web": "1",
    "agreed": "1",
}


@pytest.fixture
async def day(brand: Brand) -> dt.date:
    """Today, with an agreement in force."""
    today = portal.today(brand, clock.now())
    await desk.agreed_on(brand, today)
    return today


@pytest.fixture
async def manager(house: browser.House, brand: Brand, day: dt.date) -> tuple[browser.Browser, permissions.Principal]:
    assert day
    return await visits.entered(house, brand.id, "manager")


async def applied(house: browser.House, brand: Brand, **changes: str) -> tuple[browser.Browser, int]:
    """Through the form; the answer's status."""
    guest = await house.browser(f"203.{uuid.uuid4().int % 200}.{uuid.uuid4().int % 200}.1")
    await guest.get(f"/join/{brand.code}")
    shown = {"agreement": guest.hidden("agreement"), "agreement_sha256": guest.hidden("agreement_sha256")}
    answer = await guest.send(f"/join/{brand.code}", **{**FILLED, "email": visits.a_login(), **shown, **changes})
    return guest, answer.status_code


async def waiting(brand: Brand) -> list[application.Application]:
    return await application.listing(brand_id=brand.id, states=("waiting", "repeated"))


async def test_the_form_says_that_it_is_free_and_shows_the_agreement(house: browser.House, brand: Brand, day: dt.date) -> None:
    guest = await house.browser()
    assert (await guest.get(f"/join/{brand.code}?from=R1")).status_code == 200
    shown = visits.plain(guest.page)
    for sentence in (
        "Joining costs nothing",
        "There is no fee, no deposit and nothing to buy",
        "Joining is free.",
        f"Version 1, in force from {day}",
    ):
        assert sentence in shown
    assert guest.hidden("invited_by") == "R1"
    guest.language = "zh-CN"
    await guest.get(f"/join/{brand.code}")
    assert "加入免费" in visits.plain(guest.page)
    assert "第一条" in visits.plain(guest.page)


@pytest.mark.parametrize("code", ["nowhere", "%00", "a b"])
async def test_a_brand_that_is_none_has_no_form(house: browser.House, code: str) -> None:
    assert (await (await house.browser()).get(f"/join/{code}")).status_code == 404


async def test_a_brand_without_an_agreement_has_no_form(house: browser.House, brand: Brand) -> None:
    assert (await (await house.browser()).get(f"/join/{brand.code}")).status_code == 404


async def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    owner: asyncpg.Connection, house: browser.House, brand: Brand, day: dt.date
) -> None:
    assert day
    before = await books.everything(owner)
    guest, status = await applied(house, brand, number="110105194912310021", email="zhang", agreed="")
    assert status == 422
    assert await books.everything(owner) == before
    assert re.findall(r'<a href="#(\w+)">', guest.page.partition("error-summary")[2].partition("</div>")[0]) == [
        "number",
        "email",
        "agreed",
    ]
    assert (guest.hidden("number"), guest.hidden("name")) == ("110105194912310021", "小店")


async def test_who_applies_again_gets_the_same_page(house: browser.House, brand: Brand, day: dt.date) -> None:
    assert day
    first, second = [await applied(house, brand) for _ in range(2)]
    assert (first[1], second[1]) == (200, 200)
    assert visits.plain(first[0].page) == visits.plain(second[0].page)
    assert [each.state for each in await waiting(brand)] == ["waiting", "repeated"]


async def test_an_address_gets_no_more_than_three_letters_a_day(
    owner: asyncpg.Connection, house: browser.House, brand: Brand, day: dt.date
) -> None:
    assert day
    to = visits.a_login()
    assert [(await applied(house, brand, email=to))[1] for _ in range(4)] == [200, 200, 200, 429]
    assert len(await visits.letters(house, owner, to)) == 3


async def test_the_link_of_the_letter_shows_how_far_it_is(
    owner: asyncpg.Connection, house: browser.House, brand: Brand, day: dt.date
) -> None:
    assert day
    to = visits.a_login()
    guest, _ = await applied(house, brand, email=to)
    ((letter),) = await visits.letters(house, owner, to)
    await guest.get("/application")
    assert (await guest.send("/application", token=letter["token"])).status_code == 200
    assert "It waits for the brand" in visits.plain(guest.page)
    await guest.get("/application")
    assert (await guest.send("/application", token=letter["token"][:-1])).status_code == 404
    assert "There is no application behind this link." in visits.plain(guest.page)


async def test_an_application_becomes_a_reseller(
    house: browser.House, brand: Brand, day: dt.date, manager: tuple[browser.Browser, permissions.Principal]
) -> None:
    await applied(house, brand, invited_by="R1")
    (made,) = await waiting(brand)
    shown, who = manager
    await shown.get("/applications")
    assert "小店" in visits.plain(shown.page)
    here = f"/applications/{made.id}"
    await shown.get(here)
    assert desk.NUMBER not in shown.page
    form = {"reseller": "N1", "name": "小店", "tier": "gold", "parent": "R1", "joined_on": str(day), "channel_web": "1"}
    assert (await shown.send(f"{here}/approve", step="show", **form)).status_code == 200
    assert "Depth in its line 2 of at most 2" in visits.plain(shown.page)
    assert await books.seen(brand, "SELECT count(*) FROM reseller") == [(1,)]
    answer = await shown.send(f"{here}/approve", step="approve", **form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/applications?done=approved")
    assert await books.seen(brand, "SELECT parent, tier, joined_on FROM reseller WHERE code = 'N1'") == [("R1", "gold", day)]
    found = await application.read(brand_id=brand.id, application_id=made.id)
    assert (found.state, found.decided_by, found.reseller) == ("approved", who.user_id, "N1")
    await shown.get(here)
    await shown.get("/resellers/N1")
    for sentence in (
        "小店 Active",
        "Stands under R1",
        "Depth in its line 2 of at most 2",
        "Agreement, version 1",
        "Fee for joining 0",
    ):
        assert sentence in visits.plain(shown.page)


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"reseller": "R1"}, 409, "A reseller has this code already."),
        ({"reseller": "agreements"}, 422, "is not one of our addresses"),
        ({"parent": "nobody"}, 422, "There is no reseller with this code to stand under."),
        ({"joined_on": "yesterday"}, 422, "Choose a day from the application on"),
        ({"channel_web": ""}, 422, "Choose at least one channel to sell in."),
        ({"tier": ""}, 422, "Choose a tier."),
    ],
)
async def test_what_cannot_be_approved_is_said(
    owner: asyncpg.Connection,
    house: browser.House,
    brand: Brand,
    day: dt.date,
    manager: tuple[browser.Browser, permissions.Principal],
    changes: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    await applied(house, brand)
    (made,) = await waiting(brand)
    shown, _ = manager
    await shown.get(f"/applications/{made.id}")
    form = {"reseller": "N1", "name": "小店", "tier": "gold", "joined_on": str(day), "channel_web": "1", **changes}
    before = await books.everything(owner)
    fields = {name: value for name, value in form.items() if value or name != "channel_web"}
    assert (await shown.send(f"/applications/{made.id}/approve", step="approve", **fields)).status_code == status
    assert sentence in visits.plain(shown.page)
    assert await books.everything(owner) == before


async def test_the_facts_are_shown_for_a_code_once_and_that_is_on_record(
    house: browser.House, brand: Brand, day: dt.date
) -> None:
    assert day
    await applied(house, brand)
    (made,) = await waiting(brand)
    login = visits.a_login()
    who = await people.member(house.keys, brand.id, "manager", login=login)
    shown = await house.browser("203.0.113.200")
    await shown.sign_in(login)
    secret = await shown.enrol()
    await shown.get(f"/applications/{made.id}")
    assert (await shown.send(f"/applications/{made.id}/facts", code="000000")).status_code == 422
    assert desk.NUMBER not in shown.page
    records = "SELECT user_id FROM audit_record WHERE action = 'application.read'"
    assert await books.seen(brand, records) == []
    code = pyotp.TOTP(secret).at(clock.now(), counter_offset=1)
    assert (await shown.send(f"/applications/{made.id}/facts", code=code)).status_code == 200
    assert desk.NUMBER in shown.page
    assert await books.seen(brand, records) == [(who.user_id,)]
    await shown.get(f"/applications/{made.id}")
    assert desk.NUMBER not in shown.page


async def test_a_rejection_needs_a_reason(
    owner: asyncpg.Connection,
    house: browser.House,
    brand: Brand,
    day: dt.date,
    manager: tuple[browser.Browser, permissions.Principal],
) -> None:
    assert day
    await applied(house, brand)
    (made,) = await waiting(brand)
    shown, _ = manager
    await shown.get(f"/applications/{made.id}")
    before = await books.everything(owner)
    assert (await shown.send(f"/applications/{made.id}/reject", reason=" ")).status_code == 422
    assert "Say why, in 1 to 500 characters." in visits.plain(shown.page)
    assert await books.everything(owner) == before
    answer = await shown.send(f"/applications/{made.id}/reject", reason="资料不全")
    assert answer.headers["location"] == "/applications?done=rejected"
    assert (await application.read(brand_id=brand.id, application_id=made.id)).reason == "资料不全"


async def test_a_move_is_shown_before_it_is_made(
    day: dt.date, manager: tuple[browser.Browser, permissions.Principal], owner: asyncpg.Connection
) -> None:
    shown, _ = manager
    await shown.get("/resellers/R1/move")
    tomorrow = str(day + dt.timedelta(days=1))
    before = await books.everything(owner)
    assert (
        await shown.send("/resellers/R1/move", step="show", parent="R1", tier="gold", day=tomorrow, reason="x")
    ).status_code == 200
    assert "This place is not allowed It would stand below itself." in visits.plain(shown.page)
    assert await books.everything(owner) == before
    answer = await shown.send("/resellers/R1/move", step="move", parent="", tier="gold", day=tomorrow, reason="x")
    assert (answer.status_code, "so nothing would change" in shown.page) == (422, True)
    answer = await shown.send("/resellers/R1/move", step="move", parent="", tier="gold", day=str(day), reason="x")
    assert (answer.status_code, "A move takes effect tomorrow or later" in shown.page) == (422, True)
    assert await books.everything(owner) == before


async def test_channels_standing_and_identity_are_changed_by_their_forms(
    house: browser.House, brand: Brand, day: dt.date
) -> None:
    login = visits.a_login()
    await people.member(house.keys, brand.id, "owner", login=login)
    shown = await house.browser("203.0.113.201")
    await shown.sign_in(login)
    secret = await shown.enrol()
    await shown.get("/resellers/R1/channels")
    answer = await shown.send("/resellers/R1/channels", from_on=str(day))
    assert (answer.status_code, "Choose at least one channel" in shown.page) == (422, True)
    answer = await shown.send("/resellers/R1/channels", from_on=str(day), channel_web="1")
    assert answer.headers["location"] == "/resellers/R1?done=channels"
    await shown.get("/resellers/R1/identity")
    answer = await shown.send("/resellers/R1/identity", outcome="verified", method="document", expires_on=str(day))
    assert (answer.status_code, "A day after today, or blank." in shown.page) == (422, True)
    await shown.send("/resellers/R1/identity", outcome="verified", method="document", expires_on="")
    assert (await identity_facts.verification(brand_id=brand.id, reseller="R1", day=day)).state == "verified"
    await shown.get("/resellers/R1/standing")
    answer = await shown.send("/resellers/R1/standing", change="freeze", reason="查一下")
    assert answer.headers["location"] == "/resellers/R1?done=freeze"
    await shown.get("/resellers/R1")
    assert f"Frozen since {day} 查一下" in visits.plain(shown.page)
    await shown.get("/resellers/R1/standing")
    assert (
        await shown.send("/resellers/R1/standing", change="close", closes_on=str(day), reason="x", code="1")
    ).status_code == 422
    state = "SELECT reseller_state('R1', $1)"
    assert await books.seen(brand, state, day) == [("frozen",)]
    code = pyotp.TOTP(secret).at(clock.now(), counter_offset=1)
    answer = await shown.send("/resellers/R1/standing", change="close", closes_on=str(day), reason="不做了", code=code)
    assert answer.headers["location"] == "/resellers/R1?done=close"
    assert await books.seen(brand, state, day) == [("closed",)]
    await shown.get("/resellers/R1/standing")
    assert "A closed account stays closed." in visits.plain(shown.page)


async def test_the_list_is_filtered_and_taken_as_a_file(
    brand: Brand, manager: tuple[browser.Browser, permissions.Principal]
) -> None:
    assert brand
    shown, _ = manager
    await shown.get("/resellers?text=r1&state=active")
    assert "R1" in visits.plain(shown.page)
    await shown.get("/resellers?text=r1&state=frozen")
    assert "No reseller fits" in visits.plain(shown.page)
    await shown.get("/resellers")
    taken = await shown.send("/resellers/export", form="csv", text="r1")
    assert taken.headers["content-disposition"].endswith('-resellers.csv"')
    assert taken.content.decode("utf-8-sig").splitlines() == [
        "code,name,kind,tier,parent,root,depth,joined_on,state,agreement,verification",
        "R1,一号,company,gold,,R1,1,2026-01-01,active,,unverified",
    ]
    await shown.get("/resellers")
    taken = await shown.send("/resellers/export", form="xlsx")
    assert taken.content[:2] == b"PK"


@pytest.mark.parametrize(
    "path",
    [
        "/resellers/nobody",
        "/resellers/nobody/move",
        "/resellers/%00",
        "/resellers/agreements/9",
        "/resellers/agreements/99999999999",
    ],
)
async def test_what_is_not_there_is_not_found(manager: tuple[browser.Browser, permissions.Principal], path: str) -> None:
    assert (await manager[0].get(path)).status_code == 404


async def test_a_version_is_published_and_agreed_to_in_the_portal(
    house: browser.House, brand: Brand, day: dt.date, manager: tuple[browser.Browser, permissions.Principal]
) -> None:
    shown, who = manager
    await shown.get("/resellers/agreements/new")
    long = "第一条：加入免费。\n" * 1500
    given = {"title_zh": "协议", "title_en": "Agreement", "text_zh": long, "text_en": "Free.", "effective_on": str(day)}
    answer = await shown.send("/resellers/agreements/new", **{**given, "text_en": "Earn passive income"})
    assert answer.status_code == 422
    assert long.strip().replace("\n", "") in shown.page.replace("\n", "").replace("\r", "")
    assert [each.number for each in await agreement.listing(brand_id=brand.id)] == [1]
    answer = await shown.send("/resellers/agreements/new", **given)
    assert answer.headers["location"] == "/resellers/agreements?done=published"
    await shown.get("/resellers/agreements")
    assert "Have not agreed to version 2 1" in visits.plain(shown.page)
    admin, person = await visits.entered(house, brand.id, "admin", reseller="R1")
    await admin.get("/portal/agreements")
    version = {"number": admin.hidden("number"), "sha256": admin.hidden("sha256")}
    answer = await admin.send("/portal/agreements", **version)
    assert (answer.status_code, "Read the agreement, and agree to it." in admin.page) == (422, True)
    answer = await admin.send("/portal/agreements", **{**version, "number": "1"}, agreed="1")
    assert (answer.status_code, await books.seen(brand, "SELECT count(*) FROM agreement_acceptance")) == (409, [(0,)])
    assert (await admin.send("/portal/agreements", **version, agreed="1")).status_code == 303
    kept = "SELECT number, reseller, accepted_by FROM agreement_acceptance"
    assert await books.seen(brand, kept) == [(2, "R1", person.user_id)]
    assert (await agreement.listing(brand_id=brand.id))[0].published_by == who.user_id
    await shown.get("/resellers/agreements")
    assert "Everybody has agreed" in visits.plain(shown.page)


async def test_a_seller_does_not_agree_for_the_reseller(house: browser.House, brand: Brand, day: dt.date) -> None:
    assert day
    seller, _ = await visits.entered(house, brand.id, "seller", reseller="R1")
    assert (await seller.get("/portal/agreements")).status_code == 404
