"""A brand with stores, terminals and cards that were sold: their codes, and what becomes of them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec
from tests import books
from tests.rooms.stock import card_desk

from qucheng.core import audit, clock, crypto, db, ids
from qucheng.identity import api_key
from qucheng.identity.brand import Brand
from qucheng.redemption import redemption, reversal, store
from qucheng.stock import secret_reveal

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


NOW = books.NOW
MINUTE = dt.timedelta(minutes=1)


class Till(msgspec.Struct, frozen=True, kw_only=True):
    id: uuid.UUID
    key: uuid.UUID
    issued: api_key.Issued


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """codes: of the cards of order O-1, which somebody has seen; cards: the same by batch and number."""

    brand: Brand
    keys: crypto.Keys
    actor: audit.Actor
    till: Till
    codes: list[str]
    cards: list[tuple[int, int]]

    async def redeem(
        self,
        text: str,
        *,
        key: str | None = None,
        way: redemption.Way = "code",
        till: Till | None = None,
        now: dt.datetime = NOW,
        phone_end: str = "",
    ) -> redemption.Answer:
        return await redemption.redeem(
            brand=self.brand,
            keys=self.keys,
            api_key=(till or self.till).key,
            key=key or uuid.uuid4().hex,
            presented=redemption.Presented(way=way, text=text, phone_end=phone_end),
            actor=self.actor,
            now=now,
        )

    async def reverse(self, key: str, *, till: Till | None = None, now: dt.datetime = NOW) -> reversal.Outcome:
        return await reversal.reverse(
            brand=self.brand, api_key=(till or self.till).key, key=key, reason="wrong card", actor=self.actor, now=now
        )

    async def state(self, place: int = 0) -> str:
        found = await books.seen(self.brand, "SELECT state FROM card WHERE batch = $1 AND number = $2", *self.cards[place])
        return str(found[0][0])

    async def count(self, table: str) -> int:
        return int((await books.seen(self.brand, f"SELECT count(*) FROM {table}"))[0][0])


async def opened(folder: Path, keys: crypto.Keys, *, cards: int = 4) -> Ground:
    brand = await card_desk.opened(folder, f"t-{uuid.uuid4().hex[:12]}", orders=1, units=cards)
    actor = await card_desk.somebody(keys)
    await card_desk.stocked(brand, keys, cards, actor)
    delivered = await card_desk.delivered(brand, "O-1", cards, actor)
    await store.open_store(brand_id=brand.id, code="S1", name="一店", area="east", actor=actor, now=NOW)
    await store.open_store(brand_id=brand.id, code="S2", name="二店", actor=actor, now=NOW)
    by_card: dict[str, str] = {}
    while len(by_card) < cards:
        by_card |= await seen(brand, keys, actor)
    return Ground(
        brand=brand,
        keys=keys,
        actor=actor,
        till=await till(brand, keys, actor, "S1"),
        codes=[by_card[f"{batch}-{number}"] for batch, number in delivered],
        cards=delivered,
    )


async def seen(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> dict[str, str]:
    """Codes by card: of so many as are shown at once, those that nobody has seen first."""
    shown = await secret_reveal.reveal_line(
        brand=brand,
        keys=keys,
        order_no="O-1",
        line_no="1",
        viewer=secret_reveal.Viewer(kind="user", id=ids.new_id()),
        purpose="a test",
        actor=actor,
        now=NOW,
    )
    return {each.card: each.code.shown() for each in shown}


async def till(brand: Brand, keys: crypto.Keys, actor: audit.Actor, place: str, skus: Collection[str] | None = None) -> Till:
    assert actor.user_id is not None
    now = clock.now()
    issued = await api_key.create(
        keys=keys, brand_id=brand.id, name="till", mode="live", reseller=None, scopes={"cards.redeem"}, networks=(),
        expires_at=now + dt.timedelta(days=7), created_by=actor.user_id, actor=actor, now=now,
    )  # fmt: skip
    made = await store.add_terminal(
        brand_id=brand.id, store=place, name="till", api_key=issued.id, skus=skus, actor=actor, now=NOW
    )
    return Till(id=made, key=issued.id, issued=issued)


async def differences(brand: Brand) -> list[tuple[object, ...]]:
    async with db.atomic(brand.id):
        return [tuple(row) for row in await db.connection().fetch("SELECT * FROM stock_differences()")]
