"""Prices that bundles bring: the version they make, what happens to them later, and the way back into a bundle."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.price_shop import DAY, LATER, at, price

from qucheng.bundle import exporting, keeping
from qucheng.catalog import price_errors
from qucheng.catalog.price_records import Change, LimitChange
from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.rooms.catalog.price_shop import Shop

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FIRST = dt.date(2026, 1, 1)


async def test_cells_that_overlap_are_cut(keys: crypto.Keys, tmp_path: Path) -> None:
    """At every date the later beginning is the cell, and the highest floor of the day is the SKU's."""
    shop = await price_shop.opened(
        keys,
        tmp_path,
        code="cut",
        prices=[
            "tea,,,30.00,10.00,2026-01-01,",
            "tea,,,29.00,15.00,2026-03-01,2026-06-01",
            "tea,,,28.00,12.00,2026-04-01,2026-05-01",
            "tea,,,27.00,,2026-08-01,",
            "tea,,,26.00,,2026-07-01,2026-09-01",
            "tea,tmall,,25.00,20.00,2026-02-01,2026-02-10",
        ],
    )
    assert await shop.cells(1) == [
        ("tea", None, None, "2026-01-01", "2026-03-01", 3000),
        ("tea", None, None, "2026-03-01", "2026-04-01", 2900),
        ("tea", None, None, "2026-04-01", "2026-05-01", 2800),
        ("tea", None, None, "2026-05-01", "2026-06-01", 2900),
        ("tea", None, None, "2026-06-01", "2026-07-01", 3000),
        ("tea", None, None, "2026-07-01", "2026-08-01", 2600),
        ("tea", None, None, "2026-08-01", None, 2700),
        ("tea", "tmall", None, "2026-02-01", "2026-02-10", 2500),
    ]
    assert await shop.limits(1) == [
        ("tea", "2026-01-01", "2026-02-01", 1000, None),
        ("tea", "2026-02-01", "2026-02-10", 2000, None),
        ("tea", "2026-02-10", "2026-03-01", 1000, None),
        ("tea", "2026-03-01", "2026-06-01", 1500, None),
        ("tea", "2026-06-01", None, 1000, None),
    ]


async def test_a_bundle_without_prices_makes_no_version(keys: crypto.Keys, tmp_path: Path) -> None:
    shop = await price_shop.opened(keys, tmp_path, code="none", prices=[])
    assert await books.seen(shop.brand, "SELECT * FROM price_version") == []


def order(
    number: str, day: dt.date, gross: str, *, reseller: str = "S1", channel: str = "wechat", sku: str = "tea", quantity: int = 1
) -> str:
    return f"{number},1,{day}T12:00:00,{reseller},{channel},{sku},{quantity},{gross},,"


async def flags(shop: Shop) -> list[str]:
    rows = await books.seen(shop.brand, "SELECT order_no FROM order_flag WHERE code = 'order.price_deviates' ORDER BY order_no")
    return [row[0] for row in rows]


async def deliver(shop: Shop, folder: Path, **tables: list[str]) -> int:
    bundle = price_shop.write(folder / uuid.uuid4().hex, shop.brand.code, **tables)
    return await books.take_in(shop.brand, bundle)


async def test_a_second_delivery_makes_the_next_version(shop: Shop, tmp_path: Path) -> None:
    await deliver(shop, tmp_path, orders=[order("A", FIRST, "27.60"), order("B", FIRST, "27.00")])
    assert await flags(shop) == ["B"]
    await deliver(
        shop,
        tmp_path,
        prices=["tea,,,27.00,,2026-02-01,"],
        orders=[order("C", FIRST, "27.00"), order("D", dt.date(2026, 2, 1), "27.00")],
    )
    assert await flags(shop) == ["B", "C"]
    assert await books.seen(shop.brand, "SELECT number, state, based_on, intake FROM price_version ORDER BY number") == [
        (1, "approved", None, 1),
        (2, "approved", 1, 3),
    ]
    assert [row for row in await shop.cells(2) if row[1:3] == (None, None)] == [
        ("tea", None, None, "2026-01-01", "2026-02-01", 2760),
        ("tea", None, None, "2026-02-01", None, 2700),
    ]


async def test_orders_are_judged_by_the_version_of_their_instant(shop: Shop, tmp_path: Path) -> None:
    """DAY begins at 16:00 UTC of the day before. What is not sold has no price to deviate from."""
    await shop.publish(price(2700), Change(sku="tea", channel="dealer", tier=None, action="close"), on=DAY)
    eve = DAY - dt.timedelta(days=1)
    await deliver(
        shop,
        tmp_path,
        prices=[],
        orders=[
            f"A,1,{eve}T15:59:59Z,S1,wechat,tea,2,55.20,,",
            f"B,1,{eve}T16:00:00Z,S1,wechat,tea,2,55.20,,",
            f"C,1,{eve}T16:00:00Z,S1,wechat,tea,2,54.00,,",
            order("D", eve, "1.00", channel="dealer"),
            order("E", DAY, "1.00", channel="dealer"),
            order("F", DAY, "1.00", sku="pass"),
        ],
    )
    assert await flags(shop) == ["B", "D"]


async def test_new_prices_after_an_approval_stop_the_delivery(shop: Shop, tmp_path: Path, owner: asyncpg.Connection) -> None:
    await shop.publish(price(2700))
    before = await books.everything(owner)
    with pytest.raises(price_errors.PricesKeptError) as caught:
        await deliver(shop, tmp_path, prices=["pass,,,48.00,,2026-01-01,"], orders=[order("A", FIRST, "1.00")])
    assert (caught.value.code, caught.value.status) == ("brand.prices_kept", 409)
    assert await books.everything(owner) == before
    bundle = price_shop.write(tmp_path / "kept", shop.brand.code, prices=["pass,,,48.00,,2026-01-01,"])
    with pytest.raises(price_errors.PricesKeptError):
        await keeping.take_in(folder=bundle, out=None, now=books.NOW, progress=books.QUIET)
    assert await books.everything(owner) == before
    await deliver(shop, tmp_path, orders=[order("A", FIRST, "27.60")])
    assert await books.seen(shop.brand, "SELECT count(*) FROM order_line") == [(1,)]


async def test_a_draft_does_not_stop_a_delivery(shop: Shop, tmp_path: Path) -> None:
    await shop.change(await shop.draft(), price(2700))
    await deliver(shop, tmp_path, prices=["pass,,,48.00,,2026-01-01,"])
    assert (await shop.quoted("pass", "wechat", "S1", at(FIRST))).unit_minor == 4800


async def test_the_cost_of_the_day_is_frozen(shop: Shop, tmp_path: Path) -> None:
    """The price book's from its day on, and the SKU's before; what changes later changes no line."""
    await shop.publish(limits=(LimitChange(sku="tea", cost_minor=2100, starts_on=LATER),), on=DAY)
    await deliver(
        shop, tmp_path, orders=[order("A", DAY, "27.60"), order("B", LATER, "27.60"), order("C", LATER, "50.00", sku="pass")]
    )
    await shop.publish(limits=(LimitChange(sku="tea", cost_minor=2200, starts_on=DAY),), on=DAY)
    await deliver(shop, tmp_path, orders=[order("D", DAY, "27.60")])
    costs = "SELECT order_no, cost_minor FROM order_line ORDER BY order_no"
    assert await books.seen(shop.brand, costs) == [("A", 2000), ("B", 2100), ("C", 1000), ("D", 2200)]


ORDERS = [
    f"O{n}-{reseller}-{channel}-{sku}-{gross},1,{day}T12:00:00,{reseller},{channel},{sku},1,{gross},,"
    for n, day in enumerate((FIRST, dt.date(2026, 11, 9), dt.date(2026, 11, 10), DAY, LATER, dt.date(2101, 9, 1)))
    for reseller in ("G1", "S1")
    for channel in ("tmall", "wechat", "dealer")
    for sku, gross in (
        ("tea", "26.50"),
        ("tea", "26.80"),
        ("tea", "27.60"),
        ("tea", "27.00"),
        ("tea", "25.00"),
        ("pass", "45.00"),
    )
]


async def test_the_books_as_a_bundle_give_the_same_flags(shop: Shop, tmp_path: Path) -> None:
    """Versions, an end, a mark and floors over time are rows of prices.csv; in another brand they flag the same orders."""
    await shop.publish(
        price(2700, starts_on=FIRST),
        price(2500, channel="wechat", tier="silver", starts_on=DAY, ends_on=LATER),
        Change(sku="tea", channel="dealer", tier=None, action="close", starts_on=LATER, ends_on=dt.date(2101, 8, 1)),
        limits=(LimitChange(sku="tea", floor_minor=2450, starts_on=LATER),),
        on=DAY,
    )
    await shop.publish(price(4500, sku="pass", starts_on=DAY), price(2650, tier="gold", starts_on=LATER), on=LATER)
    await deliver(shop, tmp_path, prices=[], orders=ORDERS)
    out = tmp_path / "books"
    await exporting.write(brand=shop.brand, out=out, progress=books.QUIET)
    rows = (out / "prices.csv").read_text(encoding="utf-8").splitlines()
    assert rows[:4] == [
        "sku,channel,tier,price,floor,starts_on,ends_on",
        "pass,,,45.00,,2101-06-01,",
        "tea,dealer,,27.60,24.60,2026-01-01,2026-11-10",
        "tea,dealer,,27.60,24.60,2026-11-10,2101-03-01",
    ]
    toml = out / "brand.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace(shop.brand.code, f"again-{shop.brand.code[:20]}"), encoding="utf-8")
    again = await books.found(out)
    await books.take_in(again, out)
    wanted = await flags(shop)
    found = await books.seen(again, "SELECT order_no FROM order_flag WHERE code = 'order.price_deviates' ORDER BY order_no")
    assert [row[0] for row in found] == wanted
    assert 0 < len(wanted) < len(ORDERS)
    floors = "SELECT starts_on::text, ends_on::text, floor_minor FROM price_limit ORDER BY starts_on"
    assert await books.seen(again, floors) == [("2026-01-01", "2101-06-01", 2460), ("2101-06-01", None, 2450)]


DATES = st.integers(0, 12).map(lambda n: FIRST + dt.timedelta(days=n))
ROWS = st.lists(
    st.tuples(st.sampled_from(["", "tmall"]), st.sampled_from(["", "gold"]), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 5)), DATES, st.one_of(st.none(), DATES)),
    max_size=8,
)  # fmt: skip
# channel, tier, price, floor, from, until
Given: TypeAlias = tuple[str, str, int, "int | None", dt.date, "dt.date | None"]
BROUGHT = (
    "INSERT INTO channel_price (brand_id, sku, channel, tier, price_minor, floor_minor, starts_on, ends_on)"
    " VALUES ($1, 'tea', nullif($2, ''), nullif($3, ''), $4, $5, $6, $7)"
)
CELLS = "SELECT coalesce(channel, ''), coalesce(tier, ''), price_minor, starts_on, ends_on FROM price_cell WHERE version = $1"
FLOORS = "SELECT floor_minor, starts_on, ends_on FROM price_limit WHERE version = $1"


class UndoneError(Exception):
    """What an example has written goes with it."""


@pytest.fixture(scope="module")
async def ground(workspace: books.Workspace, keys: crypto.Keys, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    assert workspace
    return await price_shop.opened(keys, tmp_path_factory.mktemp("ground"), code="ground", prices=[])


@given(rows=ROWS)
@settings(max_examples=60, deadline=None)
async def test_cutting_against_the_sentence(ground: Shop, rows: list[Given]) -> None:
    """Day by day: the cell is the row of the key that began last, and the floor the highest of the day."""
    fit = [row for row in {(*row[:2], row[4]): row for row in rows}.values() if row[5] is None or row[5] > row[4]]
    with contextlib.suppress(UndoneError):
        async with db.atomic(ground.brand.id):
            await db.connection().executemany(BROUGHT, [(ground.brand.id, *row) for row in fit])
            version = await db.connection().fetchval("SELECT import_prices(1)")
            cells = [tuple(row) for row in await db.connection().fetch(CELLS, version)]
            floors = [tuple(row) for row in await db.connection().fetch(FLOORS, version)]
            for n in range(14):
                day = FIRST + dt.timedelta(days=n)
                assert sorted(row[:3] for row in cells if within(day, *row[3:])) == cells_of(fit, day)
                highest = max((row[3] for row in fit if row[3] is not None and within(day, *row[4:])), default=None)
                assert [row[0] for row in floors if within(day, *row[1:])] == ([] if highest is None else [highest])
            raise UndoneError


def within(day: dt.date, starts_on: dt.date, ends_on: dt.date | None) -> bool:
    return starts_on <= day and (ends_on is None or day < ends_on)


def cells_of(rows: list[Given], day: dt.date) -> list[tuple[str, str, int]]:
    """Of each key the price of the row that began last."""
    last: dict[tuple[str, str], tuple[dt.date, int]] = {}
    for channel, tier, minor, _floor, starts_on, ends_on in rows:
        if within(day, starts_on, ends_on):
            last[channel, tier] = max(last.get((channel, tier), (dt.date.min, 0)), (starts_on, minor))
    return sorted((*key, minor) for key, (_, minor) in last.items())


async def test_many_rows_are_cut_in_a_moment(keys: crypto.Keys, tmp_path: Path) -> None:
    skus = [f"s{n},券,茶,30.00,20.00" for n in range(1000)]
    prices = [
        f"s{n},{channel},,{20 + month}.00,10.00,2026-{month:02}-01,"
        for n in range(1000)
        for channel in ("", "tmall", "wechat")
        for month in (1, 3)
    ]
    shop = await price_shop.opened(keys, tmp_path, code="many", skus=skus, prices=prices)
    assert await books.seen(shop.brand, "SELECT count(*), count(ends_on) FROM price_cell") == [(6000, 3000)]
