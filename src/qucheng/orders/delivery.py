"""What follows when an order gets its cards: the clock of its commission, the buyer's link, and the end of waiting for stock."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import db, errors
from qucheng.orders import fulfilment, intake
from qucheng.stock import delivery_link, stock_case, text_message

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand
    from qucheng.stock import draw


PAUSE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
# beside the first one
MOST_A_DAY = 5
MADE = "SELECT count(*) AS links, max(made_at) AS newest, min(made_at) AS oldest FROM delivery_link WHERE order_no = $1 AND made_at > $2"
SHOWN_CARDS = (
    "SELECT EXISTS (SELECT 1 FROM card WHERE order_no = $1 AND state IN ('delivered', 'revealed', 'redeemed', 'frozen'))"
)


class LinkNotSentError(errors.RefusedError):
    """There is nobody to send it to, or nothing to be shown."""

    code: ClassVar[str] = "delivery.nothing"
    status: ClassVar[int] = 409


class LinkSentError(errors.RefusedError):
    """It was sent just now, or often enough for a day."""

    code: ClassVar[str] = "delivery.sent"
    status: ClassVar[int] = 429

    def __init__(self, wait: dt.timedelta) -> None:
        self.retry_after = max(1, -(-wait // dt.timedelta(seconds=1)))
        super().__init__(f"The link was sent already: try again in {self.retry_after} s.")


def phone_place(brand_id: uuid.UUID, order_no: str) -> str:
    """Where a buyer's number is sealed for."""
    return f"sale/phone/{brand_id}/{order_no}"


def mail_place(brand_id: uuid.UUID, order_no: str) -> str:
    return f"sale/mail/{brand_id}/{order_no}"


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Where a buyer can be reached: phone as E.164, both as they are normalised."""

    phone: str | None = None
    email: str | None = None

    def __bool__(self) -> bool:
        return self.phone is not None or self.email is not None

    def __repr__(self) -> str:
        return f"Reached({bool(self)})"

    def marks(self, keys: crypto.Keys | None) -> tuple[bytes | None, bytes | None]:
        """By which each is found again."""
        return (
            keys.fingerprint(self.phone, of="sale.phone") if keys and self.phone else None,
            keys.fingerprint(self.email, of="sale.mail") if keys and self.email else None,
        )

    def sealed(self, keys: crypto.Keys | None, brand_id: uuid.UUID, order_no: str) -> tuple[bytes | None, bytes | None]:
        return (
            keys.seal(self.phone.encode(), place=phone_place(brand_id, order_no)) if keys and self.phone else None,
            keys.seal(self.email.encode(), place=mail_place(brand_id, order_no)) if keys and self.email else None,
        )


async def reached(*, keys: crypto.Keys, brand_id: uuid.UUID, order_no: str) -> Reached:
    """Of a stored order."""
    row = await db.connection().fetchrow("SELECT phone_cipher, mail_cipher FROM sale WHERE order_no = $1", order_no)
    if row is None:
        return Reached()
    phone, email = row["phone_cipher"], row["mail_cipher"]
    return Reached(
        phone=keys.open(phone, place=phone_place(brand_id, order_no)).decode() if phone else None,
        email=keys.open(email, place=mail_place(brand_id, order_no)).decode() if email else None,
    )


async def record(*, brand_id: uuid.UUID, order_no: str, units: Mapping[str, int], number: int, at: dt.datetime) -> None:
    """Inside the transaction of the delivery. units: by line, of those whose hold counts from it. number: of the open intake."""
    events = [
        fulfilment.Event(order_no=order_no, line_no=line_no, event="delivered", at=at, quantity=count)
        for line_no, count in units.items()
    ]
    await fulfilment.record(brand_id=brand_id, intake=number, events=events)


async def link(*, brand: Brand, order_no: str, keys: crypto.Keys, reached: Reached, actor: audit.Actor, now: dt.datetime) -> None:
    """Inside the transaction of the delivery, after the order is stored: the buyer is sent the way to the cards."""
    locale: text_message.Locale = "zh-CN" if brand.currency == "CNY" else "en"
    await delivery_link.make(
        brand_id=brand.id, keys=keys, order_no=order_no, phone=reached.phone, email=reached.email, sender=brand.name, locale=locale,
        actor=actor, now=now,
    )  # fmt: skip


async def resend(*, brand: Brand, order_no: str, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime) -> None:
    """A new link to where the buyer of a live order can be reached; the one before it ends. Raises LinkNotSentError and LinkSentError."""
    async with db.atomic(brand.id):
        # of two at once the second finds the link of the first
        await db.connection().execute("SELECT 1 FROM sale WHERE order_no = $1 FOR NO KEY UPDATE", order_no)
        if not (buyer := await reached(keys=keys, brand_id=brand.id, order_no=order_no)):
            raise LinkNotSentError("The order is no live one, or has neither phone nor e-mail.")
        if not await db.connection().fetchval(SHOWN_CARDS, order_no):
            raise LinkNotSentError("There is no card of the order to be shown.")
        row = await db.connection().fetchrow(MADE, order_no, now - DAY)
        if row["newest"] is not None and row["newest"] > now - PAUSE:
            raise LinkSentError(row["newest"] + PAUSE - now)
        if row["links"] > MOST_A_DAY:
            raise LinkSentError(row["oldest"] + DAY - now)
        await link(brand=brand, order_no=order_no, keys=keys, reached=buyer, actor=actor, now=now)


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
        "SELECT hold_from, paid_at FROM order_line WHERE order_no = $1 AND line_no = $2", short.order_no, short.line_no
    )
    if row["hold_from"] == "delivered":
        number = await intake.enter(now=now)
        await record(
            brand_id=brand.id,
            order_no=short.order_no,
            units={short.line_no: short.units},
            number=number,
            at=max(now, row["paid_at"]),
        )
    await ended(order_no=short.order_no, state=state)
    if buyer := await reached(keys=keys, brand_id=brand.id, order_no=short.order_no):
        await link(brand=brand, order_no=short.order_no, keys=keys, reached=buyer, actor=actor, now=now)


async def ended(*, order_no: str, state: str) -> None:
    """An order waits no longer for cards when none of its lines does."""
    if not await stock_case.open_short(order_no=order_no):
        await db.connection().execute(
            "UPDATE sale SET stock_state = $2 WHERE order_no = $1 AND stock_state = 'paid_without_stock'", order_no, state
        )
