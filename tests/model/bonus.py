"""Section 5: own-volume bonuses, of every volume period as known at every settled period."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.model import kernel, periods, values
from tests.model.kernel import Entry, Line

if TYPE_CHECKING:
    from datetime import datetime

    from tests.model.brand import Brand
    from tests.model.periods import Period
    from tests.model.records import Refund
    from tests.model.rules import Plan, Rule

Parts = dict[tuple[str, str, "Period"], list[tuple["datetime", Fraction]]]


def parts_of(lines: list[tuple[Line, list[Refund]]], plan: Plan, brand: Brand) -> Parts:
    """By seller, rule and volume period: when each part of the volume counts from, and its basis."""
    parts: Parts = defaultdict(list)
    for line, refunds in lines:
        if not line.counts or line.matures_at is None:
            continue
        order, period = line.order, periods.holding(line.matures_at, brand.zone)
        for rule in plan.bonuses:
            if not rule.matches(order.sku, line.category, order.channel, line.tier, line.on):
                continue
            before = Fraction(0)
            for refund, left in kernel.lives(line, refunds):
                value = kernel.basis_value(line, rule.basis, left)
                at = line.matures_at if refund is None else max(refund.refunded_at, line.matures_at)
                parts[order.reseller, rule.key, period].append((at, value - before))
                before = value
    return parts


def bonus(rule: Rule, volume: int) -> int:
    """Of a volume in minor units (or pieces), in minor units."""
    unit = 1 if rule.basis == "unit" else Fraction(1, 10**6)
    exact = Fraction(0)
    if rule.kind == "slab":
        rate = max((start, rate) for start, rate in rule.brackets if start <= volume)[1]
        exact += volume * rate * unit
    else:
        ends = [start for start, _ in rule.brackets[1:]]
        for (start, rate), end in zip(rule.brackets, [*ends, None], strict=True):
            inside = max(0, (volume if end is None else min(volume, end)) - start)
            exact += inside * rate * unit
    return values.rounded(exact)


def entries(lines: list[tuple[Line, list[Refund]]], plan: Plan, brand: Brand, through: Period) -> list[Entry]:
    rules = {rule.key: rule for rule in plan.bonuses}
    found = []
    for (reseller, key, period), parts in parts_of(lines, plan, brand).items():
        rule, known = rules[key], 0
        for settled in sorted({periods.holding(at, brand.zone) for at, _ in parts}):
            if settled > through:
                break
            end = periods.end(settled, brand.zone)
            volume = values.rounded(sum((part for at, part in parts if at < end), Fraction(0)))
            now = bonus(rule, volume)
            if now != known:
                found.append(
                    Entry(
                        reseller=reseller,
                        kind="bonus",
                        amount=now - known,
                        occurred_at=end,
                        matures_at=end,
                        rule=key,
                        of_period=str(period),
                        basis_amount=str(volume) if rule.basis == "unit" else values.money(volume, brand.decimals),
                        rate=rule.rate_text(brand.decimals),
                    )
                )
            known = now
    return found
