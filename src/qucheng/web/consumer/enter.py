"""Signing in as a consumer of a brand: with a phone, or with an address that the brand's app has signed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post

from qucheng.campaigns import claim, signed_subject
from qucheng.core import clock, errors, limits, phone
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.consumer import phone_step, visit
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qucheng.campaigns.consumer import Consumer
    from qucheng.identity.brand import Brand

HERE = "/enter/{brand_code:str}"
LOOKS = limits.Limit(name="enter-look", count=600, seconds=300)
ENTRIES = limits.Limit(name="enter-signed", count=120, seconds=600, closed_when_down=True)
# in the address: our name for it, and the name there
NAMES = {"key": "key", "subject": "subject", "until": "until", "nonce": "nonce", "way_on": "next", "signature": "signature"}
ENTRY_REFUSED = (
    signed_subject.EntryUnknownError,
    signed_subject.EntryOverError,
    signed_subject.EntryUsedError,
    limits.LimitedError,
    limits.LimiterDownError,
)
SENTENCES = {
    "entry.unknown": n_("This link is not right. Go back to the app and open it again."),
    "entry.over": n_("This link was good for a few minutes only, and they are over. Go back to the app and open it again."),
    "entry.used": n_("This link was used already. Go back to the app and open it again."),
}


@get(HERE, opt=guards.page(guards.ANYBODY))
async def show(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    """A signed address is not used up by looking: programs that preview links look as well. Whoever is signed in as somebody else goes on
    by hand: an address may have been sent to them.
    """
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    brand = await visit.brand_named(brand_code)
    if "signature" in request.query_params:
        entry = _entry(request.query_params)
        try:
            await signed_subject.check(brand=brand, keys=sites.of(request).keys, entry=entry, now=clock.now())
        except ENTRY_REFUSED as refusal:
            return await _refused(request, brand, refusal)
        who = await visit.who(request, brand)
        return await pages.view(
            request,
            "consumer/enter.html",
            headers=visit.HEADERS,
            brand=brand,
            fields=_fields(entry),
            goes_on=True,
            at_once=who is None or _is(request, brand, who, entry),
        )
    if await visit.who(request, brand) is not None:
        return pages.elsewhere(_way_on(request, brand))
    return await _form(request, brand, phone_step.Step())


@post(HERE, opt=guards.page(guards.ANYBODY), status_code=200)
async def act(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    brand, sent = await visit.brand_named(brand_code), await pages.form(request)
    if "signature" in sent:
        return await _enter(request, brand, sent)
    try:
        if phone_step.sends(sent):
            return await _form(request, brand, await phone_step.send(request, brand, sent))
        token = await phone_step.prove(request, brand, sent)
    except phone_step.REFUSED as refusal:
        step = phone_step.after(sent, brand, refusal)
        return await _form(request, brand, step, refusal, phone_step.fault(request, refusal))
    answer = pages.elsewhere(_way_on(request, brand))
    visit.keep(answer, request, token)
    return answer


async def _enter(request: Request[Any, Any, Any], brand: Brand, sent: dict[str, str]) -> Response[Any]:
    site, entry = sites.of(request), _entry(sent)
    way_on = local(entry.way_on, brand)
    try:
        await site.limit(ENTRIES, subject=auth.network(request))
        token = await signed_subject.enter(
            brand=brand,
            keys=site.keys,
            entry=entry,
            before=auth.cookie(request, visit.COOKIE),
            actor=visit.actor(request),
            now=clock.now(),
        )
    except ENTRY_REFUSED as refusal:
        who = await visit.who(request, brand)
        if who is not None and _is(request, brand, who, entry):  # a second click, and the first one was answered
            return pages.elsewhere(way_on)
        return await _refused(request, brand, refusal)
    answer = pages.elsewhere(way_on)
    visit.keep(answer, request, token)
    return answer


def _is(request: Request[Any, Any, Any], brand: Brand, who: Consumer, entry: signed_subject.Entry) -> bool:
    """Whether it is the person of the address. It opens nothing: who they are is known by their cookie."""
    if claim.SUBJECT.fullmatch(entry.subject) is None:
        return False
    return who.subject == claim.ask(brand=brand, keys=sites.of(request).keys, subject=entry.subject).subject


async def _refused(request: Request[Any, Any, Any], brand: Brand, refusal: errors.RefusedError) -> Response[Any]:
    words, said = pages.words(request), SENTENCES.get(refusal.code)
    return await pages.view(
        request,
        "consumer/enter.html",
        status=refusal.status,
        headers={**visit.HEADERS, **refusals.headers(refusal)},
        brand=brand,
        goes_on=False,
        said=words.gettext(said) if said else refusals.sentence(refusal, words),
    )


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    step: phone_step.Step,
    refusal: errors.RefusedError | None = None,
    *faults: pages.Fault,
) -> Response[Any]:
    return await pages.view(
        request,
        "consumer/sign_in.html",
        status=refusal.status if refusal else 200,
        headers={**visit.HEADERS, **(refusals.headers(refusal) if refusal else {})},
        brand=brand,
        action=visit.sign_in_page(brand, request.query_params.get("next")),
        step=step,
        faults=faults,
        prefix=phone.prefix(brand.currency),
        **phone_step.PERIODS,
    )


def _entry(given: Mapping[str, str]) -> signed_subject.Entry:
    return signed_subject.Entry(**{ours: given.get(theirs, "") for ours, theirs in NAMES.items()})


def _fields(entry: signed_subject.Entry) -> dict[str, str]:
    return {theirs: getattr(entry, ours) for ours, theirs in NAMES.items()}


def _way_on(request: Request[Any, Any, Any], brand: Brand) -> str:
    return local(request.query_params.get("next", ""), brand)


def local(path: str, brand: Brand) -> str:
    """A page for consumers of the brand; their wallet for anything else."""
    code = re.escape(brand.code)
    good = re.fullmatch(rf"/(claim/{code}/[A-Za-z0-9._-]+|wallet/{code}(/[A-Za-z0-9._-]+)?)(\?[!-~]*)?", path)
    return path if good and ".." not in path else f"/wallet/{brand.code}"
