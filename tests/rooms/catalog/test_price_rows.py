"""Prices as rows of a file: each judged, all or none taken, and written as they are read again."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.catalog.price_shop import NOW, TODAY, price
from tests.rooms.identity import people

from qucheng.catalog import price_errors, price_rows
from qucheng.catalog.price_records import Change, Filter, RowIn, RowOut

if TYPE_CHECKING:
    import asyncpg
    from tests.rooms.catalog.price_shop import Shop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

START, JUNE = dt.date(2026, 1, 1), dt.date(2027, 6, 1)


def rows(*said: str) -> list[RowIn]:
    """Each `sku,channel,tier,price,starts_on,ends_on`."""
    names = ("sku", "channel", "tier", "price", "starts_on", "ends_on")
    return [RowIn(row=n, **dict(zip(names, each.split(","), strict=True))) for n, each in enumerate(said, 1)]


@pytest.mark.parametrize(
    ("said", "verdict", "code", "column"),
    [
        ("tea,,,27.60,2026-01-01,", "same", None, None),
        ("tea,,,27.60,2027-01-01,2027-02-01", "same", None, None),
        ("tea,,,27.60,2027/1/1,2027/02/01", "same", None, None),
        ("tea,,,27.60,2027/1-1,", "refused", "value.invalid", "starts_on"),
        ("tea,,,27.00,2026-01-01,", "changed", None, None),
        (" tea , , gold , 2.5 ,2026-01-01,", "changed", None, None),
        ("pass,,,48.00,2026-01-01,", "new", None, None),
        ("tea,wechat,,-,2026-01-01,", "new", None, None),
        (",,,1.00,2026-01-01,", "refused", "value.missing", "sku"),
        ("tea,,,,2026-01-01,", "refused", "value.missing", "price"),
        ("tea,,,1.00,,", "refused", "value.missing", "starts_on"),
        ("tea,,,1.00,2026-02-30,", "refused", "value.invalid", "starts_on"),
        ("tea,,,1.00,2026-01-01,soon", "refused", "value.invalid", "ends_on"),
        ("tea,,,1.001,2026-01-01,", "refused", "value.invalid", "price"),
        ("tea,,,-1.00,2026-01-01,", "refused", "value.invalid", "price"),
        ("cake,,,1.00,2026-01-01,", "refused", "price.sku_unknown", "sku"),
        ("tea,nowhere,,1.00,2026-01-01,", "refused", "price.channel_unknown", "channel"),
        ("tea,,iron,1.00,2026-01-01,", "refused", "price.tier_unknown", "tier"),
        ("tea,,,1.00,2026-01-01,2026-01-01", "refused", "price.dates", "ends_on"),
        ("tea,,,-,2026-01-01,", "refused", "price.close", "price"),
        ("tea,tmall,gold,-,2026-01-01,", "refused", "price.close", "price"),
    ],
)
async def test_a_row_is_judged(
    shop: Shop, owner: asyncpg.Connection, said: str, verdict: str, code: str | None, column: str | None
) -> None:
    version = await shop.draft()
    before = await books.everything(owner)
    (found,) = await price_rows.check_rows(brand=shop.brand, version=version, rows=rows(said))
    assert (found.row, found.verdict, found.code, found.column) == (1, verdict, code, column)
    assert await books.everything(owner) == before


async def test_of_rows_that_overlap_the_later_is_refused(shop: Shop) -> None:
    version = await shop.draft()
    given = rows(
        "tea,,,1.00,2026-01-01,2026-03-01",
        "tea,,,2.00,2026-03-01,",
        "tea,,gold,1.00,2026-01-01,",
        "tea,,,3.00,2026-02-01,2026-02-02",
    )
    found = await price_rows.check_rows(brand=shop.brand, version=version, rows=given)
    assert [(each.verdict, each.code) for each in found] == [("changed", None)] * 3 + [("refused", "price.overlaps")]


async def take_in(shop: Shop, version: int, *said: str) -> tuple[int, int]:
    done = await price_rows.import_rows(
        brand=shop.brand, version=version, rows=rows(*said), actor=people.actor(shop.maker), now=NOW
    )
    return done.changed, done.same


async def test_all_rows_are_laid_over_the_draft(shop: Shop) -> None:
    version = await shop.draft()
    done = await take_in(
        shop,
        version,
        "tea,,,27.00,2027-01-01,2027-06-01",
        "tea,,,26.00,2027-06-01,2027-07-01",
        "tea,wechat,,-,2027-06-01,",
        "tea,,gold,26.80,2026-01-01,",
    )
    assert done == (3, 1)
    assert await shop.cells(version) == [
        ("tea", None, None, "2026-01-01", "2027-01-01", 2760),
        ("tea", None, None, "2027-01-01", "2027-06-01", 2700),
        ("tea", None, None, "2027-06-01", "2027-07-01", 2600),
        ("tea", None, None, "2027-07-01", None, 2760),
        ("tea", None, "gold", "2026-01-01", None, 2680),
        ("tea", "tmall", None, "2026-01-01", None, 2880),
        ("tea", "tmall", "gold", "2026-11-10", None, 2650),
        ("tea", "wechat", None, "2027-06-01", None, None),
    ]
    stale = await shop.change(version, price(2500))
    assert [stand.revision for stand in stale.stale] == [1]


async def test_one_wrong_row_keeps_all_out(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    before = await books.everything(owner)
    with pytest.raises(price_errors.PriceRowsError) as caught:
        await take_in(shop, version, "tea,,,27.00,2026-01-01,", "cake,,,1.00,2026-01-01,", "tea,x,,1.00,2026-01-01,")
    assert [(each.row, each.code) for each in caught.value.judged] == [(2, "price.sku_unknown"), (3, "price.channel_unknown")]
    assert await books.everything(owner) == before
    with pytest.raises(price_errors.PriceStateError):
        await take_in(shop, 1, "tea,,,27.00,2026-01-01,")


async def exported(shop: Shop, version: int, **given: Any) -> list[RowOut]:
    return [row async for row in price_rows.export_rows(brand=shop.brand, version=version, chosen=Filter(**given), now=NOW)]


async def test_what_is_written_is_read_as_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows at a time."""
    monkeypatch.setattr(price_rows, "BATCH", 2)
    version = await shop.draft()
    await shop.change(
        version,
        price(2700, starts_on=JUNE),
        price(4800, sku="pass"),
        Change(sku="tea", channel="wechat", tier=None, action="close", starts_on=JUNE),
    )
    found = await exported(shop, version)
    assert found[:3] == [
        RowOut(sku="pass", name="月卡", channel=None, tier=None, price_minor=4800, starts_on=TODAY, ends_on=None),
        RowOut(sku="tea", name="茶券", channel=None, tier=None, price_minor=2760, starts_on=START, ends_on=JUNE),
        RowOut(sku="tea", name="茶券", channel=None, tier=None, price_minor=2700, starts_on=JUNE, ends_on=None),
    ]
    assert [row.price_minor for row in found] == [4800, 2760, 2700, 2680, 2880, 2650, None]
    again = [
        f"{row.sku},{row.channel or ''},{row.tier or ''},{'-' if row.price_minor is None else f'{row.price_minor // 100}.{row.price_minor % 100:02}'},"
        f"{row.starts_on},{row.ends_on or ''}"
        for row in found
    ]
    assert await take_in(shop, version, *again) == (0, 7)
    assert {row.sku for row in await exported(shop, version, text="pass")} == {"pass"}
    assert {row.sku for row in await exported(shop, version, category="茶")} == {"tea"}
    assert {row.sku for row in await exported(shop, version, under_floor=True)} == set()
    assert {row.sku for row in await exported(shop, version, changed=True)} == {"pass", "tea"}
