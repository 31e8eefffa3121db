"""The files of an export: values exact and in one form, in a folder that holds nothing else."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
import tomli_w
from tests import books

from qucheng.bundle import brand_file, exporting, files, keeping
from qucheng.core import ids
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CASES = sorted(path.parent.name for path in books.GOLDEN.glob("*/bundle"))
# without fulfilments there is no file of them
NAMES = {"brand.toml", *(file.file_name for file in files.FILES)} - {"fulfilments.csv"}


async def kept(folder: Path) -> Brand:
    """Imported into the platform, and read back."""
    await keeping.take_in(folder=folder, out=None, now=books.NOW, progress=books.QUIET)
    return await brands.require(brand_file.read(folder / "brand.toml").code)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def code() -> str:
    return f"b-{uuid.uuid4().hex[:20]}"


async def test_values_are_written_exactly_and_in_one_form(workspace: books.Workspace, tmp_path: Path, code: str) -> None:
    assert workspace
    folder = books.write(
        tmp_path / "1",
        code=code,
        compliance='policy = "cn-two-tier"\nlegal_opinion = "意见 \\"7\\""\nexpires_on = "2027-01-31"\nmax_total_rate = "0.2500"',
        settlement='min_payout = "010.5"',
        skus=['card,"会员, ""月""卡",video,0100.5,'],
        prices=["card,,,100.00,,2026-01-01,", "card,web,gold,100,90.1,2026-01-01,2026-02-01"],
        rules=["SLAB,slab,,,,,,unit,0:0;010:0.5,,,", "OWN,percent,1,,,,,net,0.1000,-7,2026-01-01,"],
        orders=[
            "Z9,1,2026-03-02T10:00:00.120000,R1,web,card,1,100.00,,",
            "A1,1,2026-03-02T10:00:00Z,R1,web,card,2,201,0.5,buyer 1",
        ],
        refunds=["F1,A1,1,2026-03-05T00:00+14:00,0,0.05"],
        adjustments=["J1,R1,2026-03-05T00:00,-0.05,少付"],
    )
    await exporting.write(brand=await kept(folder), out=tmp_path / "out", progress=books.QUIET)
    found = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    assert found == {
        "brand.toml": f'# The books of brand {code}, as qucheng exported them.\n\n[brand]\ncode = "{code}"\nname = "{code}"\n'
        'currency = "CNY"\ntime_zone = "Asia/Shanghai"\nlocale = "zh-CN"\n\n[compliance]\npolicy = "cn-two-tier"\n'
        'legal_opinion = "意见 \\"7\\""\nexpires_on = 2027-01-31\nmax_depth = 2\nmax_levels = 2\nmax_total_rate = "0.25"\n'
        '\n[settlement]\nhold_days = 7\nmin_payout = "10.50"\nwithholding = "none"\n',
        "tiers.csv": "code,name,rank\ngold,金牌,1\n",
        "channels.csv": "code,name,kind\nweb,网店,agency\n",
        "resellers.csv": "code,name,kind,parent,tier,joined_on,identity\nR1,一号,company,,gold,2026-01-01,\n",
        "placements.csv": "reseller,parent,tier,effective_on\n",
        "skus.csv": 'code,name,category,list_price,cost\ncard,"会员, ""月""卡",video,100.50,0.00\n',
        "prices.csv": "sku,channel,tier,price,floor,starts_on,ends_on\ncard,,,100.00,,2026-01-01,\n"
        "card,web,gold,100.00,90.10,2026-01-01,2026-02-01\n",
        "rules.csv": "code,kind,level,sku,category,channel,tier,basis,rate,priority,starts_on,ends_on\n"
        "OWN,percent,1,,,,,net,0.1,-7,2026-01-01,\nSLAB,slab,,,,,,unit,0:0.00;10:0.50,0,,\n",
        "orders.csv": "order,line,paid_at,reseller,channel,sku,quantity,gross,discount,buyer\n"
        "Z9,1,2026-03-02T02:00:00.12Z,R1,web,card,1,100.00,0.00,\nA1,1,2026-03-02T10:00:00Z,R1,web,card,2,201.00,0.50,buyer 1\n",
        "refunds.csv": "refund,order,line,refunded_at,quantity,amount\nF1,A1,1,2026-03-04T10:00:00Z,0,0.05\n",
        "adjustments.csv": "adjustment,reseller,occurred_at,amount,reason\nJ1,R1,2026-03-04T16:00:00Z,-0.05,少付\n",
    }


async def test_the_first_and_the_last_hours_of_the_calendar_come_back(
    workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path, code: str
) -> None:
    assert workspace
    rows = [
        f"{n},R1,{at},1.00,x"
        for n, at in enumerate(
            [
                "1900-01-01T00:00+14:00",
                "1900-01-01T13:59:59.999999+14:00",
                "1900-01-01T00:00Z",
                "2199-12-31T23:59:59.999999-14:00",
            ]
        )
    ]
    brand = await kept(books.write(tmp_path / "1", code=code, adjustments=rows))
    await exporting.write(brand=brand, out=tmp_path / "out", progress=books.QUIET)
    assert (tmp_path / "out" / "adjustments.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "0,R1,1900-01-01T00:00:00+14:00,1.00,x",
        "1,R1,1900-01-01T13:59:59.999999+14:00,1.00,x",
        "2,R1,1900-01-01T00:00:00Z,1.00,x",
        "3,R1,2199-12-31T23:59:59.999999-14:00,1.00,x",
    ]
    before = await books.everything(owner)
    assert (await keeping.take_in(folder=tmp_path / "out", out=None, now=books.NOW, progress=books.QUIET)).rejected == 0
    assert await books.everything(owner) == before


def test_the_settings_of_a_brand_read_back_as_that_brand(tmp_path: Path) -> None:
    for case in CASES:
        brand = brand_file.read(books.GOLDEN / case / "bundle" / "brand.toml")
        (tmp_path / "brand.toml").write_text(tomli_w.dumps(brand_file.settings(brand)), encoding="utf-8")
        assert msgspec.structs.replace(brand_file.read(tmp_path / "brand.toml"), id=brand.id) == brand


async def test_an_export_takes_the_place_of_an_earlier_one_of_the_brand_only(
    workspace: books.Workspace, tmp_path: Path, code: str
) -> None:
    assert workspace
    source = books.write(tmp_path / "1", code=code)
    brand, out = await kept(source), tmp_path / "out"
    out.mkdir()
    await exporting.write(brand=brand, out=out, progress=books.QUIET)
    first = contents(out)
    assert set(first) == NAMES
    await kept(books.write(tmp_path / "2", code=code, orders=["O1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"]))
    (out / ".orders.csv.12345").write_text("of a run that was killed", encoding="utf-8")
    await exporting.write(brand=brand, out=out, progress=books.QUIET)
    assert {name for name in NAMES if contents(out)[name] != first[name]} == {"orders.csv"}
    other = msgspec.structs.replace(brand, id=ids.new_id(), code="other")
    for folder, who in ((source, brand), (out, other), (source / "brand.toml", brand)):
        before = contents(folder) if folder.is_dir() else folder.read_bytes()
        with pytest.raises(exporting.FolderTakenError):
            await exporting.write(brand=who, out=folder, progress=books.QUIET)
        assert (contents(folder) if folder.is_dir() else folder.read_bytes()) == before
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    before = contents(out)
    with pytest.raises(exporting.FolderTakenError, match=r"holds notes\.txt, and not an earlier export"):
        await exporting.write(brand=brand, out=out, progress=books.QUIET)
    assert contents(out) == before
