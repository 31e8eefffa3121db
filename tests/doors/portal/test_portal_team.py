"""The team of a reseller: its administrators invite sellers, take invitations back, and revoke sellers' roles."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.insight.portal_brand import PARENT, SIBLING

from qucheng.core import crypto

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser
    from tests.doors.portal.conftest import SignedIn

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TEAM = "/portal/team"
WITHDRAW = re.compile(r'action="(/portal/team/invitations/[^"]+/withdraw)"')
REVOKE = re.compile(r'action="(/portal/team/members/[^"]+/revoke)"')


def an_address() -> str:
    return f"{crypto.token()[:12].lower().strip('-_')}@example.com"


async def letters(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM letter WHERE kind = 'invitation'"))


async def invited(owner: asyncpg.Connection, brand: Brand) -> list[tuple[str, str, bool]]:
    rows = await owner.fetch(
        "SELECT role, reseller, withdrawn_at IS NULL FROM invitation WHERE brand_id = $1 ORDER BY invited_at", brand.id
    )
    return [tuple(row) for row in rows]


async def test_a_seller_is_invited_once_however_often_it_is_sent(
    signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection
) -> None:
    admin, address, before, sent = await signed_in(), an_address(), await letters(owner), len(await invited(owner, brand))
    await admin.get(TEAM)
    form = admin.page
    answer = await admin.send(TEAM, login=f" {address.upper()} ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{TEAM}?said=invited")
    await admin.get(answer.headers["location"])
    assert f'<b class="medium">{address}</b>' in admin.page
    assert "The invitation is on its way." in admin.page
    admin.page = form
    answer = await admin.send(TEAM, login=address)
    assert answer.status_code == 409
    assert "An invitation to this address is open already." in admin.page
    assert f'value="{address}"' in admin.page
    assert (await invited(owner, brand))[sent:] == [("seller", PARENT, True)]
    assert await letters(owner) == before + 1


async def test_what_no_letter_reaches_is_refused(signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection) -> None:
    admin, before, sent = await signed_in(), await letters(owner), await invited(owner, brand)
    for login in ("", "somebody", "a b@example.com", "x" * 300 + "@example.com"):
        await admin.get(TEAM)
        answer = await admin.send(TEAM, login=login)
        assert answer.status_code == 422, login
        assert "Enter an e-mail address." in admin.page
        assert 'aria-invalid="true"' in admin.page
    assert (await letters(owner), await invited(owner, brand)) == (before, sent)


async def test_who_works_there_needs_no_invitation(signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection) -> None:
    admin, seller, sent = await signed_in(), await signed_in("seller"), await invited(owner, brand)
    await seller.get("/account")
    (login,) = set(re.findall(r"<span>([a-z0-9_-]+@example\.com)</span>", seller.page))
    await admin.get(TEAM)
    assert (await admin.send(TEAM, login=login)).status_code == 409
    assert "Who has this address works here already." in admin.page
    assert await invited(owner, brand) == sent


async def test_an_invitation_is_withdrawn_once_and_by_its_own(
    signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection
) -> None:
    admin, sibling = await signed_in(), await signed_in(reseller=SIBLING)
    await admin.get(TEAM)
    await admin.send(TEAM, login=an_address())
    await admin.get(TEAM)
    path = WITHDRAW.findall(admin.page)[0]
    await sibling.get(TEAM)
    assert path not in sibling.page
    assert (await sibling.send(path)).status_code == 404
    assert (await invited(owner, brand))[-1] == ("seller", PARENT, True)
    await admin.get(TEAM)
    form = admin.page
    answer = await admin.send(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{TEAM}?said=withdrawn")
    assert (await invited(owner, brand))[-1] == ("seller", PARENT, False)
    admin.page = form
    assert (await admin.send(path)).status_code == 404


async def test_a_sellers_role_is_revoked_and_no_other(
    house: browser.House, signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection
) -> None:
    assert house
    admin, seller, second, sibling = (
        await signed_in(),
        await signed_in("seller"),
        await signed_in(),
        await signed_in("seller", reseller=SIBLING),
    )
    assert second
    assert sibling
    rows = await owner.fetch("SELECT id, role, reseller FROM membership WHERE brand_id = $1 ORDER BY granted_at, id", brand.id)
    standing = "SELECT count(*) FROM membership WHERE brand_id = $1 AND revoked_at IS NULL"
    before = await owner.fetchval(standing, brand.id)
    for row in rows:
        if (row["role"], row["reseller"]) != ("seller", PARENT):
            await admin.get(TEAM)
            assert (await admin.send(f"{TEAM}/members/{row['id']}/revoke")).status_code == 404
    await admin.get(TEAM)
    assert (await admin.send(f"{TEAM}/members/{uuid.uuid4()}/revoke")).status_code == 404
    assert await owner.fetchval(standing, brand.id) == before
    assert (await seller.get("/portal/orders")).status_code == 200
    for path in REVOKE.findall((await admin.get(TEAM)).text):
        await admin.get(TEAM)
        assert (await admin.send(path)).headers["location"] == f"{TEAM}?said=revoked"
        await admin.get(TEAM)
        assert (await admin.send(path)).status_code == 404
    assert (await seller.get("/portal/orders")).status_code == 404
    assert (
        await owner.fetchval(
            "SELECT count(*) FROM membership WHERE brand_id = $1 AND role = 'seller' AND reseller = $2 AND revoked_at IS NULL",
            brand.id,
            PARENT,
        )
        == 0
    )


async def test_a_seller_has_no_part_in_it(signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection) -> None:
    seller, sent = await signed_in("seller"), await invited(owner, brand)
    await seller.get("/account")
    form = seller.page
    for path in (TEAM, f"{TEAM}/invitations/{uuid.uuid4()}/withdraw", f"{TEAM}/members/{uuid.uuid4()}/revoke"):
        seller.page = form
        assert (await seller.send(path, login=an_address())).status_code == 404, path
    assert await invited(owner, brand) == sent
