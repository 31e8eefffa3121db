"""The second factor: a code is good for its moment and once, also of two that come together; five wrong ones wait."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import msgspec
import pyotp
import pytest
from tests.rooms.identity.people import HERE, NOW, person

from qucheng.core import audit, crypto, db, ids
from qucheng.identity import second_factor
from qucheng.identity import session as sessions
from qucheng.identity import user as users

if TYPE_CHECKING:
    import uuid

    import asyncpg

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

STEP = dt.timedelta(seconds=30)


async def enrolled(keys: crypto.Keys) -> tuple[uuid.UUID, pyotp.TOTP, list[str]]:
    """Confirmed with the code of the step before NOW."""
    user_id = await person(keys)
    begun = await second_factor.begin(keys=keys, user_id=user_id, login="a@example.com")
    totp = pyotp.TOTP(begun.secret)
    codes = await second_factor.confirm(keys=keys, user_id=user_id, code=totp.at(NOW - STEP), actor=audit.SYSTEM, now=NOW - STEP)
    return user_id, totp, codes


async def attempt(keys: crypto.Keys, user_id: uuid.UUID, code: str, now: dt.datetime = NOW) -> str:
    try:
        await second_factor.check(keys=keys, user_id=user_id, code=code, now=now)
    except second_factor.CodeBlockedError as refusal:
        return f"blocked {refusal.retry_after}"
    except second_factor.CodeWrongError:
        return "wrong"
    return "right"


def wrong_code(totp: pyotp.TOTP, now: dt.datetime = NOW) -> str:
    near = {totp.at(now + offset * STEP) for offset in range(-3, 4)}
    return next(code for code in (f"{number:06}" for number in range(10)) if code not in near)


async def test_it_counts_from_its_first_code_on(keys: crypto.Keys) -> None:
    user_id = await person(keys)
    with pytest.raises(second_factor.NotEnrolledError):
        await second_factor.check(keys=keys, user_id=user_id, code="000000", now=NOW)
    begun = await second_factor.begin(keys=keys, user_id=user_id, login="a@example.com")
    assert begun.uri == f"otpauth://totp/Qucheng:a%40example.com?secret={begun.secret}&issuer=Qucheng"
    with pytest.raises(second_factor.NotEnrolledError):
        await second_factor.check(keys=keys, user_id=user_id, code=pyotp.TOTP(begun.secret).at(NOW), now=NOW)
    again = await second_factor.begin(keys=keys, user_id=user_id, login="a@example.com")
    with pytest.raises(second_factor.CodeWrongError):
        await second_factor.confirm(
            keys=keys, user_id=user_id, code=pyotp.TOTP(begun.secret).at(NOW), actor=audit.SYSTEM, now=NOW
        )
    codes = await second_factor.confirm(
        keys=keys, user_id=user_id, code=pyotp.TOTP(again.secret).at(NOW), actor=audit.SYSTEM, now=NOW
    )
    assert len(set(codes)) == 10
    assert {len(code) for code in codes} == {19}
    with pytest.raises(second_factor.AlreadyEnrolledError):
        await second_factor.begin(keys=keys, user_id=user_id, login="a@example.com")
    with pytest.raises(second_factor.AlreadyEnrolledError):
        await second_factor.confirm(
            keys=keys, user_id=user_id, code=pyotp.TOTP(again.secret).at(NOW + STEP), actor=audit.SYSTEM, now=NOW
        )


@pytest.mark.parametrize(("offset", "answer"), [(-2, "wrong"), (-1, "wrong"), (0, "right"), (1, "right"), (2, "wrong")])
async def test_a_code_is_of_now_or_one_step_beside(keys: crypto.Keys, offset: int, answer: str) -> None:
    """Of the step before it was the code that enrolled: it has been used."""
    user_id, totp, _ = await enrolled(keys)
    assert await attempt(keys, user_id, totp.at(NOW + offset * STEP)) == answer


async def test_the_step_before_is_taken_where_it_was_not_used(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    assert await attempt(keys, user_id, totp.at(NOW + 2 * STEP), NOW + 3 * STEP) == "right"


async def test_a_code_is_taken_once_and_none_before_it(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    assert await attempt(keys, user_id, totp.at(NOW + STEP)) == "right"
    assert await attempt(keys, user_id, totp.at(NOW + STEP)) == "wrong"
    assert await attempt(keys, user_id, totp.at(NOW)) == "wrong"
    assert await attempt(keys, user_id, totp.at(NOW + 2 * STEP), NOW + STEP) == "right"


async def test_of_many_with_the_same_code_one_is_right(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    found = await asyncio.gather(*(attempt(keys, user_id, totp.at(NOW)) for _ in range(4)))
    assert sorted(found) == ["right", "wrong", "wrong", "wrong"]


async def test_control_without_the_lock_several_are_right(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    looked = asyncio.Barrier(3)

    async def unlocked() -> bool:
        async with db.atomic():
            row = await db.connection().fetchrow("SELECT * FROM second_factor WHERE user_id = $1", user_id)
            await looked.wait()
            secret = keys.open(row["secret_cipher"], place=f"second_factor/{user_id}").decode()
            step = second_factor._step_of(secret, totp.at(NOW), NOW, after=row["last_step"])
            await db.connection().execute("UPDATE second_factor SET last_step = $2 WHERE user_id = $1", user_id, step or 0)
        return step is not None

    assert await asyncio.gather(*(unlocked() for _ in range(3))) == [True, True, True]


async def test_five_wrong_ones_wait_a_quarter_of_an_hour(keys: crypto.Keys) -> None:
    user_id, totp, codes = await enrolled(keys)
    wrong = wrong_code(totp)
    assert [await attempt(keys, user_id, wrong) for _ in range(6)] == ["wrong"] * 5 + ["blocked 900"]
    assert await attempt(keys, user_id, totp.at(NOW)) == "blocked 900"
    assert await attempt(keys, user_id, codes[0]) == "blocked 900"
    later = NOW + dt.timedelta(minutes=15)
    assert await attempt(keys, user_id, totp.at(later), later) == "right"


async def test_a_right_one_forgives_the_wrong_ones(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    wrong = wrong_code(totp)
    assert [await attempt(keys, user_id, wrong) for _ in range(4)] == ["wrong"] * 4
    assert await attempt(keys, user_id, totp.at(NOW)) == "right"
    assert [await attempt(keys, user_id, wrong) for _ in range(5)] == ["wrong"] * 5
    assert await attempt(keys, user_id, wrong) == "blocked 900"


async def test_of_many_wrong_ones_at_once_five_are_tried(keys: crypto.Keys) -> None:
    user_id, totp, _ = await enrolled(keys)
    found = await asyncio.gather(*(attempt(keys, user_id, wrong_code(totp)) for _ in range(30)))
    assert sorted(found) == ["blocked 900"] * 25 + ["wrong"] * 5


async def test_a_recovery_code_is_taken_once_however_it_is_written(keys: crypto.Keys) -> None:
    user_id, _, codes = await enrolled(keys)
    assert await attempt(keys, user_id, f" {codes[3].lower().replace('-', ' ')} ") == "right"
    assert await attempt(keys, user_id, codes[3]) == "wrong"
    assert await second_factor.codes_left(user_id=user_id) == 9
    assert sorted(await asyncio.gather(*(attempt(keys, user_id, codes[4]) for _ in range(4)))) == ["right", *["wrong"] * 3]
    assert await second_factor.codes_left(user_id=user_id) == 8


async def test_a_recovery_code_is_its_users(keys: crypto.Keys) -> None:
    user_id, _, _ = await enrolled(keys)
    _, _, others = await enrolled(keys)
    assert await attempt(keys, user_id, others[0]) == "wrong"


async def test_new_recovery_codes_void_the_old(keys: crypto.Keys) -> None:
    user_id, _, codes = await enrolled(keys)
    fresh = await second_factor.renew_recovery_codes(user_id=user_id, actor=audit.SYSTEM)
    assert set(fresh) & set(codes) == set()
    assert await attempt(keys, user_id, codes[0]) == "wrong"
    assert await attempt(keys, user_id, fresh[0]) == "right"
    assert await second_factor.codes_left(user_id=user_id) == 9


@pytest.mark.parametrize("code", ["", "0", "１２３４５６", "000000000000000000000000", "é" * 6])
async def test_what_is_no_code_is_wrong(keys: crypto.Keys, code: str) -> None:
    user_id, _, _ = await enrolled(keys)
    assert await attempt(keys, user_id, code) == "wrong"


async def test_the_secret_is_sealed_to_its_user(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    user_id, totp, codes = await enrolled(keys)
    other, _, _ = await enrolled(keys)
    text = str(
        [tuple(row) for table in ("second_factor", "recovery_code") for row in await owner.fetch(f"SELECT * FROM {table}")]
    )
    assert totp.secret not in text
    assert codes[0].replace("-", "") not in text
    await owner.execute(
        "UPDATE second_factor SET secret_cipher = (SELECT secret_cipher FROM second_factor WHERE user_id = $1) WHERE user_id = $2",
        user_id,
        other,
    )
    with pytest.raises(crypto.SealBrokenError):
        await second_factor.check(keys=keys, user_id=other, code=totp.at(NOW), now=NOW)


async def test_it_is_removed_with_its_codes(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    user_id, totp, _ = await enrolled(keys)
    await second_factor.remove(user_id=user_id, actor=audit.SYSTEM)
    assert await owner.fetchval("SELECT count(*) FROM recovery_code WHERE user_id = $1", user_id) == 0
    with pytest.raises(second_factor.NotEnrolledError):
        await second_factor.check(keys=keys, user_id=user_id, code=totp.at(NOW), now=NOW)
    with pytest.raises(second_factor.NotEnrolledError):
        await second_factor.remove(user_id=user_id, actor=audit.SYSTEM)


async def replaced(
    keys: crypto.Keys, user_id: uuid.UUID, sealed: str, code: str, now: dt.datetime = NOW, keep: uuid.UUID | None = None
) -> list[str]:
    user = await users.read(keys=keys, user_id=user_id)
    return await second_factor.replace(
        keys=keys, user=user, sealed=sealed, code=code, keep_session=keep or ids.new_id(), actor=audit.SYSTEM, now=now
    )


async def begun(keys: crypto.Keys, user_id: uuid.UUID, code: str, now: dt.datetime = NOW) -> tuple[pyotp.TOTP, str]:
    user = await users.read(keys=keys, user_id=user_id)
    fresh, sealed = await second_factor.begin_replacement(keys=keys, user=user, code=code, now=now)
    return pyotp.TOTP(fresh.secret), sealed


async def test_a_replacement_counts_from_its_first_code_on(keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    user_id, old, recovery = await enrolled(keys)
    fresh, sealed = await begun(keys, user_id, old.at(NOW))
    assert await attempt(keys, user_id, fresh.at(NOW)) == "wrong"
    assert await attempt(keys, user_id, old.at(NOW + STEP)) == "right"
    codes = await replaced(keys, user_id, sealed, fresh.at(NOW))
    assert (len(codes), set(codes) & set(recovery)) == (10, set())
    found = [await attempt(keys, user_id, code) for code in (recovery[0], fresh.at(NOW), fresh.at(NOW + STEP), codes[0])]
    assert found == ["wrong", "wrong", "right", "right"]
    assert await attempt(keys, user_id, old.at(NOW + 2 * STEP), NOW + STEP) == "wrong"
    assert fresh.secret not in str([tuple(row) for row in await owner.fetch("SELECT * FROM second_factor")])
    (record,) = [each for each in await audit.listing(brand_id=audit.PLATFORM) if each.subject == str(user_id)][:1]
    assert (record.action, record.before, record.after) == ("second_factor.replace", None, None)


async def test_a_replacement_ends_the_other_sessions(keys: crypto.Keys) -> None:
    user_id, old, _ = await enrolled(keys)
    here, there = [await sessions.start(user_id=user_id, device="x", network=HERE, actor=audit.SYSTEM, now=NOW) for _ in range(2)]
    fresh, sealed = await begun(keys, user_id, old.at(NOW))
    token, _ = await sessions.replaced(keys=keys, token=here, sealed=sealed, code=fresh.at(NOW), actor=audit.SYSTEM, now=NOW)
    assert (await sessions.principal(token=token, now=NOW)).second_factor_at == NOW
    for gone in (here, there):
        with pytest.raises(sessions.SessionUnknownError):
            await sessions.principal(token=gone, now=NOW)


async def test_a_replacement_needs_the_one_so_far(keys: crypto.Keys) -> None:
    user_id, old, _ = await enrolled(keys)
    with pytest.raises(second_factor.CodeWrongError):
        await begun(keys, user_id, wrong_code(old))
    with pytest.raises(second_factor.NotEnrolledError):
        await begun(keys, await person(keys), "123456")


async def test_wrong_first_codes_are_counted_like_any_other(keys: crypto.Keys) -> None:
    user_id, old, _ = await enrolled(keys)
    fresh, sealed = await begun(keys, user_id, old.at(NOW))
    for _ in range(5):
        with pytest.raises(second_factor.CodeWrongError):
            await replaced(keys, user_id, sealed, wrong_code(fresh))
    with pytest.raises(second_factor.CodeBlockedError):
        await replaced(keys, user_id, sealed, fresh.at(NOW))
    assert await attempt(keys, user_id, old.at(NOW + STEP)) == "blocked 900"


@pytest.mark.parametrize("minutes", [10, 60])
async def test_a_replacement_is_finished_soon_or_begun_again(keys: crypto.Keys, minutes: int) -> None:
    user_id, old, _ = await enrolled(keys)
    fresh, sealed = await begun(keys, user_id, old.at(NOW))
    later = NOW + dt.timedelta(minutes=minutes)
    with pytest.raises(second_factor.ReplacementVoidError):
        await replaced(keys, user_id, sealed, fresh.at(later), later)
    assert await attempt(keys, user_id, old.at(later), later) == "right"


async def test_of_two_replacements_one_counts(keys: crypto.Keys) -> None:
    user_id, old, codes = await enrolled(keys)
    found = [await begun(keys, user_id, code) for code in (old.at(NOW), codes[0])]
    ends = await asyncio.gather(
        *(replaced(keys, user_id, sealed, fresh.at(NOW)) for fresh, sealed in found), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in ends) == ["ReplacementVoidError", "list"]
    (winner,) = [fresh for (fresh, _), end in zip(found, ends, strict=True) if isinstance(end, list)]
    assert await attempt(keys, user_id, winner.at(NOW + STEP)) == "right"


async def test_control_what_names_the_one_that_stands_would_be_taken(keys: crypto.Keys) -> None:
    """What refuses the second of two is that it was begun in the place of another."""
    user_id, old, codes = await enrolled(keys)
    (first, one), (second, two) = [await begun(keys, user_id, code) for code in (old.at(NOW), codes[0])]
    await replaced(keys, user_id, one, first.at(NOW))
    with pytest.raises(second_factor.ReplacementVoidError):
        await replaced(keys, user_id, two, second.at(NOW))
    async with db.atomic():
        standing = await db.connection().fetchval("SELECT secret_cipher FROM second_factor WHERE user_id = $1", user_id)
    late = second_factor.open_replacement(keys=keys, user_id=user_id, sealed=two, now=NOW)
    named = msgspec.structs.replace(late, of=hashlib.sha256(standing).hexdigest())
    sealed = keys.seal(msgspec.json.encode(named), place=f"second_factor.replacement/{user_id}")
    assert len(await replaced(keys, user_id, base64.urlsafe_b64encode(sealed).decode(), second.at(NOW))) == 10
