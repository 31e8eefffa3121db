"""Runs and approvals in the browser with mistakes: a wrong code, a second click, a page of yesterday, somebody else's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import keepers, run_desk
from tests.rooms.identity import people

from qucheng.core import audit, task
from qucheng.identity import approval
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    return await run_desk.stored(tmp_path)


async def requests(brand: Brand) -> list[str]:
    every: tuple[approval.State, ...] = ("waiting", "approved", "rejected", "expired", "executed")
    return [each.state for each in await approval.listing(brand_id=brand.id, states=every)]


async def kinds(brand: Brand) -> list[tuple[str, str]]:
    return [(each.kind, each.state) for each in await task.listing(brand_id=brand.id)]


async def test_a_month_is_computed_once_however_often_it_is_asked_for(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    await one.shows("/runs")
    for _ in range(2):
        answer = await one.send("/runs/compute", month="2026-03")
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    assert await kinds(brand) == [("settlement.settle", "waiting")]
    page = await one.shows("/runs")
    assert ("Computing 2026-03" in page, 'hx-get="/runs/progress"' in page) == (True, True)
    part = await one.browser.get("/runs/progress", **{"hx-request": "true"})
    assert ("Computing 2026-03" in part.text, "<html" in part.text) == (True, False)
    await keepers.work_off(house, brand)
    part = await one.browser.get("/runs/progress", **{"hx-request": "true"})
    assert (part.text, part.headers["hx-refresh"]) == ("", "true")
    assert (await one.browser.get("/runs/progress")).headers["location"] == "/runs"
    assert await books.seen(brand, "SELECT period::text, number, state FROM settlement_run") == [("2026-03-01", 1, "computed")]


@pytest.mark.parametrize(
    ("month", "status", "said"),
    [
        ("2026-04", 409, "not in a state"),
        ("2031-01", 409, "has not ended"),
        ("2026-13", 422, "no month"),
        ("", 422, "no month"),
        ("2026-03'", 422, "no month"),
    ],
)
async def test_another_month_is_refused_with_its_reason(
    house: browser.House, owner: asyncpg.Connection, brand: Brand, month: str, status: int, said: str
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    await one.shows("/runs")
    answer = await one.send("/runs/compute", month=month)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert await kinds(brand) == []


async def test_a_wrong_code_asks_for_nothing(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    await one.shows(f"/runs/{code}")
    await one.send(f"/runs/{code}/check")
    await one.shows(f"/runs/{code}/request")
    answer = await one.send(f"/runs/{code}/request", code="000000")
    assert (answer.status_code, "The code is wrong" in answer.text, "Ask to issue 2 statements" in answer.text) == (
        422,
        True,
        True,
    )
    assert await requests(brand) == []


async def test_asked_for_twice_it_waits_once_and_no_code_is_used_up(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code, _ = await run_desk.asked(house, brand, one)
    answer = await one.browser.get(f"/runs/{code}/request")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{code}")
    await one.shows(f"/runs/{code}")
    answer = await one.send(f"/runs/{code}/request", code="000000")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{code}?done=asked")
    assert await requests(brand) == ["waiting"]


async def test_what_was_not_checked_is_not_asked_for(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    await one.shows(f"/runs/{code}")
    answer = await one.send(f"/runs/{code}/request", code=await one.code())
    assert (answer.status_code, "Nobody has checked the run" in answer.text) == (409, True)
    assert await requests(brand) == []


async def test_a_difference_is_shown_and_leaves_no_way_on(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    await owner.execute(
        "UPDATE run_statement SET accrued_minor = accrued_minor + 1 WHERE brand_id = $1 AND reseller = 'A02'", brand.id
    )
    await one.shows(f"/runs/{code}")
    await one.send(f"/runs/{code}/check")
    page = await one.shows(f"/runs/{code}")
    assert ("The figures of 1 reseller differ: A02." in page, "+0.01" in page, f"/runs/{code}/request" in page) == (
        True,
        True,
        False,
    )
    answer = await one.send(f"/runs/{code}/request", code=await one.code())
    assert (answer.status_code, "are not the same" in answer.text) == (409, True)
    assert await requests(brand) == []


async def test_discarded_once_and_the_second_click_says_so(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    assert "A draft of 2 statements, ¥1,016.89 to be paid, is thrown away" in await one.shows(f"/runs/{code}/discard")
    assert (await one.send(f"/runs/{code}/discard")).headers["location"] == "/runs"
    answer = await one.send(f"/runs/{code}/discard")
    assert (answer.status_code, "not in a state" in answer.text) == (409, True)
    (trail, *_) = await audit.listing(brand_id=brand.id, action="run.discard")
    assert (trail.user_id, trail.subject) == (one.who.user_id, code)
    assert "This run was discarded" in await one.shows(f"/runs/{code}")


async def test_decided_twice_the_second_is_told_what_happened(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one, two, three = [await run_desk.keeper(house, owner, brand.id) for _ in range(3)]
    _, address = await run_desk.asked(house, brand, one)
    await two.shows(address)
    await three.shows(address)
    answer = await two.send(address, decision="reject", code="000000", reason="")
    assert (answer.status_code, "Say why you reject it" in answer.text) == (422, True)
    await two.send(address, decision="reject", code=await two.code(), reason="先核对退款")
    answer = await three.send(address, decision="approve", code="000000")
    assert (answer.status_code, "This was decided already" in answer.text, "先核对退款" in answer.text) == (409, True, True)
    assert await requests(brand) == ["rejected"]
    assert [kind for kind, _ in await kinds(brand)] == ["settlement.settle"]


async def test_what_was_accrued_while_a_request_waits_is_looked_at_and_then_decided(
    house: browser.House, owner: asyncpg.Connection, brand: Brand, tmp_path: Path
) -> None:
    one, two = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    code, address = await run_desk.asked(house, brand, one)
    assert f'action="/runs/{code}/check"' not in await two.shows(f"/runs/{code}")
    more = books.example(tmp_path / "more", code=brand.code)
    for name in ("orders", "refunds", "adjustments", "rules", "placements"):
        path = more / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with (more / "orders.csv").open("a", encoding="utf-8") as orders:
        orders.write("E2001,1,2026-06-03T20:15:00,A02,mini,VIP-Y,1,258.00,,\n")
    await books.take_in(brand, more)
    await two.shows(address)
    answer = await two.send(address, decision="approve", code=await two.code(), reason="")
    assert (answer.status_code, await requests(brand)) == (409, ["waiting"])
    assert f'action="/runs/{code}/check"' in await two.shows(f"/runs/{code}")
    await two.send(f"/runs/{code}/check")
    await two.shows(address)
    assert (await two.send(address, decision="approve", code=await two.code(), reason="")).status_code == 303
    assert await requests(brand) == ["executed"]


async def test_a_wrong_code_decides_nothing(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one, two = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    _, address = await run_desk.asked(house, brand, one)
    await two.shows(address)
    answer = await two.send(address, decision="approve", code="000000", reason="")
    assert (answer.status_code, "The code is wrong" in answer.text) == (422, True)
    assert await requests(brand) == ["waiting"]


async def test_whoever_asked_and_who_may_not_decide_cannot(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one, two = await run_desk.keeper(house, owner, brand.id), await run_desk.keeper(house, owner, brand.id, "auditor")
    _, address = await run_desk.asked(house, brand, one)
    for who in (one, two):
        assert "Your decision" not in await who.shows(address)
        answer = await who.send(address, decision="approve", code=await who.code())
        assert answer.status_code == 403
    assert await requests(brand) == ["waiting"]


async def test_a_role_that_was_taken_away_decides_nothing(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one, two = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    _, address = await run_desk.asked(house, brand, one)
    await two.shows(address)
    role = await people.role_of(two.who.user_id, brand.id)
    await memberships.revoke(brand_id=brand.id, membership_id=role, actor=audit.SYSTEM, now=books.NOW)
    answer = await two.send(address, decision="approve", code=await two.code())
    assert answer.status_code != 303 or answer.headers["location"] != f"{address}?done=1"
    assert await requests(brand) == ["waiting"]


async def test_another_brands_runs_and_requests_are_not_there(
    house: browser.House, owner: asyncpg.Connection, brand: Brand, tmp_path: Path
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    code, address = await run_desk.asked(house, brand, one)
    other = await run_desk.stored(tmp_path / "other")
    stranger = await run_desk.keeper(house, owner, other.id, "owner")
    for path in (f"/runs/{code}", f"/runs/{code}/request", address, f"/statements/{brand.code}-202603-000001", "/runs/nothing"):
        assert (await stranger.browser.get(path)).status_code == 404
    for path in (f"/runs/{code}/check", f"/runs/{code}/discard", address):
        await stranger.shows("/runs")
        assert (await stranger.send(path, decision="approve", code="1")).status_code == 404
    assert await requests(brand) == ["waiting"]
    assert await books.seen(brand, "SELECT state FROM settlement_run") == [("computed",)]
