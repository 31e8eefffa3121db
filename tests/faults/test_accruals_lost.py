"""Workers killed while live orders are accrued: every order earns once, also one that is placed while the kernel runs."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.faults import site

from qucheng.commission import accrual
from qucheng.core import audit, clock, db
from qucheng.orders import intake, rules, sale

if TYPE_CHECKING:
    from tests.faults.site import Site

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

EARNED = "SELECT count(*), count(DISTINCT order_no), coalesce(sum(amount_minor), 0)::bigint FROM accrual WHERE order_no ~ '^L-'"
WAITING = "SELECT count(*) FROM intake WHERE live AND accrued_at IS NULL AND NOT open"
ORDERS = 12


async def place(brand: Brand, *numbers: int) -> None:
    """R00 stands below nobody: one commission each, a tenth of 100.00."""
    for number in numbers:
        line = rules.LineIn(line_no="1", sku="card", quantity=1, gross_minor=10_000)
        await sale.place(
            brand=brand, order_no=f"L-{number}", lines=[line], reseller="R00", channel="web", source="page",
            actor=audit.SYSTEM, now=clock.now(),
        )  # fmt: skip


async def accrued(brand: Brand, orders: int, *, within: float) -> bool:
    for _ in range(int(within * 5)):
        if await books.seen(brand, EARNED) == [(orders, orders, orders * 1_000)]:
            return True
        await asyncio.sleep(0.2)
    return False


async def whole_books(at: Site) -> Brand:
    """What the bundle brought is accrued already."""
    brand = await at.brand()
    await accrual.accrue(brand_id=brand.id, now=books.NOW)
    return brand


@pytest.mark.parametrize("point", [pytest.param("accrual.closed", marks=pytest.mark.long), "accrual.written"])
async def test_killed_at_every_crash_point(at: Site, point: str) -> None:
    brand = await whole_books(at)
    await place(brand, *range(ORDERS))
    assert await site.ended(at.worker(crash=point), within=site.PATIENCE) == -signal.SIGKILL
    assert await books.seen(brand, EARNED) == [(0, 0, 0)]
    assert await books.seen(brand, WAITING) == [(1,)]
    # an order in the meantime stands in an intake of its own
    await place(brand, ORDERS)
    at.worker()
    assert await accrued(brand, ORDERS + 1, within=site.PATIENCE)
    assert await site.finished(brand, within=site.PATIENCE)
    assert await books.seen(brand, WAITING) == [(0,)]


async def test_an_order_that_is_placed_while_the_kernel_runs_is_not_lost(at: Site) -> None:
    brand = await whole_books(at)
    at.worker()
    for number in range(ORDERS):
        await place(brand, number)
        await asyncio.sleep(0.15)
    assert await accrued(brand, ORDERS, within=site.PATIENCE)
    assert await site.finished(brand, within=site.PATIENCE)


@pytest.mark.long
async def test_without_a_bell_the_timetable_finds_it(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the bell: without it nothing is accrued, and the sweep rings."""
    brand = await whole_books(at)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "ring", _silent)
        await place(brand, 1)
    assert await site.waiting(brand) == []
    at.worker()
    assert not await accrued(brand, 1, within=3)
    async with db.atomic(brand.id):
        assert await intake.overdue() is not None
    await accrual.sweep(brand_id=brand.id)
    assert await accrued(brand, 1, within=site.PATIENCE)


async def _silent(**_: object) -> None:
    """A bell that nobody hears."""
