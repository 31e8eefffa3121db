"""What a unit costs where, when and for whom: the specification's table, the dates, and what ends the search."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.price_shop import DAY, LATER, NOW, at, price

from qucheng.catalog import price_errors, price_publish, quote
from qucheng.catalog.price_records import Change, Level
from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rooms.catalog.price_shop import Shop

    from qucheng.core import crypto
    from qucheng.core.errors import RefusedError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

NINTH, TENTH = dt.date(2026, 11, 9), dt.date(2026, 11, 10)


@pytest.mark.parametrize(
    ("reseller", "channel", "day", "unit", "level"),
    [
        ("G1", "tmall", NINTH, 2880, "channel"),
        ("G1", "tmall", TENTH, 2650, "channel+tier"),
        ("S1", "tmall", TENTH, 2880, "channel"),
        ("G1", "wechat", TENTH, 2680, "base+tier"),
        ("S1", "wechat", TENTH, 2760, "base"),
    ],
)
async def test_the_table_of_the_specification(
    shop: Shop, reseller: str, channel: str, day: dt.date, unit: int, level: Level
) -> None:
    for as_reseller in (False, True):
        found = await shop.quoted("tea", channel, reseller, at(day), as_reseller=as_reseller)
        assert (found.unit_minor, found.level, found.version, found.day) == (unit, level, 1, day)


async def test_a_quote_says_all(shop: Shop) -> None:
    moment = at(NINTH)
    found = await quote.resolve(brand_id=shop.brand.id, sku="tea", channel="tmall", reseller="G1", quantity=3, at=moment)
    assert found == quote.Quote(
        sku="tea",
        channel="tmall",
        reseller="G1",
        tier="gold",
        quantity=3,
        at=moment,
        day=NINTH,
        unit_minor=2880,
        gross_minor=8640,
        version=1,
        level="channel",
        starts_on=dt.date(2026, 1, 1),
        ends_on=None,
        next_minor=2650,
        next_on=TENTH,
        next_at=dt.datetime(2026, 11, 9, 16, tzinfo=dt.UTC),
        currency="CNY",
        decimals=2,
    )
    for reseller, day in (("S1", NINTH), ("G1", TENTH)):
        after = await shop.quoted("tea", "tmall", reseller, at(day))
        assert (after.next_minor, after.next_on, after.next_at) == (None, None, None)


async def test_dates_are_half_open_and_the_day_is_the_brands(shop: Shop) -> None:
    """Midnight in Shanghai is four in the afternoon of the day before, in UTC."""
    before, after = (dt.datetime(2026, 11, 9, 15, 59, 59, tzinfo=dt.UTC), dt.datetime(2026, 11, 9, 16, tzinfo=dt.UTC))
    assert (await shop.quoted("tea", "tmall", "G1", before)).unit_minor == 2880
    assert (await shop.quoted("tea", "tmall", "G1", after)).unit_minor == 2650
    with pytest.raises(price_errors.QuoteNotJoinedError):
        await shop.quoted("tea", "tmall", "G1", at(dt.date(2025, 12, 31)))


async def test_not_sold_in_the_channel_ends_the_search(shop: Shop) -> None:
    await shop.publish(Change(sku="tea", channel="wechat", tier=None, action="close", starts_on=LATER))
    for reseller, unit in (("G1", 2680), ("S1", 2760)):
        before = await shop.quoted("tea", "wechat", reseller, at(DAY))
        assert (before.unit_minor, before.next_minor, before.next_on) == (unit, None, LATER)
        with pytest.raises(price_errors.QuoteNotForSaleError):
            await shop.quoted("tea", "wechat", reseller, at(LATER))
        assert (await shop.quoted("tea", "dealer", reseller, at(LATER))).unit_minor == unit


REFUSALS = [
    ("cake", "tmall", "G1", price_errors.QuoteSkuUnknownError, 404),
    ("tea", "nowhere", "G1", price_errors.QuoteChannelUnknownError, 404),
    ("tea", "tmall", "G2", price_errors.QuoteResellerUnknownError, 404),
    ("pass", "tmall", "G1", price_errors.QuoteNotForSaleError, 409),
]


@pytest.mark.parametrize(("sku", "channel", "reseller", "refusal", "status"), REFUSALS)
async def test_what_is_refused(
    shop: Shop, sku: str, channel: str, reseller: str, refusal: type[RefusedError], status: int
) -> None:
    with pytest.raises(refusal) as caught:
        await shop.quoted(sku, channel, reseller, at(TENTH))
    assert caught.value.status == status


async def test_a_channel_in_which_the_reseller_may_not_sell(shop: Shop) -> None:
    async with db.atomic(shop.brand.id):
        await db.connection().execute(
            "INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on, ends_on) VALUES ($1, 'G1', 'tmall', '2026-11-01', '2026-12-01')",
            shop.brand.id,
        )
    for as_reseller in (False, True):
        assert (await shop.quoted("tea", "tmall", "G1", at(TENTH), as_reseller=as_reseller)).unit_minor == 2650
        for channel, day in (("wechat", TENTH), ("tmall", dt.date(2026, 12, 1)), ("tmall", dt.date(2026, 10, 31))):
            with pytest.raises(price_errors.QuoteChannelClosedError):
                await shop.quoted("tea", channel, "G1", at(day), as_reseller=as_reseller)
    assert (await shop.quoted("tea", "wechat", "S1", at(TENTH))).unit_minor == 2760


async def test_what_is_off_sale(shop: Shop) -> None:
    async with db.atomic(shop.brand.id):
        await db.connection().execute("UPDATE sku SET on_sale = false WHERE code = 'tea'")
    with pytest.raises(price_errors.QuoteNotOnSaleError):
        await shop.quoted("tea", "tmall", "G1", at(TENTH))


async def test_the_next_price_of_a_version_to_come(shop: Shop) -> None:
    second = await shop.publish(price(2700, channel="tmall", tier="gold"), on=DAY)
    third = await shop.publish(
        price(2600, channel="tmall", tier="gold"), price(2790, channel="tmall", starts_on=LATER), on=dt.date(2101, 4, 1)
    )
    day, found = TENTH, []
    for _ in range(3):
        one = await shop.quoted("tea", "tmall", "G1", at(day))
        found.append((one.version, one.unit_minor, one.next_minor, one.next_on))
        day = one.next_on or day
    assert found == [
        (1, 2650, 2700, DAY),
        (second, 2700, 2600, dt.date(2101, 4, 1)),
        (third, 2600, None, None),
    ]
    silver = await shop.quoted("tea", "tmall", "S1", at(TENTH))
    assert (silver.unit_minor, silver.next_minor, silver.next_on) == (2880, 2790, LATER)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Asia/Shanghai", dt.date(2101, 3, 1), dt.datetime(2101, 2, 28, 16, tzinfo=dt.UTC)),
        # the clock goes forward at midnight there: the day begins at one
        ("Africa/Cairo", dt.date(2030, 4, 26), dt.datetime(2030, 4, 25, 22, tzinfo=dt.UTC)),
        # and back over midnight: the hour before it comes twice, and the day begins with the first midnight
        ("America/Havana", dt.date(2030, 11, 3), dt.datetime(2030, 11, 3, 4, tzinfo=dt.UTC)),
        ("Europe/Berlin", dt.date(2030, 3, 31), dt.datetime(2030, 3, 30, 23, tzinfo=dt.UTC)),
        ("Europe/Berlin", dt.date(2030, 4, 1), dt.datetime(2030, 3, 31, 22, tzinfo=dt.UTC)),
    ],
)
async def test_a_version_is_in_force_from_the_brands_midnight(
    keys: crypto.Keys, tmp_path: Path, zone: str, day: dt.date, begins: dt.datetime
) -> None:
    assert price_publish.midnight(day, zone) == begins
    shop = await price_shop.opened(keys, tmp_path, code=f"zone-{zone.replace('/', '-')}-{day}", zone=zone)
    version = await shop.publish(price(2700), on=day)
    for as_reseller in (False, True):
        before = await shop.quoted("tea", "wechat", "S1", begins - dt.timedelta(seconds=1), as_reseller=as_reseller)
        assert (before.version, before.unit_minor, before.next_minor, before.next_at) == (1, 2760, 2700, begins)
        after = await shop.quoted("tea", "wechat", "S1", begins, as_reseller=as_reseller)
        assert (after.version, after.unit_minor, after.next_at) == (version, 2700, None)


async def test_the_tier_is_that_of_the_day(keys: crypto.Keys, tmp_path: Path) -> None:
    shop = await price_shop.opened(keys, tmp_path, code="moves", placements=["G1,,silver,2026-12-01"])
    assert (await shop.quoted("tea", "tmall", "G1", at(TENTH))).unit_minor == 2650
    moved = await shop.quoted("tea", "tmall", "G1", at(dt.date(2026, 12, 1)), as_reseller=True)
    assert (moved.tier, moved.unit_minor) == ("silver", 2880)


async def test_the_list_of_a_reseller(shop: Shop) -> None:
    await shop.publish(price(3900, sku="pass"), price(2700))
    found = await quote.listing(brand_id=shop.brand.id, reseller="S1", at=at(TENTH))
    assert [(o.sku, o.channel, o.channel_kind, o.unit_minor, o.level, o.next_minor, o.next_on) for o in found.rows] == [
        ("tea", "dealer", "wholesale", 2760, "base", 2700, DAY),
        ("tea", "tmall", "agency", 2880, "channel", None, None),
        ("tea", "wechat", "agency", 2760, "base", 2700, DAY),
    ]
    assert found.total == 1
    later = await quote.listing(brand_id=shop.brand.id, reseller="S1", at=at(DAY), skip=1, most=1)
    assert ({o.sku for o in later.rows}, later.total) == ({"tea"}, 2)
    assert [o.sku for o in (await quote.listing(brand_id=shop.brand.id, reseller="S1", at=at(DAY), text="PASS")).rows] == [
        "pass"
    ] * 3
    assert (await quote.listing(brand_id=shop.brand.id, reseller="nobody", at=NOW)).rows == []


async def test_a_reseller_reads_no_draft_and_no_other_tier(shop: Shop) -> None:
    await shop.draft()
    async with db.atomic(shop.brand.id, reseller="S1"):
        rows = await db.connection().fetch("SELECT version, tier, price_minor FROM price_cell ORDER BY price_minor")
    assert [tuple(row) for row in rows] == [(1, None, 2760), (1, None, 2880)]
    assert len(await books.seen(shop.brand, "SELECT 1 FROM price_cell")) == 8
