"""The brand that ships with the project: 岚汐权益, an invented seller of virtual goods, as a bundle.

It is made, not stored: `write` gives the same bytes on every machine, and `FINGERPRINT` says which bytes these are.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo_catalog as catalog
from qucheng.bundle import demo_chance, demo_faults, demo_sales
from qucheng.bundle import demo_network as network
from qucheng.core import money

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from qucheng.bundle.demo_faults import Row

FINGERPRINT: Final = "d9880c073bcf3d9ff6a044f7740df8019a890c188995aacb153c2c51f80186bf"
ORDER_LINES = 20_000
FIRST_PERIOD, LAST_PERIOD = "2026-08", "2026-10"

_FILES: Final = (
    "brand.toml",
    "tiers.csv",
    "channels.csv",
    "resellers.csv",
    "placements.csv",
    "skus.csv",
    "prices.csv",
    "rules.csv",
    "orders.csv",
    "refunds.csv",
    "adjustments.csv",
)
SEED = 20260801
_DECIMALS = 2
_LOOKED_INTO = dt.timedelta(days=2)  # between a sale and the adjustment that it needs
BRAND = """\
# 渠成的示例品牌：名称、人物和交易均为虚构
[brand]
code = "lanxi"
name = "岚汐权益"
currency = "CNY"
time_zone = "Asia/Shanghai"
locale = "zh-CN"

[compliance]
policy = "cn-two-tier"
legal_opinion = "LX-LO-2026-003"
expires_on = 2029-06-30

[settlement]
hold_days = 7
min_payout = "50"
withholding = "cn-labor"
"""

# the reseller whose order of that month it is about, when, how much in 分, and why
_ADJUSTMENTS: Final = (
    (21, "08", "2026-08-28T15:20:00", 4680, "补差：订单 {order} 渠道号漏传，少计佣金"),
    (5, "08", "2026-08-31T17:05:00", -6000, "扣回：订单 {order} 客诉核实，已先行赔付"),
    (29, "08", "2026-09-02T10:12:00", 12000, "补记：订单 {order} 开学季陈列支持"),
    (10, "09", "2026-09-11T11:40:00", -3550, "更正：订单 {order} 重复上报"),
    (2, "09", "2026-09-16T14:00:00", 88000, "补差：订单 {order} 团购价差，合同附件二"),
    (43, "09", "2026-09-24T09:30:00", 1890, "补差：订单 {order} 分级调整日期更正"),
    (31, "09", "2026-09-30T18:22:00", -2200, "扣回：订单 {order} 卡密重复发放"),
    (59, "09", "2026-09-30T20:10:00", -28000, "扣回：订单 {order} 校园活动物料未归还"),
    (1, "10", "2026-10-09T10:05:00", 126000, "补记：订单 {order} 国庆直播场次补贴，合同附件四"),
    (27, "10", "2026-10-15T16:48:00", 3300, "补差：订单 {order} 加油卡批次价格更正"),
    (44, "10", "2026-10-21T11:11:00", -1500, "更正：订单 {order} 优惠券承担方有误"),
    (9, "10", "2026-10-30T13:37:00", 5200, "补差：订单 {order} 门店渠道归属更正"),
)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _contents().items():
        (folder / name).write_bytes(content)


def is_current(folder: Path) -> bool:
    """Whether the folder holds this version of the demo, untouched."""
    return all((folder / name).is_file() for name in _FILES) and fingerprint(folder) == FINGERPRINT


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _contents() -> dict[str, bytes]:
    chance = demo_chance.Chance(SEED)
    sold = demo_faults.odd_sales(chance, demo_sales.lines(chance, ORDER_LINES))
    given_back = demo_sales.refunds(chance, sold)
    refunds = [refund_row(refund) for refund in given_back]
    adjustments = [_adjustment(number, sold) for number in range(len(_ADJUSTMENTS))]
    orders = [order_row(line) for line in sold]
    referred_to = frozenset({row["order"] for row in refunds} | {order for _, order in adjustments})
    rejected = demo_faults.spoil_orders(chance, orders, referred_to)
    refunds += demo_faults.bad_refunds(refunds, orders, rejected)
    return {
        "brand.toml": BRAND.encode(),
        "tiers.csv": csv_bytes({"code": code, "name": name, "rank": str(rank)} for code, name, rank in catalog.TIERS),
        "channels.csv": csv_bytes({"code": code, "name": name, "kind": kind} for code, name, kind in catalog.CHANNELS),
        "resellers.csv": csv_bytes([*map(_reseller, network.RESELLERS), demo_faults.bad_reseller()]),
        "placements.csv": csv_bytes([*map(_placement, network.PLACEMENTS), demo_faults.bad_placement()]),
        "skus.csv": csv_bytes(map(_sku, catalog.SKUS)),
        "prices.csv": csv_bytes([*map(_price, catalog.PRICES), demo_faults.bad_price()]),
        "rules.csv": csv_bytes([*map(_rule, catalog.RULES), demo_faults.bad_rule()]),
        "orders.csv": csv_bytes(orders),
        "refunds.csv": csv_bytes(refunds),
        "adjustments.csv": csv_bytes(row for row, _ in adjustments),
    }


def csv_bytes(rows: Iterable[Row]) -> bytes:
    listed = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, listed[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue().encode()


def _money(minor: int) -> str:
    return money.format_plain(minor, _DECIMALS)


def _day(day: dt.date | None) -> str:
    return "" if day is None else day.isoformat()


def _reseller(reseller: network.Reseller) -> Row:
    return {
        "code": reseller.code,
        "name": reseller.name,
        "kind": reseller.kind,
        "parent": network.code_of(reseller.parent),
        "tier": reseller.tier,
        "joined_on": _day(reseller.joined_on),
        "identity": reseller.identity,
    }


def _placement(placement: network.Placement) -> Row:
    return {
        "reseller": network.code_of(placement.reseller),
        "parent": network.code_of(placement.parent),
        "tier": placement.tier,
        "effective_on": _day(placement.effective_on),
    }


def _sku(sku: catalog.Sku) -> Row:
    return {
        "code": sku.code,
        "name": sku.name,
        "category": sku.category,
        "list_price": _money(sku.list_minor),
        "cost": _money(sku.cost_minor),
    }


def _price(price: catalog.Price) -> Row:
    return {
        "sku": price.sku,
        "channel": price.channel,
        "tier": price.tier,
        "price": _money(price.price_minor),
        "floor": "" if price.floor_minor is None else _money(price.floor_minor),
        "starts_on": _day(price.starts_on),
        "ends_on": _day(price.ends_on),
    }


def _rule(rule: tuple[str, ...]) -> Row:
    return dict(zip(catalog.RULE_COLUMNS.split(","), rule, strict=True))


def order_row(line: demo_sales.Line) -> Row:
    return {
        "order": line.order,
        "line": str(line.line),
        "paid_at": f"{line.paid_at.isoformat()}+08:00",
        "reseller": line.reseller,
        "channel": line.channel,
        "sku": line.sku,
        "quantity": str(line.quantity),
        "gross": _money(line.gross_minor),
        "discount": _money(line.discount_minor) if line.discount_minor else "",
        "buyer": line.buyer,
    }


def refund_row(refund: demo_sales.Refund) -> Row:
    return {
        "refund": refund.code,
        "order": refund.order,
        "line": str(refund.line),
        "refunded_at": f"{refund.refunded_at.isoformat()}+08:00",
        "quantity": str(refund.quantity),
        "amount": _money(refund.amount_minor),
    }


def _adjustment(number: int, sold: list[demo_sales.Line]) -> tuple[Row, str]:
    """The row, and the order that its reason names: that reseller's last of the month, as far as it is known by then."""
    reseller, month, occurred_at, amount_minor, reason = _ADJUSTMENTS[number]
    code, known_by = network.code_of(reseller), dt.datetime.fromisoformat(occurred_at) - _LOOKED_INTO
    order = [
        line.order for line in sold if line.reseller == code and line.paid_at < known_by and line.paid_at.month == int(month)
    ][-1]
    row = {
        "adjustment": f"TZ2026{month}-{number + 1:02}",
        "reseller": code,
        "occurred_at": f"{occurred_at}+08:00",
        "amount": _money(amount_minor),
        "reason": reason.format(order=order),
    }
    return row, order
