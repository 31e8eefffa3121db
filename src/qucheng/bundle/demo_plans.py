"""The commission plan in the demonstration: a version that comes into force next month, allowed by a second person, and a draft after it."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from qucheng.commission import plan_draft, plan_publish, plan_version
from qucheng.commission.plan_words import RuleText
from qucheng.core import audit, clock
from qucheng.settlement import decision

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

NAME, DRAFT_NAME = "旅行比例调整", "学习类目：新课程"


async def fill(*, brand: Brand, maker: permissions.Principal, checker: permissions.Principal, now: dt.datetime) -> None:
    """maker, checker: two who may ask for a plan and allow it. Where there is a version already nothing is added."""
    if await plan_version.versions(brand=brand):
        return
    by = _actor(maker)
    draft = await plan_draft.open_draft(brand=brand, name=NAME, actor=by, now=now)
    number = draft.version.number
    trip = next(each for each in draft.rules if each.rule.code == "TRIP")
    text = RuleText(kind="percent", level="1", category=trip.rule.category or "", basis="net", rate="4.5%")
    await plan_draft.change(brand=brand, number=number, code="TRIP", revision=trip.revision, text=text, actor=by, now=now)
    first_day = clock.month_after(now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date())
    asked = await plan_publish.submit(principal=maker, brand=brand, number=number, effective_on=first_day, actor=by, now=now)
    await decision.decide(
        principal=checker, brand_id=brand.id, approval_id=asked, approve=True, reason="", actor=_actor(checker), now=now
    )
    await _draft(brand, by, now)


async def _draft(brand: Brand, by: audit.Actor, now: dt.datetime) -> None:
    """What the manager is working on."""
    draft = await plan_draft.open_draft(brand=brand, name=DRAFT_NAME, actor=by, now=now)
    study = next(each for each in draft.rules if each.rule.code == "STUDY")
    text = RuleText(
        code="STUDY-MINI",
        kind="percent",
        level="1",
        category=study.rule.category or "",
        channel="mini",
        basis="net",
        rate="11%",
        priority="5",
    )
    await plan_draft.add(brand=brand, number=draft.version.number, text=text, actor=by, now=now)


def _actor(who: permissions.Principal) -> audit.Actor:
    return audit.Actor(user_id=who.user_id, role=who.role or "manager")
