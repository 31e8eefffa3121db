"""Selling in the demonstration: how resellers sell, their links, and a handful of orders by hand and behind a link.

Who takes the money comes from outside: a bundle's room knows no provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qucheng.catalog import quote
from qucheng.core import audit, payment_port
from qucheng.identity import membership as memberships
from qucheng.orders import manual_sale, order_number, payment, sales_link, sales_setting
from qucheng.stock import queries as stock

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.catalog.quote import Offer
    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

SELLERS = 2
# by hand one more than has cards for it
BY_HAND, BEHIND_LINKS = 4, 3
DAILY = 20_000
# numbers that a country keeps for films, or that nobody has
NUMBERS = {
    "CN": ("13800000101", "13800000102", "13800000103", "13800000104"),
    "SG": ("+6591234501", "+6591234502", "+6591234503", "+6591234504"),
}
NAMES = {"zh-CN": ("店门口的码", "朋友圈链接"), "en": ("Code at the door", "Link in messages")}
PROVIDER = audit.Actor(user_id=None, role="payments")


class Payer(payment_port.Port, Protocol):
    """A simulated provider, and who pays it."""

    async def pay(self, charge: uuid.UUID, *, paid: bool) -> object: ...


async def fill(*, keys: crypto.Keys, brand: Brand, provider: Payer, now: dt.datetime) -> None:
    """Its people and prices are there already; who has links, or nothing with a price, is left as it is."""
    people = [each for each in await memberships.listing(brand_id=brand.id) if each.reseller is not None]
    resellers = sorted({each.reseller for each in people if each.reseller})[:SELLERS]
    actors = {each.reseller: audit.Actor(user_id=each.user_id, role=each.role) for each in people if each.reseller}
    setting = sales_setting.Setting(manual_sale="paid", manual_daily_minor=DAILY * 10**brand.decimals, provider="simulator")
    await sales_setting.change(brand_id=brand.id, setting=setting, production=False, actor=audit.SYSTEM, now=now)
    for reseller in resellers:
        if await sales_link.listing(brand=brand, reseller=reseller, now=now):
            continue
        await _sell(keys, brand, reseller, provider, actors[reseller], now)


async def _sell(keys: crypto.Keys, brand: Brand, reseller: str, provider: Payer, actor: audit.Actor, now: dt.datetime) -> None:
    carded = sorted({each.sku for each in await stock.levels(brand_id=brand.id)})
    found = await quote.listing(brand_id=brand.id, reseller=reseller, at=now, skus=carded or None, most=BY_HAND)
    # of each SKU the first channel in which it earns a commission
    offers = list({offer.sku: offer for offer in reversed(found.rows) if offer.channel_kind == "agency"}.values())[::-1]
    if not offers:
        return
    numbers = NUMBERS["CN" if brand.currency == "CNY" else "SG"]
    for offer, number in zip(offers, numbers, strict=False):
        await manual_sale.sell(
            brand=brand,
            reseller=reseller,
            channel=offer.channel,
            sku=offer.sku,
            quantity=1,
            unit_minor=offer.unit_minor,
            number=number,
            order_no=order_number.made("M", brand, now),
            keys=keys,
            actor=actor,
            now=now,
        )
    for sku, name in zip((offers[0].sku, None), NAMES[brand.locale], strict=True):
        link = await sales_link.create(
            brand=brand, reseller=reseller, channel=offers[0].channel, sku=sku, name=name, expires_at=None, actor=actor, now=now
        )
        if sku is not None:
            for number in numbers[:BEHIND_LINKS]:
                await _buy(keys, brand, link, offers[0], number, provider, now)


async def _buy(
    keys: crypto.Keys, brand: Brand, link: sales_link.Link, offer: Offer, number: str, provider: Payer, now: dt.datetime
) -> None:
    await sales_link.opened(brand=brand, link=link.id, now=now)
    begun = await payment.open_payment(
        brand=brand,
        link=link,
        order_no=order_number.made("P", brand, now),
        sku=offer.sku,
        quantity=1,
        number=number,
        locale=brand.locale,
        keys=keys,
        actor=PROVIDER,
        now=now,
    )
    asked = payment.charge(brand, begun, name=offer.name, address=f"/o/{link.code}/{begun.id}")
    await payment.sent(brand=brand, payment=begun.id, created=await provider.create(asked))
    await provider.pay(begun.id, paid=True)
    answer = await provider.query(begun.id)
    await payment.found(brand=brand, payment=begun.id, answer=answer, keys=keys, actor=PROVIDER, now=now)
