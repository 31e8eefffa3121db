"""SKUs from a file: judged row by row, applied as they were shown, and written out so that they can be sent again."""

from __future__ import annotations

import csv
import io
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import goods
from tests.rooms.identity import people

from qucheng.catalog import catalog_import, queries, rules, sku_export, sku_sheet
from qucheng.core import audit, crypto, sheets

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core import cells
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

FILE = """code,name,kind,category,list_price,cost,face_value,valid_days,valid_until,rules_zh,hold_from,on_sale,tags,parts
card,会员月卡,membership,video,99.00,60.00,,31,,,paid,yes,热卖,
tea,乌龙茶,other,tea,30.00,20.00,,,,,paid,yes,,
p50,直充 50 元,直充,phone,49.90,48,50,,2027/6/30,到账为准。,发放,是,手机; 热卖,
gift,礼包,package,gift,120.00,0,,,,,redeemed,no,,tea*2=60%; p50*1=40%
"""


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await goods.brand(tmp_path)


@pytest.fixture
async def manager(brand: Brand, tmp_path: Path) -> audit.Actor:
    who = await people.member(crypto.keys(tmp_path / "keys"), brand.id, "manager")
    return audit.Actor(user_id=who.user_id, role="manager")


async def keep(brand: Brand, manager: audit.Actor, text: str) -> catalog_import.Import:
    import_id = await catalog_import.keep(brand=brand, file_name="商品.csv", content=text.encode(), actor=manager, now=books.NOW)
    return await catalog_import.read(brand=brand, import_id=import_id)


async def judged(brand: Brand, manager: audit.Actor, text: str) -> list[tuple[object, ...]]:
    found = await catalog_import.report(brand=brand, given=await keep(brand, manager, text))
    return [(row.row, row.code, row.verdict, row.faults) for row in found.rows]


async def apply(brand: Brand, manager: audit.Actor, given: catalog_import.Import) -> catalog_import.Report:
    found = await catalog_import.report(brand=brand, given=given)
    return await catalog_import.apply(brand=brand, import_id=given.id, digest=found.digest, actor=manager, now=books.NOW)


async def test_a_file_is_shown_then_applied(brand: Brand, manager: audit.Actor) -> None:
    given = await keep(brand, manager, FILE)
    before = await queries.skus(brand_id=brand.id, chosen=queries.Chosen())
    shown = await catalog_import.report(brand=brand, given=given)
    assert [(row.row, row.code, row.verdict, row.faults) for row in shown.rows] == [
        (2, "card", "changed", []),
        (3, "tea", "same", []),
        (4, "p50", "new", []),
        (5, "gift", "new", []),
    ]
    assert (shown.rows[0].before, shown.rows[0].after) == (
        {"list_price_minor": 10000, "kind": "other", "valid_days": None, "tags": ()},
        {"list_price_minor": 9900, "kind": "membership", "valid_days": 31, "tags": ("热卖",)},
    )
    assert await queries.skus(brand_id=brand.id, chosen=queries.Chosen()) == before
    assert await apply(brand, manager, given) == shown
    p50 = await goods.one(brand, "p50")
    assert (p50.kind, p50.face_value_minor, str(p50.valid_until), p50.hold_from, p50.tags, p50.cost_minor) == (
        "top_up",
        5000,
        "2027-06-30",
        "delivered",
        ("手机", "热卖"),
        4800,
    )
    gift = await goods.one(brand, "gift")
    assert (gift.parts, gift.on_sale) == ((goods.part("p50", 1, 400_000), goods.part("tea", 2, 600_000)), False)
    assert [action for action, *_ in await goods.trail(brand, "card")] == ["sku.change"]
    assert [action for action, *_ in await goods.trail(brand, "gift")] == ["sku.create"]
    assert await goods.trail(brand, "tea") == []
    done = await catalog_import.read(brand=brand, import_id=given.id)
    assert (done.state, done.ended_at, done.file_name) == ("applied", books.NOW, "商品.csv")
    counts = '{"new": 2, "same": 1, "changed": 1, "refused": 0}'
    assert await books.seen(brand, "SELECT subject, after::text FROM audit_record WHERE action = 'catalog.import.apply'") == [
        (str(given.id), counts)
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("code,name\ntea,\n", [("name", "value.missing")]),
        ("code,name\nx,y\n", [("category", "value.missing"), ("list_price", "value.missing")]),
        ("code\na b\n", [("code", "code.invalid"), *[(name, "value.missing") for name in ("name", "category", "list_price")]]),
        ("code,list_price\ntea,1.234\n", [("list_price", "value.invalid")]),
        ("code,list_price\ntea,-1\n", [("list_price", "value.invalid")]),
        ("code,face_value\ntea,x\n", [("face_value", "value.invalid")]),
        ("code,kind\ntea,voucher\n", [("kind", "value.invalid")]),
        ("code,hold_from\ntea,\n", [("hold_from", "value.missing")]),
        ("code,on_sale\ntea,maybe\n", [("on_sale", "value.invalid")]),
        ("code,valid_days\ntea,0\n", [("valid_days", "days.invalid")]),
        ("code,valid_days\ntea,1.5\n", [("valid_days", "value.invalid")]),
        ("code,valid_until\ntea,2027-02-30\n", [("valid_until", "value.invalid")]),
        ("code,valid_days,valid_until\ntea,1,2027-02-03\n", [("valid_until", "validity.both")]),
        ("code,cost\ntea,19.99\n", [("cost", "cost.kept")]),
        ("code,tags\ntea," + "x" * 41 + "\n", [("tags", "tags.invalid")]),
        ("code,parts\ntea,coupon\n", [("parts", "value.invalid")]),
        ("code,parts\ntea,coupon*1=100%\n", [("kind", "parts.not_package")]),
        ("code,kind,parts\ntea,package,coupon*2=99.9999%\n", [("parts", "parts.whole")]),
        ("code,kind,parts\ntea,package,none*2=100%\n", [("parts", "part.unknown")]),
        ("code,kind,parts\ntea,package,\n", [("parts", "parts.several")]),
        ("code,name\ntea,a\x01b\n", [("name", "name.invalid")]),
    ],
)
async def test_a_row_that_is_wrong_says_why(brand: Brand, manager: audit.Actor, text: str, faults: list[tuple[str, str]]) -> None:
    assert [row[2:] for row in await judged(brand, manager, text)] == [("refused", faults)]


async def test_what_depends_on_a_refused_row_is_refused(brand: Brand, manager: audit.Actor) -> None:
    text = """code,name,kind,category,list_price,parts
base,,other,x,1,
gift,礼包,package,x,2,base*2=100%
card,甲,other,video,1,
card,乙,other,video,1,
box,盒,package,x,2,gift*1=50%;tea*1=50%
"""
    found = await judged(brand, manager, text)
    assert [(row[1], row[2]) for row in found] == [
        ("base", "refused"),
        ("gift", "refused"),
        ("card", "changed"),
        ("card", "refused"),
        ("box", "refused"),
    ]
    assert [row[3] for row in found if row[2] == "refused"] == [
        [("name", "value.missing")],
        [("parts", "part.unknown"), ("kind", "kind.is_part")],
        [("code", "code.twice")],
        [("parts", "part.package")],
    ]


async def test_the_good_rows_are_applied_and_the_others_left_out(brand: Brand, manager: audit.Actor) -> None:
    given = await keep(brand, manager, "code,name,list_price\ntea,茶,x\ncard,月卡,1\n")
    done = await apply(brand, manager, given)
    assert [row.verdict for row in done.rows] == ["refused", "changed"]
    assert ((await goods.one(brand, "tea")).name, (await goods.one(brand, "card")).name) == ("乌龙茶", "月卡")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", sheets.SheetColumnsError),
        (b"name,price\na,1\n", sheets.SheetColumnsError),
        (b"code,code\na,b\n", sheets.SheetColumnsError),
        (b"code\n", catalog_import.ImportEmptyError),
        (b"code\n" + b"a\n" * 5001, catalog_import.ImportEmptyError),
        (b"PK\x03\x04 no workbook", sheets.SheetUnreadableError),
        (b"x" * (sheets.LARGEST + 1), sheets.SheetTooLargeError),
    ],
)
async def test_a_wrong_file_is_refused_and_nothing_is_kept(
    brand: Brand, manager: audit.Actor, owner: asyncpg.Connection, content: bytes, error: type[Exception]
) -> None:
    before = await books.everything(owner)
    with pytest.raises(error):
        await catalog_import.keep(brand=brand, file_name="x.csv", content=content, actor=manager, now=books.NOW)
    assert await books.everything(owner) == before


async def test_what_was_changed_since_it_was_shown_is_looked_at_again(
    brand: Brand, manager: audit.Actor, owner: asyncpg.Connection
) -> None:
    given = await keep(brand, manager, "code,name\ntea,茶\ncard,月卡\n")
    seen = await catalog_import.report(brand=brand, given=given)
    await goods.say(brand, "tea", name="红茶")
    before = await books.everything(owner)
    with pytest.raises(catalog_import.ImportStaleError):
        await catalog_import.apply(brand=brand, import_id=given.id, digest=seen.digest, actor=manager, now=books.NOW)
    assert await books.everything(owner) == before
    again = await apply(brand, manager, given)
    assert again.rows[0].before == {"name": "红茶"}


async def test_a_file_is_applied_or_discarded_once(brand: Brand, manager: audit.Actor, owner: asyncpg.Connection) -> None:
    first, second = [await keep(brand, manager, "code,name\ntea,茶\n") for _ in range(2)]
    await apply(brand, manager, first)
    await catalog_import.discard(brand=brand, import_id=second.id, actor=manager, now=books.NOW)
    before = await books.everything(owner)
    for given in (first, second):
        with pytest.raises(catalog_import.ImportEndedError):
            await apply(brand, manager, given)
        with pytest.raises(catalog_import.ImportEndedError):
            await catalog_import.discard(brand=brand, import_id=given.id, actor=manager, now=books.NOW)
    with pytest.raises(catalog_import.ImportUnknownError):
        await catalog_import.read(brand=brand, import_id=uuid.uuid4())
    assert await books.everything(owner) == before


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_is_written_out_changes_nothing_when_it_is_sent_again(
    brand: Brand, manager: audit.Actor, tmp_path: Path, form: cells.Form
) -> None:
    await apply(brand, manager, await keep(brand, manager, FILE))
    await goods.say(brand, "tea", name="=1+1", rules_zh="第一行\n第二行", rules_en="-5", list_price_minor=5)
    out = tmp_path / f"out.{form}"
    await sku_export.write(brand=brand, wanted=sku_export.Wanted(form=form, chosen=queries.Chosen()), out=out)
    import_id = await catalog_import.keep(brand=brand, file_name=out.name, content=out.read_bytes(), actor=manager, now=books.NOW)
    given = await catalog_import.read(brand=brand, import_id=import_id)
    found = await catalog_import.report(brand=brand, given=given)
    assert [(row.code, row.verdict, row.after) for row in found.rows] == [
        (code, "same", {}) for code in ("card", "coupon", "gift", "p50", "tea")
    ]


async def test_a_file_has_what_was_chosen(brand: Brand, tmp_path: Path) -> None:
    await goods.say(brand, "tea", tags=("a", "b"), kind="discount", face_value_minor=100)
    wanted = sku_export.Wanted(form="csv", chosen=queries.Chosen(tag="b"))
    await sku_export.write(brand=brand, wanted=wanted, out=tmp_path / "out.csv")
    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")))) == [
        {
            **dict.fromkeys(sku_sheet.NAMES, ""),
            "code": "tea",
            "name": "乌龙茶",
            "kind": "discount",
            "category": "tea",
            "list_price": "30.00",
            "cost": "20.00",
            "face_value": "1.00",
            "hold_from": "paid",
            "on_sale": "yes",
            "tags": "a; b",
        }
    ]
    assert sku_export.parameters(wanted) == {"form": "csv", "chosen": {"tag": "b"}}


@pytest.mark.parametrize(("text", "ppm"), [("50", 500_000), ("33.3333%", 333_333), ("0.01", 100), ("100 %", 1_000_000)])
def test_percentages_are_read_and_written(text: str, ppm: int) -> None:
    assert sku_sheet.read_percent(text) == ppm
    assert sku_sheet.read_percent(sku_sheet.percent(ppm)) == ppm


@pytest.mark.parametrize("text", ["", "1.23456", "-1", "1e2", "1000", "x", "．5"])
def test_what_is_no_percentage(text: str) -> None:
    assert sku_sheet.read_percent(text) is None


async def test_a_package_that_another_took_meanwhile_is_looked_at_again(brand: Brand, manager: audit.Actor) -> None:
    given = await keep(brand, manager, "code,kind,parts\ncard,package,tea*2=100%\n")
    seen = await catalog_import.report(brand=brand, given=given)
    facts = rules.Facts(name="x", category="x", list_price_minor=1, kind="package", parts=(goods.part("coupon", 2, 1_000_000),))
    assert rules.faults(facts) == []
    await goods.say(brand, "tea", **{name: getattr(facts, name) for name in ("kind", "parts")})
    with pytest.raises(catalog_import.ImportStaleError):
        await catalog_import.apply(brand=brand, import_id=given.id, digest=seen.digest, actor=manager, now=books.NOW)
    again = await catalog_import.report(brand=brand, given=given)
    assert again.rows[0].faults == [("parts", "part.package")]
