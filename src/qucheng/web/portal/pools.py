"""A reseller's own pools: what is left to sell, and what it asked the brand for."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.stock import allocation, pool_moves, pool_views
from qucheng.web import auth, guards, pages
from qucheng.web.console import batches
from qucheng.web.console import pool_moves as desk
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE = "/portal/pools"
MOST = 50
UNFIT = {
    "quantity": n_("Ask for 1 to 1,000,000 cards; at most 20 of your requests wait at a time."),
    "sku": n_("Choose a product of which each unit is a card."),
    "channel": n_("Choose a channel that there is."),
}
ASKED = n_("The same request waits for the brand already, so nothing was sent.")
DECIDED = n_("The brand decided it meanwhile. The page shows it as it is now.")
NOTICES = {
    "asked": n_("The brand has your request, and answers here."),
    "withdrawn": n_("The request is withdrawn."),
}


@get(HERE, opt=guards.page("own.pools.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request, 200, {}, ())


@post(HERE, opt=guards.page("own.allocations.request"), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    own, sent, words = await shown.own(request), await pages.form(request), pages.words(request)
    given = {name: shown.typed(sent.get(name)) for name in ("sku", "channel", "quantity", "note")}
    try:
        await pool_moves.ask(
            brand_id=own.brand.id,
            reseller=own.reseller,
            channel=given["channel"] or None,
            sku=given["sku"],
            quantity=batches.whole(given["quantity"]),
            note=given["note"],
            actor=auth.actor(request),
            now=clock.now(),
        )
    except allocation.RequestUnfitError as refusal:
        fault = pages.Fault(field=refusal.field, message=words.gettext(UNFIT[refusal.field]))
        return await _view(request, refusal.status, given, [fault])
    except pool_moves.AskedAlreadyError as refusal:
        return await _view(request, refusal.status, given, [pages.Fault(message=words.gettext(ASKED))])
    return pages.elsewhere(f"{HERE}?done=asked")


@post("/portal/pools/requests/{request_id:uuid}/withdraw", opt=guards.page("own.allocations.request", form=HERE), status_code=200)
async def withdraw(request: Request[Any, Any, Any], request_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    own = await shown.own(request)
    try:
        await allocation.withdraw(
            brand=own.brand, request=request_id, reseller=own.reseller, actor=auth.actor(request), now=clock.now()
        )
    except allocation.RequestUnknownError:
        raise NotFoundException from None
    except allocation.RequestDecidedError as refusal:
        return await _view(request, refusal.status, {}, [pages.Fault(message=pages.words(request).gettext(DECIDED))])
    return pages.elsewhere(f"{HERE}?done=withdrawn")


async def _view(
    request: Request[Any, Any, Any], status: int, given: dict[str, str], faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    own, words = await shown.own(request), pages.words(request)
    brand_id, reseller = own.brand.id, own.reseller
    found = await pool_views.own(brand_id=brand_id, reseller=reseller)
    may = own.may("own.allocations.request")
    said = NOTICES.get(request.query_params.get("done", ""))
    return await shown.view(
        request,
        "pools.html",
        own,
        status=status,
        faults=faults,
        found=found,
        asked=await allocation.requests(brand_id=brand_id, reseller=reseller, most=MOST),
        states=desk.STATES,
        may=may,
        given=given,
        skus=await pool_views.own_skus(brand_id=brand_id, reseller=reseller),
        channels=await pool_views.channels(brand_id=brand_id, reseller=reseller),
        notice=words.gettext(said) if said else None,
    )
