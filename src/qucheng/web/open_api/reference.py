"""The description of the interface, for programs and for people."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get

from qucheng.web import guards, pages
from qucheng.web.open_api import (
    books,
    cards,
    claims,
    document,
    orders,
    quotes,
    reader,
    redemptions,
    reservations,
    sales,
    settlements,
    skus,
)

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

OPERATIONS: tuple[HTTPRouteHandler, ...] = (
    sales.me,
    sales.resellers,
    sales.reseller,
    sales.orders,
    sales.order,
    orders.place_order,
    orders.refund_order,
    orders.order_refunds,
    orders.fulfil,
    reservations.reserve,
    reservations.read_reservation,
    reservations.release,
    quotes.quotes,
    skus.product,
    skus.change_product,
    settlements.entries,
    settlements.statements,
    settlements.statement,
    settlements.document,
    settlements.runs,
    books.journal,
    books.trial_balance,
    books.adjustments,
    books.ask,
    cards.reveal,
    redemptions.redeem,
    redemptions.read_redemption,
    redemptions.reverse,
    claims.claim_card,
)


@functools.cache
def _encoded() -> bytes:
    return document.encoded(OPERATIONS)


@get("/api/v1/openapi.json", opt=guards.MACHINE, sync_to_thread=False)
def description() -> Response[bytes]:
    return Response(_encoded(), media_type="application/json", headers={"cache-control": "public, max-age=300"})


@get("/api/v1/docs", opt=guards.page(guards.ANYBODY))
async def docs(request: Request[Any, Any, Any]) -> Response[Any]:
    return pages.open_view(request, "open_api/docs.html", **_shown())


@functools.cache
def _shown() -> dict[str, Any]:
    return reader.view(document.build(OPERATIONS))
