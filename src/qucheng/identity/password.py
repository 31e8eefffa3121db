"""Passwords: what is taken as one, and its argon2id hash. Slow on purpose, so it is done in threads, two at a time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import unicodedata
from pathlib import Path
from typing import ClassVar

import argon2
from argon2 import exceptions

from qucheng.core import errors

SHORTEST, LONGEST = 12, 128
MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 1
AT_ONCE = 2
FEWEST_DIFFERENT = 5
SHORTEST_NAME = 4
COMMON = Path(__file__).with_name("common_passwords.txt")

_HASHER = argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16)
_THREADS = concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="argon2")


class PasswordWeakError(errors.RefusedError):
    code: ClassVar[str] = "password.weak"
    status: ClassVar[int] = 422


def normalised(password: str) -> str:
    """However a keyboard composes a letter, it is the same password."""
    return unicodedata.normalize("NFKC", password)


def require(password: str, *, names: tuple[str, ...] = ()) -> None:
    """Raises PasswordWeakError. names: what belongs to the person and so is guessed first."""
    password = normalised(password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordWeakError(f"A password has {SHORTEST} to {LONGEST} characters.")
    lowered = password.casefold()
    if lowered in _common() or len(set(lowered)) < FEWEST_DIFFERENT:
        raise PasswordWeakError("This password is among those that are tried first: take another.")
    if any(len(part) >= SHORTEST_NAME and part in lowered for name in names for part in _parts(name)):
        raise PasswordWeakError("The password holds your name or address: take another.")


def _parts(name: str) -> list[str]:
    return [name.casefold(), *"".join(char if char.isalnum() else " " for char in name.casefold()).split()]


@functools.cache
def _common() -> frozenset[str]:
    return frozenset(normalised(line).casefold() for line in COMMON.read_text(encoding="utf-8").splitlines())


async def hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, normalised(password))


async def matches(password: str, known: str | None) -> bool:
    """Without a hash it is nobody's password. That takes as long as a wrong password of somebody."""
    right = await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, password, known or _nobodys())
    return right and known is not None


def outdated(known: str) -> bool:
    """Made with other parameters than today's: it is to be made anew when the password is next there."""
    return _HASHER.check_needs_rehash(known)


def _verify(password: str, known: str) -> bool:
    try:
        return _HASHER.verify(known, normalised(password))
    except (exceptions.VerificationError, exceptions.InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    """A hash with today's parameters that no password is known for."""
    return f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$" + "A" * 22 + "$" + "A" * 43
