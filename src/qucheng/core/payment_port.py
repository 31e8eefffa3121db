"""What a provider of online payment does for us, whoever it is (connectors/payment.py).

Everything is asked under numbers of ours that were written down before: asked twice, it is done once.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# unknown: the provider has never heard of it
State = Literal["unknown", "pending", "paid", "failed"]
RefundState = Literal["unknown", "pending", "done", "refused"]


class ForgedError(errors.RefusedError):
    """A notice that the provider did not write, or wrote at another time."""

    code: ClassVar[str] = "payment.forged"
    status: ClassVar[int] = 401


class NoOnlinePaymentError(errors.RefusedError):
    code: ClassVar[str] = "payment.none"
    status: ClassVar[int] = 409


class UnreachableError(Exception):
    """Nobody knows whether it was done: it is asked for before it is done again."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """subject: what the payer reads. return_address: the page of ours to which the payer is led back."""

    id: uuid.UUID
    amount_minor: int
    currency: str
    subject: str
    return_address: str
    good_until: dt.datetime


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """address: where the payer goes, and what a QR code holds."""

    provider_no: str
    address: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """at: when it was paid."""

    state: State
    amount_minor: int | None = None
    currency: str | None = None
    at: dt.datetime | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """id: of the notice; the same one may come any number of times."""

    id: str
    charge: uuid.UUID
    kind: Literal["paid", "failed"]
    amount_minor: int
    currency: str
    at: dt.datetime


class Port(Protocol):
    """Each call may raise UnreachableError."""

    name: str

    async def create(self, charge: Charge) -> Created: ...

    async def query(self, charge: uuid.UUID) -> Found: ...

    async def refund(self, charge: uuid.UUID, *, number: uuid.UUID, amount_minor: int) -> RefundState: ...

    async def query_refund(self, charge: uuid.UUID, *, number: uuid.UUID) -> RefundState: ...

    def verify_callback(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Notice:
        """Raises ForgedError."""
