"""The life of one figure: facts, the rule, exact arithmetic, rounding, cap, refunds, statement, journal.

Everything is reckoned again (insight/rules.py) and held against what is stored; where the two differ it says so.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import db, errors
from qucheng.identity import brand as brands
from qucheng.identity import policy_value
from qucheng.insight import explain_bonus, queries, rules
from qucheng.insight.explain_bonus import BonusLife, Disagreement

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

KINDS = ("accrual", "reversal", "bonus", "adjustment")
MOST_SHOWN = 50
FORMS = (
    "ORDER/LINE, ORDER/LINE/LEVEL, ORDER/LINE/LEVEL/REFUND, bonus/RESELLER/RULE/YYYY-MM, adjustment/CODE, a statement's number, "
    "or STATEMENT/accrual, /reversal, /bonus, /adjustment, /withholding, /payout"
)


class BrandNotSaidError(errors.RefusedError):
    """Several brands are stored: which one is meant must be said."""

    code: ClassVar[str] = "brand.not_said"
    status: ClassVar[int] = 400


class EntryUnknownError(errors.RefusedError):
    """There is no such figure; says what forms there are."""

    code: ClassVar[str] = "entry.unknown"
    status: ClassVar[int] = 404


Nothing = Literal["self_purchase", "wholesale", "past_policy", "nobody", "no_rule"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A level of a line in one state. before: what it had earned so far; entry: what is stored of the change."""

    state: rules.State
    pricing: rules.Pricing
    share: rules.Share
    before: int
    after: int
    entry: queries.Entry | None


class LevelLife(msgspec.Struct, frozen=True, kw_only=True):
    """nothing: why the level earns nothing; then there are no steps."""

    level: int
    reseller: str | None
    tier: str | None
    nothing: Nothing | None
    verdicts: tuple[rules.Verdict, ...] = ()
    steps: tuple[Step, ...] = ()


class LineLife(msgspec.Struct, frozen=True, kw_only=True):
    """waiting: refunds that have not been accrued yet. last_closed: what matures up to it waits for the next statement."""

    line: rules.Line
    cap_ppm: int
    max_levels: int
    levels: tuple[LevelLife, ...]
    waiting: tuple[rules.Refund, ...]
    last_closed: dt.date | None
    postings: tuple[queries.Posting, ...]
    disagreements: tuple[Disagreement, ...]


class AdjustmentLife(msgspec.Struct, frozen=True, kw_only=True):
    adjustment: queries.Adjustment
    entry: queries.Entry
    last_closed: dt.date | None
    postings: tuple[queries.Posting, ...]


class StatementLife(msgspec.Struct, frozen=True, kw_only=True):
    """entries: the first of each kind; sums: how many there are of each, and what they add up to. only: one kind is asked for."""

    statement: queries.Statement
    only: str | None
    entries: tuple[queries.Entry, ...]
    sums: dict[str, tuple[int, int]]
    postings: tuple[queries.Posting, ...]
    disagreements: tuple[Disagreement, ...]


Life = LineLife | BonusLife | AdjustmentLife | StatementLife


async def the_brand(code: str | None) -> Brand:
    """The brand of that code, or without one the only brand there is. Raises BrandUnknownError, BrandNotSaidError."""
    every = [each for _, each in await brands.every()]
    if code is None and len(every) > 1:
        raise BrandNotSaidError(f"Several brands are stored: say --brand with one of {', '.join(every[:10])}.")
    return await brands.require(code if code is not None else "".join(every))


async def explain(*, brand: Brand, entry: str) -> Life:
    """What the code of an entry, a line, a statement or a journal entry stands for. Raises EntryUnknownError."""
    async with db.atomic(brand.id):
        life = await _find(brand, entry.split("/"))
    if life is None:
        raise EntryUnknownError(f"{brand.code} has no entry {entry!r}. The forms are: {FORMS}.")
    return life


def disagreements(life: Life) -> tuple[Disagreement, ...]:
    """Where what is reckoned differs from what is stored; nothing is reckoned of an adjustment."""
    return () if isinstance(life, AdjustmentLife) else life.disagreements


async def _find(brand: Brand, parts: list[str]) -> Life | None:
    """A statement, an adjustment or a bonus where there is one of that code; else a line."""
    found: Life | None = None
    match parts:
        case [statement_no] | [statement_no, ("accrual" | "reversal" | "bonus" | "adjustment" | "withholding" | "payout")]:
            found = await _statement(statement_no, parts[1] if len(parts) > 1 else None)
        case ["bonus", reseller, rule, month] | ["bonus", reseller, rule, month, _]:
            found = await _bonus(brand, reseller, rule, month, parts[4] if len(parts) > 4 else None)  # noqa: PLR2004 - the fifth
    if found is None and parts[0] == "adjustment" and len(parts) == 2:  # noqa: PLR2004 - adjustment/CODE
        found = await _adjustment(parts[1])
    return found or await _line_of(brand, parts)


async def _line_of(brand: Brand, parts: list[str]) -> LineLife | None:
    """Of ORDER/LINE[/LEVEL[/REFUND]], where it names a level also with the kind before it."""
    match parts:
        case ["accrual", _, _, _] | ["reversal", _, _, _, _]:
            parts = parts[1:]
    match parts:
        case [order_no, line_no]:
            return await _line(brand, order_no, line_no, None, None)
        case [order_no, line_no, ("1" | "2" | "3") as level, *refund] if len(refund) <= 1:
            return await _line(brand, order_no, line_no, int(level), refund[0] if refund else None)
    return None


async def _bonus(brand: Brand, reseller: str, rule: str, month: str, on: str | None) -> BonusLife | None:
    of_period = _month(month)
    if of_period is None:
        return None
    life = await explain_bonus.bonus(brand=brand, reseller=reseller, rule_code=rule, of_period=of_period)
    return explain_bonus.only(life, _month(on)) if life is not None and on is not None else life


def _month(text: str) -> dt.date | None:
    match = re.fullmatch(r"([12][0-9]{3})-(0[1-9]|1[0-2])", text, re.ASCII)
    return dt.date(int(match[1]), int(match[2]), 1) if match else None


async def _line(brand: Brand, order_no: str, line_no: str, level: int | None, refund_no: str | None) -> LineLife | None:
    line = await queries.line(order_no, line_no)
    if line is None:
        return None
    refunds = (await queries.refunds_of([line])).get((order_no, line_no), [])
    if refund_no is not None and refund_no not in {refund.refund_no for refund in refunds}:
        return None
    entries = await queries.entries_of_line(order_no, line_no)
    brand = await policy_value.on(brand, line.paid_on)
    most = await queries.levels_on(line.paid_on)
    closed = await queries.closed()
    taken = rules.applied(line, refunds, closed, dt.timedelta(hours=24 * brand.hold_days))
    levels = _levels(brand, line, taken[max(taken)] if taken else [], await queries.rules_of_sales(), entries, level, most)
    shown = tuple(_up_to(each, refund_no) for each in levels if level is None or each.level == level)
    return LineLife(
        line=line,
        cap_ppm=brand.max_total_rate_ppm,
        max_levels=most,
        levels=shown,
        waiting=tuple(refund for refund in refunds if refund.batch is None),
        last_closed=_last(closed),
        postings=tuple(await queries.postings(sorted({each.statement_no for each in entries if each.statement_no}))),
        disagreements=tuple(_disagreements(brand, line, levels, entries)),
    )


def _last(closed: list[rules.Closed]) -> dt.date | None:
    return max((month.starts_on for month in closed if not month.issuing), default=None)


def _up_to(level: LevelLife, refund_no: str | None) -> LevelLife:
    if refund_no is None:
        return level
    last = [at for at, step in enumerate(level.steps) if step.state.refund and step.state.refund.refund_no == refund_no]
    return msgspec.structs.replace(level, steps=level.steps[: last[0] + 1]) if last else level


def _levels(
    brand: Brand,
    line: rules.Line,
    refunds: list[rules.Refund],
    every: list[rules.Rule],
    entries: list[queries.Entry],
    asked: int | None,
    most: int,
) -> list[LevelLife]:
    barred: Nothing | None = "self_purchase" if line.self_purchase else "wholesale" if line.channel_kind == "wholesale" else None
    chain = line.chain
    verdicts, winners = {}, {}
    for level, (_, its_tier) in enumerate(chain[:most], start=1):
        verdicts[level] = rules.judge([rule for rule in every if rule.level == level], line, its_tier)
        if barred is None and verdicts[level] and verdicts[level][0].reason == "won":
            winners[level] = verdicts[level][0].rule
    states = rules.states(line, refunds)
    prices = [rules.price(line, state, winners, brand.max_total_rate_ppm) for state in states]
    found = []
    for level in range(1, max(most, len(chain), asked or 1) + 1):
        standing: tuple[str | None, str | None] = chain[level - 1] if level <= len(chain) else (None, None)
        reseller, tier = standing
        nothing = barred or ("past_policy" if level > most else "nobody" if reseller is None else None)
        if nothing is None and level not in winners:
            nothing = "no_rule"
        stored = {each.refund_no: each for each in entries if each.level == level}
        found.append(
            LevelLife(
                level=level,
                reseller=reseller,
                tier=tier,
                nothing=nothing,
                verdicts=tuple(verdicts.get(level, ())) if barred is None else (),
                steps=tuple(_steps(level, states, prices, stored)) if nothing is None else (),
            )
        )
    return found


def _steps(
    level: int, states: list[rules.State], prices: list[rules.Pricing], stored: dict[str | None, queries.Entry]
) -> list[Step]:
    found: list[Step] = []
    for state, pricing in zip(states, prices, strict=True):
        share = pricing.of(level)
        if share is None:
            continue
        before = found[-1].after if found else 0
        after = min(before, share.amount) if state.refund else share.amount
        entry = stored.get(state.refund.refund_no if state.refund else None)
        found.append(Step(state=state, pricing=pricing, share=share, before=before, after=after, entry=entry))
    return found


def _disagreements(brand: Brand, line: rules.Line, levels: list[LevelLife], entries: list[queries.Entry]) -> list[Disagreement]:
    """What is stored of the line and reckoned otherwise here. A line that was not accrued yet has nothing stored."""
    if not line.accrued:
        return []
    at = f"{line.order_no}/{line.line_no}"
    found, seen = [], set()
    for level in levels:
        for step in level.steps:
            refund = step.state.refund
            code = f"reversal/{at}/{level.level}/{refund.refund_no}" if refund else f"accrual/{at}/{level.level}"
            seen.add(code)
            found += _compare(brand, line, level, step, code)
    found += [Disagreement(each.code, "amount_minor", "0", str(each.amount_minor)) for each in entries if each.code not in seen]
    return found


def _compare(brand: Brand, line: rules.Line, level: LevelLife, step: Step, code: str) -> list[Disagreement]:
    change, stored = step.after - step.before, step.entry
    if stored is None:
        return [Disagreement(code, "amount_minor", str(change), "0")] if change else []
    matures = line.matures_at(dt.timedelta(hours=24 * brand.hold_days))
    occurred = step.state.refund.refunded_at if step.state.refund else line.paid_at
    pairs = {
        "amount_minor": (change, stored.amount_minor),
        "basis_value": (rules.half_away(step.share.basis), stored.basis_value),
        "rule": (step.share.rule.code, stored.rule),
        "reseller": (level.reseller, stored.reseller),
        "occurred_at": (occurred, stored.occurred_at),
        "matures_at": (max(occurred, matures) if matures is not None else None, stored.matures_at),
    }
    return [Disagreement(code, name, str(mine), str(theirs)) for name, (mine, theirs) in pairs.items() if mine != theirs]


async def _adjustment(code: str) -> AdjustmentLife | None:
    adjustment = await queries.adjustment(code)
    if adjustment is None:
        return None
    (entry,) = await queries.entry_of_adjustment(code)
    closed = await queries.closed()
    return AdjustmentLife(
        adjustment=adjustment,
        entry=entry,
        last_closed=_last(closed),
        postings=tuple(await queries.postings([entry.statement_no] if entry.statement_no else [])),
    )


async def _statement(statement_no: str, only: str | None) -> StatementLife | None:
    found = await queries.statement(statement_no)
    if found is None:
        return None
    postings = await queries.postings([statement_no])
    if only is not None:
        postings = [each for each in postings if each.entry == f"{statement_no}/{only}"]
        if not postings:
            return None
    sums = await queries.sums_on(found)
    entries = [each for kind in KINDS if only in (None, kind) for each in await queries.entries_on(found, kind, MOST_SHOWN)]
    fields = {
        "accrual": found.accrued_minor,
        "reversal": found.reversed_minor,
        "bonus": found.bonus_minor,
        "adjustment": found.adjustment_minor,
    }
    return StatementLife(
        statement=found,
        only=only,
        entries=tuple(entries),
        sums=sums,
        postings=tuple(postings),
        disagreements=tuple(
            Disagreement(f"{statement_no}/{kind}", "amount_minor", str(sums.get(kind, (0, 0))[1]), str(stored))
            for kind, stored in fields.items()
            if sums.get(kind, (0, 0))[1] != stored
        ),
    )
