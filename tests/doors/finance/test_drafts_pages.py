"""A statement as a run has computed it: what whoever is to approve the month looks at before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import run_desk

from qucheng.settlement import run

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio


async def test_it_is_looked_at_before_it_is_issued_and_then_is_the_statement(
    house: browser.House, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    brand = await run_desk.stored(tmp_path)
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    here, number = f"/runs/{code}/statements/2", f"{brand.code}-202603-000002"
    assert f'href="{here}"' in await one.shows(f"/runs/{code}")
    figures = ("852.25", "65.08", "23.47", "893.86", "VIP-Y", "VOLUME")
    draft = await one.shows(f"{here}?why=VIP-Y")
    said = (*figures, "Why ¥844.25", "A draft: numbers are given", "nobody has looked at it yet")
    assert [each for each in said if each not in draft] == []
    assert (number in draft, "Documents" in draft) == (False, False)
    rows = await one.shows(f"{here}?group=order&why=3")
    for each in ("E1001/2", "Why ¥750.00", "rule VIP (percent net 0.125", "Total of all 3 rows", "852.25"):
        assert each in rows, each
    assert "Why ¥" not in await one.shows(f"{here}?group=order&why=4"), "a bonus comes to be when it is issued"
    adjusted = await one.shows(f"/runs/{code}/statements/1")
    assert [each in adjusted for each in ("135.53", "−12.50", "with a delivery", "123.03")] == [True] * 4
    for other in ("0", "3", "-1", str(10**30)):
        assert (await one.browser.get(f"/runs/{code}/statements/{other}")).status_code == 404
    stranger = await run_desk.keeper(house, owner, (await run_desk.stored(tmp_path / "other")).id, "owner")
    assert (await stranger.browser.get(here)).status_code == 404

    chosen = await run.read(brand=brand, starts_on=run.month("2026-03"), number=1)
    await run.begin_issue(brand=brand, run=chosen, now=books.NOW)
    await run.issue_batch(brand=brand, run=chosen, now=books.NOW)
    assert (await one.browser.get(here)).headers["location"] == f"/statements/{number}"
    issued = await one.shows(here)
    assert [each for each in (number, *figures) if each not in issued] == []


async def test_of_a_discarded_run_there_is_none(house: browser.House, owner: asyncpg.Connection, tmp_path: Path) -> None:
    brand = await run_desk.stored(tmp_path)
    one = await run_desk.keeper(house, owner, brand.id)
    code = await run_desk.computed(house, brand, one)
    await one.shows(f"/runs/{code}/statements/1")
    await one.shows(f"/runs/{code}/discard")
    await one.send(f"/runs/{code}/discard")
    assert (await one.browser.get(f"/runs/{code}/statements/1")).headers["location"] == f"/runs/{code}"
