"""A version of the plan: drafted, refused and mended, asked for and allowed; and what earns by it, from which day on."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.commission.plan_desk import DAY, LATER, Desk
from tests.rooms.identity import people

from qucheng.commission import plan_check, plan_draft, plan_publish, plan_version
from qucheng.identity import approval as approvals
from qucheng.insight import explain

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ACCRUALS = "SELECT order_no, level, reseller, rule, amount_minor FROM accrual ORDER BY order_no, level"
REVERSALS = "SELECT refund_no, level, rule, amount_minor FROM reversal ORDER BY refund_no, level"
RULES = "SELECT code, starts_on::text, ends_on::text, intake, plan_version FROM rule_term ORDER BY code"
BEFORE = "O1,1,2100-12-31T23:59:59,R1,web,card,10,1000.00,0,"
AFTER = "O2,1,2101-01-01T00:00:00,R1,web,card,10,1000.00,0,"
EARLY = "O3,1,2101-02-01T10:00:00,R1,web,card,10,1000.00,0,"
TENTH = {"kind": "percent", "level": "1", "basis": "net"}


@pytest.fixture
async def desk(tmp_path_factory: pytest.TempPathFactory, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(tmp_path_factory.mktemp("brand"), keys, orders=[])


async def test_a_version_pays_from_its_day_on_and_what_it_drops_ends_on_that_day(desk: Desk) -> None:
    number = await desk.open()
    changed = await desk.change(number, "OWN", rate="12.5%", **TENTH)
    assert (changed.rule.code, changed.replaces, changed.rule.rate_text) == ("OWN-2", "OWN", "0.125")
    await desk.add(number, code="ABOVE", kind="percent", level="2", basis="net", rate="0.03")
    await desk.publish(number)
    assert await books.seen(desk.brand, RULES) == [
        ("ABOVE", "2101-01-01", None, 2, 1),
        ("OWN", None, "2101-01-01", 1, None),
        ("OWN-2", "2101-01-01", None, 2, 1),
    ]
    await desk.bring(orders=[BEFORE, AFTER])
    assert await books.seen(desk.brand, ACCRUALS) == [
        ("O1", 1, "R1", "OWN", 10000),
        ("O2", 1, "R1", "OWN-2", 12500),
        ("O2", 2, "R0", "ABOVE", 3000),
    ]
    await desk.bring(orders=[], refunds=["F1,O1,1,2101-03-01T10:00:00,5,500.00", "F2,O2,1,2101-03-01T10:00:00,5,500.00"])
    assert await books.seen(desk.brand, REVERSALS) == [
        ("F1", 1, "OWN", -5000),
        ("F2", 1, "OWN-2", -6250),
        ("F2", 2, "ABOVE", -1500),
    ]


async def test_a_line_that_was_accrued_before_a_version_came_keeps_the_rule_that_it_drops(desk: Desk) -> None:
    """A sale dated past the version's first day, taken in before anybody knew of the version."""
    await desk.bring(orders=[EARLY])
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    await desk.publish(number)
    await desk.bring(orders=[AFTER], refunds=["F3,O3,1,2101-03-01T10:00:00,5,500.00"])
    assert await books.seen(desk.brand, ACCRUALS) == [("O2", 1, "R1", "OWN-2", 20000), ("O3", 1, "R1", "OWN", 10000)]
    assert await books.seen(desk.brand, REVERSALS) == [("F3", 1, "OWN", -5000)]
    for entry in ("O2/1", "O3/1"):
        life = await explain.explain(brand=desk.brand, entry=entry)
        assert explain.disagreements(life) == ()
    assert isinstance(life, explain.LineLife)
    assert [(each.rule.code, each.reason) for each in life.levels[0].verdicts] == [("OWN", "won"), ("OWN-2", "came_later")]


async def test_what_still_waited_when_the_version_came_knows_it(desk: Desk) -> None:
    await desk.bring(accrue=False, orders=[BEFORE, EARLY])
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    await desk.publish(number)
    assert await books.seen(desk.brand, "SELECT count(*) FROM intake WHERE accrued_at IS NULL") == [(2,)]
    await desk.bring(orders=[AFTER])
    assert await books.seen(desk.brand, ACCRUALS) == [
        ("O1", 1, "R1", "OWN", 10000),
        ("O2", 1, "R1", "OWN-2", 20000),
        ("O3", 1, "R1", "OWN-2", 20000),
    ]


async def test_versions_follow_each_other_and_an_older_one_comes_back_with_new_codes(desk: Desk) -> None:
    first = await desk.open()
    await desk.change(first, "OWN", rate="0.2", **TENTH)
    await desk.publish(first, DAY)
    second = await desk.open()
    await desk.change(second, "OWN-2", rate="0.15", **TENTH)
    await desk.add(second, code="VOLUME", kind="slab", basis="net", rate="0:0;5000:1%")
    await desk.publish(second, LATER)
    third = await desk.open(based_on=first)
    draft = await plan_draft.read_draft(brand=desk.brand, number=third)
    assert [(each.rule.code, each.rule.rate_text, each.change, each.replaces) for each in draft.rules] == [
        ("OWN-4", "0.2", "changed", "OWN-3")
    ]
    assert [rule.code for rule in draft.dropped] == ["VOLUME"]
    assert (draft.version.based_on, draft.version.follows) == (1, 2)
    await desk.publish(third, dt.date(2102, 1, 1))
    assert await books.seen(desk.brand, RULES) == [
        ("OWN", None, "2101-01-01", 1, None),
        ("OWN-2", "2101-01-01", "2101-06-01", 2, 1),
        ("OWN-3", "2101-06-01", "2102-01-01", 3, 2),
        ("OWN-4", "2102-01-01", None, 4, 3),
        ("VOLUME", "2101-06-01", "2102-01-01", 3, 2),
    ]
    live = await plan_version.live(brand=desk.brand, day=dt.date(2101, 7, 1))
    assert live.version is not None
    assert live.next is not None
    assert (live.version.number, live.next.number, [rule.code for rule in live.rules]) == (2, 3, ["OWN-3", "VOLUME"])
    assert (await plan_version.live(brand=desk.brand, day=dt.date(2100, 7, 1))).version is None
    differences = await plan_version.compare(brand=desk.brand, before=1, after=2)
    assert [(old.code, new.code) for old, new in differences.changed] == [("OWN-2", "OWN-3")]
    assert [rule.code for rule in differences.added] == ["VOLUME"]
    back = await plan_version.compare(brand=desk.brand, before=None, after=3)
    assert ([rule.code for rule in back.dropped], [(old.code, new.code) for old, new in back.changed]) == (
        ["VOLUME"],
        [("OWN-3", "OWN-4")],
    )


async def test_what_is_asked_for_is_the_plan_word_for_word(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    await desk.drop(number, "OWN-2", 2)
    await desk.add(number, code="NEW", rate="25 %", **TENTH)
    approval_id = await desk.submit(number)
    version = await plan_version.read(brand=desk.brand, number=number)
    asked = await approvals.read(brand_id=desk.brand.id, approval_id=approval_id)
    assert asked.payload == {
        "version": 1,
        "sha256": version.sha256,
        "effective_on": "2101-01-01",
        "based_on": None,
        "added": ["NEW"],
        "dropped": ["OWN"],
        "worst_ppm": 250000,
        "rules": 1,
    }
    said = msgspec.json.decode(version.document or "")
    assert said["check"]["worst"] == {
        "rules": ["NEW"],
        "sku": "card",
        "channel": "web",
        "tier": "gold",
        "since": "2101-01-01",
        "price_minor": 10000,
        "cost_minor": 6000,
        "commission_minor": 2500,
        "rate_ppm": 250000,
    }
    assert (said["policy"]["id"], said["policy"]["max_levels"], said["author"]) == ("intl", 3, str(desk.first.user_id))
    assert [(rule["code"], rule["rate"], rule["change"]) for rule in said["rules"]] == [("NEW", "0.25", "added")]
    assert (version.state, version.author, version.effective_on) == ("submitted", desk.first.user_id, DAY)


async def test_a_refused_attempt_is_kept_with_who_tried_and_nothing_else_is_written(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    number = await desk.open()
    await desk.add(number, code="JOIN", kind="percent", level="1", basis="net", rate="0.01", event="invite")
    before = await books.everything(owner)
    with pytest.raises(plan_publish.PlanRefusedError) as caught:
        await desk.submit(number)
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {"audit_record"}
    assert [(each.code, each.rules) for each in caught.value.check.refusals] == [("plan.pays_for_joining", ("JOIN",))]
    (kept,) = await plan_publish.refused(brand=desk.brand)
    assert (kept.user_id, kept.role, kept.version) == (desk.first.user_id, "manager", number)
    assert [(each["code"], each["rules"], each["clause"]) for each in kept.refusals] == [
        ("plan.pays_for_joining", ["JOIN"], "禁止传销条例 (国务院令第444号) 第七条（一）")
    ]
    await desk.drop(number, "JOIN")
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    await desk.publish(number)
    assert (await plan_version.read(brand=desk.brand, number=number)).state == "approved"


async def test_the_checker_is_somebody_else_and_the_refusal_leaves_all_as_it_was(desk: Desk, owner: asyncpg.Connection) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    approval_id = await desk.submit(number)
    before = await books.everything(owner)
    with pytest.raises(approvals.NotAllowedToDecideError):
        await desk.allow(approval_id, desk.first)
    assert await books.everything(owner) == before


async def test_prices_that_changed_meanwhile_take_the_decision_back(desk: Desk) -> None:
    """The plan was lawful when it was asked for; a new article costs what it sells for."""
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    approval_id = await desk.submit(number)
    await desk.bring(skus=["dear,年卡,video,100.00,95.00"], orders=[])
    with pytest.raises(plan_publish.PlanRefusedError) as caught:
        await desk.allow(approval_id)
    assert [each.code for each in caught.value.check.refusals] == ["plan.below_cost"]
    assert (await plan_version.read(brand=desk.brand, number=number)).state == "submitted"
    assert (await approvals.read(brand_id=desk.brand.id, approval_id=approval_id)).state == "waiting"
    (kept,) = await plan_publish.refused(brand=desk.brand)
    assert kept.user_id == desk.second.user_id


async def test_a_version_that_waits_can_be_taken_back_and_asked_for_again(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    old = await desk.submit(number)
    with pytest.raises(plan_draft.DraftClosedError):
        await desk.add(number, code="MORE", rate="0.1", **TENTH)
    await plan_publish.withdraw(brand=desk.brand, number=number, actor=people.actor(desk.first), now=books.NOW)
    await desk.add(number, code="MORE", rate="0.1", **TENTH)
    new = await desk.submit(number)
    with pytest.raises(plan_publish.PlanNotSubmittedError):
        await desk.allow(old)
    await desk.allow(new)
    assert [row[0] for row in await books.seen(desk.brand, RULES)] == ["MORE", "OWN", "OWN-2"]


@pytest.mark.parametrize("day", [dt.date(2026, 11, 22), dt.date(2020, 1, 1), dt.date(2200, 1, 1)])
async def test_a_version_takes_effect_on_a_day_to_come(desk: Desk, day: dt.date) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    with pytest.raises(plan_publish.EffectiveDateError):
        await desk.submit(number, day)
    assert (await plan_version.read(brand=desk.brand, number=number)).state == "draft"


async def test_a_version_is_not_before_the_one_it_follows_nor_after_the_end_of_what_is_new(desk: Desk) -> None:
    first = await desk.open()
    await desk.change(first, "OWN", rate="0.2", **TENTH)
    await desk.publish(first, LATER)
    second = await desk.open()
    await desk.change(second, "OWN-2", rate="0.1", ends_on="2101-08-01", **TENTH)
    with pytest.raises(plan_publish.EffectiveDateError):
        await desk.submit(second, DAY)
    with pytest.raises(plan_publish.EffectiveDateError):
        await desk.submit(second, dt.date(2101, 8, 1))
    await desk.publish(second, LATER)
    assert (await books.seen(desk.brand, RULES))[1:] == [
        ("OWN-2", "2101-06-01", "2101-06-01", 2, 1),
        ("OWN-3", "2101-06-01", "2101-08-01", 3, 2),
    ]


async def test_an_edit_and_a_submission_at_once_leave_no_rule_that_was_not_asked_for(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    asked, added = await asyncio.gather(
        desk.submit(number), desk.add(number, code="LATE", rate="0.01", **TENTH), return_exceptions=True
    )
    assert not isinstance(asked, BaseException)
    version = await plan_version.read(brand=desk.brand, number=number)
    held = [rule.code for rule in await plan_version.rules(brand=desk.brand, number=number)]
    assert [rule["code"] for rule in msgspec.json.decode(version.document or "")["rules"]] == held
    assert held == (["OWN-2"] if isinstance(added, plan_draft.DraftClosedError) else ["LATE", "OWN-2"])


async def test_nothing_changed_is_nothing_to_ask_for(desk: Desk) -> None:
    number = await desk.open()
    with pytest.raises(plan_publish.NothingChangedError):
        await desk.submit(number)


async def test_rules_that_were_delivered_meanwhile_are_taken_into_the_draft(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", rate="0.2", **TENTH)
    await desk.add(number, code="LATE", rate="0.05", **TENTH)
    await desk.bring(rules=["LATE,percent,1,card,,,,net,0.07,5,,"], orders=[])
    with pytest.raises(plan_publish.BaseMovedError):
        await desk.submit(number)
    moved = await plan_draft.bring_up_to_date(brand=desk.brand, number=number, actor=people.actor(desk.first), now=books.NOW)
    assert (moved.added, moved.ended) == (["LATE"], [])
    draft = await plan_draft.read_draft(brand=desk.brand, number=number)
    assert [(each.rule.code, each.rule.rate_text, each.change) for each in draft.rules] == [
        ("LATE", "0.07", "kept"),
        ("LATE-2", "0.05", "added"),
        ("OWN-2", "0.2", "changed"),
    ]
    await desk.publish(number)
    check = await plan_check.lint_draft(brand=desk.brand, number=number, effective_on=None, now=books.NOW)
    assert check.passed
