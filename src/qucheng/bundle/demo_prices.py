"""Prices of the demonstration: a version that takes effect in a week, allowed by a second person, and a draft."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from qucheng.catalog import price_cell, price_limit, price_matrix, price_publish, price_version
from qucheng.catalog.price_records import Change, Column, Filter, LimitChange
from qucheng.core import audit
from qucheng.settlement import decision

if TYPE_CHECKING:
    from qucheng.catalog.price_records import Row
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

IN_A_WEEK: Final = dt.timedelta(days=7)
CHANGED, DRAFTED = 4, 3
NAMES = {"en": ("Season prices", "Campaign prices"), "zh-CN": ("换季调价", "活动价")}


async def fill(*, brand: Brand, maker: permissions.Principal, checker: permissions.Principal, now: dt.datetime) -> None:
    """maker, checker: two who may ask for prices and allow them. A start that was killed goes on with what is missing."""
    names, today = NAMES[brand.locale], price_publish.local_day(now, brand.time_zone)
    current = await price_version.current(brand_id=brand.id, now=now)
    if current.draft is None and current.newest == current.live:
        await _publish(brand, maker, checker, names[0], today, now)
        current = await price_version.current(brand_id=brand.id, now=now)
    if current.draft is None:
        await _draft(brand, maker, names[1], today, now)


async def _publish(
    brand: Brand, maker: permissions.Principal, checker: permissions.Principal, name: str, today: dt.date, now: dt.datetime
) -> None:
    actor = _actor(maker)
    number = await price_version.open_draft(brand_id=brand.id, name=name, actor=actor, now=now)
    rows = await _priced(brand, number, today, now)
    await price_cell.set_cells(
        brand_id=brand.id,
        version=number,
        changes=[
            *(_set(row, _base(row) + 10**brand.decimals) for row in rows[:CHANGED]),
            *(_set(row, _base(row)) for row in rows[CHANGED:] if row.cells[0].price_minor is None),
        ],
        day=today,
        actor=actor,
        now=now,
    )
    floors = [LimitChange(sku=row.sku, floor_minor=row.cost_minor) for row in rows if row.floor_minor is None][:CHANGED]
    await price_limit.set_limits(brand_id=brand.id, version=number, changes=floors, day=today, actor=actor, now=now)
    asked = await price_publish.submit(
        brand=brand, principal=maker, number=number, effective_on=today + IN_A_WEEK, actor=actor, now=now
    )
    await decision.decide(
        principal=checker, brand_id=brand.id, approval_id=asked, approve=True, reason="", actor=_actor(checker), now=now
    )


async def _draft(brand: Brand, maker: permissions.Principal, name: str, today: dt.date, now: dt.datetime) -> None:
    """One of its prices is below the floor, for somebody to mend."""
    actor = _actor(maker)
    number = await price_version.open_draft(brand_id=brand.id, name=name, actor=actor, now=now)
    rows = await _priced(brand, number, today, now)
    changes = [_set(row, _base(row) + 10**brand.decimals) for row in rows[CHANGED : CHANGED + DRAFTED]]
    if rows and rows[0].floor_minor:
        changes.append(Change(sku=rows[0].sku, channel=None, tier=None, action="set", price_minor=rows[0].floor_minor - 1))
    await price_cell.set_cells(brand_id=brand.id, version=number, changes=changes, day=today, actor=actor, now=now)


async def _priced(brand: Brand, number: int, today: dt.date, now: dt.datetime) -> list[Row]:
    """The SKUs that sell above their cost."""
    found = await price_matrix.matrix(
        brand_id=brand.id, version=number, columns=[Column()], day=today, now=now, chosen=Filter(), most=100
    )
    return [row for row in found.rows if _base(row) > row.cost_minor]


def _base(row: Row) -> int:
    """A brand whose bundle had no prices begins with those of its list."""
    return row.list_price_minor if row.cells[0].price_minor is None else row.cells[0].price_minor


def _set(row: Row, price_minor: int) -> Change:
    return Change(sku=row.sku, channel=None, tier=None, action="set", price_minor=price_minor, seen=row.cells[0].revision)


def _actor(who: permissions.Principal) -> audit.Actor:
    return audit.Actor(user_id=who.user_id, role=who.role or "manager")
