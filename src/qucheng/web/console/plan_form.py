"""The form of a rule: what was typed, kept as it was typed, and what it says once it is read."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import msgspec

from qucheng.commission import plan_words
from qucheng.web import pages, texts
from qucheng.web.console import plan_rates
from qucheng.web.finance import books
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("percent", "per_unit", *plan_rates.BONUSES)
SAID = (*KINDS, *plan_words.FORBIDDEN_KINDS)
VOCABULARY = {"kind": SAID, "event": plan_words.EVENTS, "reads": plan_words.READS}
FILTERS = ("sku", "category", "channel", "tier")
BRACKETS, MOST_BRACKETS = 4, 40
MORE = 3
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
PRIORITY = re.compile(r"-?[0-9]{1,4}", re.ASCII)
SENTENCES = {
    "code": n_("A code has 1 to 40 letters, digits, dots, hyphens and underscores."),
    "level": n_("Choose who earns."),
    "percent": n_("Write a rate such as 6% or 6.25: from 0 to 100, with at most four decimals."),
    "per_unit": n_("Write the money for one unit such as 0.80."),
    "brackets": n_("Write each bracket with where it begins and its rate, such as 5,000 and 1%."),
    "first_bracket": n_("The first bracket begins at 0."),
    "rising": n_("Each bracket begins above the one before it."),
    "priority": n_("Write a whole number such as 0 or 10."),
    "day": n_("Write a date such as 2026-12-01."),
    "order": n_("The first day without the rule comes after its first day with it."),
}
UNREADABLE = "value.invalid"
# what the room finds
FOUND = {
    "value.missing": n_("Fill this in."),
    "value.invalid": n_("This can't be read."),
    "ref.unknown": n_("There is nothing of this code. Choose one from the list."),
    "rule.level_missing": n_("Choose who earns."),
    "rule.level_not_here": n_("A monthly bonus is the seller's own: it has no level."),
    "rule.basis": n_("This kind of rule can't have a rate of that."),
    "rule.brackets": n_("Brackets begin at 0 and rise, each with its rate."),
    "code.taken": n_("This code was used before, and a code is never used twice. Take another."),
}


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands in the form. old: the code under which the rule is known; revision: as the page saw the rule, blank for a new one."""

    old: str = ""
    revision: str = ""
    code: str = ""
    kind: str = "percent"
    level: str = "1"
    basis: str = "net"
    rate: str = ""
    unit_rate: str = ""
    brackets: tuple[tuple[str, str], ...] = ()
    sku: str = ""
    category: str = ""
    channel: str = ""
    tier: str = ""
    priority: str = "0"
    starts_on: str = ""
    ends_on: str = ""
    event: str = "order"
    reads: str = "own"

    @property
    def bonus(self) -> bool:
        return self.kind in plan_rates.BONUSES


def typed(sent: dict[str, str]) -> Typed:
    """step: `kind:slab` turns the form to that kind, `more` adds rows for brackets.

    What the law does not allow has no field, and is kept where it is sent all the same: the linter refuses it by its name.
    """
    plain: dict[str, str] = {name: sent[name].strip() for name in Typed.__struct_fields__ if name in sent and name != "brackets"}
    count = min(sum(1 for name in sent if name.startswith("from_")), MOST_BRACKETS)
    rows = tuple((sent.get(f"from_{number}", ""), sent.get(f"share_{number}", "")) for number in range(count))
    step = sent.get("step", "")
    kind = step.removeprefix("kind:") if step.startswith("kind:") else plain.get("kind", "percent")
    rows += (("", ""),) * ((MORE if step == "more" else 0) + max(0, BRACKETS - len(rows)))
    return msgspec.convert({**plain, "kind": kind if kind in SAID else "percent", "brackets": rows[:MOST_BRACKETS]}, Typed)


def of_rule(rule: plan_words.PlanRule, *, old: str, revision: str) -> Typed:
    """As a form shows a rule that there is. What the law does not allow has no field: saved, the rule pays for a sale."""
    kind, basis = rule.kind if rule.kind in KINDS else "percent", rule.basis or "net"
    shares = tuple(plan_rates.pairs(rule.rate_text, basis)) if rule.kind in plan_rates.BONUSES else ()
    return Typed(
        old=old,
        revision=revision,
        code=rule.code,
        kind=kind,
        level=str(rule.level or 1),
        basis=basis,
        rate=plan_rates.percent(rule.rate_text) if rule.kind == "percent" else "",
        unit_rate=rule.rate_text if rule.kind == "per_unit" else "",
        brackets=shares + (("", ""),) * max(1, BRACKETS - len(shares)),
        **{name: getattr(rule, name) or "" for name in FILTERS},
        priority=str(rule.priority),
        starts_on=str(rule.starts_on or ""),
        ends_on=str(rule.ends_on or ""),
    )


def unknown(sent: Mapping[str, str], words: texts.Texts) -> list[pages.Fault]:
    """What was sent instead of a word of a rule, and is not taken for another."""
    return [
        pages.Fault(field=name, message=words.gettext(FOUND[UNREADABLE]))
        for name, known in VOCABULARY.items()
        if sent.get(name, "").strip() not in ("", *known)
    ]


def read(given: Typed, *, decimals: int, words: texts.Texts) -> tuple[plan_words.RuleText, list[pages.Fault]]:
    """With what is wrong of itself; whether there is such a SKU, or whether the code is free, is for the room."""
    faults: list[pages.Fault] = []

    def wrong(field: str, sentence: str) -> None:
        faults.append(pages.Fault(field=field, message=words.gettext(SENTENCES[sentence])))

    if CODE.fullmatch(given.code) is None:
        wrong("code", "code")
    if given.kind in KINDS and not given.bonus and given.level not in {"1", "2", "3"}:
        wrong("level", "level")
    rate, fault = _rate(given, decimals) if given.kind in KINDS else (given.rate, None)
    if fault is not None:
        wrong(rate_field(given), fault)
    if PRIORITY.fullmatch(given.priority or "0") is None:
        wrong("priority", "priority")
    days = {name: books.day(getattr(given, name)) for name in ("starts_on", "ends_on")}
    for name, day in days.items():
        if day is None and getattr(given, name):
            wrong(name, "day")
    if days["starts_on"] and days["ends_on"] and days["ends_on"] <= days["starts_on"]:
        wrong("ends_on", "order")
    return _text(given, rate), faults


def rate_field(given: Typed) -> str:
    """The id of the input in which the rate stands."""
    return "from_0" if given.bonus else "unit_rate" if given.kind == "per_unit" else "rate"


def found(given: Typed, faults: Mapping[str, str], words: texts.Texts) -> list[pages.Fault]:
    """What the room refused, field by field."""
    return [
        pages.Fault(
            field=rate_field(given) if field == "rate" else field,
            message=words.gettext(FOUND.get(code, FOUND["value.invalid"])),
        )
        for field, code in faults.items()
    ]


def _text(given: Typed, rate: str) -> plan_words.RuleText:
    return plan_words.RuleText(
        code=given.code,
        kind=given.kind,
        level="" if given.bonus else given.level,
        basis=_basis(given),
        rate=rate,
        **{name: getattr(given, name) for name in FILTERS},
        priority=given.priority or "0",
        starts_on=given.starts_on,
        ends_on=given.ends_on,
        event=given.event or "order",
        reads=given.reads or "own",
    )


def bases(kind: str) -> tuple[str, ...]:
    """What a rate of the kind may be of."""
    return {"percent": ("net", "gross", "margin"), "per_unit": ("unit",)}.get(kind, ("net", "gross", "unit"))


def _basis(given: Typed) -> str:
    allowed = bases(given.kind)
    return given.basis if given.basis in allowed else allowed[0]


def _rate(given: Typed, decimals: int) -> tuple[str, str | None]:
    """The rate as a file has it, or what is wrong with it."""
    if not given.bonus:
        try:
            if given.kind == "per_unit":
                return plan_rates.per_unit(given.unit_rate, decimals), None
            return plan_rates.share(given.rate), None
        except ValueError:
            return "", given.kind
    try:
        rate = plan_rates.brackets(given.brackets, _basis(given), decimals)
    except ValueError:
        return "", "brackets"
    begins = [int(each.partition(":")[0].replace(".", "")) for each in rate.split(";")]
    if begins[0] != 0:
        return "", "first_bracket"
    return (rate, None) if all(first < second for first, second in itertools.pairwise(begins)) else ("", "rising")
