"""The rules of a plan as a person writes them, and as they are read.

The vocabulary is wider than what a version may hold: what the law rules out can be said, so that the linter refuses it by name
and not as something that cannot be read.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.commission import plan_rates
from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Container

KINDS = ("percent", "per_unit", "graduated", "slab")
BONUSES = ("graduated", "slab")
FORBIDDEN_KINDS = ("differential", "same_level", "team", "entry_fee", "deposit", "purchase", "right")
EVENTS = ("order", "join", "invite", "register", "upgrade")
READS = ("own", "downline_count", "downline_volume", "team_volume")
BASES = {
    "percent": ("net", "gross", "margin"),
    "per_unit": ("unit",),
    "graduated": ("net", "gross", "unit"),
    "slab": ("net", "gross", "unit"),
}
EVERY_BASIS = ("net", "gross", "margin", "unit")
COLUMNS = (
    *("code", "kind", "level", "sku", "category", "channel", "tier", "basis", "rate", "priority", "starts_on", "ends_on"),
    *("event", "reads"),
)
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
LONGEST_CODE = 40
CATEGORY = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
LEVEL = re.compile(r"0*[1-9][0-9]*", re.ASCII)
MOST_LEVELS = 1000
PRIORITY = re.compile(r"-?0*[0-9]{1,9}", re.ASCII)
DAY = re.compile(r"(?:19|20|21)[0-9]{2}-[01][0-9]-[0-3][0-9]", re.ASCII)
NUMBERED = re.compile(r"(.*?)-([0-9]{1,4})")


class RuleInvalidError(errors.RefusedError):
    """faults: field and code of everything that is wrong with a rule as it was written."""

    code: ClassVar[str] = "plan.rule_invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("The rule can't be read: " + ", ".join(f"{field} ({code})" for field, code in faults.items()))
        self.faults = faults


class RuleText(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is typed; blank is the default of its field."""

    code: str = ""
    kind: str = ""
    level: str = ""
    sku: str = ""
    category: str = ""
    channel: str = ""
    tier: str = ""
    basis: str = ""
    rate: str = ""
    priority: str = ""
    starts_on: str = ""
    ends_on: str = ""
    event: str = ""
    reads: str = ""


class PlanRule(msgspec.Struct, frozen=True, kw_only=True):
    """rate_text: in its shortest form. Rates of a rule with brackets are theirs; those of a forbidden kind may have none."""

    code: str
    kind: str
    event: str = "order"
    reads: str = "own"
    level: int | None = None
    sku: str | None = None
    category: str | None = None
    channel: str | None = None
    tier: str | None = None
    basis: str | None = None
    rate_text: str = ""
    rate_ppm: int | None = None
    rate_minor: int | None = None
    brackets: tuple[plan_rates.Bracket, ...] = ()
    priority: int = 0
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None

    @property
    def lawful(self) -> bool:
        """Whether it has the shape of a rule that can be stored: it pays for a sale, and reads nothing but that."""
        return self.kind in KINDS and self.event == "order" and self.reads == "own"


class _Reader:
    """Reads the fields of a rule, and notes for each what is wrong with it."""

    def __init__(self, text: RuleText, decimals: int) -> None:
        self.text = msgspec.structs.replace(text, **{name: getattr(text, name).strip() for name in COLUMNS})
        self.decimals = decimals
        self.faults: dict[str, str] = {}

    def choice(self, field: str, choices: Container[str], default: str | None = None) -> str:
        value: str = getattr(self.text, field) or default or ""
        if not value:
            self.faults[field] = "value.missing"
        elif value not in choices:
            self.faults[field] = "value.invalid"
        return value

    def matching(self, field: str, form: re.Pattern[str]) -> str | None:
        value: str = getattr(self.text, field)
        if value and form.fullmatch(value) is None:
            self.faults[field] = "value.invalid"
            return None
        return value or None

    def day(self, field: str) -> dt.date | None:
        value = self.matching(field, DAY)
        try:
            return dt.date.fromisoformat(value) if value else None
        except ValueError:
            self.faults[field] = "value.invalid"
            return None

    def level(self) -> int | None:
        value = self.matching("level", LEVEL)
        return min(int(value), MOST_LEVELS) if value else None

    def basis(self, kind: str) -> str | None:
        value = self.text.basis
        if kind in KINDS and not value:
            self.faults["basis"] = "value.missing"
        elif value and value not in EVERY_BASIS:
            self.faults["basis"] = "value.invalid"
        elif value and value not in BASES.get(kind, EVERY_BASIS):
            self.faults["basis"] = "rule.basis"
        return value or None

    def rate(self, kind: str, basis: str | None) -> plan_rates.Rate:
        value = self.text.rate
        if not value:
            if kind in KINDS:
                self.faults["rate"] = "value.missing"
            return plan_rates.NONE
        if "basis" in self.faults:  # what a rate is depends on it
            return plan_rates.NONE
        try:
            return plan_rates.read(kind, basis, value, self.decimals)
        except ValueError:
            self.faults["rate"] = "rule.brackets" if kind in BONUSES else "value.invalid"
            return plan_rates.NONE


def read_rule(text: RuleText, decimals: int) -> PlanRule:
    """Raises RuleInvalidError with all faults. decimals: of the brand's currency."""
    reader = _Reader(text, decimals)
    code = reader.matching("code", CODE)
    if code is None and "code" not in reader.faults:
        reader.faults["code"] = "value.missing"
    kind = reader.choice("kind", (*KINDS, *FORBIDDEN_KINDS))
    event, reads = reader.choice("event", EVENTS, "order"), reader.choice("reads", READS, "own")
    level = reader.level()
    if kind in BONUSES and level is not None:
        reader.faults["level"] = "rule.level_not_here"
    elif kind in KINDS and kind not in BONUSES and level is None and event == "order" and reads == "own":
        reader.faults.setdefault("level", "rule.level_missing")
    basis = reader.basis(kind)
    rate = reader.rate(kind, basis)
    starts_on, ends_on = reader.day("starts_on"), reader.day("ends_on")
    if starts_on is not None and ends_on is not None and ends_on <= starts_on:
        reader.faults["ends_on"] = "value.invalid"
    sku, channel, tier = (reader.matching(name, CODE) for name in ("sku", "channel", "tier"))
    category, priority = reader.matching("category", CATEGORY), reader.matching("priority", PRIORITY)
    if reader.faults:
        raise RuleInvalidError(reader.faults)
    return PlanRule(
        code=code or "",
        kind=kind,
        event=event,
        reads=reads,
        level=level,
        sku=sku,
        category=category,
        channel=channel,
        tier=tier,
        basis=basis,
        rate_text=rate.text,
        rate_ppm=rate.ppm,
        rate_minor=rate.minor,
        brackets=rate.brackets,
        priority=int(priority or 0),
        starts_on=starts_on,
        ends_on=ends_on,
    )


def write_rule(rule: PlanRule) -> RuleText:
    """As a form or a file shows it again."""
    values = {name: getattr(rule, "rate_text" if name == "rate" else name) for name in COLUMNS}
    return RuleText(**{name: "" if value is None else str(value) for name, value in values.items()})


def next_code(code: str, taken: Container[str]) -> str:
    """A code that nobody has: `OWN` gives `OWN-2`, that gives `OWN-3`."""
    match = NUMBERED.fullmatch(code)
    stem, number = (match[1], int(match[2])) if match else (code, 1)
    while True:
        number += 1
        suffix = f"-{number}"
        found = stem[: LONGEST_CODE - len(suffix)] + suffix
        if found not in taken:
            return found
