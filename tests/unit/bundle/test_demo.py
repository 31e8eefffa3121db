"""The demo brand is what the documents promise, and the same wherever it is made."""

from __future__ import annotations

import collections
import csv
import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest

from qucheng.bundle import demo, demo_catalog, demo_faults
from qucheng.core import money

EXAMPLE = Path(__file__).parents[3] / "docs" / "example-bundle"
Rows = dict[str, list[dict[str, str]]]

MONEY_COLUMNS = {
    "skus": ("list_price", "cost"),
    "prices": ("price", "floor"),
    "orders": ("gross", "discount"),
    "refunds": ("amount",),
    "adjustments": ("amount",),
}
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")


def read(folder: Path) -> Rows:
    rows = {}
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as opened:
            rows[file.stem] = list(csv.DictReader(opened, strict=True))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("demo") / "bundle"
    demo.write(made)
    return made


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    return read(folder)


def test_the_same_bytes_everywhere(folder: Path, tmp_path: Path) -> None:
    demo.write(tmp_path)
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}
    assert demo.fingerprint(folder) == demo.FINGERPRINT


def test_a_folder_is_current_until_it_is_touched(tmp_path: Path) -> None:
    assert not demo.is_current(tmp_path)
    demo.write(tmp_path)
    assert demo.is_current(tmp_path)
    with (tmp_path / "orders.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert not demo.is_current(tmp_path)
    demo.write(tmp_path)
    assert demo.is_current(tmp_path)


def test_as_many_as_promised(rows: Rows) -> None:
    planted = collections.Counter(file.removesuffix(".csv") for file, _ in demo_faults.REJECTIONS)
    assert {name: len(rows[name]) - planted[name] for name in ("resellers", "skus", "channels", "tiers")} == {
        "resellers": 60,
        "skus": 40,
        "channels": 3,
        "tiers": 3,
    }
    assert len(rows["orders"]) == demo.ORDER_LINES == 20_000
    assert 280 <= len(rows["refunds"]) <= 320
    assert {row["paid_at"][:7] for row in rows["orders"] if "T" in row["paid_at"]} == {"2026-08", "2026-09", "2026-10"}
    assert 8 <= len(demo_faults.REJECTIONS) <= 15


def test_evenings_weekends_and_holidays_are_busy(rows: Rows) -> None:
    times = [dt.datetime.fromisoformat(row["paid_at"]) for row in rows["orders"] if "T" in row["paid_at"]]
    by_hour = collections.Counter(at.hour for at in times)
    assert by_hour.most_common(1)[0][0] in {20, 21}
    by_weekday = collections.Counter(at.weekday() for at in times)
    assert min(by_weekday[5], by_weekday[6]) > max(by_weekday[n] for n in range(4))
    by_day = collections.Counter(at.date() for at in times)
    holidays = [by_day[dt.date(2026, 10, n)] for n in range(1, 8)]
    assert min(holidays) > max(by_day[dt.date(2026, 10, n)] for n in (12, 13, 14, 19, 20, 21))


def test_sales_are_skewed(rows: Rows) -> None:
    for column, top, share in (("reseller", 6, 35), ("sku", 8, 30)):
        sold = collections.Counter(row[column] for row in rows["orders"])
        assert sum(count for _, count in sold.most_common(top)) * 100 > share * len(rows["orders"])


def test_money_is_plain_with_two_decimals(rows: Rows) -> None:
    odd = [
        (name, row[column])
        for name, columns in MONEY_COLUMNS.items()
        for row in rows[name]
        for column in columns
        if row[column] and not re.fullmatch(r"-?[0-9]{1,9}\.[0-9]{2}", row[column])
    ]
    assert sorted(odd) == [("orders", "1,299.00"), ("prices", "面议")]


def test_codes_and_texts_are_of_the_permitted_form(rows: Rows) -> None:
    keys = {"refunds": "refund", "orders": "order", "adjustments": "adjustment", "placements": "reseller", "prices": "sku"}
    for name, listed in rows.items():
        for row in listed:
            assert CODE.fullmatch(row[keys.get(name, "code")])
            assert not any(character < " " or character == "\x7f" for value in row.values() for character in value)
            assert len(row.get("name", "x")) in range(1, 81)


def test_references_hold_except_where_planted(rows: Rows) -> None:
    codes = {name: {row["code"] for row in rows[name]} for name in ("resellers", "skus", "channels", "tiers")}
    points_at = {"reseller": "resellers", "parent": "resellers", "sku": "skus", "channel": "channels", "tier": "tiers"}
    dangling = [
        (name, column, row[column])
        for name, listed in rows.items()
        for row in listed
        for column, target in points_at.items()
        if row.get(column) and row[column] not in codes[target]
    ]
    assert sorted(dangling) == [("orders", "reseller", "R088"), ("orders", "sku", "AV-09")]
    keys = {(row["order"], row["line"]) for row in rows["orders"]}
    assert {(row["order"], row["line"]) for row in rows["refunds"]} <= keys
    named = [order for row in rows["adjustments"] for order in re.findall(r"LX[0-9]{6}-[0-9]{4}", row["reason"])]
    assert len(named) == len(rows["adjustments"]) == 12
    assert set(named) <= {order for order, _ in keys}


def test_orders_are_wrong_only_where_planted(rows: Rows) -> None:
    joined = {row["code"]: row["joined_on"] for row in rows["resellers"]}
    seen: dict[tuple[str, str], dict[str, str]] = {}
    found = collections.Counter[str]()
    for row in rows["orders"]:
        key = (row["order"], row["line"])
        if not row["channel"]:
            found["value.missing"] += 1
        elif "," in row["gross"] or "/" in row["paid_at"]:
            found["value.invalid"] += 1
        elif row["reseller"] not in joined or row["sku"] == "AV-09":
            found["ref.unknown"] += 1
        elif minor(row["gross"]) < minor(row["discount"] or "0"):
            found["order.net_negative"] += 1
        elif row["paid_at"][:10] < joined[row["reseller"]]:
            found["order.before_joined"] += 1
        elif key in seen:
            found["duplicate" if seen[key] == row else "key.conflict"] += 1
        else:
            seen[key] = row
    expected = collections.Counter(code for file, code in demo_faults.REJECTIONS if file == "orders.csv")
    assert found == expected + collections.Counter({"duplicate": demo_faults.DUPLICATES})


def test_refunds_are_wrong_only_where_planted(rows: Rows) -> None:
    sold = {(row["order"], row["line"]): row for row in rows["orders"] if row["sku"] != "AV-09"}
    left = {
        key: (int(row["quantity"]), minor(row["gross"]) - minor(row["discount"] or "0"))
        for key, row in sold.items()
        if "," not in row["gross"]
    }
    found = []
    partial = 0
    for row in sorted(rows["refunds"], key=lambda row: (row["refunded_at"], row["refund"])):
        key = (row["order"], row["line"])
        if key not in sold:
            found.append("ref.unknown")
        elif row["refunded_at"] < sold[key]["paid_at"]:
            found.append("refund.before_payment")
        else:
            quantity, amount = left[key][0] - int(row["quantity"]), left[key][1] - minor(row["amount"])
            if min(quantity, amount) < 0:
                found.append("refund.exceeds_line")
            else:
                left[key] = (quantity, amount)
                partial += amount > 0
    assert sorted(found) == ["ref.unknown", "refund.before_payment", "refund.exceeds_line"]
    assert partial > 20
    assert any(row["refunded_at"] > "2026-11" for row in rows["refunds"])


def test_the_plan_leaves_cost_and_stays_under_the_cap_at_the_lowest_price() -> None:
    """The worst case of each SKU: lowest agency price, best rate of each level, top bracket of each bonus."""
    for sku in demo_catalog.SKUS:
        cells = [cell for cell in demo_catalog.PRICES if cell.sku == sku.code]
        floor = max(cell.floor_minor for cell in cells if cell.floor_minor is not None)
        assert min(cell.price_minor for cell in cells) >= floor >= sku.cost_minor
        lowest = min(cell.price_minor for cell in cells if cell.channel != "dealer")
        paid = commissions_at_most_minor(sku, lowest)
        assert paid * 10 <= lowest * 3
        assert lowest - paid >= sku.cost_minor


def commissions_at_most_minor(sku: demo_catalog.Sku, price_minor: int) -> int:
    best: dict[str, int] = {}
    for _, kind, level, only_sku, category, _, _, basis, rate, *_ in demo_catalog.RULES:
        if only_sku not in {"", sku.code} or category not in {"", sku.category}:
            continue
        if kind == "per_unit":
            amount = money.parse_plain(rate, 2)
        else:
            base = price_minor - sku.cost_minor if basis == "margin" else price_minor
            amount = -(-base * money.parse_plain(rate.rpartition(":")[2], 6) // 10**6)
        slot = level or kind
        best[slot] = max(best.get(slot, 0), amount)
    return sum(best.values())


def minor(text: str) -> int:
    return money.parse_plain(text, 2, signed=True)


def test_the_brand_file(folder: Path) -> None:
    brand = tomllib.loads((folder / "brand.toml").read_text(encoding="utf-8"))
    assert brand["brand"]["time_zone"] == "Asia/Shanghai"
    assert brand["compliance"]["policy"] == "cn-two-tier"
    assert brand["compliance"]["expires_on"] > dt.date(2027, 1, 1)
    assert brand["settlement"] == {"hold_days": 7, "min_payout": "50", "withholding": "cn-labor"}


def test_the_example_bundle_is_small_and_whole() -> None:
    rows = read(EXAMPLE)
    assert {name: len(listed) for name, listed in rows.items()} == {
        "adjustments": 1,
        "channels": 2,
        "orders": 7,
        "prices": 3,
        "refunds": 1,
        "resellers": 2,
        "rules": 4,
        "skus": 2,
        "tiers": 2,
    }
    assert tomllib.loads((EXAMPLE / "brand.toml").read_text(encoding="utf-8"))["brand"]["code"] == "shanlan"
    nets = [minor(row["gross"]) - minor(row["discount"] or "0") for row in rows["orders"]]
    assert nets == [75400, 18500, 600000, 150, 25800, 410000, 51600]
