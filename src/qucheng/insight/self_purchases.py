"""How much of what is sold goes to the sellers themselves or to those above them: it earns nothing, and more than 30 % is looked at."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import uuid

MONTHS = """
    SELECT month, sum(whole)::bigint AS net_minor, sum(own)::bigint AS own_minor, count(*) FILTER (WHERE own * 10 > whole * 3)::integer AS reviewed
    FROM (SELECT date_trunc('month', l.paid_on)::date AS month, l.reseller, sum(l.net_minor) AS whole,
                 coalesce(sum(l.net_minor) FILTER (WHERE l.self_purchase), 0) AS own
          FROM order_line l WHERE l.paid_on >= $1 GROUP BY 1, 2) sold
    GROUP BY month ORDER BY month DESC"""


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """net and own: what was sold, and of it to the sellers' own. reviewed: how many resellers are past 30 %."""

    month: dt.date
    net_minor: int
    own_minor: int
    reviewed: int

    @property
    def share_ppm(self) -> int:
        return self.own_minor * 1_000_000 // self.net_minor if self.net_minor else 0


async def months(*, brand_id: uuid.UUID, since: dt.date) -> list[Month]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(MONTHS, since)
    return [Month(**dict(row)) for row in rows]
