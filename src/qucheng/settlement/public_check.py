"""A statement as whoever holds its paper may compare it: who names its number and the beginning of its hash is shown the rest."""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from qucheng.core import db

# 80 bits: what the QR code carries, and more than anybody can try
FEWEST_DIGITS, MOST_DIGITS = 20, 64
NUMBER = re.compile(r"[A-Za-z0-9._-]{1,80}")
DIGITS = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},{MOST_DIGITS}}}")
# asked for in the place of what cannot be one, so that the same work is done
NO_NUMBER, NO_DIGITS = "nobody-000000-000000", "0" * FEWEST_DIGITS


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the paper. payee_initial: the first character of the payee's name as it is printed there."""

    statement_no: str
    brand_name: str
    payee_initial: str
    currency: str
    decimals: int
    net_minor: int
    first_day: dt.date
    last_day: dt.date
    sha256: str
    published_at: dt.datetime


async def look(*, number: str, digits: str) -> Paper | None:
    """digits: of the hash, at least 20, in groups or not. None where they do not belong together: why is not said."""
    number, digits = number.strip(), "".join(digits.split()).lower()
    async with db.atomic():
        row = await db.connection().fetchrow(
            "SELECT * FROM statement_check($1, $2)",
            number if NUMBER.fullmatch(number) else NO_NUMBER,
            digits if DIGITS.fullmatch(digits) else NO_DIGITS,
        )
    return Paper(**dict(row)) if row is not None else None
