"""A card that was used, whose unit was paid back, and whose redemption is taken back then: nobody has both the money and the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.everything import ground as everything
from tests.rooms.redemption import tills
from tests.rooms.redemption.tills import MINUTE, NOW
from tests.rooms.settlement import late_shop
from tests.rooms.stock import card_desk

from qucheng.core import crypto, db
from qucheng.orders import refund, rules, sale
from qucheng.orders.rules import LineBack
from qucheng.redemption import picture
from qucheng.stock import act

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
CARDS = "SELECT state, void_reason, order_no FROM card ORDER BY batch, number"
CASES = "SELECT kind, units, way FROM stock_case ORDER BY opened_at"


async def paid_back(ground: tills.Ground, units: int, *, order_no: str = "O-1", cards: tuple[tuple[int, int], ...] = ()) -> int:
    """How many cards are missing."""
    line = LineBack(line_no="1", quantity=units, amount_minor=0, cards=cards)
    made = await refund.give(
        brand=ground.brand, order_no=order_no, refund_no=f"F-{order_no}-{units}", lines=[line], actor=ground.actor, now=NOW
    )
    return made.lines[0].cards_missing


async def ordered(ground: tills.Ground, order_no: str, units: int) -> None:
    line = rules.LineIn(line_no="1", sku="card", quantity=units, gross_minor=10_000 * units)
    await sale.place(
        brand=ground.brand,
        order_no=order_no,
        lines=[line],
        reseller="R1",
        channel="web",
        source="manual",
        actor=ground.actor,
        now=NOW,
    )


async def test_a_seen_card_is_void_and_no_longer_missing(ground: tills.Ground) -> None:
    for place in (0, 1):
        assert (await ground.redeem(ground.codes[place], key=f"k-{place}")).result == "ok"
    # one unit of the four stays paid for: it is the second card's
    assert await paid_back(ground, 3) == 1
    assert await books.seen(ground.brand, CASES) == [("exceeds", 1, None)]
    outcome = await ground.reverse("k-0", now=NOW + MINUTE)
    assert (outcome.result, outcome.usable) == ("undone", False)
    assert await books.seen(ground.brand, CARDS) == [
        ("void", "refunded", "O-1"), ("redeemed", None, "O-1"), ("void", "refunded", "O-1"), ("void", "refunded", "O-1"),
    ]  # fmt: skip
    assert await books.seen(ground.brand, CASES) == [("exceeds", 0, "refunded")]
    assert (await ground.redeem(ground.codes[0], now=NOW + MINUTE)).result == "void"
    # told again, it is said again; and the card that is paid for goes back to who paid for it
    assert (await ground.reverse("k-0", now=NOW + MINUTE)).usable is False
    assert (await ground.reverse("k-1", now=NOW + MINUTE)).usable is True
    assert (await ground.redeem(ground.codes[1], now=NOW + MINUTE)).result == "ok"
    assert await tills.differences(ground.brand) == []


async def test_an_unseen_card_goes_back_to_stock_unless_its_code_was_typed(ground: tills.Ground, keys: crypto.Keys) -> None:
    brand, batch = ground.brand, await card_desk.stocked(ground.brand, ground.keys, 4, ground.actor)
    await ordered(ground, "O-9", 2)
    codes = await card_desk.plain(brand, keys, batch)
    shown = await picture.issue(brand_id=brand.id, keys=keys, batch=batch, number=1, now=NOW)
    assert (await ground.redeem(shown, way="dynamic", key="k-1")).result == "ok"
    assert (await ground.redeem(codes[1], key="k-2")).result == "ok"
    assert await paid_back(ground, 2, order_no="O-9") == 2
    for key in ("k-1", "k-2"):
        assert (await ground.reverse(key)).usable is False
    held = "SELECT number, state, void_reason, order_no FROM card WHERE batch = $1 AND number < 3 ORDER BY number"
    assert await books.seen(brand, held, batch) == [(1, "available", None, None), (2, "void", "refunded", "O-9")]
    assert await tills.differences(brand) == []
    # what is back in stock is somebody else's now
    await ordered(ground, "O-10", 1)
    assert (await books.seen(brand, held, batch))[0] == (1, "delivered", None, "O-10")


async def test_a_code_that_was_typed_never_returns_to_stock(ground: tills.Ground, keys: crypto.Keys) -> None:
    """Not shown here, but somebody had it: sold again, two would have it. The control is the card beside it."""
    batch = await card_desk.stocked(ground.brand, ground.keys, 2, ground.actor)
    await ordered(ground, "O-9", 2)
    codes = await card_desk.plain(ground.brand, keys, batch)
    assert (await ground.redeem(codes[0], key="k-1")).result == "ok"
    assert (await ground.reverse("k-1")).usable is True
    assert await paid_back(ground, 2, order_no="O-9") == 0
    held = "SELECT state, void_reason FROM card WHERE batch = $1 ORDER BY number"
    assert await books.seen(ground.brand, held, batch) == [("void", "refunded"), ("available", None)]
    assert await tills.differences(ground.brand) == []


async def test_with_an_approval_too_and_the_books_agree(workspace: books.Workspace, tmp_path: Path) -> None:
    """Counted by the hold, paid back, and taken back late: the accountants are told, and every invariant holds."""
    assert workspace
    shop = await late_shop.opened(tmp_path, crypto.keys(tmp_path / "keys"))
    at = late_shop.NOON + MINUTE
    first, _ = await shop.sold("O1", "gift", 2)
    made = await shop.redeemed(first, at)
    await shop.counted(at + 6 * MINUTE)
    back = LineBack(line_no="1", quantity=1, amount_minor=10_000, cards=(first,))
    await refund.give(brand=shop.on.brand, order_no="O1", refund_no="F1", lines=[back], actor=shop.on.actor, now=at + 7 * MINUTE)
    await shop.counted(at + 8 * MINUTE)
    await shop.taken_back(made, at + late_shop.DAY)
    states = dict(await everything.of_brand(shop.on, late_shop.STATES, "O1"))
    assert (states[f"{first[0]}-{first[1]}"], await shop.on.differences(at + late_shop.DAY)) == ("void", [])
    # the other card was not used, and the hold had counted this one
    assert [item.subject for item in await shop.told(at + late_shop.DAY)] == [str(made)]


async def test_the_database_lets_a_card_go_back_with_its_redemption_alone(ground: tills.Ground) -> None:
    made = await ground.redeem(ground.codes[0], key="k-1")
    for statement, named in (
        ("UPDATE card SET state = came_from, came_from = NULL WHERE state = 'redeemed'", "card_redeemed"),
        ("UPDATE redemption SET undone = true", "redemption_step"),
    ):
        with pytest.raises(asyncpg.RestrictViolationError) as caught:
            await acted(ground, statement)
        assert caught.value.constraint_name == named
    assert (await ground.state(), await ground.count("redemption WHERE undone")) == ("redeemed", 0)
    assert (await ground.reverse("k-1")).redemption == made.id


async def acted(ground: tills.Ground, statement: str) -> None:
    """As the app's role, by somebody who says so."""
    async with db.atomic(ground.brand.id):
        await act.open_act(kind="undo", actor=ground.actor, now=NOW)
        await db.connection().execute(statement)
