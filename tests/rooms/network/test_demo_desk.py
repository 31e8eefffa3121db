"""The demonstration of the network's desk: an agreement, who agreed to it, who waits, and who is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.bundle import demo_network_desk
from qucheng.network import agreement, application

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


async def test_the_desk_is_filled_once(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, manager: permissions.Principal
) -> None:
    admin = await people.member(keys, brand.id, "admin", reseller="R2")
    await demo_network_desk.fill(keys=keys, brand=brand, now=desk.NOW)
    (version,) = await agreement.listing(brand_id=brand.id)
    assert (version.number, version.published_by, version.accepted) == (1, manager.user_id, 1)
    agreed = "SELECT reseller, accepted_by FROM agreement_acceptance"
    assert await books.seen(brand, agreed) == [("R2", admin.user_id)]
    waiting = await application.listing(brand_id=brand.id, states=("waiting",))
    assert [(each.name, each.kind) for each in waiting] == [("南窗小店", "individual"), ("北岸数字商行", "company")]
    assert await books.seen(brand, "SELECT reseller, change FROM standing_change") == [("R3", "freeze")]
    before = await books.everything(owner)
    await demo_network_desk.fill(keys=keys, brand=brand, now=desk.NOW)
    assert await books.everything(owner) == before
