"""A pool, requests for cards and cases of the reseller's order, for the paths that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rooms.identity import people

from qucheng.core import clock, db
from qucheng.stock import allocation, pool

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

CASE = """
    INSERT INTO stock_case (brand_id, kind, order_no, line_no, reseller, channel, sku, units, opened_at)
    SELECT brand_id, $2, order_no, line_no, reseller, channel, sku, 1, now() FROM order_line
    WHERE brand_id = $1 AND order_no = 'K-R-own-1' RETURNING id"""


async def made(owner: asyncpg.Connection, brand: Brand, reseller: str, admin: permissions.Principal) -> dict[str, dict[str, str]]:
    """When the brand has a product of which each unit is a card."""
    async with db.atomic(brand.id):
        number = await pool.pool_of(reseller=reseller, channel=None)
    first, second = [
        await allocation.ask(
            brand_id=brand.id, reseller=reseller, channel=None, sku="own-article", quantity=quantity, note=None,
            actor=people.actor(admin), now=clock.now(),
        )
        for quantity in (1, 2)
    ]  # fmt: skip
    short, exceeds = [str(await owner.fetchval(CASE, brand.id, kind)) for kind in ("short", "exceeds")]
    return {
        "/pools": {"number": str(number), "request_id": str(first)},
        "/portal/pools": {"request_id": str(second)},
        "/stock-cases": {"case_id": short},
        "/stock-cases/{case_id}/settle": {"case_id": exceeds},
    }
