"""A role of the brand's own people: asked for by one, allowed by another, and then the letter goes, once, as it was asked for."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.identity.people import NOW, actor, member, principal, role_of
from tests.rooms.identity.test_invitations import accept_new, address, letters

from qucheng.core import audit, db
from qucheng.identity import approval, invitation, invitation_row, role_request
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

Two = tuple["permissions.Principal", "permissions.Principal"]


@pytest.fixture
async def two(keys: crypto.Keys, empty_brand: Brand) -> Two:
    """Two owners of the brand."""
    one, other = [await member(keys, empty_brand.id, "owner") for _ in range(2)]
    return one, other


async def asked(
    keys: crypto.Keys, who: permissions.Principal, login: str, role: permissions.Role = "accountant"
) -> approval.Approval:
    approval_id = await role_request.ask(
        keys=keys, principal=who, login=login, role=role, locale="zh-CN", actor=actor(who), now=NOW
    )
    assert who.brand_id is not None
    return await approval.read(brand_id=who.brand_id, approval_id=approval_id)


async def approved(brand: Brand, who: permissions.Principal, wanted: approval.Approval) -> approval.Approval:
    return await approval.approve(principal=who, brand_id=brand.id, approval_id=wanted.id, actor=actor(who))


async def execute(brand: Brand, who: permissions.Principal, wanted: approval.Approval) -> None:
    await memberships.execute_grant(brand=brand, approval=wanted, actor=actor(who), now=NOW)


async def sent(owner: asyncpg.Connection, letter_id: uuid.UUID) -> int:
    """How many tasks there are to send it."""
    return int(await owner.fetchval("SELECT count(*) FROM task WHERE subject ->> 'letter' = $1", str(letter_id)))


async def test_the_letter_goes_when_another_has_allowed_it(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    one, other = two
    login = address()
    wanted = await asked(keys, one, login)
    (ready,) = await letters(owner, keys, login)
    assert await sent(owner, ready.id) == 0
    assert await invitation.listing(keys=keys, brand_id=empty_brand.id) == []
    with pytest.raises(approval.ApprovalStateError):
        await execute(empty_brand, other, wanted)
    await approved(empty_brand, other, wanted)
    await execute(empty_brand, other, wanted)
    with pytest.raises(approval.ApprovalStateError):
        await execute(empty_brand, other, wanted)
    assert (await sent(owner, ready.id), len(await letters(owner, keys, login))) == (1, 1)
    (listed,) = await invitation.listing(keys=keys, brand_id=empty_brand.id)
    assert (listed.login, listed.role, listed.invited_by) == (login, "accountant", one.user_id)
    user_id = await accept_new(keys, ready.values["token"])
    assert [(each.brand_id, each.role) for each in await memberships.of(user_id)] == [(empty_brand.id, "accountant")]
    newest = (await audit.listing(brand_id=empty_brand.id))[2]
    assert (newest.action, newest.user_id, newest.approval) == ("invitation.send", other.user_id, wanted.id)


async def test_who_decides_reads_the_address_and_nobody_else(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    login = address()
    wanted = await asked(keys, two[0], f" {login.upper()} ")
    read = await role_request.read(keys=keys, brand_id=empty_brand.id, approval_id=wanted.id)
    assert (read.login, read.role, read.maker, read.state) == (login, "accountant", two[0].user_id, "waiting")
    assert await role_request.waiting(keys=keys, brand_id=empty_brand.id) == [read]
    assert wanted.payload == {
        "role": "accountant",
        "invitation": wanted.payload["invitation"],
        "login": users.login_hash(keys, login).hex(),
    }
    for table in await books.tables(owner):
        text = str([tuple(row) for row in await owner.fetch(f"SELECT * FROM {table}")])
        assert login.partition("@")[0] not in text.lower(), table


async def test_nobody_decides_what_they_asked_for(keys: crypto.Keys, empty_brand: Brand, two: Two) -> None:
    wanted = await asked(keys, two[0], address())
    with pytest.raises(approval.NotAllowedToDecideError):
        await approved(empty_brand, two[0], wanted)
    assert await invitation.listing(keys=keys, brand_id=empty_brand.id) == []


async def test_what_was_rejected_is_never_sent(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    one, other = two
    login = address()
    wanted = await asked(keys, one, login)
    await approval.reject(principal=other, brand_id=empty_brand.id, approval_id=wanted.id, reason="not now", actor=actor(other))
    before = await books.everything(owner)
    with pytest.raises(approval.ApprovalStateError):
        await execute(empty_brand, other, wanted)
    assert await books.everything(owner) == before
    (ready,) = await letters(owner, keys, login)
    assert await sent(owner, ready.id) == 0
    assert await role_request.waiting(keys=keys, brand_id=empty_brand.id) == []
    await asked(keys, one, login)  # after a no one may ask again


async def test_a_forged_request_gives_nobody_a_role(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    """Another payload under the same action, allowed by somebody who did not look: there is no letter that belongs to it."""
    one, other = two
    real = await asked(keys, one, address(), "support")
    for payload in (
        {**real.payload, "role": "owner"},
        {**real.payload, "login": users.login_hash(keys, address()).hex()},
        {"login": address(), "role": "owner", "reseller": None},
        {},
    ):
        forged_id = await approval.request(principal=one, action="role.grant", payload=payload, actor=actor(one))
        forged = await approval.approve(principal=other, brand_id=empty_brand.id, approval_id=forged_id, actor=actor(other))
        before = await books.everything(owner)
        with pytest.raises(approval.ApprovalDiffersError):
            await execute(empty_brand, other, forged)
        assert await books.everything(owner) == before
    assert await invitation.listing(keys=keys, brand_id=empty_brand.id) == []


async def test_a_letter_that_was_put_under_another_request_is_refused(
    owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    """As the app's role, which may write the row: what was allowed and what lies there differ."""
    one, other = two
    forged_id = await approval.request(
        principal=one, action="role.grant", payload={"role": "support", "invitation": str(uuid.UUID(int=1)), "login": "00" * 32}, actor=actor(one)
    )  # fmt: skip
    async with db.atomic(empty_brand.id):
        await db.connection().execute(
            "INSERT INTO role_request (brand_id, approval, invitation, token_hash, login_hash, login_cipher, role, letter)"
            " VALUES ($1, $2, $3, $4, $4, $4, 'owner', $3)",
            empty_brand.id,
            forged_id,
            uuid.UUID(int=1),
            bytes(32),
        )
    forged = await approval.approve(principal=other, brand_id=empty_brand.id, approval_id=forged_id, actor=actor(other))
    before = await books.everything(owner)
    with pytest.raises(approval.ApprovalDiffersError):
        await execute(empty_brand, other, forged)
    assert await books.everything(owner) == before


async def test_what_lies_ready_is_not_changed(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two) -> None:
    wanted = await asked(keys, two[0], address(), "support")
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute("UPDATE role_request SET role = 'owner' WHERE approval = $1", wanted.id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(empty_brand.id):
            await db.connection().execute("UPDATE role_request SET role = 'owner'")


async def test_of_many_who_execute_at_once_one_does(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    login = address()
    wanted = await asked(keys, two[0], login)
    await approved(empty_brand, two[1], wanted)
    found = await asyncio.gather(*(execute(empty_brand, two[1], wanted) for _ in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == [*["ApprovalStateError"] * 3, "NoneType"]
    (ready,) = await letters(owner, keys, login)
    assert await sent(owner, ready.id) == 1


async def test_the_same_is_not_asked_for_twice(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two
) -> None:
    login = address()
    found = await asyncio.gather(*(asked(keys, two[0], login) for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["Approval", "InvitationStandsError", "InvitationStandsError"]
    assert len(await letters(owner, keys, login)) == 1
    await asked(keys, two[0], login, "auditor")  # another role is another question
    taken = await member(keys, empty_brand.id, "manager", login=address())
    async with db.atomic():
        hashed = await db.connection().fetchval("SELECT login_hash FROM person WHERE id = $1", taken.user_id)
    assert hashed is not None
    with pytest.raises(invitation_row.InvitationStandsError):
        await asked(keys, two[0], (await users.read(keys=keys, user_id=taken.user_id)).login, "manager")


async def test_where_there_is_one_owner_the_operator_is_the_other(keys: crypto.Keys, empty_brand: Brand) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    manager = await member(keys, empty_brand.id, "manager")
    operator = await member(keys, audit.PLATFORM, "operator")
    theirs = await asked(keys, boss, address())
    await approved(empty_brand, operator, theirs)
    await execute(empty_brand, operator, theirs)
    others = await asked(keys, manager, address())  # the owner can decide this one, so the operator does not
    with pytest.raises(approval.NotAllowedToDecideError):
        await approved(empty_brand, operator, others)
    await approved(empty_brand, boss, others)


async def test_a_word_that_was_taken_back_gives_no_role(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    """Whoever allowed it is no owner any more when it is to be done."""
    one, other, third = [await member(keys, empty_brand.id, "owner") for _ in range(3)]
    wanted = await asked(keys, one, address())
    await approved(empty_brand, other, wanted)
    await memberships.revoke(
        brand_id=empty_brand.id,
        membership_id=await role_of(other.user_id, empty_brand.id),
        actor=actor(third),
        now=NOW,
    )
    before = await books.everything(owner)
    with pytest.raises(approval.NotAllowedToDecideError):
        await execute(empty_brand, third, wanted)
    assert await books.everything(owner) == before


@pytest.mark.parametrize("role", ["operator", "admin", "seller", "king"])
async def test_other_roles_are_not_asked_for(
    keys: crypto.Keys, owner: asyncpg.Connection, two: Two, role: permissions.Role
) -> None:
    before = await books.everything(owner)
    with pytest.raises(approval.NotAllowedToAskError):
        await asked(keys, two[0], address(), role)
    assert await books.everything(owner) == before


@pytest.mark.parametrize("own", ["accountant", "auditor", "support", "operator"])
async def test_who_may_not_ask_leaves_nothing_behind(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, own: permissions.Role
) -> None:
    who = await member(keys, audit.PLATFORM if own == "operator" else empty_brand.id, own)
    before = await books.everything(owner)
    with pytest.raises(approval.NotAllowedToAskError):
        await asked(keys, who, address())
    assert await books.everything(owner) == before


async def test_another_brand_sees_and_does_nothing_of_it(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, two: Two, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = await books.found(books.write(tmp_path_factory.mktemp("o") / "b", code=f"o-{uuid.uuid4().hex[:20]}"))
    wanted = await asked(keys, two[0], address())
    allowed = await approved(empty_brand, two[1], wanted)
    assert await role_request.waiting(keys=keys, brand_id=other.id) == []
    with pytest.raises(approval.ApprovalUnknownError):
        await role_request.read(keys=keys, brand_id=other.id, approval_id=wanted.id)
    stranger = principal((await member(keys, other.id, "owner")).user_id, other.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(approval.ApprovalDiffersError):
        await execute(other, stranger, allowed)
    assert await books.everything(owner) == before
