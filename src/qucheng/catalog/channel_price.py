"""Prices that bundles bring: the rows as they came, and what they are in the price book."""

from __future__ import annotations

from qucheng.catalog import price_errors
from qucheng.core import db


async def add(*, staged: str, intake: int) -> None:
    """Keeps the rows, and makes a version of all that bundles have brought, in force since ever.

    Raises PricesKeptError once a version was approved on the platform: from then on prices are changed there.
    """
    connection = db.connection()
    if not await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {staged} WHERE fault IS NULL)"):
        return
    if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM price_version WHERE state = 'approved' AND intake IS NULL)"):
        raise price_errors.PricesKeptError(
            "prices.csv has new rows, and the prices of this brand are kept on the platform: nothing was imported."
            " Change prices there, and take the new rows out of prices.csv."
        )
    await connection.execute(f"""
        INSERT INTO channel_price (brand_id, sku, channel, tier, price_minor, floor_minor, starts_on, ends_on)
        SELECT current_brand(), sku, channel, tier, price_minor, floor_minor, starts_on, ends_on FROM {staged} WHERE fault IS NULL""")
    await connection.fetchval("SELECT import_prices($1)", intake)


async def resolve(*, asked: str, prices: str) -> None:
    """Finds the price for each row of the temporary table `asked` (version, sku, channel, tier, day) and puts it into a new one,
    `prices`.

    Channel and tier come before the channel alone, that before the base for the tier, and that before the base. A row without a
    price is left out, also where the SKU is not sold in the channel.
    """
    await db.connection().execute(f"""
        CREATE TEMP TABLE {prices} ON COMMIT DROP AS
        SELECT * FROM (
            SELECT DISTINCT ON (a.version, a.sku, a.channel, a.tier, a.day) a.version, a.sku, a.channel, a.tier, a.day, p.price_minor
            FROM {asked} a JOIN price_cell p ON p.brand_id = current_brand() AND p.version = a.version AND p.sku = a.sku
                AND (p.channel IS NULL OR p.channel = a.channel) AND (p.tier IS NULL OR p.tier = a.tier)
                AND p.starts_on <= a.day AND (p.ends_on IS NULL OR a.day < p.ends_on)
            ORDER BY a.version, a.sku, a.channel, a.tier, a.day, p.channel IS NULL, p.tier IS NULL) found
        WHERE price_minor IS NOT NULL;
        ANALYZE {prices};""")
