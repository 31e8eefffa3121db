"""How a platform and a brand begin: an operator with the role or not at all, a brand with two owners or not at all."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.identity.people import NOW, PASSWORD, actor, member, person
from tests.rooms.identity.test_invitations import accept_new, address, letters
from tests.rooms.identity.test_role_requests import asked

from qucheng.core import audit, ids
from qucheng.identity import approval, founding, invitation, queries
from qucheng.identity import brand as brands
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


def another(like: Brand, code: str | None = None) -> Brand:
    return msgspec.structs.replace(like, id=ids.new_id(), code=code or f"n-{uuid.uuid4().hex[:20]}")


async def found(keys: crypto.Keys, who: permissions.Principal, brand: Brand, *owners: str) -> uuid.UUID:
    one, two = owners
    return await founding.found(keys=keys, principal=who, brand=brand, owners=(one, two), locale="en", actor=actor(who), now=NOW)


async def test_a_brand_begins_with_two_owners_who_then_decide(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    operator, brand, owners = await member(keys, audit.PLATFORM, "operator"), another(empty_brand), (address(), address())
    assert await found(keys, operator, brand, *owners) == brand.id
    assert await brands.read(brand.id) == brand
    trail = [(each.action, each.subject, each.user_id) for each in await audit.listing(brand_id=brand.id)]
    assert trail[-1] == ("brand.create", brand.code, operator.user_id)
    assert [action for action, _, _ in trail] == ["invitation.send", "invitation.send", "brand.create"]
    (overview,) = [each for each in await brands.overview(most=500) if each.id == brand.id]
    assert (overview.owners, overview.invited, overview.resellers, overview.people) == (0, 2, 0, 0)
    for login in owners:
        (letter,) = await letters(owner, keys, login)
        await accept_new(keys, letter.values["token"])
    (overview,) = [each for each in await brands.overview(most=500) if each.id == brand.id]
    assert (overview.owners, overview.invited, overview.people) == (2, 0, 2)
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await invitation.invite(
            keys=keys, principal=operator, brand_id=brand.id, login=address(), role="owner", locale="en", actor=actor(operator), now=NOW
        )  # fmt: skip


@pytest.mark.parametrize(
    ("owners", "refusal"),
    [
        (("a@example.com", "a@example.com"), founding.TwoOwnersNeededError),
        (("a@example.com", " A@EXAMPLE.com"), founding.TwoOwnersNeededError),
        (("a@example.com", ""), users.AddressMissingError),
        (("", "a@example.com"), users.AddressMissingError),
        (("a@example.com", "somebody"), users.AddressMissingError),
    ],
)
async def test_a_brand_with_one_owner_is_refused(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, owners: tuple[str, str], refusal: type[Exception]
) -> None:
    operator = await member(keys, audit.PLATFORM, "operator")
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await found(keys, operator, another(empty_brand), *owners)
    assert await books.everything(owner) == before


@pytest.mark.parametrize("own", ["owner", "manager", "accountant", "admin"])
async def test_only_an_operator_makes_a_brand(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, own: permissions.Role
) -> None:
    who = await member(keys, empty_brand.id, own, reseller="R1" if own == "admin" else None)
    before = await books.everything(owner)
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await found(keys, who, another(empty_brand), address(), address())
    assert await books.everything(owner) == before


async def test_a_code_is_taken_once(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    operator = await member(keys, audit.PLATFORM, "operator")
    before = await books.everything(owner)
    with pytest.raises(brands.BrandTakenError):
        await found(keys, operator, another(empty_brand, empty_brand.code), address(), address())
    assert await books.everything(owner) == before
    code = f"n-{uuid.uuid4().hex[:20]}"
    ends = await asyncio.gather(
        *(found(keys, operator, another(empty_brand, code), address(), address()) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in ends) == ["BrandTakenError", "BrandTakenError", "UUID"]


async def test_the_platform_calls_back_what_it_sent_and_nothing_else(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    operator, brand = await member(keys, audit.PLATFORM, "operator"), another(empty_brand)
    await found(keys, operator, brand, address(), address())
    one, _ = await queries.invitations(keys=keys, brand_id=brand.id, now=NOW)
    await founding.withdraw_owner(brand_id=brand.id, invitation_id=one.id, actor=actor(operator), now=NOW)
    assert len(await queries.invitations(keys=keys, brand_id=brand.id, now=NOW)) == 1
    boss, other = [await member(keys, empty_brand.id, "owner") for _ in range(2)]
    wanted = await asked(keys, boss, address(), "owner")
    allowed = await approval.approve(principal=other, brand_id=empty_brand.id, approval_id=wanted.id, actor=actor(other))
    await memberships.execute_grant(brand=empty_brand, approval=allowed, actor=actor(other), now=NOW)
    await invitation.invite(
        keys=keys, principal=boss, brand_id=empty_brand.id, login=address(), role="support", locale="en", actor=actor(boss), now=NOW
    )  # fmt: skip
    before = await books.everything(owner)
    for each in await queries.invitations(keys=keys, brand_id=empty_brand.id, now=NOW):
        with pytest.raises(invitation.InvitationUnknownError):
            await founding.withdraw_owner(brand_id=empty_brand.id, invitation_id=each.id, actor=actor(operator), now=NOW)
    assert await books.everything(owner) == before


async def test_the_first_operator_is_made_whole_or_not_at_all(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = address()
    await person(keys, login)
    make = {"keys": keys, "name": "某人", "locale": "en", "actor": audit.SYSTEM, "now": NOW}
    before = await books.everything(owner)
    with pytest.raises(users.LoginTakenError):
        await founding.first_operator(login=login, password=PASSWORD, **make)  # type: ignore[arg-type]
    assert await books.everything(owner) == before
    await owner.execute("ALTER TABLE membership ADD CONSTRAINT nobody CHECK (role <> 'operator') NOT VALID")
    try:
        with pytest.raises(memberships.MembershipUnfitError):
            await founding.first_operator(login=address(), password=PASSWORD, **make)  # type: ignore[arg-type]
        assert await books.everything(owner) == before
    finally:
        await owner.execute("ALTER TABLE membership DROP CONSTRAINT nobody")
    made = await founding.first_operator(login=address(), password=PASSWORD, **make)  # type: ignore[arg-type]
    assert [(each.brand_id, each.role) for each in await memberships.of(made.id)] == [(audit.PLATFORM, "operator")]


async def test_a_list_of_people_has_names_and_pages(keys: crypto.Keys, empty_brand: Brand) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    for _ in range(3):
        await member(keys, empty_brand.id, "seller", reseller="R1")
    own = await queries.members(keys=keys, brand_id=empty_brand.id, roles=("owner", "manager"))
    (row,) = own.rows
    assert (own.total, row.user_id, row.name, row.role, row.reseller, row.granted_by) == (
        1, boss.user_id, "某人", "owner", None, None,
    )  # fmt: skip
    below = await queries.members(keys=keys, brand_id=empty_brand.id, roles=("admin", "seller"), skip=2, most=2)
    assert (below.total, len(below.rows)) == (3, 1)
    assert (await queries.members(keys=keys, brand_id=empty_brand.id, roles=("seller",), reseller="R2")).rows == []
