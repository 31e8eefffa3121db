"""Orders that were paid for and wait for cards, and refunds for which cards are missing: each with its ways out."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.orders import delivery
from qucheng.stock import batch_listing, draw, pool_views, queries, stock_case
from qucheng.web import auth, guards, pages
from qucheng.web import site as sites
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

LIST, ONE = "/stock-cases", "/stock-cases/{case_id:uuid}"
KINDS = {"short": n_("Waits for cards"), "exceeds": n_("Cards missing after a refund")}
WAYS = {
    "retried": n_("Delivered in another attempt"),
    "substituted": n_("Delivered as another product"),
    "refunded": n_("Refunded"),
    "settled": n_("Looked into and closed"),
}
PILLS = {None: "open", "retried": "done", "substituted": "done", "refunded": "refunded", "settled": "closed"}
STILL_SHORT = n_("No pool that the order may draw from has enough cards: allocate some, then try again.")
TOO_FEW = n_("There are not enough cards of this product for the reseller and channel.")
CLOSED = n_("The case was closed meanwhile. The page shows it as it is now.")
UNFIT = {
    "sku": n_("Choose another product of which each unit is a card."),
    "note": n_("Say what was agreed or found, in one line: it stays on record."),
}
REFUSED = (stock_case.CaseClosedError, stock_case.CaseUnfitError, draw.StockShortError)


@get(LIST, opt=guards.page("orders.resolve"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked, page = await books.brand_of(request), request.query_params, desk.page_number(request)
    closed = asked.get("state") == "closed"
    kind = next((each for each in ("short", "exceeds") if each == asked.get("kind")), None)
    kept = {"state": "closed" if closed else "", "kind": kind or ""}
    found, total = await pool_views.cases(
        brand_id=brand.id, closed=closed, kind="short" if kind == "short" else "exceeds" if kind else None, page=page
    )
    words = pages.words(request)
    return await pages.view(
        request,
        "console/stock_cases.html",
        brand=brand,
        found=found,
        kept=kept,
        closed=closed,
        kinds={each: words.gettext(word) for each, word in KINDS.items()},
        ways={each: words.gettext(word) for each, word in WAYS.items()},
        now=clock.now(),
        span=desk.span(LIST, kept, page, len(found), total),
    )


@get(ONE, opt=guards.page("orders.resolve"))
async def one(request: Request[Any, Any, Any], case_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _one(request, case_id, 200, {}, ())


@post("/stock-cases/{case_id:uuid}/retry", opt=guards.page("orders.resolve", form=LIST), status_code=200)
async def retry(request: Request[Any, Any, Any], case_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """Draws again: what is still short stays a case."""
    brand, words = await books.brand_of(request), pages.words(request)
    await _read(brand, case_id, "short")
    try:
        drawn = await delivery.retry(
            brand=brand, case=case_id, keys=sites.of(request).keys, actor=auth.actor(request), now=clock.now()
        )
    except REFUSED as refusal:
        return await _one(request, case_id, refusal.status, {}, [_fault(request, refusal)])
    if drawn.state != "delivered":
        fault = pages.Fault(message=words.gettext(STILL_SHORT))
        return await _one(request, case_id, draw.StockShortError.status, {}, [fault])
    return pages.elsewhere(f"{LIST}/{case_id}?done=1")


@post("/stock-cases/{case_id:uuid}/substitute", opt=guards.page("orders.resolve", form=LIST), status_code=200)
async def substitute(request: Request[Any, Any, Any], case_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    await _read(brand, case_id, "short")
    try:
        await delivery.substitute(
            brand=brand,
            case=case_id,
            sku=books.text(sent.get("sku")) or "",
            note=sent.get("note", ""),
            keys=sites.of(request).keys,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except REFUSED as refusal:
        return await _one(request, case_id, refusal.status, sent, [_fault(request, refusal)])
    return pages.elsewhere(f"{LIST}/{case_id}?done=1")


@post("/stock-cases/{case_id:uuid}/settle", opt=guards.page("orders.resolve", form=LIST), status_code=200)
async def settle(request: Request[Any, Any, Any], case_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    await _read(brand, case_id, "exceeds")
    try:
        await stock_case.settle(brand=brand, case=case_id, note=sent.get("note", ""), actor=auth.actor(request), now=clock.now())
    except REFUSED as refusal:
        return await _one(request, case_id, refusal.status, sent, [_fault(request, refusal)])
    return pages.elsewhere(f"{LIST}/{case_id}?done=1")


async def _read(brand: Brand, case_id: uuid.UUID, kind: str | None = None) -> pool_views.Case:
    """Raises NotFoundException, for one of another kind too: it has other ways out."""
    found = await pool_views.case(brand_id=brand.id, case_id=case_id)
    if found is None or kind not in (None, found.case.kind):
        raise NotFoundException
    return found


def _fault(request: Request[Any, Any, Any], refusal: Exception) -> pages.Fault:
    words = pages.words(request)
    if isinstance(refusal, stock_case.CaseUnfitError):
        return pages.Fault(field=refusal.field, message=words.gettext(UNFIT[refusal.field]))
    if isinstance(refusal, draw.StockShortError):
        return pages.Fault(field="sku", message=words.gettext(TOO_FEW))
    return pages.Fault(message=words.gettext(CLOSED))


async def _one(
    request: Request[Any, Any, Any],
    case_id: uuid.UUID,
    status: int,
    sent: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
) -> Response[Any]:
    brand, words, now = await books.brand_of(request), pages.words(request), clock.now()
    found = await _read(brand, case_id)
    case, there = found.case, None
    if case.kind == "short" and case.closed_at is None:
        there = await queries.drawable(brand=brand, reseller=case.reseller, channel=case.channel, sku=case.sku, now=now)
    skus = await batch_listing.skus(brand_id=brand.id)
    return await pages.view(
        request,
        "console/stock_case.html",
        status=status,
        faults=faults,
        brand=brand,
        found=found,
        case=case,
        there=there,
        others=[each for each in skus if each[0] != case.sku],
        substitute=dict(skus).get(case.substitute or "", case.substitute),
        kind=words.gettext(KINDS[case.kind]),
        way=words.gettext(WAYS[case.way]) if case.way else None,
        state=PILLS[case.way],
        names=await desk.names(request, [found.closed_by]),
        sent=sent,
        now=now,
        done=request.query_params.get("done") == "1" and case.closed_at is not None,
    )
