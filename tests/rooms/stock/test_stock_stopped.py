"""Cards that are stopped while something else becomes of their batch, and holds of who is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import ACTOR, NEVER, NOW, SELLER, opened, states, stocked

from qucheng.stock import batch, reservation, stop

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
WHY: dict[str, Any] = {"reason": "complaint 17", "actor": ACTOR, "now": NOW}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await warehouse.brand(tmp_path)


async def test_cards_that_were_frozen_when_their_batch_was_released_are_released_with_it(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await warehouse.came_in(brand, NEVER, NEVER, NEVER, pool=own)
    stopped = stop.Chosen(cards=[(number, 1), (number, 2)])
    await stop.freeze(brand=brand, chosen=stopped, **WHY)
    # the control: not released, they are what they were
    await stop.unfreeze(brand=brand, chosen=stop.Chosen(cards=[(number, 2)]), **WHY)
    assert await states(brand, number) == ["frozen", "inactive", "inactive"]
    await stop.freeze(brand=brand, chosen=stopped, **WHY)
    await batch.release(brand=brand, number=number, actor=ACTOR, now=NOW)
    assert await states(brand, number) == ["frozen", "frozen", "available"]
    await stop.unfreeze(brand=brand, chosen=stop.Chosen(batch=number), **WHY)
    assert await states(brand, number) == ["available"] * 3
    assert await warehouse.differences(brand) == []


@pytest.mark.parametrize(("seller", "channel", "field"), [("R9", "web", "reseller"), ("R1", "nowhere", "channel")])
async def test_nobody_holds_cards_for_who_is_not_there(brand: Brand, seller: str, channel: str, field: str) -> None:
    """Its own pool would have the cards, whatever the channel."""
    own = await opened(brand, "R1")
    await stocked(brand, NEVER, pool=own)
    await stocked(brand, NEVER, pool=await opened(brand, None, "web"))
    with pytest.raises(reservation.ReservationUnfitError) as refused:
        await reservation.reserve(
            brand=brand, reseller=seller, channel=channel, sku="card", units=1, minutes=5, actor=SELLER, now=NOW
        )
    assert list(refused.value.faults) == [field]
    assert await books.seen(brand, "SELECT count(*) FROM reservation") == [(0,)]
