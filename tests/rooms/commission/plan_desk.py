"""A brand whose plan is kept on the platform: two managers, a draft, and the steps by which it comes into force."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from tests import books
from tests.rooms.identity import people

from qucheng.bundle import importing
from qucheng.commission import accrual, plan_draft, plan_publish
from qucheng.commission.plan_words import RuleText
from qucheng.core import db, ids, task
from qucheng.settlement import decision

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity import approval as approvals
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

# days to come for as long as anybody reads this
DAY, LATER = dt.date(2101, 1, 1), dt.date(2101, 6, 1)
OWN = "OWN,percent,1,,,,,net,0.1,0,,"
CHAIN = ["R0,零号,company,,gold,2026-01-01,", "R1,一号,company,R0,gold,2026-01-01,"]


class Desk:
    """One brand, whose bundles come one after the other, and its managers."""

    def __init__(
        self, folder: Path, brand: Brand, compliance: str, tables: dict[str, list[str]], managers: list[permissions.Principal]
    ) -> None:
        self.folder, self.brand, self.compliance, self.tables = folder, brand, compliance, tables
        self.first, self.second = managers

    async def bring(self, *, accrue: bool = True, **tables: list[str]) -> None:
        """A delivery without a fault, with the same names as the first. Facts and rules that are not given are none."""
        folder = books.write(
            self.folder / uuid.uuid4().hex,
            code=self.brand.code,
            compliance=self.compliance,
            settlement="hold_days = 0",
            **{**self.tables, "rules": [], "orders": [], "refunds": [], **tables},
        )
        number = await importing.take_in(folder=folder, brand=self.brand, now=books.NOW, progress=books.QUIET)
        assert await books.seen(self.brand, "SELECT file, source_row, code FROM rejection WHERE intake = $1", number) == []
        if accrue:
            await accrual.accrue(brand_id=self.brand.id, now=books.NOW)

    async def open(self, based_on: int | None = None) -> int:
        draft = await plan_draft.open_draft(brand=self.brand, based_on=based_on, actor=people.actor(self.first), now=books.NOW)
        return draft.version.number

    async def add(self, number: int, **text: str) -> plan_draft.DraftRule:
        return await plan_draft.add(
            brand=self.brand, number=number, text=RuleText(**text), actor=people.actor(self.first), now=books.NOW
        )

    async def change(self, number: int, old: str, revision: int = 1, /, **text: str) -> plan_draft.DraftRule:
        return await plan_draft.change(
            brand=self.brand,
            number=number,
            code=old,
            revision=revision,
            text=RuleText(**text),
            actor=people.actor(self.first),
            now=books.NOW,
        )

    async def drop(self, number: int, code: str, revision: int = 1) -> None:
        await plan_draft.drop(
            brand=self.brand, number=number, code=code, revision=revision, actor=people.actor(self.first), now=books.NOW
        )

    async def submit(self, number: int, effective_on: dt.date = DAY) -> uuid.UUID:
        return await plan_publish.submit(
            principal=self.first,
            brand=self.brand,
            number=number,
            effective_on=effective_on,
            actor=people.actor(self.first),
            now=books.NOW,
        )

    async def allow(self, approval_id: uuid.UUID, by: permissions.Principal | None = None) -> approvals.Approval:
        by = by or self.second
        return await decision.decide(
            principal=by,
            brand_id=self.brand.id,
            approval_id=approval_id,
            approve=True,
            reason="",
            actor=people.actor(by),
            now=books.NOW,
        )

    async def publish(self, number: int, effective_on: dt.date = DAY) -> None:
        await self.allow(await self.submit(number, effective_on))


async def opened(folder: Path, keys: crypto.Keys, *, compliance: str = books.INTL, **tables: list[str]) -> Desk:
    """The first bundle is in the books; rules: OWN, a tenth of the net to the seller."""
    code = f"b-{uuid.uuid4().hex[:20]}"
    tables = {"resellers": CHAIN, **tables}
    bundle = books.write(folder / "first", code=code, compliance=compliance, settlement="hold_days = 0", **tables)
    brand = await books.found(bundle)
    await books.take_in(brand, bundle)
    managers = [await people.member(keys, brand.id, "manager") for _ in range(2)]
    return Desk(folder, brand, compliance, tables, managers)


async def claimed(kind: str) -> task.Work:
    """The one task of that kind that waits."""
    async with db.atomic():
        (row,) = await db.connection().fetch("SELECT id FROM task WHERE kind = $1 AND state = 'waiting'", kind)
    taken = await task.claim(row["id"], worker=ids.new_id(), kinds=[kind])
    assert taken is not None
    return task.Work(taken)
