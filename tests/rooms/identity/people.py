"""People for tests: real users with a password whose hash is quick to check, and who they are when they ask for something."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from typing import TYPE_CHECKING

import argon2

from qucheng.core import audit, db
from qucheng.identity import membership as memberships
from qucheng.identity import permissions
from qucheng.identity import user as users

if TYPE_CHECKING:
    from qucheng.core import crypto

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
PASSWORD = "plum-otter-42-river"  # noqa: S105 - of nobody
WRONG = "plum-otter-43-river"
HERE, ELSEWHERE = "198.51.100.0/24", "203.0.113.0/24"


@functools.cache
def quick_hash(password: str = PASSWORD) -> str:
    """Made with the least that argon2 takes: a sign-in makes it anew."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


async def person(keys: crypto.Keys, login: str | None = None) -> uuid.UUID:
    login = login or f"u-{uuid.uuid4().hex[:12]}@example.com"
    async with db.atomic():
        made = await users.insert(keys=keys, login=login, name="某人", locale="zh-CN", password_hash=quick_hash(), now=NOW)
    return made.id


async def member(
    keys: crypto.Keys, brand_id: uuid.UUID, role: permissions.Role, *, reseller: str | None = None, login: str | None = None
) -> permissions.Principal:
    """A new person with that role."""
    user_id = await person(keys, login)
    await memberships.grant(
        brand_id=brand_id, user_id=user_id, role=role, reseller=reseller, granted_by=None, actor=audit.SYSTEM, now=NOW
    )
    return principal(user_id, brand_id, role, reseller=reseller)


def principal(
    user_id: uuid.UUID, brand_id: uuid.UUID, role: permissions.Role, *, reseller: str | None = None
) -> permissions.Principal:
    """With the second factor given."""
    return permissions.Principal(
        user_id=user_id,
        session_id=uuid.uuid4(),
        brand_id=brand_id,
        reseller=reseller,
        role=role,
        permissions=permissions.given(role, enrolled=True, second_factor=True),
        second_factor_at=NOW,
    )


def actor(who: permissions.Principal) -> audit.Actor:
    return audit.Actor(user_id=who.user_id, role=who.role or "user", network=HERE, request_id="r-1")


async def role_of(user_id: uuid.UUID, brand_id: uuid.UUID) -> uuid.UUID:
    """The membership's id."""
    (found,) = [each for each in await memberships.of(user_id) if each.brand_id == brand_id]
    return found.id
