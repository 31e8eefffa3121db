"""The linter as it stands before a version: each forbidden shape by its name, its clause and its rule, and the worst case by date."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.commission.plan_desk import DAY, Desk

from qucheng.commission import linter, plan_check, plan_description, plan_words
from qucheng.commission.plan_words import PlanRule, RuleText

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

REGULATION = "禁止传销条例 (国务院令第444号) 第七条"
TENTH = {"code": "X", "kind": "percent", "level": "1", "basis": "net", "rate": "0.1"}
TWO_TIER = 'policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2101-03-01'


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(tmp_path, keys, compliance=books.STRICT, orders=[])


def plan(*texts: dict[str, str]) -> list[PlanRule]:
    return [plan_words.read_rule(RuleText(**text), 2) for text in texts]


async def codes(desk: Desk, *texts: dict[str, str], since: dt.date = DAY) -> list[tuple[str, tuple[str, ...], str]]:
    check = await plan_check.lint(brand=desk.brand, rules=plan(*texts), since=since)
    return [(each.code, each.rules, each.clause.split(" · ")[0]) for each in check.refusals]


FORBIDDEN = [
    *(({**TENTH, "event": event}, "plan.pays_for_joining", "（一）") for event in ("join", "invite", "register", "upgrade")),
    *(
        ({"code": "X", "kind": kind, "rate": "99.00"}, "plan.entry_fee", "（二）")
        for kind in ("entry_fee", "deposit", "purchase")
    ),
    ({"code": "X", "kind": "right", "sku": "card"}, "plan.entry_fee", "（二）"),
    *(
        ({**TENTH, "reads": reads}, "plan.reads_downlines", "（三）")
        for reads in ("downline_count", "downline_volume", "team_volume")
    ),
    ({"code": "X", "kind": "team", "rate": "5%"}, "plan.reads_downlines", "（三）"),
    ({"code": "X", "kind": "differential", "rate": "2%"}, "plan.differential", "（三）"),
    ({"code": "X", "kind": "same_level", "rate": "1%"}, "plan.differential", "（三）"),
    *(({**TENTH, "level": level}, "plan.level_exceeded", "（三）") for level in ("2", "3", "4", "99")),
]


@pytest.mark.parametrize(("text", "code", "clause"), FORBIDDEN, ids=str)
async def test_each_forbidden_shape_is_refused_by_its_name(
    desk: Desk, owner: asyncpg.Connection, text: dict[str, str], code: str, clause: str
) -> None:
    before = await books.everything(owner)
    assert await codes(desk, {**TENTH, "code": "OWN"}, text) == [(code, ("X",), f"{REGULATION}{clause}")]
    assert await books.everything(owner) == before


async def test_every_shape_of_a_rule_is_named_at_once_with_a_sentence_in_either_language(desk: Desk) -> None:
    check = await plan_check.lint(
        brand=desk.brand,
        rules=plan({"code": "ALL", "kind": "team", "event": "invite", "reads": "downline_count", "level": "3"}),
        since=DAY,
    )
    assert [each.code for each in check.refusals] == ["plan.pays_for_joining", "plan.reads_downlines", "plan.level_exceeded"]
    assert check.refusals[0].zh == "规则 ALL：只有订单能产生佣金，不得因加入、邀请、注册或升档而付酬。"
    assert (
        check.refusals[0].en == "Rule ALL: only an order earns; nothing is paid for joining, inviting, registering or moving up."
    )
    assert check.refusals[2].clause == f"{REGULATION}（三） · cn-strict, max_levels"
    assert (check.rules, check.worst, check.passed) == (1, None, False)


async def test_a_lawful_plan_passes_and_says_what_was_looked_at(desk: Desk) -> None:
    check = await plan_check.lint(
        brand=desk.brand, rules=plan(TENTH, {"code": "V", "kind": "slab", "basis": "net", "rate": "0:0;10:5%"}), since=DAY
    )
    assert (check.passed, check.rules, check.skus, check.channels, check.tiers, check.since) == (True, 2, 1, 1, 1, DAY)
    assert check.worst == linter.Case(
        rules=("V", "X"),
        sku="card",
        channel="web",
        tier="gold",
        since=DAY,
        price_minor=10000,
        cost_minor=6000,
        commission_minor=1500,
        rate_ppm=150000,
    )


async def test_the_rate_at_worst_and_the_cost_are_limits_to_the_millionth(desk: Desk) -> None:
    assert await codes(desk, {**TENTH, "rate": "0.3"}) == []
    ((code, rules, _),) = await codes(desk, {**TENTH, "rate": "0.300001"})
    assert (code, rules) == ("plan.rate_exceeded", ("X",))
    assert await codes(
        desk, {**TENTH, "rate": "0.3", "sku": "card"}, {"code": "V", "kind": "graduated", "basis": "net", "rate": "0:0;10:0.2"}
    ) == [
        ("plan.rate_exceeded", ("V", "X"), linter.preset("cn-strict")["source"]),
        ("plan.below_cost", ("V", "X"), linter.preset("cn-strict")["source"]),
    ]


async def test_only_days_from_the_first_on_count(tmp_path: Path, keys: crypto.Keys) -> None:
    """A price below cost that ends before the plan begins, and one that is to come."""
    desk = await plan_desk.opened(
        tmp_path,
        keys,
        compliance=books.STRICT,
        orders=[],
        prices=["card,,,50.00,,2026-01-01,2101-01-01", "card,,,100.00,,2101-01-01,2101-05-01", "card,,,65.00,,2101-05-01,"],
    )
    assert [each[0] for each in await codes(desk, {**TENTH, "ends_on": "2101-05-01"})] == []
    assert [each[0] for each in await codes(desk, {**TENTH, "ends_on": "2101-05-01"}, since=dt.date(2100, 12, 31))] == [
        "plan.below_cost"
    ]
    check = await plan_check.lint(brand=desk.brand, rules=plan(TENTH), since=DAY)
    (refusal,) = check.refusals
    assert refusal.finding is not None
    assert (refusal.code, refusal.finding.since, refusal.finding.price_minor) == ("plan.below_cost", dt.date(2101, 5, 1), 6500)
    assert await codes(desk, {**TENTH, "starts_on": "2101-01-02", "ends_on": "2101-05-01"}) == []


async def test_a_second_level_needs_an_opinion_on_the_plans_first_day(tmp_path: Path, keys: crypto.Keys) -> None:
    desk = await plan_desk.opened(tmp_path, keys, compliance=TWO_TIER, orders=[])
    above = {**TENTH, "code": "UP", "level": "2", "rate": "0.05"}
    assert await codes(desk, TENTH, above) == []
    assert await codes(desk, TENTH, above, since=dt.date(2101, 3, 1)) == [
        ("plan.opinion_expired", ("UP",), f"{REGULATION}（三）")
    ]
    assert await codes(desk, TENTH, {**above, "level": "3"}) == [("plan.level_exceeded", ("UP",), f"{REGULATION}（三）")]


async def test_a_description_is_linted_without_a_draft(desk: Desk, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    texts = plan_description.describe(
        '[joining]\nfee = "1.00"\n[[rule]]\ncode = "OWN"\nkind = "percent"\nlevel = 1\nbasis = "net"\nrate = "31%"\n'
    )
    rules = [plan_words.read_rule(text, desk.brand.decimals) for text in texts]
    check = await plan_check.lint(brand=desk.brand, rules=rules, since=DAY)
    assert [(each.code, each.rules) for each in check.refusals] == [
        ("plan.entry_fee", ("joining-fee",)),
        ("plan.rate_exceeded", ("OWN",)),
    ]
    assert await books.everything(owner) == before
