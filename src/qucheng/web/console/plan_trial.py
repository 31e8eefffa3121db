"""An order tried against a plan: who would earn on it, by which rule, and why not by another. Nothing of it is kept."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get

from qucheng.commission import plan_version
from qucheng.core import money
from qucheng.insight import explain_texts, explain_words, plan_trial
from qucheng.web import guards, pages
from qucheng.web.console import plan_desk, plan_rates, plan_told
from qucheng.web.finance import books
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.insight import rules

TRIAL = "/plans/trial"
FIELDS = ("plan", "reseller", "channel", "sku", "quantity", "price", "discount", "day")
MOST_DIGITS = 7
NOON = 12
SENTENCES = {
    "quantity": n_("Write how many units, from 1 to 1,000,000."),
    "price": n_("Write the price of one unit such as 25.00."),
    "discount": n_("Write a discount such as 5.00, and not more than the whole order."),
    "day": n_("Write a date such as 2026-12-01."),
    "reseller": n_("There is no reseller of this code who had joined by that day."),
    "channel": n_("There is no channel of this code."),
    "sku": n_("There is no SKU of this code."),
    "plan": n_("There is no such plan."),
}
NOTHING = {
    "wholesale": n_("Nothing: this is a wholesale channel, where the price is the whole reward"),
    "past_policy": n_("Nothing: the policy lets nobody earn at this level"),
    "nobody": n_("Nothing: nobody stands there"),
    "no_rule": n_("Nothing: no rule fits"),
}
TERMS = {"net": n_("What the buyer paid"), "gross": n_("Value before discount"), "margin": n_("Margin"), "unit": n_("Units")}


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """terms: boxes of the reckoning, each with a sign, a label, a value and a note. lost: rules that did not apply, and why."""

    number: int
    who: str
    nothing: str | None
    rule: plan_told.Told | None
    terms: tuple[tuple[str, str, str, str], ...]
    amount: str
    lost: tuple[tuple[str, str], ...]


@get(TRIAL, opt=guards.page("plans.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """An address with an order in it shows what it would earn; so a trial can be kept and sent."""
    desk = await plan_desk.of(request)
    asked = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    tried = bool(asked["reseller"] or asked["sku"])
    plans = await _plans(desk)
    faults: list[pages.Fault] = []
    trial = None
    if tried:
        trial, faults = await _tried(desk, asked, plans)
    given = {
        **asked,
        "plan": asked["plan"] or plans[0][0],
        "quantity": asked["quantity"] or "1",
        "day": asked["day"] or str(plan_desk.today(desk.brand)),
    }
    return await plan_desk.view(
        request,
        "plan_trial",
        desk,
        status=422 if faults else 200,
        given=given,
        plans=plans,
        choices=desk.choices,
        faults=faults,
        trial=trial,
        levels=[_level(desk, each, trial) for each in trial.levels] if trial else [],
        earned=_earned(desk, trial),
        figure=lambda minor: money.format_display(minor, desk.brand.decimals),
    )


def _earned(desk: plan_desk.Desk, trial: plan_trial.Trial | None) -> str:
    """Of all levels, after the cap."""
    shares = [level.share for level in trial.levels if level.share] if trial else []
    return money.format_display(sum(share.amount for share in shares), desk.brand.decimals)


async def _plans(desk: plan_desk.Desk) -> list[tuple[str, str]]:
    """The draft first, then what is in force, then the others: value and word."""
    every = await plan_version.versions(brand=desk.brand)
    drafts = [each for each in every if each.state in {"draft", "submitted"}]
    words = desk.words
    return [
        *((str(each.number), words.gettext(n_("Draft, plan %(number)s")) % {"number": each.number}) for each in drafts),
        ("live", words.gettext(n_("In force"))),
        *(
            (str(each.number), words.gettext(n_("Plan %(number)s")) % {"number": each.number})
            for each in every
            if each.state == "approved"
        ),
    ]


async def _tried(
    desk: plan_desk.Desk, asked: dict[str, str], plans: list[tuple[str, str]]
) -> tuple[plan_trial.Trial | None, list[pages.Fault]]:
    quantity, price = _whole(asked["quantity"] or "1"), _money(desk, asked["price"])
    discount, day = _money(desk, asked["discount"] or "0"), books.day(asked["day"]) or plan_desk.today(desk.brand)
    wrong = [name for name, value in (("quantity", quantity), ("price", price), ("discount", discount)) if value is None]
    if asked["day"] and books.day(asked["day"]) is None:
        wrong.append("day")
    plan = asked["plan"] or plans[0][0]
    if plan not in {value for value, _ in plans}:
        wrong.append("plan")
    if wrong or quantity is None or price is None or discount is None:
        return None, _faults(desk, wrong)
    noon = dt.datetime.combine(day, dt.time(NOON), tzinfo=zoneinfo.ZoneInfo(desk.brand.time_zone))
    try:
        trial = await plan_trial.try_order(
            brand=desk.brand,
            number=None if plan == "live" else int(plan),
            reseller=asked["reseller"],
            channel=asked["channel"],
            sku=asked["sku"],
            quantity=quantity,
            gross_minor=price * quantity,
            discount_minor=discount,
            paid_at=noon,
        )
    except plan_trial.TrialInvalidError as refusal:
        names = {"paid_at": "day", "gross": "price", "gross_minor": "price", "discount_minor": "discount", "number": "plan"}
        return None, _faults(desk, [names.get(name, name) for name in refusal.faults])
    return trial, []


def _faults(desk: plan_desk.Desk, fields: list[str]) -> list[pages.Fault]:
    return [pages.Fault(field=name, message=desk.words.gettext(SENTENCES[name])) for name in dict.fromkeys(fields)]


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and int(text) > 0 else None


def _money(desk: plan_desk.Desk, text: str) -> int | None:
    try:
        found = money.parse_typed(text, desk.brand.decimals)
    except ValueError:
        return None
    return found if found >= 0 else None


def _level(desk: plan_desk.Desk, level: plan_trial.TrialLevel, trial: plan_trial.Trial) -> Level:
    words = desk.words
    share = level.share
    name = desk.names["reseller"].get(level.reseller or "", level.reseller or "")
    tier = desk.names["tier"].get(level.tier or "", level.tier or "")
    return Level(
        number=level.level,
        who=f"{name} · {tier}" if level.reseller else "",
        nothing=words.gettext(NOTHING[level.nothing]) if level.nothing else None,
        rule=plan_told.told(share.rule, words, desk.names) if share else None,
        terms=_terms(desk, share, trial) if share else (),
        amount=money.format_display(share.amount if share else 0, desk.brand.decimals),
        lost=tuple((each.rule.code, _why(desk, each)) for each in level.verdicts if each.reason != "won"),
    )


def _terms(desk: plan_desk.Desk, share: rules.Share, trial: plan_trial.Trial) -> tuple[tuple[str, str, str, str], ...]:
    """Basis × rate = amount, and what the cap makes of it."""
    words, rule = desk.words, share.rule
    basis = explain_words.plain(share.basis)
    if rule.basis != "unit" and share.basis.denominator == 1:
        basis = money.format_display(share.basis.numerator, desk.brand.decimals)
    rounded = money.format_display(share.rounded, desk.brand.decimals)
    terms = [
        ("", words.gettext(TERMS[rule.basis]), basis, ""),
        ("×", words.gettext(n_("Rate")), plan_rates.shown(rule.kind, rule.basis, rule.rate_text), rule.code),
        ("=", words.gettext(n_("By the rule")), rounded, words.gettext(n_("rounded half up"))),
    ]
    if trial.capped:
        cut = money.format_display(share.amount, desk.brand.decimals)
        terms.append(("→", words.gettext(n_("Its share of the cap")), cut, ""))
    return tuple(terms)


def _why(desk: plan_desk.Desk, verdict: rules.Verdict) -> str:
    reason = f"{verdict.reason}_lost" if verdict.reason in plan_told.FILTERS else verdict.reason
    sentence = explain_texts.SENTENCES[reason][0 if desk.words.chinese else 1]
    return sentence.format(here=verdict.here, there=verdict.there)
