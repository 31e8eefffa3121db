"""Rates as people type and read them, and the form of a rule: what it keeps, what it says, and what it refuses."""

from __future__ import annotations

import pytest

from qucheng.commission import plan_words
from qucheng.web import texts
from qucheng.web.console import plan_form, plan_rates

ENGLISH = texts.texts("en")
GOOD = {
    "code": "OWN-2",
    "kind": "percent",
    "level": "1",
    "basis": "net",
    "rate": "6%",
    "sku": "card",
    "tier": "gold",
    "priority": "10",
    "starts_on": "2026-12-01",
    "ends_on": "2027-01-01",
}


def refused(**changed: str) -> list[tuple[str | None, str]]:
    _, faults = plan_form.read(plan_form.typed({**GOOD, **changed}), decimals=2, words=ENGLISH)
    return [(fault.field, fault.message) for fault in faults]


@pytest.mark.parametrize(
    ("typed", "share"),
    [
        ("6%", "0.06"),
        ("6", "0.06"),
        ("6.00 %", "0.06"),
        ("６．２５％", "0.0625"),
        ("0.0001", "0.000001"),
        ("100", "1"),
        ("0", "0"),
    ],
)
def test_a_percentage_is_read_as_people_write_it(typed: str, share: str) -> None:
    assert plan_rates.share(typed) == share


@pytest.mark.parametrize("typed", ["", "six", "-6", "100.0001", "6.12345", "0,06", "6%%", "6e1", "٦"])
def test_what_is_no_percentage_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"not a percentage|more than all of it"):
        plan_rates.share(typed)


@pytest.mark.parametrize(
    ("ppm", "shown"),
    [(60_000, "6.00%"), (1_250, "0.125%"), (62_500, "6.25%"), (1_000_000, "100.00%"), (1, "0.0001%"), (0, "0.00%")],
)
def test_a_percentage_is_shown_with_two_decimals_or_as_many_as_it_has(ppm: int, shown: str) -> None:
    assert plan_rates.of_ppm(ppm) == shown


def test_brackets_are_rows_and_blank_ones_do_not_count() -> None:
    rows = [("0", "0"), ("5,000", "1%"), ("", ""), ("20000.50", "2.5")]
    assert plan_rates.brackets(rows, "net", 2) == "0.00:0;5000.00:0.01;20000.50:0.025"
    assert plan_rates.brackets([("0", "0"), ("1,000", "0.5")], "unit", 2) == "0:0.00;1000:0.50"
    assert plan_rates.shown_pairs("0:0;5000:0.01", "net") == [("0", "0.00%"), ("5,000", "1.00%")]
    assert plan_rates.shown_pairs("0:0.00;1000:0.50", "unit") == [("0", "0.00"), ("1,000", "0.50")]


def test_money_for_a_unit_is_less_than_a_million() -> None:
    assert plan_rates.per_unit("999,999.99", 2) == "999999.99"
    for typed in ("1000000", "-1", "1.234"):
        with pytest.raises(ValueError, match=r".+"):
            plan_rates.per_unit(typed, 2)


def test_a_form_says_a_rule_of_a_sale() -> None:
    text, faults = plan_form.read(plan_form.typed(GOOD), decimals=2, words=ENGLISH)
    assert faults == []
    assert text == plan_words.RuleText(
        code="OWN-2",
        kind="percent",
        level="1",
        sku="card",
        tier="gold",
        basis="net",
        rate="0.06",
        priority="10",
        starts_on="2026-12-01",
        ends_on="2027-01-01",
        event="order",
        reads="own",
    )
    rule = plan_words.read_rule(text, 2)
    assert (rule.rate_ppm, rule.lawful) == (60_000, True)


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"code": "no spaces"}, "code", "A code has 1 to 40 letters, digits, dots, hyphens and underscores."),
        ({"level": "4"}, "level", "Choose who earns."),
        ({"rate": "six"}, "rate", "Write a rate such as 6% or 6.25: from 0 to 100, with at most four decimals."),
        ({"priority": "1.5"}, "priority", "Write a whole number such as 0 or 10."),
        ({"starts_on": "1 December"}, "starts_on", "Write a date such as 2026-12-01."),
        ({"ends_on": "2026-12-01"}, "ends_on", "The first day without the rule comes after its first day with it."),
        ({"kind": "per_unit", "unit_rate": "x"}, "unit_rate", "Write the money for one unit such as 0.80."),
        ({"kind": "slab", "from_0": "5", "share_0": "1"}, "from_0", "The first bracket begins at 0."),
        (
            {"kind": "slab", "from_0": "0", "share_0": "1", "from_1": "0", "share_1": "2"},
            "from_0",
            "Each bracket begins above the one before it.",
        ),
        (
            {"kind": "graduated"},
            "from_0",
            "Write each bracket with where it begins and its rate, such as 5,000 and 1%.",
        ),
    ],
)
def test_each_fault_is_said_at_its_field(changed: dict[str, str], field: str, message: str) -> None:
    assert refused(**changed) == [(field, message)]


def test_turning_to_another_kind_keeps_all_that_was_typed() -> None:
    first = plan_form.typed({**GOOD, "step": "kind:slab"})
    assert (first.kind, first.rate, first.sku, len(first.brackets)) == ("slab", "6%", "card", plan_form.BRACKETS)
    rows = {"from_0": "0", "share_0": "0", "from_1": "5000", "share_1": "1%"}
    more = plan_form.typed({**GOOD, **rows, "kind": "slab", "step": "more"})
    assert more.brackets[:2] == (("0", "0"), ("5000", "1%"))
    assert len(more.brackets) == plan_form.BRACKETS + plan_form.MORE
    back = plan_form.typed({**GOOD, **rows, "kind": "slab", "step": "kind:percent"})
    assert (back.kind, back.rate, back.brackets[1]) == ("percent", "6%", ("5000", "1%"))


@pytest.mark.parametrize(
    "text",
    [
        plan_words.RuleText(code="A", kind="percent", level="2", basis="margin", rate="0.0625", channel="web", priority="-3"),
        plan_words.RuleText(code="B", kind="per_unit", level="1", basis="unit", rate="1.50", ends_on="2027-01-01"),
        plan_words.RuleText(code="C", kind="graduated", basis="net", rate="0:0;5000:0.01;20000:0.025"),
        plan_words.RuleText(code="D", kind="slab", basis="unit", rate="0:0;100:0.50", category="游戏"),
    ],
    ids=lambda text: text.kind,
)
def test_a_rule_stays_what_it_is_through_its_form(text: plan_words.RuleText) -> None:
    rule = plan_words.read_rule(text, 2)
    shown = plan_form.of_rule(rule, old=rule.code, revision="1")
    said, faults = plan_form.read(shown, decimals=2, words=ENGLISH)
    assert (plan_words.read_rule(said, 2), faults) == (rule, [])


def test_what_no_plan_may_pay_becomes_a_rule_of_a_sale() -> None:
    rule = plan_words.read_rule(plan_words.RuleText(code="JOIN", kind="percent", rate="0.1", basis="net", event="join"), 2)
    shown = plan_form.of_rule(rule, old="JOIN", revision="1")
    said, faults = plan_form.read(shown, decimals=2, words=ENGLISH)
    assert (said.event, said.reads, said.level, said.rate, faults) == ("order", "own", "1", "0.1", [])
