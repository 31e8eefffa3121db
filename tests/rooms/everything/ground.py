"""A brand that sells, gives out, redeems and settles: pools with cards whose codes are known, stores with terminals, offers, and two
people of whom one asks and the other allows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from tests import books
from tests.rooms.identity import people
from tests.rooms.stock import card_desk, warehouse

from qucheng.bundle import importing
from qucheng.campaigns import claim, offer
from qucheng.catalog import rules as catalog_rules
from qucheng.catalog import sku
from qucheng.core import audit, crypto, db
from qucheng.identity import api_key, permissions
from qucheng.identity.brand import Brand
from qucheng.insight import books as checking
from qucheng.redemption import digits, picture, redemption, reversal, rules, store
from qucheng.stock import batch, generate, pool

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

MIDNIGHT = dt.datetime(2026, 11, 21, 16, 0, tzinfo=dt.UTC)  # of 22 November in Shanghai
FIRST = dt.date(2026, 11, 22)
NEVER = 10**6
OWNERS: list[tuple[str | None, str | None]] = [(None, None), ("R1", "web"), ("R1", None), (None, "web"), ("R2", None)]
SELLERS = [("R1", "web"), ("R3", "web"), ("R2", "shop")]
RULES = ["OWN,percent,1,,,,,net,0.1,0,,", "UP,percent,2,,,,,net,0.03,0,,"]
VALID_DAYS = 3
PHONE, OTHER_PHONE = "4321", "1234"
# the second redeems `card` alone
TILLS = ("S1", "S2")
# what a refused redemption may leave: that it was asked for
ASKED = ("redemption", "wrong_entry", "terminal")
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'brand_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1"""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """pools: by owner. tills: their keys. codes: by card, as batches come in."""

    brand: Brand
    keys: crypto.Keys
    actor: audit.Actor
    maker: permissions.Principal
    checker: permissions.Principal
    program: uuid.UUID
    pools: dict[tuple[str | None, str | None], int]
    tills: list[uuid.UUID]
    codes: dict[tuple[int, int], str] = {}

    async def come_in(self, sku: str, into: int, count: int, expires_on: dt.date | None, now: dt.datetime) -> int:
        given = {"sku": sku, "quantity": count, "pool": into, "expires_on": expires_on, "actor": self.actor, "now": now}
        number = await generate.make_now(brand=self.brand, keys=self.keys, **given)  # type: ignore[arg-type]
        await batch.release(brand=self.brand, number=number, actor=self.actor, now=now)
        plain = await card_desk.plain(self.brand, self.keys, number)
        self.codes.update({(number, place): text for place, text in enumerate(plain, start=1)})
        return number

    async def claim(self, code: str, person: str, request: str | None, now: dt.datetime) -> claim.Claim:
        """request: its Idempotency-Key; what is asked for is the person."""
        sent = (
            claim.Request(api_key=self.program, key=request, fingerprint=hashlib.sha256(f"{code} {person}".encode()).digest())
            if request
            else None
        )
        one = claim.ask(brand=self.brand, keys=self.keys, subject=person, request=sent)
        return await claim.DESK.claim(brand=self.brand, code=code, one=one, now=now)

    async def presented(self, way: redemption.Way, card: tuple[int, int], till: int, now: dt.datetime) -> str:
        """What whoever holds the card shows."""
        given = {"brand_id": self.brand.id, "keys": self.keys, "batch": card[0], "number": card[1], "now": now}
        if way == "dynamic":
            return await picture.issue(**given)  # type: ignore[arg-type]
        if way == "digits":
            return await digits.issue(**given, store=TILLS[till], phone_end=PHONE)  # type: ignore[arg-type]
        return self.codes[card]

    async def redeem(
        self, till: int, key: str, way: redemption.Way, text: str, phone_end: str, now: dt.datetime
    ) -> redemption.Answer:
        presented = redemption.Presented(way=way, text=text, phone_end=phone_end)
        return await redemption.redeem(
            brand=self.brand, keys=self.keys, api_key=self.tills[till], key=key, presented=presented, actor=self.actor, now=now
        )

    async def reverse(self, till: int, key: str, now: dt.datetime) -> reversal.Outcome:
        return await reversal.reverse(
            brand=self.brand, api_key=self.tills[till], key=key, reason="wrong card", actor=self.actor, now=now
        )

    async def ask_late(self, made: uuid.UUID) -> uuid.UUID:
        return await reversal.ask(
            principal=self.maker, brand=self.brand, made=made, reason="wrong card", actor=people.actor(self.maker)
        )

    async def differences(self, now: dt.datetime) -> list[str]:
        """What `qucheng books check` would say, the stock equation with it."""
        return [each.sentence for each in (await checking.check(brand=self.brand, now=now)).differences]

    async def digest(self, owner: asyncpg.Connection, tables: list[str], but: tuple[str, ...] = ()) -> dict[str, str]:
        """The brand's rows of each table, as a count and a digest."""
        rows = await owner.fetch(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {name} t WHERE brand_id = $1"
                for name in tables if name not in but
            ),
            self.brand.id,
        )  # fmt: skip
        return {row[0]: row[1] for row in rows}


async def opened(folder: Path, keys: crypto.Keys) -> Ground:
    bundle = books.write(
        folder / uuid.uuid4().hex, code=f"e-{uuid.uuid4().hex[:20]}", compliance=books.INTL, settlement="hold_days = 1",
        skus=warehouse.SKUS, resellers=warehouse.RESELLERS, channels=warehouse.CHANNELS, rules=RULES,
    )  # fmt: skip
    brand = await books.found(bundle)
    await importing.take_in(folder=bundle, brand=brand, now=MIDNIGHT, progress=books.QUIET)
    maker, checker = await people.member(keys, brand.id, "manager"), await people.member(keys, brand.id, "owner")
    actor = people.actor(maker)
    await _goods(brand, actor)
    tills = [await _key(brand, keys, maker.user_id, "cards.redeem") for _ in TILLS]
    for place, (code, till) in enumerate(zip(TILLS, tills, strict=True)):
        await store.open_store(brand_id=brand.id, code=code, name=code, actor=actor, now=MIDNIGHT)
        skus = None if place == 0 else ["card"]
        await store.add_terminal(brand_id=brand.id, store=code, name=code, api_key=till, skus=skus, actor=actor, now=MIDNIGHT)
    pools = {owner: await warehouse.opened(brand, *owner) for owner in OWNERS}
    made = Ground(
        brand=brand, keys=keys, actor=actor, maker=maker, checker=checker, pools=pools, tills=tills, codes={},
        program=await _key(brand, keys, maker.user_id, "claims.write"),
    )  # fmt: skip
    for (reseller, channel), sku_code, quota in ((("R1", None), "card", 3), (("R1", "web"), "gift", 2)):
        rule = {"pool": pools[reseller, channel], "sku": sku_code, "low_level": None, "borrow_quota": quota}
        await pool.set_rule(brand_id=brand.id, actor=actor, **rule)  # type: ignore[arg-type]
    await _offered(made)
    return made


async def _goods(brand: Brand, actor: audit.Actor) -> None:
    """`card` counts from delivery and may be used from the second day on; `gift` and the package from redemption, `gift` in S1 alone."""
    parts = (
        catalog_rules.Part(sku="card", quantity=1, share_ppm=600_000),
        catalog_rules.Part(sku="gift", quantity=2, share_ppm=400_000),
    )
    said: dict[str, dict[str, Any]] = {
        "card": {"kind": "card_secret", "hold_from": "delivered"},
        "gift": {"kind": "card_secret", "hold_from": "redeemed", "valid_days": VALID_DAYS},
        "box": {"kind": "package", "hold_from": "redeemed", "parts": parts},
    }
    for code, changes in said.items():
        await sku.change(brand_id=brand.id, code=code, seen=None, changes=sku.Changes(**changes), actor=actor, now=MIDNIGHT)
    later = rules.Rule(starts_on=FIRST + dt.timedelta(days=1))
    await store.set_rule(brand_id=brand.id, sku="card", rule=later, actor=actor, now=MIDNIGHT)
    await store.set_rule(brand_id=brand.id, sku="gift", rule=rules.Rule(stores=("S1",)), actor=actor, now=MIDNIGHT)


async def _key(brand: Brand, keys: crypto.Keys, by: uuid.UUID, scope: str) -> uuid.UUID:
    issued = await api_key.create(
        keys=keys, brand_id=brand.id, name=scope, mode="live", reseller=None, scopes={scope}, networks=(),
        expires_at=MIDNIGHT + dt.timedelta(days=7), created_by=by, actor=audit.SYSTEM, now=MIDNIGHT,
    )  # fmt: skip
    return issued.id


async def _offered(ground: Ground) -> None:
    """`daily`: a card each day, three in all. `once`: a gift, from the second day on."""
    day = dt.timedelta(days=1)
    for given in (
        {"code": "daily", "sku": "card", "reseller": "R1", "period": "day", "quota": 3, "starts_at": MIDNIGHT, "ends_at": MIDNIGHT + 4 * day},
        {"code": "once", "sku": "gift", "reseller": "R2", "period": "ever", "quota": None, "starts_at": MIDNIGHT + day, "ends_at": MIDNIGHT + 90 * day},
    ):  # fmt: skip
        wanted = offer.Wanted(name="礼", channel=None, **given)
        await offer.make(brand=ground.brand, wanted=wanted, actor=ground.actor, now=MIDNIGHT)


async def of_brand(ground: Ground, query: str, *values: object) -> list[tuple[Any, ...]]:
    async with db.atomic(ground.brand.id):
        return [tuple(row) for row in await db.connection().fetch(query, *values)]
