"""Offers as the brand's people see them: what was taken, and what the pool still has for them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.campaigns import offer
from qucheng.core import db
from qucheng.stock import rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

PAGE = 20
State = Literal["before", "running", "ended"]
STATE = "CASE WHEN $2 < o.starts_at THEN 'before' WHEN $2 < o.ends_at THEN 'running' ELSE 'ended' END"
# cards of a batch that is over are none that could be claimed
LISTED = f"""
    SELECT o.code, o.name, o.sku, k.name AS sku_name, o.pool, p.reseller, s.name AS reseller_name, p.channel, c.name AS channel_name,
        o.period, o.quota, o.taken, o.starts_at, o.ends_at, o.made_by, o.made_at, {STATE} AS state,
        coalesce((SELECT sum(l.available) FROM stock_level l JOIN batch b ON b.brand_id = l.brand_id AND b.number = l.batch
                  WHERE l.brand_id = o.brand_id AND l.pool = o.pool AND l.sku = o.sku AND b.latest_expiry > $1), 0)::bigint AS drawable
    FROM claim_offer o JOIN sku k ON k.brand_id = o.brand_id AND k.code = o.sku JOIN pool p ON p.brand_id = o.brand_id AND p.number = o.pool
    LEFT JOIN reseller s ON s.brand_id = p.brand_id AND s.code = p.reseller LEFT JOIN channel c ON c.brand_id = p.brand_id AND c.code = p.channel"""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """drawable: cards that its pool has for it, and for others who draw from it."""

    code: str
    name: str
    sku: str
    sku_name: str
    pool: int
    reseller: str | None
    reseller_name: str | None
    channel: str | None
    channel_name: str | None
    period: offer.Period
    quota: int | None
    taken: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    made_by: uuid.UUID | None
    made_at: dt.datetime
    state: State
    drawable: int

    @property
    def short(self) -> bool:
        """Whether people are going to be told that nothing is left before the quota is taken."""
        if self.state == "ended" or self.taken == self.quota:
            return False
        return self.drawable == 0 or (self.quota is not None and self.drawable < self.quota - self.taken)


async def listing(
    *, brand: Brand, now: dt.datetime, state: State | None = None, text: str = "", page: int = 1
) -> tuple[list[Shown], int]:
    """Those that begin last first, with how many there are. text: part of a code or name."""
    where = f"({STATE}) = coalesce($3, ({STATE})) AND ($4 = '' OR strpos(lower(o.code || ' ' || o.name), lower($4)) > 0)"
    values = (rules.local_day(now, brand.time_zone), now, state, text)
    async with db.atomic(brand.id):
        connection = db.connection()
        rows = await connection.fetch(
            f"{LISTED} WHERE {where} ORDER BY o.starts_at DESC, o.code LIMIT {PAGE} OFFSET $5", *values, (page - 1) * PAGE
        )
        total: int = await connection.fetchval(
            f"SELECT count(*) FROM claim_offer o WHERE $1::date IS NOT NULL AND {where}", *values
        )
    return [Shown(**dict(row)) for row in rows], total


async def one(*, brand: Brand, code: str, now: dt.datetime) -> Shown:
    """Raises OfferUnknownError."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(f"{LISTED} WHERE o.code = $3", rules.local_day(now, brand.time_zone), now, code)
    if row is None:
        raise offer.OfferUnknownError("There is no such offer.")
    return Shown(**dict(row))
