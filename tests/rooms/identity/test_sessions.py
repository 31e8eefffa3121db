"""Sessions: a token is new at every step up, ends when it should, and allows what the role allows at that moment."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests.rooms.identity.people import HERE, NOW, PASSWORD, WRONG, member, person, role_of

from qucheng.core import audit, crypto
from qucheng.identity import membership as memberships
from qucheng.identity import permissions, second_factor
from qucheng.identity import session as sessions
from qucheng.identity import user as users

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


async def started(user_id: uuid.UUID, *, device: str = "Firefox", now: dt.datetime = NOW) -> str:
    return await sessions.start(user_id=user_id, device=device, network=HERE, actor=audit.SYSTEM, now=now)


async def allowed(token: str, now: dt.datetime = NOW) -> permissions.Principal | None:
    try:
        return await sessions.principal(token=token, now=now)
    except sessions.SessionUnknownError:
        return None


async def with_second_factor(keys: crypto.Keys, user_id: uuid.UUID, token: str) -> str:
    begun = await second_factor.begin(keys=keys, user_id=user_id, login="a@example.com")
    fresh, _ = await sessions.enrolled(keys=keys, token=token, code=pyotp.TOTP(begun.secret).at(NOW), actor=audit.SYSTEM, now=NOW)
    return fresh


async def test_a_sign_in_makes_a_token_that_is_stored_nowhere(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = f"{uuid.uuid4().hex[:12]}@example.com"
    user_id = await person(keys, login)
    token = await sessions.sign_in(
        keys=keys, login=login, password=PASSWORD, device="Firefox\n\x00", network=HERE, proven=False, request_id="r-1", now=NOW
    )
    who = await sessions.principal(token=token, now=NOW)
    assert who == permissions.Principal(
        user_id=user_id,
        session_id=who.session_id,
        brand_id=None,
        reseller=None,
        role=None,
        permissions=permissions.OWN_ACCOUNT | permissions.ENROL,
        second_factor_at=None,
    )
    row = await owner.fetchrow("SELECT * FROM session WHERE id = $1", who.session_id)
    assert (row["token_hash"], row["device"], row["network"]) == (crypto.token_hash(token), "Firefox", HERE)
    assert token not in str(tuple(row))


async def test_a_wrong_password_starts_nothing(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = f"{uuid.uuid4().hex[:12]}@example.com"
    user_id = await person(keys, login)
    with pytest.raises(users.SignInRefusedError):
        await sessions.sign_in(
            keys=keys, login=login, password=WRONG, device="x", network=HERE, proven=False, request_id=None, now=NOW
        )
    assert await owner.fetchval("SELECT count(*) FROM session WHERE user_id = $1", user_id) == 0


@pytest.mark.parametrize("token", ["", "a", "x" * 43, "'; DROP TABLE session; --", "\x00", "会话"])
async def test_a_token_of_nobody_is_refused(token: str) -> None:
    assert await allowed(token) is None


async def test_a_token_that_a_stranger_chose_is_never_taken_over(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    """Fixation: what the browser brought along plays no part in what it gets."""
    user_id = await person(keys)
    tokens = [await started(user_id) for _ in range(3)]
    assert len({*tokens, "attacker"}) == 4
    assert await allowed("attacker") is None
    assert await owner.fetchval("SELECT count(*) FROM session WHERE token_hash = $1", crypto.token_hash("attacker")) == 0


async def test_the_second_factor_and_the_choice_of_a_role_give_new_tokens(keys: crypto.Keys, empty_brand: Brand) -> None:
    who = await member(keys, empty_brand.id, "accountant")
    other = await memberships.grant(
        brand_id=empty_brand.id, user_id=who.user_id, role="auditor", granted_by=None, actor=audit.SYSTEM, now=NOW
    )
    first = await started(who.user_id)
    before = await sessions.principal(token=first, now=NOW)
    second = await with_second_factor(keys, who.user_id, first)
    third = await sessions.choose(token=second, membership_id=other, actor=audit.SYSTEM, now=NOW)
    assert await allowed(first) is None
    assert await allowed(second) is None
    after = await sessions.principal(token=third, now=NOW)
    assert (before.session_id, before.role, after.role, after.second_factor_at) == (after.session_id, None, "auditor", NOW)


async def test_of_two_steps_up_with_one_token_one_counts(keys: crypto.Keys, empty_brand: Brand) -> None:
    who = await member(keys, empty_brand.id, "auditor")
    token, role = await started(who.user_id), await role_of(who.user_id, empty_brand.id)
    found = await asyncio.gather(
        *(sessions.choose(token=token, membership_id=role, actor=audit.SYSTEM, now=NOW) for _ in range(4)), return_exceptions=True
    )
    fresh = [each for each in found if isinstance(each, str)]
    assert len(fresh) == 1
    assert [type(each) for each in found if not isinstance(each, str)] == [sessions.SessionUnknownError] * 3
    assert await allowed(fresh[0]) is not None
    assert await allowed(token) is None


async def test_a_strict_role_without_a_second_factor_may_only_enrol(keys: crypto.Keys, empty_brand: Brand) -> None:
    who = await member(keys, empty_brand.id, "accountant")
    token = await started(who.user_id)
    found = await sessions.principal(token=token, now=NOW)
    assert (found.role, found.brand_id, found.permissions) == (
        "accountant",
        empty_brand.id,
        permissions.ENROL_FIRST,
    )
    raised = await sessions.principal(token=await with_second_factor(keys, who.user_id, token), now=NOW)
    assert raised.permissions == permissions.GIVEN["accountant"] | permissions.OWN_ACCOUNT | permissions.ENROL


async def test_who_has_one_owes_it_at_the_next_sign_in(keys: crypto.Keys, empty_brand: Brand) -> None:
    who = await member(keys, empty_brand.id, "seller", reseller="R1")
    begun = await second_factor.begin(keys=keys, user_id=who.user_id, login="a@example.com")
    totp = pyotp.TOTP(begun.secret)
    await sessions.enrolled(keys=keys, token=await started(who.user_id), code=totp.at(NOW), actor=audit.SYSTEM, now=NOW)
    token = await started(who.user_id)
    assert (await sessions.principal(token=token, now=NOW)).permissions == {"second_factor.confirm"}
    with pytest.raises(second_factor.CodeWrongError):
        await sessions.raised(keys=keys, token=token, code=totp.at(NOW), actor=audit.SYSTEM, now=NOW)
    later = NOW + dt.timedelta(seconds=30)
    fresh = await sessions.raised(keys=keys, token=token, code=totp.at(later), actor=audit.SYSTEM, now=later)
    found = await sessions.principal(token=fresh, now=later)
    assert (found.reseller, found.permissions) == (
        "R1",
        permissions.GIVEN["seller"] | permissions.OWN_ACCOUNT | permissions.ENROL,
    )


async def test_a_revoked_role_allows_nothing_at_once(keys: crypto.Keys, empty_brand: Brand) -> None:
    who = await member(keys, empty_brand.id, "auditor")
    token = await started(who.user_id)
    assert "audit.read" in (await sessions.principal(token=token, now=NOW)).permissions
    await memberships.revoke(
        brand_id=empty_brand.id, membership_id=await role_of(who.user_id, empty_brand.id), actor=audit.SYSTEM, now=NOW
    )
    found = await sessions.principal(token=token, now=NOW)
    assert (found.role, found.brand_id, found.permissions) == (None, None, permissions.OWN_ACCOUNT | permissions.ENROL)


async def test_nobody_chooses_a_role_of_somebody_else(keys: crypto.Keys, empty_brand: Brand) -> None:
    theirs = await member(keys, empty_brand.id, "auditor")
    token = await started(await person(keys))
    with pytest.raises(memberships.MembershipUnknownError):
        await sessions.choose(
            token=token, membership_id=await role_of(theirs.user_id, empty_brand.id), actor=audit.SYSTEM, now=NOW
        )
    assert await allowed(token) is not None


@pytest.mark.parametrize(
    ("role", "idle", "absolute"),
    [("auditor", 12 * HOUR, 7 * 24 * HOUR), ("manager", 30 * MINUTE, 12 * HOUR), (None, 30 * MINUTE, 12 * HOUR)],
)
async def test_it_ends_when_idle_and_after_its_longest_time(
    keys: crypto.Keys, empty_brand: Brand, role: permissions.Role | None, idle: dt.timedelta, absolute: dt.timedelta
) -> None:
    user_id = (await member(keys, empty_brand.id, role)).user_id if role else await person(keys)
    token = await started(user_id)
    assert await allowed(token, NOW + idle - MINUTE // 60) is not None
    token = await started(user_id)
    assert await allowed(token, NOW + idle) is None
    assert await allowed(token, NOW) is None  # it has ended, whatever a clock says now
    token, now = await started(user_id), NOW
    while now < NOW + absolute - idle // 2:
        now += idle // 2
        assert (await allowed(token, now) is not None) is (now < NOW + absolute)
    assert await allowed(token, NOW + absolute) is None


async def test_the_last_look_is_written_once_a_minute(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    token = await started(await person(keys))
    seen = "SELECT seen_at FROM session WHERE token_hash = $1"
    for seconds, stored in ((1, 0), (59, 0), (60, 60), (119, 60), (120, 120)):
        assert await allowed(token, NOW + dt.timedelta(seconds=seconds)) is not None
        assert await owner.fetchval(seen, crypto.token_hash(token)) == NOW + dt.timedelta(seconds=stored)


async def test_sessions_are_listed_and_ended(keys: crypto.Keys) -> None:
    user_id = await person(keys)
    tokens = [await started(user_id, device=device, now=NOW + at * MINUTE) for at, device in enumerate(("Firefox", "Safari", ""))]
    listed = await sessions.listing(user_id=user_id)
    assert [(each.device, each.started_at) for each in listed] == [
        ("?", NOW + 2 * MINUTE),
        ("Safari", NOW + MINUTE),
        ("Firefox", NOW),
    ]
    await sessions.end(user_id=user_id, session_id=listed[1].id, ending="ended", actor=audit.SYSTEM, now=NOW)
    assert [await allowed(token) is not None for token in tokens] == [True, False, True]
    assert await sessions.end_others(user_id=user_id, keep=listed[0].id, actor=audit.SYSTEM, now=NOW) == 1
    assert [await allowed(token) is not None for token in tokens] == [False, False, True]
    assert await sessions.end_others(user_id=user_id, keep=None, actor=audit.SYSTEM, now=NOW) == 1
    assert await sessions.listing(user_id=user_id) == []


async def test_nobody_ends_a_session_of_somebody_else(keys: crypto.Keys) -> None:
    user_id = await person(keys)
    token = await started(user_id)
    (mine,) = await sessions.listing(user_id=user_id)
    with pytest.raises(sessions.SessionUnknownError):
        await sessions.end(user_id=await person(keys), session_id=mine.id, ending="ended", actor=audit.SYSTEM, now=NOW)
    assert await allowed(token) is not None


async def test_a_new_password_ends_all_but_this_one_which_has_a_new_token(keys: crypto.Keys) -> None:
    user_id = await person(keys)
    here, there = await started(user_id), await started(user_id)
    kept = (await sessions.principal(token=here, now=NOW)).session_id
    change = {"keys": keys, "token": here, "actor": audit.SYSTEM, "now": NOW}
    with pytest.raises(users.SignInRefusedError):
        await sessions.change_password(old=WRONG, new="another-good-one-7", **change)  # type: ignore[arg-type]
    assert await allowed(there) is not None
    fresh = await sessions.change_password(old=PASSWORD, new="another-good-one-7", **change)  # type: ignore[arg-type]
    assert [await allowed(token) is not None for token in (here, there, fresh)] == [False, False, True]
    assert (await sessions.principal(token=fresh, now=NOW)).session_id == kept


async def test_a_locked_account_is_out_at_once(keys: crypto.Keys) -> None:
    user_id = await person(keys)
    token = await started(user_id)
    await users.set_state(user_id=user_id, state="locked", actor=audit.SYSTEM, now=NOW)
    await users.set_state(user_id=user_id, state="active", actor=audit.SYSTEM, now=NOW)
    assert await allowed(token) is None


async def test_old_ones_are_removed(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    user_id = await person(keys)
    await started(user_id, now=NOW - dt.timedelta(days=365))
    await started(user_id, now=NOW - dt.timedelta(days=340))
    assert await sessions.prune(now=NOW - dt.timedelta(days=330)) == 1
    assert await owner.fetchval("SELECT count(*) FROM session WHERE user_id = $1", user_id) == 1
