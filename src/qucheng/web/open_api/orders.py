"""Orders and refunds sent by machines, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post

from qucheng.core import clock, idempotency, mail_address, phone
from qucheng.identity import brand as brands
from qucheng.insight import api_sales
from qucheng.orders import fulfilment, refund, rules, sale
from qucheng.stock import draw, reservation
from qucheng.stock import rules as cards
from qucheng.web import guards, machines
from qucheng.web import site as sites
from qucheng.web.open_api import moving, operations, order_shapes, reading
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

CREATED, REPEATED = 201, 200
PLACE = Operation(
    tag=n_("Orders"),
    summary=n_("Send a paid order"),
    about=n_(
        "All of it is taken or none. An order number is taken once: sent again with the same content, the answer is 200 with the order as it is. Short stock refuses nothing: the order is then paid_without_stock."
    ),
    body=order_shapes.OrderSent,
    reply=order_shapes.OrderPlaced,
    status=CREATED,
    idempotent=True,
)
REFUND = Operation(
    tag="Orders",
    summary=n_("Refund an order, in part or in whole"),
    about=n_("Never more than is left of a line. A refund number is the brand's, and taken once."),
    body=order_shapes.RefundSent,
    reply=order_shapes.RefundGiven,
    status=CREATED,
    idempotent=True,
    refusals=(404,),
)
FULFIL = Operation(
    tag="Orders",
    summary=n_("Report units delivered or redeemed outside the platform"),
    about=n_(
        "For SKUs whose hold counts from that event; of another SKU it is kept and has no effect. What is drawn from a pool here is known already."
    ),
    body=order_shapes.FulfilmentSent,
    reply=order_shapes.Fulfilment,
    status=CREATED,
    idempotent=True,
    refusals=(404, 409),
)
REFUNDS = Operation(tag="Orders", summary=n_("Refunds of an order"), reply=order_shapes.RefundsListed, refusals=(404,))


@post("/api/v1/orders", opt=guards.api("orders.write", signed=True, operation=PLACE), status_code=CREATED)
async def place_order(request: Request[Any, Any, Any]) -> Response[bytes]:
    idempotency.require_key(request.headers.get("idempotency-key"))
    sent = await reading.body(request, order_shapes.OrderSent)
    brand = await brands.read(machines.caller(request).brand_id)

    async def act() -> tuple[int, order_shapes.OrderPlaced]:
        placed = await _place(request, brand, sent)
        return CREATED if placed.created else REPEATED, _placed(brand, placed)

    return await moving.once(request, moving.told(request, sent, of="order.request"), act)


async def _place(request: Request[Any, Any, Any], brand: Brand, sent: order_shapes.OrderSent) -> sale.Sale:
    caller, amounts = machines.caller(request), moving.Amounts(brand)
    others: list[reading.Fault] = []
    reseller = caller.reseller or sent.reseller
    if reseller is None:
        others.append(reading.Fault(code="missing", detail="This is needed.", pointer="/reseller"))
    elif sent.reseller not in (None, reseller):
        # another's: for this key there is none
        others.append(reading.Fault(code="reseller.unknown", detail="There is no such reseller.", pointer="/reseller"))
    number = address = None
    try:
        number = phone.normalised(sent.phone, region=phone.region(brand.currency)) if sent.phone is not None else None
    except phone.PhoneInvalidError as refusal:
        others.append(reading.Fault(code=refusal.code, detail=str(refusal), pointer="/phone"))
    try:
        address = mail_address.normalised(sent.email) if sent.email is not None else None
    except mail_address.MailAddressInvalidError as refusal:
        others.append(reading.Fault(code=refusal.code, detail=str(refusal), pointer="/email"))
    lines = [
        rules.LineIn(
            line_no=each.line_no or str(place + 1),
            sku=each.sku,
            quantity=each.quantity,
            gross_minor=amounts.minor(each.gross, f"/lines/{place}/gross"),
            discount_minor=amounts.minor(each.discount, f"/lines/{place}/discount") if each.discount else 0,
        )
        for place, each in enumerate(sent.lines)
    ]
    others += amounts.faults
    try:
        placed = await sale.place(
            brand=brand,
            order_no=sent.order_no,
            lines=lines,
            reseller=reseller or "",
            channel=sent.channel,
            source="api",
            paid_at=moving.utc(sent.paid_at, "/paidAt") if sent.paid_at else None,
            keys=sites.of(request).keys,
            phone=number,
            email=address,
            buyer=sent.buyer,
            reservation=sent.reservation,
            actor=machines.actor(request),
            api_key=caller.key_id,
            now=clock.now(),
        )
    except sale.OrderInvalidError as refusal:
        raise moving.invalid(refusal.faults, *others) from None
    except draw.ReservationElsewhereError:
        if caller.reseller is not None and sent.reservation is not None:  # of another's there is none
            await reservation.find(brand=brand, id=sent.reservation, reseller=caller.reseller)
        raise
    if others:  # what it was tried with is not what was sent
        raise moving.invalid((), *others)
    return placed


def _placed(brand: Brand, placed: sale.Sale) -> order_shapes.OrderPlaced:
    return order_shapes.OrderPlaced(
        **{
            name: getattr(placed, name)
            for name in ("order_no", "source", "reseller", "channel", "placed_at", "paid_at", "stock_state")
        },
        lines=[
            order_shapes.LinePlaced(
                line_no=line.line_no,
                sku=line.sku,
                quantity=line.quantity,
                gross=operations.of_brand(brand, line.gross_minor),
                discount=operations.of_brand(brand, line.discount_minor),
                net=operations.of_brand(brand, line.net_minor),
                self_purchase=line.self_purchase,
                flags=list(line.flags),
            )
            for line in placed.lines
        ],
    )


@post(
    "/api/v1/orders/{order_no:str}/refunds",
    opt=guards.api("refunds.write", signed=True, operation=REFUND),
    status_code=CREATED,
)
async def refund_order(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[bytes]:
    idempotency.require_key(request.headers.get("idempotency-key"))
    sent = await reading.body(request, order_shapes.RefundSent)
    brand, number = await brands.read(machines.caller(request).brand_id), operations.storable(order_no)

    async def act() -> tuple[int, order_shapes.RefundGiven]:
        given = await _refund(request, brand, number, sent)
        return CREATED if given.created else REPEATED, _given(brand, given)

    return await moving.once(request, sent, act)


async def _refund(request: Request[Any, Any, Any], brand: Brand, order_no: str, sent: order_shapes.RefundSent) -> refund.Refund:
    amounts = moving.Amounts(brand)
    named: list[reading.Fault] = []
    lines = [
        rules.LineBack(
            line_no=each.line_no,
            quantity=each.quantity,
            amount_minor=amounts.minor(each.amount, f"/lines/{place}/amount"),
            cards=tuple(_cards(each.cards or [], f"/lines/{place}/cards", named)),
        )
        for place, each in enumerate(sent.lines)
    ]
    try:
        given = await refund.give(
            brand=brand,
            order_no=order_no,
            refund_no=sent.refund_no,
            lines=lines,
            refunded_at=moving.utc(sent.refunded_at, "/refundedAt") if sent.refunded_at else None,
            reason=sent.reason,
            actor=machines.actor(request),
            now=clock.now(),
        )
    except refund.RefundInvalidError as refusal:
        raise moving.invalid(refusal.faults, *amounts.faults, *named) from None
    if amounts.faults or named:
        raise moving.invalid((), *amounts.faults, *named)
    return given


def _cards(ids: list[str], pointer: str, faults: list[reading.Fault]) -> list[tuple[int, int]]:
    found = []
    for place, each in enumerate(ids):
        try:
            found.append(cards.parse_card_id(each))
        except cards.CardUnknownError as refusal:
            faults.append(reading.Fault(code=refusal.code, detail=str(refusal), pointer=f"{pointer}/{place}"))
    return found


def _given(brand: Brand, given: refund.Refund) -> order_shapes.RefundGiven:
    return order_shapes.RefundGiven(
        order_no=given.order_no,
        refund_no=given.refund_no,
        refunded_at=given.refunded_at,
        lines=[
            order_shapes.RefundLine(
                line_no=each.line_no,
                quantity=each.quantity,
                amount=operations.of_brand(brand, each.amount_minor),
                cards_missing=each.cards_missing,
            )
            for each in given.lines
        ],
    )


@post(
    "/api/v1/orders/{order_no:str}/fulfilments",
    opt=guards.api("fulfilments.write", signed=True, operation=FULFIL),
    status_code=CREATED,
)
async def fulfil(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[bytes]:
    idempotency.require_key(request.headers.get("idempotency-key"))
    sent = await reading.body(request, order_shapes.FulfilmentSent)
    number = operations.storable(order_no)
    at = moving.utc(sent.at, "/at")
    event = fulfilment.Event(order_no=number, line_no=sent.line_no, event=sent.event, at=at, quantity=sent.quantity)

    async def act() -> tuple[int, order_shapes.Fulfilment]:
        try:
            new = await fulfilment.report(
                brand_id=machines.caller(request).brand_id, event=event, actor=machines.actor(request), now=clock.now()
            )
        except fulfilment.FulfilmentFutureError as refusal:
            raise moving.invalid([reading.Fault(code=refusal.code, detail=str(refusal), pointer="/at")]) from None
        reply = order_shapes.Fulfilment(order_no=number, line_no=sent.line_no, event=sent.event, quantity=sent.quantity, at=at)
        return CREATED if new else REPEATED, reply

    return await moving.once(request, sent, act)


@get("/api/v1/orders/{order_no:str}/refunds", opt=guards.api("orders.read", operation=REFUNDS))
async def order_refunds(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[bytes]:
    caller = machines.caller(request)
    found = await api_sales.orders(brand_id=caller.brand_id, reseller=caller.reseller, order_no=operations.storable(order_no))
    if not found:
        raise operations.ObjectUnknownError("There is no such order.")
    brand = await brands.read(caller.brand_id)
    given: dict[str, order_shapes.RefundGiven] = {}
    for each in sorted(found[0].refunds, key=lambda row: (row.refunded_at, row.refund_no, row.line_no)):
        line = order_shapes.RefundLine(
            line_no=each.line_no, quantity=each.quantity, amount=operations.of_brand(brand, each.amount_minor)
        )
        one = given.get(each.refund_no)
        given[each.refund_no] = order_shapes.RefundGiven(
            order_no=each.order_no,
            refund_no=each.refund_no,
            refunded_at=each.refunded_at,
            lines=[*(one.lines if one else ()), line],
        )
    return operations.answer(request, order_shapes.RefundsListed(items=list(given.values())))
