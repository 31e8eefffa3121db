"""A redemption that is taken back after a hold had counted it: the card goes back, the clock stays, and the accountants are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests.rooms.everything import ground
from tests.rooms.identity import people
from tests.rooms.settlement import desk, late_shop
from tests.rooms.settlement.late_shop import DAY, MINUTE, NOON, STATES

from qucheng.core import crypto
from qucheng.insight import exceptions

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books

pytestmark = pytest.mark.anyio
LATE = (
    "SELECT order_no, line_no, batch, number, reversed_at, started_minor, matured_minor FROM late_reversal ORDER BY reversed_at"
)


@pytest.fixture
async def shop(workspace: books.Workspace, tmp_path: Path) -> late_shop.Shop:
    assert workspace
    return await late_shop.opened(tmp_path, crypto.keys(tmp_path / "keys"))


async def test_the_clock_stays_and_somebody_is_told(shop: late_shop.Shop, owner: asyncpg.Connection) -> None:
    brand = shop.on.brand
    first, second = await shop.sold("O1", "gift", 2)
    at = NOON + MINUTE
    made = [await shop.redeemed(card, at) for card in (first, second)]
    await shop.counted(at + 6 * MINUTE)
    clock = "SELECT started_at FROM line_clock"
    events = "SELECT at, quantity FROM fulfilment"
    assert (await ground.of_brand(shop.on, clock), await ground.of_brand(shop.on, events)) == ([(at,)], [(at, 2)])
    await shop.taken_back(made[0], at + 60 * MINUTE)
    await shop.taken_back(made[1], at + DAY)
    # R3 earns 20.00 and R1 6.00 of 200.00; the hold is a day
    assert await ground.of_brand(shop.on, LATE) == [
        ("O1", "1", *first, at + 60 * MINUTE, 2600, 0),
        ("O1", "1", *second, at + DAY, 2600, 2600),
    ]
    assert [state for _, state in await ground.of_brand(shop.on, STATES, "O1")] == ["delivered", "delivered"]
    assert (await ground.of_brand(shop.on, clock), await ground.of_brand(shop.on, events)) == ([(at,)], [(at, 2)])
    assert await shop.on.differences(at + DAY) == []
    running, over = await shop.told(at + DAY)
    assert (running.subject, running.amount_minor, running.link, over.facts["hold"]) == (str(made[0]), 2600, "O1", "over")
    assert running.facts == {
        "order": "O1", "line": "1", "reseller": "R3", "name": "三号", "card": f"{first[0]}-{first[1]}", "hold": "running",
    }  # fmt: skip
    trail = await ground.of_brand(
        shop.on, "SELECT subject, after::text FROM audit_record WHERE action = 'exception.raise' ORDER BY at"
    )
    assert [(subject, msgspec.json.decode(after)["matured_minor"]) for subject, after in trail] == [
        (f"redemption.reversed/{made[0]}", 0),
        (f"redemption.reversed/{made[1]}", 2600),
    ]
    # somebody notes of the one what they found, and an adjustment for the order ends the other
    who = await people.member(shop.on.keys, brand.id, "accountant")
    await exceptions.review(
        brand=brand, kind=over.kind, subject=over.subject, note="当日重新核销", actor=people.actor(who), now=at + DAY
    )
    assert [item.subject for item in await shop.told(at + DAY)] == [str(made[0])]
    checker = await people.member(shop.on.keys, brand.id, "accountant")
    asked = await desk.asked(brand, who, reseller="R3", reference="O1", amount_minor=-1000)
    await desk.allowed(brand, checker, asked, now=at + DAY)
    assert await shop.told(at + DAY) == []
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("DELETE FROM late_reversal WHERE brand_id = $1", brand.id)


async def test_nobody_is_told_of_what_did_not_count_and_of_a_package_once(shop: late_shop.Shop) -> None:
    # the hold of `card` counts from its delivery
    (card,) = await shop.sold("O1", "card", 1)
    delivered = await shop.redeemed(card, NOON)
    # taken back before it was an event, and one part of a unit whose others were not redeemed
    (gift,) = await shop.sold("O2", "gift", 1)
    early = await shop.redeemed(gift, NOON)
    part = await shop.redeemed((await shop.sold("O3", "box", 1))[-1], NOON)
    whole = [await shop.redeemed(each, NOON) for each in await shop.sold("O4", "box", 1)]
    await shop.taken_back(early, NOON + 6 * MINUTE)
    await shop.counted(NOON + 6 * MINUTE)
    for made in (delivered, part):
        await shop.taken_back(made, NOON + 7 * MINUTE)
    assert (await ground.of_brand(shop.on, LATE), await shop.told(NOON + DAY)) == ([], [])
    assert len(whole) == 3
    for place, made in enumerate(whole, start=8):
        await shop.taken_back(made, NOON + place * MINUTE)
    assert [item.subject for item in await shop.told(NOON + DAY)] == [str(whole[0])]


async def test_where_nobody_can_be_told_nothing_is_taken_back(shop: late_shop.Shop, owner: asyncpg.Connection) -> None:
    (card,) = await shop.sold("O1", "gift", 1)
    made = await shop.redeemed(card, NOON)
    await shop.counted(NOON + 6 * MINUTE)
    await owner.execute("REVOKE INSERT ON late_reversal FROM qucheng_app")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shop.taken_back(made, NOON + 60 * MINUTE)
    finally:
        await owner.execute("GRANT INSERT ON late_reversal TO qucheng_app")
    assert [state for _, state in await ground.of_brand(shop.on, STATES, "O1")] == ["redeemed"]
    await shop.taken_back(made, NOON + 61 * MINUTE)
    assert len(await shop.told(NOON + DAY)) == 1
