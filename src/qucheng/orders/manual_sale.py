"""A sale that a reseller enters by hand: it has collected the money, and the order counts as paid at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

from qucheng.catalog import quote
from qucheng.core import audit, clock, db, errors, mail_address, phone
from qucheng.orders import order_number, sale, sales_setting

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

LINE = "1"
MOST_UNITS = 999
LOCK = "SELECT lock_brand(current_brand(), $1)"


class ManualOffError(errors.RefusedError):
    code: ClassVar[str] = "manual_sale.off"
    status: ClassVar[int] = 409


class QuantityError(errors.RefusedError):
    code: ClassVar[str] = "manual_sale.quantity"
    status: ClassVar[int] = 422


class PriceChangedError(errors.RefusedError):
    """What the page showed is not the price any more."""

    code: ClassVar[str] = "manual_sale.price_changed"
    status: ClassVar[int] = 409


class DayLimitError(errors.RefusedError):
    """The brand lets a reseller enter only so much a day."""

    code: ClassVar[str] = "manual_sale.limit"
    status: ClassVar[int] = 409


class NumberError(errors.RefusedError):
    """Not one that was made here, or another order's."""

    code: ClassVar[str] = "manual_sale.number"
    status: ClassVar[int] = 409


async def sell(
    *,
    brand: Brand,
    reseller: str,
    channel: str,
    sku: str,
    quantity: int,
    unit_minor: int,
    number: str,
    email: str = "",
    order_no: str,
    keys: crypto.Keys,
    actor: audit.Actor,
    now: dt.datetime,
) -> sale.Sale:
    """unit_minor: the price that was shown. number, email: the buyer's; there may be no email. order_no was made with the form: sent twice it is one order."""
    called = phone.normalised(number, region=phone.region(brand.currency))
    address = mail_address.normalised(email) if email else None
    if not 0 < quantity <= MOST_UNITS:
        raise QuantityError(f"From 1 to {MOST_UNITS} pieces can be sold at once.")
    if not order_number.is_one(order_no, "M"):
        raise NumberError("The number of the order is not one of ours.")
    async with db.atomic(brand.id):
        # of a reseller one at a time: the day's sum is looked at, then added to
        await db.connection().execute(LOCK, f"manual:{reseller}")
        if not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM sale WHERE order_no = $1)", order_no):
            await _require(brand, reseller, channel, sku, quantity, unit_minor, now)
        try:
            return await sale.place(
                brand=brand,
                order_no=order_no,
                lines=[sale.LineIn(line_no=LINE, sku=sku, quantity=quantity, gross_minor=unit_minor * quantity)],
                reseller=reseller,
                channel=channel,
                source="manual",
                keys=keys,
                phone=called,
                email=address,
                actor=actor,
                now=now,
            )
        except sale.OrderExistsError:
            raise NumberError("Another order has this number: open the form again.") from None


async def _require(brand: Brand, reseller: str, channel: str, sku: str, quantity: int, unit_minor: int, now: dt.datetime) -> None:
    setting = await sales_setting.read(brand_id=brand.id)
    if setting.manual_sale == "off":
        raise ManualOffError("The brand does not let sales be entered by hand.")
    found = await quote.resolve(brand_id=brand.id, sku=sku, channel=channel, reseller=reseller, quantity=quantity, at=now)
    if found.unit_minor != unit_minor:
        raise PriceChangedError("The price has changed since the page was opened.")
    if setting.manual_daily_minor is None:
        return
    if await sold_today(brand=brand, reseller=reseller, now=now) + found.gross_minor > setting.manual_daily_minor:
        raise DayLimitError("The sum that may be entered by hand in a day would be exceeded.")


async def sold_today(*, brand: Brand, reseller: str, now: dt.datetime) -> int:
    """What the reseller has entered by hand on the brand's day."""
    day = order_number.local_day(brand, now)
    start = clock.instant_of_local(dt.datetime.combine(day, dt.time()), brand.time_zone)
    async with db.atomic(brand.id):
        total: int = await db.connection().fetchval(
            "SELECT coalesce(sum(l.gross_minor), 0)::bigint FROM sale s JOIN order_line l ON l.brand_id = s.brand_id AND l.order_no = s.order_no"
            " WHERE s.brand_id = current_brand() AND s.reseller = $1 AND s.source = 'manual' AND s.placed_at >= $2",
            reseller,
            start,
        )
    return total
