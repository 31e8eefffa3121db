"""Channel prices: what the consumer pays a unit, by channel, tier and date."""

from __future__ import annotations

from qucheng.core import db


async def add(*, staged: str) -> None:
    await db.connection().execute(f"""
        INSERT INTO channel_price (brand_id, sku, channel, tier, price_minor, floor_minor, starts_on, ends_on)
        SELECT current_brand(), sku, channel, tier, price_minor, floor_minor, starts_on, ends_on FROM {staged} WHERE fault IS NULL""")


async def resolve(*, asked: str, prices: str) -> None:
    """Finds the price for each row of the temporary table `asked` (sku, channel, tier, day) and puts it into a new one, `prices`.

    Channel and tier come before the channel alone, that before the base for the tier, and that before the base; among
    several cells in force the one that started last. A row without a price is left out.
    """
    await db.connection().execute(f"""
        CREATE TEMP TABLE {prices} ON COMMIT DROP AS
        SELECT DISTINCT ON (a.sku, a.channel, a.tier, a.day) a.sku, a.channel, a.tier, a.day, p.price_minor
        FROM {asked} a JOIN channel_price p ON p.brand_id = current_brand() AND p.sku = a.sku
            AND (p.channel IS NULL OR p.channel = a.channel) AND (p.tier IS NULL OR p.tier = a.tier)
            AND p.starts_on <= a.day AND (p.ends_on IS NULL OR a.day < p.ends_on)
        ORDER BY a.sku, a.channel, a.tier, a.day, p.channel IS NULL, p.tier IS NULL, p.starts_on DESC;
        ANALYZE {prices};""")
