"""The prices of a brand as rows of a bundle."""

from __future__ import annotations

from pathlib import Path

from qucheng.core import db

QUERY = Path(__file__).with_name("price_bundle.sql")


async def source() -> str:
    """What prices.csv is read from: the rows as they were brought, or, once prices are kept on the platform, its versions over time."""
    kept = await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM price_version WHERE state = 'approved' AND intake IS NULL)"
    )
    return f"({QUERY.read_text(encoding='utf-8')})" if kept else "channel_price"
