"""Numbers of orders that are made here: a letter for how, the brand's day, and 50 bits by chance."""

from __future__ import annotations

import re
import secrets
import zoneinfo
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand

Kind = Literal["M", "P"]
# without I, L, O and U
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
FORM = re.compile(rf"[MP][0-9]{{8}}-[{LETTERS}]{{{LENGTH}}}", re.ASCII)


def made(kind: Kind, brand: Brand, now: dt.datetime) -> str:
    """M: sold by hand. P: on the order page."""
    return f"{kind}{local_day(brand, now):%Y%m%d}-{by_chance(LENGTH)}"


def is_one(text: str, kind: Kind) -> bool:
    return text.startswith(kind) and FORM.fullmatch(text) is not None


def by_chance(length: int) -> str:
    """Five bits a letter."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def local_day(brand: Brand, now: dt.datetime) -> dt.date:
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
