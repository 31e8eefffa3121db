"""Invitations and forgotten passwords: a letter's holder gets what it says, once and in time; who asks learns nothing."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.races import duel
from tests.rooms.identity.people import HERE, NOW, PASSWORD, actor, member, person

from qucheng.core import audit, db, letter
from qucheng.identity import invitation, invitation_row, password_reset
from qucheng.identity import membership as memberships
from qucheng.identity import password as passwords
from qucheng.identity import session as sessions
from qucheng.identity import user as users

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FRESH = "another-good-one-7"
WEEK = dt.timedelta(days=7)


def address() -> str:
    return f"u-{uuid.uuid4().hex[:12]}@example.com"


async def letters(owner: asyncpg.Connection, keys: crypto.Keys, to: str) -> list[letter.Letter]:
    """Those that wait for that address, the oldest first."""
    rows = await owner.fetch("SELECT id FROM letter WHERE sent_at IS NULL ORDER BY id")
    found = [await letter.read(keys=keys, letter_id=row["id"]) for row in rows]
    return [each for each in found if each is not None and each.to == to]


async def invited(
    keys: crypto.Keys,
    owner: asyncpg.Connection,
    who: permissions.Principal,
    brand_id: uuid.UUID,
    login: str,
    role: permissions.Role,
    **more: Any,
) -> str:
    """The token of the letter."""
    await invitation.invite(
        keys=keys, principal=who, brand_id=brand_id, login=login, role=role, locale="zh-CN", actor=actor(who), now=NOW, **more
    )
    return (await letters(owner, keys, login))[-1].values["token"]


async def accept_new(keys: crypto.Keys, token: str, now: dt.datetime = NOW) -> uuid.UUID:
    return await invitation.accept_new(
        keys=keys,
        token=token,
        name="李青",
        locale="zh-CN",
        password=FRESH,
        actor=audit.Actor(user_id=None, role="guest", network=HERE),
        now=now,
    )


async def test_who_is_invited_becomes_a_user_with_that_role(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()
    token = await invited(keys, owner, boss, empty_brand.id, login, "admin", reseller="R1")
    assert await invitation.look(keys=keys, token=token, now=NOW) == invitation.Offer(
        login=login, role="admin", reseller="R1", brand=empty_brand.name, known=False
    )
    user_id = await accept_new(keys, token)
    (role,) = await memberships.of(user_id)
    assert (role.brand_id, role.role, role.reseller) == (empty_brand.id, "admin", "R1")
    assert await users.sign_in(keys=keys, login=login, password=FRESH, network=HERE, proven=False, now=NOW) == user_id
    (listed,) = await invitation.listing(keys=keys, brand_id=empty_brand.id)
    assert (listed.login, listed.accepted_at, listed.invited_by) == (login, NOW, boss.user_id)
    actions = [(each.action, each.user_id) for each in await audit.listing(brand_id=empty_brand.id)]
    assert actions[:3] == [("membership.grant", user_id), ("invitation.accept", user_id), ("invitation.send", boss.user_id)]


async def test_who_has_an_account_accepts_with_it(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()
    user_id, stranger = await person(keys, login), await person(keys)
    token = await invited(keys, owner, boss, empty_brand.id, login, "support")
    assert (await invitation.look(keys=keys, token=token, now=NOW)).known
    with pytest.raises(users.LoginTakenError):
        await accept_new(keys, token)
    accept = {"token": token, "actor": actor(boss), "now": NOW}
    with pytest.raises(invitation.InvitationNotYoursError):
        await invitation.accept_as(user_id=stranger, **accept)  # type: ignore[arg-type]
    await invitation.accept_as(user_id=user_id, **accept)  # type: ignore[arg-type]
    assert [each.role for each in await memberships.of(user_id)] == ["support"]
    with pytest.raises(invitation.InvitationUnknownError):
        await invitation.accept_as(user_id=user_id, **accept)  # type: ignore[arg-type]


async def test_of_many_who_accept_at_once_one_does(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()
    user_id = await person(keys, login)
    token = await invited(keys, owner, boss, empty_brand.id, login, "support")
    found = await asyncio.gather(
        *(invitation.accept_as(token=token, user_id=user_id, actor=actor(boss), now=NOW) for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == [*["InvitationUnknownError"] * 3, "NoneType"]
    assert len(await memberships.of(user_id)) == 1


async def test_it_ends_after_a_week_or_when_it_is_withdrawn(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    token = await invited(keys, owner, boss, empty_brand.id, address(), "support")
    assert await invitation.look(keys=keys, token=token, now=NOW + WEEK - dt.timedelta(seconds=1))
    with pytest.raises(invitation.InvitationUnknownError):
        await accept_new(keys, token, NOW + WEEK)
    (listed,) = await invitation.listing(keys=keys, brand_id=empty_brand.id)
    withdraw = {"brand_id": empty_brand.id, "invitation_id": listed.id, "actor": actor(boss), "now": NOW}
    await invitation.withdraw(**withdraw)  # type: ignore[arg-type]
    with pytest.raises(invitation.InvitationUnknownError):
        await accept_new(keys, token)
    with pytest.raises(invitation.InvitationUnknownError):
        await invitation.withdraw(**withdraw)  # type: ignore[arg-type]


async def test_a_token_opens_its_own_place_only(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    token = await invited(keys, owner, boss, empty_brand.id, address(), "support")
    place, _, secret = token.partition(".")
    other = base64.urlsafe_b64encode(audit.PLATFORM.bytes).rstrip(b"=").decode()
    for wrong in ("", ".", secret, f"{place}.", f"{other}.{secret}", f"{place}.{secret[:-1]}", f"x{token}", "会话.x"):
        with pytest.raises(invitation.InvitationUnknownError):
            await invitation.look(keys=keys, token=wrong, now=NOW)


@pytest.mark.parametrize(
    ("own", "role", "reseller"),
    [
        ("owner", "owner", None),
        ("owner", "accountant", None),
        ("owner", "operator", None),
        ("manager", "support", None),
        ("accountant", "support", None),
        ("auditor", "support", None),
        ("admin", "admin", "R1"),
        ("admin", "seller", "R2"),
        ("admin", "support", None),
        ("seller", "seller", "R1"),
    ],
)
async def test_nobody_gives_a_role_that_is_not_theirs_to_give(
    keys: crypto.Keys,
    owner: asyncpg.Connection,
    empty_brand: Brand,
    own: permissions.Role,
    role: permissions.Role,
    reseller: str | None,
) -> None:
    who = await member(keys, empty_brand.id, own, reseller="R1" if own in {"admin", "seller"} else None)
    before = await books.everything(owner)
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await invitation.invite(
            keys=keys,
            principal=who,
            brand_id=empty_brand.id,
            login=address(),
            role=role,
            reseller=reseller,
            locale="en",
            actor=actor(who),
            now=NOW,
        )
    assert await books.everything(owner) == before


async def test_nobody_gives_a_role_in_another_brand(
    keys: crypto.Keys, empty_brand: Brand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    who = await member(keys, empty_brand.id, "owner")
    other = await books.found(books.write(tmp_path_factory.mktemp("o") / "b", code=f"o-{uuid.uuid4().hex[:20]}"))
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await invitation.invite(
            keys=keys, principal=who, brand_id=other.id, login=address(), role="support", locale="en", actor=actor(who), now=NOW
        )


async def test_an_operator_gives_a_new_brand_two_owners_and_no_third(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    operator = await member(keys, audit.PLATFORM, "operator")
    tokens = [await invited(keys, owner, operator, empty_brand.id, address(), "owner") for _ in range(2)]
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await invited(keys, owner, operator, empty_brand.id, address(), "owner")
    first = await accept_new(keys, tokens[0])
    with pytest.raises(invitation.RoleNotYoursToGiveError):
        await invited(keys, owner, operator, empty_brand.id, address(), "owner")
    assert [each.role for each in await memberships.of(first)] == ["owner"]
    token = await invited(keys, owner, operator, audit.PLATFORM, address(), "operator")
    assert (await invitation.look(keys=keys, token=token, now=NOW)).brand is None


async def test_who_is_invited_is_not_invited_again(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()

    async def again(to: str) -> str:
        return await invited(keys, owner, boss, empty_brand.id, to, "support")

    found = await asyncio.gather(*(again(login) for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["InvitationStandsError", "InvitationStandsError", "str"]
    assert len(await letters(owner, keys, login)) == 1
    (token,) = [each for each in found if isinstance(each, str)]
    await accept_new(keys, token)
    with pytest.raises(invitation_row.InvitationStandsError):
        await again(f" {login.upper()}")
    assert [each.role for each in await memberships.listing(brand_id=empty_brand.id)] == ["owner", "support"]


async def test_control_without_the_lock_two_letters_would_go(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, workspace: books.Workspace
) -> None:
    boss, login, looked = await member(keys, empty_brand.id, "owner"), address(), asyncio.Barrier(2)

    async def unlocked() -> None:
        async with db.atomic(empty_brand.id):
            drawn = await invitation_row.draw(
                keys=keys, brand_id=empty_brand.id, login=login, role="support", reseller=None, locale="en", now=NOW
            )
            await looked.wait()
            await invitation_row.send(
                brand_id=empty_brand.id, drawn=drawn, role="support", reseller=None, invited_by=boss.user_id, approval=None, actor=actor(boss), now=NOW
            )  # fmt: skip

    lock = "pg_advisory_xact_lock(hashtextextended(brand::text || ':' || subject, 0))"
    async with duel.without(workspace, "lock_brand", lock, "1"), asyncio.timeout(duel.PATIENCE):
        await asyncio.gather(unlocked(), unlocked())
    assert len(await letters(owner, keys, login)) == 2


@pytest.mark.parametrize("login", ["", "somebody", "a b@example.com", "@example.com", "x" * 65 + "@example.com"])
async def test_a_letter_goes_to_an_address(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand, login: str) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(users.AddressMissingError):
        await invited(keys, owner, boss, empty_brand.id, login, "support")
    assert await books.everything(owner) == before


async def test_a_reseller_that_there_is_not_has_no_people(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    boss = await member(keys, empty_brand.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(memberships.MembershipUnfitError):
        await invited(keys, owner, boss, empty_brand.id, address(), "admin", reseller="R9")
    assert await books.everything(owner) == before


async def test_neither_the_address_nor_the_token_is_stored(
    keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand
) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()
    token = await invited(keys, owner, boss, empty_brand.id, login, "support")
    for table in await books.tables(owner):
        text = str([tuple(row) for row in await owner.fetch(f"SELECT * FROM {table}")])
        for secret in (login.partition("@")[0], token.partition(".")[2]):
            assert secret not in text, table


async def test_a_letter_is_wiped_when_it_was_sent(keys: crypto.Keys, owner: asyncpg.Connection, empty_brand: Brand) -> None:
    boss, login = await member(keys, empty_brand.id, "owner"), address()
    await invited(keys, owner, boss, empty_brand.id, login, "support")
    (waiting,) = await letters(owner, keys, login)
    task = await owner.fetchrow("SELECT kind, queue, state FROM task WHERE subject ->> 'letter' = $1", str(waiting.id))
    assert tuple(task) == ("mail.send", "rest", "waiting")
    async with db.atomic():
        await letter.wipe(letter_id=waiting.id, now=NOW)
    assert await letter.read(keys=keys, letter_id=waiting.id) is None
    row = await owner.fetchrow("SELECT to_cipher, values_cipher, sent_at FROM letter WHERE id = $1", waiting.id)
    assert tuple(row) == (None, None, NOW)
    await letter.prune(now=NOW + WEEK + dt.timedelta(seconds=1))
    assert await owner.fetchval("SELECT count(*) FROM letter WHERE id = $1", waiting.id) == 0


async def reset_token(keys: crypto.Keys, owner: asyncpg.Connection, login: str, now: dt.datetime = NOW) -> str:
    await password_reset.request(keys=keys, login=login, now=now)
    return (await letters(owner, keys, login))[-1].values["token"]


async def complete(keys: crypto.Keys, token: str, password: str = FRESH, now: dt.datetime = NOW) -> uuid.UUID:
    return await password_reset.complete(
        keys=keys, token=token, password=password, actor=audit.Actor(user_id=None, role="guest"), now=now
    )


async def test_a_forgotten_password_is_set_anew_and_every_session_ends(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = address()
    user_id = await person(keys, login)
    session = await sessions.start(user_id=user_id, device="x", network=HERE, actor=audit.SYSTEM, now=NOW)
    one, two = [await reset_token(keys, owner, login) for _ in range(2)]
    with pytest.raises(passwords.PasswordWeakError):
        await complete(keys, one, "password1234")
    assert await complete(keys, one) == user_id
    with pytest.raises(sessions.SessionUnknownError):
        await sessions.principal(token=session, now=NOW)
    for used in (one, two):
        with pytest.raises(password_reset.ResetUnknownError):
            await complete(keys, used, "yet-another-good-8")
    sign_in = {"keys": keys, "login": login, "network": HERE, "proven": False, "now": NOW}
    with pytest.raises(users.SignInRefusedError):
        await users.sign_in(password=PASSWORD, **sign_in)  # type: ignore[arg-type]
    assert await users.sign_in(password=FRESH, **sign_in) == user_id  # type: ignore[arg-type]


async def test_a_reset_ends_after_an_hour(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = address()
    await person(keys, login)
    token = await reset_token(keys, owner, login)
    with pytest.raises(password_reset.ResetUnknownError):
        await complete(keys, token, now=NOW + dt.timedelta(hours=1))
    await complete(keys, token, now=NOW + dt.timedelta(minutes=59))


async def test_of_many_resets_with_one_token_one_counts(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = address()
    await person(keys, login)
    token = await reset_token(keys, owner, login)
    found = await asyncio.gather(
        *(complete(keys, token, f"one-of-many-{number}-x") for number in range(3)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in found) == ["ResetUnknownError", "ResetUnknownError", "UUID"]


@pytest.mark.parametrize("whose", ["nobody", "locked", "without an address"])
async def test_who_asks_learns_nothing(keys: crypto.Keys, owner: asyncpg.Connection, whose: str) -> None:
    login = address() if whose != "without an address" else f"u.{uuid.uuid4().hex[:12]}"
    if whose != "nobody":
        user_id = await person(keys, login)
        await users.set_state(user_id=user_id, state="locked" if whose == "locked" else "active", actor=audit.SYSTEM, now=NOW)
    before = await owner.fetchval("SELECT count(*) FROM letter")
    await password_reset.request(keys=keys, login=login, now=NOW)  # returns as for anybody: nothing
    assert await owner.fetchval("SELECT count(*) FROM letter") == before


async def test_nobody_is_flooded_with_letters(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = address()
    await person(keys, login)
    await asyncio.gather(*(password_reset.request(keys=keys, login=login, now=NOW) for _ in range(8)))
    assert len(await letters(owner, keys, login)) == 3
    await password_reset.request(keys=keys, login=login, now=NOW + dt.timedelta(hours=1))
    assert len(await letters(owner, keys, login)) == 4
