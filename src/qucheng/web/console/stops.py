"""Cards of a batch or of an order that are stopped, go on or are void: how many of them in which state, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.insight import order_desk
from qucheng.orders import sale
from qucheng.stock import batch, pool_views, stop
from qucheng.web import auth, guards, pages
from qucheng.web.finance import books
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

BATCH, ORDER = "/batches/{number:int}/stop", "/orders/{order_no:str}/stop"
LARGEST_NUMBER = 2**31
LONGEST = 40
WHATS = {
    "freeze": n_("Freeze: nobody can use them for now"),
    "unfreeze": n_("Unfreeze: they are what they were"),
    "withdraw": n_("Void: what nobody has and what is frozen, for good"),
}
NOTHING = n_("None of the cards is in a state in which this can be done.")
REASON = n_("Say why, in one line: it stays on record.")
OVER = n_("The batch is withdrawn already.")


@get(BATCH, opt=guards.page("stock.change"))
async def batch_form(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    return await _form(request, _batch(number), 200, {}, ())


@post(BATCH, opt=guards.page("stock.change"), status_code=200)
async def stop_batch(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    return await _stop(request, _batch(number))


@get(ORDER, opt=guards.page("stock.change"))
async def order_form(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    return await _form(request, _order(order_no), 200, {}, ())


@post(ORDER, opt=guards.page("stock.change"), status_code=200)
async def stop_order(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    return await _stop(request, _order(order_no))


def _batch(number: int) -> stop.Chosen:
    if not 0 < number < LARGEST_NUMBER:
        raise NotFoundException
    return stop.Chosen(batch=number)


def _order(order_no: str) -> stop.Chosen:
    if "\0" in order_no or len(order_no) > LONGEST:
        raise NotFoundException
    return stop.Chosen(orders=[order_no])


async def _states(brand: Brand, chosen: stop.Chosen) -> dict[str, int]:
    """Of an order that needs no cards, none. Raises NotFoundException where there is no such batch or order."""
    found = await pool_views.states(brand_id=brand.id, chosen=chosen)
    try:
        for order_no in [] if found else chosen.orders or []:
            await order_desk.read(brand=brand, order_no=order_no)
    except sale.OrderUnknownError:
        raise NotFoundException from None
    if not found and chosen.batch is not None:
        raise NotFoundException
    return found


async def _stop(request: Request[Any, Any, Any], chosen: stop.Chosen) -> Response[Any]:
    brand, sent, words = await books.brand_of(request), await pages.form(request), pages.words(request)
    states = await _states(brand, chosen)
    what = next((each for each in WHATS if each == sent.get("what")), "freeze")
    if not changed(states)[what]:
        return await _form(request, chosen, 409, sent, [pages.Fault(field="what", message=words.gettext(NOTHING))])
    try:
        outcome = await do(brand, what, chosen, sent.get("reason", ""), request)
    except stop.ReasonError as refusal:
        return await _form(request, chosen, refusal.status, sent, [pages.Fault(field="reason", message=words.gettext(REASON))])
    except batch.BatchStateError as refusal:
        return await _form(request, chosen, refusal.status, sent, [pages.Fault(message=words.gettext(OVER))])
    return pages.elsewhere(f"{request.scope['path']}?done={outcome.changed}")


async def do(brand: Brand, what: str, chosen: stop.Chosen, reason: str, request: Request[Any, Any, Any]) -> stop.Outcome:
    actor, now = auth.actor(request), clock.now()
    if what == "withdraw" and chosen.batch is not None:
        return await batch.withdraw(brand=brand, number=chosen.batch, reason=reason, actor=actor, now=now)
    act = {"freeze": stop.freeze, "unfreeze": stop.unfreeze, "withdraw": stop.void}[what]
    return await act(brand=brand, chosen=chosen, reason=reason, actor=actor, now=now)


def changed(states: dict[str, int]) -> dict[str, int]:
    return {what: sum(states.get(state, 0) for state in stop.STOPPED[what]) for what in WHATS}


async def _form(
    request: Request[Any, Any, Any],
    chosen: stop.Chosen,
    status: int,
    sent: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    states = await _states(brand, chosen)
    done = request.query_params.get("done", "")
    return await pages.view(
        request,
        "console/stop.html",
        status=status,
        faults=faults,
        brand=brand,
        number=chosen.batch,
        order_no=chosen.orders[0] if chosen.orders else None,
        states=states,
        changed=changed(states),
        whats=[(each, words.gettext(word)) for each, word in WHATS.items()],
        sent=sent,
        done=int(done) if done.isascii() and done.isdigit() and len(done) < LONGEST else None,
    )
