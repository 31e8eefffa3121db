"""Relying on a lawyer's opinion: asked for by an owner with a one-time code, decided by another."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.identity import legal_opinion
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import compliance
from qucheng.web.finance import books, step_up
from qucheng.web.texts import n_

HERE = "/compliance/opinion"
NO_REFERENCE = n_("The reference of the opinion, of at most 80 characters.")
NO_DATE = n_("A day after tomorrow at the earliest, and %(latest)s at the latest: an opinion holds for twelve months at most.")
REFUSED = (
    legal_opinion.OpinionNotNeededError,
    legal_opinion.OpinionReferenceError,
    legal_opinion.OpinionDatesError,
    legal_opinion.OpinionAskedError,
    approvals.NotAllowedToAskError,
    *step_up.REFUSED,
)


@get(HERE, opt=guards.page("policy.request"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    return await _form(request, brand, {"reference": "", "expires_on": ""})


@post(HERE, opt=guards.page("policy.request"), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: sent.get(name, "").strip() for name in ("reference", "expires_on")}
    try:
        await step_up.require(request, sent.get("code", ""))
        approval_id = await legal_opinion.ask(
            principal=auth.principal(request),
            brand=brand,
            reference=given["reference"],
            expires_on=books.day(given["expires_on"]) or dt.date.min,
            today=compliance.today(brand, clock.now()),
            actor=auth.actor(request),
        )
    except REFUSED as refusal:
        return await _form(request, brand, given, refusal)
    return pages.elsewhere(f"{compliance.HERE}?asked={approval_id}")


async def _form(
    request: Request[Any, Any, Any], brand: Brand, given: dict[str, str], refusal: errors.RefusedError | None = None
) -> Response[Any]:
    today = compliance.today(brand, clock.now())
    return await pages.view(
        request,
        "console/compliance_opinion.html",
        status=_status(refusal),
        headers=refusals.headers(refusal) if refusal else None,
        brand=brand,
        given=given,
        latest=legal_opinion.latest(today),
        coverage=await legal_opinion.coverage(brand=brand, today=today),
        needed=brand.policy == legal_opinion.POLICY,
        faults=[_fault(request, refusal, legal_opinion.latest(today))] if refusal else (),
    )


def _status(refusal: errors.RefusedError | None) -> int:
    if refusal is None:
        return 200
    return step_up.status(refusal) if isinstance(refusal, step_up.REFUSED) else refusal.status


def _fault(request: Request[Any, Any, Any], refusal: errors.RefusedError, latest: dt.date) -> pages.Fault:
    words = pages.words(request)
    if isinstance(refusal, legal_opinion.OpinionReferenceError):
        return pages.Fault(field="reference", message=words.gettext(NO_REFERENCE))
    if isinstance(refusal, legal_opinion.OpinionDatesError):
        return pages.Fault(field="expires_on", message=words.gettext(NO_DATE) % {"latest": latest})
    if isinstance(refusal, step_up.REFUSED):
        return step_up.fault(request, refusal)
    return pages.Fault(message=refusals.sentence(refusal, words))
