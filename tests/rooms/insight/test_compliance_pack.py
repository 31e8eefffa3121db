"""The evidence pack of a root holds all that stands behind its commissions, and nothing of another root; twice the same bytes."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, clock, crypto, db, exports, task
from qucheng.identity import legal_opinion
from qucheng.insight import evidence, evidence_parts
from qucheng.network import blocklist, compliance_report, portal_text
from qucheng.settlement import decision

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

JANUARY, FEBRUARY = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
TWO_TIER = 'policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2026-02-15'
WANTED = evidence.Wanted(root="ROOT", first=JANUARY, last=FEBRUARY)
# the database's own days: what is allowed and refused now
TODAY = dt.datetime.now(dt.UTC).date()
EXPIRES = TODAY + dt.timedelta(days=200)
NOWADAYS = evidence.Wanted(root="ROOT", first=TODAY.replace(day=1), last=clock.month_after(TODAY))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory, keys: crypto.Keys) -> Brand:
    """ROOT with CHILD under it, which leaves on 20 February; ALONE beside them. January is settled."""
    assert workspace
    made = await books.settled(
        books.write(
            tmp_path_factory.mktemp("pack") / "bundle",
            code="packed",
            compliance=TWO_TIER,
            resellers=[
                "ROOT,根,company,,gold,2026-01-01,id-root",
                "CHILD,子,individual,ROOT,gold,2026-01-10,id-child",
                "ALONE,独,company,,gold,2026-01-01,",
            ],
            placements=["CHILD,ALONE,gold,2026-02-20"],
            rules=["OWN,percent,1,,,,,net,0.1,0,,", "UP,percent,2,,,,,net,0.03,0,,"],
            orders=[
                "A,1,2026-01-15T10:00:00,CHILD,web,card,1,100.00,,buyer-a",
                "B,1,2026-02-01T10:00:00,ROOT,web,card,2,200.00,,id-root",
                "C,1,2026-02-16T10:00:00,CHILD,web,card,1,100.00,,buyer-a",
                "D,1,2026-02-21T10:00:00,CHILD,web,card,1,100.00,,buyer-b",
                "E,1,2026-01-16T10:00:00,ALONE,web,card,1,100.00,,buyer-c",
            ],
            refunds=["R1,A,1,2026-02-03T10:00:00,1,50.00"],
            adjustments=["ADJ-1,CHILD,2026-02-05T10:00:00,5.00,运费", "ADJ-2,ALONE,2026-02-05T10:00:00,5.00,运费"],
        ),
        "2026-01",
    )
    await compliance_report.make(brand=made, now=dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC))
    owner = await people.member(keys, made.id, "owner")
    other = await people.member(keys, made.id, "owner")
    words = portal_text.Words(kind="help", title_en="Refunds", body_en="A refund takes its commission back.", starts_on=FEBRUARY)
    await portal_text.publish(brand=made, words=words, today=FEBRUARY, actor=people.actor(owner))
    approval_id = await legal_opinion.ask(
        principal=owner,
        brand=made,
        reference="LO-2",
        expires_on=EXPIRES,
        today=TODAY,
        actor=people.actor(owner),
    )
    await decision.decide(
        principal=other,
        brand_id=made.id,
        approval_id=approval_id,
        approve=True,
        reason="",
        actor=people.actor(other),
        now=books.NOW,
    )
    return made


async def packed(brand: Brand, out: Path, wanted: evidence.Wanted = WANTED) -> zipfile.ZipFile:
    await evidence.write(brand=brand, wanted=wanted, out=out)
    return zipfile.ZipFile(out)


def rows(pack: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(pack.read(name).decode("utf-8-sig"))))


def columns(pack: zipfile.ZipFile, name: str, *wanted: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in wanted) for row in rows(pack, name)]


async def test_the_lines_are_those_sold_under_the_root(brand: Brand, tmp_path: Path) -> None:
    pack = await packed(brand, tmp_path / "pack.zip")
    buyer = hashlib.sha256(b"packed:buyer-a").hexdigest()
    own = hashlib.sha256(b"packed:id-root").hexdigest()
    assert columns(pack, "order_lines.csv", "order_no", "reseller", "paid_at", "net", "buyer_sha256", "self_purchase") == [
        ("A", "CHILD", "2026-01-15T02:00:00Z", "100.00", buyer, "f"),
        ("B", "ROOT", "2026-02-01T02:00:00Z", "200.00", own, "t"),
        ("C", "CHILD", "2026-02-16T02:00:00Z", "100.00", buyer, "f"),
    ]
    # the opinion was over on 15 February: the seller alone earns on C
    assert columns(pack, "commissions.csv", "order_no", "level", "reseller", "rule", "amount") == [
        ("A", "1", "CHILD", "OWN", "10.00"),
        ("A", "2", "ROOT", "UP", "3.00"),
        ("C", "1", "CHILD", "OWN", "10.00"),
    ]
    assert columns(pack, "refunds.csv", "order_no", "refund_no", "amount") == [("A", "R1", "50.00")]
    assert columns(pack, "reversals.csv", "order_no", "level", "amount") == [("A", "1", "-5.00"), ("A", "2", "-1.50")]
    assert columns(pack, "self_purchases.csv", "month", "reseller", "net", "own_net", "share_ppm") == [
        ("2026-01", "CHILD", "100.00", "0.00", "0"),
        ("2026-02", "CHILD", "100.00", "0.00", "0"),
        ("2026-02", "ROOT", "200.00", "200.00", "1000000"),
    ]
    assert columns(pack, "adjustments.csv", "adjustment", "amount", "reason") == [("ADJ-1", "5.00", "运费")]


async def test_the_people_are_those_under_the_root(brand: Brand, tmp_path: Path) -> None:
    pack = await packed(brand, tmp_path / "pack.zip")
    assert columns(pack, "members.csv", "reseller", "parent", "depth", "starts_on", "ends_on") == [
        ("CHILD", "ROOT", "2", "2026-01-10", "2026-02-20"),
        ("ROOT", "", "1", "2026-01-01", "2026-03-01"),
    ]
    assert columns(pack, "joining.csv", "reseller", "joined_on", "fee", "source") == [
        ("CHILD", "2026-01-10", "", "delivery"),
        ("ROOT", "2026-01-01", "", "delivery"),
    ]
    assert columns(pack, "placements.csv", "reseller", "effective_on", "parent", "cause") == [
        ("CHILD", "2026-01-10", "ROOT", "join"),
        ("CHILD", "2026-02-20", "ALONE", "move"),
        ("ROOT", "2026-01-01", "", "join"),
    ]
    assert columns(pack, "monthly_reports.csv", "month", "heads", "persons", "most_heads", "most_persons") == [
        ("2026-01", "2", "2", "2", "2"),
        ("2026-02", "1", "1", "2", "2"),
    ]


async def test_what_the_brand_decided_is_there(brand: Brand, tmp_path: Path) -> None:
    pack = await packed(brand, tmp_path / "pack.zip")
    assert columns(pack, "policy.csv", "policy", "max_depth", "max_levels", "max_total_rate", "expires_on") == [
        ("cn-two-tier", "2", "2", "0.300000", "2026-02-15")
    ]
    assert columns(pack, "rules.csv", "rule", "level", "rate", "plan_version") == [
        ("OWN", "1", "0.1", ""),
        ("UP", "2", "0.03", ""),
    ]
    assert columns(pack, "texts.csv", "title_en", "body_en", "ended_at") == [
        ("Refunds", "A refund takes its commission back.", "")
    ]
    # the other opinion begins after these months
    assert rows(pack, "legal_opinions.csv") == []
    later = await packed(brand, tmp_path / "later.zip", NOWADAYS)
    assert columns(later, "legal_opinions.csv", "number", "reference", "expires_on") == [("1", "LO-2", EXPIRES.isoformat())]
    assert columns(later, "approvals.csv", "action", "state") == [("policy.opinion", "executed")]


async def test_the_list_names_every_file_with_its_hash(brand: Brand, tmp_path: Path) -> None:
    pack = await packed(brand, tmp_path / "pack.zip")
    manifest: dict[str, Any] = json.loads(pack.read("manifest.json"))
    assert {name: manifest[name] for name in ("format", "brand", "root", "from", "until", "currency", "time_zone")} == {
        "format": 1,
        "brand": "packed",
        "root": "ROOT",
        "from": "2026-01-01",
        "until": "2026-03-01",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
    }
    names = [part.name for part in evidence_parts.parts(2)]
    assert [file["name"] for file in manifest["files"]] == [*names, "README.txt"]
    assert pack.namelist() == [*names, "README.txt", "manifest.json"]
    for file in manifest["files"]:
        content = pack.read(file["name"])
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest()), file["name"]
        assert file["rows"] == (len(rows(pack, file["name"])) if file["name"].endswith(".csv") else None), file["name"]
    readme = pack.read("README.txt").decode()
    assert all(readme.count(f"{name}") == 2 for name in names)


async def test_twice_the_same_bytes(brand: Brand, tmp_path: Path) -> None:
    await packed(brand, tmp_path / "one.zip")
    await packed(brand, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


async def test_a_text_that_would_be_a_formula_is_none(keys: crypto.Keys, brand: Brand, tmp_path: Path) -> None:
    owner = await people.member(keys, brand.id, "owner")
    words = portal_text.Words(
        kind="announcement", title_en="=1+1", body_en="@all", starts_on=FEBRUARY, ends_on=dt.date(2027, 1, 1)
    )
    await portal_text.publish(brand=brand, words=words, today=FEBRUARY, actor=people.actor(owner))
    pack = await packed(brand, tmp_path / "pack.zip")
    assert ("'=1+1", "'@all") in columns(pack, "texts.csv", "title_en", "body_en")


async def test_refused_attempts_are_in_the_pack_of_their_month(keys: crypto.Keys, brand: Brand, tmp_path: Path) -> None:
    owner = await people.member(keys, brand.id, "owner")
    words = portal_text.Words(kind="help", title_en="Earn", body_en="Passive income for all", starts_on=FEBRUARY)
    with pytest.raises(blocklist.PromiseError):
        await portal_text.publish(brand=brand, words=words, today=FEBRUARY, actor=people.actor(owner))
    pack = await packed(brand, tmp_path / "now.zip", NOWADAYS)
    assert columns(pack, "refused.csv", "user_id", "role", "subject", "code") == [
        (str(owner.user_id), "owner", "text.publish/help", "text.promise")
    ]
    assert rows(await packed(brand, tmp_path / "then.zip"), "refused.csv") == []


@pytest.mark.parametrize(
    ("root", "first", "last", "field"),
    [
        ("CHILD", JANUARY, FEBRUARY, "root"),
        ("nobody", JANUARY, FEBRUARY, "root"),
        ("ROOT", FEBRUARY, JANUARY, "last"),
        ("ROOT", dt.date(2020, 1, 1), FEBRUARY, "last"),
        ("ROOT", dt.date(2030, 1, 1), dt.date(2030, 2, 1), "first"),
    ],
)
async def test_what_is_no_period_of_a_root_is_refused(
    brand: Brand, owner: asyncpg.Connection, root: str, first: dt.date, last: dt.date, field: str
) -> None:
    before = await owner.fetchval("SELECT count(*) FROM export_file")
    with pytest.raises(evidence.PackRefusedError) as refused:
        await evidence.request(
            brand=brand, wanted=evidence.Wanted(root=root, first=first, last=last), actor=audit.SYSTEM, now=books.NOW
        )
    assert refused.value.field == field
    assert await owner.fetchval("SELECT count(*) FROM export_file") == before


async def test_it_is_made_by_its_task(keys: crypto.Keys, brand: Brand, tmp_path: Path) -> None:
    who = await people.member(keys, brand.id, "auditor")
    export_id = await evidence.request(brand=brand, wanted=WANTED, actor=people.actor(who), now=books.NOW)
    asked = await exports.read(brand_id=brand.id, export_id=export_id)
    assert (asked.kind, asked.permission, asked.file_name, asked.rows) == (
        "compliance.pack",
        "compliance.export",
        "packed-ROOT-202601-202602.zip",
        8,
    )
    async with db.atomic():
        task_id = await db.connection().fetchval(
            "SELECT id FROM task WHERE kind = 'compliance.pack' ORDER BY created_at DESC LIMIT 1"
        )
    claimed = await task.claim(task_id, worker=task_id, kinds=[evidence.PACK])
    assert claimed is not None
    await evidence.make(work=task.Work(claimed), brand=brand, folder=tmp_path / "exports", now=books.NOW)
    made, pieces = await exports.open_(
        brand_id=brand.id,
        export_id=export_id,
        asked_by=who.user_id,
        allowed=who.permissions,
        folder=tmp_path / "exports",
    )
    await packed(brand, tmp_path / "direct.zip")
    assert b"".join(pieces) == (tmp_path / "direct.zip").read_bytes()
    assert (made.state, made.rows) == ("done", 8)
