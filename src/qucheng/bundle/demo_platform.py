"""The demonstration on the platform: both brands with their sales up to now, and everybody who plays in it.

Each step looks at what is there and adds what is not: a start that was killed is completed by the next one. What stands is
marked as finished and left alone from then on, whatever people have made of it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

import pyotp

from qucheng.bundle import demo, demo_current, demo_file, demo_people, demo_second, keeping
from qucheng.core import audit, crypto, db, demonstration, errors
from qucheng.identity import brand as brands
from qucheng.identity import membership as memberships
from qucheng.identity import permissions, second_factor
from qucheng.identity import user as users
from qucheng.settlement import run

if TYPE_CHECKING:
    import uuid

    from qucheng.bundle.progress import Progress
    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand


class NotForTheDemoError(errors.RefusedError):
    """The database is somebody's: people with passwords in a file are not added to it."""

    code: ClassVar[str] = "demo.not_here"


async def begin(*, settings: Settings, base_url: str) -> demo_file.Demo:
    """Marks the database and makes the sign-ins; or finds both. Raises NotForTheDemoError and demo_file.FileUnusableError."""
    if await demonstration.state() == "none":
        if settings.database_url is not None and await _inhabited():
            raise NotForTheDemoError(
                "The database of DATABASE_URL has people or brands of its own, so the demonstration is left out: --no-demo says so."
            )
        # before the mark: who finds the mark finds the file
        demo_file.write(
            settings, demo_file.Demo(base_url=base_url, people=[_sign_in(each) for each in demo_people.PLAYERS], api_keys=[])
        )
        await demonstration.begin()
    found = demo_file.read(settings)
    if found.base_url != base_url:
        found.base_url = base_url
        demo_file.write(settings, found)
    return found


async def is_finished() -> bool:
    return await demonstration.state() == "finished"


async def add_brands(*, settings: Settings, now: dt.datetime, progress: Progress) -> list[Brand]:
    """Imports what is missing of the two: of the first what is settled in var as well, and what it sold since."""
    folder = settings.var / "demo"
    if await brands.named(demo_people.LANXI) is None:
        if not demo.is_current(folder / "bundle"):
            demo.write(folder / "bundle")
        await keeping.take_in(folder=folder / "bundle", out=None, now=now, progress=progress)
    lanxi = await brands.require(demo_people.LANXI)
    # once a month is computed nothing more is delivered: it would have to be computed again
    if not await run.listing(brand=lanxi) and demo_current.write(folder / "current", now=now):
        await keeping.take_in(folder=folder / "current", out=None, now=now, progress=progress)
    if await brands.named(demo_people.MERIDIAN) is None:
        demo_second.write(folder / "second", now=now)
        await keeping.take_in(folder=folder / "second", out=None, now=now, progress=progress)
    return [lanxi, await brands.require(demo_people.MERIDIAN)]


async def add_people(*, settings: Settings, found: demo_file.Demo, now: dt.datetime) -> None:
    """Users, roles, and the second factor of those who cannot be without."""
    keys = crypto.keys(settings.var / "keys")
    for player in demo_people.PLAYERS:
        sign_in = found.person(player.login)
        user_id = await users.holder(keys=keys, login=player.login)
        if user_id is None:
            made = await users.create(
                keys=keys,
                login=player.login,
                name=player.name,
                locale=player.locale,
                password=sign_in.password,
                actor=audit.SYSTEM,
                now=now,
            )
            user_id = made.id
        await _give_roles(user_id, player, now)
        if any(part.role in permissions.STRICT_ROLES for part in player.parts):
            await _enrol(settings, keys, found, sign_in, user_id, now)


async def finish() -> None:
    await db.refresh_statistics()
    await demonstration.finish()


async def _inhabited() -> bool:
    """Whether there are brands, or operators, who make brands."""
    return bool(await brands.every() or await memberships.listing(brand_id=audit.PLATFORM, history=True))


def _sign_in(player: demo_people.Player) -> demo_file.SignIn:
    return demo_file.SignIn(
        login=player.login,
        password=demo_file.password(),
        totp_secret=None,
        name=player.name,
        roles=[demo_file.Role(role=part.role, brand=part.brand, reseller=part.reseller) for part in player.parts],
    )


async def _give_roles(user_id: uuid.UUID, player: demo_people.Player, now: dt.datetime) -> None:
    standing = {(each.brand_id, each.role, each.reseller) for each in await memberships.of(user_id)}
    for part in player.parts:
        brand_id = audit.PLATFORM if part.brand is None else (await brands.require(part.brand)).id
        if (brand_id, part.role, part.reseller) not in standing:
            await memberships.grant(
                brand_id=brand_id,
                user_id=user_id,
                role=part.role,
                reseller=part.reseller,
                granted_by=None,
                actor=audit.SYSTEM,
                now=now,
            )


async def _enrol(
    settings: Settings, keys: crypto.Keys, found: demo_file.Demo, sign_in: demo_file.SignIn, user_id: uuid.UUID, now: dt.datetime
) -> None:
    """The secret is in the file before it counts: killed in between, the next start makes another and confirms that."""
    try:
        enrolment = await second_factor.begin(keys=keys, user_id=user_id, login=sign_in.login)
    except second_factor.AlreadyEnrolledError:
        return
    sign_in.totp_secret = enrolment.secret
    demo_file.write(settings, found)
    # the code before this one, so that the one of this moment is still to be used
    before = now - dt.timedelta(seconds=second_factor.STEP_SECONDS)
    await second_factor.confirm(
        keys=keys, user_id=user_id, code=pyotp.TOTP(enrolment.secret).at(before), actor=audit.SYSTEM, now=now
    )
