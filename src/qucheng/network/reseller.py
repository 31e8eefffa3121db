"""Resellers, their tiers, and where they stand."""

from __future__ import annotations

from qucheng.core import db
from qucheng.network import rules


async def add_tiers(*, staged: str) -> None:
    await db.connection().execute(
        f"INSERT INTO tier (brand_id, code, name, rank) SELECT current_brand(), code, name, rank FROM {staged} WHERE fault IS NULL"
    )


async def add(*, resellers: str, placements: str) -> None:
    """Takes in the accepted joins and placements of two temporary tables.

    In one statement: the database judges the network by date, and joins without the moves between them are another network.
    """
    await db.connection().execute(f"""
        WITH joined AS (
            INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on, identity)
            SELECT current_brand(), code, name, kind, parent, tier, joined_on, identity FROM {resellers} WHERE fault IS NULL)
        INSERT INTO placement (brand_id, reseller, effective_on, parent, tier)
        SELECT current_brand(), reseller, effective_on, parent, tier FROM {placements} WHERE fault IS NULL""")


async def history() -> list[rules.Event]:
    """All joins and placements of the brand, as the rules see them."""
    rows = await db.connection().fetch("""
        SELECT joined_on AS day, false AS moved, code AS reseller, parent FROM reseller
        UNION ALL SELECT effective_on, true, reseller, parent FROM placement""")
    return [rules.Event(day=row["day"], moved=row["moved"], reseller=row["reseller"], parent=row["parent"]) for row in rows]
