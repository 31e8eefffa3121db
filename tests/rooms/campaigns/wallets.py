"""A brand whose cards are claimed and bought, two stores with tills, and consumers who have signed in."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec
from tests import books
from tests.rooms.redemption import tills
from tests.rooms.stock import card_desk

from qucheng.bundle import importing
from qucheng.campaigns import claim, consumer, offer, wallet
from qucheng.core import audit, clock, crypto, db
from qucheng.identity.brand import Brand
from qucheng.orders import rules as order_rules
from qucheng.orders import sale
from qucheng.redemption import redemption, reversal, store
from qucheng.stock import batch, generate, stop

if TYPE_CHECKING:
    from pathlib import Path

PHONE, APP = "+8613800138000", "app-7"
OFFERS = ("spring", "autumn", "winter")
SIGNED_IN = audit.Actor(user_id=None, role="consumer", network="198.51.100.0/24")
HOUR = dt.timedelta(hours=1)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """token: of the cookie."""

    who: consumer.Consumer
    token: str


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """now: when all of it was made."""

    brand: Brand
    keys: crypto.Keys
    actor: audit.Actor
    here: tills.Till
    there: tills.Till
    now: dt.datetime

    async def person(self, *, phone: str | None = None, subject: str | None = None) -> Person:
        async with db.atomic(self.brand.id):
            token = await consumer.start(
                brand=self.brand,
                keys=self.keys,
                subject=subject or consumer.subject_of(phone or ""),
                phone=phone,
                way="phone" if phone else "app",
                before=None,
                actor=SIGNED_IN,
                now=self.now,
            )
        who = await consumer.principal(keys=self.keys, brand_id=self.brand.id, token=token, now=self.now)
        assert who is not None
        return Person(who=who, token=token)

    async def claimed(self, person: Person, code: str = OFFERS[0]) -> str:
        made = await claim.DESK.claim(brand=self.brand, code=code, one=consumer.ask(person.who), now=self.now)
        return made.card

    async def bought(self, order_no: str, phone: str, units: int = 1) -> None:
        lines = [order_rules.LineIn(line_no="1", sku="card", quantity=units, gross_minor=9_000 * units)]
        made = await sale.place(
            brand=self.brand, order_no=order_no, lines=lines, reseller="R1", channel="web", source="page", keys=self.keys,
            phone=phone, actor=audit.SYSTEM, now=self.now,
        )  # fmt: skip
        assert made.stock_state == "delivered"

    async def show(self, person: Person, card: str, at: dt.datetime, place: str | None = None) -> wallet.Opened:
        return await wallet.show(brand=self.brand, keys=self.keys, who=person.who, card=card, store=place, now=at)

    async def code(self, person: Person, card: str, at: dt.datetime, place: str | None = None) -> wallet.Code:
        made = (await self.show(person, card, at, place)).code
        assert made is not None
        return made

    async def redeem(
        self, way: redemption.Way, text: str, at: dt.datetime, *, till: tills.Till | None = None, end: str = "", key: str = ""
    ) -> str:
        answer = await redemption.redeem(
            brand=self.brand,
            keys=self.keys,
            api_key=(till or self.here).key,
            key=key or uuid.uuid4().hex,
            presented=redemption.Presented(way=way, text=text, phone_end=end),
            actor=self.actor,
            now=at,
        )
        return answer.result

    async def undo(self, key: str, at: dt.datetime) -> None:
        await reversal.reverse(
            brand=self.brand, api_key=self.here.key, key=key, reason="the wrong card", actor=self.actor, now=at
        )

    async def freeze(self, card: str) -> None:
        number, place = (int(part) for part in card.split("-"))
        chosen = stop.Chosen(cards=[(number, place)])
        done = await stop.freeze(brand=self.brand, chosen=chosen, reason="stolen", actor=self.actor, now=self.now)
        assert done.changed == 1

    async def state(self, card: str) -> str:
        found = await books.seen(self.brand, "SELECT state FROM card WHERE batch || '-' || number = $1", card)
        return str(found[0][0])


async def opened(folder: Path, keys: crypto.Keys, *, cards: int = 8, days: int = 2, code: str | None = None) -> Ground:
    """The cards are good for so many days after today."""
    now, code = clock.now(), code or f"w-{uuid.uuid4().hex[:12]}"
    bundle = books.write(folder, code=code, prices=["card,,,90.00,,2026-01-01,"])
    brand = await books.found(bundle)
    await importing.take_in(folder=bundle, brand=brand, now=now, progress=books.QUIET)
    async with db.atomic(brand.id):
        await db.connection().execute(
            "UPDATE sku SET kind = 'card_secret', face_value_minor = 3000, rules_zh = '满 45 元可用', rules_en = 'Spend ¥45 or more' WHERE code = 'card'"
        )
    actor = await card_desk.somebody(keys)
    today = now.astimezone(dt.timezone(8 * HOUR)).date()
    made = await generate.make_now(
        brand=brand, keys=keys, sku="card", quantity=cards, pool=await card_desk.own_pool(brand),
        expires_on=today + dt.timedelta(days=days), actor=actor, now=now,
    )  # fmt: skip
    await batch.release(brand=brand, number=made, actor=actor, now=now)
    for offered in OFFERS:
        wanted = offer.Wanted(
            code=offered, name="三十元券", sku="card", reseller="R1", channel=None, period="ever", quota=None,
            starts_at=now - HOUR, ends_at=now + 23 * HOUR,
        )  # fmt: skip
        await offer.make(brand=brand, wanted=wanted, actor=actor, now=now)
    for place, name, english, area in (("S1", "湖滨路店", "Hubin Road", "城东"), ("S2", "南站店", "South Station", "城南")):
        await store.open_store(
            brand_id=brand.id, code=place, name=name, name_en=english, area=area, address="12 号", actor=actor, now=now
        )
    return Ground(
        brand=brand,
        keys=keys,
        actor=actor,
        here=await tills.till(brand, keys, actor, "S1"),
        there=await tills.till(brand, keys, actor, "S2"),
        now=now,
    )
