"""The key itself, resellers and orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params
from msgspec import UNSET

from qucheng.identity import brand as brands
from qucheng.insight import api_sales
from qucheng.web import guards, machines
from qucheng.web.open_api import operations, order_shapes, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

ME = Operation(tag=n_("Key"), summary=n_("The key that asks"), about=n_("For a first try: what the key may do, where and until when."), reply=shapes.Me)  # fmt: skip
RESELLERS = Operation(
    tag=n_("Network"),
    summary=n_("Resellers"),
    about=n_("In the order of their codes. A key of a reseller sees that one alone."),
    query=shapes.ResellersAsked,
    reply=shapes.Resellers,
)
RESELLER = Operation(tag="Network", summary=n_("One reseller"), reply=shapes.Reseller, refusals=(404,))
ORDERS = Operation(
    tag=n_("Orders"),
    summary=n_("Orders with their lines and refunds"),
    about=n_("In the order of their numbers; an order is listed when one of its lines is as asked."),
    query=order_shapes.OrdersAsked,
    reply=order_shapes.Orders,
)
ORDER = Operation(
    tag="Orders",
    summary=n_("One order"),
    about=n_("An order number with a slash in it is asked for by the list's orderNo."),
    reply=order_shapes.Order,
    refusals=(404,),
)


@get("/api/v1/me", opt=guards.api(machines.ANY_KEY, operation=ME))
async def me(request: Request[Any, Any, Any]) -> Response[bytes]:
    caller = machines.caller(request)
    brand = await brands.read(caller.brand_id)
    return operations.answer(
        request,
        shapes.Me(
            key_id=caller.key_id.hex,
            name=caller.name,
            mode=caller.mode,
            scopes=sorted(caller.scopes),
            networks=list(caller.networks),
            expires_at=caller.expires_at,
            reseller=caller.reseller,
            brand=shapes.Brand(code=brand.code, name=brand.name, currency=brand.currency, time_zone=brand.time_zone),
        ),
    )


@get("/api/v1/resellers", opt=guards.api("resellers.read", operation=RESELLERS))
async def resellers(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.ResellersAsked), machines.caller(request)
    rows = await api_sales.resellers(
        brand_id=caller.brand_id,
        reseller=caller.reseller,
        tier=asked.tier,
        after=operations.position(request, asked, str),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: row.code)
    items = [_reseller(row, told=caller.reseller is None) for row in page]
    return operations.answer(request, shapes.Resellers(items=items, next=following))


@get("/api/v1/resellers/{code:str}", opt=guards.api("resellers.read", operation=RESELLER))
async def reseller(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[bytes]:
    caller = machines.caller(request)
    found = await api_sales.resellers(brand_id=caller.brand_id, reseller=caller.reseller, code=operations.storable(code))
    if not found:
        raise operations.ObjectUnknownError("There is no such reseller.")
    return operations.answer(request, _reseller(found[0], told=caller.reseller is None))


def _reseller(row: api_sales.Reseller, *, told: bool) -> shapes.Reseller:
    """told: who stands above it."""
    return shapes.Reseller(
        code=row.code,
        name=row.name,
        kind=row.kind,
        tier=row.tier,
        joined_on=row.joined_on,
        parent=row.parent if told else UNSET,
    )


@get("/api/v1/orders", opt=guards.api("orders.read", operation=ORDERS))
async def orders(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, order_shapes.OrdersAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_sales.orders(
        brand_id=caller.brand_id,
        reseller=caller.reseller,
        order_no=asked.order_no,
        of_reseller=asked.reseller,
        channel=asked.channel,
        sku=asked.sku,
        stock_state=asked.stock_state,
        paid_from=asked.paid_from,
        paid_to=asked.paid_to,
        after=operations.position(request, asked, str),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: row.order_no)
    return operations.answer(request, order_shapes.Orders(items=[_order(brand, row) for row in page], next=following))


@get("/api/v1/orders/{order_no:str}", opt=guards.api("orders.read", operation=ORDER))
async def order(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[bytes]:
    caller = machines.caller(request)
    found = await api_sales.orders(brand_id=caller.brand_id, reseller=caller.reseller, order_no=operations.storable(order_no))
    if not found:
        raise operations.ObjectUnknownError("There is no such order.")
    return operations.answer(request, _order(await brands.read(caller.brand_id), found[0]))


def _order(brand: Brand, row: api_sales.Order) -> order_shapes.Order:
    return order_shapes.Order(
        order_no=row.order_no,
        source=row.source,
        placed_at=row.placed_at,
        stock_state=row.stock_state,
        lines=[_line(brand, each) for each in row.lines],
        refunds=[
            order_shapes.Refund(
                refund_no=each.refund_no,
                line_no=each.line_no,
                refunded_at=each.refunded_at,
                quantity=each.quantity,
                amount=operations.of_brand(brand, each.amount_minor),
            )
            for each in row.refunds
        ],
    )


def _line(brand: Brand, line: api_sales.Line) -> order_shapes.Line:
    return order_shapes.Line(
        line_no=line.line_no,
        reseller=line.reseller,
        channel=line.channel,
        sku=line.sku,
        paid_at=line.paid_at,
        quantity=line.quantity,
        gross=operations.of_brand(brand, line.gross_minor),
        discount=operations.of_brand(brand, line.discount_minor),
        net=operations.of_brand(brand, line.net_minor),
        self_purchase=line.self_purchase,
        state=line.state,
        earned=operations.of_brand(brand, line.earned_minor) if line.earned_minor is not None else None,
        matures_at=line.matures_at,
    )
