"""Prices at which the plan in force would pay too much are neither submitted nor allowed; what was so before does not matter."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.price_shop import DAY, NOW, price
from tests.rooms.identity import people

from qucheng.catalog import rules, sku
from qucheng.catalog.price_records import Change
from qucheng.commission import linter, price_plan
from qucheng.network import attempt

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

STATES = "SELECT number, state FROM price_version ORDER BY number"
KEPT = "SELECT action, subject, (after::jsonb -> 'refusals' -> 0) ->> 'code' FROM audit_record WHERE action = 'prices.refused' ORDER BY id"


async def a_shop(keys: crypto.Keys, folder: Path, *, now: str = "27.60", rate: str = "0.1") -> price_shop.Shop:
    """Tea that costs 20.00, with a commission on its net."""
    return await price_shop.opened(
        keys,
        folder,
        code=f"s-{uuid.uuid4().hex[:20]}",
        skus=["tea,茶,drinks,30.00,20.00"],
        prices=[f"tea,,,{now},,2026-01-01,"],
        rules=[f"OWN,percent,1,,,,,net,{rate},0,,"],
        orders=[],
        refunds=[],
    )


async def submitted(shop: price_shop.Shop, number: int) -> uuid.UUID:
    return await price_plan.submit(
        brand=shop.brand, principal=shop.maker, number=number, effective_on=DAY, actor=people.actor(shop.maker), now=NOW
    )


@pytest.mark.parametrize(
    ("minor", "left"),
    [
        (2222, (2222, 223)),  # 19.99 are left of it
        (2100, (2100, 210)),
    ],
)
async def test_a_price_that_leaves_less_than_the_cost_is_not_submitted(
    keys: crypto.Keys, tmp_path: Path, minor: int, left: tuple[int, int]
) -> None:
    shop = await a_shop(keys, tmp_path)
    number = await shop.draft()
    await shop.change(number, price(minor))
    with pytest.raises(price_plan.PricePlanError) as refusal:
        await submitted(shop, number)
    (found,) = refusal.value.findings
    assert (found.code, found.sku, found.rules, found.since) == (linter.BELOW_COST, "tea", ("OWN",), DAY)
    assert (found.price_minor, found.commission_minor) == left
    assert await books.seen(shop.brand, STATES) == [(1, "approved"), (2, "draft")]
    assert await books.seen(shop.brand, "SELECT id FROM approval") == []
    assert await books.seen(shop.brand, KEPT) == [("prices.refused", "2", linter.BELOW_COST)]
    (kept,) = await attempt.listing(brand_id=shop.brand.id)
    assert (kept.what, kept.subject, kept.codes) == ("prices.submit", "2", (linter.BELOW_COST,))
    # one 分 more leaves 20.00
    await shop.change(number, price(2223, seen=1))
    await shop.allow(await submitted(shop, number))
    assert await books.seen(shop.brand, STATES) == [(1, "approved"), (2, "approved")]


async def test_what_was_submitted_is_looked_at_again_when_it_is_allowed(keys: crypto.Keys, tmp_path: Path) -> None:
    shop = await a_shop(keys, tmp_path)
    number = await shop.draft()
    await shop.change(number, price(2100))
    # the book itself knows nothing of plans
    asked = await shop.submit(number)
    with pytest.raises(price_plan.PricePlanError):
        await shop.allow(asked)
    assert await books.seen(shop.brand, STATES) == [(1, "approved"), (2, "submitted")]
    assert await books.seen(shop.brand, "SELECT state FROM approval") == [("waiting",)]
    assert await books.seen(shop.brand, KEPT) == [("prices.refused", "2", linter.BELOW_COST)]


@pytest.mark.parametrize(("minor", "refused"), [(2150, False), (2099, True)])
async def test_what_was_so_before_is_refused_only_if_it_gets_worse(
    keys: crypto.Keys, tmp_path: Path, minor: int, *, refused: bool
) -> None:
    shop = await a_shop(keys, tmp_path, now="21.00")
    number = await shop.draft()
    await shop.change(number, price(minor))
    if refused:
        with pytest.raises(price_plan.PricePlanError):
            await submitted(shop, number)
    else:
        await shop.allow(await submitted(shop, number))
    assert await books.seen(shop.brand, STATES) == [(1, "approved"), (2, "draft" if refused else "approved")]


async def test_a_list_price_is_no_price_in_force(keys: crypto.Keys, tmp_path: Path) -> None:
    """A SKU that nothing was charged for yet: what it would have left at its list price excuses no price."""
    shop = await a_shop(keys, tmp_path)
    facts = rules.Facts(name="新茶", category="drinks", list_price_minor=2000)
    await sku.create(
        brand_id=shop.brand.id, code="new-tea", facts=facts, cost_minor=1900, actor=people.actor(shop.maker), now=NOW
    )
    number = await shop.draft()
    await shop.change(number, price(2000, "new-tea"))
    with pytest.raises(price_plan.PricePlanError) as refusal:
        await submitted(shop, number)
    assert [(each.code, each.sku, each.price_minor) for each in refusal.value.findings] == [(linter.BELOW_COST, "new-tea", 2000)]
    # nor does it stand in the way of others: without a price it is not sold
    await shop.change(number, Change(sku="new-tea", channel=None, tier=None, action="clear", seen=1), price(2800))
    await shop.allow(await submitted(shop, number))
    assert await books.seen(shop.brand, STATES) == [(1, "approved"), (2, "approved")]


async def test_what_was_worse_of_another_sku_excuses_nothing(keys: crypto.Keys, tmp_path: Path) -> None:
    shop = await price_shop.opened(
        keys,
        tmp_path,
        code=f"s-{uuid.uuid4().hex[:20]}",
        skus=["tea,茶,drinks,30.00,20.00", "old,旧,drinks,30.00,20.00"],
        prices=["tea,,,27.60,,2026-01-01,", "old,,,15.00,,2026-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.1,0,,"],
        orders=[],
        refunds=[],
    )
    number = await shop.draft()
    await shop.change(number, price(2100))
    with pytest.raises(price_plan.PricePlanError) as refusal:
        await submitted(shop, number)
    assert [(each.sku, each.price_minor) for each in refusal.value.findings] == [("tea", 2100)]
    await shop.change(number, price(2500, seen=1))
    await shop.allow(await submitted(shop, number))
