"""A rule as people read it: who earns, on what sale, how much, and from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.web.console import plan_rates
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.commission import plan_check, plan_draft, plan_words
    from qucheng.insight import rules
    from qucheng.web import texts

    Rule = plan_words.PlanRule | rules.Rule

KINDS = {
    "percent": n_("Share of a sale"),
    "per_unit": n_("Money for each unit"),
    "graduated": n_("Monthly bonus, bracket by bracket"),
    "slab": n_("Monthly bonus, one rate on all"),
    "differential": n_("Difference between tiers"),
    "same_level": n_("Bonus between equals"),
    "team": n_("Bonus on a team's sales"),
    "entry_fee": n_("Fee for joining"),
    "deposit": n_("Deposit for joining"),
    "purchase": n_("Purchase for joining"),
    "right": n_("Right to distribute with a product"),
}
EVENTS = {
    "join": n_("when somebody joins"),
    "invite": n_("when somebody is invited"),
    "register": n_("when somebody registers"),
    "upgrade": n_("when somebody moves up a tier"),
}
READS = {
    "downline_count": n_("by how many stand below"),
    "downline_volume": n_("by what those below sell"),
    "team_volume": n_("by what a team sells"),
}
BASES = {
    "net": n_("of what the buyer paid"),
    "gross": n_("of the value before discount"),
    "margin": n_("of what is left after the cost"),
    "unit": n_("for each unit"),
}
BASES_CHOSEN = {
    "net": n_("What the buyer paid"),
    "gross": n_("Value before discount"),
    "margin": n_("What is left after the cost"),
    "unit": n_("Units sold"),
}
LEVELS = {
    1: n_("The seller"),
    2: n_("The reseller directly above the seller"),
    3: n_("The reseller two above the seller"),
}
PAST_LEVELS = n_("Paid level %(level)s")
FILTERS = {"sku": n_("SKU"), "category": n_("Category"), "channel": n_("Channel"), "tier": n_("Tier")}
CHANGES = {"kept": n_("As it is"), "added": n_("New"), "changed": n_("Changed")}
REFUSED = {
    "plan.pays_for_joining": n_("Pays for joining"),
    "plan.entry_fee": n_("Joining or a tier costs something"),
    "plan.reads_downlines": n_("Pays by other people's number or sales"),
    "plan.differential": n_("Difference between tiers, or a bonus between equals"),
    "plan.level_exceeded": n_("Pays past the levels of the policy"),
    "plan.rate_exceeded": n_("Pays more than the policy allows"),
    "plan.below_cost": n_("Leaves less than the cost"),
    "plan.opinion_expired": n_("The legal opinion has expired"),
}
Names = dict[str, dict[str, str]]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """filters: pairs of what is limited and to what. brackets: where each begins and its rate; empty for a plain rate.

    against: what the law does not let a rule do, in words.
    """

    code: str
    who: str
    kind: str
    rate: str
    of: str
    filters: tuple[tuple[str, str], ...]
    brackets: tuple[tuple[str, str], ...]
    against: tuple[str, ...]
    priority: int
    since: str
    until: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a draft. replaces: the code of the live rule that it takes the place of."""

    told: Told
    revision: int
    change: str
    replaces: str | None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a plan can't be published, in one language. title: what it is called in a word."""

    code: str
    title: str
    rules: tuple[str, ...]
    clause: str
    sentence: str


def told(rule: Rule, words: texts.Texts, names: Names) -> Told:
    """names: of tiers, channels and SKUs by their code; a code without a name stands for itself."""
    bonus = rule.kind in plan_rates.BONUSES
    of = rule.basis or ""
    return Told(
        code=rule.code,
        who=_who(rule, words),
        kind=words.gettext(KINDS.get(rule.kind, rule.kind)),
        rate="" if bonus else plan_rates.shown(rule.kind, of, rule.rate_text),
        of=words.gettext(BASES.get(of, of)) if of else "",
        filters=tuple(
            (words.gettext(label), names.get(name, {}).get(value, value))
            for name, label in FILTERS.items()
            if (value := getattr(rule, name)) is not None
        ),
        brackets=tuple(plan_rates.shown_pairs(rule.rate_text, of)) if bonus else (),
        against=tuple(
            words.gettext(found[value])
            for found, value in ((EVENTS, getattr(rule, "event", "")), (READS, getattr(rule, "reads", "")))
            if value in found
        ),
        priority=rule.priority,
        since=str(rule.starts_on or ""),
        until=str(rule.ends_on or ""),
    )


def _who(rule: Rule, words: texts.Texts) -> str:
    """Of a rule that pays for no sale there may be nobody to say."""
    if rule.level is None and rule.kind not in plan_rates.BONUSES:
        return "—"
    level = rule.level or 1
    return words.gettext(LEVELS[level]) if level in LEVELS else words.gettext(PAST_LEVELS) % {"level": level}


def every(rules: Sequence[Rule], words: texts.Texts, names: Names) -> list[Told]:
    return [told(rule, words, names) for rule in rules]


def rows(rules: Sequence[plan_draft.DraftRule], words: texts.Texts, names: Names) -> list[Row]:
    return [
        Row(
            told=told(each.rule, words, names),
            revision=each.revision,
            change=each.change,
            replaces=each.replaces,
        )
        for each in rules
    ]


def refusals(check: plan_check.Check, words: texts.Texts) -> list[Refusal]:
    return [
        Refusal(
            code=each.code,
            title=words.gettext(REFUSED.get(each.code, each.code)),
            rules=tuple(each.rules),
            clause=each.clause,
            sentence=each.zh if words.chinese else each.en,
        )
        for each in check.refusals
    ]
