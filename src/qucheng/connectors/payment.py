"""Online payment: which provider takes the money, and the one that takes none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from qucheng.connectors import payment_simulator
from qucheng.core import payment_port

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping
    from pathlib import Path

    from qucheng.core import crypto

PROVIDERS = ("null", "simulator")
NOBODY = "Nobody takes money online here: pay the seller."


class Null:
    """No online payment: the buyer pays the reseller, who enters the sale."""

    name = "null"

    async def create(self, charge: payment_port.Charge) -> payment_port.Created:
        self._refuse(charge)

    async def query(self, charge: uuid.UUID) -> payment_port.Found:
        self._refuse(charge)

    async def refund(self, charge: uuid.UUID, *, number: uuid.UUID, amount_minor: int) -> payment_port.RefundState:
        self._refuse(charge, number, amount_minor)

    async def query_refund(self, charge: uuid.UUID, *, number: uuid.UUID) -> payment_port.RefundState:
        self._refuse(charge, number)

    def verify_callback(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> payment_port.Notice:
        self._refuse(headers, body, now)

    def _refuse(self, *_: object) -> Never:
        raise payment_port.NoOnlinePaymentError(NOBODY)


def chosen(provider: str, *, var: Path, keys: crypto.Keys, production: bool) -> payment_port.Port:
    """Raises NoOnlinePaymentError for one that there is not, and in production for the simulator."""
    if provider == "null":
        return Null()
    if provider == "simulator" and not production:
        return payment_simulator.of(var, keys)
    raise payment_port.NoOnlinePaymentError(NOBODY)
