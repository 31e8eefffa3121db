"""A draft edited: what a change does to the dates, two people at one draft, going back, floors and costs, and what is refused."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.catalog.price_shop import BASE, GOLD, NOW, TODAY, price
from tests.rooms.identity import people

from qucheng.catalog import price_cell, price_draft, price_errors, price_faults, price_limit
from qucheng.catalog.price_records import Change, Fault, Key, Limit, LimitChange, Piece, Stand
from qucheng.core import db

if TYPE_CHECKING:
    from tests.rooms.catalog.price_shop import Shop

    from qucheng.catalog.price_records import Saved

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

START = dt.date(2026, 1, 1)
JUNE, JULY, DECEMBER = dt.date(2027, 6, 1), dt.date(2027, 7, 1), dt.date(2027, 12, 1)


def pieces(*said: tuple[dt.date, dt.date | None, int | None]) -> tuple[Piece, ...]:
    return tuple(Piece(*each) for each in said)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (price(2700), pieces((START, None, 2700))),
        (price(2700, starts_on=JUNE), pieces((START, JUNE, 2760), (JUNE, None, 2700))),
        (price(2700, starts_on=JUNE, ends_on=JULY), pieces((START, JUNE, 2760), (JUNE, JULY, 2700), (JULY, None, 2760))),
        (price(2760, starts_on=JUNE, ends_on=JULY), pieces((START, None, 2760))),
        (price(2700, starts_on=dt.date(2025, 1, 1)), pieces((dt.date(2025, 1, 1), None, 2700))),
        (Change(sku="tea", channel=None, tier=None, action="clear", starts_on=JUNE, ends_on=JULY), pieces((START, JUNE, 2760), (JULY, None, 2760))),
        (Change(sku="tea", channel=None, tier=None, action="clear"), ()),
        (price(0), pieces((START, None, 0))),
    ],
    ids=["its dates", "from a day", "between", "the same", "from before", "a gap", "none", "free"],
)  # fmt: skip
async def test_a_change_is_laid_over_what_is_there(shop: Shop, change: Change, wanted: tuple[Piece, ...]) -> None:
    version = await shop.draft()
    before = [row for row in await shop.cells(version) if row[1:3] != (None, None)]
    saved = await shop.change(version, change)
    assert saved.saved == (Stand(key=BASE, limits=False, revision=1, pieces=wanted, edited_by=shop.maker.user_id, edited_at=NOW),)
    assert (saved.stale, saved.faults) == ((), ())
    assert [row for row in await shop.cells(version) if row[1:3] != (None, None)] == before
    assert len(await shop.cells(1)) == 4


async def test_without_dates_it_is_from_the_day_until_the_next_price(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(version, price(2500, tier="silver", starts_on=DECEMBER))
    saved = await shop.change(version, price(2600, tier="silver", seen=1), day=JUNE)
    assert saved.saved[0].pieces == pieces((JUNE, DECEMBER, 2600), (DECEMBER, None, 2500))


async def test_closed_and_open_again(shop: Shop) -> None:
    version = await shop.draft()
    key = Key("tea", "wechat")
    closed = await shop.change(version, Change(sku="tea", channel="wechat", tier=None, action="close", starts_on=JUNE))
    assert closed.saved[0].pieces == pieces((JUNE, None, None))
    opened = await shop.change(version, Change(sku="tea", channel="wechat", tier=None, action="clear", starts_on=JULY, seen=1))
    assert (opened.saved[0].key, opened.saved[0].pieces) == (key, pieces((JUNE, JULY, None)))


async def test_two_managers_at_one_draft_lose_nothing(shop: Shop) -> None:
    """Both saw what was approved. The second hears of the first, whose price stands; what she changed elsewhere is saved."""
    version = await shop.draft()
    first = await shop.change(version, price(2700, reason="spring"))
    second = await shop.change(version, price(2710), price(2690, tier="gold"), who=shop.checker)
    assert second.stale == (first.saved[0],)
    assert (first.saved[0].reason, first.saved[0].edited_by) == ("spring", shop.maker.user_id)
    assert [(stand.key, stand.pieces, stand.edited_by) for stand in second.saved] == [
        (GOLD, pieces((START, None, 2690)), shop.checker.user_id)
    ]
    again = await shop.change(version, price(2710, seen=1), who=shop.checker)
    assert [(stand.revision, stand.pieces) for stand in again.saved] == [(2, pieces((START, None, 2710)))]
    assert (await shop.change(version, price(2720, seen=1))).saved == ()
    assert await shop.cells(version) == [
        ("tea", None, None, "2026-01-01", None, 2710),
        ("tea", None, "gold", "2026-01-01", None, 2690),
        ("tea", "tmall", None, "2026-01-01", None, 2880),
        ("tea", "tmall", "gold", "2026-11-10", None, 2650),
    ]


async def test_two_at_once_are_one_after_the_other(shop: Shop) -> None:
    version = await shop.draft()
    found = await asyncio.gather(*(shop.change(version, price(2700 + n)) for n in range(4)))
    assert sorted((len(each.saved), len(each.stale)) for each in found) == [(0, 1), (0, 1), (0, 1), (1, 0)]
    (kept,) = [each.saved[0].pieces for each in found if each.saved]
    assert {each.stale[0].pieces for each in found if each.stale} == {kept}


async def second_of_two(shop: Shop) -> Saved:
    """Begins while the first has not committed."""
    version = await shop.draft()
    async with db.atomic(shop.brand.id):
        assert len((await shop.change(version, price(2700))).saved) == 1
        second = asyncio.create_task(shop.change(version, price(2710)), context=contextvars.Context())
        await asyncio.sleep(1.5)
    return await second


async def test_the_second_waits_for_the_first(shop: Shop) -> None:
    found = await second_of_two(shop)
    assert (found.saved, [stand.pieces for stand in found.stale]) == ((), [pieces((START, None, 2700))])


async def test_control_without_the_lock_the_second_believes_it_is_the_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only the database keeps it from writing over the other."""

    async def let_through(*_: object) -> None:
        """Waits for nobody."""

    monkeypatch.setattr(price_draft, "hold", let_through)
    with pytest.raises(asyncpg.ExclusionViolationError):
        await second_of_two(shop)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (price(1, sku="cake"), "price.sku_unknown"),
        (price(1, channel="nowhere"), "price.channel_unknown"),
        (price(1, tier="iron"), "price.tier_unknown"),
        (price(-1), "price.amount"),
        (price(10**12), "price.amount"),
        (Change(sku="tea", channel=None, tier=None, action="set"), "price.amount"),
        (price(1, starts_on=JULY, ends_on=JULY), "price.dates"),
        (price(1, ends_on=JULY), "price.dates"),
        (price(1, starts_on=dt.date(2200, 1, 1)), "price.dates"),
        (Change(sku="tea", channel=None, tier=None, action="close"), "price.close"),
        (Change(sku="tea", channel="tmall", tier="gold", action="close"), "price.close"),
    ],
)
async def test_what_is_no_change(shop: Shop, owner: asyncpg.Connection, change: Change, code: str) -> None:
    version = await shop.draft()
    before = await books.everything(owner)
    saved = await shop.change(version, change)
    assert (saved.saved, saved.stale, saved.faults) == ((), (), ((Key(change.sku, change.channel, change.tier), code),))
    assert await books.everything(owner) == before


async def test_of_one_key_the_first_change_counts(shop: Shop) -> None:
    version = await shop.draft()
    saved = await shop.change(version, price(2700), price(2800))
    assert ([stand.pieces for stand in saved.saved], saved.faults) == (
        [pieces((START, None, 2700))],
        ((BASE, "price.repeated"),),
    )


async def test_only_a_draft_is_edited(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    await shop.submit(version)
    before = await books.everything(owner)
    for number, refusal in (
        (version, price_errors.PriceStateError),
        (1, price_errors.PriceStateError),
        (9, price_errors.PriceVersionUnknownError),
    ):
        with pytest.raises(refusal):
            await shop.change(number, price(2710, seen=1))
        with pytest.raises(refusal):
            await shop.limit(number, LimitChange(sku="tea", floor_minor=1))
        with pytest.raises(refusal):
            await reverted(shop, number, [BASE], [1])
    assert await books.everything(owner) == before


async def reverted(shop: Shop, version: int, keys: list[Key], seen: list[int], *limits: tuple[str, int]) -> Saved:
    return await price_cell.revert(
        brand_id=shop.brand.id,
        version=version,
        keys=keys,
        seen=seen,
        limits=limits,
        actor=people.actor(shop.maker),
        now=NOW,
    )


async def test_back_to_what_is_approved(shop: Shop) -> None:
    version = await shop.draft()
    before = (await shop.cells(version), await shop.limits(version))
    await shop.change(version, price(2700, starts_on=JUNE), price(1, tier="silver"), price(2500, tier="gold"))
    await shop.limit(version, LimitChange(sku="tea", floor_minor=2000, cost_minor=1500))
    stale = await reverted(shop, version, [GOLD], [0])
    assert ([stand.key for stand in stale.stale], stale.saved) == ([GOLD], ())
    saved = await reverted(shop, version, [BASE, Key("tea", None, "silver"), GOLD], [1, 1, 1], ("tea", 1))
    assert [(stand.key, stand.limits, stand.revision) for stand in saved.saved] == [
        (BASE, False, 2),
        (Key("tea", None, "silver"), False, 2),
        (GOLD, False, 2),
        (BASE, True, 2),
    ]
    assert (await shop.cells(version), await shop.limits(version)) == before


async def test_floors_and_costs_by_date(shop: Shop) -> None:
    version = await shop.draft()
    saved = await shop.limit(
        version,
        LimitChange(sku="tea", cost_minor=2100, starts_on=JUNE),
        LimitChange(sku="pass", floor_minor=3000, cost_minor=1000, starts_on=JUNE, ends_on=JULY),
    )
    assert [(stand.key.sku, stand.limits, stand.pieces) for stand in saved.saved] == [
        ("tea", True, (Limit(START, JUNE, 2460, None), Limit(JUNE, None, 2460, 2100))),
        ("pass", True, (Limit(JUNE, JULY, 3000, 1000),)),
    ]
    cleared = await shop.limit(version, LimitChange(sku="tea", floor_minor=None, starts_on=START, ends_on=JULY, seen=1))
    assert cleared.saved[0].pieces == (Limit(JUNE, JULY, None, 2100), Limit(JULY, None, 2460, 2100))
    stale = await shop.limit(version, LimitChange(sku="tea", floor_minor=1, seen=1))
    assert (stale.saved, stale.stale[0].revision) == ((), 2)


async def test_what_is_no_limit(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    before = await books.everything(owner)
    saved = await shop.limit(
        version,
        LimitChange(sku="cake", floor_minor=1),
        LimitChange(sku="tea", floor_minor=-1),
        LimitChange(sku="pass", cost_minor=1, starts_on=JULY, ends_on=JUNE),
    )
    assert saved.faults == ((Key("cake"), "price.sku_unknown"), (Key("tea"), "price.amount"), (Key("pass"), "price.dates"))
    assert await books.everything(owner) == before


async def test_faults_with_their_dates(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(
        version,
        price(2400, starts_on=JUNE, ends_on=JULY),
        Change(sku="tea", channel="tmall", tier=None, action="close", starts_on=DECEMBER),
    )
    await shop.limit(version, LimitChange(sku="pass", floor_minor=999))
    found = await price_faults.faults(brand_id=shop.brand.id, version=version, from_day=TODAY)
    blank: dict[str, Any] = {"channel": None, "tier": None, "price_minor": None, "floor_minor": None, "cost_minor": None}
    assert found.rows == (
        Fault(**{**blank, "code": "price.floor_under_cost", "sku": "pass", "starts_on": TODAY, "ends_on": None, "floor_minor": 999, "cost_minor": 1000}),
        Fault(**{
            **blank, "code": "price.closed", "sku": "tea", "channel": "tmall", "tier": "gold", "starts_on": DECEMBER, "ends_on": None,
            "price_minor": 2650,
        }),
        Fault(**{**blank, "code": "price.under_floor", "sku": "tea", "starts_on": JUNE, "ends_on": JULY, "price_minor": 2400, "floor_minor": 2460}),
    )  # fmt: skip
    assert found.count == 3
    with pytest.raises(price_errors.PriceFaultsError) as caught:
        await shop.submit(version, on=DECEMBER)
    assert caught.value.count == 2  # what ends before it takes effect is none
    assert (await price_faults.faults(brand_id=shop.brand.id, version=version, from_day=TODAY, most=1, skip=5)).count == 3


async def test_what_was_edited_is_on_record(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    async with db.atomic(shop.brand.id):
        row = await db.connection().fetchrow(
            "SELECT user_id, subject, after #>> '{keys,0,key}' AS key, after #>> '{keys,0,pieces}' AS pieces FROM audit_record WHERE action = 'prices.edit'"
        )
    assert tuple(row) == (shop.maker.user_id, str(version), '["tea", null, null]', '[["2026-01-01", null, 2700]]')


async def test_limits_and_prices_have_a_revision_each(shop: Shop) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    saved = await price_limit.set_limits(
        brand_id=shop.brand.id,
        version=version,
        changes=[LimitChange(sku="tea", floor_minor=2500)],
        day=TODAY,
        actor=people.actor(shop.checker),
        now=NOW,
    )
    assert [(stand.revision, stand.limits, stand.pieces) for stand in saved.saved] == [
        (1, True, (Limit(START, None, 2500, None),))
    ]
