"""A brand's months settled one after the other, by tasks that go on where another attempt stopped: what is done is in the books."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from qucheng.commission import accrual
from qucheng.core import audit, crashpoint, db, task
from qucheng.settlement import checking, period, run

if TYPE_CHECKING:
    import uuid

    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

SETTLE, ISSUE = "settlement.settle", "settlement.issue"


async def request(*, brand: Brand, through: dt.date, draft: bool, now: dt.datetime) -> uuid.UUID:
    """Adds the task that settles every month up to `through` (its first day), or with draft computes the next one, and returns its id.

    One task of this sort at a time for a brand: the one that waits or runs is returned. Raises PeriodNotEndedError.
    """
    await period.require_ended(brand=brand, starts_on=through, now=now)
    async with db.atomic():
        return await task.add(
            kind=SETTLE, queue="money", brand_id=brand.id, subject={"through": through, "draft": draft}, key=_key(brand)
        )


async def request_draft(*, brand: Brand, starts_on: dt.date, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """As request() for a draft of this one month, asked for by a person. A month in which nothing is due for anybody is closed.

    Raises RunStateError where another month comes next.
    """
    await period.require_ended(brand=brand, starts_on=starts_on, now=now)
    async with db.atomic(brand.id):
        standing = await run.open_run(brand=brand)
        following = standing.period if standing is not None else await run.next_period(brand=brand)
        if following != starts_on:
            raise run.RunStateError(f"{starts_on:%Y-%m} is not the next month of {brand.code}.")
        subject = {"through": starts_on, "draft": True, "close_empty": True}
        task_id = await task.add(kind=SETTLE, queue="money", brand_id=brand.id, subject=subject, key=_key(brand))
        await audit.record(brand_id=brand.id, actor=actor, action="run.compute", subject=f"{starts_on:%Y-%m}")
    return task_id


async def request_issue(*, brand: Brand, starts_on: dt.date, number: int) -> uuid.UUID:
    """Adds the task that issues the run as it was computed, and returns its id."""
    chosen = await run.read(brand=brand, starts_on=starts_on, number=number)
    if chosen.state == "discarded":
        raise run.RunStateError(f"Run {run.code_of(brand, chosen)} was discarded: compute the month again.")
    async with db.atomic():
        return await add_issue(brand=brand, starts_on=starts_on, number=number)


async def add_issue(*, brand: Brand, starts_on: dt.date, number: int) -> uuid.UUID:
    """Adds the task inside the transaction that decides on it. It has a key of its own: a task that settles may be about to end."""
    return await task.add(
        kind=ISSUE,
        queue="money",
        brand_id=brand.id,
        subject={"period": starts_on, "number": number},
        key=f"{ISSUE}/{brand.id}/{starts_on}/{number}",
    )


async def settle(*, work: task.Work, brand: Brand, now: dt.datetime) -> None:
    """Does what request() asked for.

    A draft that is there already is issued as it is unless something was delivered since: then the month is computed again.
    """
    through, draft = dt.date.fromisoformat(work.task.subject["through"]), bool(work.task.subject["draft"])
    await _accrue(work, brand, now)
    while (chosen := await _next(work, brand, through, now, draft=draft)) is not None:
        await _issue(work, brand, chosen, now)
    if draft:
        await _look(work, brand, through, now)
    async with work.finishing(brand.id):
        pass
    crashpoint.reached("task.done")


async def issue(*, work: task.Work, brand: Brand, now: dt.datetime) -> None:
    """Does what request_issue() asked for, and holds what was posted against what was to be."""
    starts_on, number = dt.date.fromisoformat(work.task.subject["period"]), int(work.task.subject["number"])
    await _issue(work, brand, await run.read(brand=brand, starts_on=starts_on, number=number), now)
    async with work.effect(brand.id):
        await checking.check(brand=brand, starts_on=starts_on, number=number, actor=audit.SYSTEM, now=now)
    async with work.finishing(brand.id):
        pass
    crashpoint.reached("task.done")


async def _next(work: task.Work, brand: Brand, through: dt.date, now: dt.datetime, *, draft: bool) -> Run | None:
    """The next run to issue, computed if need be; None where nothing is left to issue. Empty months are closed on the way."""
    while True:
        standing = await run.open_run(brand=brand)
        if standing is not None and (
            standing.state == "issuing"
            or (not draft and standing.period <= through and not await run.is_stale(brand=brand, run=standing))
        ):
            return standing
        following = standing.period if standing is not None else await run.next_period(brand=brand)
        if following is None or following > through:
            return None
        async with work.effect(brand.id):
            made = await run.compute(brand=brand, starts_on=following, now=now)
        if made is None and (not draft or work.task.subject.get("close_empty")):
            async with work.effect(brand.id):
                await run.close_empty(brand=brand, starts_on=following, now=now)
        if draft:
            return None


async def _look(work: task.Work, brand: Brand, through: dt.date, now: dt.datetime) -> None:
    """The three-way check of what was computed, as its last step."""
    standing = await run.open_run(brand=brand)
    if standing is not None and standing.state == "computed" and standing.period <= through:
        async with work.effect(brand.id):
            await checking.check(brand=brand, starts_on=standing.period, number=standing.number, actor=audit.SYSTEM, now=now)


async def _accrue(work: task.Work, brand: Brand, now: dt.datetime) -> None:
    await db.refresh_statistics()
    await accrual.accrue(brand_id=brand.id, now=now, within=work.effect)
    await db.refresh_statistics()


async def _issue(work: task.Work, brand: Brand, chosen: Run, now: dt.datetime) -> None:
    while chosen.state != "issued":
        async with work.effect(brand.id):
            chosen = await run.issue_batch(brand=brand, run=chosen, now=now)
        crashpoint.reached("run.issued" if chosen.state == "issued" else "run.batch_committed")
        await work.progress(chosen.issued, chosen.statements)


def _key(brand: Brand) -> str:
    return f"settlement/{brand.id}"
