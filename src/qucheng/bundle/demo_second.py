"""The other brand of the demonstration: Meridian Vouchers, invented too. Small, in Singapore dollars, in English, under the policy
`intl`, where two resellers above the seller earn. From its first month up to now; a later delivery only adds to an earlier one.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo, demo_chance
from qucheng.core import money

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.bundle.demo_faults import Row

FIRST_DAY: Final = dt.date(2026, 8, 1)
# what is not made any more when the demonstration is opened much later
_LONGEST: Final = dt.timedelta(days=200)
_ZONE: Final = zoneinfo.ZoneInfo("Asia/Singapore")
_ONE_DAY: Final = dt.timedelta(days=1)
_DECIMALS: Final = 2
_SEED: Final = 20260802
_BRAND: Final = """\
# the second brand of the demonstration: names, people and sales are invented
[brand]
code = "meridian"
name = "Meridian Vouchers"
currency = "SGD"
time_zone = "Asia/Singapore"
locale = "en"

[compliance]
policy = "intl"
max_total_rate = "0.25"

[settlement]
hold_days = 14
min_payout = "20"
withholding = "none"
"""

TIERS: Final = "code,name,rank\npartner,Partner,1\nassociate,Associate,2\n"
CHANNELS: Final = "code,name,kind\napp,Meridian app,agency\nkiosk,Kiosk,agency\n"
# code, name, category, list price and cost in cents, how often it is bought
_SKUS: Final = (
    ("ST-01", "Northlight streaming, one month", "Streaming", 1298, 860, 30),
    ("ST-12", "Northlight streaming, one year", "Streaming", 12800, 8600, 7),
    ("MU-01", "Tidewave music, one month", "Streaming", 998, 640, 22),
    ("CF-10", "Half Moon coffee, 10 dollars", "Food", 1000, 880, 34),
    ("CF-25", "Half Moon coffee, 25 dollars", "Food", 2450, 2140, 15),
    ("HK-20", "Lantern hawker meals, 20 dollars", "Food", 1960, 1720, 18),
    ("RD-15", "Kestrel rides, 15 dollars", "Travel", 1470, 1310, 20),
    ("HT-50", "Harbour stay, 50 dollars off", "Travel", 4600, 4050, 6),
    ("GR-50", "Greenbasket groceries, 50 dollars", "Groceries", 4900, 4700, 12),
    ("GM-30", "Ember Isles, 30 dollars", "Games", 2940, 2590, 11),
)
# code, name, kind, parent, tier, joined on, weight of sales, whether it has shown who it is
_RESELLERS: Final = (
    ("M01", "Bayfront Digital Pte Ltd", "company", "", "partner", "2026-07-01", 34, True),
    ("M02", "Priya Raman", "individual", "", "partner", "2026-07-01", 22, True),
    ("M03", "Orchard Perks Pte Ltd", "company", "", "partner", "2026-07-06", 18, True),
    ("M04", "Daniel Koh", "individual", "", "associate", "2026-07-09", 12, True),
    ("M05", "Bayfront Kiosk Tampines", "company", "M01", "associate", "2026-07-03", 20, True),
    ("M06", "Aisha Rahman", "individual", "M01", "associate", "2026-07-08", 14, True),
    ("M07", "Wei Ling Tan", "individual", "M05", "associate", "2026-07-15", 16, True),
    ("M08", "Kiosk crew Pasir Ris", "individual", "M05", "associate", "2026-08-10", 9, False),
    ("M09", "Marcus Lim", "individual", "M02", "associate", "2026-07-20", 11, True),
    ("M10", "Jasmine Ong", "individual", "M02", "associate", "2026-08-24", 8, True),
    ("M11", "Orchard Perks Campus Desk", "company", "M03", "associate", "2026-07-12", 10, True),
    ("M12", "Ravi Menon", "individual", "", "associate", "2026-09-14", 7, False),
)
RULES: Final = """\
code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on
STREAM-PARTNER,percent,1,,Streaming,,partner,net,0.09,,2026-07-01,
STREAM,percent,1,,Streaming,,associate,net,0.07,,2026-07-01,
STREAM-2,percent,2,,Streaming,,,net,0.025,,2026-07-01,
STREAM-3,percent,3,,Streaming,,,net,0.01,,2026-07-01,
FOOD,percent,1,,Food,,,net,0.045,,2026-07-01,
FOOD-2,percent,2,,Food,,,net,0.012,,2026-07-01,
TRAVEL,percent,1,,Travel,,,net,0.04,,2026-07-01,
TRAVEL-2,percent,2,,Travel,,,net,0.01,,2026-07-01,
GROCERY,per_unit,1,GR-50,,,,unit,0.60,,2026-07-01,
GAMES,percent,1,,Games,,,margin,0.4,,2026-07-01,
STREAM-VOLUME,graduated,,,Streaming,,,net,0:0;600:0.01;2000:0.02,,2026-07-01,
"""
_ADJUSTMENTS: Final = (
    ("ADJ-2026-08-01", "M02", "2026-08-29T16:20:00", 1850, "Launch stand at the community fair, agreement annex 2"),
    ("ADJ-2026-09-01", "M01", "2026-09-18T11:05:00", -4200, "Vouchers of batch 41 issued twice, taken back"),
    ("ADJ-2026-10-01", "M05", "2026-10-21T09:40:00", 2500, "Channel code was missing on the opening weekend"),
)
_LINES_A_DAY: Final = 16
_REFUNDED: Final = 22  # in a thousand lines
_QUANTITY: Final = demo_chance.Weighted(((1, 62), (2, 22), (3, 9), (5, 7)))
_HOURS: Final = demo_chance.Weighted(((8, 10), (10, 16), (12, 30), (15, 18), (18, 28), (20, 34), (22, 12)))
_ORDER_COLUMNS: Final = ("order", "line", "paid_at", "reseller", "channel", "sku", "quantity", "gross", "discount", "buyer")


def write(folder: Path, *, now: dt.datetime) -> int:
    """Writes the bundle with all sales up to now; returns how many order lines that are."""
    until = now.astimezone(_ZONE).replace(tzinfo=None)
    orders, refunds = _sales(until)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "brand.toml": _BRAND.encode(),
        "tiers.csv": TIERS.encode(),
        "channels.csv": CHANNELS.encode(),
        "rules.csv": RULES.encode(),
        "resellers.csv": demo.csv_bytes(map(_reseller, _RESELLERS)),
        "skus.csv": demo.csv_bytes(map(_sku, _SKUS)),
        "prices.csv": demo.csv_bytes(map(_price, _SKUS)),
        "orders.csv": demo.csv_bytes(orders) if orders else (",".join(_ORDER_COLUMNS) + "\n").encode(),
    }
    if refunds:
        contents["refunds.csv"] = demo.csv_bytes(refunds)
    if adjustments := [_adjustment(row) for row in _ADJUSTMENTS if dt.datetime.fromisoformat(row[2]) <= until]:
        contents["adjustments.csv"] = demo.csv_bytes(adjustments)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return len(orders)


def _sales(until: dt.datetime) -> tuple[list[Row], list[Row]]:
    orders: list[Row] = []
    refunds: list[Row] = []
    day = FIRST_DAY
    while day <= min(until.date(), FIRST_DAY + _LONGEST):
        chance = demo_chance.Chance(_SEED + day.toordinal())
        for order, refund in _of_day(chance, day):
            if dt.datetime.fromisoformat(order["paid_at"][:19]) <= until:
                orders.append(order)
                if refund is not None and dt.datetime.fromisoformat(refund["refunded_at"][:19]) <= until:
                    refunds.append(refund)
        day += _ONE_DAY
    return orders, refunds


def _of_day(chance: demo_chance.Chance, day: dt.date) -> list[tuple[Row, Row | None]]:
    sellers = demo_chance.Weighted((row[0], row[6]) for row in _RESELLERS if dt.date.fromisoformat(row[5]) <= day)
    skus = demo_chance.Weighted((row, row[5]) for row in _SKUS)
    count = _LINES_A_DAY + chance.below(9) + (6 if day.weekday() >= 5 else 0)  # noqa: PLR2004 - Saturday
    moments = sorted((_HOURS.pick(chance), chance.below(60), chance.below(60)) for _ in range(count))
    found = []
    for number, moment in enumerate(moments, start=1):
        paid_at = dt.datetime.combine(day, dt.time(*moment))
        found.append(_line(chance, f"MV{day:%y%m%d}-{number:03}", paid_at, sellers.pick(chance), skus.pick(chance)))
    return found


def _line(
    chance: demo_chance.Chance, order: str, paid_at: dt.datetime, seller: str, sku: tuple[str, str, str, int, int, int]
) -> tuple[Row, Row | None]:
    quantity = _QUANTITY.pick(chance)
    gross_minor = sku[3] * quantity
    discount_minor = 100 if gross_minor >= 3000 and chance.per_mille(200) else 0  # noqa: PLR2004 - a dollar off from 30 on
    row = {
        "order": order,
        "line": "1",
        "paid_at": _instant(paid_at),
        "reseller": seller,
        "channel": "kiosk" if chance.per_mille(300) else "app",
        "sku": sku[0],
        "quantity": str(quantity),
        "gross": _money(gross_minor),
        "discount": _money(discount_minor) if discount_minor else "",
        "buyer": demo_chance.opaque("guest", seller, chance.below(60)),
    }
    if not chance.per_mille(_REFUNDED):
        return row, None
    back = chance.between(1, quantity)
    return row, {
        "refund": f"RF-{order}",
        "order": order,
        "line": "1",
        "refunded_at": _instant(paid_at + dt.timedelta(hours=chance.between(2, 24 * 20))),
        "quantity": str(back),
        "amount": _money((gross_minor - discount_minor) * back // quantity),
    }


def _reseller(row: tuple[str, str, str, str, str, str, int, bool]) -> Row:
    code, name, kind, parent, tier, joined_on, _, known = row
    return {
        "code": code,
        "name": name,
        "kind": kind,
        "parent": parent,
        "tier": tier,
        "joined_on": joined_on,
        "identity": demo_chance.opaque("meridian", code) if known else "",
    }


def _sku(row: tuple[str, str, str, int, int, int]) -> Row:
    code, name, category, list_minor, cost_minor, _ = row
    return {"code": code, "name": name, "category": category, "list_price": _money(list_minor), "cost": _money(cost_minor)}


def _price(row: tuple[str, str, str, int, int, int]) -> Row:
    """In every channel that of the list."""
    code, _, _, list_minor, _, _ = row
    return {"sku": code, "channel": "", "tier": "", "price": _money(list_minor), "floor": "", "starts_on": FIRST_DAY.isoformat()}


def _adjustment(row: tuple[str, str, str, int, str]) -> Row:
    code, reseller, occurred_at, amount_minor, reason = row
    return {
        "adjustment": code,
        "reseller": reseller,
        "occurred_at": f"{occurred_at}+08:00",
        "amount": _money(amount_minor),
        "reason": reason,
    }


def _instant(local: dt.datetime) -> str:
    return f"{local.isoformat()}+08:00"


def _money(minor: int) -> str:
    return money.format_plain(minor, _DECIMALS)
