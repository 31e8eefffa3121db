"""Orders against the price book: whether what was paid is the price, and what the channel does where it is not.

For orders that are sent one by one; those of a bundle have been sold, and are flagged in orders/order.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt

# The price is that of channel and tier before that of the channel, of the base for the tier, and of the base; a cell without one
# ends the search.
LOOK = """
    WITH seller AS MATERIALIZED (
        SELECT p.day, h.deviation, coalesce(r.joined_on <= d.day, false) AS joined, r.code IS NOT NULL AS known_reseller,
               may_sell($1, $2, p.day) AS open, tier_on($1, p.day) AS tier,
               (SELECT v.version FROM price_live v WHERE v.brand_id = b.id AND v.starts_at <= $4 AND $4 < v.ends_at) AS version,
               (SELECT s.content_sha256 FROM sale s WHERE s.brand_id = b.id AND s.order_no = $6) AS placed,
               EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = b.id AND l.order_no = $6) AS taken
        FROM brand b CROSS JOIN LATERAL (SELECT ($3 AT TIME ZONE b.time_zone)::date AS day) d
        CROSS JOIN LATERAL (SELECT ($4 AT TIME ZONE b.time_zone)::date AS day) p
        LEFT JOIN reseller r ON r.brand_id = b.id AND r.code = $1 LEFT JOIN channel h ON h.brand_id = b.id AND h.code = $2)
    SELECT s.deviation, s.known_reseller, s.joined, s.open, s.placed, s.taken, k.on_sale, k.kind, p.price_minor
    FROM seller s CROSS JOIN unnest($5::text[]) WITH ORDINALITY u (sku, place) LEFT JOIN sku k ON k.brand_id = current_brand() AND k.code = u.sku
    LEFT JOIN LATERAL (
        SELECT c.price_minor FROM price_cell c
        WHERE c.brand_id = current_brand() AND c.version = s.version AND c.sku = u.sku AND (c.channel IS NULL OR c.channel = $2)
          AND (c.tier IS NULL OR c.tier = s.tier) AND c.starts_on <= s.day AND (c.ends_on IS NULL OR s.day < c.ends_on)
        ORDER BY c.channel IS NULL, c.tier IS NULL LIMIT 1) p ON true
    ORDER BY u.place"""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What the books say of a line that is sent. deviation: None where there is no such channel; on_sale and kind: no such SKU.

    placed: what was asked for with the order's number before. taken: the number has lines.
    """

    deviation: str | None
    known_reseller: bool
    joined: bool
    open: bool
    placed: bytes | None
    taken: bool
    on_sale: bool | None
    kind: str | None
    price_minor: int | None

    def code(self, *, quantity: int, gross_minor: int) -> str | None:
        """What is the matter with the price: a flag, or a refusal where the channel refuses such orders."""
        if not self.open or self.price_minor is None:
            return "order.not_for_sale"
        return "order.price_deviates" if gross_minor != self.price_minor * quantity else None


async def look(
    *, reseller: str, channel: str, skus: list[str], paid_at: dt.datetime, priced_at: dt.datetime, order_no: str
) -> list[Looked]:
    """One for each SKU, in their order. priced_at: by whose prices is judged."""
    rows = await db.connection().fetch(LOOK, reseller, channel, paid_at, priced_at, skus, order_no)
    return [Looked(**dict(row)) for row in rows]
