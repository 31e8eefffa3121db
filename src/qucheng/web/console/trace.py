"""A card found again, and its secret shown. What is looked for is never in an address: it may be a code."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, limits
from qucheng.stock import rules, secret_reveal, trace
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.finance import books, desk, step_up
from qucheng.web.texts import n_

FORM, ONE = "/trace", "/cards/{card_id:str}"
# people who look after a complaint, and nobody who tries codes
LOOKS = limits.Limit(name="trace", count=60, seconds=600, closed_when_down=True)
FRESH = dt.timedelta(minutes=5)
LONGEST = 80
WAYS = {
    "code": n_("Whole code"),
    "end": n_("Last four"),
    "order": n_("Order number"),
    "card": n_("Card number"),
    "batch": n_("Batch number"),
}
PURPOSE = n_("Say what for, in 1 to 200 characters: it stays on record.")
REFUSED = (
    secret_reveal.NothingToShowError,
    secret_reveal.RevealPurposeError,
    secret_reveal.RevealQuotaError,
    secret_reveal.RevealUnrecordedError,
)


@get(FORM, opt=guards.page("stock.read"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request, "code", None)


@post(FORM, opt=guards.page("stock.read"), status_code=200)
async def find(request: Request[Any, Any, Any]) -> Response[Any]:
    """The answer does not repeat what was typed."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    way = next((way for way in WAYS if way == sent.get("way")), "code")
    typed = sent.get("typed", "").strip()[:LONGEST]
    await sites.of(request).limit(LOOKS, subject=str(auth.principal(request).user_id))
    found: list[trace.Found] = []
    if typed and "\0" not in typed:
        found = await _found(request, brand.id, way, typed)
    return await _view(request, way, found)


@get(ONE, opt=guards.page("stock.read"))
async def card(request: Request[Any, Any, Any], card_id: params.FromPath[str]) -> Response[Any]:
    return await _card(request, card_id, 200, (), {})


@post("/cards/{card_id:str}/reveal", opt=guards.page("secrets.reveal", form=FORM), status_code=200)
async def reveal(request: Request[Any, Any, Any], card_id: params.FromPath[str]) -> Response[Any]:
    """With a second factor of the last minutes: the session's, or a code."""
    sent, brand, who = await pages.form(request), await books.brand_of(request), auth.principal(request)
    await _read(request, card_id)
    try:
        if not fresh(request):
            await step_up.require(request, sent.get("code", ""))
        shown = await secret_reveal.reveal_card(
            brand=brand,
            keys=sites.of(request).keys,
            card=card_id,
            viewer=secret_reveal.Viewer(kind="user", id=who.user_id),
            purpose=sent.get("purpose", ""),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except step_up.REFUSED as refusal:
        faults = [step_up.fault(request, refusal)]
        return await _card(request, card_id, step_up.status(refusal), faults, sent, headers=refusals.headers(refusal))
    except REFUSED as refusal:
        words = pages.words(request)
        unfit = isinstance(refusal, secret_reveal.RevealPurposeError)
        text = words.gettext(PURPOSE) if unfit else refusals.sentence(refusal, words)
        faults = [pages.Fault(field="purpose" if unfit else None, message=text)]
        return await _card(request, card_id, refusal.status, faults, sent, headers=refusals.headers(refusal))
    return await _card(request, card_id, 200, (), {}, shown=shown)


def fresh(request: Request[Any, Any, Any]) -> bool:
    """Whether the session has given its second factor just now."""
    given = auth.principal(request).second_factor_at
    return given is not None and clock.now() - given <= FRESH


async def _found(request: Request[Any, Any, Any], brand_id: Any, way: str, typed: str) -> list[trace.Found]:  # noqa: ANN401 - its id
    if way == "code":
        return await trace.by_code(brand_id=brand_id, keys=sites.of(request).keys, typed=typed)
    if way == "end":
        return await trace.by_last_four(brand_id=brand_id, end=typed[-4:])
    if way == "order":
        return await trace.by_orders(brand_id=brand_id, orders=[typed])
    if way == "batch":
        return await trace.by_batch(brand_id=brand_id, batch=int(typed)) if desk.NUMBER.fullmatch(typed) else []
    try:
        batch, number = rules.parse_card_id(typed)
    except rules.CardUnknownError:
        return []
    one = await trace.by_card(brand_id=brand_id, batch=batch, number=number)
    return [one] if one else []


async def _read(request: Request[Any, Any, Any], card_id: str) -> trace.Found:
    brand = await books.brand_of(request)
    try:
        batch, number = rules.parse_card_id(card_id)
    except rules.CardUnknownError:
        raise NotFoundException from None
    found = await trace.by_card(brand_id=brand.id, batch=batch, number=number)
    if found is None:
        raise NotFoundException
    return found


async def _view(request: Request[Any, Any, Any], way: str, found: list[trace.Found] | None) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        "console/trace.html",
        brand=await books.brand_of(request),
        way=way,
        ways=[(each, words.gettext(word)) for each, word in WAYS.items()],
        found=found,
        most=trace.MOST,
    )


async def _card(
    request: Request[Any, Any, Any],
    card_id: str,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    sent: dict[str, str],
    *,
    shown: secret_reveal.Shown | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    brand, found = await books.brand_of(request), await _read(request, card_id)
    events = await trace.events(brand_id=brand.id, batch=found.batch, number=found.number)
    reveals = await trace.reveals(brand_id=brand.id, batch=found.batch, number=found.number)
    people = [each.user_id for each in events if each.user_id] + [each.viewer for each in reveals if each.viewer_kind == "user"]
    return await pages.view(
        request,
        "console/card.html",
        status=status,
        headers=headers,
        faults=faults,
        brand=brand,
        card_id=card_id,
        card=found,
        events=events,
        reveals=reveals,
        names=await desk.names(request, people),
        shown=shown,
        sent=sent,
        may_reveal="secrets.reveal" in auth.principal(request).permissions and found.state in secret_reveal.SHOWABLE,
        needs_code=not fresh(request),
    )
