"""A redemption taken back late stands among the exceptions, with its two ways out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doors.finance import keepers
from tests.rooms.settlement import late_shop
from tests.rooms.settlement.late_shop import DAY, NOON

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio


async def test_it_is_noted_or_an_adjustment_is_proposed(house: browser.House, workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    shop = await late_shop.opened(tmp_path, house.keys)
    (card,) = await shop.sold("O1", "gift", 1)
    made = await shop.redeemed(card, NOON)
    await shop.counted(NOON + DAY)
    await shop.taken_back(made, NOON + DAY)
    accountant = await keepers.signed_in(house, shop.on.brand.id, "accountant")
    await accountant.get("/exceptions")
    said = f"Card {card[0]}-{card[1]} of order O1, sold by 三号: its redemption was taken back after it had counted for the hold. The commission of the line had matured by then."
    assert said in accountant.page
    proposal = "/adjustments/new?reseller=R3&amp;reason=correction&amp;reference=O1"
    assert f'href="{proposal}"' in accountant.page
    await accountant.get(proposal.replace("&amp;", "&"))
    assert 'value="O1"' in accountant.page
    review = f"/exceptions/review?kind=redemption.reversed&subject={made}"
    await accountant.get(review)
    assert "Commission" in accountant.page
    assert "13.00" in accountant.page
    note = "redeemed again the same day"
    await accountant.send("/exceptions/review", kind="redemption.reversed", subject=str(made), note=note)
    await accountant.get("/exceptions")
    assert (said in accountant.page, note in accountant.page) == (False, True)
    # who only reads is offered neither
    reader = await keepers.signed_in(house, shop.on.brand.id, "auditor")
    await reader.get("/exceptions")
    assert proposal not in reader.page
