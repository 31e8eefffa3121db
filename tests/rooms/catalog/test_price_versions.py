"""Versions from draft to effect: who concerns whom, what is told, overtaken drafts, roll back, and history."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.catalog.price_shop import BASE, DAY, GOLD, LATER, NOW, TODAY, at, price
from tests.rooms.identity import people

from qucheng.catalog import (
    price_affected,
    price_compare,
    price_errors,
    price_matrix,
    price_publish,
    price_rebase,
    price_version,
)
from qucheng.catalog.price_records import Change, Concerned, Difference, Key, LimitChange, Piece
from qucheng.core import db
from qucheng.identity import approval as approvals

if TYPE_CHECKING:
    import uuid

    import asyncpg
    from tests.rooms.catalog.price_shop import Shop

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

START = dt.date(2026, 1, 1)


def changed(key: Key, before: int | None, after: int | None, start: dt.date = START) -> Difference:
    """A price of one piece that is another, or that one of the two does not have."""
    said = [() if minor is None else (Piece(start, None, minor),) for minor in (before, after)]
    return Difference(sku=key.sku, channel=key.channel, tier=key.tier, limit=False, before=said[0], after=said[1])


async def states(shop: Shop, now: dt.datetime = NOW) -> list[tuple[Any, ...]]:
    found = await price_version.versions(brand_id=shop.brand.id, now=now)
    return [(each.number, each.standing, each.based_on, each.restores, each.changes) for each in found]


async def decided(shop: Shop, approval: uuid.UUID) -> approvals.Approval:
    return await approvals.read(brand_id=shop.brand.id, approval_id=approval)


async def test_from_a_draft_to_its_effect_and_its_end(shop: Shop) -> None:
    version = await shop.draft(name="spring")
    await shop.change(version, price(2700))
    assert await states(shop) == [(2, "draft", 1, None, 1), (1, "live", None, None, 5)]
    approval = await shop.submit(version)
    assert [row[:2] for row in await states(shop)] == [(2, "submitted"), (1, "live")]
    await shop.allow(approval)
    midnight = price_publish.midnight(DAY, "Asia/Shanghai")
    before = midnight - dt.timedelta(microseconds=1)
    assert [row[:2] for row in await states(shop, before)] == [(2, "scheduled"), (1, "live")]
    assert [row[:2] for row in await states(shop, midnight)] == [(2, "live"), (1, "ended")]
    one = await price_version.read(brand_id=shop.brand.id, number=version, now=midnight)
    assert (
        one.name,
        one.effective_at,
        one.imported,
        one.maker,
        one.approver,
        one.approval,
        one.approval_state,
        one.submitted_at,
    ) == (*("spring", midnight, False, shop.maker.user_id, shop.checker.user_id, approval, "executed", NOW),)
    first = await price_version.read(brand_id=shop.brand.id, number=1, now=NOW)
    assert (first.imported, first.effective_at, first.maker, first.state) == (True, None, None, "approved")
    assert (await shop.quoted("tea", "wechat", "S1", before)).unit_minor == 2760
    assert (await shop.quoted("tea", "wechat", "S1", midnight)).unit_minor == 2700


async def test_what_is_asked_for_is_frozen_word_for_word(shop: Shop) -> None:
    version = await shop.draft(name="spring")
    await shop.change(version, price(2700))
    asked = await decided(shop, await shop.submit(version))
    sha256 = (await price_version.read(brand_id=shop.brand.id, number=version, now=NOW)).sha256
    assert asked.payload == {
        "version": version,
        "sha256": sha256,
        "effective_at": "2101-02-28T16:00:00Z",
        "effective_on": "2101-03-01",
        "changes": 1,
        "based_on": 1,
        "restores": None,
        "name": "spring",
    }


async def test_what_is_not_submitted(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    with pytest.raises(price_errors.PriceNoChangesError):
        await shop.submit(version)
    await shop.change(version, price(2700))
    before = await books.everything(owner)
    for day in (TODAY, TODAY - dt.timedelta(days=400)):
        with pytest.raises(price_errors.PriceEffectiveError):
            await shop.submit(version, on=day)
    with pytest.raises(price_errors.PriceStateError):
        await shop.submit(1)
    with pytest.raises(price_errors.PriceVersionUnknownError):
        await shop.submit(9)
    with pytest.raises(approvals.NotAllowedToAskError):
        await price_publish.submit(
            brand=shop.brand,
            principal=people.principal(shop.maker.user_id, shop.brand.id, "accountant"),
            number=version,
            effective_on=DAY,
            actor=people.actor(shop.maker),
            now=NOW,
        )
    assert await books.everything(owner) == before
    await shop.submit(version, on=TODAY + dt.timedelta(days=1))


async def test_a_later_version_is_never_in_force_before_the_one_it_was_made_from(shop: Shop) -> None:
    await shop.publish(price(2700), on=LATER)
    version = await shop.draft()
    await shop.change(version, price(2800))
    with pytest.raises(price_errors.PriceEffectiveError):
        await shop.submit(version, on=DAY)
    await shop.allow(await shop.submit(version, on=LATER))
    later = at(LATER)
    assert [row[:2] for row in await states(shop, later)] == [(3, "live"), (2, "ended"), (1, "ended")]
    assert (await shop.quoted("tea", "wechat", "S1", later)).unit_minor == 2800


async def test_approved_too_late_it_is_asked_for_again(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    approval = await shop.submit(version)
    before = await books.everything(owner)
    with pytest.raises(price_errors.PriceEffectiveError):
        await shop.allow(approval, now=at(DAY))
    assert await books.everything(owner) == before
    fresh = await price_version.reopen(brand_id=shop.brand.id, number=version, actor=people.actor(shop.maker), now=NOW)
    await shop.allow(await shop.submit(fresh, on=LATER))
    assert [row[:2] for row in await states(shop)] == [(3, "scheduled"), (2, "discarded"), (1, "live")]


async def test_one_draft_at_a_time(shop: Shop) -> None:
    version = await shop.draft()
    with pytest.raises(price_errors.PriceDraftExistsError) as caught:
        await shop.draft()
    assert caught.value.number == version
    await shop.change(version, price(2700))
    await shop.submit(version)
    with pytest.raises(price_errors.PriceDraftExistsError):
        await shop.draft()
    await price_version.discard(brand_id=shop.brand.id, number=version, actor=people.actor(shop.maker), now=NOW)
    assert await shop.draft() == 3


async def test_what_was_taken_back_cannot_be_allowed(shop: Shop, owner: asyncpg.Connection) -> None:
    """Discarded, or opened again and asked for otherwise: the request of before finds nothing."""
    version = await shop.draft()
    await shop.change(version, price(2700))
    first = await shop.submit(version)
    fresh = await price_version.reopen(brand_id=shop.brand.id, number=version, actor=people.actor(shop.maker), now=NOW)
    assert (await shop.cells(fresh), await states(shop)) == (
        await shop.cells(version),
        [(3, "draft", 1, None, 1), (2, "discarded", 1, None, 0), (1, "live", None, None, 5)],
    )
    saved = await shop.change(fresh, price(2690, seen=1))
    assert len(saved.saved) == 1
    second = await shop.submit(fresh)
    before = await books.everything(owner)
    with pytest.raises(price_errors.PriceStateError):
        await shop.allow(first)
    assert await books.everything(owner) == before
    await shop.allow(second)
    assert (await shop.quoted("tea", "wechat", "S1", at(DAY))).unit_minor == 2690


async def test_two_prices_that_wait_are_told_apart(shop: Shop) -> None:
    found = await price_version.current(brand_id=shop.brand.id, now=NOW)
    assert (found.live, found.newest, found.draft) == (1, 1, None)
    await shop.publish(price(2700))
    version = await shop.draft(name="x")
    found = await price_version.current(brand_id=shop.brand.id, now=NOW)
    assert (found.live, found.newest, found.draft and found.draft.number) == (1, 2, version)
    await price_version.rename(brand_id=shop.brand.id, number=version, name=" y ", actor=people.actor(shop.maker), now=NOW)
    assert (await price_version.read(brand_id=shop.brand.id, number=version, now=NOW)).name == "y"


async def test_a_roll_back_is_a_new_version(shop: Shop) -> None:
    second = await shop.publish(price(2700), limits=(LimitChange(sku="tea", floor_minor=2500),))
    with pytest.raises(price_errors.PriceVersionUnknownError):
        await shop.draft(restore=9)
    version = await shop.draft(restore=1)
    assert (await shop.cells(version), await shop.limits(version)) == (await shop.cells(1), await shop.limits(1))
    await shop.allow(await shop.submit(version, on=LATER))
    assert await states(shop, at(LATER)) == [(3, "live", second, 1, 2), (2, "ended", 1, None, 2), (1, "ended", None, None, 5)]
    assert [(await shop.quoted("tea", "wechat", "S1", at(day))).unit_minor for day in (DAY, LATER)] == [2700, 2760]


async def brought(shop: Shop) -> int:
    """A version since ever, as a delivery makes it."""
    async with db.atomic(shop.brand.id):
        await db.connection().execute(
            "INSERT INTO channel_price (brand_id, sku, tier, price_minor, starts_on) VALUES ($1, 'tea', 'silver', 2740, '2026-01-01')",
            shop.brand.id,
        )
        await db.connection().execute(
            "INSERT INTO channel_price (brand_id, sku, price_minor, starts_on) VALUES ($1, 'pass', 4900, '2026-01-01')",
            shop.brand.id,
        )
        number: int = await db.connection().fetchval("SELECT import_prices(1)")
    return number


SILVER, PASS = Key("tea", None, "silver"), Key("pass")


async def test_a_draft_that_was_overtaken_is_brought_up_to_date(shop: Shop) -> None:
    """It changes base and gold and gives silver a price; meanwhile silver gets another, and the pass gets one."""
    version = await shop.draft(name="mine")
    await shop.change(version, price(2700), price(2600, tier="gold"), price(2720, tier="silver", starts_on=START))
    await shop.limit(version, LimitChange(sku="tea", floor_minor=2500))
    assert await price_rebase.overtaken(brand_id=shop.brand.id, number=version) is None
    newest = await brought(shop)
    taken = (changed(PASS, None, 4900),)
    both = (changed(SILVER, 2740, 2720),)
    with pytest.raises(price_errors.PriceOvertakenError):
        await shop.submit(version)
    shown = await price_rebase.overtaken(brand_id=shop.brand.id, number=version)
    assert shown is not None
    assert (shown.number, shown.taken, shown.both) == (version, taken, both)
    done = await price_rebase.bring_up_to_date(brand_id=shop.brand.id, number=version, actor=people.actor(shop.maker), now=NOW)
    assert (done.taken, done.both) == (taken, both)
    assert await states(shop) == [
        (done.number, "draft", newest, None, 4), (newest, "live", 1, None, 2), (version, "discarded", 1, None, 0), (1, "ended", None, None, 5),
    ]  # fmt: skip
    compared = await price_compare.compare(brand_id=shop.brand.id, a=newest, b=done.number)
    assert [row for row in compared.rows if not row.limit] == [
        changed(BASE, 2760, 2700),
        changed(GOLD, 2680, 2600),
        changed(SILVER, 2740, 2720),
    ]
    assert compared.total == 4
    assert len((await shop.change(done.number, price(2710, seen=1))).saved) == 1
    await shop.allow(await shop.submit(done.number))
    again = await price_rebase.bring_up_to_date(
        brand_id=shop.brand.id, number=await shop.draft(), actor=people.actor(shop.maker), now=NOW
    )
    assert (again.taken, again.both) == ((), ())


async def test_one_that_was_submitted_and_overtaken_is_not_allowed(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    approval = await shop.submit(version)
    await brought(shop)
    before = await books.everything(owner)
    with pytest.raises(price_errors.PriceOvertakenError):
        await shop.allow(approval)
    assert await books.everything(owner) == before
    done = await price_rebase.bring_up_to_date(brand_id=shop.brand.id, number=version, actor=people.actor(shop.maker), now=NOW)
    await shop.allow(await shop.submit(done.number))
    assert (await shop.quoted("tea", "wechat", "S1", at(DAY))).unit_minor == 2740
    assert (await shop.quoted("pass", "wechat", "G1", at(DAY))).unit_minor == 4900


async def test_what_two_versions_say_otherwise(shop: Shop) -> None:
    second = await shop.publish(
        price(2700, starts_on=LATER), Change(sku="tea", channel="tmall", tier="gold", action="clear"), price(4000, sku="pass")
    )
    found = await price_compare.compare(brand_id=shop.brand.id, a=1, b=second)
    assert found.rows == (
        changed(PASS, None, 4000, TODAY),
        Difference(
            sku="tea", channel=None, tier=None, limit=False, before=(Piece(START, None, 2760),), after=(Piece(START, LATER, 2760), Piece(LATER, None, 2700))
        ),
        changed(Key("tea", "tmall", "gold"), 2650, None, dt.date(2026, 11, 10)),
    )  # fmt: skip
    assert (await price_compare.compare(brand_id=shop.brand.id, a=1, b=second, skip=1, most=1)).rows == found.rows[1:2]
    assert (await price_compare.compare(brand_id=shop.brand.id, a=1, b=1)).total == 0
    assert (await price_compare.compare(brand_id=shop.brand.id, a=1, b=second, skip=9)).total == 3
    with pytest.raises(price_errors.PriceVersionUnknownError):
        await price_compare.compare(brand_id=shop.brand.id, a=1, b=9)


async def test_whom_a_version_concerns(shop: Shop) -> None:
    """A base price concerns those who inherit it; a later date counts from that day; where one may not sell nothing changes."""
    async with db.atomic(shop.brand.id):
        await db.connection().execute(
            "INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on) VALUES ($1, 'S1', 'wechat', '2026-01-01')",
            shop.brand.id,
        )
    version = await shop.draft()
    await shop.change(
        version,
        price(2700),
        price(2640, channel="tmall", tier="gold", starts_on=LATER),
        Change(sku="tea", channel="dealer", tier=None, action="close", starts_on=LATER),
    )
    await shop.submit(version)
    found = await price_affected.affected(brand_id=shop.brand.id, version=version, now=NOW)
    assert found.rows == (
        Concerned(reseller="G1", name="金一", tier="gold", sku="tea", sku_name="茶券", channel="dealer", on=LATER, old_minor=2680, new_minor=None),
        Concerned(reseller="G1", name="金一", tier="gold", sku="tea", sku_name="茶券", channel="tmall", on=LATER, old_minor=2650, new_minor=2640),
        Concerned(reseller="S1", name="银一", tier="silver", sku="tea", sku_name="茶券", channel="wechat", on=DAY, old_minor=2760, new_minor=2700),
    )  # fmt: skip
    assert (found.resellers, found.total) == (2, 3)
    told = await price_affected.told(brand_id=shop.brand.id, version=version, now=NOW, changes=1)
    assert [(each.reseller, each.count, each.changes) for each in told] == [
        (
            "G1",
            2,
            [{"sku": "tea", "name": "茶券", "channel": "dealer", "on": "2101-06-01", "old_minor": 2680, "new_minor": None}],
        ),
        (
            "S1",
            1,
            [{"sku": "tea", "name": "茶券", "channel": "wechat", "on": "2101-03-01", "old_minor": 2760, "new_minor": 2700}],
        ),
    ]


async def test_those_concerned_are_told_with_the_approval(shop: Shop, keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    gold, silver = [await people.member(keys, shop.brand.id, "admin", reseller=reseller) for reseller in ("G1", "S1")]
    version = await shop.draft()
    await shop.change(version, price(2670, tier="gold"))
    approval = await shop.submit(version)
    price_change = "SELECT user_id, reseller, content::text FROM notification WHERE brand_id = $1 AND kind = 'price.change'"
    assert await owner.fetch(price_change, shop.brand.id) == []
    await shop.allow(approval)
    ((user_id, reseller, content),) = await owner.fetch(price_change, shop.brand.id)
    assert (user_id, reseller, silver.user_id != gold.user_id) == (gold.user_id, "G1", True)
    assert [text in content for text in ("2680", "2670", "2460", "2000", "2760")] == [True, True, False, False, False]


async def test_the_history_of_a_cell(shop: Shop) -> None:
    second = await shop.publish(price(2700))
    await shop.publish(price(2500, channel="wechat"), on=DAY)
    fourth = await shop.publish(price(2690), on=LATER)
    draft = await shop.draft()
    found = await price_matrix.cell(brand_id=shop.brand.id, version=draft, key=BASE, day=TODAY, now=at(DAY))
    assert found is not None
    assert [(past.version, past.standing, past.pieces[0].price_minor, past.approver) for past in found.history] == [
        (fourth, "scheduled", 2690, shop.checker.user_id),
        (second, "ended", 2700, shop.checker.user_id),
        (1, "ended", 2760, None),
    ]
