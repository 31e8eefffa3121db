"""A consumer has what was claimed and bought, and nobody else's; a card that can be used has a code that is good once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.campaigns import wallets

from qucheng.campaigns import wallet
from qucheng.core import crypto
from qucheng.redemption import picture, rules, store
from qucheng.stock import rules as stock_rules
from qucheng.stock import secret_reveal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
STEP = dt.timedelta(seconds=picture.STEP_SECONDS)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def ground(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> wallets.Ground:
    assert workspace
    return await wallets.opened(tmp_path / "b", keys)


async def held(ground: wallets.Ground, person: wallets.Person) -> list[tuple[str, bool, str]]:
    cards = await wallet.cards(brand=ground.brand, who=person.who, now=ground.now)
    today = stock_rules.local_day(ground.now, ground.brand.time_zone)
    return [(card.id, card.bought, card.condition(today)) for card in cards.shown]


async def test_what_is_claimed_and_bought_is_its_owner_s_alone(ground: wallets.Ground, keys: crypto.Keys) -> None:
    anna, ben = await ground.person(phone=wallets.PHONE), await ground.person(subject=wallets.APP)
    await ground.bought("P-1", wallets.PHONE, units=2)
    await ground.bought("P-2", "+8613800139999")
    first, other = await ground.claimed(anna), await ground.claimed(ben)
    assert await ground.claimed(anna) == first
    seen = {card: (bought, condition) for card, bought, condition in await held(ground, anna)}
    assert sorted(seen.values()) == [(False, "usable"), (True, "usable"), (True, "usable")]
    assert seen[first] == (False, "usable")
    assert await held(ground, ben) == [(other, False, "usable")]
    bought = next(card for card, (paid, _) in seen.items() if paid)
    strangers = [(ben, first), (ben, bought), (anna, other), (anna, "9-9"), (anna, "x")]
    before = await books.seen(ground.brand, "SELECT (SELECT count(*) FROM card_alias), (SELECT count(*) FROM card_reveal)")
    for person, card in strangers:
        with pytest.raises(stock_rules.CardUnknownError):
            await wallet.look(brand=ground.brand, who=person.who, card=card, now=ground.now)
        with pytest.raises(stock_rules.CardUnknownError):
            await ground.show(person, card, ground.now, "S1")
        with pytest.raises(stock_rules.CardUnknownError):
            await wallet.reveal(brand=ground.brand, keys=keys, who=person.who, card=card, actor=wallets.SIGNED_IN, now=ground.now)
    after = await books.seen(ground.brand, "SELECT (SELECT count(*) FROM card_alias), (SELECT count(*) FROM card_reveal)")
    assert before == after == [(0, 0)]
    # what was used stands last, with where
    code = await ground.code(anna, first, ground.now)
    assert await ground.redeem("dynamic", code.text, ground.now) == "ok"
    assert (await held(ground, anna))[-1] == (first, False, "used")
    (used,) = [
        card for card in (await wallet.cards(brand=ground.brand, who=anna.who, now=ground.now)).shown if card.state == "redeemed"
    ]
    assert (used.used_at, used.used_store, used.used_store_en) == (ground.now, "湖滨路店", "Hubin Road")


async def test_every_card_stands_on_one_page(ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    await ground.bought("P-1", wallets.PHONE, units=4)
    await ground.freeze((await held(ground, anna))[0][0])
    whole = await wallet.cards(brand=ground.brand, who=anna.who, now=ground.now)
    pages = [await wallet.cards(brand=ground.brand, who=anna.who, now=ground.now, page=page, most=3) for page in (1, 2, 3)]
    assert [(page.usable, page.total, len(page.shown)) for page in pages] == [(3, 4, 3), (3, 4, 1), (0, 0, 0)]
    assert [*pages[0].shown, *pages[1].shown] == whole.shown
    assert whole.shown[-1].state == "frozen"
    # those whose time is over are counted as what can be used no more
    later = await wallet.cards(brand=ground.brand, who=anna.who, now=ground.now + 5 * DAY)
    assert (later.usable, later.total) == (0, 4)


async def test_who_signs_for_a_number_has_not_proven_the_phone(ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    await ground.bought("P-1", wallets.PHONE)
    claimed = await ground.claimed(anna)
    app = await ground.person(subject=f"tel:{wallets.PHONE}")
    assert (app.who.id, app.who.phone_end, app.who.phone_fingerprint) == (anna.who.id, None, None)
    assert len(await held(ground, anna)) == 2
    assert await held(ground, app) == [(claimed, False, "usable")]


async def test_a_code_is_good_in_its_time_and_once(ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    card, now = await ground.claimed(anna), ground.now
    code = await ground.code(anna, card, now)
    assert (code.digits, code.good_until - code.steps_at) == (None, STEP)
    assert now < code.steps_at <= now + STEP
    assert (await ground.code(anna, card, now)).text == code.text
    later = await ground.code(anna, card, code.steps_at)
    assert later.text != code.text
    assert code.text not in repr(code)
    assert await ground.redeem("dynamic", code.text, code.good_until) == "unknown"  # its time is over
    last = code.good_until - dt.timedelta(microseconds=1)
    assert await ground.redeem("dynamic", code.text, last, key="k-1") == "ok"
    assert await ground.redeem("dynamic", code.text, last) == "used"
    done = await ground.show(anna, card, last)
    assert (done.condition, done.code, done.card.used_store) == ("used", None, "湖滨路店")
    # taken back, the card can be used again, and the picture that was used cannot
    await ground.undo("k-1", last)
    assert await ground.redeem("dynamic", code.text, last) == "unknown"
    assert await ground.redeem("dynamic", (await ground.code(anna, card, last)).text, last) == "ok"


async def test_digits_are_for_one_store_and_who_has_the_phone(ground: wallets.Ground) -> None:
    anna, ben = await ground.person(phone=wallets.PHONE), await ground.person(subject=wallets.APP)
    card, now = await ground.claimed(anna), ground.now
    digits = (await ground.code(anna, card, now, "S1")).digits
    assert digits is not None
    assert await ground.redeem("digits", digits, now, till=ground.there, end="8000") == "unknown"
    assert await ground.redeem("digits", digits, now, end="8001") == "unknown"
    assert await ground.redeem("digits", digits, now, end="8000") == "ok"
    own = await ground.claimed(ben)
    assert (await ground.code(ben, own, now, "S1")).digits is None
    # nor where there is no such store, where it is closed, or where the card is not taken
    another = await ground.claimed(anna, "autumn")
    assert (await ground.code(anna, another, now, "S9")).digits is None
    await store.close_store(brand_id=ground.brand.id, code="S1", actor=ground.actor, now=now)
    assert (await ground.code(anna, another, now, "S1")).digits is None
    assert (await ground.code(anna, another, now, "S2")).digits is not None
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rules.Rule(areas=("城东",)), actor=ground.actor, now=now)
    shown = await ground.show(anna, another, now, "S2")
    assert shown.code is not None
    assert (shown.code.digits, shown.use.places) == (None, [])


async def test_what_cannot_be_used_has_no_code_and_is_not_shown(ground: wallets.Ground, keys: crypto.Keys) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    frozen, kept = await ground.claimed(anna), await ground.claimed(anna, "autumn")
    await ground.freeze(frozen)
    today = stock_rules.local_day(ground.now, ground.brand.time_zone)
    last_day = (await ground.show(anna, kept, ground.now)).card
    assert [last_day.days_left(today + n * DAY) for n in (-2, -1, 0, 2, 3)] == [None, 3, 2, 0, None]
    for card, at, condition in ((frozen, ground.now, "frozen"), (kept, ground.now + 3 * DAY, "expired")):
        seen = await ground.show(anna, card, at, "S1")
        assert (seen.condition, seen.code) == (condition, None)
        with pytest.raises(secret_reveal.NothingToShowError):
            await wallet.reveal(brand=ground.brand, keys=keys, who=anna.who, card=card, actor=wallets.SIGNED_IN, now=at)
    assert await books.seen(ground.brand, "SELECT count(*) FROM card_reveal") == [(0,)]
    assert (await ground.show(anna, kept, ground.now + 2 * DAY, "S1")).code is not None  # all of its last day


async def test_its_owner_is_shown_the_code_and_may_still_use_the_moving_one(ground: wallets.Ground, keys: crypto.Keys) -> None:
    anna, now = await ground.person(phone=wallets.PHONE), ground.now
    card = await ground.claimed(anna)
    shown = await wallet.reveal(brand=ground.brand, keys=keys, who=anna.who, card=card, actor=wallets.SIGNED_IN, now=now)
    assert (shown.card, shown.revealed_at, await ground.state(card)) == (card, now, "revealed")
    receipts = await books.seen(ground.brand, "SELECT viewer_kind, viewer, purpose FROM card_reveal")
    assert receipts == [("consumer", anna.who.id, wallet.PURPOSE)]
    told = await books.seen(ground.brand, "SELECT role, after::text FROM audit_record WHERE action = 'card.reveal'")
    assert [row[0] for row in told] == ["consumer"]
    assert shown.code.shown() not in told[0][1]
    code = await ground.code(anna, card, now)
    assert await ground.redeem("dynamic", code.text, now) == "ok"
    assert await ground.redeem("code", shown.code.shown(), now) == "used"
