"""Statements for tests, put together from entries the way the struct's docstrings say."""

import csv
import datetime as dt
import hashlib
import io
import random
from fractions import Fraction
from typing import Any

import msgspec
from tests.model import values

from qucheng.core import money
from qucheng.settlement import document as documents
from qucheng.settlement import document_pool

ITEMS = [
    ("JK-2T-Y", "极客网盘 2TB·年卡", 24800, "0.1"),
    ("QC-50", "栖茶 50 元代金券", 4480, "0.06"),
    ("QC-30", "栖茶 30 元代金券", 2680, "0.06"),
    ("YH-VIP-Y", "优盒视频会员·年卡", 20900, "0.075"),
    ("YS-HZ-Y", "云声音乐黑钻·年卡", 14600, "0.09"),
    ("YH-VIP-M", "优盒视频会员·月卡", 2190, "0.08"),
    ("YH-VIP-Q", "优盒视频会员·季卡", 5980, "0.08"),
    ("JY-100", "捷加油 100 元加油券", 9690, "0.012"),
]
Row = dict[str, Any]


def entries(count: int, *, items: int = len(ITEMS), seed: int = 7, decimals: int = 2) -> list[Row]:
    """`count` accruals and reversals of 2026-03, in order of time: about one in twenty is a refund of an earlier line."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for number in range(count):
        at = dt.datetime(2026, 3, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number * (29 * 86400 // max(count, 1)))
        accruals = [row for row in rows if row["kind"] == "accrual" and not row["refunded"]]
        if number % 20 == 17 and accruals:
            rows.append(_refund(chance.choice(accruals), f"R{number:05d}", at))
            continue
        code, name, price, rate = ITEMS[number % len(ITEMS)]
        if items > len(ITEMS):
            code, name = f"SKU-{number % items:04d}", f"{name} {number % items}"
        price = price if decimals else price * 20
        quantity = chance.choice((1, 2, 2, 5, 10, 20, 50))
        rows.append(_accrual(f"D{1001000000 + number * 7919}", at, code, name, quantity, quantity * price, rate))
    return rows


def _accrual(order: str, at: dt.datetime, sku: str, name: str, quantity: int, net: int, rate: str) -> Row:
    return {
        "kind": "accrual", "level": 1, "order": order, "line": "1", "refund": None, "rule": "R-1", "sku": sku, "sku_name": name,
        "quantity": quantity, "net": net, "basis": "net", "basis_amount": net, "rate": rate, "at": at, "refunded": False,
        "amount": values.rounded(net * Fraction(rate)),
    }  # fmt: skip


def _refund(accrual: Row, code: str, at: dt.datetime) -> Row:
    """Half of the units are given back."""
    accrual["refunded"] = True
    quantity = (accrual["quantity"] + 1) // 2
    net = accrual["net"] // accrual["quantity"] * quantity
    left = accrual["net"] - net
    amount = values.rounded(left * Fraction(accrual["rate"])) - accrual["amount"]
    return accrual | {
        "kind": "reversal", "refund": code, "quantity": -quantity, "net": -net, "basis_amount": left, "amount": amount, "at": at,
    }  # fmt: skip


def make(rows: list[Row], *, zone: int = 8, **changes: Any) -> tuple[documents.StatementDocument, bytes]:
    """The document of these entries and its CSV. `changes` replace fields, the sums follow them."""
    bonuses: tuple[documents.Bonus, ...] = changes.get("bonuses", ())
    adjustments: tuple[documents.Adjustment, ...] = changes.get("adjustments", ())
    rows = sorted(rows, key=lambda r: (r["at"], r["order"], r["line"], r["kind"], r["refund"] or ""))
    largest = sorted(range(len(rows)), key=lambda i: (-abs(rows[i]["amount"]), i))[: documents.LINES_SHOWN]
    shown = sorted(largest)
    decimals = changes.get("decimals", 2)
    attachment = _csv(rows, {index: number for number, index in enumerate(shown, 1)}, bonuses, adjustments, decimals)

    accrued = sum(r["amount"] for r in rows if r["kind"] == "accrual")
    reversed_ = sum(r["amount"] for r in rows if r["kind"] == "reversal")
    bonus, adjustment = sum(b.amount for b in bonuses), sum(a.amount for a in adjustments)
    opening, tax = changes.pop("opening", 0), changes.pop("tax", 0)
    payable = opening + accrued + reversed_ + bonus + adjustment
    paid = payable > 0 and payable >= changes.get("min_payout", 0)
    skus, skus_rest = _skus(rows)
    facts = {
        "brand_code": "nanyu", "brand_name": "南屿权益科技有限公司", "currency": "CNY", "decimals": 2, "time_zone": "Asia/Shanghai",
        "locale": "zh-CN", "reseller_code": "R-0037", "reseller_name": "临江优选商行", "reseller_kind": "company", "tier_name": "金牌",
        "statement_no": "nanyu-202603-000037", "period": "2026-03", "first_day": dt.date(2026, 3, 1), "last_day": dt.date(2026, 3, 31),
        "opening": opening, "accrued": accrued, "reversed": reversed_, "bonus": bonus, "adjustment": adjustment,
        "gross": payable - opening, "payable": payable, "tax": tax if paid else 0, "net": payable - tax if paid else 0,
        "carried": 0 if paid else payable, "withholding": documents.Withholding(scheme="none"), "hold_days": 7, "min_payout": 0,
        "max_depth": 2, "max_levels": 1,
        "counts": documents.Counts(
            accruals=sum(r["kind"] == "accrual" for r in rows), reversals=sum(r["kind"] == "reversal" for r in rows),
            bonuses=len(bonuses), adjustments=len(adjustments),
        ),
        "skus": skus, "skus_rest": skus_rest, "bonuses": bonuses, "bonuses_rest": documents.Rest(), "adjustments": adjustments,
        "adjustments_rest": documents.Rest(), "lines": tuple(_line(rows[i], zone) for i in shown),
        "days_rest": _days([r for i, r in enumerate(rows) if i not in set(shown)], zone),
        "csv_sha256": hashlib.sha256(attachment).hexdigest(),
    }  # fmt: skip
    return msgspec.convert(facts | changes, documents.StatementDocument), attachment


def item(document: documents.StatementDocument, lines_csv: bytes) -> document_pool.Item:
    return document_pool.Item(document.statement_no, documents.canonical_json(document), lines_csv)


def _skus(rows: list[Row]) -> tuple[tuple[documents.Sku, ...], documents.SkusRest]:
    found: dict[str, Row] = {}
    for row in rows:
        sku = found.setdefault(row["sku"], {"name": row["sku_name"], "lines": 0, "quantity": 0, "net": 0, "commission": 0})
        sku["lines"] += row["kind"] == "accrual"
        sku["quantity"] += row["quantity"]
        sku["net"] += row["net"]
        sku["commission"] += row["amount"]
    ordered = sorted(found.items(), key=lambda item: (-item[1]["commission"], item[0]))
    rest = [sku for _, sku in ordered[documents.SKUS_SHOWN :]]
    totals = {field: sum(sku[field] for sku in rest) for field in ("lines", "quantity", "net", "commission")}
    return (
        tuple(documents.Sku(code=code, **sku) for code, sku in ordered[: documents.SKUS_SHOWN]),
        documents.SkusRest(skus=len(rest), **totals),
    )


def _local(row: Row, zone: int) -> dt.date:
    at: dt.datetime = row["at"]
    return (at + dt.timedelta(hours=zone)).date()


def _line(row: Row, zone: int) -> documents.Line:
    kept = {field: row[field] for field in documents.Line.__struct_fields__ if field != "date"}
    return documents.Line(date=_local(row, zone), **kept)


def _days(rows: list[Row], zone: int) -> tuple[documents.DayRest, ...]:
    days: dict[dt.date, list[Row]] = {}
    for row in rows:
        days.setdefault(_local(row, zone), []).append(row)
    return tuple(
        documents.DayRest(date=day, count=len(of), net=sum(r["net"] for r in of), amount=sum(r["amount"] for r in of))
        for day, of in sorted(days.items())
    )


def _csv(
    rows: list[Row],
    numbers: dict[int, int],
    bonuses: tuple[documents.Bonus, ...],
    adjustments: tuple[documents.Adjustment, ...],
    decimals: int,
) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, documents.CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for index, row in enumerate(rows):
        kept = {name: row[name] for name in documents.CSV_COLUMNS if row.get(name) is not None}
        amounts = {name: money.format_plain(row[name], decimals) for name in ("net", "amount")}
        if row["basis"] != "unit":
            amounts["basis_amount"] = money.format_plain(row["basis_amount"], decimals)
        at = row["at"].strftime("%Y-%m-%dT%H:%M:%SZ")
        writer.writerow(kept | amounts | {"row": numbers.get(index, ""), "occurred_at": at, "matures_at": at})
    for bonus in bonuses:
        facts = {"kind": "bonus", "rule": bonus.rule, "of_period": bonus.of_period, "basis": bonus.basis, "rate": bonus.brackets}
        writer.writerow(facts | {"amount": money.format_plain(bonus.amount, decimals)})
    for adjustment in adjustments:
        amount = money.format_plain(adjustment.amount, decimals)
        writer.writerow({"kind": "adjustment", "order": adjustment.code, "amount": amount})
    return target.getvalue().encode()
