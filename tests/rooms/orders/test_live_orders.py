"""Live orders: judged whole, frozen as a delivery's lines are, placed once, refunded exactly, accrued in batches."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from tests import books
from tests.races import duel
from tests.rooms.orders.conftest import TWO_TIER

from qucheng.bundle import importing
from qucheng.commission import accrual
from qucheng.core import audit, db
from qucheng.orders import intake, order, refund, rules, sale

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
WAITED_FOR = """
    SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)"""
NOW = books.NOW
WRITTEN = """
    SELECT (SELECT count(*) FROM sale), (SELECT count(*) FROM order_line), (SELECT count(*) FROM refund), (SELECT count(*) FROM order_flag),
           (SELECT count(*) FROM outbox_event), (SELECT count(*) FROM audit_record WHERE action LIKE 'order.%'), (SELECT count(*) FROM intake)"""
NOTHING = [(0, 0, 0, 0, 0, 0, 1)]
EARNED = "SELECT order_no, level, reseller, amount_minor, matures_at FROM accrual ORDER BY order_no, level"
INTAKES = "SELECT number, live, open, accrued_through FROM intake ORDER BY number"
TOLD = "SELECT kind, subject, data FROM outbox_event ORDER BY seq"


def line(**given: Any) -> rules.LineIn:
    return rules.LineIn(**{"line_no": "1", "sku": "card", "quantity": 2, "gross_minor": 20_000, **given})


async def place(brand: Brand, order_no: str = "O1", *lines: rules.LineIn, **given: Any) -> sale.Sale:
    said: dict[str, Any] = {"reseller": "R2", "channel": "web", "source": "page", "actor": audit.SYSTEM, "now": NOW, **given}
    return await sale.place(brand=brand, order_no=order_no, lines=lines or [line()], **said)


async def give(brand: Brand, refund_no: str = "F1", *lines: rules.LineBack, **given: Any) -> refund.Refund:
    back = lines or (rules.LineBack(line_no="1", quantity=1, amount_minor=10_000),)
    said: dict[str, Any] = {"order_no": "O1", "actor": audit.SYSTEM, "now": NOW, **given}
    return await refund.give(brand=brand, refund_no=refund_no, lines=back, **said)


async def test_an_order_is_frozen_and_told_of(shop: Brand, keys: crypto.Keys) -> None:
    placed = await place(
        shop, "O1", line(discount_minor=500), line(line_no="2", gross_minor=1), keys=keys, phone="+8613800138000", buyer="id-2"
    )
    assert placed.created
    assert (placed.stock_state, placed.paid_at, [each.flags for each in placed.lines]) == (
        "none",
        NOW,
        [("order.self_purchase",), ("order.price_deviates", "order.self_purchase")],
    )
    assert await sale.read(brand_id=shop.id, order_no="O1", reseller="R2") == msgspec.structs.replace(placed, created=False)
    frozen = "SELECT line_no, intake, net_minor, tier, parent, parent_tier, grandparent, category, cost_minor, self_purchase, paid_on FROM order_line ORDER BY 1"
    day = dt.date(2026, 11, 22)
    assert await books.seen(shop, frozen) == [
        ("1", 2, 19_500, "base", "R1", "gold", None, "video", 6_000, True, day),
        ("2", 2, 1, "base", "R1", "gold", None, "video", 6_000, True, day),
    ]
    assert await books.seen(shop, TOLD) == [("order.paid", "O1", '{"orderNo": "O1"}')]
    (sealed,) = await books.seen(shop, "SELECT phone_cipher, phone_fingerprint FROM sale")
    assert keys.open(sealed[0], place=f"sale/phone/{shop.id}/O1") == b"+8613800138000"
    assert sealed[1] == keys.fingerprint("+8613800138000", of="sale.phone")
    with pytest.raises(sale.OrderUnknownError):
        await sale.read(brand_id=shop.id, order_no="O1", reseller="R1")


FAULTS = [
    ({"lines": []}, [("line.missing", "/lines")]),
    ({"reseller": "R9", "channel": "no"}, [("reseller.unknown", "/reseller"), ("channel.unknown", "/channel")]),
    ({"reseller": "R3"}, [("order.before_joined", "/paidAt")]),
    ({"paid_at": NOW + dt.timedelta(minutes=6)}, [("paid_at.future", "/paidAt")]),
    ({"order_no": "O 1", "buyer": "a\nb"}, [("order_no.invalid", "/orderNo"), ("buyer.invalid", "/buyer")]),
    (
        {
            "lines": [
                line(sku="none"),
                line(sku="old", quantity=0, gross_minor=0),
                line(line_no="3", gross_minor=5, discount_minor=6),
            ]
        },
        [
            ("line_no.repeated", "/lines/1/lineNo"),
            ("quantity.invalid", "/lines/1/quantity"),
            ("order.net_negative", "/lines/2/discount/amount"),
            ("sku.unknown", "/lines/0/sku"),
            ("sku.off_sale", "/lines/1/sku"),
        ],
    ),
    (
        {"channel": "strict", "lines": [line(), line(line_no="2", gross_minor=19_999)]},
        [("order.price_deviates", "/lines/1/gross/amount")],
    ),
]


@pytest.mark.parametrize(("given", "faults"), FAULTS)
async def test_all_that_is_wrong_is_said_and_nothing_written(
    shop: Brand, given: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    said = {"order_no": "O1", "lines": [line()], "reseller": "R2", "channel": "web", **given}
    with pytest.raises(sale.OrderInvalidError) as refused:
        await sale.place(brand=shop, source="page", actor=audit.SYSTEM, now=NOW, **said)
    assert [(each.code, each.pointer) for each in refused.value.faults] == faults
    assert await books.seen(shop, WRITTEN) == NOTHING


async def test_an_order_number_is_taken_once(shop: Brand) -> None:
    first = await place(shop)
    again = await place(shop, now=NOW + dt.timedelta(seconds=9))
    assert again == msgspec.structs.replace(first, created=False)
    for other in ({"reseller": "R1"}, {"buyer": "x"}, {"paid_at": NOW}):
        with pytest.raises(sale.OrderExistsError):
            await place(shop, **other)
    with pytest.raises(sale.OrderExistsError):
        await place(shop, "O1", line(quantity=1, gross_minor=10_000))
    assert await books.seen(shop, WRITTEN) == [(1, 1, 0, 0, 1, 1, 2)]


async def test_at_once_it_is_one_order(shop: Brand) -> None:
    ends = await asyncio.gather(
        *(place(shop) for _ in range(3)), *(place(shop, "O1", line(line_no="x")) for _ in range(1)), return_exceptions=True
    )
    made = [end for end in ends if isinstance(end, sale.Sale) and end.created]
    assert len(made) == 1
    assert {type(end) for end in ends} <= {sale.Sale, sale.OrderExistsError}
    assert await books.seen(shop, WRITTEN) == [(1, 1, 0, 0, 1, 1, 2)]


async def test_a_number_that_a_delivery_brought_is_taken(shop: Brand, tmp_path: Any) -> None:
    folder = books.write(
        tmp_path / "b",
        code=shop.code,
        compliance='policy = "intl"',
        settlement="hold_days = 7",
        orders=["O1,1,2026-03-02T10:00:00,R2,web,card,2,200.00,0,"],
    )
    await books.take_in(shop, folder)
    with pytest.raises(sale.OrderExistsError):
        await place(shop)
    # and can be refunded here
    given = await give(shop, "F1", rules.LineBack(line_no="1", quantity=2, amount_minor=20_000))
    assert given.created
    await accrual.accrue(brand_id=shop.id, now=NOW)
    assert await books.seen(shop, "SELECT level, amount_minor FROM reversal ORDER BY level") == [(1, -2_000), (2, -1_000)]


def delivery(shop: Brand, folder: Path, *rows: str) -> Path:
    empty: dict[str, list[str]] = {"tiers": [], "channels": [], "resellers": [], "skus": [], "rules": []}
    return books.write(folder, code=shop.code, compliance=TWO_TIER, settlement="hold_days = 7", **empty, orders=list(rows))


async def test_a_delivery_adds_nothing_to_a_live_order(shop: Brand, tmp_path: Path) -> None:
    """The rest of the delivery is taken; the line that is there already is a duplicate, by whatever door it came."""
    await place(shop)
    row = "O1,{},2026-11-22T11:00:00,R2,web,card,2,200.00,0,"
    folder = delivery(shop, tmp_path / "b", row.format(1), row.format(2), "O2,1,2026-11-22T11:00:00,R2,web,card,1,100.00,0,")
    number = await books.take_in(shop, folder)
    assert await books.seen(shop, "SELECT source_row, code, message FROM rejection WHERE intake = $1", number) == [
        (2, "order.live", "order：此编号的订单已在平台上直接下单，不能再加行")
    ]
    counts = "SELECT imported, duplicate, rejected FROM intake_file WHERE intake = $1 AND file = 'orders.csv'"
    assert await books.seen(shop, counts, number) == [(1, 1, 1)]
    assert await books.seen(shop, "SELECT order_no, line_no FROM order_line ORDER BY 1, 2") == [("O1", "1"), ("O2", "1")]


async def test_a_delivery_and_a_live_order_of_one_number_at_once(shop: Brand, tmp_path: Path) -> None:
    """Whichever is stored first, the other is refused whole: neither had seen the other when it judged."""
    await place(shop, "O0")
    folder = delivery(shop, tmp_path / "b", "O1,2,2026-11-22T11:00:00,R2,web,card,1,100.00,0,")
    taking: dict[str, Any] = {"folder": folder, "brand": shop, "now": NOW, "progress": books.QUIET}
    async with db.atomic(shop.id):
        await importing.take_in(**taking)
        placing = asyncio.create_task(_outside(place(shop)))
        await asyncio.sleep(0.3)
        assert not placing.done()
    with pytest.raises(sale.OrderExistsError):
        await placing
    async with db.atomic(shop.id):
        await place(shop, "O2")
        (folder / "orders.csv").write_text(
            (folder / "orders.csv").read_text(encoding="utf-8").replace("O1,", "O2,"), encoding="utf-8"
        )
        arriving = asyncio.create_task(_outside(importing.take_in(**taking)))
        # it has judged its rows, and waits for the order
        for _ in range(600):
            if await db.connection().fetchval(WAITED_FOR):
                break
            await asyncio.sleep(0.1)
        assert not arriving.done()
    with pytest.raises(order.OrderCollidedError):
        await arriving
    assert await books.seen(shop, "SELECT order_no, line_no FROM order_line ORDER BY 1") == [
        ("O0", "1"),
        ("O1", "2"),
        ("O2", "1"),
    ]


async def test_within_a_batch_pending_and_until_when_are_known(shop: Brand) -> None:
    await place(shop)
    assert await books.seen(shop, EARNED) == []
    assert await accrual.accrue(brand_id=shop.id, now=NOW)
    until = NOW + dt.timedelta(days=7)
    assert await books.seen(shop, EARNED) == [("O1", 1, "R2", 2_000, until), ("O1", 2, "R1", 1_000, until)]
    assert await books.seen(shop, INTAKES) == [(1, False, False, 1), (2, True, False, 3), (3, True, True, None)]
    await give(shop)
    await place(shop, "O2")
    assert await accrual.accrue(brand_id=shop.id, now=NOW)
    assert await books.seen(shop, "SELECT level, amount_minor FROM reversal ORDER BY level") == [(1, -1_000), (2, -500)]
    assert not await accrual.accrue(brand_id=shop.id, now=NOW)
    assert await books.seen(shop, TOLD) == [
        ("order.paid", "O1", '{"orderNo": "O1"}'),
        ("entry.accrued", "O1", '{"orderNo": "O1"}'),
        ("order.refunded", "O1", '{"orderNo": "O1", "refundNo": "F1"}'),
        ("order.paid", "O2", '{"orderNo": "O2"}'),
        ("entry.accrued", "O2", '{"orderNo": "O2"}'),
        ("entry.reversed", "O1", '{"orderNo": "O1", "refundNo": "F1"}'),
    ]


async def test_refunds_take_never_more_than_the_line(shop: Brand) -> None:
    await place(shop)
    first = await give(shop)
    assert await give(shop) == msgspec.structs.replace(first, created=False)
    with pytest.raises(refund.RefundExistsError):
        await give(shop, "F1", rules.LineBack(line_no="1", quantity=1, amount_minor=9_999))
    before = await books.seen(shop, WRITTEN)
    for backs, faults in (
        ([("1", 2, 10_001)], [("refund.exceeds_line", "/lines/0/quantity"), ("refund.exceeds_line", "/lines/0/amount/amount")]),
        ([("9", 1, 1)], [("ref.unknown", "/lines/0/lineNo")]),
    ):
        with pytest.raises(refund.RefundInvalidError) as refused:
            await give(
                shop, "F2", *(rules.LineBack(line_no=no, quantity=units, amount_minor=minor) for no, units, minor in backs)
            )
        assert [(each.code, each.pointer) for each in refused.value.faults] == faults
    with pytest.raises(refund.RefundInvalidError) as refused:
        await give(shop, "F2", refunded_at=NOW - dt.timedelta(days=1))
    assert [each.code for each in refused.value.faults] == ["refund.before_payment"]
    assert await books.seen(shop, WRITTEN) == before


async def test_two_refunds_at_once_share_what_is_left(shop: Brand) -> None:
    await place(shop)
    backs = [rules.LineBack(line_no="1", quantity=1, amount_minor=15_000)]
    ends = await asyncio.gather(*(give(shop, f"F{number}", *backs) for number in range(4)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Refund", *["RefundInvalidError"] * 3]
    assert await books.seen(shop, "SELECT count(*), sum(amount_minor)::bigint FROM refund") == [(1, 15_000)]


async def test_the_kernel_waits_for_an_order_that_is_being_placed(shop: Brand) -> None:
    """What is placed while the intake is closed stands in the one that was closed, or in the next: never in one that is accrued."""
    await place(shop)
    async with db.atomic(shop.id):
        assert await intake.enter(now=NOW) == 2
        closing = asyncio.create_task(_outside(accrual.accrue(brand_id=shop.id, now=NOW)))
        await asyncio.sleep(0.3)
        assert not closing.done()
        await place(shop, "O2")
    assert await closing
    assert [row[0] for row in await books.seen(shop, EARNED)] == ["O1", "O1", "O2", "O2"]


async def test_control_without_the_lock_an_order_is_never_accrued(workspace: books.Workspace, shop: Brand) -> None:
    await place(shop)
    guard = "PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_brand()::text || ':sale', 0));"
    async with duel.without(workspace, "enter_intake", guard):
        async with db.atomic(shop.id):
            assert await intake.enter(now=NOW) == 2
            assert await _outside(accrual.accrue(brand_id=shop.id, now=NOW))
            async with db.atomic():
                # as an order that has read the number already
                await db.connection().execute(
                    "INSERT INTO order_line SELECT (o).* FROM (SELECT jsonb_populate_record(l, jsonb_build_object('order_no', 'O2')) AS o FROM order_line l) x"
                )
        assert not await accrual.accrue(brand_id=shop.id, now=NOW)
    assert await books.seen(shop, "SELECT DISTINCT order_no FROM accrual") == [("O1",)]


async def _outside(work: Any) -> bool:
    """In a context of its own: not inside the transaction that stands."""
    return await asyncio.create_task(work, context=contextvars.Context())


async def test_only_what_waits_for_cards_changes(shop: Brand, app: asyncpg.Connection) -> None:
    await place(shop)
    await books.stand_in(app, shop.id)
    for statement in (
        "UPDATE sale SET stock_state = 'resolved'",
        "DELETE FROM sale",
        "UPDATE sale SET reseller = 'R1'",
        "UPDATE intake SET open = true WHERE number = 1",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await app.execute(statement)
    assert await books.seen(shop, "SELECT stock_state, reseller FROM sale") == [("none", "R2")]
