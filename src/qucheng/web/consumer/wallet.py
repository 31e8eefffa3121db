"""The wallet of a consumer: their cards, the moving code of one of them, and what is printed on it."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.campaigns import consumer, wallet
from qucheng.core import clock, limits
from qucheng.stock import rules, secret_reveal, stop
from qucheng.web import auth, guards, pages, qr_codes, refusals
from qucheng.web import site as sites
from qucheng.web.consumer import usage_words, visit
from qucheng.web.portal import shown

if TYPE_CHECKING:
    from qucheng.campaigns.consumer import Consumer
    from qucheng.identity.brand import Brand

HERE, ONE = "/wallet/{brand_code:str}", "/wallet/{brand_code:str}/{card_id:str}"
LOOKS = limits.Limit(name="wallet-look", count=120, seconds=300)
# a step takes fifteen seconds: four of them a minute, and some asked for by hand
CODES = limits.Limit(name="wallet-code", count=40, seconds=60)
REVEALS = limits.Limit(name="wallet-reveal", count=20, seconds=600, closed_when_down=True)
REFUSED = (
    secret_reveal.NothingToShowError,
    secret_reveal.RevealQuotaError,
    secret_reveal.RevealUnrecordedError,
    stop.CardStateError,
    limits.LimitedError,
    limits.LimiterDownError,
)
PAGE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
MILLISECOND = dt.timedelta(milliseconds=1)


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    brand: Brand
    who: Consumer

    @property
    def here(self) -> str:
        return f"/wallet/{self.brand.code}"


@get(HERE, opt=guards.page(guards.ANYBODY))
async def listing(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    visitor = await _visitor(request, brand_code)
    await sites.of(request).limit(LOOKS, subject=str(visitor.who.id))
    now = clock.now()
    asked = request.query_params.get("page", "1")
    page = int(asked) if PAGE.fullmatch(asked) else 1
    cards = await wallet.cards(brand=visitor.brand, who=visitor.who, now=now, page=page, most=wallet.PAGE)
    if page > 1 and not cards.shown:
        raise NotFoundException
    today = rules.local_day(now, visitor.brand.time_zone)
    usable = [card for card in cards.shown if card.condition(today) == "usable"]
    return await _view(
        request,
        visitor,
        "wallet.html",
        today=today,
        cards=cards,
        usable=usable,
        others=cards.shown[len(usable) :],
        pager=_pager(visitor, cards, page),
    )


@get(ONE, opt=guards.page(guards.ANYBODY))
async def card(request: Request[Any, Any, Any], brand_code: params.FromPath[str], card_id: params.FromPath[str]) -> Response[Any]:
    """Nothing on it can be used before it is asked for: programs that preview pages look as well."""
    visitor = await _visitor(request, brand_code)
    await sites.of(request).limit(LOOKS, subject=str(visitor.who.id))
    return await _card(request, visitor, await _opened(visitor, card_id))


@post(f"{ONE}/code", opt=guards.page(guards.ANYBODY), status_code=200)
async def code(request: Request[Any, Any, Any], brand_code: params.FromPath[str], card_id: params.FromPath[str]) -> Response[Any]:
    """The code of now: as a part for the page that has it already, or as the page."""
    visitor = await _visitor(request, brand_code)
    site, sent, now = sites.of(request), await pages.form(request), clock.now()
    await site.limit(CODES, subject=str(visitor.who.id))
    store = sent.get("store", "")
    try:
        found = await wallet.show(brand=visitor.brand, keys=site.keys, who=visitor.who, card=card_id, store=store, now=now)
    except rules.CardUnknownError:
        raise NotFoundException from None
    part = request.headers.get("hx-request") is not None
    answer = await _card(request, visitor, found, store=store, part=part, now=now)
    if store in {place.code for place in found.use.places}:
        auth.give(answer, request, "store", f"{visitor.brand.code}/{store}", kept=visit.STORE_KEPT_DAYS * 24 * 3600)
    elif "store" in sent:
        auth.take_back(answer, request, "store")
    return answer


@post(f"{ONE}/reveal", opt=guards.page(guards.ANYBODY), status_code=200)
async def reveal(
    request: Request[Any, Any, Any], brand_code: params.FromPath[str], card_id: params.FromPath[str]
) -> Response[Any]:
    visitor, site = await _visitor(request, brand_code), sites.of(request)
    try:
        await site.limit(REVEALS, subject=str(visitor.who.id))
        printed = await wallet.reveal(
            brand=visitor.brand,
            keys=site.keys,
            who=visitor.who,
            card=card_id,
            actor=visit.actor(request),
            now=clock.now(),
        )
    except rules.CardUnknownError:
        raise NotFoundException from None
    except REFUSED as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        found = await _opened(visitor, card_id)
        return await _card(request, visitor, found, status=refusal.status, headers=refusals.headers(refusal), faults=[fault])
    return await _card(request, visitor, await _opened(visitor, card_id), printed=printed)


@post(f"{HERE}/sign-out", opt=guards.page(guards.ANYBODY))
async def sign_out(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    visitor = await _visitor(request, brand_code)
    await consumer.sign_out(who=visitor.who, actor=visit.actor(request), now=clock.now())
    answer = pages.elsewhere(visit.sign_in_page(visitor.brand, None))
    visit.forget(answer, request)
    return answer


async def _visitor(request: Request[Any, Any, Any], brand_code: str) -> Visitor:
    brand = await visit.brand_named(brand_code)
    return Visitor(brand=brand, who=await visit.require(request, brand))


async def _opened(visitor: Visitor, card_id: str) -> wallet.Opened:
    try:
        return await wallet.look(brand=visitor.brand, who=visitor.who, card=card_id, now=clock.now())
    except rules.CardUnknownError:
        raise NotFoundException from None


async def _card(
    request: Request[Any, Any, Any],
    visitor: Visitor,
    found: wallet.Opened,
    *,
    store: str | None = None,
    part: bool = False,
    now: dt.datetime | None = None,
    **values: Any,  # noqa: ANN401 - what the page shows besides
) -> Response[Any]:
    """store: that was chosen; None for the one that was chosen before."""
    words, made, at = pages.words(request), found.code, now or clock.now()
    here, today = f"{visitor.here}/{found.card.id}", rules.local_day(at, visitor.brand.time_zone)
    values = {"printed": None, "faults": (), **values}
    return await _view(
        request,
        visitor,
        "_wallet_code.html" if part else "wallet_card.html",
        here=here,
        alternate=f"{here}?lang={words.other()}",
        card=found.card,
        condition=found.condition,
        code=made,
        qr=qr_codes.drawn(made.text, words.gettext("Moving redemption code")) if made else "",
        step_left=max(0, (made.steps_at - at) // MILLISECOND) if made else 0,
        good_left=max(0, (made.good_until - at) // MILLISECOND) if made else 0,
        places=found.use.places,
        when_used=usage_words.when(found.use.rule, words, today),
        everywhere=found.use.rule is None or not (found.use.rule.stores or found.use.rule.areas),
        store=_remembered(request, visitor) if store is None else store,
        today=today,
        **values,
    )


def _pager(visitor: Visitor, cards: wallet.Cards, page: int) -> dict[str, object] | None:
    """None where all of them are shown."""
    if len(cards.shown) == cards.total:
        return None
    before, last = (page - 1) * wallet.PAGE, (page - 1) * wallet.PAGE + len(cards.shown)
    return {
        "first": before + 1,
        "last": last,
        "total": cards.total,
        "before": f"{visitor.here}?page={page - 1}" if before else None,
        "after": f"{visitor.here}?page={page + 1}" if last < cards.total else None,
    }


def _remembered(request: Request[Any, Any, Any], visitor: Visitor) -> str:
    of, _, store = (auth.cookie(request, "store") or "").partition("/")
    return store if of == visitor.brand.code else ""


async def _view(
    request: Request[Any, Any, Any],
    visitor: Visitor,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: object,
) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        f"consumer/{template}",
        status=status,
        headers={**visit.HEADERS, **(headers or {})},
        brand=visitor.brand,
        wallet=visitor.here,
        by_phone=visitor.who.phone_end is not None,
        chinese=words.chinese,
        symbol=shown.symbol(visitor.brand, words),
        worth=lambda minor: shown.worth(minor, visitor.brand.decimals),
        **values,
    )
