"""Three months of the demo brand: 20 000 order lines with their evenings, weekends and holidays, and their refunds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo_catalog as catalog
from qucheng.bundle import demo_chance
from qucheng.bundle import demo_network as network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIRST_DAY = dt.date(2026, 8, 1)
_DAYS = 92
_ONE_DAY = dt.timedelta(days=1)

_HOURS = (8, 4, 2, 1, 1, 3, 8, 14, 22, 28, 34, 42, 52, 38, 30, 30, 32, 40, 52, 70, 92, 98, 74, 34)
_WEEKDAYS = (88, 86, 90, 94, 112, 146, 138)
# first day, day after the last, percent of an ordinary day
_BUSY: Final = (
    (dt.date(2026, 8, 10), dt.date(2026, 8, 24), 118),  # the summer week of the video shops
    (dt.date(2026, 8, 19), dt.date(2026, 8, 20), 150),  # 七夕
    (dt.date(2026, 9, 19), dt.date(2026, 9, 26), 130),  # 中秋
    (*catalog.NATIONAL_DAYS, 165),  # 国庆
)

_LINES_IN_ORDER = demo_chance.Weighted(((1, 84), (2, 12), (3, 4)))
_QUANTITY = demo_chance.Weighted(((1, 56), (2, 18), (3, 11), (5, 9), (10, 6)))
_GIFTS = demo_chance.Weighted(((10, 5), (20, 4), (30, 2), (50, 1)))
_DEALER_QUANTITY = demo_chance.Weighted(((20, 6), (50, 5), (100, 3), (200, 1)))

_THIN: Final = frozenset({catalog.CARD, catalog.FUEL, catalog.PHONE, catalog.GAME})  # no coupons: the margin would be gone
_GIVEN: Final = frozenset({catalog.AV, catalog.FOOD, catalog.CARD, catalog.STUDY})  # what a company buys for its staff
_COUPONS: Final = ((30000, 2000), (15000, 800), (5000, 300))  # from this gross on, this much less

_REFUNDED: Final = {catalog.AV: 20, catalog.TRIP: 30, catalog.FOOD: 12, catalog.STUDY: 25}  # in a thousand lines
_REFUNDED_ELSEWHERE = 8


@dataclasses.dataclass(frozen=True)
class Line:
    order: str
    line: int
    paid_at: dt.datetime
    reseller: str
    channel: str
    sku: str
    quantity: int
    gross_minor: int
    discount_minor: int
    buyer: str

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.discount_minor


@dataclasses.dataclass(frozen=True)
class Refund:
    code: str
    order: str
    line: int
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int


def lines(chance: demo_chance.Chance, count: int, *, first_day: dt.date = _FIRST_DAY, days: int = _DAYS) -> list[Line]:
    """Exactly `count` lines, in the order in which they were paid."""
    sizes = _sizes(chance, count)
    shelves = {reseller.number: catalog.purchases(reseller.favourite) for reseller in network.RESELLERS}
    dealt = catalog.dealt()
    sold: list[Line] = []
    today, number = first_day, 0
    for size, paid_at in zip(sizes, _moments(chance, len(sizes), first_day, days), strict=True):
        if paid_at.date() != today:
            today, number = paid_at.date(), 0
        number += 1
        order = f"LX{today:%y%m%d}-{number:04}"
        seller = _sellers(today).pick(chance)
        if seller.is_dealer and chance.per_mille(30):
            sold += [_dealer_line(chance, order, n, paid_at, seller, dealt.pick(chance)) for n in range(1, size + 1)]
            continue
        channel = "store" if chance.per_mille(380 if seller.kind == "company" else 120) else "mini"
        buyer = _buyer(chance, seller)
        shelf = shelves[seller.number]
        sold += [_retail_line(chance, order, n, paid_at, seller, channel, shelf.pick(chance), buyer) for n in range(1, size + 1)]
    return sold


def _sizes(chance: demo_chance.Chance, count: int) -> list[int]:
    sizes: list[int] = []
    left = count
    while left:
        sizes.append(min(left, _LINES_IN_ORDER.pick(chance)))
        left -= sizes[-1]
    return sizes


def _moments(chance: demo_chance.Chance, count: int, first_day: dt.date, days: int) -> list[dt.datetime]:
    calendar = demo_chance.Weighted((day, busyness(day)) for day in (first_day + _ONE_DAY * n for n in range(days)))
    hours = demo_chance.Weighted(enumerate(_HOURS))
    return sorted(
        dt.datetime.combine(calendar.pick(chance), dt.time(hours.pick(chance), chance.below(60), chance.below(60)))
        for _ in range(count)
    )


def busyness(day: dt.date) -> int:
    weight = _WEEKDAYS[day.weekday()] * (1000 + 3 * (day - _FIRST_DAY).days)  # the brand grows
    for first, end, percent in _BUSY:
        if first <= day < end:
            weight = weight * percent // 100
    return weight


@functools.cache
def _sellers(day: dt.date) -> demo_chance.Weighted[network.Reseller]:
    return demo_chance.Weighted((reseller, reseller.weight) for reseller in network.RESELLERS if reseller.joined_on <= day)


def _buyer(chance: demo_chance.Chance, seller: network.Reseller) -> str:
    if seller.kind == "individual" and chance.per_mille(4):
        return seller.identity
    if chance.per_mille(120):
        return ""  # a counter sale: nobody asked who it was
    circle = 30 + seller.weight // 1000
    return demo_chance.opaque("buyer", seller.number, min(chance.below(circle), chance.below(circle)))


def _retail_line(
    chance: demo_chance.Chance,
    order: str,
    line: int,
    paid_at: dt.datetime,
    seller: network.Reseller,
    channel: str,
    sku: catalog.Sku,
    buyer: str,
) -> Line:
    quantity = _QUANTITY.pick(chance)
    if seller.kind == "company" and sku.category in _GIVEN and chance.per_mille(60):
        quantity = _GIFTS.pick(chance)
    _, tier = network.place_on(seller, paid_at.date())
    gross_minor = catalog.price_minor(sku.code, channel, tier, paid_at.date()) * quantity
    discount_minor = 0
    if sku.category not in _THIN and chance.per_mille(240):
        discount_minor = next((less for least, less in _COUPONS if gross_minor >= least), 0)
    return Line(order, line, paid_at, seller.code, channel, sku.code, quantity, gross_minor, discount_minor, buyer)


def _dealer_line(
    chance: demo_chance.Chance, order: str, line: int, paid_at: dt.datetime, buyer: network.Reseller, sku: catalog.Sku
) -> Line:
    """经销: the reseller buys for its own account at its tier's price; the line earns nothing."""
    quantity = _DEALER_QUANTITY.pick(chance)
    _, tier = network.place_on(buyer, paid_at.date())
    gross_minor = catalog.price_minor(sku.code, "dealer", tier, paid_at.date()) * quantity
    return Line(order, line, paid_at, buyer.code, "dealer", sku.code, quantity, gross_minor, 0, "")


def refunds(chance: demo_chance.Chance, sold: Sequence[Line]) -> list[Refund]:
    """About one line in seventy comes back: most in full, some in part, some twice, some after the month has ended."""
    found: list[Refund] = []
    for line in sold:
        share = _REFUNDED.get(catalog.SKU_OF[line.sku].category, _REFUNDED_ELSEWHERE)
        if line.net_minor > 0 and chance.per_mille(share):
            found += _refunds_of(chance, line)
    found.sort(key=lambda refund: (refund.refunded_at, refund.order, refund.line))
    return [dataclasses.replace(refund, code=f"RF{number:05}") for number, refund in enumerate(found, start=1)]


def _refunds_of(chance: demo_chance.Chance, line: Line) -> Iterator[Refund]:
    at = line.paid_at + _delay(chance)
    if line.quantity > 1 and chance.per_mille(550):
        back = chance.between(1, line.quantity - 1)
        part_minor = line.net_minor * back // line.quantity
        yield Refund("", line.order, line.line, at, back, part_minor)
        if chance.per_mille(300):  # and then the rest as well
            yield Refund("", line.order, line.line, at + _delay(chance), line.quantity - back, line.net_minor - part_minor)
    elif chance.per_mille(180):  # money without goods: the code worked late, the consumer kept it
        yield Refund("", line.order, line.line, at, 0, line.net_minor * chance.between(1, 5) // 10)
    else:
        yield Refund("", line.order, line.line, at, line.quantity, line.net_minor)


def _delay(chance: demo_chance.Chance) -> dt.timedelta:
    minutes = chance.between(4, 3 * 24 * 60) if chance.per_mille(780) else chance.between(3 * 24 * 60, 35 * 24 * 60)
    return dt.timedelta(minutes=minutes, seconds=chance.below(60))
