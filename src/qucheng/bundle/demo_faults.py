"""What goes wrong in real books, planted in the demo brand's: sales to look at (flags) and rows that no import accepts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo_catalog as catalog
from qucheng.bundle import demo_network as network

if TYPE_CHECKING:
    from qucheng.bundle import demo_chance
    from qucheng.bundle.demo_sales import Line

Row = dict[str, str]

# what an import must answer: one rejection for each of these rows
REJECTIONS: Final = (
    ("orders.csv", "key.conflict"),
    ("orders.csv", "order.before_joined"),
    ("orders.csv", "order.net_negative"),
    ("orders.csv", "ref.unknown"),
    ("orders.csv", "ref.unknown"),
    ("orders.csv", "value.invalid"),
    ("orders.csv", "value.invalid"),
    ("orders.csv", "value.missing"),
    ("placements.csv", "network.depth_exceeded"),
    ("prices.csv", "value.invalid"),
    ("refunds.csv", "ref.unknown"),
    ("refunds.csv", "refund.before_payment"),
    ("refunds.csv", "refund.exceeds_line"),
    ("resellers.csv", "network.depth_exceeded"),
    ("rules.csv", "rule.level_exceeded"),
)
DUPLICATES = 2  # order rows that were exported twice, the same to the last sign

_LAST_TO_JOIN: Final = network.RESELLERS[-1].code
_ORDER_FAULTS: Final[tuple[Row, ...]] = (
    {"sku": "AV-09"},  # withdrawn from sale before the books begin
    {"reseller": _LAST_TO_JOIN},  # sells two months before it joins
    {"gross": "1,299.00"},
    {"discount": "99999.00"},
    {"reseller": "R088"},
    {"paid_at": "2026/9/14 20:31"},
    {"channel": ""},
)

_DEVIATING = 26
_STACKED_COUPONS = 18
_COUNTER_PRICE_OFF_MINOR = 100  # the till still has last month's price
_LEFT_OF_A_PHONE_CARD_MINOR = 90
_STAFF_COUPON_PERCENT = 85


def odd_sales(chance: demo_chance.Chance, sold: list[Line]) -> list[Line]:
    """A few lines at a price that is not in force, a few with coupons so large that the cap cuts the commission."""
    agency = [n for n, line in enumerate(sold) if line.channel != "dealer"]
    for _ in range(_DEVIATING):
        n = chance.pick(agency)
        off_minor = _COUNTER_PRICE_OFF_MINOR * sold[n].quantity
        sold[n] = dataclasses.replace(sold[n], gross_minor=sold[n].gross_minor + off_minor)
    stackable = [n for n in agency if _is_stackable(sold[n])]
    for _ in range(_STACKED_COUPONS):
        n = chance.pick(stackable)
        if sold[n].sku == catalog.PHONE_CARD:
            discount_minor = sold[n].gross_minor - _LEFT_OF_A_PHONE_CARD_MINOR
        else:
            discount_minor = sold[n].gross_minor * _STAFF_COUPON_PERCENT // 100
        sold[n] = dataclasses.replace(sold[n], discount_minor=discount_minor)
    return sold


def _is_stackable(line: Line) -> bool:
    """Commission by the unit, or on the gross: the two that a coupon does not shrink."""
    in_store = line.channel == "store" and catalog.SKU_OF[line.sku].category == catalog.FOOD
    return line.quantity == 1 and (line.sku == catalog.PHONE_CARD or in_store)


def spoil_orders(chance: demo_chance.Chance, orders: list[Row], referred_to: frozenset[str]) -> Row:
    """Spoils rows in place, none that something else refers to; the first is returned, for the refund that hangs on it."""
    wanted = len(_ORDER_FAULTS) + DUPLICATES + 1
    stretch = len(orders) // (wanted + 1)
    spots = iter([_spot(chance, orders, referred_to, start=n * stretch, end=(n + 1) * stretch) for n in range(1, wanted + 1)])
    spoilt: list[Row] = []
    for fault in _ORDER_FAULTS:
        n = next(spots)
        orders[n] = orders[n] | fault
        spoilt.append(orders[n])
    for _ in range(DUPLICATES):
        n = next(spots)
        orders[n] = dict(orders[n - 1])
    n = next(spots)
    orders[n] = orders[n - 1] | {"quantity": str(int(orders[n - 1]["quantity"]) + 1)}
    return spoilt[0]


def _spot(chance: demo_chance.Chance, orders: list[Row], referred_to: frozenset[str], *, start: int, end: int) -> int:
    free = [n for n in range(start + 1, end) if orders[n]["order"] not in referred_to and orders[n]["channel"] != "dealer"]
    return chance.pick(free)


def bad_refunds(refunds: list[Row], orders: list[Row], rejected: Row) -> list[Row]:
    """A refund of a sale that was rejected, one dated before its sale, and one more of a line whose money is all back."""
    net = {(row["order"], row["line"]): (row["quantity"], row["gross"]) for row in orders if row["discount"] == ""}
    whole = next(row for row in refunds if net.get((row["order"], row["line"])) == (row["quantity"], row["amount"]))
    untouched = next(row for row in reversed(orders) if (row["order"], row["line"]) in net and row["channel"] == "mini")
    last = len(refunds)
    return [
        {
            "refund": f"RF{last + 1:05}",
            "order": rejected["order"],
            "line": rejected["line"],
            "refunded_at": rejected["paid_at"].replace("T0", "T1"),
            "quantity": rejected["quantity"],
            "amount": rejected["gross"],
        },
        {
            "refund": f"RF{last + 2:05}",
            "order": untouched["order"],
            "line": untouched["line"],
            "refunded_at": "2026-09-30T10:00:00+08:00",
            "quantity": untouched["quantity"],
            "amount": untouched["gross"],
        },
        whole | {"refund": f"RF{last + 3:05}", "refunded_at": "2026-11-05T10:12:40+08:00"},
    ]


def bad_reseller() -> Row:
    """A third person in a line, which the depth cap of every cn policy refuses."""
    return {
        "code": f"R{len(network.RESELLERS) + 1:03}",
        "name": "程小满",
        "kind": "individual",
        "parent": network.code_of(43),
        "tier": "base",
        "joined_on": "2026-09-10",
        "identity": "",
    }


def bad_placement() -> Row:
    """A reseller with shops of its own cannot be put under another one."""
    return {"reseller": network.code_of(2), "parent": network.code_of(1), "tier": "gold", "effective_on": "2026-10-15"}


def bad_price() -> Row:
    return {
        "sku": "FU-03",
        "channel": "dealer",
        "tier": "gold",
        "price": "面议",
        "floor": "",
        "starts_on": "2026-09-01",
        "ends_on": "",
    }


def bad_rule() -> Row:
    """A third paid level, for which there is no code path."""
    values = f"AV-THIRD,percent,3,,{catalog.AV},,,net,0.01,,2026-07-01,".split(",")
    return dict(zip(catalog.RULE_COLUMNS.split(","), values, strict=True))
