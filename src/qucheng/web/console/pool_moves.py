"""Cards allocated to a pool and returned from it, each with what is there after; and what resellers ask for."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors
from qucheng.stock import allocation, batch_listing, draw, pool_moves
from qucheng.stock import pool as stock_pools
from qucheng.web import auth, guards, pages
from qucheng.web.console import batches, pools
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

MOVE, REQUEST = "/pools/{number:int}/move", "/pools/requests/{request_id:uuid}"
QUANTITY = n_("A whole number from 1 to 1,000,000.")
SKU = n_("Choose a product of which each unit is a card.")
TOO_FEW = n_("There are not that many to be moved.")
STALE = n_("Cards were allocated or returned meanwhile, so nothing was moved. The page shows it as it is now.")
DECIDED = n_("The request was decided already. The page shows it as it is now.")
SHORT = n_("There are not that many unallocated. Grant fewer, or bring in cards first.")
GRANT = n_("Grant as many as were asked for, or fewer.")
WHY = n_("Say why not: the reseller reads it.")
STATES = {"waiting": "waiting", "granted": "approved", "refused": "refused", "withdrawn": "withdrawn"}
UNFIT = {"quantity": GRANT, "answer": WHY}


@get(MOVE, opt=guards.page("stock.change"))
async def move_form(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    """With a quantity in the address it says what is there after."""
    asked = {name: request.query_params.get(name, "") for name in ("sku", "way", "quantity", "note")}
    return await _form(request, number, 200, asked, [])


@post(MOVE, opt=guards.page("stock.change"), status_code=200)
async def move(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    """moved: what the page said before. Sent twice, the second finds it changed."""
    sent, brand, words = await pages.form(request), await books.brand_of(request), pages.words(request)
    await _allocable(request, number)
    moved = sent.get("moved", "")
    try:
        await pool_moves.move(
            brand=brand,
            pool=number,
            sku=books.text(sent.get("sku")) or "",
            way=_way(sent.get("way")),
            quantity=batches.whole(sent.get("quantity")),
            moved=int(moved) if moved.isascii() and moved.isdigit() and len(moved) < len("9" * 19) else -1,
            note=sent.get("note"),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except pool_moves.PoolMovedError as refusal:
        return await _form(request, number, refusal.status, sent, [pages.Fault(message=words.gettext(STALE))])
    except draw.StockShortError as refusal:
        fault = pages.Fault(field="quantity", message=words.gettext(TOO_FEW))
        return await _form(request, number, refusal.status, sent, [fault])
    except (allocation.AllocationRefusedError, stock_pools.PoolUnknownError) as refusal:
        unknown = isinstance(refusal, stock_pools.PoolUnknownError)
        fault = pages.Fault(field="sku" if unknown else "quantity", message=words.gettext(SKU if unknown else QUANTITY))
        return await _form(request, number, 422, sent, [fault])
    return pages.elsewhere(f"{pools.LIST}/{number}?done=moved")


@get(REQUEST, opt=guards.page("stock.read"))
async def asked_for(request: Request[Any, Any, Any], request_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _request(request, request_id, 200, {}, [])


@post(REQUEST, opt=guards.page("stock.change", form=pools.LIST), status_code=200)
async def decide(request: Request[Any, Any, Any], request_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    sent, brand, words = await pages.form(request), await books.brand_of(request), pages.words(request)
    answer, now, actor = sent.get("answer", ""), clock.now(), auth.actor(request)
    try:
        if sent.get("decision") == "grant":
            quantity = batches.whole(sent.get("quantity"))
            await allocation.grant(brand=brand, request=request_id, quantity=quantity, answer=answer, actor=actor, now=now)
        else:
            await allocation.refuse(brand=brand, request=request_id, answer=answer, actor=actor, now=now)
    except allocation.RequestUnknownError:
        raise NotFoundException from None
    except (allocation.RequestDecidedError, allocation.RequestUnfitError, draw.StockShortError) as refusal:
        return await _request(request, request_id, refusal.status, sent, [_fault(refusal, words.gettext)])
    return pages.elsewhere(f"{pools.LIST}?done={'granted' if sent.get('decision') == 'grant' else 'refused'}")


def _fault(refusal: errors.RefusedError, said: Any) -> pages.Fault:  # noqa: ANN401 - gettext
    if isinstance(refusal, allocation.RequestUnfitError):
        return pages.Fault(field=refusal.field, message=said(UNFIT.get(refusal.field, GRANT)))
    if isinstance(refusal, draw.StockShortError):
        return pages.Fault(field="quantity", message=said(SHORT))
    return pages.Fault(message=said(DECIDED))


def _way(given: str | None) -> pool_moves.Way:
    return "out" if given == "out" else "in"


async def _allocable(request: Request[Any, Any, Any], number: int) -> Any:  # noqa: ANN401 - the pool
    """What is not allocated is no pool to allocate to. Raises NotFoundException."""
    if number == 0:
        raise NotFoundException
    return (await pools.places(await books.brand_of(request), number))[0]


async def _form(
    request: Request[Any, Any, Any], number: int, status: int, asked: dict[str, str], faults: list[pages.Fault]
) -> Response[Any]:
    brand, words, pool = await books.brand_of(request), pages.words(request), await _allocable(request, number)
    sku, way, quantity = asked.get("sku", ""), _way(asked.get("way")), batches.whole(asked.get("quantity"))
    skus = await batch_listing.skus(brand_id=brand.id)
    known = sku in {code for code, _ in skus}
    found = await pool_moves.preview(brand_id=brand.id, pool=number, sku=sku) if known else None
    if asked.get("quantity") and not faults:
        most = (found.unallocated if way == "in" else found.available) if found else 0
        if not known:
            faults.append(pages.Fault(field="sku", message=words.gettext(SKU)))
        elif not 1 <= quantity <= most:
            faults.append(pages.Fault(field="quantity", message=words.gettext(TOO_FEW if quantity else QUANTITY)))
        status = 422 if faults else status
    return await pages.view(
        request,
        "console/pool_move.html",
        status=status,
        faults=faults,
        brand=brand,
        pool=pool,
        asked={**asked, "way": way},
        skus=skus,
        quantity=quantity,
        now=found,
        after=found.after(way, quantity) if found and quantity and not faults else None,
    )


async def _request(
    request: Request[Any, Any, Any], request_id: uuid.UUID, status: int, sent: dict[str, str], faults: list[pages.Fault]
) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await pool_moves.asked(brand_id=brand.id, request=request_id)
    if found is None:
        raise NotFoundException
    skus = dict(await batch_listing.skus(brand_id=brand.id))
    level = await pool_moves.preview(brand_id=brand.id, pool=found.pool, sku=found.request.sku)
    return await pages.view(
        request,
        "console/pool_request.html",
        status=status,
        faults=faults,
        brand=brand,
        asked=found.request,
        states=STATES,
        pool=found.pool,
        reseller_name=found.reseller_name,
        channel_name=found.channel_name,
        sku_name=skus.get(found.request.sku, found.request.sku),
        level=level,
        names=await desk.names(request, [found.request.asked_by, found.decided_by]),
        decided_by=found.decided_by,
        sent=sent,
    )
