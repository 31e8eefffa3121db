"""rules.csv: reading, what is allowed (sections 4 and 5), and which rule applies to a line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.model import values
from tests.model.reading import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from tests.model.brand import Brand

LEVELLED = ("percent", "per_unit")
BRACKETED = ("graduated", "slab")
BASES = {
    "percent": ("net", "gross", "margin"),
    "per_unit": ("unit",),
    "graduated": ("net", "gross", "unit"),
    "slab": ("net", "gross", "unit"),
}
PER_UNIT_BELOW = 10**6


@dataclass(frozen=True)
class Draft:
    """A rule whose values are readable; its level and brackets are not judged yet."""

    key: str
    kind: str
    level: str
    sku: str
    category: str
    channel: str
    tier: str
    basis: str
    flat: int  # parts per million, or minor units per unit; 0 for brackets
    brackets: str
    priority: int
    starts_on: date | None
    ends_on: date | None


@dataclass(frozen=True)
class Rule:
    key: str
    kind: str
    level: int  # 0 for own-volume bonuses
    sku: str
    category: str
    channel: str
    tier: str
    basis: str
    flat: int
    brackets: tuple[tuple[int, int], ...]  # from (minor units or pieces), rate (parts per million or minor units)
    priority: int
    starts_on: date | None
    ends_on: date | None

    @property
    def bonus(self) -> bool:
        return self.kind in BRACKETED

    def matches(self, sku: str, category: str, channel: str, tier: str, on: date) -> bool:
        return (
            self.sku in ("", sku)
            and self.category in ("", category)
            and self.channel in ("", channel)
            and self.tier in ("", tier)
            and (self.starts_on is None or self.starts_on <= on)
            and (self.ends_on is None or on < self.ends_on)
        )

    def rate_text(self, decimals: int) -> str:
        if self.kind == "percent":
            return values.shortest(self.flat, 6)
        if self.kind == "per_unit":
            return values.money(self.flat, decimals)
        if self.basis == "unit":
            return ";".join(f"{start}:{values.money(rate, decimals)}" for start, rate in self.brackets)
        return ";".join(f"{values.shortest(start, decimals)}:{values.shortest(rate, 6)}" for start, rate in self.brackets)


def draft(row: Mapping[str, str], brand: Brand) -> Draft:
    starts_on, ends_on = values.interval(row["starts_on"], row["ends_on"])
    kind, flat = row["kind"], 0
    if kind == "percent":
        flat = values.ppm(row["rate"])
    elif kind == "per_unit":
        flat = values.amount(row["rate"], brand.decimals, below=PER_UNIT_BELOW)
    return Draft(
        key=values.code(row["code"]),
        kind=kind,
        level=row["level"],
        sku=values.blank_or_code(row["sku"]),
        category=values.name(row["category"]) if row["category"] else "",
        channel=values.blank_or_code(row["channel"]),
        tier=values.blank_or_code(row["tier"]),
        basis=row["basis"],
        flat=flat,
        brackets=row["rate"] if kind in BRACKETED else "",
        priority=values.whole(row["priority"] or "0", least=-(10**9), most=10**9),
        starts_on=starts_on,
        ends_on=ends_on,
    )


def bracket(text: str, basis: str, brand: Brand) -> tuple[int, int]:
    start, colon, rate = text.partition(":")
    if not colon:
        raise values.InvalidError(text)
    if basis == "unit":
        first = values.amount(start, 0)
        return first, values.amount(rate, brand.decimals, below=PER_UNIT_BELOW)
    return values.amount(start, brand.decimals), values.ppm(rate)


def brackets(text: str, basis: str, brand: Brand) -> tuple[tuple[int, int], ...]:
    found = tuple(bracket(part, basis, brand) for part in text.split(";"))
    starts = [start for start, _ in found]
    if starts[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts)):
        raise values.InvalidError(text)
    return found


def level_of(text: str) -> int:
    """A level as large as it likes to be: it only has to be a whole number from 1."""
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise values.InvalidError(text)
    digits = text.lstrip("0")
    return int(digits) if len(digits) <= values.DIGITS else 10**values.DIGITS


def accepted(row: Draft, brand: Brand) -> Rule:
    """Step 4 for a rule."""
    try:
        values.one_of(row.kind, LEVELLED + BRACKETED)
        values.one_of(row.basis, BASES[row.kind])
        if row.kind in BRACKETED:
            if row.level:
                raise values.InvalidError(row.level)  # noqa: TRY301
            level, parts = 0, brackets(row.brackets, row.basis, brand)
        else:
            level, parts = level_of(row.level), ()
    except values.InvalidError as error:
        raise RefusedError("rule.invalid") from error
    if level > brand.max_levels:
        raise RefusedError("rule.level_exceeded")
    return Rule(
        row.key,
        row.kind,
        level,
        row.sku,
        row.category,
        row.channel,
        row.tier,
        row.basis,
        row.flat,
        parts,
        row.priority,
        row.starts_on,
        row.ends_on,
    )


def order_of_choice(rule: Rule) -> tuple[int, int, int, bytes]:
    specificity = 8 * bool(rule.sku) + 4 * bool(rule.category) + 2 * bool(rule.channel) + bool(rule.tier)
    starts = rule.starts_on.toordinal() if rule.starts_on else 0
    return -rule.priority, -specificity, -starts, rule.key.encode()


class Plan:
    """The accepted rules, each level's in the order in which they are asked."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.levels: dict[int, list[Rule]] = {}
        self.bonuses: list[Rule] = []
        for rule in sorted(rules, key=order_of_choice):
            if rule.bonus:
                self.bonuses.append(rule)
            else:
                self.levels.setdefault(rule.level, []).append(rule)

    def choose(self, level: int, sku: str, category: str, channel: str, tier: str, on: date) -> Rule | None:
        for rule in self.levels.get(level, []):
            if rule.matches(sku, category, channel, tier, on):
                return rule
        return None
