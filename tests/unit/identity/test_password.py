"""Which passwords are taken, and how they are kept."""

from __future__ import annotations

import asyncio

import pytest

from qucheng.identity import password as passwords

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "password",
    ["", "short-one-1", "x" * 129, "password1234", "Password1234", "PASSWORD1234", "ｐａｓｓｗｏｒｄ1234", "aaaaaaaaaaaaaaaa", "abababababab", "1q2w3e4r5t6y", "woaini5201314"],
)  # fmt: skip
def test_weak_ones_are_refused(password: str) -> None:
    with pytest.raises(passwords.PasswordWeakError):
        passwords.require(password)


@pytest.mark.parametrize(
    "password", ["plum-otter-42", "春眠不觉晓处处闻啼鸟夜来", "correct horse 1 battery", "x1y2z3w4v5u6" * 10]
)
def test_others_are_taken(password: str) -> None:
    passwords.require(password, names=("zhang.san@example.com", "张三"))


@pytest.mark.parametrize("password", ["zhangsan-2026!", "my-ZHANGSAN-pass", "zhangsan@shanlan.cn9"])
def test_one_with_the_persons_name_is_refused(password: str) -> None:
    with pytest.raises(passwords.PasswordWeakError, match="name or address"):
        passwords.require(password, names=("zhangsan@shanlan.cn",))


def test_every_common_one_would_be_long_enough() -> None:
    listed = passwords.COMMON.read_text(encoding="utf-8").splitlines()
    assert len(listed) > 150
    assert sorted(set(listed)) == listed
    assert [line for line in listed if not passwords.SHORTEST <= len(line) <= passwords.LONGEST] == []


async def test_it_is_argon2id_with_64_mib_and_three_passes() -> None:
    known = await passwords.hashed("plum-otter-42-river")
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert not passwords.outdated(known)
    assert await passwords.matches("plum-otter-42-river", known)
    assert not await passwords.matches("plum-otter-42-rivet", known)
    assert await passwords.hashed("plum-otter-42-river") != known
    # composed by another keyboard
    assert await passwords.matches("ｐlum-otter-42-river", known)


@pytest.mark.parametrize(
    "known",
    ["$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "nonsense", "$2b$12$x"],
)
async def test_a_hash_of_another_kind_matches_nothing(known: str) -> None:
    assert not await passwords.matches("plum-otter-42-river", known)


async def test_nobodys_password_is_no_password() -> None:
    assert not await passwords.matches("plum-otter-42-river", None)


async def test_at_most_two_are_worked_at() -> None:
    await asyncio.gather(*(passwords.matches("x", None) for _ in range(6)))
    assert passwords._THREADS._max_workers == 2
    assert len(passwords._THREADS._threads) <= 2
