"""A price version against the plan in force: at its prices no rule may pay more than the limit, or leave less than the cost.

What the plan breaks at the prices in force already is not the version's doing: it is refused for what is new or worse. So the SKUs
that it changes are looked at, and prices of the book alone: a list price is in force nowhere, and excuses nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from qucheng.catalog import price_publish, price_version
from qucheng.commission import linter
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from qucheng.identity import approval as approvals
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

REFUSED = "prices.refused"
MOST_LOOKED_AT, MOST_KEPT = 1000, 20
# prices and plans are held against each other: one is put in force after the other. Taken after `intake` and before `prices`
LOCK = "SELECT lock_brand($1, 'lawful')"
CHANGED = """
    SELECT coalesce(array_agg(DISTINCT d.sku), '{}') FROM price_version v CROSS JOIN LATERAL price_difference(v.based_on, v.number) d
    WHERE v.number = $1"""


class PricePlanError(errors.RefusedError):
    """At these prices the plan pays more than it may, or leaves less than the cost. findings: the cases, the worst first."""

    code: ClassVar[str] = "price.plan"
    status: ClassVar[int] = 422

    def __init__(self, findings: Sequence[linter.Finding]) -> None:
        super().__init__(findings[0].en)
        self.findings = tuple(findings)


async def findings(*, brand: Brand, version: int, since: dt.date) -> list[linter.Finding]:
    """What the stored rules would pay too much from that day on, in cases that are new or worse than at the prices in force."""
    async with db.atomic(brand.id):
        skus = await db.connection().fetchval(CHANGED, version)
        after = await linter.findings(brand=brand, since=since, version=version, skus=skus, listed=False, most=MOST_LOOKED_AT)
        if not after.findings:
            return []
        before = await linter.findings(brand=brand, since=since, skus=skus, listed=False, most=MOST_LOOKED_AT)
    return worse(before.findings, after.findings)


def worse(before: Sequence[linter.Finding], after: Sequence[linter.Finding]) -> list[linter.Finding]:
    """Those of after that are new or worse than before."""
    known = {(each.code, each.rules): each for each in before}
    return [each for each in after if _worse(each, known.get((each.code, each.rules)))]


def _worse(one: linter.Finding, known: linter.Finding | None) -> bool:
    if known is None:
        return True
    if one.code == linter.RATE_EXCEEDED:
        return known.rate_ppm is not None and (one.rate_ppm is None or one.rate_ppm > known.rate_ppm)
    return _left(one) < _left(known)


def _left(found: linter.Finding) -> int:
    return found.price_minor - found.commission_minor - found.cost_minor


async def submit(
    *,
    brand: Brand,
    principal: permissions.Principal,
    number: int,
    effective_on: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """As price_publish.submit, whose refusals it raises too; PricePlanError, which is on record."""
    async with db.atomic(brand.id):
        await price_version.require_state(brand.id, number, "draft")
        await require(brand=brand, version=number, since=effective_on, actor=actor)
        return await price_publish.submit(
            brand=brand, principal=principal, number=number, effective_on=effective_on, actor=actor, now=now
        )


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """As price_publish.execute; the plan may have changed since it was asked for. Raises PricePlanError, which is on record."""
    async with db.atomic(brand.id):
        await db.connection().execute(LOCK, brand.id)
        said = approval.payload
        since = dt.date.fromisoformat(said["effective_on"])
        await require(brand=brand, version=int(said["version"]), since=since, actor=actor)
        await price_publish.execute(brand=brand, approval=approval, actor=actor, now=now)


async def require(*, brand: Brand, version: int, since: dt.date, actor: audit.Actor) -> None:
    """Raises PricePlanError, which is on record."""
    found = await findings(brand=brand, version=version, since=since)
    if found:
        # what is taken back does not take this back
        await asyncio.create_task(_keep(brand, version, found, actor), context=contextvars.Context())
        raise PricePlanError(found)


async def _keep(brand: Brand, number: int, found: Sequence[linter.Finding], actor: audit.Actor) -> None:
    async with db.atomic(brand.id):
        await audit.record(brand_id=brand.id, actor=actor, action=REFUSED, subject=str(number), after=reasons(found))


def reasons(found: Sequence[linter.Finding]) -> dict[str, Any]:
    """As they stand on record."""
    kept = [
        {"code": each.code, "rules": each.rules, "sku": each.sku, "clause": each.clause, "zh": each.zh, "en": each.en}
        for each in found[:MOST_KEPT]
    ]
    return {"more": max(len(found) - MOST_KEPT, 0), "refusals": kept}
