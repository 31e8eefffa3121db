"""Rules as people write them: read exactly, and refused field by field."""

from __future__ import annotations

import datetime as dt

import pytest

from qucheng.commission import plan_description, plan_words
from qucheng.commission.plan_rates import Bracket
from qucheng.commission.plan_words import RuleText

TENTH = {"code": "X", "kind": "percent", "level": "1", "basis": "net", "rate": "0.1"}


def read(**text: str) -> plan_words.PlanRule:
    return plan_words.read_rule(RuleText(**text), 2)


@pytest.mark.parametrize(
    ("typed", "ppm", "text"),
    [
        ("0.06", 60000, "0.06"),
        ("6%", 60000, "0.06"),
        ("6.00 %", 60000, "0.06"),
        ("6％", 60000, "0.06"),
        ("0.1250", 125000, "0.125"),
        ("0.0001%", 1, "0.000001"),
        ("100%", 1000000, "1"),
        ("0", 0, "0"),
        ("1.000000", 1000000, "1"),
    ],
)
def test_a_share_is_read_exactly(typed: str, ppm: int, text: str) -> None:
    rule = read(**{**TENTH, "rate": typed})
    assert (rule.rate_ppm, rule.rate_text, rule.rate_minor, rule.brackets) == (ppm, text, None, ())


@pytest.mark.parametrize("typed", ["1.1", "101%", "0.0000001", "0.00001%", "-0.1", "1e-1", "6 per cent", ".5", "6,5%", "%"])
def test_what_is_no_share_is_refused(typed: str) -> None:
    with pytest.raises(plan_words.RuleInvalidError) as caught:
        read(**{**TENTH, "rate": typed})
    assert caught.value.faults == {"rate": "value.invalid"}


def test_money_for_a_unit_and_brackets() -> None:
    unit = read(code="U", kind="per_unit", level="2", basis="unit", rate="1.5")
    assert (unit.rate_minor, unit.rate_text, unit.level) == (150, "1.50", 2)
    volume = read(code="V", kind="slab", basis="net", rate="0:0; 5000.50:1% ;20000:0.025")
    assert volume.rate_text == "0:0;5000.5:0.01;20000:0.025"
    assert volume.brackets == (
        Bracket(from_value=0, rate_ppm=0),
        Bracket(from_value=500050, rate_ppm=10000),
        Bracket(from_value=2000000, rate_ppm=25000),
    )
    pieces = read(code="V", kind="graduated", basis="unit", rate="0:0.5;10:1")
    assert (pieces.rate_text, pieces.brackets[1]) == ("0:0.50;10:1.00", Bracket(from_value=10, rate_minor=100))


@pytest.mark.parametrize("typed", ["5:0.1", "0:0.1;0:0.2", "0:0.1;10:0.1;5:0.2", "0:0.1;", "0", "0:2", "0:0.1;1.005:0.2"])
def test_brackets_start_at_nothing_and_rise(typed: str) -> None:
    with pytest.raises(plan_words.RuleInvalidError) as caught:
        read(code="V", kind="slab", basis="net", rate=typed)
    assert caught.value.faults == {"rate": "rule.brackets"}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ({"level": ""}, {"level": "rule.level_missing"}),
        ({"level": "0"}, {"level": "value.invalid"}),
        ({"level": "one"}, {"level": "value.invalid"}),
        ({"kind": "slab", "rate": "0:0.1"}, {"level": "rule.level_not_here"}),
        ({"basis": "unit"}, {"basis": "rule.basis"}),
        ({"basis": "profit"}, {"basis": "value.invalid"}),
        ({"kind": "pyramid"}, {"kind": "value.invalid"}),
        ({"event": "birthday", "reads": "minds"}, {"event": "value.invalid", "reads": "value.invalid"}),
        ({"priority": "high"}, {"priority": "value.invalid"}),
        ({"starts_on": "2026-02-30"}, {"starts_on": "value.invalid"}),
        ({"starts_on": "2026-02-01", "ends_on": "2026-02-01"}, {"ends_on": "value.invalid"}),
        (
            {"category": "a\tb", "sku": "a b", "tier": "金"},
            {"category": "value.invalid", "sku": "value.invalid", "tier": "value.invalid"},
        ),
        ({"code": "", "rate": ""}, {"code": "value.missing", "rate": "value.missing"}),
    ],
)
def test_each_field_says_what_is_wrong_with_it(text: dict[str, str], faults: dict[str, str]) -> None:
    with pytest.raises(plan_words.RuleInvalidError) as caught:
        read(**{**TENTH, **text})
    assert caught.value.faults == faults


def test_what_is_forbidden_can_be_said() -> None:
    fee = read(code="FEE", kind="entry_fee", rate="99.00")
    assert (fee.lawful, fee.rate_text, fee.level, fee.basis) == (False, "99.00", None, None)
    assert not read(code="T", kind="percent", level="2", basis="net", rate="1%", reads="team_volume").lawful
    assert read(**{**TENTH, "level": "99999"}).level == 1000


def test_a_rule_is_written_as_it_is_read() -> None:
    rule = read(**{**TENTH, "sku": "card", "priority": "-3", "starts_on": "2026-02-01", "ends_on": "2026-03-01"})
    assert (rule.starts_on, rule.ends_on, rule.priority) == (dt.date(2026, 2, 1), dt.date(2026, 3, 1), -3)
    assert plan_words.read_rule(plan_words.write_rule(rule), 2) == rule


def test_the_next_code_is_one_that_nobody_has() -> None:
    assert plan_words.next_code("OWN", set()) == "OWN-2"
    assert plan_words.next_code("OWN-2", {"OWN-3", "OWN-4"}) == "OWN-5"
    assert plan_words.next_code("x" * 40, set()) == "x" * 38 + "-2"


def test_a_description_in_csv_and_in_toml() -> None:
    csv = "\ufeffcode,kind,level,basis,rate,event\r\nOWN,percent,1,net,6%,\r\n\r\nJ,percent,1,net,1%,join\r\n"
    assert plan_description.describe(csv) == [
        RuleText(code="OWN", kind="percent", level="1", basis="net", rate="6%"),
        RuleText(code="J", kind="percent", level="1", basis="net", rate="1%", event="join"),
    ]
    toml = """
        [joining]
        fee = "100.00"
        [[tier]]
        code = "gold"
        purchase = "500.00"
        [[product]]
        sku = "kit"
        grants = "distribution"
        [[rule]]
        code = "OWN"
        kind = "percent"
        level = 1
        basis = "net"
        rate = 0.06
    """
    assert plan_description.describe(toml) == [
        RuleText(code="joining-fee", kind="entry_fee", rate="100.00"),
        RuleText(code="tier-gold-purchase", kind="purchase", rate="500.00", tier="gold"),
        RuleText(code="product-kit", kind="right", sku="kit"),
        RuleText(code="OWN", kind="percent", level="1", basis="net", rate="0.06"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "code\nX\n",
        "code,kind,colour\nX,percent,red\n",
        "code,kind\nX,percent,1\n",
        'code,kind\n"X,percent\n',
        "[rule",
        "[joining]\ntax = 1\n",
        "[[product]]\nsku = 'x'\ngrants = 'wings'\n",
        "[rule]\ncode = 'X'\n",
        "code,kind\n" + "X,percent\n" * 2001,
    ],
)
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(plan_description.DescriptionError):
        plan_description.describe(text)
