"""What a moving QR says: which card, when it was made, and that we made it. Good for its step of fifteen seconds and those beside it.

The card goes by an alias of 80 bits, made by chance; what proves the rest never leaves the server.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.core import crypto

VERSION = 1
STEP_SECONDS = 15
BESIDE = 1
BYTES = 10
FORM = re.compile(r"(QC1:1:([A-Z2-7]{16}):([0-9]{1,12})):([A-Z2-7]{16})", re.ASCII)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    alias: bytes
    step: int


def step_of(now: dt.datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


async def alias_of(*, brand_id: uuid.UUID, batch: int, number: int, now: dt.datetime) -> bytes:
    """What the card is called in pictures; made when it is first asked for."""
    async with db.atomic(brand_id):
        await db.connection().execute(
            "INSERT INTO card_alias (brand_id, alias, batch, number, made_at) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (brand_id, batch, number) DO NOTHING",
            *(brand_id, secrets.token_bytes(BYTES), batch, number, now),
        )
        found: bytes = await db.connection().fetchval(
            "SELECT alias FROM card_alias WHERE batch = $1 AND number = $2", batch, number
        )
    return found


async def issue(*, brand_id: uuid.UUID, keys: crypto.Keys, batch: int, number: int, now: dt.datetime) -> str:
    """The text of the QR, for whoever holds the card."""
    called = await alias_of(brand_id=brand_id, batch=batch, number=number, now=now)
    return drawn(keys, brand_id, called, step_of(now))


def drawn(keys: crypto.Keys, brand_id: uuid.UUID, alias: bytes, step: int) -> str:
    head = f"QC1:{VERSION}:{_text(alias)}:{step}"
    return f"{head}:{_proof(keys, brand_id, head)}"


def read(keys: crypto.Keys, brand_id: uuid.UUID, shown: str, now: dt.datetime) -> Read | None:
    """None for what we did not make, or not about now."""
    found = FORM.fullmatch(shown.strip().upper())
    if found is None or not hmac.compare_digest(_proof(keys, brand_id, found[1]), found[4]):
        return None
    step = int(found[3])
    return Read(alias=base64.b32decode(found[2]), step=step) if abs(step - step_of(now)) <= BESIDE else None


def _proof(keys: crypto.Keys, brand_id: uuid.UUID, head: str) -> str:
    key = keys.derived(f"redemption.picture/{VERSION}/{brand_id}")
    return _text(hmac.digest(key, head.encode(), "sha256")[:BYTES])


def _text(plain: bytes) -> str:
    return base64.b32encode(plain).decode()
