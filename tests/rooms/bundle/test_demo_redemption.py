"""What the demonstration gives out can be used whenever somebody looks at it, but for one product that shows what hours are."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import NEVER

from qucheng.bundle import demo_redemption
from qucheng.core import crypto
from qucheng.identity import api_key
from qucheng.redemption import picture, redemption, store

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
# four in the morning of the brand
NIGHT = dt.datetime(2026, 11, 22, 20, 0, tzinfo=dt.UTC)
OF_OFFER = "SELECT c.batch, c.number FROM claim k JOIN card c ON c.claim = k.id WHERE k.offer = $1 AND c.state = 'delivered' ORDER BY 1, 2 LIMIT 1"


async def test_a_visitor_redeems_at_night_and_sees_what_hours_are(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    keys, brand = crypto.keys(tmp_path / "keys"), await warehouse.brand(tmp_path)
    for sku in ("card", "gift"):
        await warehouse.stocked(brand, *[NEVER] * (demo_redemption.RUNNING + demo_redemption.ENDED), sku=sku)
    manager = await people.member(keys, brand.id, "manager")
    clerk = await people.member(keys, brand.id, "clerk", login=f"clerk@{brand.code}.example")
    await api_key.create(
        keys=keys, brand_id=brand.id, name="till", mode="live", reseller=None, scopes={store.SCOPE}, networks=[],
        expires_at=NIGHT + dt.timedelta(days=1), created_by=manager.user_id, actor=warehouse.ACTOR, now=NIGHT,
    )  # fmt: skip
    for _ in range(2):
        await demo_redemption.fill(keys=keys, brand=brand, manager=manager.user_id, now=NIGHT)
    assert await books.seen(brand, "SELECT code, taken FROM claim_offer ORDER BY code") == [
        ("daytime", 8),
        ("opening", 10),
        ("welcome", 24),
    ]
    # every answer but those that nothing of the demonstration can be
    counts = "SELECT verdict, count(*) FROM redemption GROUP BY 1 ORDER BY 1"
    assert [verdict for verdict, _ in await books.seen(brand, counts)] == ["not_here", "not_yet", "ok", "unknown", "used"]
    assert [await presented(brand, keys, clerk.user_id, offer, NIGHT) for offer in ("welcome", "daytime")] == ["ok", "not_yet"]
    day = NIGHT + dt.timedelta(hours=6)
    assert await presented(brand, keys, clerk.user_id, "daytime", day) == "ok"


async def presented(brand: Brand, keys: crypto.Keys, clerk: uuid.UUID, offer: str, now: dt.datetime) -> str:
    """A card of the offer that is not used yet, at the counter of the first store."""
    ((batch, number),) = await books.seen(brand, OF_OFFER, offer)
    shown = await picture.issue(brand_id=brand.id, keys=keys, batch=batch, number=number, now=now)
    answer = await redemption.redeem(
        brand=brand, keys=keys, user_id=clerk, key=uuid.uuid4().hex,
        presented=redemption.Presented(way="dynamic", text=shown), actor=warehouse.ACTOR, now=now,
    )  # fmt: skip
    return answer.result
