"""The page of an offer: what it is, and one form that signs in and claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.campaigns import claim as claims
from qucheng.campaigns import consumer, offer, offer_page
from qucheng.core import clock, errors, limits, phone
from qucheng.stock import rules
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.consumer import phone_step, usage_words, visit
from qucheng.web.portal import shown

if TYPE_CHECKING:
    from qucheng.campaigns.consumer import Consumer
    from qucheng.identity.brand import Brand

HERE = "/claim/{brand_code:str}/{offer_code:str}"
# many people of a carrier share a network, and an offer opens for all of them at once
LOOKS = limits.Limit(name="claim-look", count=1200, seconds=300)
CLAIMS = limits.Limit(name="claim-page", count=20, seconds=600, closed_when_down=True)
# the page shows which of them it is
OVER: dict[offer_page.State, type[errors.RefusedError]] = {
    "before": claims.NotBegunError,
    "ended": claims.EndedError,
    "sold_out": claims.SoldOutError,
}


@get(HERE, opt=guards.page(guards.ANYBODY))
async def show(
    request: Request[Any, Any, Any], brand_code: params.FromPath[str], offer_code: params.FromPath[str]
) -> Response[Any]:
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    try:
        brand = await visit.brand_named(brand_code)
        return await _view(request, brand, offer_code, await visit.who(request, brand), phone_step.Step())
    except (NotFoundException, offer.OfferUnknownError):
        return await _nothing(request)


@post(HERE, opt=guards.page(guards.ANYBODY), status_code=200)
async def act(
    request: Request[Any, Any, Any], brand_code: params.FromPath[str], offer_code: params.FromPath[str]
) -> Response[Any]:
    """Sent twice it is one claim: who has claimed is led to the same card."""
    sent = await pages.form(request)
    try:
        brand = await visit.brand_named(brand_code)
        who = await visit.who(request, brand)
        if who is not None:
            return await _claim(request, brand, offer_code, who)
        page = await offer_page.read(brand=brand, code=offer_code, now=clock.now())
        if page.state != "running":  # nobody is sent a code for nothing
            return await _view(request, brand, offer_code, None, phone_step.Step(), OVER[page.state]())
        if phone_step.sends(sent):
            return await _view(request, brand, offer_code, None, await phone_step.send(request, brand, sent))
        return await _prove_and_claim(request, brand, offer_code, sent)
    except (NotFoundException, offer.OfferUnknownError):
        return await _nothing(request)
    except phone_step.REFUSED as refusal:
        step = phone_step.after(sent, brand, refusal)
        return await _view(request, brand, offer_code, None, step, refusal, phone_step.fault(request, refusal))


async def _prove_and_claim(request: Request[Any, Any, Any], brand: Brand, code: str, sent: dict[str, str]) -> Response[Any]:
    token = await phone_step.prove(request, brand, sent)
    who = await consumer.principal(keys=sites.of(request).keys, brand_id=brand.id, token=token, now=clock.now())
    assert who is not None  # noqa: S101 - the session was made a moment ago
    answer = await _claim(request, brand, code, who)
    visit.keep(answer, request, token)
    return answer


async def _claim(request: Request[Any, Any, Any], brand: Brand, code: str, who: Consumer) -> Response[Any]:
    try:
        await sites.of(request).limit(CLAIMS, subject=str(who.id))
        made = await claims.DESK.claim(brand=brand, code=code, one=consumer.ask(who), now=clock.now())
    except tuple(OVER.values()) as refusal:
        return await _view(request, brand, code, who, phone_step.Step(), refusal)
    except (limits.LimitedError, limits.LimiterDownError) as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _view(request, brand, code, who, phone_step.Step(), refusal, fault)
    return pages.elsewhere(f"/wallet/{brand.code}/{made.card}")


async def _view(
    request: Request[Any, Any, Any],
    brand: Brand,
    code: str,
    who: Consumer | None,
    step: phone_step.Step,
    refusal: errors.RefusedError | None = None,
    *faults: pages.Fault,
) -> Response[Any]:
    """Raises OfferUnknownError."""
    now, words = clock.now(), pages.words(request)
    page = await offer_page.read(brand=brand, code=code, now=now)
    for state, kind in OVER.items():
        if isinstance(refusal, kind):
            page = msgspec.structs.replace(page, state=state)
    had = await offer_page.claimed(brand=brand, code=code, who=who, now=now) if who is not None else None
    today = rules.local_day(now, brand.time_zone)
    return await pages.view(
        request,
        "consumer/claim.html",
        status=refusal.status if refusal else 200,
        headers={**visit.HEADERS, **(refusals.headers(refusal) if refusal else {})},
        brand=brand,
        offer=page,
        consumer=who,
        had=had,
        step=step,
        faults=faults,
        prefix=phone.prefix(brand.currency),
        lines=usage_words.when(page.use.rule, words, today),
        chinese=words.chinese,
        symbol=shown.symbol(brand, words),
        worth=lambda minor: shown.worth(minor, brand.decimals),
        **phone_step.PERIODS,
    )


async def _nothing(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "consumer/claim_unknown.html", status=404, headers=visit.HEADERS)
