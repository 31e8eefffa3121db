"""A plan from its draft to being in force, through the pages: what the law forbids is refused and kept, and another person decides."""

from __future__ import annotations

import datetime as dt
import html
import io
import zipfile
import zoneinfo
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import plan_visits, visits

from qucheng.core import clock

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

JOIN = "JOIN,percent,,,,,,net,0.1,0,,,join,"
TEAM = "TEAM,team,,,,,,net,0.05,0,,,,team_volume"
DIFFERENCE = "DIFF,differential,1,,,,,net,0.03,0,,,,"
ABOVE = "UP,percent,2,,,,,net,0.03,0,,,,"
MUCH = "MUCH,percent,1,card,,,,net,0.31,10,,,,"
RATE = "RATE,percent,1,card,,,,net,0.2,10,,,,"


@pytest.fixture
async def manager(house: browser.House, brand: Brand) -> plan_visits.Manager:
    made = await plan_visits.Manager.at_work(house, brand)
    await made.opened()
    return made


def day(ahead: int) -> str:
    """From today on, in the brand's time zone."""
    return str(clock.now().astimezone(zoneinfo.ZoneInfo("Asia/Shanghai")).date() + dt.timedelta(days=ahead))


async def approvals(brand: Brand) -> list[tuple[object, ...]]:
    return await books.seen(brand, "SELECT action, state FROM approval ORDER BY requested_at")


@pytest.mark.parametrize(
    ("row", "title", "clause"),
    [
        (JOIN, "Pays for joining", "第七条（一）"),
        (TEAM, "Pays by other people's number or sales", "第七条（三）"),
        (DIFFERENCE, "Difference between tiers, or a bonus between equals", "第七条（三）"),
        (ABOVE, "Pays past the levels of the policy", "第七条（三）"),
        (MUCH, "Pays more than the policy allows", "max_total_rate"),
    ],
    ids=["join", "team", "differential", "level", "rate"],
)
async def test_a_forbidden_plan_is_refused_with_its_clause_and_the_attempt_is_kept(
    house: browser.House, brand: Brand, manager: plan_visits.Manager, row: str, title: str, clause: str
) -> None:
    code = row.partition(",")[0]
    answer = await manager.take_in(plan_visits.OWN, row)
    assert answer.status_code == 303, manager.words
    await manager.visitor.get(answer.headers["location"])
    assert "The plan can't be published, for 1 reason" in manager.words
    assert title in manager.words
    assert clause in manager.words
    assert f'href="/plans/draft/rule?code={code}"' in manager.visitor.page
    codes = len(manager.codes)
    answer = await manager.submit(day(1))
    assert answer.status_code == 422
    assert "The plan was not submitted That it was tried is kept in the audit log, with your name." in manager.words
    assert (await manager.versions(), await approvals(brand)) == ([(1, "draft")], [])
    auditor, _ = await visits.entered(house, brand.id, "auditor")
    kept = html.unescape(visits.plain((await auditor.get("/plans/refused")).text))
    assert title in kept
    assert clause in kept
    assert "Manager" in kept
    # no code was used up for it
    assert await books.seen(brand, "SELECT count(*) FROM plan_version WHERE state = 'submitted'") == [(0,)]
    assert len(manager.codes) == codes - 1


async def test_without_a_good_code_nothing_is_submitted(manager: plan_visits.Manager, brand: Brand) -> None:
    assert (await manager.take_in(plan_visits.OWN, RATE)).status_code == 303
    answer = await manager.submit(day(1), code="000000")
    assert (answer.status_code, manager.faults) == (422, ["code"])
    assert f'value="{day(1)}"' in manager.visitor.page
    assert (await manager.versions(), await approvals(brand)) == ([(1, "draft")], [])


@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (0, "The first day of a plan is tomorrow at the earliest,"),
        (-30, "The first day of a plan is tomorrow at the earliest,"),
    ],
)
async def test_a_day_that_is_not_to_come_is_refused(manager: plan_visits.Manager, brand: Brand, ahead: int, message: str) -> None:
    assert (await manager.take_in(plan_visits.OWN, RATE)).status_code == 303
    answer = await manager.submit(day(ahead))
    assert (answer.status_code, manager.faults) == (422, ["effective_on"])
    assert message in manager.words
    assert (await manager.versions(), await approvals(brand)) == ([(1, "draft")], [])


async def test_a_draft_that_changes_nothing_is_not_submitted(manager: plan_visits.Manager, brand: Brand) -> None:
    answer = await manager.submit(day(1))
    assert answer.status_code == 422
    assert "The draft has the same rules as what is in force." in manager.words
    assert (await manager.versions(), await approvals(brand)) == ([(1, "draft")], [])


async def test_a_plan_is_submitted_taken_back_submitted_again_and_approved_by_another(
    house: browser.House, brand: Brand, manager: plan_visits.Manager
) -> None:
    assert (await manager.take_in(RATE)).status_code == 303
    assert (await manager.submit(day(1))).status_code == 303
    await manager.visitor.get(plan_visits.DRAFT)
    assert "The plan waits for another person" in manager.words
    assert 'action="/plans/draft/drop"' not in manager.visitor.page
    assert (await manager.visitor.send("/plans/draft/withdraw")).status_code == 303
    assert await manager.versions() == [(1, "draft")]
    assert (await manager.submit(day(2), name="Spring")).status_code == 303
    ((approval,),) = await books.seen(brand, "SELECT approval FROM plan_version")
    await manager.visitor.get(f"/approvals/{approval}")
    assert 'value="approve"' not in manager.visitor.page
    other = await plan_visits.Manager.at_work(house, brand)
    await other.visitor.get(f"/approvals/{approval}")
    assert f"{brand.code}-plan-1 · {day(2)}" in other.words
    assert "New rules RATE" in other.words
    assert "Rules that end OWN" in other.words
    assert "Worst case of the price 20.00%" in other.words
    answer = await other.visitor.send(f"/approvals/{approval}", decision="approve", code=other.codes.pop())
    assert answer.status_code == 303, other.words
    assert await manager.versions() == [(1, "approved")]
    await manager.visitor.get("/plans")
    assert f"Plan 1 takes effect on {day(2)} Until then the rules below hold." in manager.words
    assert "OWN The seller" in manager.words
    await manager.visitor.get("/plans/1")
    assert "Plan 1 · Spring Scheduled" in manager.words
    assert "RATE New The seller" in manager.words
    assert "OWN Dropped The seller" in manager.words
    assert await books.seen(brand, "SELECT code, starts_on, ends_on FROM rule_term ORDER BY code") == [
        ("OWN", None, dt.date.fromisoformat(day(2))),
        ("RATE", dt.date.fromisoformat(day(2)), None),
    ]


async def test_a_plan_is_rejected_with_a_reason_and_mended(
    house: browser.House, brand: Brand, manager: plan_visits.Manager
) -> None:
    assert (await manager.take_in(RATE)).status_code == 303
    assert (await manager.submit(day(1))).status_code == 303
    ((approval,),) = await books.seen(brand, "SELECT approval FROM plan_version")
    other = await plan_visits.Manager.at_work(house, brand, "owner")
    await other.visitor.get(f"/approvals/{approval}")
    sent = {"decision": "reject", "reason": "too dear", "code": other.codes.pop()}
    assert (await other.visitor.send(f"/approvals/{approval}", **sent)).status_code == 303
    assert await approvals(brand) == [("plan.publish", "rejected")]
    await manager.visitor.get(plan_visits.DRAFT)
    assert "rejected the plan too dear Take it back to change it, then submit it again." in manager.words
    assert (await manager.visitor.send("/plans/draft/withdraw")).status_code == 303
    assert await manager.versions() == [(1, "draft")]
    assert await books.seen(brand, "SELECT code FROM rule") == [("OWN",)]


async def test_an_order_is_tried_against_the_draft_and_what_is_in_force(
    owner: asyncpg.Connection, manager: plan_visits.Manager
) -> None:
    assert (await manager.take_in(plan_visits.OWN, RATE)).status_code == 303
    before = await books.everything(owner)
    order = "reseller=R1&channel=web&sku=card&quantity=2&price=100&discount=50&day=2026-12-01"
    assert (await manager.visitor.get(f"/plans/trial?{order}")).status_code == 200
    assert "150.00 What the buyer paid × 20.00% Rate · RATE = 30.00 By the rule · rounded half up" in manager.words
    assert "1 rule did not apply OWN · its priority 0 is below 10" in manager.words
    await manager.visitor.get(f"/plans/trial?{order}&plan=live")
    assert "150.00 What the buyer paid × 10.00% Rate · OWN = 15.00 By the rule · rounded half up" in manager.words
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before.get(name)} - {"session", "process"} == set()


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("reseller=R9&channel=web&sku=card&price=100", ["reseller"]),
        ("reseller=R1&channel=nowhere&sku=nothing&price=100", ["channel", "sku"]),
        ("reseller=R1&channel=web&sku=card&price=x&quantity=0", ["quantity", "price"]),
        ("reseller=R1&channel=web&sku=card&price=1&discount=5", ["discount"]),
        ("reseller=R1&channel=web&sku=card&price=1&day=soon", ["day"]),
    ],
)
async def test_an_order_that_cannot_be_is_said_field_by_field(
    manager: plan_visits.Manager, query: str, fields: list[str]
) -> None:
    answer = await manager.visitor.get(f"/plans/trial?{query}")
    assert (answer.status_code, sorted(manager.faults)) == (422, sorted(fields))


async def test_months_that_are_not_over_are_not_simulated(manager: plan_visits.Manager, brand: Brand) -> None:
    await manager.visitor.get("/plans/simulations")
    for first, last in (("2199-01", "2199-01"), ("", ""), ("2026-02", "2026-01")):
        answer = await manager.visitor.send("/plans/simulations", first=first, last=last)
        assert (answer.status_code, manager.faults) == (422, ["first"])
    assert await books.seen(brand, "SELECT * FROM plan_simulation") == []


async def test_a_simulation_is_asked_for_and_waits(manager: plan_visits.Manager, brand: Brand) -> None:
    await manager.visitor.get("/plans/simulations")
    answer = await manager.visitor.send("/plans/simulations", first="2026-01", last="2026-02")
    ((made,),) = await books.seen(brand, "SELECT id FROM plan_simulation")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/plans/simulations/{made}")
    await manager.visitor.get(answer.headers["location"])
    assert "Plan 1 on 2026-01 – 2026-02" in manager.words
    assert "Waiting for a worker" in manager.words
    answer = await manager.visitor.send(f"/plans/simulations/{made}/export", form="xlsx", by="sku")
    assert answer.headers["content-disposition"] == 'attachment; filename="plan-1-sku.xlsx"'
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
