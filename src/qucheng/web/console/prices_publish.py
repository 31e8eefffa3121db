"""From a draft to a price in force: opened, brought up to date, submitted with a one-time code, withdrawn or discarded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post

from qucheng.catalog import (
    price_affected,
    price_errors,
    price_faults,
    price_labels,
    price_rebase,
    price_records,
    price_version,
)
from qucheng.commission import linter, price_plan
from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import prices_asked
from qucheng.web.finance import books, desk, step_up
from qucheng.web.texts import n_

MATRIX = prices_asked.MATRIX
LISTED, CASES = 50, 10
FAULT_WORDS = {
    "price.under_floor": n_("under the floor"),
    "price.floor_under_cost": n_("floor under the cost"),
    "price.closed": n_("priced for a tier though not sold in the channel"),
}


@post("/prices/draft", opt=guards.page("prices.edit", form=MATRIX), status_code=200)
async def open_draft(request: Request[Any, Any, Any]) -> Response[Any]:
    """restore: the version whose prices are to come back."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    restore = sent.get("restore", "")
    try:
        await price_version.open_draft(
            brand_id=brand.id,
            restore=int(restore) if desk.NUMBER.fullmatch(restore) else None,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except price_errors.PriceDraftExistsError:
        return pages.elsewhere(MATRIX)
    return pages.elsewhere(f"{MATRIX}?done=opened")


@get("/prices/draft/discard", opt=guards.page("prices.edit"))
async def doubt(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    draft = await _standing(brand)
    if draft is None:
        return pages.elsewhere(MATRIX)
    return await pages.view(request, "console/prices_discard.html", draft=draft, number=draft.number)


@post("/prices/draft/discard", opt=guards.page("prices.edit"), status_code=200)
async def discard(request: Request[Any, Any, Any]) -> Response[Any]:
    """The one that the page showed, and no other."""
    brand, number = await books.brand_of(request), await _number(request)
    try:
        await price_version.discard(brand_id=brand.id, number=number, actor=auth.actor(request), now=clock.now())
    except (price_errors.PriceStateError, price_errors.PriceVersionUnknownError):
        return pages.elsewhere(MATRIX)
    return pages.elsewhere(f"{MATRIX}?done=discarded")


@post("/prices/draft/withdraw", opt=guards.page("prices.request", form=MATRIX), status_code=200)
async def withdraw(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, number = await books.brand_of(request), await _number(request)
    try:
        await price_version.reopen(brand_id=brand.id, number=number, actor=auth.actor(request), now=clock.now())
    except (price_errors.PriceStateError, price_errors.PriceVersionUnknownError):
        return pages.elsewhere(MATRIX)
    return pages.elsewhere(f"{MATRIX}?done=withdrawn")


@get("/prices/draft/update", opt=guards.page("prices.edit"))
async def overtaken(request: Request[Any, Any, Any]) -> Response[Any]:
    """What was approved since the draft was opened, beside what the draft says."""
    brand = await books.brand_of(request)
    draft = await _standing(brand)
    if draft is None:
        return pages.elsewhere(MATRIX)
    found = await price_rebase.overtaken(brand_id=brand.id, number=draft.number)
    return await pages.view(
        request,
        "console/prices_update.html",
        brand=brand,
        draft=draft,
        found=found,
        labels=await price_labels.labels(brand_id=brand.id, day=prices_asked.today(brand)),
    )


@post("/prices/draft/update", opt=guards.page("prices.edit"), status_code=200)
async def bring_up_to_date(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, number = await books.brand_of(request), await _number(request)
    try:
        await price_rebase.bring_up_to_date(brand_id=brand.id, number=number, actor=auth.actor(request), now=clock.now())
    except (price_errors.PriceStateError, price_errors.PriceVersionUnknownError):
        return pages.elsewhere(MATRIX)
    return pages.elsewhere(f"{MATRIX}?done=updated")


@get("/prices/draft/submit", opt=guards.page("prices.request"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    draft = await _standing(brand)
    if draft is None or draft.state != "draft":
        return pages.elsewhere(MATRIX)
    tomorrow = prices_asked.today(brand) + dt.timedelta(days=1)
    return await _form(request, brand, draft, {"effective_on": tomorrow.isoformat(), "name": draft.name or ""}, 200, ())


@post("/prices/draft/submit", opt=guards.page("prices.request"), status_code=200)
async def submit(request: Request[Any, Any, Any]) -> Response[Any]:  # noqa: PLR0911 - each refusal has its place
    """What cannot be submitted is said before a code is used up."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    draft = await _standing(brand)
    if draft is None or draft.state != "draft" or str(draft.number) != sent.get("number"):
        return pages.elsewhere(MATRIX)
    day, name = books.day(sent.get("effective_on")), desk.text(sent.get("name"))
    words, now, actor = pages.words(request), clock.now(), auth.actor(request)
    if day is None or day <= prices_asked.today(brand):
        message = words.gettext("Choose a day after today, like 2026-11-10.")
        return await _form(request, brand, draft, sent, 422, [pages.Fault(field="effective_on", message=message)])
    status, faults = await _standing_in_the_way(request, brand, draft.number, day)
    if faults:
        return await _form(request, brand, draft, sent, status, faults)
    try:
        await step_up.require(request, sent.get("code", ""))
        if name != (draft.name or ""):
            await price_version.rename(brand_id=brand.id, number=draft.number, name=name or None, actor=actor, now=now)
        asked = await price_plan.submit(
            brand=brand, principal=auth.principal(request), number=draft.number, effective_on=day, actor=actor, now=now
        )
    except step_up.REFUSED as refusal:
        fault = step_up.fault(request, refusal)
        return await _form(request, brand, draft, sent, step_up.status(refusal), [fault], refusal)
    except price_errors.PriceStateError:
        return pages.elsewhere(MATRIX)
    except price_plan.PricePlanError as refusal:
        return await _form(request, brand, draft, sent, refusal.status, _broken(request, refusal.findings))
    except (
        price_errors.PriceFaultsError,
        price_errors.PriceNoChangesError,
        price_errors.PriceOvertakenError,
        price_errors.PriceEffectiveError,
        approvals.NotAllowedToAskError,
    ) as refusal:
        return await _form(request, brand, draft, sent, refusal.status, [_refused(request, refusal)])
    return pages.elsewhere(f"/prices/versions/{draft.number}?asked={asked}")


async def _standing_in_the_way(
    request: Request[Any, Any, Any], brand: Brand, number: int, day: dt.date
) -> tuple[int, list[pages.Fault]]:
    """The status of an answer that refuses it, and why."""
    blockers = await price_faults.faults(brand_id=brand.id, version=number, from_day=day, most=1)
    if blockers.count:
        return 422, [_refused(request, price_errors.PriceFaultsError(blockers.count))]
    if await price_rebase.overtaken(brand_id=brand.id, number=number) is not None:
        refusal = price_errors.PriceOvertakenError("Another version was approved since it was made.")
        return refusal.status, [_refused(request, refusal)]
    try:
        await price_plan.require(brand=brand, version=number, since=day, actor=auth.actor(request))
    except price_plan.PricePlanError as broken:
        return broken.status, _broken(request, broken.findings)
    return 200, []


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    draft: price_records.Version,
    given: dict[str, str],
    status: int,
    faults: Sequence[pages.Fault],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    day = books.day(given.get("effective_on")) or prices_asked.today(brand)
    affected = await price_affected.affected(brand_id=brand.id, version=draft.number, now=clock.now(), most=1)
    words = pages.words(request)
    return await pages.view(
        request,
        "console/prices_submit.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        faults=faults,
        brand=brand,
        draft=draft,
        given=given,
        tomorrow=prices_asked.today(brand) + dt.timedelta(days=1),
        blockers=await price_faults.faults(brand_id=brand.id, version=draft.number, from_day=day, most=LISTED),
        words={code: words.gettext(word) for code, word in FAULT_WORDS.items()},
        overtaken=await price_rebase.overtaken(brand_id=brand.id, number=draft.number),
        affected=affected,
        labels=await price_labels.labels(brand_id=brand.id, day=prices_asked.today(brand)),
    )


def _refused(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    field = "effective_on" if isinstance(refusal, price_errors.PriceEffectiveError) else None
    return pages.Fault(field=field, message=refusals.sentence(refusal, pages.words(request)))


def _broken(request: Request[Any, Any, Any], findings: Sequence[linter.Finding]) -> list[pages.Fault]:
    """What the plan would pay too much at the new prices, case by case."""
    chinese = pages.language_of(request) == "zh-CN"
    return [pages.Fault(message=each.zh if chinese else each.en) for each in findings[:CASES]]


async def _standing(brand: Brand) -> price_records.Version | None:
    return (await price_version.current(brand_id=brand.id, now=clock.now())).draft


async def _number(request: Request[Any, Any, Any]) -> int:
    """Of the version that a form is about; 0 where it says none."""
    number = (await pages.form(request)).get("number", "")
    return int(number) if desk.NUMBER.fullmatch(number) else 0
