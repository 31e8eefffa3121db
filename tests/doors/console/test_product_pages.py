"""Products as managers make, find and change them, one and many; and what somebody else did meanwhile."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.account import browser
from tests.doors.console import visits
from tests.rooms.catalog import goods

from qucheng.catalog import queries, rules
from qucheng.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LINKS = re.compile(r'<li><a href="#(\w+)">([^<]+)</a></li>')
NEW = {
    "code": "P50",
    "name": "直充 50 元",
    "kind": "top_up",
    "category": "phone",
    "tags": "热卖；手机",
    "list_price": "49.90",
    "face_value": "50",
    "cost": "48",
    "valid_days": "30",
    "valid_until": "",
    "hold_from": "delivered",
    "rules_zh": "到账为准。\r\n每日一次。",
    "rules_en": "",
    "on_sale": "1",
}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await goods.brand(tmp_path)


@pytest.fixture
async def manager(house: browser.House, brand: Brand) -> browser.Browser:
    visitor, _ = await visits.entered(house, brand.id, "manager")
    return visitor


async def send_file(visitor: browser.Browser, path: str, content: bytes, name: str = "a.bin", *, page: str) -> tuple[int, str]:
    """The form with a file of the page; returns the status and where it leads."""
    await visitor.get(page)
    token = browser.TOKEN.search(visitor.page)
    assert token is not None, visitor.page
    answer = await visitor.client.post(
        path,
        data={"_csrf": html.unescape(token[1])},
        files={"file": (name, content)},
        headers={"accept": "text/html", "accept-language": visitor.language, "origin": browser.HOME},
    )
    visitor.page = answer.text
    return answer.status_code, answer.headers.get("location", "")


async def stored(owner: asyncpg.Connection) -> dict[str, str]:
    left = {"process", "session"}
    return {name: rows for name, rows in (await books.everything(owner)).items() if name not in left}


def rows(page: str) -> list[str]:
    return re.findall(r'<a class="row-link" href="/products/([^"]+)"', page)


async def test_a_product_is_made_and_shown(manager: browser.Browser, brand: Brand) -> None:
    await manager.get("/products/new")
    answer = await manager.send("/products/new", **NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/products/P50?done=created")
    made = await goods.one(brand, "P50")
    assert made.facts() == rules.Facts(
        name="直充 50 元",
        category="phone",
        list_price_minor=4990,
        kind="top_up",
        face_value_minor=5000,
        valid_days=30,
        rules_zh="到账为准。\n每日一次。",
        hold_from="delivered",
        tags=("手机", "热卖"),
    )
    assert made.cost_minor == 4800
    await manager.get("/products/P50?done=created")
    shown = visits.plain(manager.page)
    for words in (
        "The product is here. Give it a price next",
        "直充 50 元 On sale",
        "P50 Top-up phone 手机 热卖",
        "No price",
        "Always — — 48.00",
        "30 days from delivery",
        "Hold counts from Delivery",
        "到账为准。 每日一次。",
        "Kind Top-up",
    ):
        assert words in shown, words


async def test_all_that_is_wrong_is_told_and_what_was_typed_stays(manager: browser.Browser, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    await manager.get("/products/new")
    wrong = {
        "code": "a b",
        "name": " ",
        "list_price": "x",
        "face_value": "-1",
        "valid_days": "0",
        "valid_until": "2027-02-30",
        "tags": "x" * 41,
        "hold_from": "never",
        "category": "<b>",
    }
    answer = await manager.send("/products/new", **{**NEW, **wrong})
    assert answer.status_code == 422
    assert [(field, html.unescape(text)) for field, text in LINKS.findall(answer.text)] == [
        ("list_price", "Write an amount such as 25.00 or 1,200."),
        ("valid_until", "Write a day such as 2027-06-30."),
        ("hold_from", "Choose from when the hold counts."),
        (
            "code",
            "A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not new, import, export or bulk.",
        ),
        ("name", "The name of a product has 1 to 80 characters."),
        ("face_value", "Write an amount such as 25.00 or 1,200."),
        ("valid_days", "Write a number of days from 1 to 36,500."),
        ("tags", "A tag has 1 to 40 characters, and a product at most 20 of them."),
    ]
    assert 'value="&lt;b&gt;"' in answer.text
    assert ">到账为准。\n每日一次。</textarea>" in answer.text
    for field, _ in LINKS.findall(answer.text):
        assert f'id="{field}"' in answer.text
    await manager.get("/products/new")
    assert (await manager.send("/products/new", **{**NEW, "code": "tea"})).status_code == 409
    assert "There is a product of this code already." in manager.page
    assert await stored(owner) == before


async def test_a_package_is_typed_part_by_part(manager: browser.Browser, brand: Brand) -> None:
    parts = {
        "part_1": "tea",
        "quantity_1": "2",
        "share_1": "33.3333",
        "part_3": "coupon",
        "quantity_3": "1",
        "share_3": "66.6667%",
    }
    await manager.get("/products/new")
    answer = await manager.send("/products/new", **{**NEW, "kind": "package", **parts})
    assert answer.status_code == 303
    assert (await goods.one(brand, "P50")).parts == (goods.part("coupon", 1, 666_667), goods.part("tea", 2, 333_333))
    await manager.get("/products/P50")
    assert "满减券 coupon 1 66.6667% 33.27 乌龙茶 tea 2 33.3333% 16.63 The package 100% 49.90" in visits.plain(manager.page)
    await manager.get("/products/tea")
    assert 'It is in: <a class="link" href="/products/P50">' in manager.page
    await manager.get("/products/P50/edit")
    again = await manager.send(
        "/products/P50/edit",
        **{
            **NEW,
            "kind": "package",
            "revision": "1",
            "part_1": "tea",
            "quantity_1": "0",
            "share_1": "50",
            "part_2": "P50",
            "quantity_2": "1",
            "share_2": "x",
        },
    )
    assert again.status_code == 422
    assert [(field, html.unescape(text)) for field, text in LINKS.findall(again.text)] == [
        ("part_2", "A share is from 0% to 100%, with at most 4 decimals."),
        ("part_1", "A part is in the package 1 to 1,000 times."),
        ("part_1", "A package has at least two things in it, and at most 20 kinds of them."),
    ]


async def test_the_list_is_chosen_by_its_address(manager: browser.Browser, brand: Brand) -> None:
    await goods.say(brand, "card", tags=("热卖",), kind="membership")
    await goods.say(brand, "tea", tags=("热卖",), on_sale=False)
    for query, codes in (
        ("", ["card", "coupon", "tea"]),
        ("?tag=热卖", ["card", "tea"]),
        ("?tag=热卖&sale=off", ["tea"]),
        ("?kind=membership", ["card"]),
        ("?category=video", ["card", "coupon"]),
        ("?text=乌龙", ["tea"]),
        ("?kind=none&sale=none&page=x", ["card", "coupon", "tea"]),
        ("?text=none", []),
    ):
        await manager.get(f"/products{query}")
        assert rows(manager.page) == codes, query
    assert "No product fits" in manager.page
    assert 'href="/products?text=none"' not in manager.page


async def test_more_than_a_page_of_them_is_paged_and_changed_as_a_whole(
    manager: browser.Browser, brand: Brand, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor)"
        " SELECT $1, 'many-' || lpad(n::text, 2, '0'), 'n' || n, 'many', 100, 50 FROM generate_series(1, 25) n",
        brand.id,
    )
    await manager.get("/products?category=many")
    assert rows(manager.page) == [f"many-{n:02}" for n in range(1, 21)]
    assert "all 25 that fit" in visits.plain(manager.page)
    await manager.get("/products?category=many&page=2")
    assert rows(manager.page) == [f"many-{n:02}" for n in range(21, 26)]
    await manager.send("/products/bulk", category="many", deed="sale_off", all="1")
    off = await queries.skus(brand_id=brand.id, chosen=queries.Chosen(on_sale=False), most=100)
    assert [row.code for row in off.rows] == [f"many-{n:02}" for n in range(1, 26)]


async def test_many_are_changed_at_once(manager: browser.Browser, brand: Brand, owner: asyncpg.Connection) -> None:
    await manager.get("/products?category=video")
    answer = await manager.send(
        "/products/bulk", category="video", deed="tag_add", value="热卖", page="1", sku_card="1", **{"sku_no such": "1"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/products?category=video&page=1&changed=1-1")
    assert (await goods.one(brand, "card")).tags == ("热卖",)
    await manager.send("/products/bulk", category="video", deed="sale_off", all="1")
    found = await queries.skus(brand_id=brand.id, chosen=queries.Chosen(on_sale=False))
    assert [row.code for row in found.rows] == ["card", "coupon"]
    await manager.get("/products?changed=1-2")
    assert "1 product is changed 1 of those you chose were so already." in visits.plain(manager.page)
    before = await stored(owner)
    for fields, field, told in (
        ({"deed": "sale_on"}, "all", "Choose products first, 5,000 at most."),
        ({"deed": "", "sku_tea": "1"}, "deed", "Choose what is to be done."),
        ({"deed": "tag_add", "value": "a;b", "sku_tea": "1"}, "value", "Write a tag of 1 to 40 characters."),
        ({"deed": "category", "value": " ", "sku_tea": "1"}, "value", "A category has 1 to 80 characters."),
    ):
        await manager.get("/products")
        answer = await manager.send("/products/bulk", **fields)
        assert (answer.status_code, LINKS.findall(answer.text)) == (422, [(field, told)])
        assert f'id="{field}"' in answer.text
        assert ('name="sku_tea" value="1" checked' in answer.text) is ("sku_tea" in fields)
    assert await stored(owner) == before


async def test_two_editors_lose_nothing(house: browser.House, manager: browser.Browser, brand: Brand) -> None:
    other, _ = await visits.entered(house, brand.id, "owner")
    form = {**NEW, "name": "月卡", "category": "video", "kind": "membership", "list_price": "99", "face_value": ""}
    for visitor in (manager, other):
        await visitor.get("/products/card/edit")
        assert visitor.hidden("revision") == "1"
    assert (await other.send("/products/card/edit", **form, revision="1")).status_code == 303
    answer = await manager.send("/products/card/edit", **{**form, "name": "会员月卡 2", "list_price": "88"}, revision="1")
    assert answer.status_code == 409
    shown = visits.plain(answer.text)
    assert "Somebody else changed the product meanwhile" in shown
    assert "Field Yours Now List price 88.00 99.00 Product name 会员月卡 2 月卡" in shown
    assert 'value="会员月卡 2"' in answer.text
    assert (await goods.one(brand, "card")).name == "月卡"
    assert manager.hidden("revision") == "2"
    assert (
        await manager.send("/products/card/edit", **{**form, "name": "会员月卡 2", "list_price": "88"}, revision="2")
    ).status_code == 303
    found = await goods.one(brand, "card")
    assert (found.name, found.list_price_minor, found.revision) == ("会员月卡 2", 8800, 3)


async def test_it_is_put_on_sale_and_taken_off(manager: browser.Browser, brand: Brand) -> None:
    await manager.get("/products/tea")
    answer = await manager.send("/products/tea/sale", revision="1", on_sale="no")
    assert answer.headers["location"] == "/products/tea?done=sale_off"
    assert (await goods.one(brand, "tea")).on_sale is False
    assert (await manager.send("/products/tea/sale", revision="1", on_sale="yes")).status_code == 409
    assert "It is shown as it is now; nothing was done." in manager.page
    assert (await goods.one(brand, "tea")).on_sale is False
    await manager.get("/products/tea")
    assert "On sale Yes No" in visits.plain(manager.page)


async def test_an_image_is_sent_shown_and_removed(
    house: browser.House, manager: browser.Browser, brand: Brand, owner: asyncpg.Connection
) -> None:
    picture = goods.png(30, 20)
    assert await send_file(manager, "/products/tea/image", picture, page="/products/tea") == (303, "/products/tea?done=image")
    found = (await goods.one(brand, "tea")).image
    assert found is not None
    await manager.get("/products/tea")
    assert f'src="/products/tea/image?{found.sha256[:16]}"' in manager.page
    answer = await manager.client.get("/products/tea/image")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, picture, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{found.sha256}"'
    assert "sandbox" in answer.headers["content-security-policy"]
    again = await manager.client.get("/products/tea/image", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    before = await stored(owner)
    for content in (b"<svg/>", b"", goods.png(5000, 1)):
        assert (await send_file(manager, "/products/tea/image", content, page="/products/tea"))[0] == 422
        assert "An image is a PNG, JPEG or WebP of at most 1 MB and 4,096 pixels a side." in manager.page
    assert (await send_file(manager, "/products/tea/image", bytes(4 << 20), page="/products/tea"))[0] == 413
    assert await stored(owner) == before
    await manager.get("/products/tea")
    assert (await manager.send("/products/tea/image/remove")).status_code == 303
    assert (await manager.get("/products/tea/image")).status_code == 404
    seller, _ = await visits.entered(house, brand.id, "seller", reseller="R1")
    assert (await seller.get("/products/tea")).status_code == 404


async def test_floor_and_cost_go_into_the_draft(manager: browser.Browser, brand: Brand) -> None:
    await manager.get("/products/tea")
    today = clock.now().date()
    answer = await manager.send(
        "/products/tea/limits", floor="24.60", cost="19", starts_on="2027-01-01", until="2027-06-30", seen="0"
    )
    assert (answer.status_code, answer.headers.get("location")) == (303, "/products/tea?done=limits")
    await manager.get("/products/tea?done=limits")
    shown = visits.plain(manager.page)
    assert "Floor and cost are in the draft of the price book." in shown
    assert "In the draft 2027-01-01 2027-07-01 24.60 19.00" in shown
    assert await books.seen(brand, "SELECT state, number FROM price_version") == [("draft", 1)]
    for fields, told in (
        ({"floor": "", "cost": ""}, "Write a floor, a cost or both."),
        ({"floor": "x"}, "Write an amount such as 25.00 or 1,200."),
        ({"floor": "-1"}, "Write an amount such as 25.00 or 1,200."),
        ({"floor": "1", "starts_on": ""}, "Write a day such as 2027-06-30."),
        ({"floor": "1", "until": "2001-01-01"}, "The last day is not before the first."),
    ):
        answer = await manager.send("/products/tea/limits", **{"starts_on": str(today), "seen": "1", **fields})
        assert answer.status_code == 422
        assert told in html.unescape(answer.text), fields
    answer = await manager.send("/products/tea/limits", floor="1", starts_on="2027-01-01", seen="0")
    assert answer.status_code == 409
    assert "Somebody else changed floor and cost in the draft meanwhile." in visits.plain(answer.text)
    assert (await goods.one(brand, "tea")).cost_minor == 2000


async def test_who_only_reads_sees_no_form(house: browser.House, brand: Brand) -> None:
    for role in ("accountant", "auditor", "support"):
        visitor, _ = await visits.entered(house, brand.id, role)
        assert (await visitor.get("/products")).status_code == 200
        assert rows(visitor.page) == ["card", "coupon", "tea"]
        assert "/products/bulk" not in visitor.page.replace('action="/products/bulk"', "", 1)
        assert 'type="checkbox"' not in visitor.page
        assert (await visitor.get("/products/tea")).status_code == 200
        for path in ("/products/new", "/products/tea/edit", "/products/import"):
            assert (await visitor.get(path)).status_code == 404, path


async def test_what_there_is_not_is_not_found(manager: browser.Browser) -> None:
    for path in ("/products/none", "/products/none/edit", "/products/none/image", "/channels/none", "/tiers/none"):
        assert (await manager.get(path)).status_code == 404, path
