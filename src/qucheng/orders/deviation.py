"""Orders against the price book: whether what was paid is the price, and what the channel does where it is not.

For orders that are sent one by one; those of a bundle have been sold, and are flagged in orders/order.py.
"""

from __future__ import annotations

from qucheng.catalog import channel_price
from qucheng.core import db


async def judge(*, staged: str, judged: str) -> None:
    """Puts a row into the new temporary table `judged` for each of the temporary table `staged` that deviates.

    staged: row, paid_at, reseller, channel, sku, quantity, gross_minor, fault NULL. judged: row, code, refused. The code is
    order.price_deviates, or order.not_for_sale where no price is in force or the reseller may not sell; refused where the channel
    refuses such orders, and a flag otherwise.
    """
    await db.connection().execute(f"""
        CREATE TEMP TABLE {judged}_line ON COMMIT DROP AS
        SELECT c.row, v.version, c.sku, c.channel, tier_on(c.reseller, d.day) AS tier, d.day, c.quantity, c.gross_minor, h.deviation,
               may_sell(c.reseller, c.channel, d.day) AS open
        FROM brand b CROSS JOIN {staged} c CROSS JOIN LATERAL (SELECT (c.paid_at AT TIME ZONE b.time_zone)::date AS day) d
        JOIN channel h ON h.brand_id = b.id AND h.code = c.channel
        LEFT JOIN price_live v ON v.brand_id = b.id AND v.starts_at <= c.paid_at AND c.paid_at < v.ends_at
        WHERE c.fault IS NULL;
        CREATE TEMP TABLE {judged}_asked ON COMMIT DROP AS SELECT DISTINCT version, sku, channel, tier, day FROM {judged}_line;
        ANALYZE {judged}_asked;""")
    await channel_price.resolve(asked=f"{judged}_asked", prices=f"{judged}_price")
    await db.connection().execute(f"""
        CREATE TEMP TABLE {judged} ON COMMIT DROP AS
        SELECT l.row, CASE WHEN NOT l.open OR p.price_minor IS NULL THEN 'order.not_for_sale' ELSE 'order.price_deviates' END AS code,
               l.deviation = 'refuse' AS refused
        FROM {judged}_line l LEFT JOIN {judged}_price p
            ON p.version = l.version AND p.sku = l.sku AND p.channel = l.channel AND p.tier = l.tier AND p.day = l.day
        WHERE NOT l.open OR p.price_minor IS NULL OR l.gross_minor <> p.price_minor::numeric * l.quantity;""")
