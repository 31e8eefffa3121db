"""What qucheng explain tells, word for word: the texts are in lives.txt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.insight import lives

from qucheng.insight import explain, explain_words

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand
    from qucheng.insight.explain_words import Language

pytestmark = pytest.mark.anyio

TOLD = Path(__file__).with_name("lives.txt")


def sections() -> dict[tuple[str, str, str], str]:
    """By brand, entry and language."""
    parts = re.split(r"^== (\S+) (\S+) (en|zh)\n", TOLD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        (brand, entry, language): text.strip("\n") for brand, entry, language, text in zip(*(iter(parts[1:]),) * 4, strict=True)
    }


@pytest.fixture(scope="module")
async def brands(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Brand]:
    assert workspace
    return {
        "shanlan": await books.settled(books.EXAMPLE, "2026-05"),
        "lives": await lives.lived(tmp_path_factory.mktemp("lives"), code="lives"),
    }


async def told(brand: Brand, entry: str, language: Language | None = None) -> str:
    return "\n".join(explain_words.tell(await explain.explain(brand=brand, entry=entry), brand=brand, language=language))


@pytest.mark.parametrize(("code", "entry", "language"), sections())
async def test_a_life_is_told(brands: dict[str, Brand], code: str, entry: str, language: Language) -> None:
    assert await told(brands[code], entry, language) == sections()[code, entry, language]


async def test_the_language_is_the_brands_unless_another_is_asked_for(brands: dict[str, Brand]) -> None:
    assert await told(brands["shanlan"], "adjustment/Z3001") == sections()["shanlan", "adjustment/Z3001", "zh"]


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("accrual/E1002/1/1", "E1002/1/1"),
        ("reversal/E1002/1/1/F2001", "E1002/1/1/F2001"),
    ],
)
async def test_the_kind_before_a_line_may_be_left_out(brands: dict[str, Brand], long: str, short: str) -> None:
    assert await told(brands["shanlan"], long) == await told(brands["shanlan"], short)


@pytest.mark.parametrize(
    "entry",
    [
        "E9999/1",
        "E1001/9",
        "E1001/1/0",
        "E1001/1/4",
        "E1001/1/x",
        "E1002/1/1/F9",
        "E1002/1/1/F2001/2",
        "accrual/E9999/1/1",
        "bonus/A02/VIP/2026-03",
        "bonus/nobody/VOLUME/2026-03",
        "bonus/A02/VOLUME/2026-13",
        "bonus/A02/VOLUME/2026-03/2026-05",
        "adjustment/Z9",
        "shanlan-202603-000009",
        "shanlan-202604-000001/payout",
        "E1001",
        "",
    ],
)
async def test_what_is_not_there_is_refused_with_the_forms_there_are(brands: dict[str, Brand], entry: str) -> None:
    with pytest.raises(explain.EntryUnknownError) as refused:
        await explain.explain(brand=brands["shanlan"], entry=entry)
    assert (refused.value.code, refused.value.status) == ("entry.unknown", 404)
    assert str(refused.value) == (
        f"shanlan has no entry {entry!r}. The forms are: ORDER/LINE, ORDER/LINE/LEVEL, ORDER/LINE/LEVEL/REFUND,"
        " bonus/RESELLER/RULE/YYYY-MM, adjustment/CODE, a statement's number,"
        " or STATEMENT/accrual, /reversal, /bonus, /adjustment, /withholding, /payout."
    )


async def test_another_brands_entry_is_not_there(brands: dict[str, Brand]) -> None:
    with pytest.raises(explain.EntryUnknownError):
        await explain.explain(brand=brands["lives"], entry="E1001/1")


async def test_which_brand_is_meant_must_be_said_where_there_are_several(brands: dict[str, Brand]) -> None:
    assert await explain.the_brand("lives") == brands["lives"]
    with pytest.raises(explain.BrandNotSaidError) as refused:
        await explain.the_brand(None)
    assert str(refused.value) == "Several brands are stored: say --brand with one of lives, shanlan."


async def test_of_many_entries_the_first_are_shown(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    sales = [f"S{n:02},1,2026-03-02T12:00:{n:02},R1,web,card,1,100.00,," for n in range(60)]
    rules = [*books.PLAIN["rules"], "VOL,slab,,,,,,net,0:0.01,0,,"]
    brand = await books.settled(books.write(tmp_path / "many", code="many", orders=sales, rules=rules), "2026-03")
    lines = (await told(brand, "many-202603-000001/accrual", "en")).splitlines()
    assert lines[1:4] == ["  accrued 600.00, entries: 60", "    accrual/S00/1/1: 10.00", "    accrual/S01/1/1: 10.00"]
    assert lines[51:53] == ["    accrual/S49/1/1: 10.00", "    and 10 more"]
    lines = (await told(brand, "bonus/R1/VOL/2026-03", "en")).splitlines()
    assert lines[2:5] == ["  as known when 2026-03 was settled", "    S00/1: 100.00", "    S01/1: 100.00"]
    assert lines[22:26] == [
        "    S19/1: 100.00",
        "    and 40 more, together 4000.00",
        "    volume 6000.00",
        "      from 0.00: 6000.00 × 0.01 = 60",
    ]


DAMAGE = [
    (
        "accrual",
        "amount_minor = amount_minor + 1",
        "E1001/1",
        ["!! THE BOOKS DIFFER: amount_minor of accrual/E1001/1/1 is 94.25 by the rules, 94.26 as stored. Run qucheng books check"],
    ),
    (
        "accrual",
        "basis_value = basis_value - 1, rule = 'TEA', matures_at = matures_at + interval '1 second'",
        "E1001/1",
        [
            "!! THE BOOKS DIFFER: basis_value of accrual/E1001/1/1 is 75400 by the rules, 75399 as stored. Run qucheng books check",
            "!! THE BOOKS DIFFER: rule of accrual/E1001/1/1 is VIP by the rules, TEA as stored. Run qucheng books check",
            "!! THE BOOKS DIFFER: matures_at of accrual/E1001/1/1 is 2026-03-10 12:15:00+00:00 by the rules, 2026-03-10 12:15:01+00:00 as stored. Run qucheng books check",
        ],
    ),
    (
        "reversal_version",
        "amount_minor = amount_minor - 1",
        "E1002/1",
        [
            "!! THE BOOKS DIFFER: amount_minor of reversal/E1002/1/1/F2001 is -187.50 by the rules, -187.51 as stored. Run qucheng books check",
        ],
    ),
    (
        "bonus",
        "amount_minor = amount_minor + 1",
        "bonus/A02/VOLUME/2026-03",
        ["!! THE BOOKS DIFFER: amount_minor of bonus/A02/VOLUME/2026-03/2026-03 is 65.08 by the rules, 65.09 as stored. Run qucheng books check"],
    ),
    (
        "statement",
        "accrued_minor = accrued_minor + 1, gross_minor = gross_minor + 1, payable_minor = payable_minor + 1, net_minor = net_minor + 1",
        "shanlan-202603-000002",
        ["!! THE BOOKS DIFFER: amount_minor of shanlan-202603-000002/accrual is 852.25 by the rules, 852.26 as stored. Run qucheng books check"],
    ),
    (
        "order_line",
        "self_purchase = true",
        "E1001/1",
        [
            "!! THE BOOKS DIFFER: amount_minor of accrual/E1001/1/1 is 0.00 by the rules, 94.25 as stored. Run qucheng books check",
            "!! THE BOOKS DIFFER: amount_minor of accrual/E1001/1/2 is 0.00 by the rules, 15.08 as stored. Run qucheng books check",
        ],
    ),
]  # fmt: skip
WHERE = {
    "accrual": "order_no = 'E1001' AND line_no = '1' AND level = 1",
    "reversal_version": "order_no = 'E1002' AND level = 1",
    "bonus": "period = '2026-03-01' AND reseller = 'A02'",
    "statement": "statement_no = 'shanlan-202603-000002'",
    "order_line": "order_no = 'E1001' AND line_no = '1'",
}


@pytest.mark.parametrize(("table", "change", "entry", "said"), DAMAGE)
async def test_where_the_books_differ_it_says_so(
    brands: dict[str, Brand], owner: asyncpg.Connection, table: str, change: str, entry: str, said: list[str]
) -> None:
    brand = brands["shanlan"]
    before = [dict(row) for row in await owner.fetch(f"SELECT * FROM {table} WHERE brand_id = $1 AND {WHERE[table]}", brand.id)]
    await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await owner.execute(f"UPDATE {table} SET {change} WHERE brand_id = $1 AND {WHERE[table]}", brand.id)
    life = await explain.explain(brand=brand, entry=entry)
    lines = explain_words.tell(life, brand=brand, language="en")
    (row,) = before
    columns = list(row)[1:]
    settings = ", ".join(f"{column} = ${at}" for at, column in enumerate(columns, start=2))
    await owner.execute(
        f"UPDATE {table} SET {settings} WHERE brand_id = $1 AND {WHERE[table]}", brand.id, *(row[column] for column in columns)
    )
    await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert lines[-len(said) :] == said
    assert len(explain.disagreements(life)) == len(said)
    assert explain.disagreements(await explain.explain(brand=brand, entry=entry)) == ()
