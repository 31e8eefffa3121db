"""A claimed card that is faulty is void, and its claim has another from the offer's pool."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.campaigns import gate
from tests.rooms.campaigns.gate import ACTOR, NOW, claimed, offered, opened
from tests.rooms.stock import warehouse

from qucheng.campaigns import consumer, offer_page
from qucheng.core import crypto, db
from qucheng.stock import draw, stop

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
CARDS = "SELECT batch, number, state, claim IS NOT NULL, void_reason FROM card ORDER BY batch, number"


async def replaced(brand: Brand, number: int) -> None:
    await stop.replace(brand=brand, card=(1, number), reason="unreadable", actor=ACTOR, now=NOW)


async def test_a_faulty_card_of_a_claim_is_replaced(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    keys = crypto.keys(tmp_path / "keys")
    brand, pool = await opened(tmp_path, dt.date(2026, 12, 1), dt.date(2026, 12, 2))
    await warehouse.stocked(brand, dt.date(2026, 11, 30))  # not allocated: nobody's
    await offered(brand)
    first = await claimed(brand, keys, "a")
    assert first.card == "1-1"
    await replaced(brand, 1)
    assert await books.seen(brand, CARDS) == [
        (1, 1, "void", True, "faulty"),
        (1, 2, "delivered", True, None),
        (2, 1, "available", False, None),
    ]
    # whoever asks again is given the one that is good
    again = await claimed(brand, keys, "a")
    assert (again.id, again.card, again.fresh) == (first.id, "1-2", False)
    # and so is who opens the offer's page
    given = {"subject": "a", "phone": None, "way": "app", "before": None}
    async with db.atomic(brand.id):
        token = await consumer.start(brand=brand, keys=keys, actor=ACTOR, now=NOW, **given)  # type: ignore[arg-type]
    who = await consumer.principal(keys=keys, brand_id=brand.id, token=token, now=NOW)
    assert who is not None
    assert await offer_page.claimed(brand=brand, code=gate.CODE, who=who, now=NOW) == "1-2"
    assert (await gate.written(brand))[:2] == (1, 1)
    with pytest.raises(draw.StockShortError):
        await replaced(brand, 2)
    with pytest.raises(stop.CardStateError):
        await replaced(brand, 1)
    assert await warehouse.states(brand, 1) == ["void", "delivered"]
    assert (await warehouse.level(brand, pool), await warehouse.differences(brand)) == (
        {"delivered": 1, "void": 1, "came_in": 2},
        [],
    )
