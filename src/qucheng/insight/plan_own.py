"""The rules by which a reseller earns, read with its own rights: those of its tier and its place, and of nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.commission import plan_version
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.commission.plan_words import PlanRule
    from qucheng.identity.brand import Brand


async def own_rules(*, brand: Brand, reseller: str, day: dt.date) -> list[PlanRule]:
    """On a local day, by level, the bonuses last."""
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch("SELECT * FROM own_rules($1)", day)
    return [plan_version.plan_rule(row, brand) for row in rows]
