"""A brand with cards in a reseller's pool and an offer of them, and people who claim."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from tests import books
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim, offer

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

NOW, ACTOR, NEVER = warehouse.NOW, warehouse.ACTOR, warehouse.NEVER
HOUR = dt.timedelta(hours=1)
CODE = "spring"
EVERYTHING = (
    "SELECT (SELECT count(*) FROM claim), (SELECT sum(taken)::int FROM claim_offer), (SELECT count(*) FROM card WHERE claim IS NOT NULL),"
    " (SELECT count(*) FROM stock_act WHERE kind = 'claim'), (SELECT count(*) FROM card_event WHERE to_state = 'delivered')"
)


async def opened(folder: Path, *days: dt.date) -> tuple[Brand, int]:
    """The brand, and the pool in which the cards are."""
    brand = await warehouse.brand(folder)
    pool = await warehouse.opened(brand, "R1")
    if days:
        await warehouse.stocked(brand, *days, pool=pool)
    return brand, pool


async def offered(brand: Brand, **changes: object) -> offer.Offer:
    """Cards of R1's pool from an hour ago on, for a day, one for each person."""
    given: dict[str, Any] = {
        "code": CODE, "name": "春日礼", "sku": "card", "reseller": "R1", "channel": None, "period": "ever", "quota": None,
        "starts_at": NOW - HOUR, "ends_at": NOW + 23 * HOUR, **changes,
    }  # fmt: skip
    return await offer.make(brand=brand, wanted=offer.Wanted(**given), actor=ACTOR, now=NOW)


async def claimed(
    brand: Brand,
    keys: crypto.Keys,
    subject: str,
    *,
    desk: claim.Desk = claim.DESK,
    code: str = CODE,
    request: claim.Request | None = None,
    now: dt.datetime = NOW,
) -> claim.Claim:
    one = claim.ask(brand=brand, keys=keys, subject=subject, request=request)
    return await desk.claim(brand=brand, code=code, one=one, now=now)


async def written(brand: Brand) -> tuple[Any, ...]:
    """Claims, taken, cards claimed, acts, events."""
    (found,) = await books.seen(brand, EVERYTHING)
    return found


def request(api_key: uuid.UUID, key: str, about: bytes) -> claim.Request:
    return claim.Request(api_key=api_key, key=key, fingerprint=about * 32)
