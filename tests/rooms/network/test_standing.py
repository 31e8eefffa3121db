"""Freezing and closing: who is frozen or closed sells nowhere, and keeps what it is owed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.catalog import price_affected, price_cell, price_version
from qucheng.catalog.price_records import Change
from qucheng.core import clock, db
from qucheng.identity import api_caller, api_key, session
from qucheng.identity import membership as memberships
from qucheng.network import placement, standing, thermometer
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.core.errors import RefusedError
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LATER = desk.DAY + dt.timedelta(days=10)


async def may_sell(brand: Brand, reseller: str, *days: dt.date) -> list[bool]:
    return [row for day in days for (row,) in await books.seen(brand, "SELECT may_sell($1, 'web', $2)", reseller, day)]


async def freeze(brand: Brand, who: permissions.Principal, reseller: str, day: dt.date = desk.DAY) -> None:
    await standing.freeze(brand_id=brand.id, reseller=reseller, reason="查一下", day=day, actor=people.actor(who), now=desk.NOW)


async def unfreeze(brand: Brand, who: permissions.Principal, reseller: str, day: dt.date = desk.DAY) -> None:
    await standing.unfreeze(brand_id=brand.id, reseller=reseller, reason="没问题", day=day, actor=people.actor(who), now=desk.NOW)


async def close(brand: Brand, who: permissions.Principal, reseller: str, closes_on: dt.date = desk.DAY) -> None:
    await standing.close(
        brand_id=brand.id,
        reseller=reseller,
        closes_on=closes_on,
        reason="不做了",
        day=desk.DAY,
        actor=people.actor(who),
        now=desk.NOW,
    )


async def test_who_is_frozen_sells_nothing_until_it_is_unfrozen(brand: Brand, manager: permissions.Principal) -> None:
    yesterday = desk.DAY - dt.timedelta(days=1)
    assert await may_sell(brand, "R3", yesterday, desk.DAY) == [True, True]
    await freeze(brand, manager, "R3")
    assert await may_sell(brand, "R3", yesterday, desk.DAY, LATER) == [True, False, False]
    assert await standing.state(brand_id=brand.id, reseller="R3", day=desk.DAY) == standing.Standing(
        state="frozen", since=desk.DAY, reason="查一下"
    )
    await unfreeze(brand, manager, "R3", LATER)
    assert await may_sell(brand, "R3", desk.DAY, LATER) == [False, True]
    assert (await standing.state(brand_id=brand.id, reseller="R3", day=LATER)).state == "active"
    trail = "SELECT action, user_id, after ->> 'reason' FROM audit_record WHERE subject = 'R3' AND action LIKE 'reseller.%' ORDER BY id"
    assert await books.seen(brand, trail) == [
        ("reseller.freeze", manager.user_id, "查一下"), ("reseller.unfreeze", manager.user_id, "没问题"),
    ]  # fmt: skip


async def test_a_day_may_hold_several_changes_and_the_last_counts(brand: Brand, manager: permissions.Principal) -> None:
    await freeze(brand, manager, "R3")
    await unfreeze(brand, manager, "R3")
    assert await may_sell(brand, "R3", desk.DAY) == [True]
    await freeze(brand, manager, "R3")
    assert await may_sell(brand, "R3", desk.DAY) == [False]


async def test_who_is_closed_sells_nothing_from_that_day_on(brand: Brand, manager: permissions.Principal) -> None:
    await close(brand, manager, "R3", LATER)
    assert await may_sell(brand, "R3", desk.DAY, LATER - dt.timedelta(days=1), LATER) == [True, True, False]
    assert await standing.state(brand_id=brand.id, reseller="R3", day=desk.DAY) == standing.Standing(
        state="active", closes_on=LATER
    )
    await freeze(brand, manager, "R3")
    assert await may_sell(brand, "R3", desk.DAY) == [False]
    assert (await standing.state(brand_id=brand.id, reseller="R3", day=LATER)).state == "closed"


@pytest.mark.parametrize(
    ("steps", "refusal"),
    [
        ((unfreeze,), standing.StandingStateError),
        ((freeze, freeze), standing.StandingStateError),
        ((close, close), standing.StandingStateError),
        ((close, freeze), standing.StandingStateError),
        ((freeze, close, unfreeze), standing.StandingStateError),
    ],
)
async def test_a_step_that_does_not_fit_is_refused(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal, steps: tuple[Any, ...], refusal: type[RefusedError]
) -> None:
    for step in steps[:-1]:
        await step(brand, manager, "R3")
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await steps[-1](brand, manager, "R3")
    assert await books.everything(owner) == before


async def test_a_change_without_a_reason_or_of_a_stranger_is_refused(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    before, actor = await books.everything(owner), people.actor(manager)
    with pytest.raises(standing.ReasonMissingError):
        await standing.freeze(brand_id=brand.id, reseller="R3", reason="  ", day=desk.DAY, actor=actor, now=desk.NOW)
    with pytest.raises(resellers.ResellerUnknownError):
        await freeze(brand, manager, "nobody")
    for closes_on in (desk.DAY - dt.timedelta(days=1), desk.DAY + dt.timedelta(days=367)):
        with pytest.raises(standing.StandingDayError):
            await close(brand, manager, "R3", closes_on)
    assert await books.everything(owner) == before


async def test_who_has_others_below_is_not_closed_until_they_have_moved(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    before = await books.everything(owner)
    with pytest.raises(standing.HasBelowError):
        await close(brand, manager, "R1")
    assert await books.everything(owner) == before
    moved = placement.Placed(reseller="R2", parent=None, tier="base", day=desk.DAY + dt.timedelta(days=1), moved=True)
    await placement.move(brand=brand, wanted=moved, reason="自立", day=desk.DAY, actor=people.actor(manager), now=desk.NOW)
    with pytest.raises(standing.HasBelowError):
        await close(brand, manager, "R1")
    await close(brand, manager, "R1", moved.day)
    assert (await standing.state(brand_id=brand.id, reseller="R1", day=moved.day)).state == "closed"


async def test_the_people_of_a_closed_account_read_what_it_is_owed_and_nothing_else(
    keys: crypto.Keys, brand: Brand, manager: permissions.Principal
) -> None:
    now = clock.now()
    today = now.astimezone(dt.timezone(dt.timedelta(hours=8))).date()
    who = await people.member(keys, brand.id, "admin", reseller="R3")
    token = await session.start(user_id=who.user_id, device="x", network=people.HERE, actor=people.actor(who), now=now)
    (role,) = await memberships.of(who.user_id)
    token = await session.choose(token=token, membership_id=role.id, actor=people.actor(who), now=now)
    whole = (await session.principal(token=token, now=now)).permissions
    assert {"own.products.read", "own.team.invite", "own.statements.read"} <= whole
    await standing.close(
        brand_id=brand.id, reseller="R3", closes_on=today, reason="不做了", day=today, actor=people.actor(manager), now=now
    )
    left = (await session.principal(token=token, now=now)).permissions
    assert left & {name for name in whole if name.startswith("own.")} == {
        "own.home.read",
        "own.statements.read",
        "own.statements.confirm",
        "own.documents.read",
        "own.disputes.read",
        "own.disputes.open",
        "own.profile.read",
    }
    assert {"account.read", "sessions.end"} <= left


async def test_the_keys_of_a_closed_account_end_with_it(keys: crypto.Keys, brand: Brand, manager: permissions.Principal) -> None:
    now = clock.now()
    today = now.astimezone(dt.timezone(dt.timedelta(hours=8))).date()
    owner = await people.member(keys, brand.id, "owner")
    issued = await api_key.create(
        keys=keys,
        brand_id=brand.id,
        name="k",
        mode="live",
        reseller="R3",
        scopes=("orders.read",),
        networks=[],
        expires_at=now + dt.timedelta(days=30),
        created_by=owner.user_id,
        actor=people.actor(owner),
        now=now,
    )
    assert (await api_caller.by_token(token=issued.token, address="198.51.100.7", now=now)).reseller == "R3"
    await standing.close(
        brand_id=brand.id, reseller="R3", closes_on=today, reason="不做了", day=today, actor=people.actor(manager), now=now
    )
    with pytest.raises(api_caller.KeyExpiredError):
        await api_caller.by_token(token=issued.token, address="198.51.100.7", now=now)


async def test_the_reseller_sees_its_own_standing_and_no_other(brand: Brand, manager: permissions.Principal) -> None:
    await freeze(brand, manager, "R3")
    await freeze(brand, manager, "R1")
    assert (await standing.state(brand_id=brand.id, reseller="R3", day=desk.DAY, own=True)).state == "frozen"
    async with db.atomic(brand.id, reseller="R2"):
        assert await db.connection().fetchval("SELECT count(*) FROM standing_change") == 0


async def test_who_is_closed_is_told_of_nothing_new_and_has_nobody_below(
    keys: crypto.Keys, brand: Brand, manager: permissions.Principal
) -> None:
    for reseller in ("R1", "R3"):
        await people.member(keys, brand.id, "admin", reseller=reseller)
    await close(brand, manager, "R3")
    moved = await thermometer.what_if(brand=brand, reseller="R2", parent="R3", on=LATER)
    assert moved.refusal == "placement.parent_closed"
    assert (await thermometer.what_if(brand=brand, reseller="R2", parent=None, on=LATER)).refusal is None
    await desk.agreed(brand)
    told = "SELECT DISTINCT reseller FROM notification WHERE kind = 'agreement.published'"
    assert await books.seen(brand, told) == [("R1",)]
    actor = people.actor(manager)
    version = await price_version.open_draft(brand_id=brand.id, actor=actor, now=desk.NOW)
    change = Change(sku="card", channel=None, tier=None, action="set", price_minor=9900)
    await price_cell.set_cells(brand_id=brand.id, version=version, changes=[change], day=desk.DAY, actor=actor, now=desk.NOW)
    found = await price_affected.told(brand_id=brand.id, version=version, now=desk.NOW)
    assert [each.reseller for each in found] == ["R1", "R2"]
