"""The months of the demonstration, taken the way people take them: computed, checked, asked for by one and allowed by another.

What there is says what comes next, so that a start that was killed goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec

from qucheng.bundle import demo_people
from qucheng.core import audit, clock
from qucheng.identity import permissions
from qucheng.settlement import advance, checking, decision, issuance, run

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

# those before it are issued; it is computed, for an accountant to look at
COMPUTED: Final = dt.date(2026, 10, 1)
ROLE: Final = "accountant"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The one who asks, and the other."""

    maker: permissions.Principal
    checker: permissions.Principal


async def pair(*, keys: crypto.Keys, brand: Brand, now: dt.datetime) -> Pair:
    """The brand's two accountants."""
    found = [await demo_people.principal(keys=keys, brand=brand, role=ROLE, name=name, now=now) for name in (ROLE, f"{ROLE}2")]
    return Pair(maker=found[0], checker=found[1])


async def step(*, brand: Brand, people: Pair, now: dt.datetime) -> uuid.UUID | None:
    """Takes the next step and returns the task that it waits for; None where the months are as they shall be."""
    standing = await run.open_run(brand=brand)
    if standing is None:
        following = await run.next_period(brand=brand)
        if following is None or following > COMPUTED or clock.month_bounds(following, brand.time_zone)[1] > now:
            return None
        return await advance.request_draft(brand=brand, starts_on=following, actor=_actor(people.maker), now=now)
    if standing.state == "computed":
        if standing.period >= COMPUTED:
            return None
        await _allow(brand, standing, people, now)
    return await advance.request_issue(brand=brand, starts_on=standing.period, number=standing.number)


async def _allow(brand: Brand, standing: Run, people: Pair, now: dt.datetime) -> None:
    actor = _actor(people.maker)
    await checking.check(brand=brand, starts_on=standing.period, number=standing.number, actor=actor, now=now)
    try:
        asked = await issuance.request(
            principal=people.maker, brand=brand, starts_on=standing.period, number=standing.number, actor=actor, now=now
        )
    except issuance.AlreadyAskedError as before:
        asked = before.approval_id
    await decision.decide(
        principal=people.checker,
        brand_id=brand.id,
        approval_id=asked,
        approve=True,
        reason="",
        actor=_actor(people.checker),
        now=now,
    )


def _actor(who: permissions.Principal) -> audit.Actor:
    return audit.Actor(user_id=who.user_id, role=ROLE)
