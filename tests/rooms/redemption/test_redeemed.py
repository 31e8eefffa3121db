"""Cards presented at a till: redeemed once, answered the same to the same key, and taken back in time or not at all."""

from __future__ import annotations

import datetime as dt
import uuid

import asyncpg
import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.redemption import tills
from tests.rooms.redemption.tills import MINUTE, NOW

from qucheng.core import db, idempotency
from qucheng.identity import api_key
from qucheng.redemption import digits, picture, redemption, reversal, rules, settled, store, wrong_entry
from qucheng.settlement import decision
from qucheng.stock import stop

pytestmark = pytest.mark.anyio
STEP = dt.timedelta(seconds=picture.STEP_SECONDS)


async def test_a_card_is_redeemed_once_and_the_key_answers_the_same(ground: tills.Ground) -> None:
    first = await ground.redeem(ground.codes[0], key="k-1")
    batch, number = ground.cards[0]
    assert (first.result, first.card, first.sku, first.store, first.at) == ("ok", f"{batch}-{number}", "card", "S1", NOW)
    assert await ground.redeem(ground.codes[0], key="k-1", now=NOW + MINUTE) == first
    # with another card it is no answer to give, also when the door has forgotten the key
    with pytest.raises(idempotency.OtherRequestError):
        await ground.redeem(ground.codes[1], key="k-1", now=NOW + dt.timedelta(days=31))
    assert (await ground.state(1), await ground.count("redemption")) == ("revealed", 1)
    other = await tills.till(ground.brand, ground.keys, ground.actor, "S2")
    again = await ground.redeem(ground.codes[0], till=other, now=NOW + MINUTE)
    assert (again.result, again.used) == ("used", redemption.Used(at=NOW, store="S1", store_name="一店"))
    # by a clock that is behind, or after a wait for the card: when and where it was is told all the same
    behind = await ground.redeem(ground.codes[0], till=other, now=NOW - MINUTE)
    assert (behind.result, behind.used) == ("used", again.used)
    # taken back and redeemed elsewhere, an answer that was given stays as it was
    twice = await ground.redeem(ground.codes[1], key="k-2")
    told = await ground.redeem(ground.codes[1], key="k-3")
    assert (await ground.reverse("k-2")).redemption == twice.id
    assert (await ground.redeem(ground.codes[1], till=other)).result == "ok"
    assert await ground.redeem(ground.codes[1], key="k-3") == told
    assert (await ground.redeem(ground.codes[1])).used == redemption.Used(at=NOW, store="S2", store_name="二店")
    found = await redemption.find(brand_id=ground.brand.id, api_key=ground.till.key, key="k-1")
    assert found == first
    with pytest.raises(redemption.RedemptionUnknownError):
        await redemption.find(brand_id=ground.brand.id, api_key=other.key, key="k-1")
    events = await books.seen(
        ground.brand, "SELECT kind, subject, data FROM outbox_event WHERE kind = 'card.redeemed' AND subject = $1", first.card
    )
    assert [(kind, subject, msgspec.json.decode(data)) for kind, subject, data in events] == [
        ("card.redeemed", first.card, {"redemptionId": str(first.id)})
    ]
    assert await tills.differences(ground.brand) == []


async def test_what_is_kept_is_judged_again_as_it_was(ground: tills.Ground) -> None:
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rules.Rule(stores=("S1",)), actor=ground.actor, now=NOW)
    await ground.redeem(ground.codes[0])
    await ground.redeem(ground.codes[0], now=NOW + MINUTE)
    other = await tills.till(ground.brand, ground.keys, ground.actor, "S2")
    assert (await ground.redeem(ground.codes[1], till=other)).result == "not_here"
    await stop.freeze(brand=ground.brand, chosen=stop.Chosen(cards=[ground.cards[2]]), reason="lost", actor=ground.actor, now=NOW)
    assert (await ground.redeem(ground.codes[2])).result == "frozen"
    assert (await ground.redeem("nothing like it")).result == "unknown"
    late = rules.Rule(starts_on=dt.date(9999, 1, 1))
    assert await store.set_rule(brand_id=ground.brand.id, sku="card", rule=late, actor=ground.actor, now=NOW) == 2
    assert (await ground.redeem(ground.codes[3])).result == "not_yet"
    rows = await books.seen(ground.brand, "SELECT verdict, snapshot::text, at FROM redemption ORDER BY id")
    assert [row[0] for row in rows] == ["ok", "used", "not_here", "frozen", "unknown", "not_yet"]
    again = [rules.verdict(msgspec.json.decode(text, type=rules.Snapshot), at) for _, text, at in rows]
    assert again == [row[0] for row in rows]


async def test_without_the_rights_of_a_terminal_nothing_is_redeemed(ground: tills.Ground) -> None:
    stranger = msgspec.structs.replace(ground.till, key=uuid.uuid4())
    assert await ground.redeem(ground.codes[0], till=stranger) == redemption.Answer(result="unknown")
    assert await ground.redeem("no such code", till=stranger) == redemption.Answer(result="unknown")
    limited = await tills.till(ground.brand, ground.keys, ground.actor, "S1", skus=[])
    assert (await ground.redeem(ground.codes[0], till=limited)).result == "not_here"
    await store.close_store(brand_id=ground.brand.id, code="S1", actor=ground.actor, now=NOW)
    assert (await ground.redeem(ground.codes[0])).result == "not_here"
    await store.end_terminal(brand_id=ground.brand.id, terminal=ground.till.id, actor=ground.actor, now=NOW)
    assert await ground.redeem(ground.codes[0]) == redemption.Answer(result="unknown")
    assert (await ground.state(), await ground.count("outbox_event WHERE kind = 'card.redeemed'")) == ("revealed", 0)


async def test_a_terminal_has_a_live_key_of_the_brand_of_its_own(ground: tills.Ground) -> None:
    before = await ground.count("terminal")
    assert ground.actor.user_id is not None
    issued = await api_key.create(
        keys=ground.keys, brand_id=ground.brand.id, name="test", mode="test", reseller=None, scopes={"cards.redeem"}, networks=(),
        expires_at=people.NOW + dt.timedelta(days=7), created_by=ground.actor.user_id, actor=ground.actor, now=people.NOW,
    )  # fmt: skip
    for key in (issued.id, ground.till.key, uuid.uuid4()):
        with pytest.raises(store.TerminalUnfitError):
            await store.add_terminal(brand_id=ground.brand.id, store="S1", name="x", api_key=key, actor=ground.actor, now=NOW)
    assert await ground.count("terminal") == before


async def test_a_reversal_after_before_and_too_late(ground: tills.Ground) -> None:
    first = await ground.redeem(ground.codes[0], key="k-1")
    other = await tills.till(ground.brand, ground.keys, ground.actor, "S1")
    # another terminal's key of that name is not this one
    assert (await ground.reverse("k-1", till=other)).result == "blocked"
    assert await ground.state() == "redeemed"
    outcome = await ground.reverse("k-1", now=NOW + 5 * MINUTE)
    assert (outcome.result, outcome.redemption, await ground.state()) == ("undone", first.id, "revealed")
    assert (await ground.reverse("k-1", now=NOW + 9 * MINUTE)).result == "undone"
    assert await ground.count("redemption_undo") == 1
    replayed = await ground.redeem(ground.codes[0], key="k-1")
    assert (replayed.result, replayed.undone, await ground.state()) == ("ok", True, "revealed")
    # before it came
    assert (await ground.reverse("k-2")).result == "blocked"
    assert (await ground.reverse("k-2")).result == "blocked"
    with pytest.raises(redemption.ReversedError):
        await ground.redeem(ground.codes[0], key="k-2")
    assert (await ground.state(), await ground.count("redemption WHERE key = 'k-2'")) == ("revealed", 0)
    # of one that was refused there is nothing to take back
    await ground.redeem("no such code", key="k-3")
    assert (await ground.reverse("k-3")).result == "nothing"
    # later
    await ground.redeem(ground.codes[0], key="k-4")
    late = NOW + 5 * MINUTE + dt.timedelta(microseconds=1)
    assert ((await ground.reverse("k-4", now=late)).result, await ground.state()) == ("late", "redeemed")
    assert await tills.differences(ground.brand) == []


async def test_the_database_undoes_nothing_late_and_blocks_no_key_that_came(ground: tills.Ground) -> None:
    made = await ground.redeem(ground.codes[0], key="k-1")
    undo = "INSERT INTO redemption_undo (brand_id, redemption, at, terminal) VALUES (current_brand(), $1, $2, $3)"
    block = "INSERT INTO reversed_key (brand_id, terminal, key, at) VALUES (current_brand(), $1, $2, now())"
    other = await tills.till(ground.brand, ground.keys, ground.actor, "S1")
    for statement, values in (
        (undo, (made.id, NOW + 6 * MINUTE, ground.till.id)),
        (undo, (made.id, NOW, other.id)),
        (block, (ground.till.id, "k-1")),
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with db.atomic(ground.brand.id):
                await db.connection().execute(statement, *values)
    await ground.reverse("k-2")
    with pytest.raises(asyncpg.RestrictViolationError, match="blocked for good"):
        async with db.atomic(ground.brand.id):
            await db.connection().execute(
                "INSERT INTO redemption (brand_id, id, terminal, key, way, at, verdict, snapshot)"
                " VALUES (current_brand(), gen_random_uuid(), $1, 'k-2', 'code', now(), 'unknown', '{}')",
                ground.till.id,
            )


async def test_a_late_one_is_taken_back_with_approval(ground: tills.Ground) -> None:
    made = await ground.redeem(ground.codes[0], key="k-1")
    assert made.id is not None
    maker = await people.member(ground.keys, ground.brand.id, "manager")
    checker = await people.member(ground.keys, ground.brand.id, "owner")
    asked = {"principal": maker, "brand": ground.brand, "made": made.id, "reason": "wrong card", "actor": people.actor(maker)}
    approval = await reversal.ask(**asked)  # type: ignore[arg-type]
    assert await reversal.ask(**asked) == approval  # type: ignore[arg-type]
    assert await ground.state() == "redeemed"
    decided = await decision.decide(
        principal=checker,
        brand_id=ground.brand.id,
        approval_id=approval,
        approve=True,
        reason="",
        actor=people.actor(checker),
        now=NOW + 60 * MINUTE,
    )
    assert (decided.state, await ground.state()) == ("executed", "revealed")
    assert await books.seen(ground.brand, "SELECT redemption, approval, reason FROM redemption_undo") == [
        (made.id, approval, "wrong card")
    ]


async def test_a_moving_picture_is_good_once_and_for_its_time(ground: tills.Ground) -> None:
    batch, number = ground.cards[0]
    given = {"brand_id": ground.brand.id, "keys": ground.keys, "batch": batch, "number": number}
    shown = await picture.issue(**given, now=NOW)  # type: ignore[arg-type]
    assert (len(shown), shown) == (len(shown), await picture.issue(**given, now=NOW))  # type: ignore[arg-type]
    for when, wanted in ((-2 * STEP, "unknown"), (2 * STEP, "unknown")):
        assert (await ground.redeem(shown, way="dynamic", now=NOW + when)).result == wanted
    forged = shown[:-1] + ("A" if shown[-1] != "A" else "B")
    assert (await ground.redeem(forged, way="dynamic")).result == "unknown"
    assert (
        await ground.redeem(shown.replace(f":{picture.step_of(NOW)}:", f":{picture.step_of(NOW) + 1}:"), way="dynamic")
    ).result == "unknown"
    assert await ground.state() == "revealed"
    assert (await ground.redeem(shown, way="dynamic", key="k-1", now=NOW + STEP)).result == "ok"
    assert (await ground.redeem(shown, way="dynamic", now=NOW + STEP)).result == "used"
    await ground.reverse("k-1", now=NOW + STEP)
    # seen again, though the card is free: it was used
    assert (await ground.redeem(shown, way="dynamic", now=NOW + STEP)).result == "unknown"
    fresh = await picture.issue(**given, now=NOW + 4 * STEP)  # type: ignore[arg-type]
    assert (await ground.redeem(fresh, way="dynamic", now=NOW + 4 * STEP)).result == "ok"


async def test_digits_are_bound_to_store_and_phone_and_five_wrong_close_them(ground: tills.Ground) -> None:
    batch, number = ground.cards[0]
    given = {
        "brand_id": ground.brand.id,
        "keys": ground.keys,
        "batch": batch,
        "number": number,
        "store": "S1",
        "phone_end": "4321",
    }
    shown = await digits.issue(**given, now=NOW)  # type: ignore[arg-type]
    other = await tills.till(ground.brand, ground.keys, ground.actor, "S2")
    assert (await ground.redeem(shown, way="digits", phone_end="4321", till=other)).result == "unknown"
    for place in range(4):
        wrong = await ground.redeem(shown, way="digits", phone_end="4322", now=NOW + place * dt.timedelta(seconds=1))
        assert wrong.result == "unknown"
    # four wrong ones do not close the entry, and what is right is taken
    assert (await ground.redeem(shown, way="digits", phone_end="4321", key="k-1")).result == "ok"
    await ground.reverse("k-1")
    assert (await ground.redeem(shown, way="digits", phone_end="4321")).result == "unknown"
    assert (await ground.redeem("000000", way="digits", phone_end="4321", now=NOW + MINUTE)).result == "unknown"
    before = await ground.count("redemption")
    with pytest.raises(wrong_entry.DigitsClosedError):
        await ground.redeem(shown, way="digits", phone_end="4321", now=NOW + 10 * MINUTE)
    assert await ground.count("redemption") == before
    # the code is taken as ever, and after ten minutes digits are too
    assert (await ground.redeem(ground.codes[1], now=NOW + 10 * MINUTE)).result == "ok"
    later = NOW + 11 * MINUTE
    fresh = await digits.issue(**given, now=later)  # type: ignore[arg-type]
    assert (await ground.redeem(fresh, way="digits", phone_end="4321", now=later)).result == "ok"
    stored = str(await books.seen(ground.brand, "SELECT fingerprint, holder FROM short_digits"))
    assert shown not in stored


async def test_the_hold_counts_from_redemptions_that_are_past_being_undone(
    ground: tills.Ground, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER TABLE order_line DISABLE TRIGGER USER")
    await owner.execute("UPDATE order_line SET hold_from = 'redeemed' WHERE brand_id = $1", ground.brand.id)
    await owner.execute("ALTER TABLE order_line ENABLE TRIGGER USER")
    await ground.redeem(ground.codes[0], key="k-0")
    await ground.redeem(ground.codes[1], key="k-1", now=NOW)
    await ground.redeem(ground.codes[2], key="k-2", now=NOW + MINUTE)
    await ground.reverse("k-2", now=NOW + 2 * MINUTE)
    await ground.redeem(ground.codes[3], key="k-3", now=NOW + 3 * MINUTE)
    assert await settled.record(brand_id=ground.brand.id, now=NOW + 4 * MINUTE) == 0
    assert await settled.record(brand_id=ground.brand.id, now=NOW + 6 * MINUTE) == 2
    held = "SELECT order_no, line_no, event, at, quantity FROM fulfilment ORDER BY at"
    assert await books.seen(ground.brand, held) == [("O-1", "1", "redeemed", NOW, 2)]
    # what counts is not undone at a till any more
    assert (await ground.reverse("k-0", now=NOW + 4 * MINUTE)).result == "late"
    assert await settled.record(brand_id=ground.brand.id, now=NOW + 8 * MINUTE) == 1
    assert await settled.record(brand_id=ground.brand.id, now=NOW + 9 * MINUTE) == 0
    assert await books.seen(ground.brand, held) == [
        ("O-1", "1", "redeemed", NOW, 2),
        ("O-1", "1", "redeemed", NOW + 3 * MINUTE, 1),
    ]
