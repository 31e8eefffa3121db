"""Who works in a brand: seen by those who may, invited by one or asked for by one and allowed by another, and dismissed."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people

from qucheng.core import audit
from qucheng.identity import approval, invitation, permissions, queries, role_request, second_factor
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


async def test_the_list_says_who_what_since_when_and_by_whom(house: browser.House, brand: Brand) -> None:
    visitor, boss = await visits.entered(house, brand.id, "owner", login="boss@example.com")
    granted = await people.person(house.keys, "asha@example.com")
    await memberships.grant(
        brand_id=brand.id, user_id=granted, role="auditor", granted_by=boss.user_id, actor=audit.SYSTEM, now=people.NOW
    )
    await people.member(house.keys, brand.id, "seller", reseller="R1", login="sam@example.com")
    await visitor.get("/people")
    shown = visits.plain(visitor.page)
    for part in (
        "People of the brand 2 Name Role Since Given by",
        "某人 boss@example.com Owner 2026-11-22 11:00 The platform Take away",
        "某人 asha@example.com Auditor 2026-11-22 11:00 某人 Take away",
        "某人 sam@example.com Seller R1 2026-11-22 11:00 The platform Take away",
        "1–1 of 1",
    ):
        assert part in shown, part
    assert "Requests that wait" not in shown
    assert "Invitations that are out" not in shown
    await visitor.get("/people?reseller=R2")
    assert "sam@example.com" not in visitor.page


@pytest.mark.parametrize(
    ("role", "list_status", "invite_status", "buttons"),
    [
        ("owner", 200, 200, (1, 1)), ("manager", 200, 200, (1, 0)), ("auditor", 200, 404, (0, 0)), ("accountant", 404, 404, (0, 0)),
        ("support", 404, 404, (0, 0)), ("admin", 404, 404, (0, 0)), ("seller", 404, 404, (0, 0)), ("operator", 404, 404, (0, 0)),
    ],
)  # fmt: skip
async def test_who_may_see_and_do_what(
    house: browser.House,
    brand: Brand,
    role: permissions.Role,
    list_status: int,
    invite_status: int,
    buttons: tuple[int, int],
) -> None:
    target = await people.member(house.keys, brand.id, "support")
    membership = await people.role_of(target.user_id, brand.id)
    visitor, _ = await visits.entered(
        house,
        audit.PLATFORM if role == "operator" else brand.id,
        role,
        reseller="R1" if role in permissions.RESELLER_ROLES else None,
    )
    assert (await visitor.get("/people")).status_code == list_status
    revoke = f"/people/{membership}/revoke"
    assert ('href="/people/new"' in visitor.page, revoke in visitor.page) == tuple(map(bool, buttons))
    await visitor.open("/account")
    form = visitor.page
    assert (await visitor.get("/people/new")).status_code == invite_status
    assert (await visitor.get(revoke)).status_code == (200 if role == "owner" else 404)
    visitor.page = form
    if invite_status == 404:
        assert (await visitor.send("/people/new", login="x@example.com", role="support")).status_code == 404
    visitor.page = form
    if role != "owner":
        assert (await visitor.send(revoke)).status_code == 404
        assert [each.role for each in await memberships.of(target.user_id)] == ["support"]


async def test_some_roles_are_given_at_once(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    visitor, boss = await visits.entered(house, brand.id, "owner")
    login = visits.a_login()
    await visitor.get("/people/new")
    answer = await visitor.send("/people/new", login=f" {login} ", role="admin", reseller=" R1 ", locale="en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people?done=invited")
    await visitor.get("/people?done=invited")
    assert "The invitation is on its way." in visitor.page
    (waiting,) = await queries.invitations(keys=house.keys, brand_id=brand.id, now=people.NOW)
    assert (waiting.login, waiting.role, waiting.reseller) == (login, "admin", "R1")
    assert f"{login} Reseller administrator · reseller R1 · invited" in visits.plain(visitor.page)
    (letter,) = await visits.letters(house, owner, login)
    assert (letter["role"], letter["brand"]) == ("admin", brand.name)
    assert await owner.fetchval("SELECT invited_by FROM invitation WHERE id = $1", waiting.id) == boss.user_id


async def test_others_are_asked_for_and_another_owner_decides(
    house: browser.House, brand: Brand, owner: asyncpg.Connection
) -> None:
    visitor, boss = await visits.entered(house, brand.id, "owner")
    name, login = visits.a_login(), visits.a_login()
    second = await people.member(house.keys, brand.id, "owner", login=name)
    other = await house.browser("203.0.113.77")
    await other.sign_in(name)
    secret = await other.enrol()
    await visitor.get("/people/new")
    assert "Accountant (needs approval)" in visitor.page
    assert '<option value="support">Support</option>' in visitor.page
    answer = await visitor.send("/people/new", login=login, role="accountant", locale="zh-CN")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people?done=asked")
    await visitor.get("/people?done=asked")
    assert f"{login} Accountant · asked for" in visits.plain(visitor.page)
    assert "Somebody else decides it" in visitor.page
    await other.get("/people")
    assert (login in other.page, "Somebody else decides it" in other.page) == (True, False)
    assert await invitation.listing(keys=house.keys, brand_id=brand.id) == []
    (asked,) = await role_request.waiting(keys=house.keys, brand_id=brand.id)
    path = f"/approvals/{asked.approval}"
    assert (f'href="{path}"' in visitor.page, f'href="{path}"' in other.page) == (False, True)
    await other.get(path)
    assert login in other.page
    refused = await other.send(path, decision="approve", code="000")
    assert (refused.status_code, await invitation.listing(keys=house.keys, brand_id=brand.id)) == (422, [])
    code = pyotp.TOTP(secret).at(int(time.time()) + second_factor.STEP_SECONDS)
    assert (await other.send(path, decision="approve", code=code)).status_code == 303
    wanted = await approval.read(brand_id=brand.id, approval_id=asked.approval)
    assert (wanted.state, wanted.checker) == ("executed", second.user_id)
    (listed,) = await invitation.listing(keys=house.keys, brand_id=brand.id)
    assert (listed.login, listed.role, listed.invited_by) == (login, "accountant", boss.user_id)
    trail = str([(each.before, each.after, each.subject) for each in await audit.listing(brand_id=brand.id)])
    assert login.partition("@")[0] not in trail
    assert await owner.fetchval("SELECT payload FROM approval WHERE id = $1", asked.approval) == approval.canonical(
        wanted.payload
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"login": "", "role": "support"}, "Enter an e-mail address"), ({"login": "somebody", "role": "support"}, "Enter an e-mail address"),
        ({"role": ""}, "Choose a role that you may give."), ({"role": "operator"}, "Choose a role that you may give."),
        ({"role": "seller", "reseller": "R1"}, "Choose a role that you may give."), ({"role": "king"}, "Choose a role that you may give."),
        ({"role": "admin", "reseller": ""}, "There is no reseller with this code."), ({"role": "admin", "reseller": "R9"}, "There is no reseller with this code."),
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_written(
    house: browser.House, brand: Brand, owner: asyncpg.Connection, fields: dict[str, str], message: str
) -> None:
    visitor, _ = await visits.entered(house, brand.id, "owner")
    await visitor.get("/people/new")
    before = await books.everything(owner)
    answer = await visitor.send("/people/new", **{"login": "<b>@example.com", **fields})
    assert (answer.status_code, answer.text.count(message), answer.text.count('aria-invalid="true"')) == (422, 2, 1)
    assert "<b>" not in answer.text.partition("<main")[2].replace('<b class="', "")
    assert await books.everything(owner) == before


async def test_a_second_click_invites_nobody_twice(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    visitor, _ = await visits.entered(house, brand.id, "owner")
    login = visits.a_login()
    await visitor.get("/people/new")
    form = visitor.page
    for role in ("support", "auditor"):
        statuses = []
        for _ in range(2):
            visitor.page = form
            statuses.append((await visitor.send("/people/new", login=login, role=role)).status_code)
        assert statuses == [303, 422]
        assert "or somebody has asked for them." in visitor.page
    assert len(await visits.letters(house, owner, login)) == 2


async def test_letters_to_strangers_are_limited(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    visitor, _ = await visits.entered(house, brand.id, "owner")
    await visitor.get("/people/new")
    found = [
        (await visitor.post("/people/new", {"_csrf": csrf(visitor), "login": visits.a_login(), "role": "support"})).status_code
        for _ in range(31)
    ]
    assert found == [303] * 30 + [429]
    assert await owner.fetchval("SELECT count(*) FROM invitation WHERE brand_id = $1", brand.id) == 30


def csrf(visitor: browser.Browser) -> str:
    return visitor.hidden("_csrf")


async def test_an_invitation_is_withdrawn_by_who_could_have_sent_it(house: browser.House, brand: Brand) -> None:
    boss, owner_of = await visits.entered(house, brand.id, "owner")
    manager, _ = await visits.entered(house, brand.id, "manager")
    for role, reseller in (("support", None), ("admin", "R1")):
        await invitation.invite(
            keys=house.keys, principal=owner_of, brand_id=brand.id, login=visits.a_login(), role=role, reseller=reseller,  # type: ignore[arg-type]
            locale="en", actor=people.actor(owner_of), now=people.NOW,
        )  # fmt: skip
    waiting = {each.role: each for each in await queries.invitations(keys=house.keys, brand_id=brand.id, now=people.NOW)}
    paths = {role: f"/people/invitations/{each.id}/withdraw" for role, each in waiting.items()}
    await manager.get("/people")
    assert (paths["admin"] in manager.page, paths["support"] in manager.page) == (True, False)
    form = manager.page
    refused = await manager.send(paths["support"])
    assert refused.status_code == 404
    manager.page = form
    assert (await manager.send(paths["admin"])).headers["location"] == "/people?done=withdrawn"
    manager.page = form
    assert (await manager.send(paths["admin"])).status_code == 404
    assert [each.role for each in await queries.invitations(keys=house.keys, brand_id=brand.id, now=people.NOW)] == ["support"]
    await boss.get("/people")
    assert (await boss.send(paths["support"])).status_code == 303
    assert await queries.invitations(keys=house.keys, brand_id=brand.id, now=people.NOW) == []


async def test_a_role_is_taken_away_at_once_and_nothing_else(
    house: browser.House, brand: Brand, owner: asyncpg.Connection
) -> None:
    boss, _ = await visits.entered(house, brand.id, "owner")
    there, who = await visits.entered(house, brand.id, "auditor")
    await there.get("/people")
    again = await people.role_of(who.user_id, brand.id)
    kept = await memberships.grant(
        brand_id=brand.id, user_id=who.user_id, role="seller", reseller="R1", granted_by=None, actor=audit.SYSTEM, now=people.NOW
    )
    await boss.get(f"/people/{again}/revoke")
    assert "It ends with their next click." in boss.page
    assert [each.id for each in await memberships.of(who.user_id)] == [again, kept]  # asking changes nothing
    answer = await boss.send(f"/people/{again}/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people?done=revoked")
    assert (await there.get("/people")).status_code == 404
    assert (await there.get("/account")).status_code == 200
    assert [each.id for each in await memberships.of(who.user_id)] == [kept]
    assert await owner.fetchval("SELECT count(*) FROM session WHERE user_id = $1 AND ended_at IS NULL", who.user_id) == 1
    await boss.get("/people")
    assert (await boss.send(f"/people/{again}/revoke")).status_code == 404


async def test_the_last_owner_stays(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    boss, who = await visits.entered(house, brand.id, "owner")
    own = await people.role_of(who.user_id, brand.id)
    await boss.get(f"/people/{own}/revoke")
    assert "This is your own role" in boss.page
    before = await books.everything(owner)
    answer = await boss.send(f"/people/{own}/revoke")
    assert (answer.status_code, "This is the last one with this role." in answer.text) == (409, True)
    assert await books.everything(owner) == before


async def test_of_two_owners_who_dismiss_each_other_at_once_one_stays(house: browser.House, brand: Brand) -> None:
    found = [await visits.entered(house, brand.id, "owner") for _ in range(2)]
    roles = [await people.role_of(who.user_id, brand.id) for _, who in found]
    for (visitor, _), role in zip(found, reversed(roles), strict=True):
        await visitor.get(f"/people/{role}/revoke")
    answers = await asyncio.gather(
        *(visitor.send(f"/people/{role}/revoke") for (visitor, _), role in zip(found, reversed(roles), strict=True))
    )
    assert sorted(answer.status_code for answer in answers) in ([303, 404], [303, 409])
    assert len(await memberships.listing(brand_id=brand.id)) == 1


async def test_who_leaves_is_led_to_the_first_page(house: browser.House, brand: Brand) -> None:
    await people.member(house.keys, brand.id, "owner")
    boss, who = await visits.entered(house, brand.id, "owner")
    own = await people.role_of(who.user_id, brand.id)
    await boss.get(f"/people/{own}/revoke")
    assert (await boss.send(f"/people/{own}/revoke")).headers["location"] == "/"
    assert (await boss.get("/people")).status_code == 404
    assert await memberships.of(who.user_id) == []


async def test_another_brand_is_not_there(house: browser.House, brand: Brand, tmp_path: Path, owner: asyncpg.Connection) -> None:
    folder = books.write(tmp_path / "other", code=f"o-{uuid.uuid4().hex[:20]}")
    other = await books.found(folder)
    await books.take_in(other, folder)
    boss, theirs = await visits.entered(house, other.id, "owner")
    own = await people.member(house.keys, brand.id, "owner")
    await people.member(house.keys, brand.id, "owner")
    role = await people.role_of(own.user_id, brand.id)
    await invitation.invite(
        keys=house.keys, principal=own, brand_id=brand.id, login="hidden@example.com", role="support", locale="en",
        actor=people.actor(own), now=people.NOW,
    )  # fmt: skip
    await role_request.ask(
        keys=house.keys, principal=own, login="asked@example.com", role="auditor", locale="en", actor=people.actor(own), now=people.NOW
    )  # fmt: skip
    (waiting,) = await queries.invitations(keys=house.keys, brand_id=brand.id, now=people.NOW)
    await boss.get("/people")
    assert ("hidden@example.com" in boss.page, "asked@example.com" in boss.page, visits.plain(boss.page).count("某人")) == (
        False, False, 1,
    )  # fmt: skip
    form = boss.page
    before = await books.everything(owner)
    assert (await boss.get(f"/people/{role}/revoke")).status_code == 404
    for path in (f"/people/{role}/revoke", f"/people/invitations/{waiting.id}/withdraw", "/people/x/revoke"):
        boss.page = form
        assert (await boss.send(path)).status_code == 404, path
    assert await books.everything(owner) == before
    assert theirs.brand_id == other.id


async def test_many_people_of_resellers_come_in_pages(house: browser.House, brand: Brand) -> None:
    for _ in range(51):
        await people.member(house.keys, brand.id, "seller", reseller="R1")
    boss, _ = await visits.entered(house, brand.id, "owner")
    await boss.get("/people")
    assert ("1–50 of 51" in boss.page, 'href="/people?page=2"' in boss.page) == (True, True)
    await boss.get("/people?page=2&reseller=R1")
    assert ("51–51 of 51" in boss.page, 'href="/people?reseller=R1&amp;page=1"' in boss.page) == (True, True)
    for page in ("0", "-1", "x", "9" * 30, "²"):
        assert (await boss.get(f"/people?page={page}")).status_code == 200, page
