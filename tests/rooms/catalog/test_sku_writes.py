"""SKUs added and changed: what is said of them, what was said before, and two people at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.catalog import goods

from qucheng.catalog import queries, rules, sku

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FACTS = rules.Facts(
    name="直充 50 元",
    category="phone",
    list_price_minor=4990,
    kind="top_up",
    face_value_minor=5000,
    valid_days=30,
    rules_zh="到账以运营商短信为准。",
    rules_en="The carrier's message counts.",
    hold_from="delivered",
    tags=("热卖", "手机"),
)
SAID = {
    "name": "直充 50 元",
    "category": "phone",
    "list_price_minor": 4990,
    "kind": "top_up",
    "face_value_minor": 5000,
    "valid_days": 30,
    "rules_zh": "到账以运营商短信为准。",
    "rules_en": "The carrier's message counts.",
    "hold_from": "delivered",
    "on_sale": True,
    "tags": ["热卖", "手机"],
    "cost_minor": 4800,
}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await goods.brand(tmp_path)


@pytest.fixture
async def nothing_written(owner: asyncpg.Connection, brand: Brand) -> AsyncIterator[None]:
    assert brand
    before = await books.everything(owner)
    yield
    assert await books.everything(owner) == before


async def create(brand: Brand, code: str, facts: rules.Facts, cost_minor: int = 4800) -> None:
    await sku.create(brand_id=brand.id, code=code, facts=facts, cost_minor=cost_minor, actor=goods.ACTOR, now=books.NOW)


async def test_a_new_sku_is_what_was_said(brand: Brand) -> None:
    await create(brand, "P50", FACTS)
    made = await goods.one(brand, "P50")
    assert made.facts() == msgspec.structs.replace(FACTS, tags=("手机", "热卖"))
    assert (made.cost_minor, made.revision, made.sale_changed_at, made.image) == (4800, 1, None, None)
    assert await goods.trail(brand, "P50") == [("sku.create", None, SAID)]
    assert await queries.words(brand_id=brand.id) == queries.Words(["phone", "tea", "video"], ["手机", "热卖"])


async def test_a_bundles_sku_says_nothing_of_itself(brand: Brand) -> None:
    found = await goods.one(brand, "card")
    assert found.facts() == rules.Facts(name="会员月卡", category="video", list_price_minor=10000)
    assert (found.kind, found.hold_from, found.on_sale, found.revision, found.cost_minor) == ("other", "paid", True, 1, 6000)


async def test_what_is_new_is_written_and_on_the_trail(brand: Brand) -> None:
    assert await goods.say(brand, "card", name="月卡", valid_until=dt.date(2027, 6, 30), tags=("b", "a")) == 2
    assert await goods.say(brand, "card", on_sale=False, tags=()) == 3
    found = await goods.one(brand, "card")
    assert (found.name, found.valid_until, found.tags, found.on_sale, found.sale_changed_at, found.revision) == (
        "月卡",
        dt.date(2027, 6, 30),
        (),
        False,
        books.NOW,
        3,
    )
    assert await goods.trail(brand, "card") == [
        (
            "sku.change",
            {"name": "会员月卡", "valid_until": None, "tags": []},
            {"name": "月卡", "valid_until": "2027-06-30", "tags": ["a", "b"]},
        ),
        ("sku.change", {"on_sale": True, "tags": ["a", "b"]}, {"on_sale": False, "tags": []}),
    ]


@pytest.mark.usefixtures("nothing_written")
async def test_what_is_not_new_is_not_written(brand: Brand) -> None:
    assert await goods.say(brand, "card", name="会员月卡", tags=()) == 1


@pytest.mark.usefixtures("nothing_written")
async def test_what_is_not_to_be_kept_is_looked_at_and_left(brand: Brand) -> None:
    wanted = sku.Changes(name="月卡", kind="membership")
    assert (
        await sku.change(brand_id=brand.id, code="card", seen=1, changes=wanted, actor=goods.ACTOR, now=books.NOW, keep=False)
        == 2
    )
    with pytest.raises(sku.SkuUnfitError):
        await sku.change(
            brand_id=brand.id, code="card", seen=1, changes=sku.Changes(name=""), actor=goods.ACTOR, now=books.NOW, keep=False
        )


@pytest.mark.usefixtures("nothing_written")
async def test_refusals_write_nothing(brand: Brand) -> None:
    with pytest.raises(sku.SkuTakenError, match="There is a SKU card already"):
        await create(brand, "card", FACTS)
    for code, cost, faults in (
        ("a b", 0, [("code", "code.invalid")]),
        ("bulk", -1, [("code", "code.invalid"), ("cost", "amount.invalid")]),
    ):
        with pytest.raises(sku.SkuUnfitError) as unfit:
            await create(brand, code, FACTS, cost)
        assert [(fault.field, fault.code) for fault in unfit.value.faults] == faults
    with pytest.raises(sku.SkuUnfitError) as unfit:
        await goods.say(brand, "card", name=" ", valid_days=1, valid_until=dt.date(2027, 1, 1))
    assert [(fault.field, fault.code) for fault in unfit.value.faults] == [
        ("name", "name.invalid"),
        ("valid_until", "validity.both"),
    ]
    for code in ("nothing", "a\0"):
        with pytest.raises(queries.SkuUnknownError):
            await goods.say(brand, code, name="x")
        with pytest.raises(queries.SkuUnknownError):
            await goods.one(brand, code)


async def test_who_saw_another_revision_writes_over_nothing(brand: Brand) -> None:
    await goods.say(brand, "card", name="月卡")
    with pytest.raises(sku.SkuStaleError) as stale:
        await sku.change(
            brand_id=brand.id, code="card", seen=1, changes=sku.Changes(name="年卡"), actor=goods.ACTOR, now=books.NOW
        )
    assert (stale.value.current.name, stale.value.current.revision) == ("月卡", 2)
    assert (await goods.one(brand, "card")).name == "月卡"


async def test_of_two_at_once_one_is_told_that_it_is_stale(brand: Brand) -> None:
    async def edit(name: str) -> int:
        wanted = sku.Changes(name=name)
        return await sku.change(brand_id=brand.id, code="card", seen=1, changes=wanted, actor=goods.ACTOR, now=books.NOW)

    ends = await asyncio.gather(edit("甲"), edit("乙"), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["SkuStaleError", "int"]
    found = await goods.one(brand, "card")
    assert (found.name, found.revision) == ("甲" if ends[0] == 2 else "乙", 2)
    assert len(await goods.trail(brand, "card")) == 1


async def test_control_without_what_was_seen_both_are_written(brand: Brand) -> None:
    ends = await asyncio.gather(goods.say(brand, "card", name="甲"), goods.say(brand, "card", name="乙"))
    assert sorted(ends) == [2, 3]


async def test_a_package_has_parts_that_are_its_price(brand: Brand) -> None:
    parts = (goods.part("tea", 2, 600_000), goods.part("coupon", 1, 400_000))
    await create(brand, "gift", msgspec.structs.replace(FACTS, kind="package", parts=parts))
    made = await goods.one(brand, "gift")
    assert made.parts == tuple(sorted(parts))
    assert rules.shares(made.list_price_minor, made.parts) == [1996, 2994]
    assert await queries.packages(brand_id=brand.id, code="tea") == [("gift", "直充 50 元")]
    assert await goods.say(brand, "gift", parts=(goods.part("tea", 3, 1_000_000),)) == 2
    assert (await goods.one(brand, "gift")).parts == (goods.part("tea", 3, 1_000_000),)
    assert await goods.say(brand, "gift", kind="other", parts=()) == 3
    assert (await goods.one(brand, "gift")).parts == ()


async def test_a_package_is_made_of_what_there_is_and_is_no_package(brand: Brand, owner: asyncpg.Connection) -> None:
    parts = (goods.part("tea", 1, 500_000), goods.part("coupon", 1, 500_000))
    await create(brand, "gift", msgspec.structs.replace(FACTS, kind="package", parts=parts))
    before = await books.everything(owner)
    for code, changes, faults in (
        ("card", {"kind": "package", "parts": (goods.part("none", 2, 1_000_000),)}, [("parts", "part.unknown")]),
        ("card", {"kind": "package", "parts": (goods.part("gift", 2, 1_000_000),)}, [("parts", "part.package")]),
        (
            "card",
            {"kind": "package", "parts": (goods.part("card", 2, 1_000_000),)},
            [("parts", "part.package"), ("kind", "kind.is_part")],
        ),
        ("tea", {"kind": "package", "parts": (goods.part("coupon", 2, 1_000_000),)}, [("kind", "kind.is_part")]),
        ("gift", {"kind": "top_up"}, [("kind", "parts.not_package")]),
    ):
        with pytest.raises(sku.SkuUnfitError) as unfit:
            await goods.say(brand, code, **changes)
        assert [(fault.field, fault.code) for fault in unfit.value.faults] == faults, (code, changes)
    assert await books.everything(owner) == before


async def test_a_renamed_sku_does_not_change_what_was_sold(brand: Brand, tmp_path: Path) -> None:
    order = ["O-1,1,2026-02-03T10:00:00,R1,web,tea,1,30.00,,"]
    await books.take_in(brand, books.write(tmp_path / "sold", code=brand.code, skus=goods.SKUS, orders=order))
    frozen = "SELECT category, cost_minor, gross_minor FROM order_line"
    assert await books.seen(brand, frozen) == [("tea", 2000, 3000)]
    await goods.say(brand, "tea", name="红茶", category="drinks", list_price_minor=1)
    assert await books.seen(brand, frozen) == [("tea", 2000, 3000)]


@pytest.mark.parametrize(
    ("chosen", "codes"),
    [
        (queries.Chosen(), ["card", "coupon", "tea"]),
        (queries.Chosen(category="video"), ["card", "coupon"]),
        (queries.Chosen(tag="热卖"), ["card", "tea"]),
        (queries.Chosen(kind="membership"), ["card"]),
        (queries.Chosen(on_sale=False), ["tea"]),
        (queries.Chosen(on_sale=True, tag="热卖"), ["card"]),
        (queries.Chosen(text="乌龙"), ["tea"]),
        (queries.Chosen(text="CO"), ["coupon"]),
        (queries.Chosen(text="%"), []),
    ],
)
async def test_skus_are_chosen(brand: Brand, chosen: queries.Chosen, codes: list[str]) -> None:
    await goods.say(brand, "card", tags=("热卖",), kind="membership")
    await goods.say(brand, "tea", tags=("热卖", "x"), on_sale=False)
    found = await queries.skus(brand_id=brand.id, chosen=chosen)
    assert ([row.code for row in found.rows], found.total) == (codes, len(codes))
    second = await queries.skus(brand_id=brand.id, chosen=chosen, skip=1, most=1)
    assert ([row.code for row in second.rows], second.total) == (codes[1:2], len(codes))


async def test_whether_it_is_on_sale_is_one_question(brand: Brand) -> None:
    await goods.say(brand, "tea", on_sale=False)
    asked = "SELECT is_on_sale('card'), is_on_sale('tea'), is_on_sale('none')"
    assert await books.seen(brand, asked) == [(True, False, None)]
