"""A shop that takes live orders."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog.conftest import keys

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

__all__ = ["keys", "shop"]
CHAIN = {
    "tiers": ["gold,金牌,1", "base,普通,2"],
    "channels": ["web,网店,agency", "strict,专营,agency"],
    "resellers": [
        "R1,一号,company,,gold,2026-01-01,",
        "R2,二号,individual,R1,base,2026-01-01,id-2",
        "R3,三号,individual,R1,base,2026-12-01,",
    ],
    "skus": ["card,会员月卡,video,100.00,60.00", "old,旧券,video,50.00,10.00"],
    "rules": ["OWN,percent,1,,,,,net,0.1,0,,", "UP,percent,2,,,,,net,0.05,0,,"],
    "prices": ["card,,,100.00,,2026-01-01,", "old,,,50.00,,2026-01-01,"],
}
TWO_TIER = 'policy = "intl"'


@pytest.fixture
async def shop(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """R2 stands below R1; R3 joins later. `strict` refuses what deviates; `old` is off sale."""
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("a"), code=f"s-{uuid.uuid4().hex[:12]}", compliance=TWO_TIER, settlement="hold_days = 7", **CHAIN
    )
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    await books.seen(brand, "UPDATE channel SET deviation = 'refuse' WHERE code = 'strict' RETURNING 1")
    await books.seen(brand, "UPDATE sku SET on_sale = false WHERE code = 'old' RETURNING 1")
    return brand
