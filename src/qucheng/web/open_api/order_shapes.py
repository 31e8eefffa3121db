"""What machines read and send of orders, refunds and reservations, and what they are answered."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from msgspec import Meta

from qucheng.web.open_api.shapes import Code, Day, Instant, Listed, Money, Next, OrderNo, Shape
from qucheng.web.texts import n_

LineNo = Annotated[str, Meta(min_length=1, max_length=40, examples=["1"])]
RefundNo = Annotated[str, Meta(min_length=1, max_length=40, examples=["RF-2026-0001"])]
Units = Annotated[int, Meta(ge=0, le=1_000_000, examples=[2])]
CardId = Annotated[str, Meta(min_length=3, max_length=24, examples=["12-345"])]
StockState = Annotated[
    Literal["none", "delivered", "paid_without_stock", "resolved"],
    Meta(description=n_("Whether the cards that it needs are there; none where it needs no cards.")),
]
Source = Literal["api", "manual", "page"]


class OrdersAsked(Listed, frozen=True):
    order_no: OrderNo | None = None
    reseller: Code | None = None
    channel: Code | None = None
    sku: Code | None = None
    stock_state: Literal["none", "delivered", "paid_without_stock", "resolved"] | None = None
    paid_from: Day | None = None
    paid_to: Annotated[dt.date, Meta(description=n_("Not included."), examples=["2026-04-01"])] | None = None


class Refund(Shape, frozen=True):
    refund_no: str
    line_no: str
    refunded_at: Instant
    quantity: int
    amount: Money


class Line(Shape, frozen=True):
    line_no: Annotated[str, Meta(examples=["1"])]
    reseller: Code
    channel: Code
    sku: Annotated[str, Meta(examples=["VIP-Y"])]
    paid_at: Instant
    quantity: int
    gross: Money
    discount: Money
    net: Money
    self_purchase: Annotated[bool, Meta(description=n_("Bought by the seller or somebody above; it earns nothing."))]
    state: Annotated[
        Literal["calculating", "none", "refunded", "pending", "due", "settled"],
        Meta(description=n_("Of what the seller earns: settled is on a statement.")),
    ]
    earned: Annotated[Money | None, Meta(description=n_("What the seller earns of it, after refunds."))]
    matures_at: Annotated[
        dt.datetime | None, Meta(description=n_("Until when it is pending; null before the clock of its commission starts."))
    ]


class Order(Shape, frozen=True):
    order_no: OrderNo
    source: Annotated[Literal["api", "manual", "page"] | None, Meta(description=n_("Null of one that a delivery brought."))]
    placed_at: dt.datetime | None
    stock_state: Literal["none", "delivered", "paid_without_stock", "resolved"] | None
    lines: list[Line]
    refunds: list[Refund]


class Orders(Shape, frozen=True):
    items: list[Order]
    next: Next | None


class LineSent(Shape, frozen=True, forbid_unknown_fields=True):
    """gross and discount are of the line, not of a unit."""

    sku: Code
    quantity: Units
    gross: Money
    line_no: Annotated[LineNo, Meta(description=n_("Where it is left out, its place in the list."))] | None = None
    discount: Money | None = None


class OrderSent(Shape, frozen=True, forbid_unknown_fields=True):
    """A paid order."""

    order_no: OrderNo
    channel: Code
    lines: Annotated[list[LineSent], Meta(min_length=1, max_length=200)]
    reseller: Annotated[Code, Meta(description=n_("The seller. A key of a reseller leaves it out."))] | None = None
    paid_at: Annotated[Instant, Meta(description=n_("Now, where it is left out."))] | None = None
    buyer: (
        Annotated[
            str, Meta(max_length=200, description=n_("An opaque hash of the consumer, as in orders.csv."), examples=["h-7f3a"])
        ]
        | None
    ) = None
    phone: (
        Annotated[str, Meta(max_length=40, description=n_("The consumer's, to deliver cards."), examples=["13800138000"])] | None
    ) = None
    email: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description=n_("The consumer's: the link to the cards comes there as well."),
                examples=["li@example.com"],
            ),
        ]
        | None
    ) = None
    reservation: (
        Annotated[uuid.UUID, Meta(description=n_("Made before the payment; without one the order takes its chance."))] | None
    ) = None


class LinePlaced(Shape, frozen=True):
    line_no: LineNo
    sku: Code
    quantity: int
    gross: Money
    discount: Money
    net: Money
    self_purchase: bool
    flags: Annotated[list[str], Meta(description=n_("What a person should look at."))]


class OrderPlaced(Shape, frozen=True):
    order_no: OrderNo
    source: Source
    reseller: Code
    channel: Code
    placed_at: Instant
    paid_at: Instant
    stock_state: StockState
    lines: list[LinePlaced]


class RefundLineSent(Shape, frozen=True, forbid_unknown_fields=True):
    line_no: LineNo
    quantity: Units
    amount: Money
    cards: (
        Annotated[
            list[CardId],
            Meta(max_length=1000, description=n_("Which cards come back; else those that nobody has seen come first.")),
        ]
        | None
    ) = None


class RefundSent(Shape, frozen=True, forbid_unknown_fields=True):
    """Of one order: units and money, in part or in whole, as often as there is something left."""

    refund_no: RefundNo
    lines: Annotated[list[RefundLineSent], Meta(min_length=1, max_length=200)]
    refunded_at: Annotated[Instant, Meta(description=n_("Now, where it is left out."))] | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None


class RefundLine(Shape, frozen=True):
    line_no: LineNo
    quantity: int
    amount: Money
    cards_missing: Annotated[int, Meta(description=n_("Units for which no card was left to take back."))] = 0


class RefundGiven(Shape, frozen=True):
    order_no: OrderNo
    refund_no: RefundNo
    refunded_at: Instant
    lines: list[RefundLine]


class RefundsListed(Shape, frozen=True):
    items: list[RefundGiven]


class FulfilmentSent(Shape, frozen=True, forbid_unknown_fields=True):
    """So many units of a line at one instant. Of one line, event and instant there is one."""

    line_no: LineNo
    event: Literal["delivered", "redeemed"]
    quantity: Annotated[int, Meta(ge=1, le=1_000_000, examples=[2])]
    at: Annotated[Instant, Meta(description=n_("When it happened, by your clock."))]


class Fulfilment(Shape, frozen=True):
    order_no: OrderNo
    line_no: LineNo
    event: Literal["delivered", "redeemed"]
    quantity: int
    at: Instant


class ReservationSent(Shape, frozen=True, forbid_unknown_fields=True):
    sku: Code
    quantity: Units
    channel: Code
    minutes: Annotated[int, Meta(ge=1, le=60, description=n_("How long the cards are held."), examples=[15])]
    reseller: Annotated[Code, Meta(description=n_("The seller. A key of a reseller leaves it out."))] | None = None


class Reservation(Shape, frozen=True):
    id: uuid.UUID
    reseller: Code
    channel: Code
    sku: Code
    quantity: int
    state: Literal["held", "used", "released", "lapsed"]
    until: Instant
    order_no: Annotated[str | None, Meta(description=n_("The order that took the cards."))]
