"""Runs for tests: a brand with a March, an April with a refund and a May with a balance, computed month by month."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, task
from qucheng.settlement import checking, issuance, run

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.settlement.checking import Check
    from qucheng.settlement.run import Run

MARCH, APRIL, MAY = (dt.date(2026, month, 1) for month in (3, 4, 5))


async def stored(folder: Path) -> Brand:
    """The documentation's bundle under a code of its own."""
    code = f"r{uuid.uuid4().hex[:12]}"
    brand = await books.found(books.example(folder / code, code=code))
    await books.take_in(brand, folder / code)
    return brand


async def drafted(brand: Brand, month: dt.date) -> Run:
    """The draft of the month; the months before it are issued."""
    for earlier in (MARCH, APRIL):
        if earlier < month:
            await issued(brand, earlier)
    made = await run.compute(brand=brand, starts_on=month, now=books.NOW)
    assert made is not None
    return made


async def issued(brand: Brand, month: dt.date) -> Run:
    made = await run.compute(brand=brand, starts_on=month, now=books.NOW)
    assert made is not None
    while made.state != "issued":
        made = await run.issue_batch(brand=brand, run=made, now=books.NOW)
    return made


async def looked_at(brand: Brand, chosen: Run, who: permissions.Principal | None = None) -> Check:
    """A look at the run, by the platform or by a person."""
    actor = people.actor(who) if who else audit.SYSTEM
    return await checking.check(brand=brand, starts_on=chosen.period, number=chosen.number, actor=actor, now=books.NOW)


async def asked(brand: Brand, chosen: Run, who: permissions.Principal) -> uuid.UUID:
    return await issuance.request(
        principal=who,
        brand=brand,
        starts_on=chosen.period,
        number=chosen.number,
        actor=people.actor(who),
        now=books.NOW,
    )


async def to_issue(brand: Brand) -> list[str]:
    """The states of the tasks that issue."""
    return [each.state for each in await task.listing(brand_id=brand.id, kind="settlement.issue")]
