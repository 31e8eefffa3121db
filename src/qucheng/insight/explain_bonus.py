"""The life of a bonus: whose lines are its volume, what was known of it at the end of each month, and what that earned."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import clock
from qucheng.insight import queries, rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand


class Disagreement(msgspec.Struct, frozen=True):
    """Of an entry, what is reckoned here and what is stored."""

    entry: str
    field: str
    computed: str
    stored: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a line, or a refund of it, adds to the volume; counts from counted_at on. intake: the last delivery when it was accrued.

    A refund has a further part where one that came later took its place before it.
    """

    order_no: str
    line_no: str
    refund_no: str | None
    intake: int
    counted_at: dt.datetime
    value: Fraction


class BonusStep(msgspec.Struct, frozen=True, kw_only=True):
    """What was known when a month was settled. period: None for what waits. parts: those that are new in it."""

    period: dt.date | None
    parts: tuple[Part, ...]
    volume: int
    slices: tuple[rules.Slice, ...]
    earned: int
    before: int
    entry: queries.Entry | None


class BonusLife(msgspec.Struct, frozen=True, kw_only=True):
    rule: rules.Rule
    reseller: str
    of_period: dt.date
    steps: tuple[BonusStep, ...]
    postings: tuple[queries.Posting, ...]
    disagreements: tuple[Disagreement, ...]


async def bonus(*, brand: Brand, reseller: str, rule_code: str, of_period: dt.date) -> BonusLife | None:
    """Stands inside atomic(). None where there is no such rule or reseller."""
    found = await queries.bonus_rule(rule_code)
    if found is None or not await queries.reseller_is_known(reseller):
        return None
    rule, brackets = found
    closed = await queries.closed()
    parts = await _parts(brand, rule, reseller, of_period, closed)
    entries = await queries.entries_of_bonus(reseller, rule_code, of_period)
    steps = _steps(rule, brackets, of_period, parts, entries, [month for month in closed if not month.issuing])
    return BonusLife(
        rule=rule,
        reseller=reseller,
        of_period=of_period,
        steps=tuple(steps),
        postings=tuple(await queries.postings(sorted({each.statement_no for each in entries if each.statement_no}))),
        disagreements=tuple(_disagreements(steps, f"bonus/{reseller}/{rule_code}/{of_period:%Y-%m}")),
    )


def only(life: BonusLife, period: dt.date | None) -> BonusLife | None:
    """The life with one month's step; None where the month has no entry."""
    steps = tuple(step for step in life.steps if step.period == period and step.entry is not None)
    return msgspec.structs.replace(life, steps=steps) if steps else None


async def _parts(brand: Brand, rule: rules.Rule, reseller: str, of_period: dt.date, closed: list[rules.Closed]) -> list[Part]:
    """A line is volume of the month in which it matures, for ever; a refund takes away from when it counts.

    Of a line with a clock nothing was known before that started.
    """
    hold = dt.timedelta(hours=24 * brand.hold_days)
    starts_at, ends_at = clock.month_bounds(of_period, brand.time_zone)
    lines = [
        line
        for line in await queries.lines_of(reseller, starts_at, ends_at, hold)
        if line.accrued and rules.fits(rule, line, line.tier)
    ]
    refunds = await queries.refunds_of(lines)
    found = []
    for line in lines:
        taken = rules.applied(line, refunds.get((line.order_no, line.line_no), []), closed, hold)
        known: dict[str | None, Fraction] = {}
        for batch, order in {line.known: [], **taken}.items():
            found += _changes(rule, line, order, batch, known, hold)
    return [part for part in found if part.value]


def _changes(
    rule: rules.Rule,
    line: rules.Line,
    order: list[rules.Refund],
    batch: int,
    known: dict[str | None, Fraction],
    hold: dt.timedelta,
) -> list[Part]:
    """What the line and its refunds add other than before, when these refunds are known. known: what each added so far."""
    found, before, matures = [], Fraction(0), line.matures_at(hold) or line.paid_at
    for state in rules.states(line, order):
        refund_no = state.refund.refund_no if state.refund else None
        value = rules.basis_of(rule.basis, line, state)
        found.append(
            Part(
                order_no=line.order_no,
                line_no=line.line_no,
                refund_no=refund_no,
                intake=max(batch, line.clock_batch or 0),
                counted_at=max(state.refund.refunded_at, matures) if state.refund else matures,
                value=value - before - known.get(refund_no, Fraction(0)),
            )
        )
        known[refund_no], before = value - before, value
    return found


def _steps(
    rule: rules.Rule,
    brackets: list[tuple[int, int]],
    of_period: dt.date,
    parts: list[Part],
    entries: list[queries.Entry],
    closed: list[rules.Closed],
) -> list[BonusStep]:
    found: list[BonusStep] = []
    waiting, counted, before = parts, Fraction(0), 0
    for month in closed:
        if month.starts_on < of_period:
            continue
        fresh, waiting = _known(waiting, month)
        counted += sum((part.value for part in fresh), Fraction(0))
        entry = next((each for each in entries if each.period == month.starts_on), None)
        if fresh or entry is not None:
            found.append(_step(rule, brackets, month.starts_on, fresh, counted, before, entry))
            before = found[-1].earned
    if waiting:
        counted += sum((part.value for part in waiting), Fraction(0))
        found.append(_step(rule, brackets, None, waiting, counted, before, None))
    return found


def _known(parts: list[Part], month: rules.Closed) -> tuple[list[Part], list[Part]]:
    """What counts at the end of the month and was known then, and the rest."""
    known: tuple[list[Part], list[Part]] = ([], [])
    for part in parts:
        known[0 if part.counted_at < month.ends_at and part.intake <= month.intake else 1].append(part)
    return known


def _step(
    rule: rules.Rule,
    brackets: list[tuple[int, int]],
    period: dt.date | None,
    parts: list[Part],
    counted: Fraction,
    before: int,
    entry: queries.Entry | None,
) -> BonusStep:
    volume = rules.half_away(counted)
    slices, earned = rules.bonus_of(rule, brackets, volume)
    return BonusStep(
        period=period, parts=tuple(parts), volume=volume, slices=tuple(slices), earned=earned, before=before, entry=entry
    )


def _disagreements(steps: list[BonusStep], code: str) -> list[Disagreement]:
    found = []
    for step in steps:
        if step.period is None:
            continue
        entry, change = f"{code}/{step.period:%Y-%m}", step.earned - step.before
        stored = step.entry.amount_minor if step.entry else 0
        if change != stored:
            found.append(Disagreement(entry, "amount_minor", str(change), str(stored)))
        if step.entry is not None and step.entry.basis_value != step.volume:
            found.append(Disagreement(entry, "basis_value", str(step.volume), str(step.entry.basis_value)))
    return found
