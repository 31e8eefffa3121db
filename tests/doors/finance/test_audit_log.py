"""The audit log: for auditors of the brand and operators of the platform only, filtered by its address, with its chain and as a file."""

from __future__ import annotations

import csv
import html
import io
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import keepers
from tests.rooms.identity import people

from qucheng.core import audit, db

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:12]}"))


async def recorded(brand_id: uuid.UUID, actor: audit.Actor, action: str, subject: str, **values: dict[str, object]) -> None:
    async with db.atomic(brand_id):
        await audit.record(brand_id=brand_id, actor=actor, action=action, subject=subject, **values)  # type: ignore[arg-type]


def actions(page: str) -> list[str]:
    body = page.split("</thead>")[1].split("</tbody>", maxsplit=1)[0] if "</thead>" in page else ""
    return [
        html.unescape(found)
        for found in re.findall(r'<td class="middling"><span class="num">([^<]+)</span><span class="sub num">', body)
    ]


async def test_what_was_done_is_shown_to_the_auditor_and_chosen_by_the_address(house: browser.House, brand: Brand) -> None:
    who = await people.member(house.keys, brand.id, "owner")
    approval = uuid.uuid4()
    await recorded(
        brand.id, people.actor(who), "brand.change", "hold_days", before={"days": 7, "same": 1}, after={"days": 5, "same": 1}
    )
    await recorded(brand.id, audit.SYSTEM, "run.issue", "2026-03", after={"net": "<b>=1</b>"}, approval=approval)  # type: ignore[arg-type]
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    assert (await auditor.get("/audit")).status_code == 200
    assert actions(auditor.page)[-3:] == ["run.issue", "brand.change", "membership.grant"]
    assert '<dt class="num">days</dt><dd class="num"><del class="faint">7</del>' in auditor.page
    assert ('<dt class="num">same</dt>' in auditor.page, "&lt;b&gt;=1&lt;/b&gt;" in auditor.page) == (False, True)
    for query, wanted in (
        ("action=run.issue", ["run.issue"]),
        (f"person={who.user_id}", ["brand.change"]),
        ("subject=HOLD", ["brand.change"]),
        (f"approval={approval}", ["run.issue"]),
        ("from=2199-01-01", []),
        ("to=2001-01-01", []),
        ("person=nonsense&from=31.12.&to=x&approval=1&action=run.issue", ["run.issue"]),
    ):
        await auditor.get(f"/audit?{query}")
        assert actions(auditor.page) == wanted, query


async def test_it_says_who_was_given_a_role_and_by_which_role(house: browser.House, brand: Brand) -> None:
    """By name and login, in the reader's words; an id that is nobody's stands as it is."""
    maker, nobody = await people.member(house.keys, brand.id, "owner"), uuid.uuid4()
    given = await people.member(house.keys, brand.id, "support")
    await recorded(brand.id, people.actor(maker), "test.give", "one", after={"user": str(given.user_id)})
    await recorded(brand.id, audit.Actor(user_id=None, role="consumer"), "test.give", "two", after={"user": str(nobody)})
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    auditor.language = "zh-CN"
    await auditor.get("/audit?action=test.give")
    shown = auditor.page.split("<tbody>")[1]
    assert re.search(r'<dt class="num">user</dt><dd class="num">某人 · [^<]+@example\.com</dd>', shown)
    assert (str(given.user_id) in shown, str(nobody) in shown) == (False, True)
    assert (" · 品牌负责人</span>" in shown, "顾客</td>" in shown) == (True, True)


async def test_a_long_trail_goes_on_from_page_to_page(house: browser.House, brand: Brand) -> None:
    for number in range(45):
        await recorded(brand.id, audit.SYSTEM, "test.act", f"s-{number:02}")
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    seen, address = [], "/audit?action=test.act"
    while address:
        await auditor.get(address)
        seen.append(re.findall(r"s-[0-9]{2}", auditor.page))
        links = re.findall(r'href="([^"]+)" rel="next"', auditor.page)
        address = html.unescape(links[0]) if links else ""
    assert [subject for page in seen for subject in page] == [f"s-{number:02}" for number in reversed(range(45))]
    assert "41–45 of 45" in auditor.page


async def test_the_chain_is_verified_and_a_change_behind_it_is_seen(
    house: browser.House, brand: Brand, owner: asyncpg.Connection
) -> None:
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    await auditor.get("/audit")
    assert "Nothing is chained yet" in auditor.page
    links = await audit.seal(brand.id)
    await auditor.get("/audit")
    assert f"{links} records are chained, the last of" in auditor.page
    await auditor.send("/audit/verify")
    assert "The chain holds from its first link to its last" in auditor.page
    await owner.execute("ALTER TABLE audit_record DISABLE TRIGGER append_only")
    try:
        await owner.execute("UPDATE audit_record SET subject = 'another' WHERE brand_id = $1", brand.id)
    finally:
        await owner.execute("ALTER TABLE audit_record ENABLE TRIGGER append_only")
    await auditor.send("/audit/verify")
    assert "The chain is broken at link 1" in auditor.page


async def test_the_file_names_people_and_holds_no_formula(house: browser.House, brand: Brand) -> None:
    who = await people.member(house.keys, brand.id, "owner", login=f"=cmd-{uuid.uuid4().hex[:8]}@example.com")
    await recorded(brand.id, people.actor(who), "test.act", "=HYPERLINK(1)", after={"a": "=1"})
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    await auditor.get("/audit?action=test.act")
    made = await auditor.send("/audit/export", form="csv", action="test.act")
    assert made.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    (row,) = csv.DictReader(io.StringIO(made.content.decode("utf-8-sig")))
    assert (row["subject"], row["action"], row["after"], row["user_id"]) == (
        "'=HYPERLINK(1)",
        "test.act",
        '{"a": "=1"}',
        str(who.user_id),
    )
    assert (row["name"], row["login"][:6]) == ("某人", "'=cmd-")


async def test_nobody_who_acts_reads_it(house: browser.House, brand: Brand) -> None:
    found = {}
    for role in ("owner", "manager", "accountant", "support"):
        other = await keepers.signed_in(house, brand.id, role)
        await other.get("/account")
        found[role] = [(await other.get("/audit")).status_code, (await other.get("/platform/audit")).status_code]
        await other.get("/account")
        found[role].append((await other.send("/audit/export", form="csv")).status_code)
    assert found == {key: [404, 404, 404] for key in ("owner", "manager", "accountant", "support")}
