"""A shop of R3, below R1, whose cards are redeemed, counted, and taken back late."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests.rooms.everything import ground
from tests.rooms.everything.ground import MIDNIGHT
from tests.rooms.identity import people

from qucheng.commission import accrual
from qucheng.insight import exceptions
from qucheng.orders import rules, sale
from qucheng.redemption import settled
from qucheng.settlement import decision

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.core import crypto

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
NOON = MIDNIGHT + DAY + dt.timedelta(hours=12)
STATES = "SELECT batch || '-' || number, state FROM card WHERE order_no = $1 ORDER BY batch, number"


class Shop:
    def __init__(self, on: ground.Ground) -> None:
        self.on = on
        self.sent = 0

    async def sold(self, order_no: str, sku: str, units: int) -> list[tuple[int, int]]:
        """Of R3, below R1; its cards."""
        line = rules.LineIn(line_no="1", sku=sku, quantity=units, gross_minor=10_000 * units)
        await sale.place(
            brand=self.on.brand, order_no=order_no, lines=[line], reseller="R3", channel="web", source="page",
            actor=self.on.actor, now=NOON,
        )  # fmt: skip
        cards = await ground.of_brand(self.on, STATES, order_no)
        return [(int(card.split("-")[0]), int(card.split("-")[1])) for card, _ in cards]

    async def redeemed(self, card: tuple[int, int], now: dt.datetime) -> uuid.UUID:
        self.sent += 1
        answer = await self.on.redeem(0, f"k-{self.sent}", "code", self.on.codes[card], "", now)
        assert answer.result == "ok"
        assert answer.id is not None
        return answer.id

    async def counted(self, now: dt.datetime) -> None:
        await settled.record(brand_id=self.on.brand.id, now=now)
        await accrual.accrue(brand_id=self.on.brand.id, now=now)

    async def taken_back(self, made: uuid.UUID, now: dt.datetime) -> None:
        checker, approval = self.on.checker, await self.on.ask_late(made)
        await decision.decide(
            principal=checker, brand_id=self.on.brand.id, approval_id=approval, approve=True, reason="", actor=people.actor(checker), now=now
        )  # fmt: skip

    async def told(self, now: dt.datetime) -> list[exceptions.Item]:
        found = {group.kind: group.items for group in await exceptions.listing(brand=self.on.brand, now=now)}
        return found.get("redemption.reversed", [])


async def opened(folder: Path, keys: crypto.Keys) -> Shop:
    on = await ground.opened(folder, keys)
    for sku, count in (("gift", 6), ("card", 4)):
        await on.come_in(sku, on.pools[None, "web"], count, None, NOON)
    return Shop(on)
