"""Tightening a brand's limits through its pages: shown first, asked for by one owner, allowed by another, on record."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits

from qucheng.identity import policy_value

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

# the database judges by its own day
TOMORROW = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date() + dt.timedelta(days=1)
HERE = "/compliance/limits"


@pytest.fixture
async def network(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """A with B below it, and rules for two levels that come to 25 % of the net."""
    assert workspace
    folder = books.write(
        tmp_path / "network",
        code=f"l-{uuid.uuid4().hex[:20]}",
        compliance='policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2099-01-01',
        resellers=["A,甲,company,,gold,2026-01-01,", "B,乙,individual,A,gold,2026-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.2,0,,", "UP,percent,2,,,,,net,0.05,0,,"],
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


async def test_limits_are_tried_then_put_forward_by_one_owner_and_allowed_by_another(
    house: browser.House, network: Brand
) -> None:
    maker, _ = await visits.entered(house, network.id, "owner")
    codes = maker.codes()
    checker, _ = await visits.entered(house, network.id, "owner")
    keys = checker.codes()
    given = f"max_depth=2&max_levels=1&max_total_rate=18&starts_on={TOMORROW}&lang=en"
    tried = visits.plain((await maker.open(f"{HERE}?{given}")).text)
    assert f"No longer allowed from {TOMORROW} on Rules that would pay nobody UP Cases past the new limits" in tried
    assert "Rule OWN: for SKU card in channel web, tier gold" in tried
    assert "the commissions may come to 20 % of the net, more than the 18 % allowed." in tried
    fields = {"max_depth": "2", "max_levels": "1", "max_total_rate": "18", "starts_on": str(TOMORROW)}
    wrong = await maker.send(HERE, **fields, code="000000")
    assert wrong.status_code == 422
    asked = await maker.send(HERE, **fields, code=codes[0])
    assert (asked.status_code, asked.headers["location"][:11]) == (303, "/approvals/")
    address = asked.headers["location"]
    told = visits.plain((await checker.open(f"{address}?lang=en")).text)
    assert f"Depth cap 2 Levels that earn 1 All commissions 18.00% From this day on {TOMORROW} Who" in told
    assert [each.starts_on for each in await policy_value.terms(brand_id=network.id)] == [None]
    assert (await checker.send(address, decision="approve", code=keys[0])).status_code == 303
    terms = await policy_value.terms(brand_id=network.id)
    assert [(each.starts_on, each.max_depth, each.max_levels, each.max_total_rate_ppm) for each in terms] == [
        (TOMORROW, 2, 1, 180_000),
        (None, 2, 2, 300_000),
    ]
    page = visits.plain((await maker.open(f"/compliance?on={TOMORROW}&lang=en")).text)
    assert "at most 18.00% of the net" in page
    assert "at most 30.00% of the net" in visits.plain((await maker.open("/compliance?lang=en")).text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("1", "2", "30", TOMORROW), "Resellers that stand too deep B place 2 in the line under A"),
        (("2", "2", "31", TOMORROW), "Limits are tightened, never loosened: none may be looser"),
        (("2", "2", "30", TOMORROW), "Limits are tightened, never loosened: none may be looser"),
        (("2", "1", "30", TOMORROW - dt.timedelta(days=1)), "Limits begin on a day to come"),
        (("x", "1", "30 per cent", TOMORROW), "A whole number from 1 on. A percentage such as 28 or 27.5."),
    ],
)
async def test_what_cannot_be_put_forward(
    house: browser.House, network: Brand, owner: asyncpg.Connection, given: tuple[str, str, str, dt.date], said: str
) -> None:
    visitor, _ = await visits.entered(house, network.id, "owner")
    before = await books.everything(owner)
    depth, levels, rate, day = given
    answer = await visitor.get(f"{HERE}?max_depth={depth}&max_levels={levels}&max_total_rate={rate}&starts_on={day}&lang=en")
    assert answer.status_code in {409, 422}
    assert said in visits.plain(answer.text)
    after = await books.everything(owner)
    # only the session was used
    assert {name for name in after if after[name] != before[name]} <= {"session"}
