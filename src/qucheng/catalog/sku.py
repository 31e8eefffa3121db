"""SKUs: what is sold."""

from __future__ import annotations

from qucheng.core import db


async def add(*, staged: str) -> None:
    await db.connection().execute(f"""
        INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor)
        SELECT current_brand(), code, name, category, list_price_minor, cost_minor FROM {staged} WHERE fault IS NULL""")
