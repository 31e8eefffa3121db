"""Shop clerks: a terminal of their own, a look before the card is used up, a ticket that redeems once, and wrong codes that are counted."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.redemption import tills
from tests.rooms.redemption.tills import MINUTE, NOW
from tests.rooms.stock import card_desk

from qucheng.core import crypto, db
from qucheng.identity import membership, permissions, role_request
from qucheng.orders import refund
from qucheng.orders.rules import LineBack
from qucheng.redemption import digits, picture, redemption, reversal, rules, store, ticket, till_record, wrong_entry
from qucheng.settlement import decision
from qucheng.stock import stop

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
SECOND = dt.timedelta(seconds=1)


class Clerk(msgspec.Struct, frozen=True, kw_only=True):
    ground: tills.Ground
    who: permissions.Principal
    terminal: uuid.UUID

    async def look(
        self, text: str, *, way: redemption.Way = "code", phone_end: str = "", form: str = "f", now: dt.datetime = NOW
    ) -> ticket.Look:
        return await ticket.look(
            brand=self.ground.brand,
            keys=self.ground.keys,
            user_id=self.who.user_id,
            presented=redemption.Presented(way=way, text=text, phone_end=phone_end),
            form=form,
            actor=people.actor(self.who),
            now=now,
        )

    async def confirm(self, given: str | None, *, now: dt.datetime = NOW) -> ticket.Confirmed:
        assert given is not None
        return await ticket.confirm(
            brand=self.ground.brand, keys=self.ground.keys, user_id=self.who.user_id, ticket=given,
            actor=people.actor(self.who), now=now,
        )  # fmt: skip

    async def undo(self, made: uuid.UUID | None, *, now: dt.datetime = NOW) -> reversal.Outcome:
        assert made is not None
        return await reversal.undo(
            brand=self.ground.brand,
            user_id=self.who.user_id,
            made=made,
            reason="wrong card",
            actor=people.actor(self.who),
            now=now,
        )


async def engaged(ground: tills.Ground, place: str = "S1") -> Clerk:
    who = await people.member(ground.keys, ground.brand.id, "clerk")
    terminal = await store.add_terminal(
        brand_id=ground.brand.id, store=place, name="desk", user_id=who.user_id, actor=ground.actor, now=NOW
    )
    return Clerk(ground=ground, who=who, terminal=terminal)


async def test_one_asks_for_a_clerk_and_another_lets_the_letter_go(ground: tills.Ground) -> None:
    manager, owner = [await people.member(ground.keys, ground.brand.id, role) for role in ("manager", "owner")]
    asked = await role_request.ask(
        keys=ground.keys, principal=manager, login=f"{uuid.uuid4().hex}@example.com", role="clerk", locale="zh-CN",
        actor=people.actor(manager), now=NOW,
    )  # fmt: skip
    await decision.decide(
        principal=owner, brand_id=ground.brand.id, approval_id=asked, approve=True, reason="", actor=people.actor(owner), now=NOW
    )
    assert await books.seen(ground.brand, "SELECT role, accepted_at FROM invitation") == [("clerk", None)]


async def test_a_terminal_is_a_program_s_or_a_clerk_s(ground: tills.Ground) -> None:
    clerk = await engaged(ground)
    manager = await people.member(ground.keys, ground.brand.id, "manager")
    before = await ground.count("terminal")
    for whose in (
        {"user_id": clerk.who.user_id},
        {"user_id": manager.user_id},
        {},
        {"user_id": manager.user_id, "api_key": ground.till.key},
    ):
        with pytest.raises(store.TerminalUnfitError):
            await store.add_terminal(brand_id=ground.brand.id, store="S1", name="x", **whose, actor=ground.actor, now=NOW)  # type: ignore[arg-type]
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.atomic(ground.brand.id):
            await db.connection().execute(
                "INSERT INTO terminal (brand_id, id, store, name, all_skus, added_at) VALUES (current_brand(), $1, 'S1', 'x', true, now())",
                uuid.uuid4(),
            )
    assert await ground.count("terminal") == before
    found = await store.terminal_of(brand_id=ground.brand.id, user_id=clerk.who.user_id)
    assert found is not None
    assert (found.id, found.store) == (clerk.terminal, "S1")
    look = await clerk.look(ground.codes[0])
    # from the revocation on there are no rights, also with a ticket that is at hand
    await membership.revoke(
        brand_id=ground.brand.id,
        membership_id=await people.role_of(clerk.who.user_id, ground.brand.id),
        actor=ground.actor,
        now=NOW,
    )
    assert await store.terminal_of(brand_id=ground.brand.id, user_id=clerk.who.user_id) is None
    for refused in (clerk.look(ground.codes[0]), clerk.confirm(look.ticket)):
        with pytest.raises(ticket.NoTerminalError):
            await refused
    with pytest.raises(reversal.NoTerminalError):
        await clerk.undo(uuid.uuid4())
    assert (await ground.state(), await ground.count("redemption")) == ("revealed", 0)


async def test_a_look_redeems_nothing_and_its_ticket_redeems_once(ground: tills.Ground) -> None:
    clerk, other = await engaged(ground), await engaged(ground, "S2")
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rules.Rule(areas=("east",)), actor=ground.actor, now=NOW)
    look = await clerk.look(ground.codes[0])
    assert (look.answer.result, look.answer.id, look.facts and look.facts.sku, look.rule) == (
        "ok", None, "card", rules.Rule(areas=("east",)),
    )  # fmt: skip
    assert look.facts is not None
    assert ground.codes[0].endswith(look.facts.last_four)
    assert (await ground.state(), await ground.count("redemption")) == ("revealed", 0)
    assert look.ticket is not None
    plain = base64.urlsafe_b64decode(look.ticket)
    broken = base64.urlsafe_b64encode(plain[:-1] + bytes([plain[-1] ^ 1])).decode()
    for worker, given, when in (
        (other, look.ticket, NOW),
        (clerk, broken, NOW),
        (clerk, "", NOW),
        (clerk, "nothing=like!it", NOW),
        (clerk, look.ticket, NOW + ticket.KEPT),
    ):
        with pytest.raises(ticket.TicketUnfitError):
            await worker.confirm(given, now=when)
    assert (await ground.state(), await ground.count("redemption")) == ("revealed", 0)
    last = NOW + ticket.KEPT - SECOND
    answers = await asyncio.gather(*(clerk.confirm(look.ticket, now=last) for _ in range(4)))
    assert {(each.answer.result, each.answer.id) for each in answers} == {("ok", answers[0].answer.id)}
    assert (await ground.state(), await ground.count("redemption")) == ("redeemed", 1)
    # the answer stays, also when the ticket would be too old; another look of the card is refused and says when and where
    assert (await clerk.confirm(look.ticket, now=NOW + 60 * MINUTE)).answer == answers[0].answer
    used = (await clerk.look(ground.codes[0], now=last)).answer
    assert (used.result, used.used) == ("used", redemption.Used(at=last, store="S1", store_name="一店"))


async def test_what_changes_between_the_look_and_the_confirmation_counts(ground: tills.Ground) -> None:
    clerk, other = await engaged(ground), await engaged(ground)
    first, second = await clerk.look(ground.codes[0]), await other.look(ground.codes[0])
    assert (await other.confirm(second.ticket)).answer.result == "ok"
    assert (await clerk.confirm(first.ticket)).answer.result == "used"
    frozen = await clerk.look(ground.codes[1])
    await stop.freeze(brand=ground.brand, chosen=stop.Chosen(cards=[ground.cards[1]]), reason="lost", actor=ground.actor, now=NOW)
    assert (await clerk.confirm(frozen.ticket)).answer.result == "frozen"
    # a moving picture may be over when it is confirmed, and is spent with it
    batch, number = ground.cards[2]
    shown = await picture.issue(brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, now=NOW)
    looked = [await each.look(shown, way="dynamic") for each in (clerk, other)]
    made = await clerk.confirm(looked[0].ticket, now=NOW + MINUTE)
    assert made.answer.result == "ok"
    assert (await clerk.undo(made.answer.id, now=NOW + MINUTE)).result == "undone"
    assert (await other.confirm(looked[1].ticket, now=NOW + MINUTE)).answer.result == "unknown"
    assert await ground.state(2) == "revealed"
    # so are digits
    batch, number = ground.cards[3]
    drawn = await digits.issue(
        brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, store="S1", phone_end="8000", now=NOW
    )
    typed = await clerk.look(drawn, way="digits", phone_end="8000")
    assert (await clerk.confirm(typed.ticket, now=NOW + MINUTE)).answer.result == "ok"
    assert await books.seen(ground.brand, "SELECT spent FROM short_digits") == [(True,)]
    assert await tills.differences(ground.brand) == []


async def test_a_card_that_was_paid_back_and_sold_again_is_not_redeemed_by_the_ticket_of_before(
    workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path
) -> None:
    assert workspace
    brand, actor = (
        await card_desk.opened(tmp_path / "b", f"t-{uuid.uuid4().hex[:12]}", orders=2, units=1),
        await card_desk.somebody(keys),
    )
    await card_desk.stocked(brand, keys, 1, actor)
    await store.open_store(brand_id=brand.id, code="S1", name="一店", actor=actor, now=NOW)
    ((batch, number),) = await card_desk.delivered(brand, "O-1", 1, actor)
    ground = tills.Ground(
        brand=brand, keys=keys, actor=actor, till=await tills.till(brand, keys, actor, "S1"), codes=[], cards=[(batch, number)]
    )
    clerk = await engaged(ground)
    shown = await picture.issue(brand_id=brand.id, keys=keys, batch=batch, number=number, now=NOW)
    look = await clerk.look(shown, way="dynamic")
    await refund.give(
        brand=brand, order_no="O-1", refund_no="R-1", lines=[LineBack(line_no="1", quantity=1, amount_minor=0)], actor=actor, now=NOW
    )  # fmt: skip
    assert await card_desk.delivered(brand, "O-2", 1, actor) == [(batch, number)]
    assert ((await clerk.confirm(look.ticket)).answer.result, await ground.state()) == ("unknown", "delivered")
    # the control: whoever has it now has it redeemed
    shown = await picture.issue(brand_id=brand.id, keys=keys, batch=batch, number=number, now=NOW + MINUTE)
    fresh = await clerk.look(shown, way="dynamic", now=NOW + MINUTE)
    assert (await clerk.confirm(fresh.ticket, now=NOW + MINUTE)).answer.result == "ok"


async def test_the_day_of_a_terminal_and_what_is_taken_back(ground: tills.Ground) -> None:
    clerk, other = await engaged(ground), await engaged(ground)
    made = [await clerk.confirm((await clerk.look(code)).ticket) for code in ground.codes[:2]]
    # the same refusal from the same page is kept once
    for form in ("a", "a", "b"):
        assert (await clerk.look(ground.codes[0], form=form)).answer.result == "used"
    assert (await clerk.undo(made[0].answer.id, now=NOW + 5 * MINUTE)).result == "undone"
    late = NOW + 5 * MINUTE + SECOND
    assert (await clerk.undo(made[1].answer.id, now=late)).result == "late"
    asked = {"brand": ground.brand, "made": made[1].answer.id, "reason": "wrong card"}
    # another terminal's is none of one's own
    with pytest.raises(redemption.RedemptionUnknownError):
        await other.undo(made[1].answer.id)
    with pytest.raises(redemption.RedemptionUnknownError):
        await reversal.ask(principal=other.who, actor=people.actor(other.who), **asked)  # type: ignore[arg-type]
    day = await till_record.today(brand=ground.brand, user_id=clerk.who.user_id, now=late)
    assert day is not None
    assert [(each.verdict, each.undone, each.undoable, each.asked) for each in day.records if each.verdict == "ok"] == [
        ("ok", False, False, False),
        ("ok", True, False, False),
    ]
    await reversal.ask(principal=clerk.who, actor=people.actor(clerk.who), **asked)  # type: ignore[arg-type]
    day = await till_record.today(brand=ground.brand, user_id=clerk.who.user_id, now=late)
    assert day is not None
    assert (day.redeemed, day.refused, day.terminal.id, [each.asked for each in day.records].count(True)) == (
        1,
        2,
        clerk.terminal,
        1,
    )
    assert all(each.name and each.last_four for each in day.records)
    early = await till_record.today(brand=ground.brand, user_id=clerk.who.user_id, now=NOW + SECOND)
    assert early is not None
    assert [each.undoable for each in early.records if each.verdict == "ok" and not each.undone] == [True]
    tomorrow = await till_record.today(brand=ground.brand, user_id=clerk.who.user_id, now=NOW + dt.timedelta(days=1))
    assert tomorrow is not None
    assert (tomorrow.redeemed, tomorrow.refused, tomorrow.value_minor, tomorrow.records) == (0, 0, 0, [])
    # what has no face value is not worth nothing
    assert day.value_minor is None
    await books.seen(ground.brand, "UPDATE sku SET face_value_minor = 3000 WHERE code = 'card' RETURNING 1")
    worth = await till_record.today(brand=ground.brand, user_id=clerk.who.user_id, now=late)
    assert worth is not None
    assert worth.value_minor == 3000


async def test_wrong_codes_close_the_entry_of_codes_for_ten_minutes(ground: tills.Ground) -> None:
    clerk, most = await engaged(ground), wrong_entry.MOST["code"]
    assert most == 30
    # one more than may be, but never so many within ten minutes
    for place in range(most + 1):
        assert (await ground.redeem(f"none-{place}", now=NOW + place * MINUTE / 2)).result == "unknown"
    for place in range(most):
        assert (await clerk.look(f"none-{place}", form=str(place))).answer.result == "unknown"
    with pytest.raises(wrong_entry.CodesClosedError) as closed:
        await clerk.look(ground.codes[0], now=NOW + SECOND)
    assert (closed.value.status, closed.value.retry_after) == (429, 599)
    # a moving picture is still read, and another terminal's entry is its own
    batch, number = ground.cards[0]
    shown = await picture.issue(brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, now=NOW)
    assert (await clerk.look(shown, way="dynamic", now=NOW)).answer.result == "ok"
    assert (await ground.redeem(ground.codes[1], now=NOW)).result == "ok"
    assert (await clerk.look(ground.codes[0], now=NOW + 10 * MINUTE)).answer.result == "ok"
    # programs are counted too
    program = await tills.till(ground.brand, ground.keys, ground.actor, "S1")
    for place in range(most):
        assert (await ground.redeem(f"none-{place}", till=program)).result == "unknown"
    with pytest.raises(wrong_entry.CodesClosedError):
        await ground.redeem(ground.codes[2], till=program)
    assert await ground.state(2) == "revealed"


async def test_wrong_digits_count_for_looks_as_for_redemptions(ground: tills.Ground) -> None:
    clerk = await engaged(ground)
    for place in range(5):
        assert (await clerk.look("000000", way="digits", phone_end="0000", form=str(place))).answer.result == "unknown"
    with pytest.raises(wrong_entry.DigitsClosedError):
        await clerk.look("000000", way="digits", phone_end="0000")
    assert (await clerk.look(ground.codes[0])).answer.result == "ok"
