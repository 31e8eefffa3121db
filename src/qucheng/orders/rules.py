"""What can be said of a live order or refund without asking the books."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
CONTROL = re.compile("[\x00-\x1f\x7f]")
MOST_LINES = 200
MOST_UNITS = 1_000_000
# of a currency with two decimals
MOST_MINOR = 10**12 - 1
LONGEST_BUYER = 200
# clocks of two machines
AHEAD = dt.timedelta(minutes=5)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One field that cannot be so. pointer: into the order or the refund as it is sent."""

    code: str
    pointer: str
    detail: str


class LineIn(msgspec.Struct, frozen=True, kw_only=True):
    """gross_minor and discount_minor are of the line, not of a unit."""

    line_no: str
    sku: str
    quantity: int
    gross_minor: int
    discount_minor: int = 0


class LineBack(msgspec.Struct, frozen=True, kw_only=True):
    """Of a line what is given back. cards: which, where it matters: batch and number."""

    line_no: str
    quantity: int
    amount_minor: int
    cards: tuple[tuple[int, int], ...] = ()


def order_faults(
    *, order_no: str, lines: Sequence[LineIn], buyer: str | None, paid_at: dt.datetime, now: dt.datetime
) -> list[Fault]:
    found = []
    if not CODE.fullmatch(order_no):
        found.append(Fault(code="order_no.invalid", pointer="/orderNo", detail="A number has 1 to 40 letters, digits, dots, hyphens and underscores."))  # fmt: skip
    if paid_at > now + AHEAD:
        found.append(Fault(code="paid_at.future", pointer="/paidAt", detail="This is in the future."))
    if buyer is not None and (len(buyer) > LONGEST_BUYER or CONTROL.search(buyer)):
        found.append(Fault(code="buyer.invalid", pointer="/buyer", detail=f"At most {LONGEST_BUYER} printable characters."))
    if not lines:
        found.append(Fault(code="line.missing", pointer="/lines", detail="An order has a line at least."))
    if len(lines) > MOST_LINES:
        found.append(Fault(code="line.too_many", pointer="/lines", detail=f"At most {MOST_LINES} lines."))
    found += _repeated(list(lines))
    for place, line in enumerate(lines):
        found += _line_faults(line, f"/lines/{place}")
    return found


def _repeated(lines: Sequence[LineIn | LineBack]) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, line in enumerate(lines):
        if line.line_no in seen:
            yield Fault(code="line_no.repeated", pointer=f"/lines/{place}/lineNo", detail="Another line has this number.")
        elif not CODE.fullmatch(line.line_no):
            yield Fault(code="line_no.invalid", pointer=f"/lines/{place}/lineNo", detail="A number has 1 to 40 letters, digits, dots, hyphens and underscores.")  # fmt: skip
        seen.add(line.line_no)


def _line_faults(line: LineIn, pointer: str) -> Iterator[Fault]:
    if not 1 <= line.quantity <= MOST_UNITS:
        yield Fault(code="quantity.invalid", pointer=f"{pointer}/quantity", detail=f"From 1 to {MOST_UNITS}.")
    if not 0 <= line.gross_minor <= MOST_MINOR:
        yield Fault(code="gross.invalid", pointer=f"{pointer}/gross/amount", detail="From 0 to less than 10^10.")
    if not 0 <= line.discount_minor <= MOST_MINOR:
        yield Fault(code="discount.invalid", pointer=f"{pointer}/discount/amount", detail="From 0 to less than 10^10.")
    elif line.discount_minor > line.gross_minor >= 0:
        yield Fault(code="order.net_negative", pointer=f"{pointer}/discount/amount", detail="More than the line's gross.")


def refund_faults(*, refund_no: str, lines: Sequence[LineBack], refunded_at: dt.datetime, now: dt.datetime) -> list[Fault]:
    found = []
    if not CODE.fullmatch(refund_no):
        found.append(Fault(code="refund_no.invalid", pointer="/refundNo", detail="A number has 1 to 40 letters, digits, dots, hyphens and underscores."))  # fmt: skip
    if refunded_at > now + AHEAD:
        found.append(Fault(code="refunded_at.future", pointer="/refundedAt", detail="This is in the future."))
    if not 1 <= len(lines) <= MOST_LINES:
        found.append(Fault(code="line.missing", pointer="/lines", detail=f"From 1 to {MOST_LINES} lines."))
    found += _repeated(list(lines))
    for place, line in enumerate(lines):
        if not 0 <= line.quantity <= MOST_UNITS:
            found.append(Fault(code="quantity.invalid", pointer=f"/lines/{place}/quantity", detail=f"From 0 to {MOST_UNITS}."))
        if not 0 <= line.amount_minor <= MOST_MINOR:
            found.append(
                Fault(code="amount.invalid", pointer=f"/lines/{place}/amount/amount", detail="From 0 to less than 10^10.")
            )
    return found


def content(*said: object) -> bytes:
    """What was asked for, as a hash: sent again it is the same."""
    return hashlib.sha256(msgspec.json.encode(said)).digest()
