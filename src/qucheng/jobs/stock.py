"""What tasks of stock call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from qucheng.core import audit, clock
from qucheng.identity import brand as brands
from qucheng.stock import batch, watch

if TYPE_CHECKING:
    from qucheng.core import task


async def release(work: task.Work, _: object) -> None:
    if work.task.brand_id is None:
        raise brands.BrandUnknownError("A batch is a brand's, and this task names none.")
    subject = work.task.subject
    actor = audit.Actor(user_id=uuid.UUID(subject["by"]) if subject["by"] else None, role=subject["role"])
    await batch.carry_on(work=work, brand=await brands.read(work.task.brand_id), actor=actor, now=clock.now())


async def sweep(_: task.Work, __: object) -> None:
    await watch.sweep_all(now=clock.now())


async def look(_: task.Work, __: object) -> None:
    await watch.watch_all(now=clock.now())
