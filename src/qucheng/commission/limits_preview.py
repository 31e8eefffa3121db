"""What tighter limits would do to the plan that is in force: which rules would be past them, and which would pay nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.commission import linter
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand
    from qucheng.identity.policy_value import Limits

MOST_IDLE = 50
IDLE = """
    SELECT code FROM rule_term WHERE level > $1 AND level <= paid_levels($2) AND (ends_on IS NULL OR ends_on > $2)
    ORDER BY code LIMIT $3"""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """findings: cases that the linter would refuse; more: how many beyond these. idle: codes of rules of levels that earn no more."""

    findings: list[linter.Finding]
    more: int
    idle: list[str]


async def preview(*, brand: Brand, limits: Limits, since: dt.date) -> Preview:
    """Of the stored rules from that day on. Nothing is saved."""
    async with db.atomic(brand.id):
        report = await linter.findings(brand=brand, since=since, limits=limits)
        rows = await db.connection().fetch(IDLE, limits.max_levels, since, MOST_IDLE)
    return Preview(findings=report.findings, more=report.more, idle=[row["code"] for row in rows])
