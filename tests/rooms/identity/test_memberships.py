"""Roles: who is what where; what is not told to others; and that a brand keeps an owner when two leave at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.identity.people import NOW, actor, member, person, role_of

from qucheng.core import audit, db
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

LATER = NOW + dt.timedelta(days=1)


async def grant(user_id: uuid.UUID, brand_id: uuid.UUID, role: permissions.Role, reseller: str | None = None) -> uuid.UUID:
    return await memberships.grant(
        brand_id=brand_id, user_id=user_id, role=role, reseller=reseller, granted_by=None, actor=audit.SYSTEM, now=NOW
    )


async def test_one_person_is_several_things(keys: crypto.Keys, empty_brand: Brand) -> None:
    user_id = await person(keys)
    ids = [
        await grant(user_id, audit.PLATFORM, "operator"),
        await grant(user_id, empty_brand.id, "auditor"),
        await grant(user_id, empty_brand.id, "admin", "R1"),
    ]
    found = await memberships.of(user_id)
    assert [(each.id, each.role, each.reseller, each.brand_code) for each in found] == [
        (ids[0], "operator", None, None),
        (ids[1], "auditor", None, empty_brand.code),
        (ids[2], "admin", "R1", empty_brand.code),
    ]
    assert await memberships.of(await person(keys)) == []


@pytest.mark.parametrize(
    ("role", "reseller", "platform"),
    [
        ("operator", None, False),
        ("owner", None, True),
        ("owner", "R1", False),
        ("seller", None, False),
        ("seller", "R9", False),
        ("king", None, False),
    ],
)
async def test_what_nobody_can_be(
    keys: crypto.Keys, empty_brand: Brand, role: permissions.Role, reseller: str | None, *, platform: bool
) -> None:
    user_id = await person(keys)
    with pytest.raises(memberships.MembershipUnfitError):
        await grant(user_id, audit.PLATFORM if platform else empty_brand.id, role, reseller)
    assert await memberships.of(user_id) == []


async def test_nobody_is_the_same_twice(keys: crypto.Keys, empty_brand: Brand) -> None:
    user_id = await person(keys)
    found = await asyncio.gather(*(grant(user_id, empty_brand.id, "auditor") for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in found].count(memberships.MembershipStandsError) == 3
    assert len(await memberships.of(user_id)) == 1


async def test_revoked_and_given_again_it_is_another_row(keys: crypto.Keys, empty_brand: Brand) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    who = await member(keys, empty_brand.id, "auditor")
    first = await role_of(who.user_id, empty_brand.id)
    revoke = {"brand_id": empty_brand.id, "membership_id": first, "actor": actor(boss), "now": LATER}
    await memberships.revoke(**revoke)  # type: ignore[arg-type]
    assert await memberships.of(who.user_id) == []
    with pytest.raises(memberships.MembershipUnknownError):
        await memberships.revoke(**revoke)  # type: ignore[arg-type]
    second = await grant(who.user_id, empty_brand.id, "auditor")
    history = [each for each in await memberships.listing(brand_id=empty_brand.id, history=True) if each.user_id == who.user_id]
    assert [(each.id, each.revoked_at, each.revoked_by) for each in history] == [
        (first, LATER, boss.user_id),
        (second, None, None),
    ]
    assert {each.id for each in await memberships.listing(brand_id=empty_brand.id)} == {
        second,
        await role_of(boss.user_id, empty_brand.id),
    }


async def test_it_is_on_record(keys: crypto.Keys, empty_brand: Brand) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    who = await member(keys, empty_brand.id, "seller", reseller="R1")
    role = await role_of(who.user_id, empty_brand.id)
    await memberships.revoke(brand_id=empty_brand.id, membership_id=role, actor=actor(boss), now=LATER)
    newest, granted, _ = await audit.listing(brand_id=empty_brand.id)
    told = {"user": str(who.user_id), "role": "seller", "reseller": "R1"}
    assert (newest.action, newest.subject, newest.user_id, newest.role) == ("membership.revoke", str(role), boss.user_id, "owner")
    assert (newest.before, newest.after, newest.network, newest.request_id) == (told, None, "198.51.100.0/24", "r-1")
    assert (granted.action, granted.before, granted.after) == ("membership.grant", None, told)


async def test_people_of_a_reseller_dismiss_their_own_only(keys: crypto.Keys, empty_brand: Brand) -> None:
    admin = await member(keys, empty_brand.id, "admin", reseller="R1")
    seller = await member(keys, empty_brand.id, "seller", reseller="R1")
    auditor = await member(keys, empty_brand.id, "auditor")
    assert {each.user_id for each in await memberships.listing(brand_id=empty_brand.id, reseller="R1")} == {
        admin.user_id,
        seller.user_id,
    }
    with pytest.raises(memberships.MembershipUnknownError):
        await memberships.revoke(
            brand_id=empty_brand.id,
            membership_id=await role_of(auditor.user_id, empty_brand.id),
            reseller="R1",
            actor=actor(admin),
            now=LATER,
        )
    await memberships.revoke(
        brand_id=empty_brand.id,
        membership_id=await role_of(seller.user_id, empty_brand.id),
        reseller="R1",
        actor=actor(admin),
        now=LATER,
    )
    assert await memberships.of(seller.user_id) == []


async def test_of_two_owners_who_dismiss_each_other_one_stays(keys: crypto.Keys, empty_brand: Brand) -> None:
    one, two = [await member(keys, empty_brand.id, "owner") for _ in range(2)]
    roles = [await role_of(who.user_id, empty_brand.id) for who in (one, two)]
    found = await asyncio.gather(
        *(
            memberships.revoke(brand_id=empty_brand.id, membership_id=role, actor=actor(who), now=LATER)
            for role, who in zip(roles, (two, one), strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["LastOwnerError", "NoneType"]
    assert len(await memberships.listing(brand_id=empty_brand.id)) == 1


async def test_control_without_the_lock_both_would_go(keys: crypto.Keys, empty_brand: Brand) -> None:
    users = [(await member(keys, empty_brand.id, "owner")).user_id for _ in range(2)]
    roles = [await role_of(user_id, empty_brand.id) for user_id in users]
    looked = asyncio.Barrier(2)

    async def unlocked(role: uuid.UUID) -> int:
        async with db.atomic(empty_brand.id):
            owners = await memberships._count("owner")
            await looked.wait()
            await db.connection().execute("UPDATE membership SET revoked_at = $2 WHERE id = $1", role, LATER)
        return owners

    assert await asyncio.gather(*(unlocked(role) for role in roles)) == [2, 2]
    assert await memberships.listing(brand_id=empty_brand.id) == []


@pytest.mark.parametrize(
    "change",
    [
        "role = 'owner'",
        "reseller = 'R1'",
        "user_id = granted_by",
        "granted_at = now()",
        "revoked_at = NULL, revoked_by = NULL",
        "brand_id = platform_id()",
    ],
)
async def test_nothing_else_of_it_changes(keys: crypto.Keys, empty_brand: Brand, owner: asyncpg.Connection, change: str) -> None:
    """Neither by the app, which may not, nor by the owner, whom the trigger refuses."""
    who = await member(keys, empty_brand.id, "auditor")
    role = await role_of(who.user_id, empty_brand.id)
    await memberships.revoke(brand_id=empty_brand.id, membership_id=role, actor=audit.SYSTEM, now=LATER)
    async with books.refused(owner, asyncpg.RestrictViolationError, "membership_step"):
        await owner.execute(f"UPDATE membership SET {change} WHERE id = $1", role)
    if "revoked" not in change:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.atomic(empty_brand.id):
                await db.connection().execute(f"UPDATE membership SET {change}")


async def test_a_brand_sees_its_own_people_only(keys: crypto.Keys, empty_brand: Brand) -> None:
    user_id = await person(keys)
    await grant(user_id, audit.PLATFORM, "operator")
    assert await memberships.listing(brand_id=empty_brand.id) == []
    assert user_id in {each.user_id for each in await memberships.listing(brand_id=audit.PLATFORM)}
