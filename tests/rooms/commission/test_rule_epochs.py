"""A rule counts for what is accrued after it came: what an earlier line is worth, and what its refunds take back, stays as it was."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.bundle import importing
from qucheng.commission import accrual

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ACCRUALS = "SELECT order_no, level, rule, amount_minor FROM accrual ORDER BY order_no, level"
REVERSALS = "SELECT refund_no, level, rule, amount_minor FROM reversal ORDER BY refund_no, level"
VOLUME = """SELECT rule, of_period::text, counted_in::text, sum(numerator / denominator)::integer FROM own_volume
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
EPOCHS = "SELECT number, accrued_through FROM intake ORDER BY number"
OWN = "OWN,percent,1,,,,,net,0.1,0,,"
OLD_SALE = "O1,1,2026-03-02T10:00:00,R1,web,card,10,1000.00,0,"
LATE_SALE = "O2,1,2026-03-20T10:00:00,R1,web,card,10,1000.00,0,"
NEW_SALE = "O3,1,2026-04-02T10:00:00,R1,web,card,10,1000.00,0,"
CHAIN = ["R0,零号,company,,gold,2026-01-01,", "R1,一号,company,R0,gold,2026-01-01,"]


class Books:
    """One brand whose bundles come one after the other."""

    def __init__(self, folder: Path, compliance: str) -> None:
        self.folder, self.compliance = folder, compliance
        self.code = f"b-{uuid.uuid4().hex[:20]}"
        self.brand: Brand | None = None
        self.parts = 0

    async def bring(self, *, accrue: bool = True, **tables: list[str]) -> Brand:
        self.parts += 1
        folder = books.write(
            self.folder / str(self.parts), code=self.code, compliance=self.compliance, settlement="hold_days = 0", **tables
        )
        self.brand = self.brand or await books.found(folder)
        number = await importing.take_in(folder=folder, brand=self.brand, now=books.NOW, progress=books.QUIET)
        assert await books.seen(self.brand, "SELECT 1 FROM rejection WHERE intake = $1", number) == []
        if accrue:
            await accrual.accrue(brand_id=self.brand.id, now=books.NOW)
        return self.brand


@pytest.fixture
def strict(tmp_path: Path) -> Books:
    return Books(tmp_path, books.STRICT)


async def test_a_refund_takes_back_by_the_rule_that_earned_whatever_came_since(strict: Books) -> None:
    await strict.bring(rules=[OWN], orders=[OLD_SALE])
    assert strict.brand is not None
    await books.settle_through(strict.brand, "2026-03")
    brand = await strict.bring(
        rules=[OWN, "NEW,percent,1,,,,,net,0.2,10,2026-01-01,"],
        orders=[LATE_SALE, NEW_SALE],
        refunds=["F1,O1,1,2026-04-05T10:00:00,4,400.00", "F2,O2,1,2026-04-05T10:00:00,4,400.00"],
    )
    assert await books.seen(brand, ACCRUALS) == [("O1", 1, "OWN", 10000), ("O2", 1, "NEW", 20000), ("O3", 1, "NEW", 20000)]
    assert await books.seen(brand, REVERSALS) == [("F1", 1, "OWN", -4000), ("F2", 1, "NEW", -8000)]
    await strict.bring(
        rules=["NEWEST,percent,1,card,,,,net,0.3,20,,"],
        refunds=["F3,O1,1,2026-04-06T10:00:00,1,100.00", "F4,O2,1,2026-04-06T10:00:00,1,100.00"],
    )
    assert await books.seen(brand, REVERSALS) == [
        ("F1", 1, "OWN", -4000),
        ("F2", 1, "NEW", -8000),
        ("F3", 1, "OWN", -1000),
        ("F4", 1, "NEW", -2000),
    ]
    assert await books.seen(brand, EPOCHS) == [(1, 1), (2, 2), (3, 3)]


async def test_a_rule_counts_for_every_delivery_that_was_still_waiting(strict: Books) -> None:
    await strict.bring(accrue=False, rules=[OWN], orders=[OLD_SALE])
    await strict.bring(accrue=False, rules=["NEW,percent,1,,,,,net,0.2,10,,"], orders=[LATE_SALE])
    brand = await strict.bring(accrue=True, rules=[])
    await strict.bring(rules=["NEWEST,percent,1,,,,,net,0.3,20,,"], refunds=["F1,O1,1,2026-04-05T10:00:00,5,500.00"])
    assert await books.seen(brand, ACCRUALS) == [("O1", 1, "NEW", 20000), ("O2", 1, "NEW", 20000)]
    assert await books.seen(brand, REVERSALS) == [("F1", 1, "NEW", -10000)]
    assert await books.seen(brand, EPOCHS) == [(1, 3), (2, 3), (3, 3), (4, 4)]


async def test_the_cap_is_shared_only_with_levels_whose_rules_the_line_knew(tmp_path: Path) -> None:
    """Of a net of 1000 at most 15 % may be paid: half of it back leaves 50.00 to one level, but 37.50 to one of two."""
    shared = Books(tmp_path, 'policy = "intl"\nmax_total_rate = "0.15"')
    await shared.bring(resellers=CHAIN, rules=[OWN], orders=[OLD_SALE])
    brand = await shared.bring(
        resellers=CHAIN,
        rules=["ABOVE,percent,2,,,,,net,0.1,0,2026-01-01,"],
        orders=[NEW_SALE],
        refunds=["F1,O1,1,2026-04-05T10:00:00,5,500.00", "F3,O3,1,2026-04-05T10:00:00,5,500.00"],
    )
    assert await books.seen(brand, ACCRUALS) == [("O1", 1, "OWN", 10000), ("O3", 1, "OWN", 7500), ("O3", 2, "ABOVE", 7500)]
    assert await books.seen(brand, REVERSALS) == [("F1", 1, "OWN", -5000), ("F3", 1, "OWN", -3750), ("F3", 2, "ABOVE", -3750)]
    assert await books.seen(brand, "SELECT order_no FROM order_flag WHERE code = 'order.capped'") == [("O3",)]


async def test_a_bonus_rule_counts_the_volume_that_is_accrued_after_it_came(strict: Books) -> None:
    await strict.bring(rules=["FIRST,graduated,,,,,,net,0:0.01,0,,"], orders=[OLD_SALE])
    brand = await strict.bring(
        rules=["LATER,slab,,,,,,net,0:0.02,0,2026-01-01,"],
        orders=[LATE_SALE],
        refunds=["F1,O1,1,2026-04-05T10:00:00,4,400.00", "F2,O2,1,2026-04-05T10:00:00,1,100.00"],
    )
    assert await books.seen(brand, VOLUME) == [
        ("FIRST", "2026-03-01", "2026-03-01", 200000),
        ("FIRST", "2026-03-01", "2026-04-01", -50000),
        ("LATER", "2026-03-01", "2026-03-01", 100000),
        ("LATER", "2026-03-01", "2026-04-01", -10000),
    ]
    await books.settle_through(brand, "2026-04")
    bonuses = await books.seen(brand, "SELECT rule, period::text, amount_minor FROM bonus ORDER BY 1, 2")
    assert bonuses == [
        ("FIRST", "2026-03-01", 2000),
        ("FIRST", "2026-04-01", -500),
        ("LATER", "2026-03-01", 2000),
        ("LATER", "2026-04-01", -200),
    ]
