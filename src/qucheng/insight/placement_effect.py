"""What a tier means to who stands in it: the rules that are for it alone, and how many prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid

MOST = 50
RULES = """
    SELECT code, kind, level, basis, rate_text AS rate, channel, sku, category FROM rule_term
    WHERE tier = $1 AND (starts_on IS NULL OR starts_on <= $2) AND (ends_on IS NULL OR $2 < ends_on) ORDER BY code LIMIT $3"""
PRICES = """
    SELECT count(*) FROM live_price_cell
    WHERE tier = $1 AND (starts_on IS NULL OR starts_on <= $2) AND (ends_on IS NULL OR $2 < ends_on)"""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """level: None for a bonus."""

    code: str
    kind: str
    level: int | None
    basis: str
    rate: str
    channel: str | None
    sku: str | None
    category: str | None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What asks for the tier on the day. Rules and prices for any tier come on top."""

    tier: str
    rules: list[Rule]
    prices: int


async def of_tier(*, brand_id: uuid.UUID, tier: str, day: dt.date) -> Effect:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(RULES, tier, day, MOST)
        prices = await db.connection().fetchval(PRICES, tier, day)
    return Effect(tier=tier, rules=[Rule(**dict(row)) for row in rows], prices=prices)
