"""Live orders of what is sold from stock: all cards of a line or none, and what a refund gives back."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.catalog.conftest import keys
from tests.rooms.stock import card_desk

from qucheng.commission import accrual
from qucheng.connectors import mail
from qucheng.core import letter
from qucheng.orders import delivery, refund, rules, sale
from qucheng.stock import delivery_link, reservation, text_message

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand

__all__ = ["keys"]
pytestmark = pytest.mark.anyio
NOW = books.NOW
CARDS = "SELECT state, order_no, count(*) FROM card GROUP BY 1, 2 ORDER BY 1, 2"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await card_desk.opened(tmp_path / "b", f"c-{uuid.uuid4().hex[:12]}", orders=0)


@pytest.fixture
async def actor(keys: crypto.Keys) -> audit.Actor:
    return await card_desk.somebody(keys)


async def place(
    brand: Brand, actor: audit.Actor, order_no: str, *units: int, held: uuid.UUID | None = None, **given: Any
) -> sale.Sale:
    lines = [
        rules.LineIn(line_no=str(n + 1), sku="card", quantity=each, gross_minor=10_000 * each) for n, each in enumerate(units)
    ]
    return await sale.place(
        brand=brand,
        order_no=order_no,
        lines=lines,
        reseller="R1",
        channel="web",
        source="manual",
        reservation=held,
        actor=actor,
        now=NOW,
        **given,
    )


async def give(brand: Brand, actor: audit.Actor, refund_no: str, order_no: str, line_no: str, units: int) -> refund.Refund:
    back = [rules.LineBack(line_no=line_no, quantity=units, amount_minor=10_000 * units)]
    return await refund.give(brand=brand, order_no=order_no, refund_no=refund_no, lines=back, actor=actor, now=NOW)


async def test_a_line_gets_all_its_cards_or_none(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 5, actor)
    assert (await place(brand, actor, "O1", 2)).stock_state == "delivered"
    short = await place(brand, actor, "O2", 4, 3)
    assert short.stock_state == "paid_without_stock"
    assert await books.seen(brand, CARDS) == [("delivered", "O1", 2), ("delivered", "O2", 3)]
    assert await books.seen(brand, "SELECT order_no, line_no, kind, units FROM stock_case") == [("O2", "1", "short", 4)]
    # sent again it draws nothing more
    assert (await place(brand, actor, "O1", 2)).created is False
    back = await give(brand, actor, "F1", "O1", "1", 1)
    assert back.lines[0].cards_missing == 0
    assert await books.seen(brand, CARDS) == [("available", None, 1), ("delivered", "O1", 1), ("delivered", "O2", 3)]
    # what waited for cards was refunded: nothing waits any more
    await give(brand, actor, "F2", "O2", "1", 4)
    assert await books.seen(brand, "SELECT order_no, stock_state FROM sale ORDER BY 1") == [
        ("O1", "delivered"),
        ("O2", "resolved"),
    ]
    assert await books.seen(brand, "SELECT way FROM stock_case") == [("refunded",)]


async def test_a_refund_that_a_delivery_brings_takes_the_cards(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path
) -> None:
    """Another system keeps the money of live orders: nobody has both that and the card, and nothing waits for cards any more."""
    await card_desk.stocked(brand, keys, 3, actor)
    await place(brand, actor, "O1", 3)
    await place(brand, actor, "O2", 2)
    day = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = books.write(
        tmp_path / "again", code=brand.code, orders=[], refunds=[f"F1,O1,1,{day},2,200.00", f"F2,O2,1,{day},2,200.00"]
    )
    await books.take_in(brand, folder)
    assert await books.seen(brand, "SELECT code FROM rejection") == []
    assert await books.seen(brand, CARDS) == [("available", None, 2), ("delivered", "O1", 1)]
    assert await books.seen(brand, "SELECT order_no, kind, units, way FROM stock_case") == [("O2", "short", 0, "refunded")]
    assert await books.seen(brand, "SELECT order_no, stock_state FROM sale ORDER BY 1") == [
        ("O1", "delivered"),
        ("O2", "resolved"),
    ]
    # the same delivery again takes nothing more
    await books.take_in(brand, folder)
    assert await books.seen(brand, CARDS) == [("available", None, 2), ("delivered", "O1", 1)]


async def test_the_link_goes_by_message_and_by_letter(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    """Both bring the one link; neither address nor link stands anywhere as it is, also where the cards come later."""
    await card_desk.stocked(brand, keys, 1, actor)
    at: dict[str, Any] = {"keys": keys, "phone": "+8613805712264", "email": "li@example.com"}
    assert (await place(brand, actor, "O1", 1, **at)).stock_state == "delivered"
    assert (await place(brand, actor, "O1", 1, **at)).created is False
    with pytest.raises(sale.OrderExistsError):
        await place(brand, actor, "O1", 1, **{**at, "email": "other@example.com"})
    assert (await place(brand, actor, "O2", 1, keys=keys, email="li@example.com")).stock_state == "paid_without_stock"
    ((case,),) = await books.seen(brand, "SELECT id FROM stock_case")
    await card_desk.stocked(brand, keys, 1, actor)
    await delivery.retry(brand=brand, case=case, keys=keys, actor=actor, now=NOW)
    query = "SELECT t.subject ->> 'letter' FROM task t WHERE t.kind = 'mail.send' AND (t.subject ->> 'letter')::uuid IN (SELECT id FROM letter WHERE kind = 'delivery' AND written_at = $1) ORDER BY t.created_at DESC LIMIT 2"
    later, sooner = [uuid.UUID(row[0]) for row in await books.seen(brand, query, NOW)]
    found = [await letter.read(keys=keys, letter_id=each) for each in (sooner, later)]
    paths = []
    for each, order_no in zip(found, ("O1", "O2"), strict=True):
        assert each is not None
        message = mail.compose(each, sender="no-reply@example.com", public_url="https://q.example", now=NOW)
        assert (message["To"], message["Subject"]) == ("li@example.com", f"{brand.name}：你购买的卡券")
        (line,) = [line for line in message.get_content().splitlines() if line.startswith("https://q.example/c/")]
        paths.append(line.removeprefix("https://q.example"))
        link = await delivery_link.find(token=paths[-1].removeprefix("/c/"), now=NOW)
        assert (link.brand_id, link.order_no) == (brand.id, order_no)
    ((message_id,),) = await books.seen(brand, "SELECT id FROM text_message")
    text = await text_message.read(keys=keys, brand_id=brand.id, message_id=message_id)
    assert text is not None
    assert (text.to, text.values["path"]) == ("+8613805712264", paths[0])
    # sent again it is another link, and of two at once one: a minute later at the earliest, and five times a day
    again: dict[str, Any] = {"brand": brand, "keys": keys, "actor": actor}
    with pytest.raises(delivery.LinkSentError, match="try again in 60 s"):
        await delivery.resend(order_no="O1", now=NOW, **again)
    minute = dt.timedelta(minutes=1)
    ends = await asyncio.gather(
        *(delivery.resend(order_no="O1", now=NOW + minute, **again) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["LinkSentError", "LinkSentError", "NoneType"]
    with pytest.raises(delivery_link.LinkUnknownError):
        await delivery_link.find(token=paths[0].removeprefix("/c/"), now=NOW)
    for number in range(2, 6):
        await delivery.resend(order_no="O1", now=NOW + number * minute, **again)
    with pytest.raises(delivery.LinkSentError, match=f"try again in {24 * 3600 - 60 * 60} s"):
        await delivery.resend(order_no="O1", now=NOW + 60 * minute, **again)
    await delivery.resend(order_no="O1", now=NOW + dt.timedelta(days=1, minutes=1), **again)
    assert await books.seen(brand, "SELECT count(*), count(ended_at) FROM delivery_link WHERE order_no = 'O1'") == [(7, 6)]
    assert await books.seen(
        brand, "SELECT count(*) FROM audit_record WHERE action = 'delivery_link.make' AND user_id = $1", actor.user_id
    ) == [(8,)]
    await place(brand, actor, "O3", 1, keys=keys, phone="+8613805712264")
    for order_no in ("O3", "O-1", "nothing"):
        with pytest.raises(delivery.LinkNotSentError):
            await delivery.resend(order_no=order_no, now=NOW, **again)
    kept = await books.seen(brand, "SELECT s::text || coalesce((SELECT string_agg(l::text, '') FROM letter l), '') FROM sale s")
    assert [secret for secret in ("li@example.com", *paths, "13805712264") if secret in str(kept)] == []


async def test_an_order_takes_what_was_reserved_for_it(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 3, actor)
    held = await reservation.reserve(
        brand=brand, reseller="R1", channel="web", sku="card", units=2, minutes=15, actor=actor, now=NOW
    )
    assert (await place(brand, actor, "O1", 2)).stock_state == "paid_without_stock"
    assert (await place(brand, actor, "O2", 2, held=held.id)).stock_state == "delivered"
    assert await books.seen(brand, CARDS) == [("available", None, 1), ("delivered", "O2", 2)]
    assert (await reservation.find(brand=brand, id=held.id)).order_no == "O2"


async def test_an_order_that_is_refused_draws_nothing(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    with pytest.raises(Exception, match="no such reservation"):
        await place(brand, actor, "O1", 2, held=uuid.uuid4())
    assert await books.seen(brand, CARDS) == [("available", None, 2)]
    assert await books.seen(brand, "SELECT count(*) FROM order_line") == [(0,)]


async def test_where_the_hold_counts_from_delivery_the_cards_start_it(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor
) -> None:
    await books.seen(brand, "UPDATE sku SET hold_from = 'delivered' WHERE code = 'card' RETURNING 1")
    await card_desk.stocked(brand, keys, 2, actor)
    await place(brand, actor, "O1", 2)
    await place(brand, actor, "O2", 1)
    await accrual.accrue(brand_id=brand.id, now=NOW)
    timed = "SELECT order_no, matures_at FROM timed_accrual WHERE level = 1 ORDER BY 1"
    assert await books.seen(brand, timed) == [("O1", NOW), ("O2", None)]
    # what waited gets its cards later, and its clock starts then
    later = NOW + dt.timedelta(hours=3)
    await card_desk.stocked(brand, keys, 1, actor)
    ((case,),) = await books.seen(brand, "SELECT id FROM stock_case")
    drawn = await delivery.retry(brand=brand, case=case, keys=keys, actor=actor, now=later)
    assert drawn.state == "delivered"
    assert await books.seen(brand, "SELECT order_no, stock_state FROM sale ORDER BY 1") == [
        ("O1", "delivered"),
        ("O2", "delivered"),
    ]
    await accrual.accrue(brand_id=brand.id, now=later)
    assert await books.seen(brand, timed) == [("O1", NOW), ("O2", later)]
