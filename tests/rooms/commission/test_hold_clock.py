"""What is held until it is delivered or redeemed: its line's clock, the entries that follow from it, and the volume of its month."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests import books

from qucheng.bundle import exporting, importing
from qucheng.commission import accrual, plan_version
from qucheng.core import db
from qucheng.insight import books as invariants
from qucheng.insight import explain
from qucheng.orders import fulfilment, intake
from qucheng.settlement import period, plan_simulation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LATER = books.NOW + dt.timedelta(days=1)
SKUS = [
    "card,会员月卡,video,100.00,0,",
    "gift,礼品卡,video,100.00,0,delivered",
    "meal,套餐券,video,100.00,0,redeemed",
]
RULES = ["OWN,percent,1,,,,,net,0.1,0,,", "VOLUME,graduated,,,,,,unit,0:1.00,,,"]
ENTRIES = """
    SELECT order_no, amount_minor, matures_at FROM (
        SELECT order_no, amount_minor, matures_at FROM timed_accrual UNION ALL SELECT order_no, amount_minor, matures_at FROM timed_reversal) e
    ORDER BY order_no, amount_minor DESC, matures_at"""
STORED = "SELECT DISTINCT matures_at FROM accrual WHERE order_no <> 'PAID' UNION SELECT DISTINCT matures_at FROM reversal WHERE order_no <> 'PAID'"
CLOCKS = "SELECT order_no, started_at, matures_at FROM line_clock ORDER BY order_no"
VOLUME = "SELECT of_period, counted_in, sum(numerator) FROM own_volume GROUP BY 1, 2 ORDER BY 1, 2"
STATEMENTS = "SELECT period, accrued_minor, reversed_minor, bonus_minor FROM statement ORDER BY period"


def at(month: int, day: int, hour: int = 10) -> dt.datetime:
    """Of 2026, local time of the brand."""
    return dt.datetime(2026, month, day, hour, tzinfo=dt.timezone(dt.timedelta(hours=8)))


def line(order: str, sku: str, quantity: int = 1) -> str:
    return f"{order},1,2026-02-02T10:00:00,R1,web,{sku},{quantity},{100 * quantity}.00,,"


def sold(folder: Path, *, code: str, orders: list[str], refunds: Sequence[str] = (), fulfilments: Sequence[str] = ()) -> Path:
    facts = {"orders": orders, "refunds": [*refunds], "fulfilments": [*fulfilments]}
    return books.write(folder, code=code, compliance=books.STRICT, settlement="hold_days = 7", skus=SKUS, rules=RULES, **facts)


async def deliver(brand: Brand, folder: Path, **tables: list[str]) -> None:
    """One more delivery with these files alone, after the months so far were settled."""
    folder.mkdir()
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join([",".join(books.COLUMNS[name]), *rows, ""]), encoding="utf-8")
    await importing.take_in(folder=folder, brand=brand, now=LATER, progress=books.QUIET, partial=True)
    await accrual.accrue(brand_id=brand.id, now=LATER)


async def agreed(brand: Brand, *lines: str) -> bool:
    """The books agree with themselves, and each line is reckoned again as it is stored."""
    assert list((await invariants.check(brand=brand, now=LATER)).differences) == []
    for each in lines:
        assert explain.disagreements(await explain.explain(brand=brand, entry=each)) == (), each
    return True


async def test_a_clock_starts_when_the_last_unit_that_is_left_has_had_its_event(
    workspace: books.Workspace, tmp_path: Path
) -> None:
    """NONE has no event, WRONG the other one, BACK and MONEY went back before it, as units or as money."""
    assert workspace
    orders = (
        ("PAID", "card", 1),
        ("TWICE", "gift", 2),
        ("LESS", "gift", 2),
        ("BACK", "gift", 1),
        ("MONEY", "gift", 1),
        ("NONE", "gift", 1),
    )
    folder = sold(
        tmp_path / "bundle",
        code="clocks",
        orders=[*(line(*each) for each in orders), line("WRONG", "meal"), line("EATEN", "meal"), line("AFTER", "gift", 2)],
        refunds=[
            "F1,LESS,1,2026-02-06T10:00:00,1,100.00",
            "F2,BACK,1,2026-02-04T10:00:00,1,100.00",
            "F3,MONEY,1,2026-02-04T10:00:00,0,100.00",
            "F4,AFTER,1,2026-02-20T10:00:00,1,100.00",
        ],
        fulfilments=[
            "TWICE,1,delivered,2026-02-05T10:00:00,1",
            "TWICE,1,delivered,2026-02-03T10:00:00,1",
            "LESS,1,delivered,2026-02-03T10:00:00,1",
            "BACK,1,delivered,2026-02-05T10:00:00,1",
            "MONEY,1,delivered,2026-02-05T10:00:00,1",
            "WRONG,1,delivered,2026-02-03T10:00:00,1",
            "EATEN,1,redeemed,2026-02-25T10:00:00,1",
            "AFTER,1,delivered,2026-02-03T10:00:00,2",
        ],
    )
    brand = await books.settled(folder, "2026-03")
    assert await books.seen(brand, CLOCKS) == [
        ("AFTER", at(2, 3), at(2, 10)),
        ("EATEN", at(2, 25), at(3, 4)),
        ("LESS", at(2, 6), at(2, 13)),
        ("TWICE", at(2, 5), at(2, 12)),
    ]
    assert await books.seen(brand, ENTRIES) == [
        ("AFTER", 2000, at(2, 10)),
        ("AFTER", -1000, at(2, 20)),
        ("BACK", 1000, None),
        ("BACK", -1000, None),
        ("EATEN", 1000, at(3, 4)),
        ("LESS", 2000, at(2, 13)),
        ("LESS", -1000, at(2, 13)),
        ("MONEY", 1000, None),
        ("MONEY", -1000, None),
        ("NONE", 1000, None),
        ("PAID", 1000, at(2, 9)),
        ("TWICE", 2000, at(2, 12)),
        ("WRONG", 1000, None),
    ]
    assert await books.seen(brand, STORED) == [(None,)]
    february, march = dt.date(2026, 2, 1), dt.date(2026, 3, 1)
    # units: PAID 1, TWICE 2, LESS 2 − 1, AFTER 2 − 1; then EATEN
    assert await books.seen(brand, VOLUME) == [(february, february, Decimal(5)), (march, march, Decimal(1))]
    assert await books.seen(brand, STATEMENTS) == [(february, 7000, -2000, 500), (march, 1000, 0, 100)]
    assert await agreed(brand, "TWICE/1", "LESS/1", "BACK/1", "NONE/1", "bonus/R1/VOLUME/2026-02", "bonus/R1/VOLUME/2026-03")
    # reckoned again by the same plan, the months have the lines that mature in them
    rules = (await plan_version.live(brand=brand, day=february)).rules
    for month, lines, earned in ((february, 4, 5500), (march, 1, 1100)):
        found, counted = await plan_simulation.earned(brand=brand, rules=rules, day=february, months=[month])
        sums = [each["amount"] for each in json.loads(found) if each["kind"] == "reseller"]
        assert (sums, counted) == ([earned], lines)


async def test_what_is_known_late_starts_the_clock_then_and_nothing_moves_it(workspace: books.Workspace, tmp_path: Path) -> None:
    """February is settled; then comes that the gift was delivered in it, and a refund of March that was known before."""
    assert workspace
    folder = sold(tmp_path / "bundle", code="late", orders=[line("PAID", "card"), line("LATE", "gift", 3)])
    brand = await books.settled(folder, "2026-02")
    assert await books.seen(brand, CLOCKS) == []
    await deliver(brand, tmp_path / "second", refunds=["F1,LATE,1,2026-03-20T10:00:00,1,100.00"])
    assert await books.seen(brand, "SELECT sum(numerator) FROM own_volume") == [(Decimal(1),)]
    await deliver(brand, tmp_path / "third", fulfilments=["LATE,1,delivered,2026-02-10T10:00:00,3"])
    assert await books.seen(brand, CLOCKS) == [("LATE", at(2, 10), at(2, 17))]
    # a refund of before the delivery, reported after it, takes back but moves nothing
    await deliver(brand, tmp_path / "fourth", refunds=["F0,LATE,1,2026-02-08T10:00:00,1,100.00"])
    assert await books.seen(brand, CLOCKS) == [("LATE", at(2, 10), at(2, 17))]
    await period.settle(brand=brand, starts_on=dt.date(2026, 3, 1), now=LATER)
    february, march = dt.date(2026, 2, 1), dt.date(2026, 3, 1)
    assert await books.seen(brand, ENTRIES) == [
        ("LATE", 3000, at(2, 17)),
        ("LATE", -1000, at(2, 17)),
        ("LATE", -1000, at(3, 20)),
        ("PAID", 1000, at(2, 9)),
    ]
    assert await books.seen(brand, VOLUME) == [(february, february, Decimal(3)), (february, march, Decimal(-1))]
    assert await books.seen(brand, STATEMENTS) == [(february, 1000, 0, 100), (march, 3000, -2000, 100)]
    assert await agreed(brand, "LATE/1", "bonus/R1/VOLUME/2026-02")


async def test_a_row_that_cannot_be_is_rejected_with_its_code(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    folder = sold(
        tmp_path / "bundle",
        code="rows",
        orders=[line("A", "gift", 2)],
        fulfilments=[
            "A,1,delivered,2026-02-05T10:00:00,1",
            "A,1,delivered,2026-02-05T02:00:00Z,1",
            "A,1,delivered,2026-02-05T10:00:00,2",
            "A,1,delivered,2026-02-04T10:00:00,2",
            "A,1,redeemed,2026-02-06T10:00:00,2",
            "A,2,delivered,2026-02-05T10:00:00,1",
            "A,1,delivered,2026-02-02T09:59:59,1",
            "A,1,sent,2026-02-05T10:00:00,1",
            "A,1,delivered,2026-02-05T10:00:00,0",
            "A,1,delivered,,1",
        ],
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    rejected = await books.seen(
        brand, "SELECT source_row, code FROM rejection WHERE file = 'fulfilments.csv' ORDER BY source_row"
    )
    assert rejected == [
        (1, "fulfilment.exceeds_line"),
        (3, "key.conflict"),
        (6, "ref.unknown"),
        (7, "fulfilment.before_payment"),
        (8, "value.invalid"),
        (9, "value.invalid"),
        (10, "value.missing"),
    ]
    stored = await books.seen(brand, "SELECT event, at, source_row, quantity FROM fulfilment ORDER BY source_row")
    assert stored == [("delivered", at(2, 4), 4, 2), ("redeemed", at(2, 6), 5, 2)]


async def test_an_export_says_it_only_where_there_is_something_to_say(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    plain = await books.settled(books.write(tmp_path / "plain", code="plain"), "2026-02")
    await exporting.write(brand=plain, out=tmp_path / "plain-out", progress=books.QUIET)
    assert (tmp_path / "plain-out" / "skus.csv").read_text(encoding="utf-8").splitlines()[
        0
    ] == "code,name,category,list_price,cost"
    assert not (tmp_path / "plain-out" / "fulfilments.csv").exists()
    events = ["A,1,delivered,2026-02-05T10:00:00,1"]
    held = await books.settled(sold(tmp_path / "held", code="held", orders=[line("A", "gift")], fulfilments=events), "2026-02")
    await exporting.write(brand=held, out=tmp_path / "held-out", progress=books.QUIET)
    assert (tmp_path / "held-out" / "skus.csv").read_text(encoding="utf-8").splitlines() == [
        "code,name,category,list_price,cost,hold_from",
        "card,会员月卡,video,100.00,0.00,paid",
        "gift,礼品卡,video,100.00,0.00,delivered",
        "meal,套餐券,video,100.00,0.00,redeemed",
    ]
    assert (tmp_path / "held-out" / "fulfilments.csv").read_text(encoding="utf-8").splitlines() == [
        "order,line,event,at,quantity",
        "A,1,delivered,2026-02-05T02:00:00Z,1",
    ]


async def test_what_stands_in_the_sku_later_changes_no_line(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    folder = sold(tmp_path / "bundle", code="frozen", orders=[line("A", "card"), line("B", "gift")])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE sku SET hold_from = CASE code WHEN 'card' THEN 'delivered' ELSE 'paid' END")
    await deliver(brand, tmp_path / "second", orders=[line("C", "card")], fulfilments=["C,1,delivered,2026-02-05T10:00:00,1"])
    assert await books.seen(brand, "SELECT order_no, hold_from FROM order_line ORDER BY 1") == [
        ("A", "paid"),
        ("B", "delivered"),
        ("C", "delivered"),
    ]
    assert await books.seen(brand, ENTRIES) == [("A", 1000, at(2, 9)), ("B", 1000, None), ("C", 1000, at(2, 12))]


async def test_what_is_recorded_live_starts_the_clock_with_the_next_batch(workspace: books.Workspace, tmp_path: Path) -> None:
    """One of two on the 5th, the other with a task that is done twice; an event of the other kind changes nothing."""
    assert workspace
    brand = await books.found(folder := sold(tmp_path / "bundle", code="live", orders=[line("A", "gift", 2)]))
    await books.take_in(brand, folder)
    facts: dict[str, Any] = {"order_no": "A", "line_no": "1", "quantity": 1}
    first = fulfilment.Event(event="delivered", at=at(2, 5), **facts)
    other = fulfilment.Event(event="redeemed", at=at(2, 6), **facts)
    last = fulfilment.Event(event="delivered", at=at(2, 8), **facts)
    for events, new, clocks in (
        ([first, other], 2, []),
        ([last], 1, [("A", at(2, 8), at(2, 15))]),
        ([last], 0, [("A", at(2, 8), at(2, 15))]),
    ):
        async with db.atomic(brand.id):
            number = await intake.enter(now=LATER)
            assert await fulfilment.record(brand_id=brand.id, intake=number, events=events) == new
        await accrual.accrue(brand_id=brand.id, now=LATER)
        assert await books.seen(brand, CLOCKS) == clocks
    assert await books.seen(brand, ENTRIES) == [("A", 2000, at(2, 15))]
    february = dt.date(2026, 2, 1)
    assert await books.seen(brand, VOLUME) == [(february, february, Decimal(2))]
