"""In another category the plan may not pay too much: by page, by many at once and by file; what was so before does not matter."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.identity import people

from qucheng.catalog import catalog_import, sku
from qucheng.commission import linter, sku_plan
from qucheng.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]
PLACED = "SELECT code, category FROM sku ORDER BY code"
KEPT = "SELECT subject, (after::jsonb -> 'refusals' -> 0) ->> 'code' FROM audit_record WHERE action = 'sku.refused' ORDER BY id"


async def test_a_category_with_too_high_a_rule_is_refused_by_every_way(keys: crypto.Keys, tmp_path: Path) -> None:
    """Tea that is sold for 27.60 and costs 20.00: a fifth of it leaves enough, three tenths do not. Old tea breaks it already."""
    shop = await price_shop.opened(
        keys,
        tmp_path,
        code=f"s-{uuid.uuid4().hex[:20]}",
        skus=["tea,茶,drinks,30.00,20.00", "old,陈茶,gifts,30.00,20.00"],
        prices=["tea,,,27.60,,2026-01-01,", "old,,,28.00,,2026-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.2,0,,", "GIFT,percent,1,,gifts,,,net,0.3,9,,"],
        orders=[],
        refunds=[],
    )
    acts: dict[str, Any] = {"brand": shop.brand, "actor": people.actor(shop.maker), "now": clock.now()}
    into = sku.Changes(category="gifts")
    with pytest.raises(sku_plan.SkuPlanError) as refusal:
        await sku_plan.change(code="tea", seen=None, changes=into, **acts)
    assert {(each.code, each.sku, each.rules) for each in refusal.value.findings} == {(linter.BELOW_COST, "tea", ("GIFT",))}
    with pytest.raises(sku_plan.SkuPlanError):
        await sku_plan.change_many(codes=["tea"], deed="category", value="gifts", **acts)
    content = "code,name,category\ntea,茶,gifts\n".encode()
    import_id = await catalog_import.keep(
        brand=shop.brand, file_name="a.csv", content=content, actor=acts["actor"], now=acts["now"]
    )
    given = await catalog_import.read(brand=shop.brand, import_id=import_id)
    seen = await catalog_import.report(brand=shop.brand, given=given)
    assert seen.count("changed") == 1
    with pytest.raises(sku_plan.SkuPlanError):
        await sku_plan.apply(import_id=import_id, digest=seen.digest, **acts)
    assert await books.seen(shop.brand, PLACED) == [("old", "gifts"), ("tea", "drinks")]
    subjects = ["tea", "gifts", str(import_id)]
    assert await books.seen(shop.brand, KEPT) == [(subject, linter.BELOW_COST) for subject in subjects]
    # the controls: another category, the other way, and what is no category
    assert await sku_plan.change(code="tea", seen=None, changes=sku.Changes(category="cakes"), **acts) > 0
    assert await sku_plan.change(code="old", seen=None, changes=sku.Changes(category="drinks"), **acts) > 0
    assert await sku_plan.change(code="tea", seen=None, changes=sku.Changes(name="好茶"), **acts) > 0
    done = await sku_plan.change_many(codes=["tea"], deed="sale_off", value="", **acts)
    assert msgspec.structs.astuple(done) == (1, 1)
    assert await books.seen(shop.brand, PLACED) == [("old", "drinks"), ("tea", "cakes")]
    assert len(await books.seen(shop.brand, KEPT)) == 3
