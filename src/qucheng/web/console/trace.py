"""A card found again, and its secret shown. What is looked for is never in an address: it may be a code."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, limits, mail_address, phone
from qucheng.insight import card_holder
from qucheng.stock import rules, secret_reveal, trace
from qucheng.web import auth, guards, pages, refusals, selling_words
from qucheng.web import site as sites
from qucheng.web.console import stops
from qucheng.web.finance import books, desk, step_up
from qucheng.web.texts import n_

if TYPE_CHECKING:
    import uuid

    from qucheng.identity.brand import Brand

FORM, ONE = "/trace", "/cards/{card_id:str}"
# people who look after a complaint, and nobody who tries codes
LOOKS = limits.Limit(name="trace", count=60, seconds=600, closed_when_down=True)
FRESH = dt.timedelta(minutes=5)
LONGEST = 80
WAYS = {
    "code": n_("Whole code"),
    "end": n_("Last four"),
    "order": n_("Order number"),
    "person": n_("Phone or e-mail"),
    "card": n_("Card number"),
    "batch": n_("Batch number"),
}
PURPOSE = n_("Say what for, in 1 to 200 characters: it stays on record.")
PERSON_REFUSED = (phone.PhoneInvalidError, mail_address.MailAddressInvalidError)
REFUSED = (
    secret_reveal.NothingToShowError,
    secret_reveal.RevealPurposeError,
    secret_reveal.RevealQuotaError,
    secret_reveal.RevealUnrecordedError,
)


@get(FORM, opt=guards.page("stock.read"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await view(request, "code", None)


@post(FORM, opt=guards.page("stock.read"), status_code=200)
async def find(request: Request[Any, Any, Any]) -> Response[Any]:
    """The answer does not repeat what was typed."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    way = next((way for way in WAYS if way == sent.get("way")), "code")
    typed = sent.get("typed", "").strip()[:LONGEST]
    await sites.of(request).limit(LOOKS, subject=str(auth.principal(request).user_id))
    found: list[trace.Found] = []
    if typed and "\0" not in typed:
        try:
            found = await _found(request, brand, way, typed)
        except PERSON_REFUSED as refusal:
            fault = pages.Fault(field="typed", message=selling_words.sentence(request, refusal))
            return await view(request, way, None, status=refusal.status, faults=[fault])
    return await view(request, way, found)


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


async def _found(request: Request[Any, Any, Any], brand: Brand, way: str, typed: str) -> list[trace.Found]:
    brand_id, keys = brand.id, sites.of(request).keys
    if way == "code":
        return await trace.by_code(brand_id=brand_id, keys=keys, typed=typed)
    if way == "person":
        return await card_holder.cards_of(brand=brand, keys=keys, typed=typed)
    if way == "end":
        return await trace.by_last_four(brand_id=brand_id, end=typed[-4:])
    if way == "order":
        return await trace.by_orders(brand_id=brand_id, orders=[typed])
    return await _numbered(brand_id, way, typed)


async def _numbered(brand_id: uuid.UUID, way: str, typed: str) -> list[trace.Found]:
    """A batch, or one of its cards."""
    if way == "batch":
        return await trace.by_batch(brand_id=brand_id, batch=int(typed)) if desk.NUMBER.fullmatch(typed) else []
    with contextlib.suppress(rules.CardUnknownError):
        return await trace.by_cards(brand_id=brand_id, cards=[rules.parse_card_id(typed)])
    return []


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


async def view(
    request: Request[Any, Any, Any],
    way: str,
    found: list[trace.Found] | None,
    *,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
    sent: dict[str, str] | None = None,
) -> Response[Any]:
    """sent: what was asked for with the cards that were found."""
    words = pages.words(request)
    done = request.query_params.get("done", "")
    return await pages.view(
        request,
        "console/trace.html",
        status=status,
        faults=faults,
        whats=[(each, words.gettext(word)) for each, word in stops.WHATS.items()],
        sent=sent or {},
        done=int(done) if done.isascii() and done.isdigit() and len(done) < stops.LONGEST else None,
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
