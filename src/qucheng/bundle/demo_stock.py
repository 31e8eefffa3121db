"""Card secrets of the demonstration: batches that were made, released and given to the pools of the first resellers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.catalog import queries as catalog
from qucheng.core import audit, db
from qucheng.stock import allocation, batch, generate, pool, queries

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

MOST_SKUS = 4
CARDS, TO_A_POOL, LOW = 300, 80, 20


async def fill(*, keys: crypto.Keys, brand: Brand, manager: uuid.UUID, resellers: list[str], now: dt.datetime) -> None:
    """A batch for each of the first SKUs that need cards; of the last one of several nothing is allocated. Where there are cards all is left as it is."""
    if await queries.levels(brand_id=brand.id):
        return
    found = await catalog.skus(brand_id=brand.id, chosen=catalog.Chosen(kind="card_secret"), most=MOST_SKUS)
    codes = [each.code for each in found.rows]
    actor = audit.Actor(user_id=manager, role="manager")
    async with db.atomic(brand.id):
        for sku in codes:
            number = await generate.make_now(brand=brand, keys=keys, sku=sku, quantity=CARDS, actor=actor, now=now)
            await batch.release(brand=brand, number=number, actor=actor, now=now)
        for reseller in resellers:
            own = await pool.open_pool(brand_id=brand.id, reseller=reseller, channel=None, actor=actor)
            for sku in codes[:-1] or codes:
                await allocation.allocate(
                    brand=brand, sku=sku, from_pool=0, to_pool=own, quantity=TO_A_POOL, actor=actor, now=now
                )
                await pool.set_rule(brand_id=brand.id, pool=own, sku=sku, low_level=LOW, borrow_quota=None, actor=actor)
