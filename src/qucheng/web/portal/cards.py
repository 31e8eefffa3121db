"""The cards of a reseller's own order: what state they are in and since when they were seen; the codes only where the brand lets it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.stock import secret_reveal
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE = "/portal/orders/{order_no:str}/cards"
LONGEST = 40
PURPOSE = n_("Say what for, in 1 to 200 characters: it stays on record.")
CLOSED = n_("The brand does not show codes to resellers: the buyer gets them by a link.")
REFUSED = (
    secret_reveal.NothingToShowError,
    secret_reveal.RevealPurposeError,
    secret_reveal.RevealQuotaError,
    secret_reveal.RevealClosedError,
    secret_reveal.RevealUnrecordedError,
)


@get(HERE, opt=guards.page("own.orders.read"))
async def show(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    return await _view(request, order_no, 200, (), [])


@post(HERE, opt=guards.page("own.cards.reveal"), status_code=200)
async def reveal(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    own, sent, words = await shown.own(request), await pages.form(request), pages.words(request)
    await _cards(own, order_no)
    try:
        found = await secret_reveal.reveal_line(
            brand=own.brand,
            keys=sites.of(request).keys,
            order_no=order_no,
            line_no=None,
            viewer=secret_reveal.Viewer(kind="user", id=own.user_id),
            purpose=sent.get("purpose", ""),
            actor=auth.actor(request),
            now=clock.now(),
            reseller=own.reseller,
        )
    except REFUSED as refusal:
        unfit = isinstance(refusal, secret_reveal.RevealPurposeError)
        closed = isinstance(refusal, secret_reveal.RevealClosedError)
        text = words.gettext(PURPOSE) if unfit else words.gettext(CLOSED) if closed else refusals.sentence(refusal, words)
        fault = pages.Fault(field="purpose" if unfit else None, message=text)
        return await _view(request, order_no, refusal.status, [fault], [], refusals.headers(refusal))
    return await _view(request, order_no, 200, (), found)


async def _cards(own: shown.Own, order_no: str) -> list[secret_reveal.Seen]:
    """What is another's is not there."""
    if "\0" in order_no or len(order_no) > LONGEST:
        raise NotFoundException
    found = await secret_reveal.of_order(brand_id=own.brand.id, order_no=order_no, reseller=own.reseller)
    if found is None:
        raise NotFoundException
    return found


async def _view(
    request: Request[Any, Any, Any],
    order_no: str,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    revealed: list[secret_reveal.Shown],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    own = await shown.own(request)
    cards = await _cards(own, order_no)
    return await shown.view(
        request,
        "cards.html",
        own,
        status=status,
        headers=headers,
        faults=faults,
        order_no=order_no,
        cards=cards,
        revealed={each.card: each for each in revealed},
        may=own.may("own.cards.reveal") and await secret_reveal.resellers_may(brand_id=own.brand.id),
    )
