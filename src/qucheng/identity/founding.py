"""How a platform and a brand begin: the first operator, and a brand with two owners, of whom one asks and the other allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import brand as brands
from qucheng.identity import invitation as invitations
from qucheng.identity import legal_opinion
from qucheng.identity import membership as memberships
from qucheng.identity import user as users

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.core import crypto
    from qucheng.identity import permissions


class TwoOwnersNeededError(errors.RefusedError):
    """What one owner asks for another decides, so a brand begins with two."""

    code: ClassVar[str] = "brand.owners"
    status: ClassVar[int] = 422


async def first_operator(
    *,
    keys: crypto.Keys,
    login: str,
    name: str,
    locale: Literal["zh-CN", "en"],
    password: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> users.User:
    """The user and the role, or neither. Raises what user.create() raises."""
    async with db.atomic(audit.PLATFORM):
        made = await users.create(keys=keys, login=login, name=name, locale=locale, password=password, actor=actor, now=now)
        await memberships.grant(brand_id=audit.PLATFORM, user_id=made.id, role="operator", granted_by=None, actor=actor, now=now)
    return made


async def found(
    *,
    keys: crypto.Keys,
    principal: permissions.Principal,
    brand: brands.Brand,
    owners: tuple[str, str],
    locale: Literal["zh-CN", "en"],
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """The brand, and letters to two people who are to own it. brand: checked already. Returns its id.

    Two addresses may be one person's: nothing here can know. Whoever founds a brand has spoken with both.
    A legal opinion that is named now holds no day yet: two people of the brand have to rely on it first (legal_opinion).
    """
    first, second = (users.address(login) for login in owners)
    if first == second:
        raise TwoOwnersNeededError("A brand begins with two owners: two people with two addresses.")
    founded = msgspec.structs.replace(brand, expires_on=None if brand.expires_on is None else legal_opinion.NEVER)
    async with db.atomic(brand.id):
        try:
            async with db.atomic():
                await brands.create(brand=founded)
        except asyncpg.UniqueViolationError:
            raise brands.BrandTakenError("There is a brand with this code already.") from None
        after = {"policy": brand.policy, "legal_opinion": brand.legal_opinion, "expires_on": brand.expires_on}
        await audit.record(
            brand_id=brand.id,
            actor=actor,
            action="brand.create",
            subject=brand.code,
            after={name: value for name, value in after.items() if value is not None},
        )
        for login in (first, second):
            await invitations.invite(
                keys=keys, principal=principal, brand_id=brand.id, login=login, role="owner", locale=locale, actor=actor, now=now
            )
    return brand.id


async def withdraw_owner(*, brand_id: uuid.UUID, invitation_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """A first owner's invitation, by the platform that sent it. Those that the brand's own people allowed are not its business."""
    async with db.atomic(brand_id):
        asked = await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM role_request WHERE invitation = $1)", invitation_id)
        if asked:
            raise invitations.InvitationUnknownError("There is no such invitation.")
        owners: tuple[permissions.Role, ...] = ("owner",)
        await invitations.withdraw(brand_id=brand_id, invitation_id=invitation_id, roles=owners, actor=actor, now=now)
