"""The price book as a table: what is in force in each cell, where it comes from, what a draft changes and what is to come."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests.rooms.catalog.price_shop import BASE, DAY, LATER, NOW, TODAY, price

from qucheng.catalog import price_errors, price_matrix
from qucheng.catalog.price_records import Cell, Change, Column, Filter, Key, Limit, LimitChange, Piece
from qucheng.core import db

if TYPE_CHECKING:
    from tests.rooms.catalog.price_shop import Shop

    from qucheng.catalog.price_records import Matrix

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

START, TENTH = dt.date(2026, 1, 1), dt.date(2026, 11, 10)
COLUMNS = [Column(), Column(tier="gold"), Column(channel="tmall"), Column(channel="tmall", tier="gold"), Column(channel="wechat")]


async def read(shop: Shop, version: int | None, day: dt.date = TODAY, **given: Any) -> Matrix:
    chosen = Filter(**{name: given.pop(name) for name in list(given) if name not in {"skip", "most"}})
    return await price_matrix.matrix(
        brand_id=shop.brand.id, version=version, columns=COLUMNS, day=day, now=NOW, chosen=chosen, **given
    )


def cell(price_minor: int | None, level: Any, **given: Any) -> Cell:
    return Cell(**{
        "price_minor": price_minor, "closed": False, "level": level, "own": True, "starts_on": START, "ends_on": None, "live_minor": price_minor,
        "changed": False, "revision": 0, "under_floor": False, "next_minor": None, "next_on": None, **given,
    })  # fmt: skip


async def test_what_is_in_force(shop: Shop) -> None:
    found = await read(shop, None, day=dt.date(2026, 11, 9))
    assert (found.total, found.version, found.live, [row.sku for row in found.rows]) == (2, None, 1, ["pass", "tea"])
    nothing, tea = found.rows
    assert nothing.cells == (cell(None, None, own=False, starts_on=None),) * 5
    assert (nothing.floor_minor, nothing.cost_minor, tea.floor_minor, tea.cost_minor, tea.limit_revision) == (
        None,
        1000,
        2460,
        2000,
        0,
    )
    assert (tea.name, tea.category, tea.list_price_minor) == ("茶券", "茶", 3000)
    assert tea.cells == (
        cell(2760, "base"),
        cell(2680, "base+tier"),
        cell(2880, "channel"),
        cell(2880, "channel", own=False, next_minor=2650, next_on=TENTH),
        cell(2760, "base", own=False),
    )


async def test_a_draft_beside_what_is_in_force(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(
        version,
        price(2400),
        price(2600, channel="tmall", tier="gold", starts_on=LATER),
        Change(sku="tea", channel="wechat", tier=None, action="close"),
    )
    await shop.limit(version, LimitChange(sku="tea", cost_minor=2100))
    (tea,) = (await read(shop, version, text="TEA")).rows
    assert (tea.cost_minor, tea.limit_revision) == (2100, 1)
    assert tea.cells == (
        cell(2400, "base", live_minor=2760, changed=True, revision=1, under_floor=True),
        cell(2680, "base+tier"),
        cell(2880, "channel"),
        cell(2650, "channel+tier", starts_on=TENTH, ends_on=LATER, changed=True, revision=1, next_minor=2600, next_on=LATER),
        cell(None, None, closed=True, own=True, starts_on=TODAY, live_minor=2760, changed=True, revision=1),
    )


async def test_what_is_scheduled(shop: Shop) -> None:
    await shop.publish(price(2700))
    (tea,) = (await read(shop, None, scheduled=True)).rows
    assert [(each.price_minor, each.next_minor, each.next_on) for each in tea.cells] == [
        (2760, 2700, DAY),
        (2680, None, None),
        (2880, None, None),
        (2650, None, None),
        (2760, 2700, DAY),
    ]
    assert next(each.price_minor for each in (await read(shop, None, day=DAY, text="tea")).rows[0].cells) == 2700


async def test_the_choice_of_rows(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(version, price(900, sku="pass"))
    async with db.atomic(shop.brand.id):
        await db.connection().execute("INSERT INTO tag (brand_id, name) VALUES ($1, 'new')", shop.brand.id)
        await db.connection().execute("INSERT INTO sku_tag (brand_id, sku, tag) VALUES ($1, 'pass', 'new')", shop.brand.id)

    async def chosen(**given: Any) -> tuple[list[str], int]:
        found = await read(shop, version, **given)
        return [row.sku for row in found.rows], found.total

    assert await chosen() == (["pass", "tea"], 2)
    assert await chosen(text="月") == (["pass"], 1)
    assert await chosen(category="茶") == (["tea"], 1)
    assert await chosen(tag="new") == (["pass"], 1)
    assert await chosen(changed=True) == (["pass"], 1)
    assert await chosen(under_floor=True) == ([], 0)
    assert await chosen(skus=("tea", "x")) == (["tea"], 1)
    assert await chosen(skip=1, most=1) == (["tea"], 2)
    assert await chosen(skip=9) == ([], 2)
    await shop.limit(version, LimitChange(sku="pass", floor_minor=1000))
    assert await chosen(under_floor=True) == (["pass"], 1)
    assert await chosen(changed=True, category="茶") == ([], 0)


async def test_the_columns(shop: Shop) -> None:
    assert await price_matrix.columns(brand_id=shop.brand.id, now=NOW) == [
        Column(),
        Column(tier="gold"),
        Column(channel="dealer"),
        Column(channel="tmall"),
        Column(channel="tmall", tier="gold"),
        Column(channel="wechat"),
    ]


async def test_everything_about_a_cell(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700, reason="spring"))
    found = await price_matrix.cell(brand_id=shop.brand.id, version=version, key=BASE, day=TODAY, now=NOW)
    assert found is not None
    assert (found.stand.pieces, found.stand.revision, found.stand.reason, found.stand.edited_by) == (
        (Piece(START, None, 2700),),
        1,
        "spring",
        shop.maker.user_id,
    )
    assert (found.base, found.floor) == ((Piece(START, None, 2760),), (Limit(START, None, 2460, None),))
    assert found.cell == cell(2700, "base", live_minor=2760, changed=True, revision=1)
    assert [(past.version, past.standing, past.pieces) for past in found.history] == [(1, "live", (Piece(START, None, 2760),))]
    assert await price_matrix.cell(brand_id=shop.brand.id, version=version, key=Key("cake"), day=TODAY, now=NOW) is None
    with pytest.raises(price_errors.PriceVersionUnknownError):
        await price_matrix.cell(brand_id=shop.brand.id, version=9, key=BASE, day=TODAY, now=NOW)
