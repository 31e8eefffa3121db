"""Signing in: who is let in, who waits, who must prove more; exact when many try at once, and alike for logins that nobody has."""

from __future__ import annotations

import asyncio
import datetime as dt
import statistics
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.identity.people import ELSEWHERE, HERE, NOW, PASSWORD, WRONG, person, quick_hash

from qucheng.core import audit, db
from qucheng.identity import password as passwords
from qucheng.identity import user as users

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def login() -> str:
    return f"u-{uuid.uuid4().hex[:12]}@example.com"


async def attempt(
    keys: crypto.Keys, login: str, password: str = WRONG, *, network: str = HERE, proven: bool = False, now: dt.datetime = NOW
) -> str:
    """What became of it, as one word."""
    try:
        await users.sign_in(keys=keys, login=login, password=password, network=network, proven=proven, now=now)
    except users.SignInBlockedError as refusal:
        return f"blocked {refusal.retry_after}"
    except users.ProofNeededError:
        return "proof"
    except users.SignInRefusedError:
        return "wrong"
    return "in"


async def test_the_right_password_lets_in(keys: crypto.Keys, login: str) -> None:
    user_id = await person(keys, login)
    assert await users.sign_in(keys=keys, login=login.upper(), password=PASSWORD, network=HERE, proven=False, now=NOW) == user_id


async def test_a_hash_of_old_parameters_is_made_anew(keys: crypto.Keys, login: str, owner: asyncpg.Connection) -> None:
    user_id = await person(keys, login)
    assert await attempt(keys, login, PASSWORD) == "in"
    known = await owner.fetchval("SELECT password_hash FROM person WHERE id = $1", user_id)
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert await attempt(keys, login, PASSWORD) == "in"
    assert await owner.fetchval("SELECT password_hash FROM person WHERE id = $1", user_id) == known


async def test_after_five_wrong_ones_each_waits_twice_as_long(keys: crypto.Keys, login: str) -> None:
    await person(keys, login)
    now = NOW
    assert [await attempt(keys, login, proven=True) for _ in range(6)] == ["wrong"] * 5 + ["blocked 2"]
    waits = []
    for _ in range(12):
        wait = int((await attempt(keys, login, proven=True, now=now)).removeprefix("blocked "))
        waits.append(wait)
        assert await attempt(keys, login, proven=True, now=now + wait * SECOND - SECOND // 2) == "blocked 1"
        now += wait * SECOND
        assert await attempt(keys, login, proven=True, now=now) == "wrong"
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


async def test_the_right_password_waits_too_and_then_forgives(keys: crypto.Keys, login: str) -> None:
    await person(keys, login)
    for _ in range(5):
        await attempt(keys, login)
    assert await attempt(keys, login, PASSWORD) == "blocked 2"
    assert await attempt(keys, login, PASSWORD, now=NOW + 2 * SECOND) == "in"
    assert [await attempt(keys, login, now=NOW + 3 * SECOND) for _ in range(6)] == ["wrong"] * 5 + ["blocked 2"]


async def test_a_stranger_elsewhere_does_not_block_the_user_here(keys: crypto.Keys, login: str) -> None:
    await person(keys, login)
    assert [await attempt(keys, login, network=ELSEWHERE) for _ in range(6)][-1] == "blocked 2"
    assert await attempt(keys, login, PASSWORD) == "in"


async def test_a_day_later_nothing_is_held_against_anybody(keys: crypto.Keys, login: str) -> None:
    for _ in range(5):
        await attempt(keys, login)
    later = NOW + dt.timedelta(days=1, seconds=3)
    assert [await attempt(keys, login, now=later) for _ in range(6)] == ["wrong"] * 5 + ["blocked 2"]


async def test_many_strangers_make_it_ask_for_more_and_never_lock(keys: crypto.Keys, login: str) -> None:
    await person(keys, login)
    found = [await attempt(keys, login, network=f"192.0.{number}.0/24") for number in range(25)]
    assert found == ["wrong"] * 20 + ["proof"] * 5
    assert await attempt(keys, login, PASSWORD) == "proof"
    assert await attempt(keys, login, PASSWORD, proven=True) == "in"
    assert await attempt(keys, login, PASSWORD, now=NOW + dt.timedelta(hours=1)) == "in"


async def test_a_right_one_is_not_counted_as_pressure(keys: crypto.Keys, login: str, owner: asyncpg.Connection) -> None:
    await person(keys, login)
    assert [await attempt(keys, login, PASSWORD) for _ in range(3)] == ["in"] * 3
    pressure = "SELECT failures FROM sign_in_pressure WHERE login_hash = $1"
    assert await owner.fetchval(pressure, users.login_hash(keys, login)) == 0
    assert await owner.fetchval("SELECT count(*) FROM sign_in_failure WHERE login_hash = $1", users.login_hash(keys, login)) == 0


@pytest.mark.parametrize("known", [True, False])
async def test_of_many_at_once_five_are_tried(keys: crypto.Keys, login: str, *, known: bool) -> None:
    if known:
        await person(keys, login)
    found = await asyncio.gather(*(attempt(keys, login) for _ in range(40)))
    assert sorted(found) == ["blocked 2"] * 35 + ["wrong"] * 5


async def test_of_many_at_once_from_everywhere_twenty_are_tried(keys: crypto.Keys, login: str) -> None:
    await person(keys, login)
    found = await asyncio.gather(*(attempt(keys, login, network=f"192.0.{number}.0/24") for number in range(60)))
    assert sorted(found) == ["proof"] * 40 + ["wrong"] * 20


async def test_control_counted_after_the_try_all_are_tried(keys: crypto.Keys, login: str) -> None:
    """The same work in the order that offers itself: look, try, count."""
    user_id = await person(keys, login)
    fingerprint = users.login_hash(keys, login)

    async def late() -> str:
        async with db.atomic():
            counted = await db.connection().fetchval("SELECT failures FROM sign_in_failure WHERE login_hash = $1", fingerprint)
            known = await db.connection().fetchval("SELECT password_hash FROM person WHERE id = $1", user_id)
        if (counted or 0) >= users.FREE_FAILURES:
            return "blocked"
        assert not await passwords.matches(WRONG, known)
        async with db.atomic():
            await users._count(fingerprint, HERE, NOW)
        return "wrong"

    found = await asyncio.gather(*(late() for _ in range(40)))
    assert found.count("wrong") > users.FREE_FAILURES


@pytest.mark.parametrize("state", ["locked", "closed"])
async def test_an_account_that_is_not_active_answers_like_a_wrong_password(
    keys: crypto.Keys, login: str, state: users.State
) -> None:
    user_id = await person(keys, login)
    await users.set_state(user_id=user_id, state=state, actor=audit.SYSTEM, now=NOW)
    assert await attempt(keys, login, PASSWORD) == "wrong"
    if state == "closed":
        with pytest.raises(users.UserClosedError):
            await users.set_state(user_id=user_id, state="active", actor=audit.SYSTEM, now=NOW)
    else:
        await users.set_state(user_id=user_id, state="active", actor=audit.SYSTEM, now=NOW)
        assert await attempt(keys, login, PASSWORD) == "in"


async def test_an_unknown_login_costs_what_a_known_one_costs(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    """The same statements and one argon2 of the same parameters; medians, because the machine is shared."""
    logins = [f"t-{number}-{uuid.uuid4().hex[:8]}@example.com" for number in range(4)]
    known = await passwords.hashed(PASSWORD)
    for login in logins:
        await owner.execute("UPDATE person SET password_hash = $2 WHERE id = $1", await person(keys, login), known)

    async def seconds(login: str) -> float:
        started = time.perf_counter()
        assert await attempt(keys, login) == "wrong"
        return time.perf_counter() - started

    with_account, without = [], []
    for _ in range(3):
        for login in logins:
            with_account.append(await seconds(login))
            without.append(await seconds(f"no-{login}"))
    ratio = statistics.median(with_account) / statistics.median(without)
    assert 0.6 < ratio < 1.6


async def test_what_is_stored_names_nobody(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    login = "li.qing.of.suzhou@example.com"
    user_id = await person(keys, login)
    await attempt(keys, login)
    for table in ("person", "sign_in_failure", "sign_in_pressure"):
        text = str([tuple(row) for row in await owner.fetch(f"SELECT * FROM {table}")])
        assert "suzhou" not in text
        assert "某人" not in text
    assert await users.read(keys=keys, user_id=user_id) == users.User(
        id=user_id, login=login, name="某人", locale="zh-CN", state="active"
    )


async def test_a_login_is_one_persons_however_it_is_written(keys: crypto.Keys, login: str) -> None:
    made = await users.create(
        keys=keys, login=f"  {login.upper()} ", name=" 李青 ", locale="zh-CN", password=PASSWORD, actor=audit.SYSTEM, now=NOW
    )
    assert (made.login, made.name) == (login, "李青")
    with pytest.raises(users.LoginTakenError):
        await users.create(keys=keys, login=login, name="x", locale="en", password=PASSWORD, actor=audit.SYSTEM, now=NOW)


async def test_of_two_who_take_a_login_at_once_one_has_it(keys: crypto.Keys, login: str, owner: asyncpg.Connection) -> None:
    async def take() -> bool:
        try:
            async with db.atomic():
                await users.insert(keys=keys, login=login, name="x", locale="en", password_hash=quick_hash(), now=NOW)
        except users.LoginTakenError:
            return False
        return True

    assert sorted(await asyncio.gather(*(take() for _ in range(6)))) == [False] * 5 + [True]
    assert await owner.fetchval("SELECT count(*) FROM person WHERE login_hash = $1", users.login_hash(keys, login)) == 1


@pytest.mark.parametrize("login", ["", "a b@example.com", "a@b@c", "ab", "x" * 65, "a@", "名@例 .cn"])
async def test_what_is_no_login(keys: crypto.Keys, login: str) -> None:
    with pytest.raises(users.LoginInvalidError):
        await attempt(keys, login)


async def test_old_attempts_are_forgotten(keys: crypto.Keys, login: str, owner: asyncpg.Connection) -> None:
    await attempt(keys, login)
    await users.prune_attempts(now=NOW + dt.timedelta(hours=2))
    count = "SELECT (SELECT count(*) FROM sign_in_failure WHERE login_hash = $1), (SELECT count(*) FROM sign_in_pressure WHERE login_hash = $1)"
    assert tuple(await owner.fetchrow(count, users.login_hash(keys, login))) == (1, 0)
    await users.prune_attempts(now=NOW + dt.timedelta(days=2))
    assert tuple(await owner.fetchrow(count, users.login_hash(keys, login))) == (0, 0)
