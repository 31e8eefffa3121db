"""Sales of resellers placed under this one on which it earned. What SQL gives of them is all that is known."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import clock, db

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

ROWS = "SELECT * FROM sales_below_after($1, $2, $3, $4, $5, $6)"
SUMS = "SELECT sales, amount_minor FROM sales_below_sum($1, $2)"


class Key(msgspec.Struct, frozen=True):
    paid_on: dt.date
    order_no: str
    line_no: str


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """basis_value: minor units, or a plain count for basis `unit`. rate: as its own rule says it."""

    order_no: str
    line_no: str
    paid_on: dt.date
    sku: str
    basis: str
    basis_value: int
    rate: str
    amount_minor: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. sales, amount_minor: of the whole month."""

    rows: tuple[Sale, ...]
    after: bool
    sales: int
    amount_minor: int


async def page(*, brand: Brand, reseller: str, month: dt.date, size: int, key: Key | None = None) -> Page:
    until = clock.month_after(month)
    after = (key.paid_on, key.order_no, key.line_no) if key else (None, None, None)
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(ROWS, month, until, *after, size + 1)
        sales, amount = await db.connection().fetchrow(SUMS, month, until)
    return Page(rows=tuple(Sale(**dict(row)) for row in rows[:size]), after=len(rows) > size, sales=sales, amount_minor=amount)
