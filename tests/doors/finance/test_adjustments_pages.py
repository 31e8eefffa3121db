"""Adjustments by page: what is typed, what it says will happen, the request, and what the list shows of it."""

from __future__ import annotations

import html
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import keepers
from tests.rooms.identity import people
from tests.rooms.settlement import desk

from qucheng.core import audit, clock
from qucheng.identity import approval as approvals
from qucheng.identity import permissions
from qucheng.settlement import adjustment

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FORM = {"reseller": "R1", "amount": "−25.00", "reason": "correction", "reference": "E1", "note": "price of E1", "dispute": ""}
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await desk.settled(tmp_path_factory.mktemp("brand"), f"b-{uuid.uuid4().hex[:20]}")


@pytest.fixture
async def accountant(house: browser.House, brand: Brand) -> browser.Browser:
    return await keepers.signed_in(house, brand.id, "accountant")


async def requests(brand: Brand) -> list[approvals.Approval]:
    return await approvals.listing(brand_id=brand.id)


async def shown(opened: browser.Browser, **fields: str) -> dict[str, str]:
    """What the page that says what will happen carries on."""
    await opened.get("/adjustments/new")
    answer = await opened.send("/adjustments/new", **{**FORM, "step": "show", **fields})
    assert answer.status_code == 200, answer.text
    return {name: html.unescape(value) for name, value in HIDDEN.findall(answer.text) if name != "_csrf"}


async def test_from_the_form_to_the_statement(house: browser.House, brand: Brand, accountant: browser.Browser) -> None:
    await accountant.get("/adjustments")
    assert "No adjustments" in accountant.page
    carried = await shown(accountant)
    assert "Correction, order E1" not in accountant.page  # the statement is in the brand's language
    assert "更正，订单 E1：price of E1" in accountant.page
    assert f"It lands on the statement of {adjustment.lands_in(brand, clock.now()):%Y-%m}" in accountant.page
    assert "Ask for approval of −25.00" in accountant.page
    assert await requests(brand) == []
    asked = await accountant.send("/adjustments/new", **carried, step="ask")
    (waiting,) = await requests(brand)
    assert (asked.status_code, asked.headers["location"]) == (303, f"/adjustments?asked={waiting.id}")
    assert (waiting.payload["amount_minor"], waiting.payload["code"]) == (-2500, carried["code"])
    await accountant.get(asked.headers["location"])
    assert "The adjustment is asked for" in accountant.page
    assert f'href="/approvals/{waiting.id}"' in accountant.page
    assert "Awaiting approval</span>" in accountant.page
    checker = await people.member(house.keys, brand.id, "owner")
    await desk.allowed(brand, checker, waiting.id)
    await accountant.get("/adjustments?state=due")
    assert f'<span class="sub num">R1 · {carried["code"]}</span>' in accountant.page
    assert "on the next statement" in accountant.page
    assert "1 adjustment in all" in accountant.page


async def test_a_second_click_asks_once(brand: Brand, accountant: browser.Browser) -> None:
    carried = await shown(accountant)
    first = await accountant.send("/adjustments/new", **carried, step="ask")
    second = await accountant.send("/adjustments/new", **carried, step="ask")
    assert (first.headers["location"], second.status_code) == (second.headers["location"], 303)
    assert len(await requests(brand)) == 1
    changed = await accountant.send("/adjustments/new", **{**carried, "amount": "-26.00"}, step="ask")
    assert (changed.status_code, "An adjustment was asked for under this code already" in changed.text) == (409, True)
    assert [each.payload["amount_minor"] for each in await requests(brand)] == [-2500]


async def test_all_that_is_wrong_is_at_its_field_and_what_was_typed_stays(brand: Brand, accountant: browser.Browser) -> None:
    await accountant.get("/adjustments/new")
    for step in ("show", "ask"):
        answer = await accountant.send(
            "/adjustments/new", reseller="R1", amount="1,2", reason="", reference="E9<b>", note="", dispute="", step=step
        )
        assert answer.status_code == 422
        assert "3 things to fix" in answer.text
        for field, sentence in (
            ("amount", "Write an amount such as -25.00 or 1,200."),
            ("reason", "Choose a reason."),
            ("reference", "The reseller has no order and no statement of this number."),
        ):
            assert f'<a href="#{field}">{sentence}</a>' in answer.text
            assert f'id="{field}-fault"' in answer.text
        assert 'value="1,2"' in answer.text
        assert 'value="E9&lt;b&gt;"' in answer.text
    assert await requests(brand) == []


@pytest.mark.parametrize(("typed", "minor"), [("-25", -2500), ("+１，２００．５", 120050), ("¥3", 300), ("0.01", 1)])
async def test_amounts_as_people_type_them(accountant: browser.Browser, typed: str, minor: int) -> None:
    await shown(accountant, amount=typed)
    found = re.search(r'<div class="total">.*?<span class="num[^"]*">([^<]+)</span>', accountant.page)
    assert found is not None
    assert int(re.sub(r"[,.+]", "", found[1].replace("−", "-"))) == minor


async def test_one_goes_back_and_changes_it(accountant: browser.Browser) -> None:
    carried = await shown(accountant)
    back = await accountant.send("/adjustments/new", **carried, step="change")
    assert (back.status_code, 'value="price of E1"' in back.text, 'value="−25.00"' in back.text) == (200, True, True)


async def test_it_answers_a_dispute(house: browser.House, brand: Brand, accountant: browser.Browser) -> None:
    team = await desk.team(house.keys, brand)
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK)
    await accountant.get(f"/adjustments/new?dispute={opened}")
    assert f'value="{brand.code}-202601-000001"' in accountant.page
    assert "Answer to a dispute" in accountant.page
    fields = {**FORM, "amount": "5", "reason": "dispute", "dispute": str(opened), "note": ""}
    answer = await accountant.send("/adjustments/new", **fields, step="show")
    carried = {name: html.unescape(value) for name, value in HIDDEN.findall(answer.text) if name != "_csrf"}
    assert (await accountant.send("/adjustments/new", **carried, step="ask")).status_code == 303
    (waiting,) = await requests(brand)
    assert waiting.payload["dispute"] == str(opened)
    again = await accountant.send("/adjustments/new", **fields, step="show")
    assert (again.status_code, "waits for its approval already" in again.text) == (409, True)
    await accountant.get(f"/disputes/{opened}")
    assert "An adjustment awaits approval" in accountant.page
    assert "Propose an adjustment" not in accountant.page
    await desk.allowed(brand, team.checker, waiting.id)
    await accountant.get(f"/disputes/{opened}")
    assert "Answered by an adjustment, allowed by 某人" in accountant.page


@pytest.mark.parametrize("address", ["?dispute=x", f"?dispute={uuid.UUID(int=7)}"])
async def test_a_dispute_that_is_not_there(accountant: browser.Browser, address: str) -> None:
    assert (await accountant.get(f"/adjustments/new{address}")).status_code == 404


async def test_filters_are_in_the_address_and_the_sums_are_of_all(
    house: browser.House, brand: Brand, accountant: browser.Browser
) -> None:
    maker = await people.member(house.keys, brand.id, "accountant")
    for number in range(22):
        await desk.asked(brand, maker, amount_minor=100 + number, reason_code="fee" if number % 2 else "goodwill")
    await accountant.get("/adjustments?reason=fee")
    assert "11 adjustments in all" in accountant.page
    assert '<span class="num">+12.21</span>' in accountant.page
    assert 'href="/adjustments"' in accountant.page  # the chip takes the filter off
    await accountant.get("/adjustments?page=2")
    assert "21–22 of 22" in accountant.page
    assert '<span class="num">+24.31</span>' in accountant.page
    await accountant.get("/adjustments?text=nobody&state=waiting")
    assert ("No adjustment fits" in accountant.page, "Clear all" in accountant.page) == (True, True)
    for nonsense in ("?page=x", "?page=0", "?page=999999", "?state=paid", "?text=%00", "?asked=x", "?reason=%ff"):
        assert (await accountant.get(f"/adjustments{nonsense}")).status_code == 200, nonsense


async def test_who_sees_and_who_asks(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    auditor = await keepers.signed_in(house, brand.id, "auditor")
    assert (await auditor.get("/adjustments")).status_code == 200
    assert "/adjustments/new" not in auditor.page
    before = await books.everything(owner)
    assert (await auditor.get("/adjustments/new")).status_code == 404
    places: tuple[tuple[permissions.Role, uuid.UUID], ...] = (("support", brand.id), ("operator", audit.PLATFORM))
    for role, place in places:
        other = await keepers.signed_in(house, place, role)
        for path in ("/adjustments", "/adjustments/new"):
            assert (await other.get(path)).status_code == 404, role
    assert (await auditor.post("/adjustments/new", {**FORM, "step": "ask"})).status_code == 404
    assert (await books.everything(owner))["approval"] == before["approval"]


async def test_another_brand_sees_nothing_of_it(
    house: browser.House, brand: Brand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    maker = await people.member(house.keys, brand.id, "accountant")
    await desk.asked(brand, maker)
    other = await desk.settled(tmp_path_factory.mktemp("other"), f"o-{uuid.uuid4().hex[:20]}")
    stranger = await keepers.signed_in(house, other.id, "accountant")
    await stranger.get("/adjustments")
    assert "No adjustments" in stranger.page


async def test_in_chinese(brand: Brand, accountant: browser.Browser) -> None:
    assert brand.currency == "CNY"
    accountant.language = "zh-CN"
    await shown(accountant)
    assert "申请批准 −25.00" in accountant.page
    assert '<span class="unit">元</span>' in accountant.page
