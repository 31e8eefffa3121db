"""SKUs against the plan in force: in another category other rules pay for a SKU, and none may pay more than the limit or leave less than the cost.

What the plan breaks already is not the change's doing: it is refused for what is new or worse.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import zoneinfo
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.catalog import bulk, catalog_import, sku
from qucheng.commission import linter, price_plan
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import AsyncIterator, Sequence

    from qucheng.identity.brand import Brand

REFUSED = "sku.refused"


class SkuPlanError(errors.RefusedError):
    """In this category the plan pays more than it may, or leaves less than the cost. findings: the cases, the worst first."""

    code: ClassVar[str] = "sku.plan"
    status: ClassVar[int] = 422

    def __init__(self, findings: Sequence[linter.Finding]) -> None:
        super().__init__(findings[0].en)
        self.findings = tuple(findings)


async def change(
    *,
    brand: Brand,
    code: str,
    seen: int | None,
    changes: sku.Changes,
    actor: audit.Actor,
    now: dt.datetime,
    keep: bool = True,
) -> int:
    """As sku.change, whose refusals it raises too; SkuPlanError, which is on record."""
    moves = changes.category is not msgspec.UNSET
    if moves and "\0" not in code:
        async with db.atomic(brand.id):
            moves = await db.connection().fetchval("SELECT category FROM sku WHERE code = $1", code) != changes.category
    around = lawful(brand=brand, subject=code, moves=moves, skus=[code], actor=actor, now=now)
    return await sku.change(
        brand_id=brand.id, code=code, seen=seen, changes=changes, actor=actor, now=now, keep=keep, around=around
    )


async def change_many(
    *, brand: Brand, codes: Sequence[str], deed: bulk.Deed, value: str, actor: audit.Actor, now: dt.datetime
) -> bulk.Changed:
    """As bulk.change, whose refusal it raises too; SkuPlanError, which is on record."""
    async with lawful(brand=brand, subject=value.strip() or deed, moves=deed == "category", skus=codes, actor=actor, now=now):
        return await bulk.change(brand_id=brand.id, codes=codes, deed=deed, value=value, actor=actor, now=now)


async def apply(
    *, brand: Brand, import_id: uuid.UUID, digest: str, actor: audit.Actor, now: dt.datetime
) -> catalog_import.Report:
    """As catalog_import.apply, whose refusals it raises too; SkuPlanError, which is on record."""
    around = lawful(brand=brand, subject=str(import_id), moves=True, actor=actor, now=now)
    return await catalog_import.apply(brand=brand, import_id=import_id, digest=digest, actor=actor, now=now, around=around)


@contextlib.asynccontextmanager
async def lawful(
    *, brand: Brand, subject: str, moves: bool, skus: Sequence[str] | None = None, actor: audit.Actor, now: dt.datetime
) -> AsyncIterator[None]:
    """What is written in the block may not break the plan that is in force from today on. moves: whether a category may change.

    skus: those that may be moved; all, where it is not known before. Where others break a rule as badly already, more of it is not seen.

    Only rules of a category see one: without such a rule nothing is looked at.
    """
    async with db.atomic(brand.id):
        if not moves or not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM rule_term WHERE category IS NOT NULL)"):
            yield
            return
        await db.connection().execute(price_plan.LOCK, brand.id)
        since = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
        placed = "SELECT md5(string_agg(code || ' ' || category, chr(10) ORDER BY code)) FROM sku"
        standing = await db.connection().fetchval(placed)
        before = await linter.findings(brand=brand, since=since, skus=skus, most=price_plan.MOST_LOOKED_AT)
        yield
        if await db.connection().fetchval(placed) == standing:
            return
        after = await linter.findings(brand=brand, since=since, skus=skus, most=price_plan.MOST_LOOKED_AT)
        found = price_plan.worse(before.findings, after.findings)
        if found:
            # what is taken back does not take this back
            await asyncio.create_task(_keep(brand, subject, found, actor), context=contextvars.Context())
            raise SkuPlanError(found)


async def _keep(brand: Brand, subject: str, found: Sequence[linter.Finding], actor: audit.Actor) -> None:
    async with db.atomic(brand.id):
        await audit.record(brand_id=brand.id, actor=actor, action=REFUSED, subject=subject, after=price_plan.reasons(found))
