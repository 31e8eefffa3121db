"""Section 4: what a line earns, under its cap, and what each of its refunds takes back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.model import values

if TYPE_CHECKING:
    from datetime import date, datetime

    from tests.model.brand import Brand
    from tests.model.network import Network
    from tests.model.records import Channel, Fulfilment, Order, Refund, Reseller, Sku
    from tests.model.rules import Plan, Rule


@dataclass(frozen=True)
class Entry:
    """A row of entries.csv, not on a statement yet."""

    reseller: str
    kind: str
    amount: int
    occurred_at: datetime
    matures_at: datetime
    level: int = 0
    order: str = ""
    line: str = ""
    refund: str = ""
    rule: str = ""
    of_period: str = ""
    basis_amount: str = ""
    rate: str = ""


@dataclass(frozen=True)
class Left:
    """What is left of a line: quantity, gross (exact) and net."""

    quantity: int
    gross: Fraction
    net: int


@dataclass
class Line:
    """An accepted order line with everything that is frozen on it."""

    order: Order
    on: date
    tier: str
    category: str
    cost: int
    self_purchase: bool
    wholesale: bool
    matures_at: datetime | None
    earners: list[tuple[int, str, Rule]] = field(default_factory=list)  # level, beneficiary, rule

    @property
    def counts(self) -> bool:
        return not self.self_purchase and not self.wholesale


def starts_at(order: Order, sku: Sku, refunds: list[Refund], fulfilments: list[Fulfilment]) -> datetime | None:
    """The hold clock (stock.md): when what is left of the line has had the event for the first time, if anything is left."""
    if sku.hold_from == "paid":
        return order.paid_at
    done = [row for row in fulfilments if row.event == sku.hold_from]
    for now in sorted({row.at for row in done} | {row.refunded_at for row in refunds}):
        back = [row for row in refunds if row.refunded_at <= now]
        left = order.quantity - sum(row.quantity for row in back)
        if sum(row.quantity for row in done if row.at <= now) >= left:
            gone = order.net > 0 and sum(row.amount for row in back) == order.net
            return now if left > 0 and not gone else None
    return None


def freeze(
    order: Order,
    sku: Sku,
    channel: Channel,
    network: Network,
    resellers: dict[str, Reseller],
    plan: Plan,
    brand: Brand,
    clock: datetime | None,
) -> Line:
    """clock: from when its hold counts, None for never."""
    on = values.local_date(order.paid_at, brand.zone)
    chain = network.chain(order.reseller, on)
    tiers = [network.standing(code, on)[1] for code in chain]
    line = Line(
        order=order,
        on=on,
        tier=tiers[0],
        category=sku.category,
        cost=sku.cost,
        self_purchase=bool(order.buyer) and any(resellers[code].identity == order.buyer for code in chain),
        wholesale=channel.kind == "wholesale",
        matures_at=clock + timedelta(hours=24 * brand.hold_days) if clock else None,
    )
    expired = brand.policy == "cn-two-tier" and brand.expires_on is not None and on >= brand.expires_on
    if line.counts:
        levels = 1 if expired else brand.max_levels
        for level, (code, tier) in enumerate(zip(chain[:levels], tiers, strict=False), start=1):
            rule = plan.choose(level, sku.key, sku.category, channel.key, tier, on)
            if rule is not None:
                line.earners.append((level, code, rule))
    return line


def left_after(line: Line, quantity: int, money: int) -> Left:
    """After refunds of so many pieces and so much money in all."""
    order = line.order
    net = order.net - money
    return Left(
        quantity=0 if order.net > 0 and net == 0 else order.quantity - quantity,
        gross=Fraction(order.gross * net, order.net) if order.net else Fraction(0),
        net=net,
    )


def basis_value(line: Line, basis: str, left: Left) -> Fraction:
    if basis == "net":
        return Fraction(left.net)
    if basis == "gross":
        return left.gross
    if basis == "margin":
        return Fraction(max(left.net - line.cost * left.quantity, 0))
    return Fraction(left.quantity)


def uncapped(line: Line, left: Left) -> list[int]:
    amounts = []
    for _, _, rule in line.earners:
        basis = basis_value(line, rule.basis, left)
        unit = 1 if rule.kind == "per_unit" else Fraction(1, 10**6)
        amounts.append(values.rounded(basis * rule.flat * unit))
    return amounts


def shares(amounts: list[int], cap: int) -> list[int]:
    """Proportional whole parts of the cap, the rest by largest remainder, ties to the smaller level."""
    total = sum(amounts)
    parts = [divmod(cap * amount, total) for amount in amounts]
    by_remainder = sorted(range(len(parts)), key=lambda at: (-parts[at][1], at))
    lucky = set(by_remainder[: cap - sum(whole for whole, _ in parts)])
    return [whole + (at in lucky) for at, (whole, _) in enumerate(parts)]


def capped(line: Line, left: Left, brand: Brand) -> tuple[list[int], bool]:
    amounts = uncapped(line, left)
    cap = brand.max_total_rate * left.net // 10**6
    if sum(amounts) <= cap:
        return amounts, False
    return shares(amounts, cap), True


def basis_text(line: Line, rule: Rule, left: Left, brand: Brand) -> str:
    basis = basis_value(line, rule.basis, left)
    return str(basis.numerator) if rule.basis == "unit" else values.money(values.rounded(basis), brand.decimals)


def lives(line: Line, refunds: list[Refund]) -> list[tuple[Refund | None, Left]]:
    """What is left when paid, and after each refund that counts."""
    found: list[tuple[Refund | None, Left]] = [(None, left_after(line, 0, 0))]
    quantity = money = 0
    for refund in refunds:
        quantity, money = quantity + refund.quantity, money + refund.amount
        found.append((refund, left_after(line, quantity, money)))
    return found


def entries(line: Line, refunds: list[Refund], brand: Brand) -> tuple[list[Entry], bool]:
    """The accruals of a line, the reversals of its refunds, and whether the cap bit when it was paid.

    A line that never matures has none.
    """
    if line.matures_at is None:
        return [], capped(line, left_after(line, 0, 0), brand)[1]
    found: list[Entry] = []
    amounts: list[int] = []
    was_capped = False
    for refund, left in lives(line, refunds):
        after, bites = capped(line, left, brand)
        if refund is None:
            was_capped, before = bites, [0] * len(after)
        else:
            before, after = amounts, [min(pair) for pair in zip(amounts, after, strict=True)]
        for (level, code, rule), was, now in zip(line.earners, before, after, strict=True):
            if was == now:
                continue
            entry = Entry(
                reseller=code,
                kind="accrual",
                amount=now - was,
                occurred_at=line.order.paid_at,
                matures_at=line.matures_at,
                level=level,
                order=line.order.order,
                line=line.order.line,
                rule=rule.key,
                basis_amount=basis_text(line, rule, left, brand),
                rate=rule.rate_text(brand.decimals),
            )
            if refund is not None:
                entry = replace(
                    entry,
                    kind="reversal",
                    refund=refund.refund,
                    occurred_at=refund.refunded_at,
                    matures_at=max(refund.refunded_at, line.matures_at),
                )
            found.append(entry)
        amounts = after
    return found, was_capped
