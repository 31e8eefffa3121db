"""A provider of payment that is none, for development and the demonstration: a page of ours plays the payer's app.

It keeps its own books in a folder, as another's would be kept elsewhere, and signs its notices. A production start refuses it.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import fcntl
import hmac
import os
import secrets
import uuid
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from qucheng.core import clock, payment_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from qucheng.core import crypto

    T = TypeVar("T")

FOLDER = "simulator"
PAGE = "/simulator/pay/"
TOLERANCE = dt.timedelta(seconds=300)
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
LONGEST_ID = 100


class Entry(msgspec.Struct, kw_only=True):
    """A charge as the provider has it. times: how often the payer paid; what is paid twice is given back by the provider itself."""

    charge: payment_port.Charge
    provider_no: str
    state: Literal["pending", "paid", "failed"] = "pending"
    at: dt.datetime | None = None
    times: int = 0
    refunds: dict[str, int] = {}


class Simulator:
    """lose: how many of the next answers are lost after what they answer was done."""

    name = "simulator"

    def __init__(self, folder: Path, secret: bytes) -> None:
        self._folder, self._secret = folder, secret
        self.lose = 0

    async def create(self, charge: payment_port.Charge) -> payment_port.Created:
        def made(entry: Entry | None) -> tuple[Entry, Entry]:
            entry = entry or Entry(charge=charge, provider_no=f"SIM{secrets.token_hex(8)}")
            return entry, entry

        found = await self._change(charge.id, made)
        return payment_port.Created(provider_no=found.provider_no, address=f"{PAGE}{charge.id}")

    async def query(self, charge: uuid.UUID) -> payment_port.Found:
        entry = await self.entry(charge)
        if entry is None:
            return payment_port.Found(state="unknown")
        return payment_port.Found(
            state=entry.state, amount_minor=entry.charge.amount_minor, currency=entry.charge.currency, at=entry.at
        )

    async def refund(self, charge: uuid.UUID, *, number: uuid.UUID, amount_minor: int) -> payment_port.RefundState:
        def given(entry: Entry | None) -> tuple[Entry | None, payment_port.RefundState]:
            if entry is None or entry.state != "paid":
                return entry, "refused"
            if str(number) in entry.refunds:
                return entry, "done"
            if sum(entry.refunds.values()) + amount_minor > entry.charge.amount_minor:
                return entry, "refused"
            entry.refunds[str(number)] = amount_minor
            return entry, "done"

        answer = await self._change(charge, given)
        if self.lose > 0:
            self.lose -= 1
            raise payment_port.UnreachableError
        return answer

    async def query_refund(self, charge: uuid.UUID, *, number: uuid.UUID) -> payment_port.RefundState:
        entry = await self.entry(charge)
        return "done" if entry is not None and str(number) in entry.refunds else "unknown"

    def verify_callback(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> payment_port.Notice:
        number, moment = headers.get(ID, ""), headers.get(TIMESTAMP, "")
        wanted = self._signature(number, moment, body)
        if not hmac.compare_digest(wanted.encode(), headers.get(SIGNATURE, "").encode()):
            raise payment_port.ForgedError("The signature is not the provider's.")
        if not moment.isdecimal() or abs(now - dt.datetime.fromtimestamp(int(moment), dt.UTC)) > TOLERANCE:
            raise payment_port.ForgedError("The notice is of another time.")
        notice = msgspec.json.decode(body, type=payment_port.Notice)
        if notice.id != number or not 0 < len(number) <= LONGEST_ID:
            raise payment_port.ForgedError("The notice is another one than it says.")
        return notice

    async def entry(self, charge: uuid.UUID) -> Entry | None:
        return await self._change(charge, lambda entry: (None, entry))

    async def pay(self, charge: uuid.UUID, *, paid: bool) -> Entry | None:
        """What the payer does. A payment that failed may be tried again; one that was paid stays so."""

        def done(entry: Entry | None) -> tuple[Entry | None, Entry | None]:
            if entry is not None and (paid or entry.state != "paid"):
                entry.state, entry.at = "paid" if paid else "failed", entry.at if entry.state == "paid" else clock.now()
                entry.times += int(paid)
            return entry, entry

        return await self._change(charge, done)

    def notice(self, entry: Entry, *, kind: Literal["paid", "failed"], number: str | None = None) -> payment_port.Notice:
        charge = entry.charge
        return payment_port.Notice(
            id=number or f"evt-{uuid.uuid4().hex}",
            charge=charge.id,
            kind=kind,
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            at=entry.at or clock.now(),
        )

    def signed(self, notice: payment_port.Notice, *, now: dt.datetime) -> tuple[dict[str, str], bytes]:
        """Headers and body, as they are sent to us."""
        body, moment = msgspec.json.encode(notice), str(int(now.timestamp()))
        return {ID: notice.id, TIMESTAMP: moment, SIGNATURE: self._signature(notice.id, moment, body)}, body

    def _signature(self, number: str, moment: str, body: bytes) -> str:
        digest = hmac.digest(self._secret, f"{number}.{moment}.".encode() + body, "sha256")
        return f"v1,{base64.b64encode(digest).decode()}"

    async def _change(self, charge: uuid.UUID, change: Callable[[Entry | None], tuple[Entry | None, T]]) -> T:
        return await asyncio.to_thread(_changed, self._folder, charge, change)


def of(var: Path, keys: crypto.Keys) -> Simulator:
    return Simulator(var / FOLDER, keys.fingerprint("simulator", of="payment-callback"))


def _changed(folder: Path, charge: uuid.UUID, change: Callable[[Entry | None], tuple[Entry | None, T]]) -> T:
    """One at a time, over all processes; the file is written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"{charge}.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = msgspec.json.decode(file.read_bytes(), type=Entry) if file.exists() else None
        changed, answer = change(entry)
        if changed is not None:
            fresh = file.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(msgspec.json.encode(changed))
            fresh.replace(file)
    return answer
