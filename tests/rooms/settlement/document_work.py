"""Frozen statements and the tasks that render them, for tests."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests import books

from qucheng.core import db, ids, task
from qucheng.settlement import document_store

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.identity.brand import Brand

PERIOD = dt.date(2026, 3, 1)


async def issued(folder: Path, code: str, *, resellers: int, lines: int = 1) -> Brand:
    """A brand with a statement of 2026-03 for each reseller, with so many lines of it; none of them is frozen."""
    orders = [
        f"O{n}-{line},1,2026-03-{1 + line % 28:02d}T10:00:00,R{n},web,card,{1 + line},{1 + line}00.00,0.00,"
        for n in range(1, resellers + 1)
        for line in range(lines)
    ]
    people = [f"R{n},{n} 号,company,,gold,2026-01-01," for n in range(1, resellers + 1)]
    return await books.settled(books.write(folder, code=code, resellers=people, orders=orders), "2026-03")


async def frozen(folder: Path, code: str, *, resellers: int, lines: int = 1) -> Brand:
    brand = await issued(folder, code, resellers=resellers, lines=lines)
    async with db.atomic(brand.id):
        await document_store.freeze(brand=brand, period=PERIOD, first=1, last=resellers)
    return brand


async def requested(brand: Brand, first: int, last: int) -> uuid.UUID:
    async with db.atomic(brand.id):
        return await document_store.request(brand=brand, period=PERIOD, first=first, last=last)


async def claimed(brand: Brand, first: int, last: int) -> task.Work:
    taken = await task.claim(await requested(brand, first, last), worker=ids.new_id(), kinds=[document_store.RENDER])
    assert taken is not None
    return task.Work(taken)
