"""Payments: a notice counts once, states go forwards, what was promised is kept, and money without an order goes back."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.orders import sales_desk
from tests.rooms.stock import warehouse

from qucheng.catalog import sku
from qucheng.catalog.price_records import Change
from qucheng.core import audit, clock, crypto, payment_port, phone
from qucheng.insight import exceptions
from qucheng.jobs import payments as following
from qucheng.orders import order_number, payment, payment_refund, refund, sales_link, sales_setting
from qucheng.stock import reservation

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("ring"))


@pytest.fixture
async def desk(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> sales_desk.Desk:
    assert workspace
    return (await sales_desk.opened(keys, tmp_path))[1]


async def test_a_hundred_notices_at_once_make_one_order(desk: sales_desk.Desk) -> None:
    made = await desk.begun(quantity=2)
    assert await desk.state(made) == ("pending", None, False)
    same = f"evt-{uuid.uuid4().hex}"
    effects = await asyncio.gather(*(desk.tell(made, id=same) for _ in range(100)), *(desk.tell(made) for _ in range(3)))
    assert sorted(set(effects)) == ["none", "paid"]
    assert effects.count("paid") == 1
    assert await desk.state(made) == ("paid", None, True)
    assert await desk.orders() == [(made.order_no, "page", "tea", 2, 5360)]
    days = await books.seen(desk.brand, "SELECT link, views, orders FROM sales_link_day")
    assert days == [(desk.link.id, 0, 1)]


async def test_control_without_the_lock_a_payment_is_judged_twice(desk: sales_desk.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that read before either writes both find it unpaid: with the lock the second sees what the first did."""
    counted: list[str] = []
    judge, both = payment._judge, asyncio.Barrier(2)

    async def slow(*given: object) -> payment.Effect:
        counted.append(given[1]["state"])  # type: ignore[index]
        if not locked:
            await both.wait()
        return await judge(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(payment, "_judge", slow)
    first, locked = await desk.begun(), True
    await asyncio.gather(desk.tell(first), desk.tell(first))
    assert counted == ["pending", "paid"]
    counted.clear()
    monkeypatch.setattr(payment, "LOCKED", payment.LOCKED.removesuffix(" FOR UPDATE"))
    second, locked = await desk.begun(), False
    await asyncio.gather(desk.tell(second), desk.tell(second), return_exceptions=True)
    assert counted == ["pending", "pending"]


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (("failed", "paid"), ("paid", None, True)),
        (("paid", "failed"), ("paid", None, True)),
        (("failed", "failed"), ("failed", None, False)),
        (("paid", "paid", "failed"), ("paid", None, True)),
    ],
)
async def test_money_that_came_wins_in_any_order(
    desk: sales_desk.Desk, told: tuple[str, ...], state: tuple[str, str | None, bool]
) -> None:
    made = await desk.begun()
    for kind in told:
        await desk.tell(made, kind)
    assert await desk.state(made) == state
    assert len(await desk.orders()) == int(state[2])


async def test_the_database_takes_no_step_back(desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    made = await desk.begun()
    await desk.tell(made)
    for change in (
        "state = 'pending', paid_at = NULL",
        "state = 'expired', paid_at = NULL",
        "paid_at = now()",
        "placed_at = NULL",
    ):
        async with books.refused(owner, asyncpg.CheckViolationError, "payment_forwards_check"):
            await owner.execute(f"UPDATE payment SET {change} WHERE id = $1", made.id)


@pytest.mark.parametrize("given", [{"amount_minor": 2679}, {"currency": "USD"}])
async def test_another_amount_makes_no_order(desk: sales_desk.Desk, given: dict[str, object]) -> None:
    made = await desk.begun()
    assert await desk.tell(made, **given) == "differs"  # type: ignore[arg-type]
    assert await desk.state(made) == ("pending", "payment.amount_differs", False)
    assert await desk.orders() == []
    (group,) = [each for each in await exceptions.listing(brand=desk.brand, now=clock.now()) if each.kind == "payment.problem"]
    assert [(item.subject, item.facts["order"], item.amount_minor) for item in group.items] == [
        (str(made.id), made.order_no, 2680)
    ]


async def test_what_nobody_heard_of_is_asked_for(desk: sales_desk.Desk) -> None:
    """Paid without a notice; not paid in time; and paid after it was over, which becomes an order all the same."""
    paid, quiet, now = await desk.begun(), await desk.begun(), clock.now()
    await desk.simulator.pay(paid.id, paid=True)
    assert [each.id for each in await payment.in_doubt(brand_id=desk.brand.id, before=now + MINUTE, most=9)] == [
        paid.id,
        quiet.id,
    ]
    for made in (paid, quiet):
        await following.ask(desk.brand, made, desk.simulator, desk.keys)
    assert [await desk.state(made) for made in (paid, quiet)] == [("paid", None, True), ("pending", None, False)]
    answer = await desk.simulator.query(quiet.id)
    later = quiet.good_until + MINUTE
    given = {"brand": desk.brand, "payment": quiet.id, "keys": desk.keys, "actor": audit.SYSTEM}
    assert await payment.found(answer=answer, now=later, **given) == "expired"  # type: ignore[arg-type]
    await desk.simulator.pay(quiet.id, paid=True)
    for minutes, found in ((20, []), (40, [quiet.id]), (60 * 25, [])):
        doubtful = await payment.in_doubt(brand_id=desk.brand.id, before=later + minutes * MINUTE, most=9)
        assert [each.id for each in doubtful] == found
    answer = await desk.simulator.query(quiet.id)
    assert await payment.found(answer=answer, now=later, **given) == "paid"  # type: ignore[arg-type]
    assert await desk.state(quiet) == ("paid", None, True)
    assert len(await desk.orders()) == 2


async def test_the_price_holds_while_it_was_promised_and_no_longer(
    workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path
) -> None:
    """Begun at 26.80, paid when it is 28.00 in a channel that takes no other price: in time an order, later the money goes back."""
    assert workspace
    shop, desk = await sales_desk.opened(keys, tmp_path)
    async with books.connected(workspace.owner) as connection:
        await connection.execute("UPDATE channel SET deviation = 'refuse' WHERE brand_id = $1", desk.brand.id)
    change = Change(sku="tea", channel="wechat", tier=None, action="set", price_minor=2800, seen=0)
    await shop.publish(change)
    midnight = dt.datetime.combine(sales_desk.price_shop.DAY, dt.time(), dt.timezone(dt.timedelta(hours=8)))
    in_time = await desk.begun(now=midnight - 5 * MINUTE)
    late = await desk.begun(now=midnight - 5 * MINUTE)
    assert (in_time.unit_minor, late.unit_minor) == (2680, 2680)
    assert await desk.tell(in_time, now=midnight + MINUTE) == "paid"
    assert await desk.tell(late, now=midnight + 20 * MINUTE) == "paid"
    assert await desk.state(in_time) == ("paid", None, True)
    assert await desk.state(late) == ("paid", "order.invalid", False)
    assert await desk.orders() == [(in_time.order_no, "page", "tea", 1, 2680)]
    backs = await books.seen(desk.brand, "SELECT payment, refund_no, amount_minor, state FROM payment_refund")
    assert backs == [(late.id, "all", 2680, "waiting")]


async def test_a_refund_goes_back_once_whatever_is_lost(desk: sales_desk.Desk) -> None:
    """The answer is lost after the money went: asked for, and not sent again; the number is the same each time."""
    made = await desk.begun(quantity=2)
    await desk.simulator.pay(made.id, paid=True)
    await desk.tell(made)
    given = {"brand": desk.brand, "order_no": made.order_no, "reason": None, "actor": audit.SYSTEM}
    for number, back in (("R1", (1, 2680)), ("R2", (1, 2680))):
        lines = [refund.LineBack(line_no="1", quantity=back[0], amount_minor=back[1])]
        await refund.give(refund_no=number, lines=lines, now=clock.now(), **given)  # type: ignore[arg-type]
    first, second = await payment_refund.open_ones(brand_id=desk.brand.id, now=clock.now(), most=9)
    desk.simulator.lose = 1
    await following.give_back(desk.brand, first, desk.simulator)
    assert await books.seen(desk.brand, "SELECT state, tries FROM payment_refund WHERE id = $1", first.id) == [("sent", 1)]
    await following.give_back(desk.brand, first, desk.simulator)  # what it was before: somebody has sent it since
    await following.give_back(desk.brand, second, desk.simulator)
    assert await desk.state(made) == ("paid", None, True)
    (again,) = await payment_refund.open_ones(brand_id=desk.brand.id, now=clock.now() + 2 * MINUTE, most=9)
    assert (again.id, again.state, again.tries) == (first.id, "sent", 1)
    await following.give_back(desk.brand, again, desk.simulator)
    assert await desk.state(made) == ("refunded", None, True)
    entry = await desk.simulator.entry(made.id)
    assert entry is not None
    assert entry.refunds == {str(first.id): 2680, str(second.id): 2680}


async def test_sent_twice_it_is_one_payment_and_nothing_is_refused_half(desk: sales_desk.Desk) -> None:
    number, now = order_number.made("P", desk.brand, clock.now()), clock.now()
    first = await desk.begun(order_no=number, now=now)
    again = await desk.begun(order_no=number, now=now)
    assert (again.id, again.created_at) == (first.id, first.created_at)
    before = await books.seen(desk.brand, "SELECT count(*) FROM payment")
    for given, refusal in (
        ({"order_no": number, "quantity": 2}, payment.PaymentTakenError),
        ({"order_no": "K-1"}, sales_link.LinkUnknownError),
        ({"sku": "pass"}, sales_link.LinkUnknownError),
        ({"quantity": 0}, payment.QuantityError),
        ({"quantity": 100}, payment.QuantityError),
        ({"number": "12345"}, phone.PhoneInvalidError),
    ):
        with pytest.raises(refusal):
            await desk.begun(**given)
    await sales_setting.change(
        brand_id=desk.brand.id, setting=sales_setting.Setting(), production=False, actor=audit.SYSTEM, now=now
    )
    with pytest.raises(payment_port.NoOnlinePaymentError):
        await desk.begun()
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == before


async def test_the_number_is_sealed_and_goes_to_the_order(desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    made = await desk.begun()
    await desk.tell(made)
    row = await owner.fetchrow(
        "SELECT p.phone_cipher, p.phone_mark, s.phone_cipher AS of_sale, s.phone_fingerprint FROM payment p JOIN sale s USING (brand_id, order_no)"
        " WHERE p.id = $1",
        made.id,
    )
    assert desk.keys.open(row["phone_cipher"], place=f"payment/phone/{made.id}").decode() == sales_desk.CALLED
    assert desk.keys.open(row["of_sale"], place=f"sale/phone/{desk.brand.id}/{made.order_no}").decode() == sales_desk.CALLED
    assert row["phone_mark"] == row["phone_fingerprint"] == desk.keys.fingerprint(sales_desk.CALLED, of="sale.phone")
    whole = str(await owner.fetch("SELECT * FROM audit_record WHERE brand_id = $1", desk.brand.id))
    assert "payment.pay" in whole
    assert [text for text in ("13805712264", "0571") if text in whole] == []


async def test_cards_are_held_while_the_price_is(desk: sales_desk.Desk) -> None:
    """Of two cards two are promised, and a third buyer is refused before paying; a hold that is over is taken by whoever comes."""
    await sku.change(
        brand_id=desk.brand.id,
        code="tea",
        seen=None,
        changes=sku.Changes(kind="card_secret"),
        actor=warehouse.ACTOR,
        now=books.NOW,
    )
    own = await warehouse.opened(desk.brand, "G1", "wechat")
    await warehouse.stocked(desk.brand, warehouse.NEVER, warehouse.NEVER, sku="tea", pool=own)
    first, second = await desk.begun(), await desk.begun()
    before = await books.seen(desk.brand, "SELECT count(*) FROM payment")
    with pytest.raises(reservation.StockShortError):
        await desk.begun()
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == before == [(2,)]
    await desk.tell(first)
    assert second.reservation is not None
    await reservation.release(brand=desk.brand, id=second.reservation, actor=warehouse.ACTOR, now=clock.now())
    third = await desk.begun()
    await desk.tell(third)
    await desk.tell(second)
    stock = await books.seen(desk.brand, "SELECT order_no, stock_state FROM sale")
    assert dict(stock) == {
        first.order_no: "delivered", third.order_no: "delivered", second.order_no: "paid_without_stock",
    }  # fmt: skip
    cards = await books.seen(desk.brand, "SELECT state, order_no FROM card")
    assert sorted(cards) == sorted([("delivered", first.order_no), ("delivered", third.order_no)])
