"""Claiming and redeeming in the demonstration: stores with terminals, offers, rules, and what people claimed and used in the last days."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import Final

import msgspec

from qucheng.bundle import demo_keys
from qucheng.campaigns import claim, consumer, offer
from qucheng.catalog import queries as catalog
from qucheng.core import audit, crypto, db, ids
from qucheng.identity import user as users
from qucheng.identity.brand import Brand
from qucheng.redemption import digits, picture, redemption, reversal, rules, store, store_edit, store_listing
from qucheng.stock import allocation, pool, queries
from qucheng.stock import rules as stock

PROGRAM: Final = audit.Actor(user_id=None, role="api_key")
# cards of the running offer's pool, and its quota; the ended one was taken in full; of one that runs cards are good by day alone
RUNNING, QUOTA, ENDED = 60, 50, 10
DAYTIME, BY_DAY = 30, 8
CLAIMED, DAYS = 24, 6
OPENS, CLOSES = dt.time(9), dt.time(22)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
# numbers that a country keeps for films, or that nobody has
PHONES: Final = {"CN": "+86138000001{:02}", "SG": "+65912345{:02}"}
STORES: Final = {
    "zh": (
        ("S01", "岚汐体验店（静安）", "Lanxi Jing'an", "上海", "静安区南京西路 188 号"),
        ("S02", "岚汐体验店（徐汇）", "Lanxi Xuhui", "上海", "徐汇区漕溪北路 20 号"),
        ("S03", "岚汐体验店（西湖）", "Lanxi West Lake", "杭州", "西湖区文三路 66 号"),
    ),
    "en": (
        ("S01", "Meridian Orchard", "Meridian Orchard", "Central", "188 Orchard Road"),
        ("S02", "Meridian Bugis", "Meridian Bugis", "Central", "20 Victoria Street"),
        ("S03", "Meridian Tampines", "Meridian Tampines", "East", "66 Tampines Avenue 5"),
    ),
}
WORDS: Final = {
    "zh": {
        "counter": "前台",
        "till": "收银机",
        "welcome": "新客礼",
        "daytime": "日间礼",
        "opening": "开业礼",
        "undo": "顾客选错了卡券",
    },
    "en": {
        "counter": "Counter",
        "till": "Till",
        "welcome": "Welcome gift",
        "daytime": "Daytime gift",
        "opening": "Opening gift",
        "undo": "The wrong card",
    },
}


class Till(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal, and who works at it."""

    store: str
    api_key: uuid.UUID | None
    user_id: uuid.UUID | None
    actor: audit.Actor


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """rest: the terminal in another area than those of the clerks. free: one where what the ended offer gave out may be used."""

    brand: Brand
    keys: crypto.Keys
    words: dict[str, str]
    manager: audit.Actor
    now: dt.datetime
    clerks: list[Till]
    rest: Till
    free: Till

    def at(self, days: int, hour: int, minute: int = 0) -> dt.datetime:
        """So many days ago, by the brand's clock."""
        zone = zoneinfo.ZoneInfo(self.brand.time_zone)
        day = self.now.astimezone(zone).date() - days * DAY
        return dt.datetime.combine(day, dt.time(hour, minute), zone)


async def fill(*, keys: crypto.Keys, brand: Brand, manager: uuid.UUID, now: dt.datetime) -> None:
    """All of it in one transaction, where no store is open yet and there are cards to give."""
    free = {each.sku for each in await queries.levels(brand_id=brand.id) if each.pool == 0 and each.available >= RUNNING + ENDED}
    channels = [each.code for each in await catalog.channels(brand_id=brand.id) if each.kind == "agency"]
    if not free or not channels or await store_listing.names(brand_id=brand.id):
        return
    actor = audit.Actor(user_id=manager, role="manager")
    async with db.atomic(brand.id):
        first, last = min(free), max(free)
        # what is claimed first can be used at any hour; hours are of a product of its own, where there is one
        by_day = sorted(free)[1] if len(free) > 2 else last  # noqa: PLR2004 - the first, the last and one between
        ground = await _opened(keys, brand, actor, now, ruled=first == last)
        here = rules.Rule(areas=(STORES[_language(brand)][0][3],))
        await store.set_rule(brand_id=brand.id, sku=first, rule=here, actor=actor, now=now - 30 * DAY)
        if by_day != first:
            hours = rules.Rule(windows=(rules.Window(begins=OPENS, ends=CLOSES),))
            await store.set_rule(brand_id=brand.id, sku=by_day, rule=hours, actor=actor, now=now - 30 * DAY)
        claimed = await _offered(
            ground, channels[0], {"welcome": first, "opening": last, **({"daytime": by_day} if by_day != first else {})}
        )
        await _used(ground, claimed["welcome"], claimed["opening"], claimed.get("daytime", []))


def _language(brand: Brand) -> str:
    return "zh" if brand.locale.startswith("zh") else "en"


async def _opened(keys: crypto.Keys, brand: Brand, actor: audit.Actor, now: dt.datetime, *, ruled: bool) -> Ground:
    """Clerks in the first stores, as many as there are; in the last the program that has a key for it. ruled: all that was claimed is for one area."""
    words, places, begun = WORDS[_language(brand)], STORES[_language(brand)], now - 60 * DAY
    for code, name, name_en, area, address in places:
        facts = store_edit.Facts(name=name, name_en=name_en, area=area, address=address)
        await store_edit.open_(brand_id=brand.id, code=code, facts=facts, actor=actor, now=begun)
    clerks = []
    for place, login in zip(places, ("clerk", "clerk2"), strict=False):
        user_id = await users.holder(keys=keys, login=f"{login}@{brand.code}.example")
        if user_id is not None:
            await store.add_terminal(
                brand_id=brand.id, store=place[0], name=words["counter"], user_id=user_id, actor=actor, now=begun
            )
            of = audit.Actor(user_id=user_id, role="clerk")
            clerks.append(Till(store=place[0], api_key=None, user_id=user_id, actor=of))
    # the till's own, before one that may do this besides other things
    keys_left = await store_listing.free_keys(brand_id=brand.id, now=now)
    key = min(keys_left, key=lambda each: each[1] not in demo_keys.TILLS.values())[0]
    await store.add_terminal(brand_id=brand.id, store=places[-1][0], name=words["till"], api_key=key, actor=actor, now=begun)
    rest = Till(store=places[-1][0], api_key=key, user_id=None, actor=PROGRAM)
    return Ground(
        brand=brand, keys=keys, words=words, manager=actor, now=now, clerks=clerks, rest=rest, free=clerks[0] if ruled else rest
    )


async def _offered(ground: Ground, channel: str, skus: dict[str, str]) -> dict[str, list[str]]:
    """skus: of the offers, by their codes. The cards that were claimed of each."""
    brand, now = ground.brand, ground.now
    shared = await pool.open_pool(brand_id=brand.id, reseller=None, channel=channel, actor=ground.manager)
    claimed = {}
    for code, quota, begins, ends, cards, people in (
        ("welcome", QUOTA, 10, -20, RUNNING, CLAIMED),
        ("opening", ENDED, 25, 8, ENDED, ENDED),
        ("daytime", None, 10, -20, DAYTIME, BY_DAY),
    ):
        if code not in skus:
            continue
        await allocation.allocate(
            brand=brand,
            sku=skus[code],
            from_pool=stock.UNALLOCATED,
            to_pool=shared,
            quantity=cards,
            actor=ground.manager,
            now=now,
        )
        wanted = offer.Wanted(
            code=code,
            name=ground.words[code],
            sku=skus[code],
            reseller=None,
            channel=channel,
            period="ever",
            quota=quota,
            starts_at=ground.at(begins, 0),
            ends_at=ground.at(ends, 0),
        )
        await offer.make(brand=brand, wanted=wanted, actor=ground.manager, now=wanted.starts_at - DAY)
        claimed[code] = await _claimed(ground, code, people, ends)
    return claimed


async def _claimed(ground: Ground, code: str, people: int, ends: int) -> list[str]:
    """One after another, some on each day; the last of them the day before the offer ended, or a day ago."""
    number = PHONES["CN" if ground.brand.currency == "CNY" else "SG"]
    days = [max(ends, 0) + DAYS + 1 - place * DAYS // people for place in range(people)]
    cards = []
    for day in sorted(set(days), reverse=True):
        asks = [
            claim.ask(brand=ground.brand, keys=ground.keys, subject=consumer.subject_of(number.format(place + 1)))
            for place in range(people)
            if days[place] == day
        ]
        answers = await claim.serve(brand=ground.brand, code=code, asks=asks, now=ground.at(day, 8, 30))
        cards += [answer.card for answer in answers if isinstance(answer, claim.Claim)]
    return cards


async def _used(ground: Ground, running: list[str], ended: list[str], by_day: list[str]) -> None:
    """Most are redeemed, some with digits; a few are refused, and two taken back."""
    clerks = ground.clerks
    for place, card in enumerate(running[: CLAIMED - 6]):
        till = clerks[place % len(clerks)]
        await _present(ground, till, card, ground.at(DAYS - place * DAYS // CLAIMED, 11 + place % 8, place), typed=place % 5 == 0)
    for place, card in enumerate(running[:3]):
        await _present(ground, clerks[-1], card, ground.at(1, 15, place))
    for place, card in enumerate(running[CLAIMED - 6 : CLAIMED - 3]):
        await _present(ground, ground.rest, card, ground.at(1, 12, place))
    for place, card in enumerate(by_day[:2]):
        await _present(ground, clerks[0], card, ground.at(1, 22, 30 + place))
    for place, card in enumerate(ended[:6]):
        await _present(ground, ground.free, card, ground.at(DAYS - place, 17, place))
    for place, card in enumerate(running[CLAIMED - 3 : CLAIMED - 1]):
        await _present(ground, clerks[0], card, ground.now - (8 - place) * MINUTE)
    await _present(ground, ground.rest, None, ground.at(2, 18))
    await _present(ground, clerks[0], None, ground.at(1, 18))
    for till, card in ((clerks[0], running[-1]), (ground.free, ended[6])):
        at = ground.at(1, 19, 5)
        key = await _present(ground, till, card, at)
        await reversal.reverse(
            brand=ground.brand,
            api_key=till.api_key,
            user_id=till.user_id,
            key=key,
            reason=ground.words["undo"],
            actor=till.actor,
            now=at + MINUTE,
        )


async def _present(ground: Ground, till: Till, card: str | None, at: dt.datetime, *, typed: bool = False) -> str:
    """card: None for a code that nobody has. Returns the key of the request."""
    key, brand_id = ids.new_id().hex, ground.brand.id
    presented = redemption.Presented(way="code", text="0000-0000-0000")
    if card is not None:
        batch, number = stock.parse_card_id(card)
        text, end = await picture.issue(brand_id=brand_id, keys=ground.keys, batch=batch, number=number, now=at), ""
        if typed:
            end = f"{number % 10_000:04}"
            text = await digits.issue(
                brand_id=brand_id, keys=ground.keys, batch=batch, number=number, store=till.store, phone_end=end, now=at
            )
        presented = redemption.Presented(way="digits" if typed else "dynamic", text=text, phone_end=end)
    await redemption.redeem(
        brand=ground.brand,
        keys=ground.keys,
        api_key=till.api_key,
        user_id=till.user_id,
        key=key,
        presented=presented,
        actor=till.actor,
        now=at,
    )
    return key
