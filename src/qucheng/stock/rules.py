"""What a card may be, how it is named, and the brand's day. Nothing here asks a database."""

from __future__ import annotations

import re
import zoneinfo
from typing import TYPE_CHECKING, ClassVar, Literal

from qucheng.core import errors

if TYPE_CHECKING:
    import datetime as dt

State = Literal["inactive", "available", "reserved", "delivered", "revealed", "redeemed", "frozen", "void"]
STATES: tuple[State, ...] = ("inactive", "available", "reserved", "delivered", "revealed", "redeemed", "frozen", "void")
UNALLOCATED = 0
MOST_CARDS = 1_000_000
LONGEST_NOTE = 200
LONGEST_REASON = 500
CARD_ID = re.compile(r"([1-9][0-9]{0,9})-([1-9][0-9]{0,6})", re.ASCII)
MOST_BATCHES = 2**31


class CardUnknownError(errors.RefusedError):
    """There is none of that id, or not for who asks."""

    code: ClassVar[str] = "card.unknown"
    status: ClassVar[int] = 404


def card_id(batch: int, number: int) -> str:
    return f"{batch}-{number}"


def parse_card_id(text: str) -> tuple[int, int]:
    """Raises CardUnknownError."""
    found = CARD_ID.fullmatch(text)
    if found is None or int(found[1]) >= MOST_BATCHES:
        raise CardUnknownError("There is no such card.")
    return int(found[1]), int(found[2])


def local_day(now: dt.datetime, zone: str) -> dt.date:
    """The brand's day."""
    return now.astimezone(zoneinfo.ZoneInfo(zone)).date()


def line(text: str | None, longest: int) -> str | None:
    """What somebody wrote, on one line; None for nothing."""
    said = " ".join((text or "").split())[:longest]
    return said if said and said.isprintable() else None
