"""An export beside an import: it has all of a delivery or nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.races import duel

from qucheng.bundle import exporting, files, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

SALE = "O1,1,2026-03-02T10:00:00,R1,web,card,2,100.00,0,"
BACK = "F1,O1,1,2026-03-03T10:00:00,1,50.00"
AFTER_ORDERS = 1 + [file.name for file in files.FILES].index("orders")


class Interrupted(progress.Progress):
    """Lets another thread do its work when the orders are written and the refunds are not."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(terminal=False)
        self.work = work

    @contextlib.contextmanager
    def stage(self, name: str, *, total: int = 1, unit: str = "") -> Iterator[Callable[[int], None]]:
        written = 0

        def done(more: int) -> None:
            nonlocal written
            written += more
            if written == AFTER_ORDERS:
                thread = threading.Thread(target=self.work)
                thread.start()
                thread.join(duel.PATIENCE)

        with super().stage(name, total=total, unit=unit):
            yield done


async def deliver(workspace: books.Workspace, brand: Brand, lock: str) -> str:
    """A second order with its refund, committed under the lock that every import takes."""
    async with books.connected(workspace.app, brand.id) as connection:
        await connection.execute("SET lock_timeout = '300ms'")
        try:
            async with connection.transaction():
                await connection.execute("SELECT lock_brand($1, $2)", brand.id, lock)
                for table in ("order_line", "refund"):
                    stored = await books.row(connection, f"SELECT * FROM {table}")
                    await books.insert(connection, table, {**stored, "order_no": "O2"})
        except asyncpg.LockNotAvailableError:
            return "waited"
    return "stored"


async def exported_beside(workspace: books.Workspace, folder: Path, lock: str) -> tuple[str, list[str], list[str]]:
    """What became of the delivery, and the orders that orders.csv and refunds.csv have."""
    brand = await books.found(books.write(folder / "1", code=f"b-{uuid.uuid4().hex[:20]}", orders=[SALE], refunds=[BACK]))
    await books.take_in(brand, folder / "1")
    ends: list[str] = []
    report = Interrupted(lambda: ends.append(asyncio.run(deliver(workspace, brand, lock))))
    await exporting.write(brand=brand, out=folder / "out", progress=report)
    lines, refunds = (
        [line.split(",")[column] for line in (folder / "out" / name).read_text(encoding="utf-8").splitlines()[1:]]
        for name, column in (("orders.csv", 0), ("refunds.csv", 1))
    )
    (end,) = ends
    return end, lines, refunds


async def test_an_import_waits_until_the_export_is_done(workspace: books.Workspace, tmp_path: Path) -> None:
    assert await exported_beside(workspace, tmp_path, "intake") == ("waited", ["O1"], ["O1"])


async def test_control_without_the_common_lock_a_refund_has_no_order(workspace: books.Workspace, tmp_path: Path) -> None:
    assert await exported_beside(workspace, tmp_path, "another") == ("stored", ["O1"], ["O1", "O2"])
