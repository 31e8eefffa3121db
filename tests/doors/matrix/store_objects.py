"""An offer, a store with a terminal, and an answer that it was given, for the paths that name them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests.rooms.identity import people

from qucheng.campaigns import offer
from qucheng.core import clock
from qucheng.identity import api_key
from qucheng.redemption import redemption, store, store_edit

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

DAY = dt.timedelta(days=1)


async def made(keys: crypto.Keys, brand: Brand, reseller: str, sender: uuid.UUID) -> dict[str, dict[str, str]]:
    """When the brand has a product of which each unit is a card. None of the codes is another brand's."""
    now, actor = clock.now(), people.actor(people.principal(sender, brand.id, "owner"))
    wanted = offer.Wanted(
        code="own-offer", name="own offer", sku="own-article", reseller=reseller, channel=None, period="ever", quota=1,
        starts_at=now - DAY, ends_at=now + DAY,
    )  # fmt: skip
    await offer.make(brand=brand, wanted=wanted, actor=actor, now=now)
    facts = store_edit.Facts(name="own store")
    await store_edit.open_(brand_id=brand.id, code="own-store", facts=facts, actor=actor, now=now)
    issued = await api_key.create(
        keys=keys, brand_id=brand.id, name="till of a test", mode="live", reseller=None, scopes={store.SCOPE}, networks=[],
        expires_at=now + DAY, created_by=sender, actor=actor, now=now,
    )  # fmt: skip
    terminal = await store.add_terminal(
        brand_id=brand.id, store="own-store", name="own till", api_key=issued.id, actor=actor, now=now
    )
    presented = redemption.Presented(way="code", text="NOSUCHCODE")
    answer = await redemption.redeem(
        brand=brand, keys=keys, api_key=issued.id, key="own-request", presented=presented, actor=actor, now=now
    )
    return {
        "/offers": {"code": "own-offer", "kind": "svg"},
        "/stores": {"code": "own-store", "terminal_id": str(terminal)},
        "/redemptions": {"redemption_id": str(answer.id)},
    }
