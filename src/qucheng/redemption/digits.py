"""Six digits that stand under a moving QR, for a till that cannot read it. They are bound to a store, and entered with the end of
the phone of whoever holds the card. Stored are fingerprints. Five wrong in ten minutes close a terminal's entry for ten.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import db, errors
from qucheng.redemption import picture, wrong_entry

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto

LENGTH = 6
ATTEMPTS = 40
PHONE_END = re.compile(r"[0-9]{4}", re.ASCII)


class DigitsShortError(errors.RefusedError):
    """All digits that were tried stand under somebody else's QR just now."""

    code: ClassVar[str] = "digits.short"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 15


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The card that the digits stand for. fingerprint: of the digits."""

    batch: int
    number: int
    fingerprint: bytes


async def issue(
    *,
    brand_id: uuid.UUID,
    keys: crypto.Keys,
    batch: int,
    number: int,
    store: str,
    phone_end: str,
    now: dt.datetime,
) -> str:
    """For as long as the QR of now is good. Raises DigitsShortError."""
    if not PHONE_END.fullmatch(phone_end):
        raise ValueError("the end of a phone number is four digits")
    ends = (picture.step_of(now) + picture.BESIDE + 1) * picture.STEP_SECONDS
    until = dt.datetime.fromtimestamp(ends, tz=dt.UTC)
    async with db.atomic(brand_id):
        for _ in range(ATTEMPTS):
            made = f"{secrets.randbelow(10**LENGTH):0{LENGTH}}"
            done = await db.connection().execute(
                "INSERT INTO short_digits AS d (brand_id, fingerprint, holder, store, batch, number, until)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (brand_id, fingerprint) DO UPDATE SET holder = excluded.holder,"
                " store = excluded.store, batch = excluded.batch, number = excluded.number, until = excluded.until, spent = false"
                " WHERE d.until <= $8",
                *(brand_id, _fingerprint(keys, brand_id, made), _fingerprint(keys, brand_id, made, phone_end)),
                *(store, batch, number, until, now),
            )
            if done == "INSERT 0 1":
                return made
    raise DigitsShortError("There are no digits left for the moment: try again in a few seconds.")


async def read(
    *,
    brand_id: uuid.UUID,
    keys: crypto.Keys,
    terminal: uuid.UUID,
    store: str,
    entered: str,
    phone_end: str,
    now: dt.datetime,
) -> Held | None:
    """Inside the transaction of the answer, with which a wrong entry is kept. Raises wrong_entry.DigitsClosedError."""
    connection = db.connection()
    await wrong_entry.take_turns(brand_id=brand_id, terminal=terminal, way="digits")
    await wrong_entry.require_open(terminal=terminal, way="digits", now=now)
    row = await connection.fetchrow(
        "SELECT batch, number, fingerprint FROM short_digits WHERE fingerprint = $1 AND holder = $2 AND store = $3 AND until > $4",
        _fingerprint(keys, brand_id, entered),
        _fingerprint(keys, brand_id, entered, phone_end),
        store,
        now,
    )
    if row is None:
        await wrong_entry.count(brand_id=brand_id, terminal=terminal, way="digits", now=now)
        return None
    return Held(**dict(row))


def _fingerprint(keys: crypto.Keys, brand_id: uuid.UUID, *parts: str) -> bytes:
    return keys.fingerprint("/".join([str(brand_id), *parts]), of="redemption.digits")


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes digits whose time is over; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute("DELETE FROM short_digits WHERE until < $1", now - wrong_entry.WATCHED)
    return int(status.removeprefix("DELETE "))
