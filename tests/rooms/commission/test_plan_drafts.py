"""A draft: opened, changed rule by rule by several people at once, filled from a file, and never beyond what it may say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.identity import people

from qucheng.bundle import keeping
from qucheng.commission import plan, plan_draft, plan_version
from qucheng.commission.plan_words import RuleText

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.rooms.commission.plan_desk import Desk

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

TENTH = {"kind": "percent", "level": "1", "basis": "net", "rate": "0.1"}
FIFTH = {**TENTH, "rate": "0.2"}


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(tmp_path, keys, orders=[], rules=[plan_desk.OWN, "UP,percent,2,,,,,net,0.05,0,,"])


async def rows(desk: Desk, number: int) -> list[tuple[Any, ...]]:
    draft = await plan_draft.read_draft(brand=desk.brand, number=number)
    return [(each.rule.code, each.rule.rate_text, each.revision, each.change, each.replaces) for each in draft.rules]


async def test_a_draft_starts_as_the_plan_that_is_in_force_and_there_is_one_at_a_time(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    number = await desk.open()
    assert await rows(desk, number) == [("OWN", "0.1", 1, "kept", None), ("UP", "0.05", 1, "kept", None)]
    before = await books.everything(owner)
    with pytest.raises(plan_draft.DraftOpenError):
        await desk.open()
    assert await books.everything(owner) == before
    current = await plan_draft.current(brand=desk.brand)
    assert current is not None
    assert (current.version.number, current.dropped, current.version.author) == (1, [], desk.first.user_id)
    await plan_draft.discard(brand=desk.brand, number=number, actor=people.actor(desk.first), now=books.NOW)
    assert await plan_draft.current(brand=desk.brand) is None
    assert await desk.open() == 2


async def test_a_rule_in_force_gets_another_code_and_comes_back_as_it_was(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", **FIFTH)
    named = await desk.change(number, "UP", code="ABOVE", **{**FIFTH, "level": "2"})
    assert (named.rule.code, named.replaces) == ("ABOVE", "UP")
    again = await desk.change(number, "OWN-2", 2, **{**TENTH, "rate": "0.3"})
    assert (again.rule.code, again.revision, again.replaces) == ("OWN-2", 3, "OWN")
    await plan_draft.restore(brand=desk.brand, number=number, code="OWN", actor=people.actor(desk.second), now=books.NOW)
    await desk.drop(number, "ABOVE", 2)
    assert await rows(desk, number) == [("OWN", "0.1", 1, "kept", None)]
    draft = await plan_draft.read_draft(brand=desk.brand, number=number)
    assert [rule.code for rule in draft.dropped] == ["UP"]
    unchanged = await desk.change(number, "OWN", **TENTH)
    assert (unchanged.rule.code, unchanged.change) == ("OWN", "kept")


async def test_two_who_change_different_rules_lose_nothing(desk: Desk) -> None:
    number = await desk.open()
    await asyncio.gather(
        desk.change(number, "OWN", **FIFTH),
        desk.change(number, "UP", **{**FIFTH, "level": "2"}),
        desk.add(number, code="C", **TENTH),
    )
    assert await rows(desk, number) == [
        ("C", "0.1", 1, "added", None),
        ("OWN-2", "0.2", 2, "changed", "OWN"),
        ("UP-2", "0.2", 2, "changed", "UP"),
    ]


async def test_of_two_who_change_one_rule_the_second_is_told_and_nothing_is_lost(desk: Desk) -> None:
    number = await desk.open()
    done = await asyncio.gather(
        desk.change(number, "OWN", **FIFTH), desk.change(number, "OWN", **{**TENTH, "rate": "0.3"}), return_exceptions=True
    )
    (made,) = [each for each in done if isinstance(each, plan_draft.DraftRule)]
    (stale,) = [each for each in done if isinstance(each, plan_draft.RuleStaleError)]
    assert stale.current is not None
    assert (stale.current.rule, stale.current.replaces, stale.current.changed_by) == (made.rule, "OWN", desk.first.user_id)
    with pytest.raises(plan_draft.RuleStaleError) as caught:
        await desk.drop(number, "OWN-2", 1)
    assert caught.value.current is not None
    assert caught.value.current.revision == 2
    assert len(await rows(desk, number)) == 2


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ({"code": "OWN", **TENTH}, {"code": "code.taken"}),
        (
            {"code": "X", **TENTH, "sku": "none", "channel": "none", "tier": "none"},
            dict.fromkeys(("sku", "channel", "tier"), "ref.unknown"),
        ),
        ({"code": "X Y", **TENTH, "rate": "1.5"}, {"code": "value.invalid", "rate": "value.invalid"}),
        ({"code": "X"}, {"kind": "value.missing"}),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_field_by_field(
    desk: Desk, owner: asyncpg.Connection, text: dict[str, str], faults: dict[str, str]
) -> None:
    number = await desk.open()
    before = await books.everything(owner)
    with pytest.raises(plan_draft.RuleInvalidError) as caught:
        await desk.add(number, **text)
    assert caught.value.faults == faults
    assert await books.everything(owner) == before


async def take_in(desk: Desk, number: int, *texts: dict[str, str], seen: dict[str, int] | None = None) -> list[tuple[Any, ...]]:
    reports = await plan_draft.take_in(
        brand=desk.brand,
        number=number,
        texts=[RuleText(**text) for text in texts],
        seen=seen,
        actor=people.actor(desk.first),
        now=books.NOW,
    )
    return [(each.row, each.code, each.outcome, each.faults) for each in reports]


async def test_a_file_is_the_whole_plan_and_keeps_what_is_the_same(desk: Desk, owner: asyncpg.Connection) -> None:
    number = await desk.open()
    await desk.change(number, "UP", **{**FIFTH, "level": "2"})
    own, mine = {"code": "OWN", **TENTH, "rate": "10 %"}, {"code": "UP-2", **FIFTH, "level": "2", "rate": "0.07"}
    join = {"code": "JOIN", "kind": "percent", "event": "join", "basis": "net", "rate": "1%"}
    before = await books.everything(owner)
    refused = await take_in(desk, number, own, {"code": "BAD", "kind": "percent"}, {**own, "rate": "0.5"})
    assert refused == [
        (1, "OWN", "kept", {}),
        (2, "BAD", "fault", {"level": "rule.level_missing", "basis": "value.missing", "rate": "value.missing"}),
        (3, "OWN", "fault", {"code": "code.taken"}),
    ]
    assert await books.everything(owner) == before
    assert await take_in(desk, number, own, mine, join) == [
        (1, "OWN", "kept", {}),
        (2, "UP-2", "changed", {}),
        (3, "JOIN", "added", {}),
    ]
    assert await rows(desk, number) == [
        ("JOIN", "0.01", 3, "added", None),
        ("OWN", "0.1", 3, "kept", None),
        ("UP-2", "0.07", 3, "changed", "UP"),
    ]
    assert await take_in(desk, number, {**own, "rate": "0.15"}) == [(1, "OWN-2", "changed", {})]
    with pytest.raises(plan_draft.RuleStaleError):
        await take_in(desk, number, own, seen={"OWN-2": 3})
    assert await rows(desk, number) == [("OWN-2", "0.15", 4, "changed", "OWN")]


async def test_a_delivery_with_new_rules_is_stopped_once_the_plan_is_kept_here(
    desk: Desk, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    number = await desk.open()
    await desk.add(number, code="MORE", **TENTH)
    await desk.publish(number)
    again = {**desk.tables, "rules": [plan_desk.OWN, "UP,percent,2,,,,,net,0.05,0,,"]}
    same = books.write(tmp_path / "same", code=desk.brand.code, compliance=books.INTL, settlement="hold_days = 0", **again)
    kept = await keeping.take_in(folder=same, out=None, now=books.NOW, progress=books.QUIET)
    assert (kept.intake, kept.imported, kept.rejected) == (None, 0, 0)
    before = await books.everything(owner)
    more = books.write(
        tmp_path / "more",
        code=desk.brand.code,
        compliance=books.INTL,
        settlement="hold_days = 0",
        **{
            **again,
            "rules": [*again["rules"], "NEW,percent,1,,,,,net,0.05,0,,"],
            "orders": ["O1,1,2101-01-02T12:00:00,R1,web,card,1,100.00,0,"],
        },
    )
    with pytest.raises(plan.PlanKeptError, match="NEW would be"):
        await keeping.take_in(folder=more, out=None, now=books.NOW, progress=books.QUIET)
    assert await books.everything(owner) == before


async def test_what_a_version_holds_can_be_read_for_ever(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", **FIFTH)
    await desk.publish(number)
    held = await plan_version.rules(brand=desk.brand, number=number)
    assert [(rule.code, rule.rate_text) for rule in held] == [("OWN-2", "0.2"), ("UP", "0.05")]
    with pytest.raises(plan_version.PlanUnknownError):
        await plan_version.rules(brand=desk.brand, number=9)
