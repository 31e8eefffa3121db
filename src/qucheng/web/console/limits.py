"""Tightening a brand's limits from a day on: what they would do is shown first; asked for with a one-time code, decided by another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from qucheng.commission import limits_preview
from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.identity import policy_value
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, refusals, texts
from qucheng.web.console import compliance, plan_rates
from qucheng.web.finance import books, desk, step_up
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE = "/compliance/limits"
PPM_DECIMALS = 6
NO_RATE = n_("A percentage such as 28 or 27.5.")
NO_COUNT = n_("A whole number from 1 on.")
REFUSED = (
    policy_value.TightenLooserError,
    policy_value.TightenDayError,
    policy_value.TightenDeeperError,
    policy_value.TightenAskedError,
    approvals.NotAllowedToAskError,
    *step_up.REFUSED,
)
FIELDS = {policy_value.TightenDayError: "starts_on", policy_value.TightenDeeperError: "max_depth"}


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    max_depth: str = ""
    max_levels: str = ""
    max_total_rate: str = ""
    starts_on: str = ""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Of the plan, and who would stand too deep."""

    plan: limits_preview.Preview
    deeper: list[policy_value.Deeper]


@get(HERE, opt=guards.page("policy.request"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    """With limits in the address it shows what they would do; nothing is saved."""
    brand = await books.brand_of(request)
    given = _typed(request.query_params)
    if not given.starts_on:
        return await _form(request, brand, await _standing(brand), [], 200)
    wanted, starts_on, faults = _read(given, pages.words(request))
    if wanted is not None and starts_on is not None:
        try:
            await policy_value.require(brand_id=brand.id, wanted=wanted, starts_on=starts_on, today=_today(brand))
        except REFUSED as refusal:
            faults = [_fault(request, refusal)]
            looser = isinstance(refusal, policy_value.TightenDeeperError)
            return await _form(request, brand, given, faults, refusal.status, (wanted, starts_on) if looser else None)
    return await _form(
        request, brand, given, faults, 422 if faults else 200, (wanted, starts_on) if wanted and starts_on else None
    )


@post(HERE, opt=guards.page("policy.request"), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = _typed(sent)
    wanted, starts_on, faults = _read(given, pages.words(request))
    if wanted is None or starts_on is None:
        return await _form(request, brand, given, faults, 422)
    try:
        await step_up.require(request, sent.get("code", ""))
        approval_id = await policy_value.ask(
            principal=auth.principal(request),
            brand=brand,
            wanted=wanted,
            starts_on=starts_on,
            today=_today(brand),
            actor=auth.actor(request),
        )
    except REFUSED as refusal:
        status = step_up.status(refusal) if isinstance(refusal, step_up.REFUSED) else refusal.status
        return await _form(request, brand, given, [_fault(request, refusal)], status, (wanted, starts_on), refusal)
    return pages.elsewhere(f"/approvals/{approval_id}")


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: Typed,
    faults: list[pages.Fault],
    status: int,
    asked: tuple[policy_value.Limits, dt.date] | None = None,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    terms = await policy_value.terms(brand_id=brand.id)
    return await pages.view(
        request,
        "console/compliance_limits.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        faults=faults,
        brand=brand,
        given=given,
        earliest=_today(brand) + dt.timedelta(days=1),
        terms=[(each, shown.percent(each.max_total_rate_ppm)) for each in terms],
        names=await desk.names(request, [person for each in terms for person in (each.author, each.approver)]),
        effect=await _effect(brand, *asked) if asked is not None else None,
    )


async def _effect(brand: Brand, wanted: policy_value.Limits, starts_on: dt.date) -> Effect:
    return Effect(
        plan=await limits_preview.preview(brand=brand, limits=wanted, since=starts_on),
        deeper=await policy_value.deeper(brand_id=brand.id, since=starts_on, max_depth=wanted.max_depth),
    )


async def _standing(brand: Brand) -> Typed:
    """What is known last, as one types it."""
    last = (await policy_value.terms(brand_id=brand.id))[0]
    rate = shown.percent(last.max_total_rate_ppm).removesuffix("%")
    return Typed(max_depth=str(last.max_depth), max_levels=str(last.max_levels), max_total_rate=rate)


def _today(brand: Brand) -> dt.date:
    return compliance.today(brand, clock.now())


def _typed(sent: Mapping[str, str]) -> Typed:
    return Typed(**{name: desk.text(sent.get(name)).strip() for name in Typed.__struct_fields__})


def _read(given: Typed, words: texts.Texts) -> tuple[policy_value.Limits | None, dt.date | None, list[pages.Fault]]:
    """The limits and their day, or what is wrong with each field."""
    faults, found = [], {}
    for name in ("max_depth", "max_levels"):
        typed: str = getattr(given, name)
        if typed in ("1", "2", "3"):
            found[name] = int(typed)
        else:
            faults.append(pages.Fault(field=name, message=words.gettext(NO_COUNT)))
    try:
        rate = plan_rates.share(given.max_total_rate)
        found["max_total_rate_ppm"] = int(rate.partition(".")[0] + rate.partition(".")[2].ljust(PPM_DECIMALS, "0"))
    except ValueError:
        faults.append(pages.Fault(field="max_total_rate", message=words.gettext(NO_RATE)))
    starts_on = books.day(given.starts_on)
    if starts_on is None:
        faults.append(pages.Fault(field="starts_on", message=words.gettext(compliance.NO_DAY)))
    return (policy_value.Limits(**found) if not faults else None), starts_on, faults


def _fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    if isinstance(refusal, step_up.REFUSED):
        return step_up.fault(request, refusal)
    return pages.Fault(field=FIELDS.get(type(refusal)), message=refusals.sentence(refusal, pages.words(request)))
