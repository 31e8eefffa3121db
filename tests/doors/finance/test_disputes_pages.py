"""Disputes by page: the row and why it is so, the answer, and who sees what."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.doors.finance import keepers
from tests.rooms.settlement import desk

from qucheng.settlement import dispute
from qucheng.web.finance import disputes

if TYPE_CHECKING:
    import asyncpg
    from tests import books
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await desk.settled(tmp_path_factory.mktemp("brand"), f"b-{uuid.uuid4().hex[:20]}")


@pytest.fixture
async def team(house: browser.House, brand: Brand) -> desk.Team:
    return await desk.team(house.keys, brand)


@pytest.fixture
async def accountant(house: browser.House, brand: Brand) -> browser.Browser:
    return await keepers.signed_in(house, brand.id, "accountant")


async def test_one_is_read_and_rejected(brand: Brand, team: desk.Team, accountant: browser.Browser) -> None:
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK, reason="没有退款\n<b>请核对</b>")
    await accountant.get("/disputes?state=open")
    assert f'<a class="row-link" href="/disputes/{opened}">一号</a>' in accountant.page
    await accountant.get(f"/disputes/{opened}")
    assert "没有退款<br>&lt;b&gt;请核对&lt;/b&gt;" in accountant.page
    assert "<dd>Reversal</dd>" in accountant.page
    assert "E1 / 1 · F1" in accountant.page
    assert '<span class="num neg">−5.00</span>' in accountant.page
    assert "order line E1/1" in accountant.page
    assert "rule OWN (percent" in accountant.page
    answer = await accountant.send(f"/disputes/{opened}/reject", answer=" 已核对，\n退款属实。 ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/disputes/{opened}")
    await accountant.get(f"/disputes/{opened}")
    assert "已核对，<br>退款属实。" in accountant.page
    assert "Rejected by 某人" in accountant.page
    assert "Reject the dispute" not in accountant.page
    await accountant.get("/disputes?state=open")
    assert "No disputes" in accountant.page


async def test_an_answer_says_why_and_stays_typed(brand: Brand, team: desk.Team, accountant: browser.Browser) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    await accountant.get(f"/disputes/{opened}")
    for answer in (" ", "x" * 1001):
        page = await accountant.send(f"/disputes/{opened}/reject", answer=answer)
        assert page.status_code == 422
        assert '<a href="#answer">Say why, in 1 to 1000 characters.</a>' in page.text
        assert answer.strip() in page.text
    assert (await dispute.read(brand_id=brand.id, dispute_id=opened)).state == "open"


async def test_a_stale_page_says_what_happened(brand: Brand, team: desk.Team, accountant: browser.Browser) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    await accountant.get(f"/disputes/{opened}")
    stale = accountant.page
    await accountant.send(f"/disputes/{opened}/reject", answer="first")
    accountant.page = stale
    again = await accountant.send(f"/disputes/{opened}/reject", answer="second")
    assert (again.status_code, "This dispute has been answered already." in again.text) == (409, True)
    assert (await dispute.read(brand_id=brand.id, dispute_id=opened)).answer == "first"


async def test_who_reads_and_who_answers(house: browser.House, brand: Brand, team: desk.Team, owner: asyncpg.Connection) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    for role, explained in (("auditor", True), ("support", False)):
        reader = await keepers.signed_in(house, brand.id, role)  # type: ignore[arg-type] # of the test
        await reader.get(f"/disputes/{opened}")
        # what a rule and a cost are is not for whoever answers the telephone
        assert ("Reject the dispute" in reader.page, "cost 60.00" in reader.page) == (False, explained)
        assert (await reader.send(f"/disputes/{opened}/reject", answer="x")).status_code == 404
    assert await owner.fetchval("SELECT state FROM dispute WHERE id = $1", opened) == "open"


async def test_another_brands_is_not_there(
    house: browser.House, brand: Brand, team: desk.Team, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    other = await desk.settled(tmp_path_factory.mktemp("other"), f"o-{uuid.uuid4().hex[:20]}")
    stranger = await keepers.signed_in(house, other.id, "owner")
    await stranger.get("/disputes")
    assert "No disputes" in stranger.page
    for path in (f"/disputes/{opened}", f"/disputes/{uuid.uuid4()}", f"/adjustments/new?dispute={opened}"):
        assert (await stranger.get(path)).status_code == 404, path
    for wanted in (opened, uuid.uuid4()):
        await stranger.get("/account/password")
        assert (await stranger.send(f"/disputes/{wanted}/reject", answer="x")).status_code == 404
    assert await owner.fetchval("SELECT state FROM dispute WHERE id = $1", opened) == "open"


async def test_in_chinese(brand: Brand, team: desk.Team, accountant: browser.Browser) -> None:
    opened = await desk.disputed(brand, team.of["R1"])
    accountant.language = "zh-CN"
    await accountant.get(f"/disputes/{opened}")
    assert "订单行 E1/1" in accountant.page
    assert "驳回异议" in accountant.page


def test_lines_become_a_tree() -> None:
    found = disputes.tree(["a", "  b", "    c", "  d", "      e", "f"])
    assert found == [
        disputes.Fact(
            sentence="a",
            parts=[
                disputes.Fact(sentence="b", parts=[disputes.Fact(sentence="c", parts=[])]),
                disputes.Fact(sentence="d", parts=[disputes.Fact(sentence="e", parts=[])]),
            ],
        ),
        disputes.Fact(sentence="f", parts=[]),
    ]
