"""Cards held for an order that is about to be paid."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, delete, get, params, post

from qucheng.core import clock, idempotency
from qucheng.identity import brand as brands
from qucheng.stock import reservation
from qucheng.web import guards, machines
from qucheng.web.open_api import moving, operations, order_shapes, reading
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

CREATED = 201
CODES = {"reseller": "reseller.unknown", "channel": "channel.unknown"}
RESERVE = Operation(
    tag=n_("Stock"),
    summary=n_("Reserve cards"),
    about=n_(
        "Before the payment, for an hour at most. Where there are fewer than asked for, none is held and the answer is 409."
    ),
    body=order_shapes.ReservationSent,
    reply=order_shapes.Reservation,
    status=CREATED,
    idempotent=True,
)
RESERVATION = Operation(tag="Stock", summary=n_("One reservation"), reply=order_shapes.Reservation, refusals=(404,))
RELEASE = Operation(
    tag="Stock",
    summary=n_("Release a reservation"),
    about=n_("Its cards are free again. One that was used or is over is answered with 409."),
    reply=order_shapes.Reservation,
    refusals=(404, 409),
)


@post("/api/v1/reservations", opt=guards.api("reservations.write", signed=True, operation=RESERVE), status_code=CREATED)
async def reserve(request: Request[Any, Any, Any]) -> Response[bytes]:
    idempotency.require_key(request.headers.get("idempotency-key"))
    sent, caller = await reading.body(request, order_shapes.ReservationSent), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    reseller, others = caller.reseller or sent.reseller, []
    if reseller is None:
        others.append(reading.Fault(code="missing", detail="This is needed.", pointer="/reseller"))
    elif sent.reseller not in (None, reseller):
        others.append(reading.Fault(code="reseller.unknown", detail="There is no such reseller.", pointer="/reseller"))

    async def act() -> tuple[int, order_shapes.Reservation]:
        return CREATED, _shown(await _reserve(request, brand, reseller or "", sent, others))

    return await moving.once(request, sent, act)


async def _reserve(
    request: Request[Any, Any, Any],
    brand: Brand,
    reseller: str,
    sent: order_shapes.ReservationSent,
    others: list[reading.Fault],
) -> reservation.Reservation:
    try:
        made = await reservation.reserve(
            brand=brand,
            reseller=reseller,
            channel=sent.channel,
            sku=sent.sku,
            units=sent.quantity,
            minutes=sent.minutes,
            actor=machines.actor(request),
            now=clock.now(),
        )
    except reservation.ReservationUnfitError as refusal:
        found = [
            reading.Fault(code=CODES.get(field, refusal.code), detail=text, pointer=f"/{field}")
            for field, text in refusal.faults.items()
        ]
        raise moving.invalid(found, *others) from None
    if others:  # what it was tried with is not what was sent
        raise moving.invalid((), *others)
    return made


@get("/api/v1/reservations/{reservation_id:uuid}", opt=guards.api("stock.read", operation=RESERVATION))
async def read_reservation(request: Request[Any, Any, Any], reservation_id: params.FromPath[uuid.UUID]) -> Response[bytes]:
    caller = machines.caller(request)
    found = await reservation.find(brand=await brands.read(caller.brand_id), id=reservation_id, reseller=caller.reseller)
    return operations.answer(request, _shown(found))


@delete(
    "/api/v1/reservations/{reservation_id:uuid}",
    opt=guards.api("reservations.write", signed=True, operation=RELEASE),
    status_code=200,
)
async def release(request: Request[Any, Any, Any], reservation_id: params.FromPath[uuid.UUID]) -> Response[bytes]:
    caller = machines.caller(request)
    brand = await brands.read(caller.brand_id)
    if caller.mode == "live":
        await reservation.release(
            brand=brand, id=reservation_id, reseller=caller.reseller, actor=machines.actor(request), now=clock.now()
        )
    found = await reservation.find(brand=brand, id=reservation_id, reseller=caller.reseller)
    return operations.answer(request, _shown(found))


def _shown(found: reservation.Reservation) -> order_shapes.Reservation:
    return order_shapes.Reservation(
        id=found.id,
        reseller=found.reseller,
        channel=found.channel,
        sku=found.sku,
        quantity=found.units,
        state=found.state,
        until=found.until,
        order_no=found.order_no,
    )
