"""Files that are broken, hostile or merely odd: what stops the import, what is one rejected row, and what is plain text."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from tests import product

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("product_home")
BRAND = """[brand]
code = "tea"
name = "茶"
currency = "CNY"
time_zone = "Asia/Shanghai"

[compliance]
policy = "cn-strict"

[settlement]
hold_days = 0
"""
GOOD = {
    "brand.toml": BRAND,
    "tiers.csv": "code,name,rank\ngold,金牌,1\n",
    "channels.csv": "code,name,kind\nshop,店,agency\n",
    "resellers.csv": "code,name,kind,parent,tier,joined_on,identity\nr1,甲,company,,gold,2026-01-01,\n",
    "skus.csv": "code,name,category,list_price,cost\ngreen,绿茶,leaf,10.00,4.00\n",
    "rules.csv": "code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on\nk1,percent,1,,,,,net,0.1,,,\n",
    "orders.csv": "order,line,paid_at,reseller,channel,sku,quantity,gross,discount,buyer\n"
    "o1,1,2026-02-03T04:05:06,r1,shop,green,1,10.00,,\n",
    "refunds.csv": "refund,order,line,refunded_at,quantity,amount\n",
}
ORDERS = GOOD["orders.csv"].splitlines()[0]
MILLION = 10**6
STATEMENT = "tea-202602-000001,2026-02,r1,company,0.00,{0},0.00,0.00,0.00,{0},{0},0.00,{0},0.00"


def written(folder: Path, **changes: str | bytes | None) -> Path:
    """The good bundle with some files changed (by their names without .csv or .toml), or left out."""
    folder.mkdir()
    for name, text in GOOD.items():
        content = changes.get(name.partition(".")[0], text)
        if content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def order(place: int = 2, **values: str) -> str:
    row = {"order": f"o{place}", "line": "1", "paid_at": "2026-02-03T04:05:06", "reseller": "r1", "channel": "shop"}
    row |= {"sku": "green", "quantity": "1", "gross": "10.00", "discount": "", "buyer": ""} | values
    return ",".join(row.values()) + "\n"


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def stops(bundle: Path, out: Path) -> str:
    """The import stops: exit status 1, a reason, and nothing written. Returns the reason."""
    run = product.settle(bundle, "2026-03", out)
    assert run.status == 1, run.stderr or run.stdout
    assert "Traceback" not in run.stderr
    assert not out.exists() or not list(out.iterdir())
    assert run.stderr.strip()
    return run.stderr


def settles(bundle: Path, out: Path, *, status: int = 0) -> list[tuple[str, int, str]]:
    """It settles; returns what was rejected."""
    run = product.settle(bundle, "2026-03", out)
    assert run.status == status, run.stderr or run.stdout
    return [(file, int(row), code) for file, row, code, *_ in rows(out / "rejected.csv")]


def statements(out: Path) -> list[str]:
    return (out / "statements.csv").read_text(encoding="utf-8").splitlines()[1:]


def test_the_good_bundle_settles(tmp_path: Path) -> None:
    assert settles(written(tmp_path / "bundle"), tmp_path / "out") == []
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            (ORDERS + "\n").encode() + "o2,1,2026-02-03T04:05:06,r1,shop,green,1,1,,买\n".encode("gb18030"), id="not UTF-8"
        ),
        pytest.param((ORDERS + "\n").encode() + b"\xff\xfe\n", id="bytes that are no text"),
        pytest.param(GOOD["orders.csv"].encode("utf-16"), id="UTF-16"),
        pytest.param(GOOD["orders.csv"] + 'o2,1,2026-02-03T04:05:06,r1,shop,green,1,1,,"cut', id="quoting cut off"),
        pytest.param(GOOD["orders.csv"] + 'o2,1,2026-02-03T04:05:06,r1,shop,green,1,1,,"a"b\n', id="quoting broken"),
        pytest.param("", id="empty"),
        pytest.param("\n\n", id="only blank lines"),
        pytest.param(ORDERS.replace("buyer", "bayer") + "\n", id="an unknown column"),
        pytest.param(ORDERS.replace("buyer", "") + "\n", id="a column without a name"),
        pytest.param(ORDERS.replace("buyer", "Order") + "\n", id="a column in capitals"),
        pytest.param(ORDERS + ",order\n", id="a repeated column"),
        pytest.param(ORDERS.replace(",gross", "") + "\n", id="a required column missing"),
        pytest.param(ORDERS.replace(",", ";") + "\n", id="semicolons"),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_import(tmp_path: Path, content: str | bytes) -> None:
    assert "orders.csv" in stops(written(tmp_path / "bundle", orders=content), tmp_path / "out")


@pytest.mark.parametrize("name", ["tiers", "channels", "resellers", "skus", "rules", "orders", "brand"])
def test_a_required_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    assert name in stops(written(tmp_path / "bundle", **{name: None}), tmp_path / "out")


def test_an_optional_file_is_read_as_strictly_as_any(tmp_path: Path) -> None:
    assert "refunds.csv" in stops(written(tmp_path / "bundle", refunds="refund,order\n"), tmp_path / "out")


def test_an_optional_file_may_be_missing(tmp_path: Path) -> None:
    assert settles(written(tmp_path / "bundle", refunds=None), tmp_path / "out") == []


def test_a_header_with_a_million_columns(tmp_path: Path) -> None:
    header = ORDERS + "," + ",".join(f"c{place}" for place in range(MILLION))
    assert len(stops(written(tmp_path / "bundle", orders=header + "\n"), tmp_path / "out")) < 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[settlement]", '[settlement]\ncolour = "red"'),
        ("[settlement]", "[payouts]\nmonthly = true\n[settlement]"),
        ('name = "茶"', ""),
        ('code = "tea"', 'code = "green tea"'),
        ('code = "tea"', "code = 7"),
        ('name = "茶"', f'name = "{"茶" * 81}"'),
        ('currency = "CNY"', 'currency = "XYZ"'),
        ('currency = "CNY"', 'currency = "KWD"'),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "Asia/Atlantis"'),
        ('time_zone = "Asia/Shanghai"', 'time_zone = ""'),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "localtime"'),
        ('policy = "cn-strict"', 'policy = "lax"'),
        ('policy = "cn-strict"', ""),
        ('policy = "cn-strict"', 'policy = "cn-strict"\nmax_depth = 3'),
        ('policy = "cn-strict"', 'policy = "cn-strict"\nmax_depth = 0'),
        ('policy = "cn-strict"', 'policy = "cn-strict"\nmax_levels = 2'),
        ('policy = "cn-strict"', 'policy = "cn-strict"\nmax_total_rate = "0.300001"'),
        ('policy = "cn-strict"', 'policy = "cn-strict"\nmax_total_rate = 0.2'),
        ('policy = "cn-strict"', 'policy = "intl"\nmax_total_rate = "0.51"'),
        ('policy = "cn-strict"', 'policy = "intl"\nmax_levels = 4'),
        ('policy = "cn-strict"', 'policy = "cn-two-tier"'),
        ('policy = "cn-strict"', 'policy = "cn-two-tier"\nexpires_on = 2027-01-01'),
        ('policy = "cn-strict"', 'policy = "cn-two-tier"\nlegal_opinion = "LO-1"'),
        ('policy = "cn-strict"', 'policy = "cn-two-tier"\nlegal_opinion = ""\nexpires_on = 2027-01-01'),
        ("hold_days = 0", "hold_days = 91"),
        ("hold_days = 0", "hold_days = -1"),
        ("hold_days = 0", 'hold_days = "7"'),
        ("hold_days = 0", "hold_days = 7.5"),
        ("hold_days = 0", "hold_days = true"),
        ("hold_days = 0", "min_payout = 10"),
        ("hold_days = 0", 'min_payout = "-1"'),
        ("hold_days = 0", 'min_payout = "1.001"'),
        ("hold_days = 0", 'withholding = "some"'),
        ("[brand]", "[brand"),
    ],
)
def test_a_brand_that_is_wrong_stops_the_import(tmp_path: Path, old: str, new: str) -> None:
    assert old in BRAND
    assert "brand.toml" in stops(written(tmp_path / "bundle", brand=BRAND.replace(old, new)), tmp_path / "out")


@pytest.mark.parametrize("scheme", ["cn-labor", "cn-platform"])
def test_withholding_of_china_needs_its_currency(tmp_path: Path, scheme: str) -> None:
    brand = BRAND.replace('"CNY"', '"USD"').replace("hold_days = 0", f'withholding = "{scheme}"')
    assert "brand.toml" in stops(written(tmp_path / "bundle", brand=brand), tmp_path / "out")


def test_a_brand_file_that_is_no_text(tmp_path: Path) -> None:
    assert "brand.toml" in stops(written(tmp_path / "bundle", brand=b"\xff\x00"), tmp_path / "out")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        pytest.param("o2,1,2026-02-03T04:05:06,r1\n", "value.missing", id="short"),
        pytest.param("o2\n", "value.missing", id="one field"),
        pytest.param(",,,,,,,,,\n", "value.missing", id="commas"),
        pytest.param(order().rstrip("\n") + ",\n", "value.invalid", id="long by a blank"),
        pytest.param(order().rstrip("\n") + "," * MILLION + "\n", "value.invalid", id="long by a million"),
        pytest.param(order(buyer="a\0b"), "value.invalid", id="a NUL byte"),
        pytest.param(order(order="o\0"), "value.invalid", id="a NUL byte in the key"),
        pytest.param(order(buyer='"a\nb"'), "value.invalid", id="a line break in a value"),
        pytest.param(order(buyer='"a\rb"'), "value.invalid", id="a carriage return in a value"),
        pytest.param(order(buyer="a\x7f"), "value.invalid", id="a delete character"),
        pytest.param(order(gross="9" * 4000), "value.invalid", id="a huge amount"),
        pytest.param(order(gross="1." + "0" * 4000), "value.invalid", id="a long fraction"),
        pytest.param(order(gross="10000000000"), "value.invalid", id="an amount of ten thousand million"),
        pytest.param(order(quantity="1" + "0" * 4000), "value.invalid", id="a huge quantity"),
        pytest.param(order(quantity="0"), "value.invalid", id="no quantity"),
        pytest.param(order(gross="1e3"), "value.invalid", id="an exponent"),
        pytest.param(order(gross="１０"), "value.invalid", id="digits of another width"),
        pytest.param(order(gross='"1,000"'), "value.invalid", id="a separator"),
        pytest.param(order(paid_at="2026-02-29T00:00:00"), "value.invalid", id="a day that is none"),
        pytest.param(order(paid_at="9" * 4000), "value.invalid", id="a huge date"),
        pytest.param(order(order="x" * 41), "value.invalid", id="a long code"),
        pytest.param(order(order="x" * MILLION), "value.invalid", id="a code of a million characters"),
        pytest.param(order(sku="=1+1"), "value.invalid", id="a formula as a code"),
        pytest.param(order(sku="black"), "ref.unknown", id="an unknown SKU"),
        pytest.param(order(discount="10.01"), "order.net_negative", id="more discount than gross"),
        pytest.param(order(paid_at="2025-12-31T23:59:59.999999"), "order.before_joined", id="a moment too early"),
    ],
)
def test_a_bad_row_stops_no_other(tmp_path: Path, row: str, code: str) -> None:
    content = f"{ORDERS}\n{row}{order(3)}"
    rejected = settles(written(tmp_path / "bundle", orders=content), tmp_path / "out", status=3)
    assert rejected == [("orders.csv", 1, code)]
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


def test_a_level_of_more_digits_than_a_number_has(tmp_path: Path) -> None:
    content = GOOD["rules.csv"] + f"k2,percent,{'9' * 200_000},,,,,net,0.1,,,\nk3,percent,{'0' * 200_000}1,,,,,net,0.2,5,,\n"
    rejected = settles(written(tmp_path / "bundle", rules=content), tmp_path / "out", status=3)
    assert rejected == [("rules.csv", 2, "rule.level_exceeded")]
    assert statements(tmp_path / "out") == [STATEMENT.format("2.00")]


def test_a_short_row_is_filled_with_blanks(tmp_path: Path) -> None:
    content = f"{ORDERS}\no2,1,2026-02-03T04:05:06,r1,shop,green,1,10.00\n"
    assert settles(written(tmp_path / "bundle", orders=content), tmp_path / "out") == []
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


def test_a_key_of_a_rejected_row_is_free_and_a_repeated_row_is_ignored(tmp_path: Path) -> None:
    content = (
        f"{ORDERS}\n{order(sku='black')}{order()}{order(gross='10')}{order(paid_at='2026-02-02T20:05:06Z')}{order(gross='11')}"
    )
    rejected = settles(written(tmp_path / "bundle", orders=content), tmp_path / "out", status=3)
    assert rejected == [("orders.csv", 1, "ref.unknown"), ("orders.csv", 5, "key.conflict")]
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


@pytest.mark.parametrize(
    "name", ["=1+1", "@SUM(A1:A9)", "+1", "-1", "<script>", "'; DROP TABLE x; --", "$1 %s {0} \\N \\.", "极" * 80]
)
def test_a_name_is_plain_text(tmp_path: Path, name: str) -> None:
    files = {file: GOOD[f"{file}.csv"].replace(old, f'"{name}"') for file, old in (("skus", "绿茶"), ("resellers", "甲"))}
    assert settles(written(tmp_path / "bundle", **files), tmp_path / "out") == []
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


def test_a_byte_order_mark_crlf_blank_lines_and_any_order_of_columns(tmp_path: Path) -> None:
    files = {
        name.partition(".")[0]: "\ufeff" + text.replace("\n", "\r\n\r\n") for name, text in GOOD.items() if name != "brand.toml"
    }
    header = "buyer,gross,quantity,sku,channel,reseller,paid_at,line,order"
    lines = [header, ",10.00,1,green,shop,r1,2026-02-03T04:05:06,1,o1", "", "", ",1,1,black,shop,r1,2026-02-03T04:05:06,1,o2"]
    files["orders"] = "\ufeff" + "\r\n".join(lines)
    rejected = settles(written(tmp_path / "bundle", **files), tmp_path / "out", status=3)
    assert rejected == [("orders.csv", 2, "ref.unknown")], "blank lines are not counted"
    assert statements(tmp_path / "out") == [STATEMENT.format("1.00")]


def test_the_largest_amounts_of_all(tmp_path: Path) -> None:
    lines = "".join(order(place, quantity="1000000", gross="9999999999.99") for place in range(50))
    assert settles(written(tmp_path / "bundle", orders=f"{ORDERS}\n{lines}"), tmp_path / "out") == []
    assert statements(tmp_path / "out") == [STATEMENT.format("50000000000.00")]


def test_a_bundle_of_headers_writes_headers(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle", orders=ORDERS + "\n")
    assert settles(bundle, tmp_path / "out") == []
    assert statements(tmp_path / "out") == []
    header = "period,statement_no,reseller,kind,level,order,line,refund,rule,of_period,basis_amount,rate,amount,occurred_at,matures_at\n"
    assert (tmp_path / "out" / "entries.csv").read_text(encoding="utf-8") == header


@pytest.mark.parametrize(
    "arguments",
    [
        ("settle",),
        ("settle", "BUNDLE"),
        ("settle", "BUNDLE", "--through", "2026-03"),
        ("settle", "BUNDLE", "--out", "OUT"),
        ("settle", "BUNDLE", "--through", "2026-13", "--out", "OUT"),
        ("settle", "BUNDLE", "--through", "2026-3", "--out", "OUT"),
        ("settle", "BUNDLE", "--through", "March", "--out", "OUT"),
        ("settle", "BUNDLE", "--through", "2026-03", "--out", "OUT", "--colour", "red"),
        ("settle", "BUNDLE", "BUNDLE", "--through", "2026-03", "--out", "OUT"),
        ("sette", "BUNDLE", "--through", "2026-03", "--out", "OUT"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    places = {"BUNDLE": written(tmp_path / "bundle"), "OUT": tmp_path / "out"}
    run = product.run(*(places.get(argument, argument) for argument in arguments))
    assert run.status == 2
    assert not (tmp_path / "out").exists()


def test_a_place_for_the_books_that_is_no_folder(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    for out in (taken, taken / "books"):
        run = product.settle(written(tmp_path / f"bundle-{out.name}"), "2026-03", out)
        assert (run.status, "is not a folder" in run.stderr) == (2, True)
    assert taken.read_text(encoding="utf-8") == "mine"


@pytest.mark.long
def test_a_gigabyte_of_orders_is_streamed(tmp_path: Path) -> None:
    """Ordinary lines that earn nothing: the process never holds more than a fraction of the file."""
    bundle = written(tmp_path / "bundle", rules=GOOD["rules.csv"].splitlines()[0] + "\n")
    wide = "x" * 31
    with (bundle / "orders.csv").open("w", encoding="utf-8") as file:
        file.write(ORDERS + "\n")
        place = 0
        while file.tell() < 2**30:
            batch = range(place, place + 10_000)
            file.writelines(order(at, order=f"{wide}{at:09d}", buyer=f"{at:064x}" * 2) for at in batch)
            place += 10_000
    status, peak = product.peak_memory(bundle, "2026-03", tmp_path / "out", limit=5400)
    assert status == 0
    assert peak < 500 * 2**20
    assert statements(tmp_path / "out") == []
