"""The rows of each file as they are read (steps 1 and 2 of section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from tests.model.brand import Brand

LARGEST_QUANTITY = 10**6


@dataclass(frozen=True)
class Tier:
    key: str
    name: str
    rank: int


def tier(row: Mapping[str, str]) -> Tier:
    return Tier(values.code(row["code"]), values.name(row["name"]), values.whole(row["rank"], least=1))


@dataclass(frozen=True)
class Channel:
    key: str
    name: str
    kind: str


def channel(row: Mapping[str, str]) -> Channel:
    kind = values.one_of(row["kind"] or "agency", ("agency", "wholesale"))
    return Channel(values.code(row["code"]), values.name(row["name"]), kind)


@dataclass(frozen=True)
class Reseller:
    key: str
    name: str
    kind: str
    parent: str
    tier: str
    joined_on: date
    identity: str


def reseller(row: Mapping[str, str]) -> Reseller:
    return Reseller(
        values.code(row["code"]),
        values.name(row["name"]),
        values.one_of(row["kind"], ("individual", "company")),
        values.blank_or_code(row["parent"]),
        values.code(row["tier"]),
        values.day(row["joined_on"]),
        row["identity"],
    )


@dataclass(frozen=True)
class Placement:
    reseller: str
    parent: str
    tier: str
    effective_on: date

    @property
    def key(self) -> tuple[str, date]:
        return self.reseller, self.effective_on


def placement(row: Mapping[str, str]) -> Placement:
    return Placement(
        values.code(row["reseller"]),
        values.blank_or_code(row["parent"]),
        values.code(row["tier"]),
        values.day(row["effective_on"]),
    )


@dataclass(frozen=True)
class Sku:
    key: str
    name: str
    category: str
    list_price: int
    cost: int
    hold_from: str


def sku(row: Mapping[str, str], brand: Brand) -> Sku:
    return Sku(
        values.code(row["code"]),
        values.name(row["name"]),
        values.name(row["category"]),
        values.amount(row["list_price"], brand.decimals),
        values.amount(row["cost"] or "0", brand.decimals),
        values.one_of(row["hold_from"] or "paid", ("paid", "delivered", "redeemed")),
    )


@dataclass(frozen=True)
class Price:
    sku: str
    channel: str
    tier: str
    price: int
    floor: int | None
    starts_on: date
    ends_on: date | None

    @property
    def key(self) -> tuple[str, str, str, date]:
        return self.sku, self.channel, self.tier, self.starts_on


def price(row: Mapping[str, str], brand: Brand) -> Price:
    starts_on, ends_on = values.interval(row["starts_on"], row["ends_on"])
    assert starts_on is not None
    return Price(
        values.code(row["sku"]),
        values.blank_or_code(row["channel"]),
        values.blank_or_code(row["tier"]),
        values.amount(row["price"], brand.decimals),
        values.amount(row["floor"], brand.decimals) if row["floor"] else None,
        starts_on,
        ends_on,
    )


@dataclass(frozen=True)
class Order:
    order: str
    line: str
    paid_at: datetime
    reseller: str
    channel: str
    sku: str
    quantity: int
    gross: int
    discount: int
    buyer: str

    @property
    def key(self) -> tuple[str, str]:
        return self.order, self.line

    @property
    def net(self) -> int:
        return self.gross - self.discount


def order(row: Mapping[str, str], brand: Brand) -> Order:
    return Order(
        values.code(row["order"]),
        values.code(row["line"]),
        values.instant(row["paid_at"], brand.zone),
        values.code(row["reseller"]),
        values.code(row["channel"]),
        values.code(row["sku"]),
        values.whole(row["quantity"], least=1, most=LARGEST_QUANTITY),
        values.amount(row["gross"], brand.decimals),
        values.amount(row["discount"] or "0", brand.decimals),
        row["buyer"],
    )


@dataclass(frozen=True)
class Refund:
    refund: str
    order: str
    line: str
    refunded_at: datetime
    quantity: int
    amount: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.refund, self.order, self.line


def refund(row: Mapping[str, str], brand: Brand) -> Refund:
    return Refund(
        values.code(row["refund"]),
        values.code(row["order"]),
        values.code(row["line"]),
        values.instant(row["refunded_at"], brand.zone),
        values.whole(row["quantity"], least=0, most=LARGEST_QUANTITY),
        values.amount(row["amount"], brand.decimals),
    )


@dataclass(frozen=True)
class Fulfilment:
    order: str
    line: str
    event: str
    at: datetime
    quantity: int

    @property
    def key(self) -> tuple[str, str, str, datetime]:
        return self.order, self.line, self.event, self.at


def fulfilment(row: Mapping[str, str], brand: Brand) -> Fulfilment:
    return Fulfilment(
        values.code(row["order"]),
        values.code(row["line"]),
        values.one_of(row["event"], ("delivered", "redeemed")),
        values.instant(row["at"], brand.zone),
        values.whole(row["quantity"], least=1, most=LARGEST_QUANTITY),
    )


@dataclass(frozen=True)
class Adjustment:
    key: str
    reseller: str
    occurred_at: datetime
    amount: int
    reason: str


def adjustment(row: Mapping[str, str], brand: Brand) -> Adjustment:
    return Adjustment(
        values.code(row["adjustment"]),
        values.code(row["reseller"]),
        values.instant(row["occurred_at"], brand.zone),
        values.amount(row["amount"], brand.decimals, signed=True),
        row["reason"],
    )
