"""The demonstration's plan: one version to come, lawful at the demonstration's own prices, and a draft that the linter lets pass."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.bundle import demo, demo_plans, keeping
from qucheng.commission import plan_check, plan_draft, plan_version
from qucheng.core import clock, crypto
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]


async def test_a_version_comes_next_month_and_a_draft_follows_it(tmp_path: Path) -> None:
    demo.write(tmp_path / "bundle")
    await keeping.take_in(folder=tmp_path / "bundle", out=None, now=books.NOW, progress=books.QUIET)
    brand = await brands.require("lanxi")
    keys = crypto.keys(tmp_path / "keys")
    maker, checker = await people.member(keys, brand.id, "manager"), await people.member(keys, brand.id, "owner")
    now = clock.now()  # the database compares with its own
    coming = clock.month_after(now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date())
    for _ in range(2):
        await demo_plans.fill(brand=brand, maker=maker, checker=checker, now=now)
    second, first = await plan_version.versions(brand=brand)
    assert (first.number, first.state, first.effective_on, first.approver) == (1, "approved", coming, checker.user_id)
    assert (second.number, second.state, second.based_on) == (2, "draft", 1)
    draft = await plan_draft.read_draft(brand=brand, number=2)
    assert [
        (each.rule.code, each.change) for each in draft.rules if each.change != "kept" or each.rule.code.startswith("TRIP")
    ] == [
        ("STUDY-MINI", "added"),
        ("TRIP-2", "kept"),
    ]
    assert (await plan_check.lint_draft(brand=brand, number=2, effective_on=first.effective_on, now=now)).passed
