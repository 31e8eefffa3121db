"""A bundle taken into a brand that stays: created once, never changed by what comes again, given what it does not have yet."""

from __future__ import annotations

import csv
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.bundle import keeping, staging
from qucheng.commission import accrual
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.bundle.keeping import Kept
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

SALE = "O1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"
SECOND = "O2,1,2026-03-03T10:00:00,R1,web,card,1,100.00,0,"
BAD = "O3,1,2026-03-03T10:00:00,nobody,web,card,1,100.00,0,"


@pytest.fixture
def code() -> str:
    return f"b-{uuid.uuid4().hex[:20]}"


async def keep(folder: Path, out: Path | None = None) -> Kept:
    return await keeping.take_in(folder=folder, out=out, now=books.NOW, progress=books.QUIET)


def counts(kept: Kept) -> dict[str, tuple[int, int, int]]:
    """By file: imported, duplicate, rejected; files without a row are left out."""
    return {each.file: (each.imported, each.duplicate, each.rejected) for each in kept.files if each.rows}


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


async def named(code: str) -> Brand:
    found = await brands.named(code)
    assert found is not None
    return found


async def test_an_unknown_brand_is_created_and_its_rows_are_counted(tmp_path: Path, code: str) -> None:
    folder = books.write(tmp_path / "1", code=code, orders=[SALE, SALE, BAD])
    kept = await keep(folder, tmp_path / "out")
    assert (kept.brand, kept.created, kept.intake, kept.imported, kept.rejected) == (code, True, 1, 6, 1)
    assert counts(kept)["orders.csv"] == (1, 1, 1)
    sentence = "reseller：所指的行不存在，或已被拒绝；请先补上"
    assert kept.rejections == [keeping.Rejected(file="orders.csv", row=3, code="ref.unknown", message=sentence)]
    assert rows(tmp_path / "out" / "rejected.csv") == [
        ["file", "row", "code", "message"],
        ["orders.csv", "3", "ref.unknown", sentence],
    ]
    assert rows(tmp_path / "out" / "flags.csv") == [["file", "row", "code"]]
    assert await books.seen(await named(code), "SELECT count(*) FROM accrual") == [(0,)]


@pytest.mark.parametrize("bad", [[], [BAD]])
async def test_the_same_bundle_again_changes_nothing(
    tmp_path: Path, code: str, owner: asyncpg.Connection, bad: list[str]
) -> None:
    folder = books.write(tmp_path / "1", code=code, orders=[SALE, *bad])
    first = await keep(folder)
    before = await books.everything(owner)
    again = await keep(folder, tmp_path / "out")
    assert await books.everything(owner) == before
    assert (again.created, again.intake, again.imported) == (False, None, 0)
    assert counts(again) == {file: (0, taken + same, refused) for file, (taken, same, refused) in counts(first).items()}
    assert again.rejections == first.rejections
    assert [row[:3] for row in rows(tmp_path / "out" / "rejected.csv")[1:]] == [["orders.csv", "2", "ref.unknown"] for _ in bad]


async def test_a_bundle_with_more_rows_adds_those(tmp_path: Path, code: str, owner: asyncpg.Connection) -> None:
    await keep(books.write(tmp_path / "1", code=code, orders=[SALE, BAD]))
    before = await books.everything(owner)
    folder = books.write(tmp_path / "2", code=code, orders=[SECOND, SALE, BAD], refunds=["F1,O1,1,2026-03-05T10:00:00,1,100.00"])
    kept = await keep(folder, tmp_path / "out")
    assert (kept.created, kept.intake, kept.imported, kept.rejected) == (False, 2, 2, 1)
    assert counts(kept) == {
        "channels.csv": (0, 1, 0),
        "orders.csv": (1, 1, 1),
        "refunds.csv": (1, 0, 0),
        "resellers.csv": (0, 1, 0),
        "rules.csv": (0, 1, 0),
        "skus.csv": (0, 1, 0),
        "tiers.csv": (0, 1, 0),
    }
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {
        "intake",
        "intake_file",
        "order_line",
        "refund",
        "rejection",
    }
    brand = await named(code)
    assert await books.seen(brand, "SELECT order_no, intake FROM order_line ORDER BY 1") == [("O1", 1), ("O2", 2)]
    assert [row[1] for row in rows(tmp_path / "out" / "rejected.csv")] == ["row", "3"], "of this delivery only"


async def test_other_settings_refuse_the_whole_import_and_name_each_key(
    tmp_path: Path, code: str, owner: asyncpg.Connection
) -> None:
    two_tier = 'policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2027-01-31'
    await keep(books.write(tmp_path / "1", code=code, compliance=two_tier, orders=[SALE]))
    folder = books.write(
        tmp_path / "2",
        code=code,
        compliance='policy = "cn-strict"\nmax_total_rate = "0.25"',
        settlement='hold_days = 7\nmin_payout = "1.00"',
        orders=[SALE, SECOND],
    )
    before = await books.everything(owner)
    with pytest.raises(keeping.SettingsDifferError) as caught:
        await keep(folder, tmp_path / "out")
    assert await books.everything(owner) == before
    assert not (tmp_path / "out").exists()
    assert str(caught.value) == (
        f"brand.toml differs from what is stored of {code}: "
        'compliance.policy is "cn-two-tier", given "cn-strict"; compliance.legal_opinion is "LO-1", given blank;'
        " compliance.expires_on is 2027-01-31, given blank; compliance.max_levels is 2, given 1;"
        ' compliance.max_total_rate is "0.3", given "0.25"; settlement.hold_days is 0, given 7;'
        ' settlement.min_payout is "0.00", given "1.00". Nothing was imported. An import does not change settings:'
        " they are changed on the platform, with the date from which they hold. Put the stored values back into brand.toml."
    )


async def test_a_setting_in_another_form_is_no_other_setting(tmp_path: Path, code: str) -> None:
    await keep(books.write(tmp_path / "1", code=code, settlement="hold_days = 7"))
    explicit = 'policy = "cn-strict"\nmax_depth = 2\nmax_levels = 1\nmax_total_rate = "0.300"'
    again = books.write(tmp_path / "2", code=code, compliance=explicit, settlement='min_payout = "0.0"\nwithholding = "none"')
    assert (await keep(again)).intake is None


async def test_an_import_that_is_stopped_leaves_no_brand(tmp_path: Path, code: str, owner: asyncpg.Connection) -> None:
    folder = books.write(tmp_path / "1", code=code)
    (folder / "orders.csv").unlink()
    before = await books.everything(owner)
    with pytest.raises(staging.UnreadableFileError):
        await keep(folder)
    assert await books.everything(owner) == before
    assert await brands.named(code) is None


async def test_rows_that_differ_from_stored_ones_are_refused_with_the_way_to_change_them(tmp_path: Path, code: str) -> None:
    await keep(books.write(tmp_path / "1", code=code, placements=["R1,,gold,2026-02-01"], prices=["card,,,100.00,,2026-01-01,"]))
    other = books.write(
        tmp_path / "2",
        code=code,
        tiers=["gold,金,1", "base,甲,2", "base,乙,2"],
        resellers=["R1,一号,company,,base,2026-01-01,"],
        placements=["R1,,base,2026-02-01", "R1,,base,2026-03-01"],
        skus=["card,会员月卡,video,100.00,61.00"],
        prices=["card,,,99.00,,2026-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.2,0,,"],
    )
    kept = await keep(other)
    stays = "：平台上已存有同一编号而内容不同的行，以已存的为准，导入不改它；"
    assert [(each.file, each.row, each.message) for each in kept.rejections] == [
        ("placements.csv", 1, f"reseller{stays}请另加一行，effective_on 取新的日期"),
        ("prices.csv", 1, f"sku{stays}请另加一行，starts_on 取新的日期"),
        (
            "resellers.csv",
            1,
            f"code{stays}上级与分级请在 placements.csv 加一行，写明 effective_on；其余在平台上修改，并写明生效日",
        ),
        ("rules.csv", 1, f"code{stays}请用新编号另立一条规则，以 starts_on 起算、priority 更高；或在平台上发布方案的新版本"),
        ("skus.csv", 1, f"code{stays}请在平台上修改，并写明生效日"),
        ("tiers.csv", 1, f"code{stays}请在平台上修改，并写明生效日"),
        ("tiers.csv", 3, "code：已有同一编号而内容不同的行"),
    ]
    assert {each.code for each in kept.rejections} == {"key.conflict"}
    brand = await named(code)
    assert await books.seen(brand, "SELECT tier, effective_on::text FROM placement ORDER BY 2") == [
        ("gold", "2026-02-01"),
        ("base", "2026-03-01"),
    ]
    assert await books.seen(brand, "SELECT cost_minor FROM sku") == [(6000,)]
    assert await books.seen(brand, "SELECT rate_text FROM rule") == [("0.1",)]


async def test_a_stored_fact_is_named_by_the_column_of_its_file_in_english_too(tmp_path: Path, code: str) -> None:
    folder = books.write(tmp_path / "1", code=code, orders=[SALE])
    text = (folder / "brand.toml").read_text(encoding="utf-8").replace("[compliance]", 'locale = "en"\n[compliance]')
    (folder / "brand.toml").write_text(text, encoding="utf-8")
    await keep(folder)
    (folder / "orders.csv").write_text(
        f"{','.join(books.COLUMNS['orders'])}\n{SALE.replace('100.00', '99.00')}\n", encoding="utf-8"
    )
    (refused,) = (await keep(folder)).rejections
    assert refused.message == (
        "order: a row with this key and other values is stored, and stays; an import does not change it: correct it by a refund or an adjustment"
    )


async def test_joins_and_moves_are_judged_with_what_is_stored(tmp_path: Path, code: str) -> None:
    await keep(
        books.write(tmp_path / "1", code=code, resellers=["A,A,company,,gold,2026-01-01,", "B,B,company,A,gold,2026-01-10,"])
    )
    later = books.write(
        tmp_path / "2",
        code=code,
        resellers=["C,C,company,B,gold,2026-02-01,", "D,D,company,A,gold,2026-02-01,"],
        placements=["A,D,gold,2026-03-01", "B,,gold,2026-03-01"],
    )
    kept = await keep(later)
    assert [(each.file, each.row, each.code) for each in kept.rejections] == [
        ("placements.csv", 1, "network.cycle"),
        ("resellers.csv", 1, "network.depth_exceeded"),
    ]
    brand = await named(code)
    assert await books.seen(brand, "SELECT code, parent FROM reseller ORDER BY 1") == [("A", None), ("B", "A"), ("D", "A")]
    assert await books.seen(brand, "SELECT reseller, parent FROM placement") == [("B", None)]


async def test_new_rules_over_days_that_were_accrued_are_named(tmp_path: Path, code: str) -> None:
    first = await keep(books.write(tmp_path / "1", code=code, orders=[SALE, SECOND]))
    assert first.late_rules == []
    brand = await named(code)
    span = ["BEFORE,percent,1,,,,,net,0.1,0,,2026-03-02", "AFTER,percent,1,,,,,net,0.1,0,2026-03-04,"]
    over = ["DAY,percent,1,,,,,net,0.1,0,2026-03-03,2026-03-04", "OPEN,percent,1,,,,,net,0.1,0,,"]
    waiting = await keep(books.write(tmp_path / "2", code=code, rules=["EARLY,percent,1,,,,,net,0.1,0,,"]))
    assert waiting.late_rules == [], "nothing is accrued yet"
    await accrual.accrue(brand_id=brand.id, now=books.NOW)
    late = await keep(books.write(tmp_path / "3", code=code, rules=[*span, *over]))
    assert late.late_rules == ["DAY", "OPEN"]
