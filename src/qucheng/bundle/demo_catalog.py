"""What the demo brand sells: tiers, channels, SKUs, the price book and the commission plan.

Prices are made so that the plan passes its own linter: at the lowest price a SKU has on any day, what is left after every
commission and bonus still covers its cost.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

from qucheng.bundle import demo_chance

TIERS: Final = (("gold", "金牌", 1), ("silver", "银牌", 2), ("base", "普通", 3))
CHANNELS: Final = (("mini", "小程序商城", "agency"), ("store", "线下门店", "agency"), ("dealer", "企业经销", "wholesale"))

AV, FOOD, TRIP, CARD, FUEL, PHONE, GAME, STUDY = (
    "影音会员",
    "餐饮券",
    "出行券",
    "购物卡",
    "加油卡",
    "话费直充",
    "游戏点卡",
    "学习办公",
)

PHONE_CARD = "TC-03"  # the SKU whose commission is money per unit and therefore meets the cap first

# code, name, category, list price and cost in 分, how often it is bought
_SKUS: Final = (
    ("AV-01", "浮光视频会员月卡", AV, 2500, 1700, 150),
    ("AV-02", "浮光视频会员季卡", AV, 6800, 4700, 60),
    ("AV-03", "浮光视频会员年卡", AV, 24800, 17200, 36),
    ("AV-04", "听澜音乐会员月卡", AV, 1500, 960, 80),
    ("AV-05", "听澜音乐会员年卡", AV, 15800, 10200, 24),
    ("AV-06", "拾页阅读会员月卡", AV, 1900, 1200, 30),
    ("AV-07", "拾页阅读会员年卡", AV, 16800, 10800, 10),
    ("AV-08", "耳畔有声会员季卡", AV, 4800, 3100, 12),
    ("FD-01", "橙屿咖啡 30 元代金券", FOOD, 2680, 2200, 95),
    ("FD-02", "橙屿咖啡中杯兑换券", FOOD, 1990, 1580, 88),
    ("FD-03", "麦穗巷面包 50 元代金券", FOOD, 4400, 3750, 40),
    ("FD-04", "满溪茶饮兑换券", FOOD, 1680, 1300, 72),
    ("FD-05", "灶边小炒 100 元代金券", FOOD, 8900, 7600, 34),
    ("FD-06", "炉上汉堡双人套餐券", FOOD, 5900, 4850, 28),
    ("FD-07", "沸渡火锅 200 元代金券", FOOD, 17600, 15200, 22),
    ("FD-08", "麦穗巷生日蛋糕兑换卡", FOOD, 12800, 10200, 12),
    ("TR-01", "途鸣打车 20 元券", TRIP, 1860, 1620, 60),
    ("TR-02", "途鸣打车 50 元券包", TRIP, 4600, 4050, 30),
    ("TR-03", "栖程酒店 100 元抵用券", TRIP, 9000, 7800, 16),
    ("TR-04", "快泊停车月卡", TRIP, 16800, 14200, 9),
    ("TR-05", "净驰洗车次卡", TRIP, 3200, 2600, 20),
    ("SC-01", "禾木超市 100 元购物卡", CARD, 9850, 9620, 44),
    ("SC-02", "禾木超市 200 元购物卡", CARD, 19700, 19240, 26),
    ("SC-03", "禾木超市 500 元购物卡", CARD, 49200, 48100, 12),
    ("SC-04", "鲜渡生鲜 100 元代金券", CARD, 9600, 9200, 24),
    ("SC-05", "鲜渡生鲜 50 元代金券", CARD, 4800, 4600, 22),
    ("FU-01", "长驿加油卡 200 元", FUEL, 19760, 19520, 34),
    ("FU-02", "长驿加油卡 500 元", FUEL, 49350, 48800, 16),
    ("FU-03", "长驿加油卡 1000 元", FUEL, 98600, 97600, 6),
    ("TC-01", "话费直充 30 元", PHONE, 2985, 2930, 40),
    ("TC-02", "话费直充 50 元", PHONE, 4975, 4890, 62),
    (PHONE_CARD, "话费直充 100 元", PHONE, 9950, 9790, 84),
    ("TC-04", "话费直充 200 元", PHONE, 19880, 19560, 14),
    ("TC-05", "流量直充 10 GB 月包", PHONE, 2800, 2200, 18),
    ("GM-01", "山海旧梦点卡 30 元", GAME, 2940, 2760, 26),
    ("GM-02", "山海旧梦点卡 100 元", GAME, 9800, 9200, 16),
    ("GM-03", "游烛月卡", GAME, 3000, 2640, 20),
    ("ED-01", "墨岩网盘会员月卡", STUDY, 1800, 1150, 22),
    ("ED-02", "墨岩网盘会员年卡", STUDY, 16800, 10600, 10),
    ("ED-03", "知舟课程兑换码", STUDY, 9900, 6000, 11),
)

_BOOK_STARTS = dt.date(2026, 7, 1)
_SUMMER = (dt.date(2026, 8, 10), dt.date(2026, 8, 24))
_AUTUMN = (dt.date(2026, 9, 19), dt.date(2026, 9, 27))
NATIONAL_DAYS: Final = (dt.date(2026, 10, 1), dt.date(2026, 10, 8))

_PROMOTED: Final = (
    (_SUMMER, "mini", ("AV-01", "AV-02", "AV-04", "AV-06")),
    (_AUTUMN, "store", ("FD-08", "SC-04", "FD-05")),
    (NATIONAL_DAYS, "mini", ("AV-01", "AV-03", "FD-01", "FD-06", "TR-02", "TR-03", "ED-02")),
)
_STORE_PRICED: Final = ("FD-01", "FD-02", "FD-03", "FD-04", "TR-05")
_DEALT: Final = ("AV-01", "AV-02", "AV-03", "FD-01", "FD-05", "FD-07", "SC-01", "SC-02", "SC-03", "SC-04", "FU-01", "FU-02")

_PROMOTION_PERCENT = 25  # of the margin, given to the consumer
_DEALER_PERCENT: Final = {"gold": 60, "silver": 45, "base": 30}
_FLOOR_PERCENT = 75
_TENTH_OF_A_YUAN = 10


@dataclasses.dataclass(frozen=True)
class Sku:
    code: str
    name: str
    category: str
    list_minor: int
    cost_minor: int
    weight: int

    def less_margin(self, percent: int) -> int:
        """The list price less a part of the margin, up to the next 角."""
        price_minor = self.list_minor - (self.list_minor - self.cost_minor) * percent // 100
        return -(-price_minor // _TENTH_OF_A_YUAN) * _TENTH_OF_A_YUAN


@dataclasses.dataclass(frozen=True)
class Price:
    sku: str
    channel: str
    tier: str
    price_minor: int
    floor_minor: int | None
    starts_on: dt.date
    ends_on: dt.date | None = None

    def is_live(self, day: dt.date) -> bool:
        return self.starts_on <= day and (self.ends_on is None or day < self.ends_on)


SKUS: Final = tuple(Sku(*row) for row in _SKUS)
SKU_OF: Final = {sku.code: sku for sku in SKUS}


def _price_book() -> tuple[Price, ...]:
    cells = [
        Price(sku.code, "", "", sku.list_minor, sku.less_margin(_FLOOR_PERCENT) - _TENTH_OF_A_YUAN, _BOOK_STARTS) for sku in SKUS
    ]
    cells += [Price(code, "store", "", SKU_OF[code].list_minor + 20, None, _BOOK_STARTS) for code in _STORE_PRICED]
    for (starts_on, ends_on), channel, codes in _PROMOTED:
        cells += [
            Price(code, channel, "", SKU_OF[code].less_margin(_PROMOTION_PERCENT), None, starts_on, ends_on) for code in codes
        ]
    for code in _DEALT:
        cells += [
            Price(code, "dealer", tier, SKU_OF[code].less_margin(percent), None, _BOOK_STARTS)
            for tier, percent in _DEALER_PERCENT.items()
        ]
    return tuple(cells)


PRICES: Final = _price_book()
_CELLS: Final = {
    key: [cell for cell in PRICES if (cell.sku, cell.channel, cell.tier) == key]
    for key in {(cell.sku, cell.channel, cell.tier) for cell in PRICES}
}


def price_minor(sku: str, channel: str, tier: str, day: dt.date) -> int:
    for key in ((sku, channel, tier), (sku, channel, ""), (sku, "", tier), (sku, "", "")):
        live = [cell for cell in _CELLS.get(key, ()) if cell.is_live(day)]
        if live:
            return max(live, key=lambda cell: cell.starts_on).price_minor
    raise LookupError(sku)


RULE_COLUMNS: Final = "code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on"

# the plan, as its author would write it: the seller by category and tier, one upline where the margin bears it, own volume
_PLAN: Final = f"""
AV-GOLD,percent,1,,{AV},,gold,net,0.1,,2026-07-01,
AV-SILVER,percent,1,,{AV},,silver,net,0.09,,2026-07-01,
AV-BASE,percent,1,,{AV},,base,net,0.08,,2026-07-01,
AV-UPLINE,percent,2,,{AV},,,net,0.02,,2026-07-01,
AV-GUOQING,percent,1,AV-03,,mini,,net,0.12,10,2026-10-01,2026-10-08
FOOD,percent,1,,{FOOD},,,net,0.06,,2026-07-01,
FOOD-STORE,percent,1,,{FOOD},store,,gross,0.065,,2026-07-01,
FOOD-UPLINE,percent,2,,{FOOD},,,net,0.015,,2026-07-01,
TRIP,percent,1,,{TRIP},,,net,0.05,,2026-07-01,
CARD,percent,1,,{CARD},,,net,0.01,,2026-07-01,
FUEL,percent,1,,{FUEL},,,net,0.006,,2026-07-01,
PHONE-30,per_unit,1,TC-01,,,,unit,0.15,,2026-07-01,
PHONE-50,per_unit,1,TC-02,,,,unit,0.25,,2026-07-01,
PHONE-100,per_unit,1,TC-03,,,,unit,0.40,,2026-07-01,
PHONE-200,per_unit,1,TC-04,,,,unit,0.80,,2026-07-01,
PHONE-DATA,per_unit,1,TC-05,,,,unit,1.50,,2026-07-01,
GAME,percent,1,,{GAME},,,margin,0.35,,2026-07-01,
STUDY,percent,1,,{STUDY},,,net,0.12,,2026-07-01,
STUDY-UPLINE,percent,2,,{STUDY},,,net,0.03,,2026-07-01,
AV-VOLUME,graduated,,,{AV},,,net,0:0;3000:0.01;12000:0.02,,2026-07-01,
FOOD-VOLUME,slab,,,{FOOD},,,net,0:0;5000:0.005;20000:0.01,,2026-07-01,
"""

RULES: Final = tuple(tuple(line.split(",")) for line in _PLAN.split())


def purchases(favourite: str) -> demo_chance.Weighted[Sku]:
    """What a reseller with a favourite category is bought from."""
    return demo_chance.Weighted((sku, sku.weight * (5 if sku.category == favourite else 1)) for sku in SKUS)


def dealt() -> demo_chance.Weighted[Sku]:
    return demo_chance.Weighted((SKU_OF[code], SKU_OF[code].weight) for code in _DEALT)
