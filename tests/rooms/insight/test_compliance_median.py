"""What resellers are told of earnings is the one in the middle, of at least five, of a settled and published month."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import db
from qucheng.insight import earnings

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

JANUARY = dt.date(2026, 1, 1)


async def a_brand(folder: Path, sold: list[int], *, more: tuple[str, ...] = ()) -> Brand:
    """A reseller of the tier gold for each sum that it sold in January, at 10 %; `more` are of the tier base."""
    return await books.settled(
        books.write(
            folder / "bundle",
            code=f"m-{uuid.uuid4().hex[:20]}",
            tiers=["gold,金牌,1", "base,普通,2"],
            resellers=[
                *(f"G{n},G{n},company,,gold,2026-01-01," for n in range(len(sold))),
                *(f"{name},{name},company,,base,2026-01-01," for name in more),
            ],
            orders=[f"O{n},1,2026-01-10T10:00:00,G{n},web,card,1,{sum_}.00,," for n, sum_ in enumerate(sold) if sum_],
            refunds=["F,O0,1,2026-01-11T10:00:00,1,100.00"] if sold and sold[0] > 100 else [],
        ),
        "2026-01",
    )


@pytest.mark.parametrize(
    ("sold", "median"),
    [
        ([1000, 20, 30, 40, 50], 400),
        ([1000, 20, 30, 40, 50, 60], 450),
        ([0, 0, 0, 40, 9000], 0),
        ([0, 0, 0, 10, 11, 9000], 50),
    ],
)
async def test_the_middle_and_not_the_best(tmp_path: Path, sold: list[int], median: int) -> None:
    """Those who sold nothing count; what went back is taken off."""
    brand = await a_brand(tmp_path, sold)
    found = await earnings.median(brand_id=brand.id, month=JANUARY, tier="gold")
    assert found == earnings.Median(month=JANUARY, tier="gold", persons=len(sold), median_minor=median)


async def test_of_fewer_than_five_nothing_is_told(tmp_path: Path, app: asyncpg.Connection) -> None:
    brand = await a_brand(tmp_path, [10, 20, 30, 40], more=("B1",))
    assert await earnings.median(brand_id=brand.id, month=JANUARY, tier="gold") is None
    assert await earnings.median(brand_id=brand.id, month=JANUARY, tier="base") is None
    found = await earnings.median(brand_id=brand.id, month=JANUARY)
    assert found is not None
    assert (found.persons, found.median_minor) == (5, 200)
    await books.stand_in(app, brand.id)
    assert await app.fetch("SELECT * FROM median_earnings('2026-01-01', 'gold')") == []


async def test_a_reseller_is_told_of_its_tier_in_the_last_settled_month(tmp_path: Path) -> None:
    brand = await a_brand(tmp_path, [10, 20, 30, 40, 50])
    told = await earnings.newest(brand=brand, reseller="G3", tier="gold")
    assert told == earnings.Median(month=JANUARY, tier="gold", persons=5, median_minor=300)
    assert await earnings.newest(brand=brand, reseller="G3", tier="base") is None
    async with db.atomic(brand.id, reseller="G3"):
        row = await db.connection().fetchrow("SELECT * FROM median_earnings('2026-01-01', 'gold')")
    assert tuple(row) == (5, 300)


async def test_of_a_month_that_is_not_settled_nothing_is_told(tmp_path: Path) -> None:
    brand = await a_brand(tmp_path, [10, 20, 30, 40, 50])
    assert await earnings.median(brand_id=brand.id, month=dt.date(2026, 2, 1), tier="gold") is None


async def test_of_a_month_that_is_not_published_nothing_is_told(tmp_path: Path, owner: asyncpg.Connection) -> None:
    brand = await a_brand(tmp_path, [10, 20, 30, 40, 50])
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand.id))
    asked = "SELECT persons FROM median_earnings('2026-01-01', 'gold')"
    assert await owner.fetchval(asked) == 5
    await owner.execute("ALTER TABLE settlement_run DISABLE TRIGGER USER")
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, computed_at)"
        " VALUES ($1, '2026-01-01', 1, 'computed', 1, 1, 0, 0, 0, now())",
        brand.id,
    )
    await owner.execute("UPDATE settlement_run SET state = 'issuing' WHERE brand_id = $1", brand.id)
    assert await owner.fetchval(asked) is None
    await transaction.rollback()
