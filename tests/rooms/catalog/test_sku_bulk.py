"""The same change to many SKUs, their images, and channels and tiers."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import goods

from qucheng.catalog import bulk, channel, image, queries
from qucheng.core import db
from qucheng.network import tier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

CHANNELS = ["web,网店,agency", "b2b,批发,wholesale"]
ORDER = ["O-1,1,2026-02-03T10:00:00,R1,web,tea,1,30.00,,"]


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await goods.brand(tmp_path, channels=CHANNELS, orders=ORDER)


async def deed(brand: Brand, codes: Sequence[str], what: bulk.Deed, value: str = "") -> bulk.Changed:
    return await bulk.change(brand_id=brand.id, codes=codes, deed=what, value=value, actor=goods.ACTOR, now=books.NOW)


async def asked(brand: Brand, codes: list[str], changed: bulk.Changed) -> list[str]:
    """What the database was asked to make them new."""
    found: list[str] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        if "jit" not in query.query and "pg_type" not in query.query:  # what the driver asks of types, the first time
            found.append(query.query)

    async with db.atomic(brand.id):
        with db.connection().query_logger(note):
            assert await deed(brand, codes, "category", "new") == changed
    return found


async def test_five_hundred_change_in_one_statement(brand: Brand, owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor)"
        " SELECT $1, 'n-' || n, 'x', CASE WHEN n <= 100 THEN 'new' ELSE 'old' END, 1, 1 FROM generate_series(1, 500) n",
        brand.id,
    )
    alone = await asked(brand, ["n-101"], bulk.Changed(chosen=1, changed=1))
    together = await asked(brand, [f"n-{n}" for n in range(1, 501)], bulk.Changed(chosen=500, changed=399))
    assert together == alone
    assert sum("UPDATE sku" in query for query in together) == 1
    assert await books.seen(
        brand, "SELECT category, revision, count(*) FROM sku WHERE code LIKE 'n-%' GROUP BY 1, 2 ORDER BY 2"
    ) == [
        ("new", 1, 100),
        ("new", 2, 400),
    ]
    assert await goods.trail(brand, "n-500") == [("sku.change", {"category": "old"}, {"category": "new"})]
    assert await goods.trail(brand, "n-1") == []


async def test_tags_and_sale_change_for_many(brand: Brand) -> None:
    await goods.say(brand, "tea", tags=("热卖",))
    assert await deed(brand, ["card", "tea", "none"], "tag_add", " 热卖 ") == bulk.Changed(chosen=2, changed=1)
    assert await deed(brand, ["card", "tea", "coupon"], "sale_off") == bulk.Changed(chosen=3, changed=3)
    assert await deed(brand, ["card", "tea"], "sale_on") == bulk.Changed(chosen=2, changed=2)
    assert await deed(brand, ["tea", "coupon"], "tag_remove", "热卖") == bulk.Changed(chosen=2, changed=1)
    found = (await queries.skus(brand_id=brand.id, chosen=queries.Chosen())).rows
    assert [(row.code, row.tags, row.on_sale, row.revision, row.sale_changed_at) for row in found] == [
        ("card", ("热卖",), True, 4, books.NOW),
        ("coupon", (), False, 2, books.NOW),
        ("tea", (), True, 5, books.NOW),
    ]
    assert await goods.trail(brand, "card") == [
        ("sku.change", None, {"tag_added": "热卖"}),
        ("sku.change", {"on_sale": True}, {"on_sale": False}),
        ("sku.change", {"on_sale": False}, {"on_sale": True}),
    ]


async def test_what_cannot_be_done_to_many_is_refused(brand: Brand, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    for codes, what, value, field in (
        ([], "sale_on", "", "skus"),
        (["a b"], "sale_on", "", "skus"),
        ([f"n-{n}" for n in range(5001)], "sale_on", "", "skus"),
        (["tea"], "tag_add", "a;b", "tag"),
        (["tea"], "tag_remove", " ", "tag"),
        (["tea"], "category", "x" * 81, "category"),
    ):
        with pytest.raises(bulk.BulkUnfitError) as unfit:
            await deed(brand, codes, what, value)  # type: ignore[arg-type]
        assert unfit.value.field == field
    assert await deed(brand, ["none"], "category", "x") == bulk.Changed(chosen=0, changed=0)
    assert await books.everything(owner) == before


async def test_two_that_change_the_same_many_wait_for_each_other(brand: Brand) -> None:
    ends = await asyncio.gather(
        *(
            deed(brand, codes, "tag_add", name)
            for name in ("a", "b", "c")
            for codes in (["card", "tea"], ["tea", "card", "coupon"])
        )
    )
    assert sum(end.changed for end in ends) == 9
    found = (await queries.skus(brand_id=brand.id, chosen=queries.Chosen())).rows
    assert {row.tags for row in found} == {("a", "b", "c")}


async def test_an_image_is_kept_as_it_was_sent(brand: Brand) -> None:
    first, second = goods.png(4, 4), goods.jpeg(640, 480)
    for content in (first, first, second):
        digest = await image.put(brand_id=brand.id, sku="tea", content=content, actor=goods.ACTOR, now=books.NOW)
        assert digest == hashlib.sha256(content).hexdigest()
    stored = await image.read(brand_id=brand.id, sku="tea")
    assert stored == image.Stored(second, "image/jpeg", hashlib.sha256(second).hexdigest())
    assert await image.read(brand_id=brand.id, sku="tea", reseller="R1") == stored
    found = await goods.one(brand, "tea")
    assert found.image == queries.Image(
        sha256=stored.sha256, kind="image/jpeg", width=640, height=480, size=len(second), set_at=books.NOW
    )
    await image.remove(brand_id=brand.id, sku="tea", actor=goods.ACTOR)
    await image.remove(brand_id=brand.id, sku="tea", actor=goods.ACTOR)
    for sku in ("tea", "none", "a\0"):
        with pytest.raises(image.ImageUnknownError):
            await image.read(brand_id=brand.id, sku=sku)
    hashes = [hashlib.sha256(content).hexdigest() for content in (first, second)]
    assert await goods.trail(brand, "tea") == [
        ("sku.image", {"image": None}, {"image": hashes[0]}),
        ("sku.image", {"image": hashes[0]}, {"image": hashes[1]}),
        ("sku.image", {"image": hashes[1]}, {"image": None}),
    ]


async def test_what_is_no_image_is_refused(brand: Brand, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    for content in (b"", b"<svg/>", goods.png(4097, 1), goods.png()[:-12] + bytes(1 << 20) + goods.png()[-12:]):
        with pytest.raises(image.ImageUnfitError):
            await image.put(brand_id=brand.id, sku="tea", content=content, actor=goods.ACTOR, now=books.NOW)
    for sku in ("none", "a\0"):
        with pytest.raises(queries.SkuUnknownError):
            await image.put(brand_id=brand.id, sku=sku, content=goods.png(), actor=goods.ACTOR, now=books.NOW)
        with pytest.raises(queries.SkuUnknownError):
            await image.remove(brand_id=brand.id, sku=sku, actor=goods.ACTOR)
    assert await books.everything(owner) == before


async def test_channels_are_added_and_changed(brand: Brand) -> None:
    await channel.create(brand_id=brand.id, code="live", name="直播", kind="agency", deviation="refuse", actor=goods.ACTOR)
    await channel.change(brand_id=brand.id, code="web", seen=1, name="网店", kind="agency", deviation="refuse", actor=goods.ACTOR)
    await channel.change(brand_id=brand.id, code="b2b", seen=1, name="批发商", kind="agency", deviation="flag", actor=goods.ACTOR)
    await channel.change(brand_id=brand.id, code="b2b", seen=2, name="批发商", kind="agency", deviation="flag", actor=goods.ACTOR)
    assert [
        tuple(getattr(each, name) for name in each.__struct_fields__) for each in await queries.channels(brand_id=brand.id)
    ] == [
        ("b2b", "批发商", "agency", "flag", 2, False),
        ("live", "直播", "agency", "refuse", 1, False),
        ("web", "网店", "agency", "refuse", 2, True),
    ]
    assert await books.seen(
        brand, "SELECT action, subject, before::text, after::text FROM audit_record WHERE action LIKE 'channel.%' ORDER BY id"
    ) == [
        ("channel.create", "live", None, '{"kind": "agency", "name": "直播", "deviation": "refuse"}'),
        ("channel.change", "web", '{"deviation": "flag"}', '{"deviation": "refuse"}'),
        ("channel.change", "b2b", '{"kind": "wholesale", "name": "批发"}', '{"kind": "agency", "name": "批发商"}'),
    ]


async def test_channels_refuse(brand: Brand, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    good = {"name": "网店", "kind": "agency", "deviation": "flag"}

    async def change(code: str, seen: int, **said: str) -> None:
        await channel.change(brand_id=brand.id, code=code, seen=seen, actor=goods.ACTOR, **{**good, **said})  # type: ignore[arg-type]

    with pytest.raises(channel.ChannelTakenError):
        await channel.create(brand_id=brand.id, code="web", name="x", kind="agency", deviation="flag", actor=goods.ACTOR)
    with pytest.raises(channel.ChannelUnfitError) as unfit:
        await channel.create(brand_id=brand.id, code="new", name="", kind="x", deviation="x", actor=goods.ACTOR)  # type: ignore[arg-type]
    assert unfit.value.fields == ["code", "name", "kind", "deviation"]
    with pytest.raises(channel.ChannelSoldError):
        await change("web", 1, kind="wholesale")
    with pytest.raises(channel.ChannelStaleError):
        await change("web", 2, name="x")
    with pytest.raises(channel.ChannelUnknownError):
        await change("none", 1)
    with pytest.raises(channel.ChannelUnfitError):
        await change("web", 1, name=" x")
    assert await books.everything(owner) == before


async def test_a_kind_waits_for_a_delivery(workspace: books.Workspace, brand: Brand) -> None:
    async with books.connected(workspace.app, brand.id) as held, held.transaction():
        await held.execute("SELECT lock_brand(current_brand(), 'intake')")
        with pytest.raises(channel.ChannelBusyError):
            await channel.change(
                brand_id=brand.id, code="b2b", seen=1, name="批发", kind="agency", deviation="flag", actor=goods.ACTOR
            )


async def test_tiers_are_added_and_changed(brand: Brand, owner: asyncpg.Connection) -> None:
    await tier.create(brand_id=brand.id, code="silver", name="银牌", rank=2, actor=goods.ACTOR)
    await tier.change(brand_id=brand.id, code="gold", seen=1, name="黄金", rank=3, actor=goods.ACTOR)
    await tier.change(brand_id=brand.id, code="gold", seen=2, name="黄金", rank=3, actor=goods.ACTOR)
    assert await tier.listing(brand_id=brand.id) == [
        tier.Tier(code="silver", name="银牌", rank=2, revision=1),
        tier.Tier(code="gold", name="黄金", rank=3, revision=2),
    ]
    before = await books.everything(owner)
    with pytest.raises(tier.TierTakenError):
        await tier.create(brand_id=brand.id, code="gold", name="x", rank=1, actor=goods.ACTOR)
    with pytest.raises(tier.TierUnfitError) as unfit:
        await tier.create(brand_id=brand.id, code="new", name="", rank=0, actor=goods.ACTOR)
    assert unfit.value.fields == ["code", "name", "rank"]
    with pytest.raises(tier.TierStaleError):
        await tier.change(brand_id=brand.id, code="gold", seen=1, name="x", rank=1, actor=goods.ACTOR)
    with pytest.raises(tier.TierUnknownError):
        await tier.change(brand_id=brand.id, code="none", seen=1, name="x", rank=1, actor=goods.ACTOR)
    assert await books.everything(owner) == before
