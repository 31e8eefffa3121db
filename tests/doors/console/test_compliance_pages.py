"""Compliance as people of a brand see it: the thermometer of a day, a move that is tried, reports, packs, opinions, and texts."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people

from qucheng.core import audit, db
from qucheng.identity import legal_opinion
from qucheng.network import compliance_report, portal_text

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

RESELLERS = [
    "A,甲店,company,,gold,2026-01-01,",
    *(f"B{n},乙{n},individual,A,gold,2026-01-0{1 + n % 9}," for n in range(23)),
    "C,丙店,company,,gold,2026-01-01,",
]
EN = {"title_en": "Refunds", "body_en": "A refund takes its commission back.", "starts_on": "2026-01-01"}
# the database judges an opinion by its own day
TODAY = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
# the page shows the last ones
MONTH = f"{TODAY.replace(day=1) - dt.timedelta(days=1):%Y-%m}"


async def sent(visitor: browser.Browser, page: str, path: str | None = None, **fields: str) -> httpx.Response:
    """The form of that page, filled in."""
    await visitor.open(page)
    return await visitor.send(path or page, **fields)


@pytest.fixture
async def network(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """A with 23 below it, and C beside it, who sold half of what it sold to itself."""
    assert workspace
    folder = books.write(
        tmp_path / "network",
        code=f"c-{uuid.uuid4().hex[:20]}",
        compliance='policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2026-02-01',
        resellers=[*RESELLERS[:-1], "C,丙店,company,,gold,2026-01-01,id-c"],
        orders=[f"O1,1,{MONTH}-10T10:00:00,C,web,card,1,100.00,,", f"O2,1,{MONTH}-11T10:00:00,C,web,card,1,100.00,,id-c"],
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    await compliance_report.make(brand=made, now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    return made


async def test_a_day_beyond_all_centuries_and_a_number_beyond_all_versions_are_none(house: browser.House, network: Brand) -> None:
    visitor, _ = await visits.entered(house, network.id, "manager")
    for address, status in {
        "/compliance?on=9999-12-31": 200,
        "/compliance?on=0001-01-01": 200,
        "/plans/2147483648": 404,
        "/plans/99999999999/certificate": 404,
    }.items():
        assert (await visitor.get(address)).status_code == status, address


async def test_the_page_shows_the_network_of_today(house: browser.House, network: Brand) -> None:
    visitor, _ = await visits.entered(house, network.id, "manager")
    page = visits.plain((await visitor.get("/compliance?lang=en")).text)
    assert "Roots 2 25 persons in the network" in page
    assert "Longest chain 2 persons, at most 2; 3 with the operator" in page
    assert "Amber roots 1 from 24 heads on, with the operator Red roots 0" in page
    assert "甲店 A · gold 24 25 with the operator 2 3 with the operator Amber Amber" in page
    assert "丙店 C · gold 1 2 with the operator 1 2 with the operator Below 24 Below 24" in page
    assert "No opinion covers today A second level earns nothing on sales of today" in page
    assert "LO-1 until 2026-02-01 came with the brand's books" in page
    assert f"{MONTH} 1 reseller past 30 % 50.0%" in page
    assert "Nothing was refused" in page


async def test_the_page_of_another_day(house: browser.House, network: Brand) -> None:
    visitor, _ = await visits.entered(house, network.id, "auditor")
    page = visits.plain((await visitor.get("/compliance?lang=en&on=2026-01-02")).text)
    # A and those who joined on the first two days
    assert "甲店 A · gold 7 8 with the operator" in page
    assert "Nobody in the network on this day" in visits.plain((await visitor.get("/compliance?on=2025-01-01")).text)


async def test_a_move_is_tried_and_nothing_is_saved(house: browser.House, network: Brand, owner: asyncpg.Connection) -> None:
    visitor, _ = await visits.entered(house, network.id, "accountant")
    before = await books.everything(owner)
    address = "/compliance/what-if?lang=en&reseller={}&parent={}&on=2026-12-01"
    free = visits.plain((await visitor.get(address.format("C", "A"))).text)
    assert "The rules would let it happen" in free
    assert "A 24 25 2 2 Amber" in free
    assert "C 1 — 1 — no root any more" in free
    deep = visits.plain((await visitor.get(address.format("A", "C"))).text)
    assert "The rules would refuse it It would stand deeper than the policy lets." in deep
    assert "C 1 25 1 3 Amber" in deep
    ring = visits.plain((await visitor.get(address.format("A", "B1"))).text)
    assert "The rules would refuse it It would stand above itself." in ring
    after = await books.everything(owner)
    # only the session was used
    assert {name for name in after if after[name] != before[name]} <= {"session"}


async def test_a_move_of_nobody_is_a_fault(house: browser.House, network: Brand) -> None:
    visitor, _ = await visits.entered(house, network.id, "manager")
    answer = await visitor.get("/compliance/what-if?lang=en&reseller=X&parent=Y&on=soon")
    page = visits.plain(answer.text)
    assert answer.status_code == 422
    assert page.count("There is no reseller with this code.") == 4
    assert page.count("A day such as 2027-01-31.") == 2


async def test_the_report_of_a_month_and_its_files(house: browser.House, network: Brand) -> None:
    visitor, who = await visits.entered(house, network.id, "auditor")
    page = visits.plain((await visitor.get("/compliance/reports?lang=en&month=2026-01")).text)
    assert "甲店 A 24 24 2 2" in page
    assert (await visitor.get("/compliance/reports?month=2025-01")).status_code == 404
    answer = await sent(visitor, "/compliance/reports", "/compliance/reports/export", month="2026-02", form="csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{network.code}-network-202602.csv"'
    rows = [[*row.values()][:8] for row in csv.DictReader(io.StringIO(answer.text.removeprefix("﻿")))]
    assert rows == [
        ["2026-02", "A", "甲店", "cn-two-tier", "24", "2", "24", "2"],
        ["2026-02", "C", "丙店", "cn-two-tier", "1", "1", "1", "1"],
    ]
    (record, *_) = await audit.listing(brand_id=network.id, user_id=who.user_id)
    assert (record.action, record.after["kind"], record.after["month"], record.after["rows"]) == (
        "export.take",
        "compliance.network",
        "2026-02",
        2,
    )
    assert (
        await sent(visitor, "/compliance/reports", "/compliance/reports/export", month="2025-02", form="csv")
    ).status_code == 404


async def test_a_pack_is_asked_for_and_appears_under_exports(house: browser.House, network: Brand) -> None:
    visitor, _ = await visits.entered(house, network.id, "manager")
    refused = await sent(visitor, "/compliance/pack", root="B1", first="2026-01", last="2026-02")
    assert refused.status_code == 422
    assert "There is no root with this code in these months." in refused.text or "这些月份里没有" in refused.text
    for first, last in (("2026-01", "x"), ("2026-03", "2026-01"), ("2020-01", "2026-01")):
        assert (await sent(visitor, "/compliance/pack", root="A", first=first, last=last)).status_code == 422
    async with db.atomic(network.id):
        assert await db.connection().fetchval("SELECT count(*) FROM export_file") == 0
    answer = await sent(visitor, "/compliance/pack", root="A", first="2026-01", last="2026-02")
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports")
    assert f"{network.code}-A-202601-202602.zip" in (await visitor.get("/exports")).text


async def test_an_opinion_is_put_forward_by_one_owner_and_allowed_by_another(house: browser.House, network: Brand) -> None:
    maker, _ = await visits.entered(house, network.id, "owner")
    codes = maker.codes()
    checker, _ = await visits.entered(house, network.id, "owner")
    expires_on = TODAY + dt.timedelta(days=300)
    asked = {"reference": "LO-2027-1", "expires_on": str(expires_on)}
    wrong = await sent(maker, "/compliance/opinion", **asked, code="000000")
    assert wrong.status_code == 422
    late = await sent(maker, "/compliance/opinion", reference="LO", expires_on="2099-01-01", code=codes.pop())
    assert late.status_code == 422
    answer = await sent(maker, "/compliance/opinion", **asked, code=codes.pop())
    assert answer.status_code == 303
    approval_id = answer.headers["location"].removeprefix("/compliance?asked=")
    codes = checker.codes()
    page = visits.plain((await checker.get(f"/approvals/{approval_id}?lang=en")).text)
    assert "Rely on a lawyer&#39;s opinion" in page
    assert f"Holds until {expires_on}" in page
    decided = await checker.send(f"/approvals/{approval_id}", decision="approve", code=codes.pop())
    assert decided.status_code == 303
    (opinion, _) = (await legal_opinion.coverage(brand=network, today=TODAY)).opinions
    assert (opinion.reference, opinion.expires_on) == ("LO-2027-1", expires_on)


async def test_where_no_opinion_is_needed_none_is_taken(house: browser.House, brand: Brand) -> None:
    visitor, _ = await visits.entered(house, brand.id, "owner")
    codes = visitor.codes()
    assert "This policy needs no opinion" in (await visitor.get("/compliance/opinion?lang=en")).text
    answer = await visitor.send(
        "/compliance/opinion", reference="LO", expires_on=str(TODAY + dt.timedelta(days=9)), code=codes.pop()
    )
    assert answer.status_code == 409
    async with db.atomic(brand.id):
        assert await db.connection().fetchval("SELECT count(*) FROM approval") == 0


async def test_a_text_reaches_the_resellers_and_ends(house: browser.House, brand: Brand) -> None:
    manager, _ = await visits.entered(house, brand.id, "manager")
    seller, _ = await visits.entered(house, brand.id, "seller", reseller="R1")
    assert (await sent(manager, "/texts/new", kind="announcement", **EN)).headers["location"] == "/texts?done=published"
    home = visits.plain((await seller.get("/portal?lang=en")).text)
    assert "From the brand Refunds 2026-01-01 A refund takes its commission back." in home
    (text,) = await portal_text.listing(brand_id=brand.id)
    change = await manager.get(f"/texts/new?lang=en&instead={text.id}")
    assert 'value="Refunds"' in change.text
    changed = {**EN, "body_en": "It takes the commission\r\nback."}
    assert (await sent(manager, "/texts/new", kind="help", instead=str(text.id), **changed)).status_code == 303
    home = visits.plain((await seller.get("/portal?lang=en")).text)
    assert "Refunds 2026-01-01 It takes the commission back." in home
    assert "A refund takes its commission back." not in home
    (fresh, _) = await portal_text.listing(brand_id=brand.id)
    assert fresh.body_en == "It takes the commission\nback."
    assert (await sent(manager, "/texts", f"/texts/{fresh.id}/end")).headers["location"] == "/texts?done=ended"
    assert "From the brand" not in (await seller.get("/portal?lang=en")).text
    assert (await sent(manager, "/texts", f"/texts/{fresh.id}/end")).status_code == 404


async def test_a_promise_is_refused_at_its_field_and_kept(house: browser.House, brand: Brand) -> None:
    manager, who = await visits.entered(house, brand.id, "manager")
    given = {
        "kind": "announcement",
        "title_zh": "通知",
        "body_zh": "轻松 躺_赚，日入过万",
        "title_en": "News",
        "body_en": "Fine words",
    }
    answer = await sent(manager, "/texts/new?lang=en", **given, starts_on="2026-01-01")
    page = visits.plain(answer.text)
    assert answer.status_code == 422
    assert page.count("This promises income: “躺_赚”, “日入过万”. Say what is paid for, not what can be earned.") == 2
    # what was typed stands there still
    assert "轻松 躺_赚，日入过万</textarea>" in answer.text
    assert "Fine words</textarea>" in answer.text
    assert await portal_text.listing(brand_id=brand.id) == []
    listed = visits.plain((await manager.get("/compliance?lang=en")).text)
    assert "A text to resellers Announcement The text promises income. 某人" in listed
    (record,) = [each for each in await audit.listing(brand_id=brand.id) if each.action == "compliance.refused"]
    assert record.user_id == who.user_id


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"starts_on": "soon"}, "A day such as 2027-01-31."),
        ({"ends_on": "2026-01-01"}, "A day after the first, and after today; blank: until somebody ends it."),
        ({"title_en": ""}, "A title of at most 80 characters, in Chinese, in English or in both; its words belong to it."),
        ({"body_en": "x" * 4001}, "Words of at most 4000 characters, under the title in the same language."),
        ({"instead": "01890000-0000-7000-8000-000000000001"}, "This text is ended already."),
    ],
)
async def test_a_fault_is_said_at_its_field(house: browser.House, brand: Brand, given: dict[str, str], sentence: str) -> None:
    manager, _ = await visits.entered(house, brand.id, "manager")
    answer = await sent(manager, "/texts/new?lang=en", kind="help", **{**EN, **given})
    assert answer.status_code in {404, 422}
    assert sentence in visits.plain(answer.text)
    assert await portal_text.listing(brand_id=brand.id) == []


async def test_a_text_of_another_brand_is_not_there(house: browser.House, brand: Brand, network: Brand) -> None:
    who = await people.member(house.keys, network.id, "manager")
    words = portal_text.Words(kind="help", title_en="Of others", body_en="Theirs", starts_on=dt.date(2026, 1, 1))
    text_id = await portal_text.publish(brand=network, words=words, today=TODAY, actor=people.actor(who))
    manager, _ = await visits.entered(house, brand.id, "manager")
    assert (await manager.get(f"/texts/new?instead={text_id}")).status_code == 404
    assert (await sent(manager, "/texts", f"/texts/{text_id}/end")).status_code == 404
    assert (await portal_text.read(brand_id=network.id, text_id=text_id)).ended_at is None
