"""The catalogue of the demonstration: every product says what it is, and a second time nothing is added."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.bundle import demo_catalog, demo_catalog_details
from qucheng.catalog import image, queries, rules
from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.anyio


async def test_every_product_says_what_it_is(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path) -> None:
    assert workspace
    names = [field.name for field in dataclasses.fields(demo_catalog.SKUS[0])]
    assert names[:2] == ["code", "name"]
    skus = [f"{each.code},{each.name},{each.category},25.00,10.00" for each in demo_catalog.SKUS]
    brand = await books.found(books.write(tmp_path / "demo", code="demo-details", skus=skus))
    await books.take_in(brand, tmp_path / "demo")
    manager = await people.member(crypto.keys(tmp_path / "keys"), brand.id, "manager")
    await demo_catalog_details.fill(brand=brand, manager=manager.user_id, now=books.NOW)
    found = (await queries.skus(brand_id=brand.id, chosen=queries.Chosen(), most=100)).rows
    assert len(found) == len(skus) + 1
    assert {row.kind for row in found} == {"membership", "discount", "card_secret", "top_up", "package"}
    package = await queries.sku(brand_id=brand.id, code="GB-01")
    assert rules.shares(package.list_price_minor, package.parts) == [2225, 4005, 2670]
    assert (await image.read(brand_id=brand.id, sku="GB-01")).kind == "image/png"
    assert (await queries.words(brand_id=brand.id)).tags == ["企业采购", "热卖", "节日礼赠"]
    before = await books.everything(owner)
    await demo_catalog_details.fill(brand=brand, manager=manager.user_id, now=books.NOW)
    assert await books.everything(owner) == before
