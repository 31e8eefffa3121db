"""The desks of the demonstration: catalogue, prices, plan, network, compliance, stock, selling and redeeming, as their people left them this morning.

Each part looks for itself whether it is there, so that a start that was killed is completed by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.bundle import (
    demo_catalog_details,
    demo_compliance,
    demo_network_desk,
    demo_people,
    demo_plans,
    demo_prices,
    demo_redemption,
    demo_sales_desk,
    demo_stock,
)
from qucheng.identity import membership

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand


async def fill(*, keys: crypto.Keys, brand: Brand, provider: demo_sales_desk.Payer, now: dt.datetime) -> None:
    """The manager makes, the first owner allows. The plan is versioned in one brand; the other keeps the rules of its bundle.

    provider: who takes the consumers' money.
    """
    manager = await demo_people.principal(keys=keys, brand=brand, role="manager", now=now)
    owner = await demo_people.principal(keys=keys, brand=brand, role="owner", now=now)
    await demo_network_desk.fill(keys=keys, brand=brand, now=now)
    await demo_compliance.fill(brand=brand, manager=manager.user_id, now=now)
    await demo_catalog_details.fill(brand=brand, manager=manager.user_id, now=now)
    await demo_prices.fill(brand=brand, maker=manager, checker=owner, now=now)
    if brand.code == demo_people.LANXI:
        await demo_plans.fill(brand=brand, maker=manager, checker=owner, now=now)
    sellers = sorted({each.reseller for each in await membership.listing(brand_id=brand.id) if each.reseller is not None})
    resellers = sellers[: demo_sales_desk.SELLERS]
    await demo_stock.fill(keys=keys, brand=brand, manager=manager.user_id, resellers=resellers, now=now)
    await demo_sales_desk.fill(keys=keys, brand=brand, provider=provider, now=now)
    await demo_redemption.fill(keys=keys, brand=brand, manager=manager.user_id, now=now)
