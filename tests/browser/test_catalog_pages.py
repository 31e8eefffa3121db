"""Products in Chromium: one made with its image, many changed at once, a file looked at and applied, and a channel named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import goods

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

WAYS = [
    ("zh-CN", 390, "light"),
    ("en", 1440, "light"),
    pytest.param("zh-CN", 1440, "dark", marks=pytest.mark.long),
    pytest.param("en", 390, "dark", marks=pytest.mark.long),
]
FILE = "code,name,category,list_price,kind,tags\nvideo-month,视频会员月卡,video,24.00,membership,热卖\nnothing,,,,,\n"
WORDS = {
    "zh-CN": ("商品已建立。", "有 3 处需要修改", "文件已应用", "有 1 行不正确，不会应用", "渠道已保存。"),
    "en": (
        "The product is here.",
        "3 things to fix",
        "The file is applied",
        "1 row is wrong and would be left out",
        "The channel is saved.",
    ),
}


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_products_from_the_first_to_the_file(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    cast = await stage.brand(f"c{language[:2]}{width}".lower(), "山岚权益", months=1)
    made, wrong, applied, left_out, saved = WORDS[language]
    async with stage.opened(cast.account("manager"), language, width, theme) as shown:
        shown.allowed = {422}
        await shown.open("/products/new")
        await shown.seemly("product-new")
        await shown.send("/products/new", code="gift", name="", kind="package", category="gift", list_price="x")
        await shown.says(wrong)
        await shown.seemly("product-wrong")
        parts = {
            "part_1": "video-month",
            "quantity_1": "2",
            "share_1": "60",
            "part_2": "meal-50",
            "quantity_2": "1",
            "share_2": "40",
        }
        await shown.send(
            "/products/new",
            name="节日礼包",
            list_price="120.00",
            tags="节日; 热卖",
            rules_zh="一次领取。",
            valid_days="90",
            **parts,
        )
        await shown.says(made, "48.00", "72.00", "节日")
        picture = tmp_path / "gift.png"
        picture.write_bytes(goods.png(320, 200))
        form = shown.form("/products/gift/image")
        await form.locator('[name="file"]').set_input_files(picture)
        await shown.send("/products/gift/image")
        drawn = await shown.page.locator("img.picture").evaluate(
            "each => each.decode().then(() => [each.naturalWidth, each.naturalHeight])"
        )
        assert drawn == [320, 200]
        await shown.seemly("product")
        await shown.send("/products/gift/sale")
        await shown.open("/products/gift/edit")
        await shown.seemly("product-edit")
        await many(shown, width)
        await from_a_file(shown, tmp_path, left_out, applied)
        await shown.open("/channels/new")
        await shown.seemly("channel")
        await shown.send("/channels/new", code="live", name="直播", deviation="refuse")
        await shown.says(saved, "直播")
        await shown.seemly("channels")
        await shown.open("/tiers/new")
        await shown.seemly("tier")
    async with books.connected(stage.owner_url) as owner:
        rows = await owner.fetch(
            "SELECT code, kind, on_sale, list_price_minor, revision FROM sku WHERE brand_id = $1 AND revision > 1 ORDER BY code",
            cast.brand.id,
        )
        found = [tuple(row) for row in rows]
    assert ("gift", "package", False, 12000) in [row[:4] for row in found]
    assert ("video-month", "membership", True, 2400) in [row[:4] for row in found]


async def many(shown: screen.Screen, width: int) -> None:
    """On a wide screen the marked ones are changed at once; a phone shows the list."""
    await shown.open("/products")
    await shown.seemly("products")
    if width < 800:
        return
    await shown.page.locator("[data-check-all]").check()
    await shown.send("/products/bulk", deed="tag_add", value="春节")
    await shown.says("春节")
    await shown.seemly("products-changed")


async def from_a_file(shown: screen.Screen, tmp_path: Path, left_out: str, applied: str) -> None:
    await shown.open("/products/import")
    await shown.seemly("products-import")
    table = tmp_path / "商品.csv"
    table.write_text(FILE, encoding="utf-8-sig")
    await shown.form("/products/import").locator('[name="file"]').set_input_files(table)
    await shown.send("/products/import")
    await shown.says(left_out)
    await shown.seemly("products-preview")
    await shown.open(f"{shown.path}?show=changed")
    await shown.seemly("products-preview-changed")
    await shown.send(shown.path.partition("?")[0])
    await shown.says(applied)
    await shown.open("/products?tag=热卖")
    await shown.says("24.00")


async def test_a_name_of_eighty_letters_leaves_room_for_the_prices(stage: Stage) -> None:
    assert stage.other is not None
    async with stage.opened(stage.other.account("manager"), "en") as shown:
        await shown.open("/products/new")
        await shown.send("/products/new", code="long-name", name="W" * 80, category="W" * 80, list_price="12.00")
        await shown.open("/channels/new")
        await shown.send("/channels/new", code="long", name="W" * 80)
        for path in ("/products/long-name", "/resellers/D01/channels", "/prices"):
            for width in (390, 1440):
                await shown.resize(width)
                await shown.open(path)
                await shown.fits()
        room, price = shown.page.locator(".matrix-scroll"), shown.page.locator(".matrix .cell").first
        around, cell = await room.bounding_box(), await price.bounding_box()
        assert around is not None
        assert cell is not None
        assert cell["x"] + cell["width"] < around["x"] + around["width"]
        assert cell["y"] < around["y"] + 200
