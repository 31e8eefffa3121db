"""At the doors a password is hashed in a moment. What a hash takes is tested in unit/identity, and how long a sign-in in rooms/identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import argon2
import pytest

from qucheng.identity import password

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSES, MEMORY_KIB = 1, 8


@pytest.fixture(scope="module", autouse=True)
def quick_passwords() -> Iterator[None]:
    """With the parameters of people.quick_hash(), so that a sign-in does not make it anew."""
    hasher = argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1, hash_len=32, salt_len=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(password, "PASSES", PASSES)
        patch.setattr(password, "MEMORY_KIB", MEMORY_KIB)
        patch.setattr(password, "_HASHER", hasher)
        password._nobodys.cache_clear()
        yield
    password._nobodys.cache_clear()
