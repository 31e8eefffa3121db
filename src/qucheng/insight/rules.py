"""What a line earns, reckoned again with exact fractions: the words of the specification, independent of the earning kernel."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Literal

import msgspec

MILLION = 1_000_000

Reason = Literal[
    "won",
    "sku",
    "category",
    "channel",
    "tier",
    "not_begun",
    "ended",
    "came_later",
    "priority",
    "specificity",
    "started_earlier",
    "code",
]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """intake: the delivery that brought it. A blank filter is None. dropped_on, dropped_by: from which day a version of the plan
    drops it, and from which delivery on that is known.
    """

    code: str
    kind: Literal["percent", "per_unit", "graduated", "slab"]
    level: int | None
    sku: str | None
    category: str | None
    channel: str | None
    tier: str | None
    basis: Literal["net", "gross", "margin", "unit"]
    rate_ppm: int | None
    rate_minor: int | None
    rate_text: str
    priority: int
    starts_on: dt.date | None
    ends_on: dt.date | None
    intake: int
    dropped_on: dt.date | None = None
    dropped_by: int | None = None

    @property
    def specificity(self) -> int:
        weights = ((self.sku, 8), (self.category, 4), (self.channel, 2), (self.tier, 1))
        return sum(weight for wanted, weight in weights if wanted is not None)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An order line as it was frozen. known: the last delivery whose rules count for it; accrued: whether that is final.

    hold_from: what its hold counts from; where that is an event, started_at, clock_at and clock_batch say when the clock started,
    when the line matures by it, and the last delivery known when that was found.
    """

    order_no: str
    line_no: str
    intake: int
    known: int
    accrued: bool
    paid_at: dt.datetime
    paid_on: dt.date
    reseller: str
    channel: str
    channel_kind: Literal["agency", "wholesale"]
    sku: str
    category: str
    cost_minor: int
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tier: str
    parent: str | None
    parent_tier: str | None
    grandparent: str | None
    grandparent_tier: str | None
    self_purchase: bool
    hold_from: Literal["paid", "delivered", "redeemed"] = "paid"
    started_at: dt.datetime | None = None
    clock_at: dt.datetime | None = None
    clock_batch: int | None = None

    def matures_at(self, hold: dt.timedelta) -> dt.datetime | None:
        """None while its clock has not started."""
        return self.paid_at + hold if self.hold_from == "paid" else self.clock_at

    @property
    def chain(self) -> list[tuple[str, str]]:
        """The seller and those above it, each with its tier."""
        standing = ((self.reseller, self.tier), (self.parent, self.parent_tier), (self.grandparent, self.grandparent_tier))
        return [(code, tier) for code, tier in standing if code is not None and tier is not None]


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """batch: the last delivery known when it was accrued, None while it waits."""

    refund_no: str
    intake: int
    batch: int | None
    refunded_at: dt.datetime
    quantity: int
    amount_minor: int


class Closed(msgspec.Struct, frozen=True):
    """A closed month, and the last delivery its statements know of. issuing: they are yet to come."""

    starts_on: dt.date
    ends_at: dt.datetime
    intake: int
    issuing: bool


class Verdict(msgspec.Struct, frozen=True):
    """Why a rule applies or does not. here: what the line or the better rule has; there: what the rule asks for or has."""

    rule: Rule
    reason: Reason
    here: str = ""
    there: str = ""


class State(msgspec.Struct, frozen=True):
    """A line as paid (refund None), or what is left of it after a refund."""

    refund: Refund | None
    units: int
    left_minor: int


class Share(msgspec.Struct, frozen=True):
    """What a level earns: basis × rate exactly, rounded, and after the cap. whole, remainder: of its part of the cap, where that is reached."""

    level: int
    rule: Rule
    basis: Fraction
    product: Fraction
    rounded: int
    amount: int
    whole: int = 0
    remainder: Fraction = Fraction(0)


class Pricing(msgspec.Struct, frozen=True):
    """All levels of a line in one state. total: before the cap."""

    cap: int
    total: int
    shares: tuple[Share, ...]

    @property
    def capped(self) -> bool:
        return self.total > self.cap

    def of(self, level: int) -> Share | None:
        return next((share for share in self.shares if share.level == level), None)


def half_away(value: Fraction) -> int:
    """Rounded to a whole number, halves away from zero."""
    doubled = abs(value.numerator) * 2 + value.denominator
    whole = doubled // (2 * value.denominator)
    return whole if value >= 0 else -whole


def judge(rules: list[Rule], line: Line, tier: str) -> list[Verdict]:
    """A verdict on each rule, the one that applies first, then by code. tier: of who stands at the rules' level."""
    fitting = [rule for rule in rules if _misfit(rule, line, tier) is None]
    ranked = sorted(
        fitting, key=lambda r: (-r.priority, -r.specificity, -(r.starts_on or dt.date.min).toordinal(), r.code.encode())
    )
    if not ranked:
        return [_misfit(rule, line, tier) or Verdict(rule, "won") for rule in sorted(rules, key=lambda r: r.code.encode())]
    winner = ranked[0]
    others = sorted((rule for rule in rules if rule.code != winner.code), key=lambda r: r.code.encode())
    return [Verdict(winner, "won"), *(_misfit(rule, line, tier) or _beaten(rule, winner) for rule in others)]


def fits(rule: Rule, line: Line, tier: str) -> bool:
    return _misfit(rule, line, tier) is None


def _misfit(rule: Rule, line: Line, tier: str) -> Verdict | None:
    filters: tuple[tuple[Reason, str | None, str], ...] = (
        ("sku", rule.sku, line.sku),
        ("category", rule.category, line.category),
        ("channel", rule.channel, line.channel),
        ("tier", rule.tier, tier),
    )
    for reason, wanted, has in filters:
        if wanted is not None and wanted != has:
            return Verdict(rule, reason, has, wanted)
    if rule.starts_on is not None and line.paid_on < rule.starts_on:
        return Verdict(rule, "not_begun", str(line.paid_on), str(rule.starts_on))
    if rule.ends_on is not None and line.paid_on >= rule.ends_on:
        return Verdict(rule, "ended", str(line.paid_on), str(rule.ends_on))
    if rule.dropped_on is not None and line.paid_on >= rule.dropped_on and (rule.dropped_by or 0) <= line.known:
        return Verdict(rule, "ended", str(line.paid_on), str(rule.dropped_on))
    if rule.intake > line.known:
        return Verdict(rule, "came_later", str(line.known), str(rule.intake))
    return None


def _beaten(rule: Rule, winner: Rule) -> Verdict:
    if rule.priority != winner.priority:
        return Verdict(rule, "priority", str(winner.priority), str(rule.priority))
    if rule.specificity != winner.specificity:
        return Verdict(rule, "specificity", str(winner.specificity), str(rule.specificity))
    if rule.starts_on != winner.starts_on:
        return Verdict(rule, "started_earlier", str(winner.starts_on), str(rule.starts_on or "…"))
    return Verdict(rule, "code", winner.code, rule.code)


def applied(line: Line, refunds: list[Refund], closed: list[Closed], hold: dt.timedelta) -> dict[int, list[Refund]]:
    """For each batch in which refunds of the line were accrued, those that count since, in the order in which they apply.

    That is the order of (refunded_at, refund), but for those that the statements of a closed month know of: they stay where they are.
    """
    found: dict[int, list[Refund]] = {}
    order: list[Refund] = []
    for batch in sorted({refund.batch for refund in refunds if refund.batch is not None}):
        months = [month for month in closed if month.intake < batch]
        fixed = [refund for refund in order if any(_knows(month, line, refund, hold) for month in months)]
        fresh = [refund for refund in refunds if refund.batch == batch]
        rest = [refund for refund in order if refund not in fixed]
        order = fixed + sorted(rest + fresh, key=lambda each: (each.refunded_at, each.refund_no.encode()))
        found[batch] = order
    return found


def _knows(month: Closed, line: Line, refund: Refund, hold: dt.timedelta) -> bool:
    """Whether what the refund takes back is on a statement of the month, or would be if there were anything."""
    matures = line.matures_at(hold)
    if matures is None or max(refund.refunded_at, matures) >= month.ends_at:
        return False
    return max(refund.batch or 0, line.clock_batch or 0) <= month.intake and (
        line.hold_from == "paid" or line.clock_batch is not None
    )


def states(line: Line, refunds: list[Refund]) -> list[State]:
    """As paid, and after each of the refunds, which are in the order in which they apply."""
    found = [State(None, line.quantity, line.net_minor)]
    units, left = line.quantity, line.net_minor
    for refund in refunds:
        units, left = units - refund.quantity, left - refund.amount_minor
        found.append(State(refund, 0 if line.net_minor > 0 and left == 0 else units, left))
    return found


def basis_of(basis: str, line: Line, state: State) -> Fraction:
    """What is left of the basis: in minor units, or the plain count for `unit`."""
    if basis == "unit":
        return Fraction(state.units)
    if basis == "gross":
        return Fraction(line.gross_minor * state.left_minor, line.net_minor) if line.net_minor else Fraction(0)
    if basis == "margin":
        return Fraction(max(state.left_minor - line.cost_minor * state.units, 0))
    return Fraction(state.left_minor)


def price(line: Line, state: State, winners: dict[int, Rule], cap_ppm: int) -> Pricing:
    """What each level with a rule earns in this state."""
    raw = []
    for level, rule in sorted(winners.items()):
        basis = basis_of(rule.basis, line, state)
        rate = Fraction(rule.rate_minor or 0) if rule.kind == "per_unit" else Fraction(rule.rate_ppm or 0, MILLION)
        rounded = half_away(basis * rate)
        raw.append(Share(level, rule, basis, basis * rate, rounded, rounded))
    cap = cap_ppm * state.left_minor // MILLION
    total = sum(share.rounded for share in raw)
    return Pricing(cap, total, tuple(_shared(raw, cap, total) if total > cap else raw))


def _shared(raw: list[Share], cap: int, total: int) -> list[Share]:
    """Shares of the cap: whole parts, then one unit each by largest remainder, ties to the smaller level."""
    parts = [(share, share.rounded * cap // total, Fraction(share.rounded * cap % total, total)) for share in raw]
    rest = cap - sum(whole for _, whole, _ in parts)
    lucky = {share.level for share, _, _ in sorted(parts, key=lambda part: (-part[2], part[0].level))[:rest]}
    return [
        msgspec.structs.replace(share, amount=whole + (share.level in lucky), whole=whole, remainder=remainder)
        for share, whole, remainder in parts
    ]


class Slice(msgspec.Struct, frozen=True):
    """The part of a volume that a bracket pays on. until None: the highest."""

    from_value: int
    until: int | None
    part: int
    rate: Fraction
    product: Fraction


def bonus_of(rule: Rule, brackets: list[tuple[int, int]], volume: int) -> tuple[list[Slice], int]:
    """The bonus on a volume, with how it comes about. brackets: from and rate, in millionths or for basis `unit` minor units."""
    divisor = 1 if rule.basis == "unit" else MILLION
    slices = []
    for (start, rate), following in zip(brackets, [*brackets[1:], None], strict=True):
        until = following[0] if following else None
        if rule.kind == "graduated":
            part = max(min(volume, until) if until is not None else volume, start) - start
        else:
            part = volume if start <= volume and (until is None or volume < until) else 0
        slices.append(Slice(start, until, part, Fraction(rate, divisor), part * Fraction(rate, divisor)))
    return slices, half_away(sum((each.product for each in slices), Fraction(0)))
