"""What follows when an order gets its cards: the clock of its commission, the buyer's link, and the end of waiting for stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db
from qucheng.orders import fulfilment, intake
from qucheng.stock import delivery_link, stock_case, text_message

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping

    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand
    from qucheng.stock import draw


def phone_place(brand_id: uuid.UUID, order_no: str) -> str:
    """Where a buyer's number is sealed for."""
    return f"sale/phone/{brand_id}/{order_no}"


async def record(*, brand_id: uuid.UUID, order_no: str, units: Mapping[str, int], number: int, at: dt.datetime) -> None:
    """Inside the transaction of the delivery. units: by line, of those whose hold counts from it. number: of the open intake."""
    events = [
        fulfilment.Event(order_no=order_no, line_no=line_no, event="delivered", at=at, quantity=count)
        for line_no, count in units.items()
    ]
    await fulfilment.record(brand_id=brand_id, intake=number, events=events)


async def link(*, brand: Brand, order_no: str, keys: crypto.Keys, phone: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Inside the transaction of the delivery, after the order is stored: the buyer is sent the way to the cards."""
    locale: text_message.Locale = "zh-CN" if brand.currency == "CNY" else "en"
    await delivery_link.make(brand_id=brand.id, keys=keys, order_no=order_no, phone=phone, locale=locale, actor=actor, now=now)


async def retry(*, brand: Brand, case: uuid.UUID, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime) -> draw.Drawn:
    """Draws again for a line that waits; it may still be short. Raises what stock_case.retry() raises."""
    async with db.atomic(brand.id):
        short = await stock_case.find(brand_id=brand.id, case=case)
        drawn = await stock_case.retry(brand=brand, case=case, actor=actor, now=now)
        if drawn.state == "delivered":
            await _delivered(brand, short, "delivered", keys, actor, now)
    return drawn


async def substitute(
    *, brand: Brand, case: uuid.UUID, sku: str, note: str, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> draw.Drawn:
    """Delivers cards of another SKU for a line that waits. Raises what stock_case.substitute() raises."""
    async with db.atomic(brand.id):
        short = await stock_case.find(brand_id=brand.id, case=case)
        drawn = await stock_case.substitute(brand=brand, case=case, sku=sku, note=note, actor=actor, now=now)
        await _delivered(brand, short, "resolved", keys, actor, now)
    return drawn


async def _delivered(
    brand: Brand, short: stock_case.Case, state: str, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> None:
    row = await db.connection().fetchrow(
        "SELECT l.hold_from, s.phone_cipher FROM order_line l LEFT JOIN sale s ON s.brand_id = l.brand_id AND s.order_no = l.order_no"
        " WHERE l.order_no = $1 AND l.line_no = $2",
        short.order_no,
        short.line_no,
    )
    if row["hold_from"] == "delivered":
        number = await intake.enter(now=now)
        await record(brand_id=brand.id, order_no=short.order_no, units={short.line_no: short.units}, number=number, at=now)
    await ended(order_no=short.order_no, state=state)
    if row["phone_cipher"] is not None:
        phone = keys.open(row["phone_cipher"], place=phone_place(brand.id, short.order_no)).decode()
        await link(brand=brand, order_no=short.order_no, keys=keys, phone=phone, actor=actor, now=now)


async def ended(*, order_no: str, state: str) -> None:
    """An order waits no longer for cards when none of its lines does."""
    if not await stock_case.open_short(order_no=order_no):
        await db.connection().execute(
            "UPDATE sale SET stock_state = $2 WHERE order_no = $1 AND stock_state = 'paid_without_stock'", order_no, state
        )
