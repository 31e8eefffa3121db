"""A shop clerk's pages: a look and its ticket, refusals in words, what is undone, and no code where it can be read afterwards."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import TYPE_CHECKING

import pytest
import structlog
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people
from tests.rooms.redemption import tills

from qucheng.core import clock
from qucheng.orders import refund
from qucheng.orders.rules import LineBack
from qucheng.redemption import digits, picture, redemption, rules, store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

    from qucheng.identity import permissions

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ground(house: browser.House, tmp_path: Path) -> tills.Ground:
    return await tills.opened(tmp_path / "b", house.keys)


async def at_work(house: browser.House, ground: tills.Ground) -> tuple[browser.Browser, permissions.Principal]:
    clerk, who = await visits.entered(house, ground.brand.id, "clerk")
    await store.add_terminal(
        brand_id=ground.brand.id, store="S1", name="desk", user_id=who.user_id, actor=ground.actor, now=clock.now()
    )
    assert (await clerk.open("/")).url.path == "/redeem"
    return clerk, who


async def looked(clerk: browser.Browser, **fields: str) -> str:
    """The ticket."""
    await clerk.get("/redeem")
    answer = await clerk.send("/redeem/look", form="x", **fields)
    assert (answer.status_code, "Can be used" in answer.text) == (200, True), visits.plain(answer.text)
    return clerk.hidden("ticket")


async def test_a_card_is_looked_at_confirmed_once_and_undone(house: browser.House, ground: tills.Ground) -> None:
    clerk, _ = await at_work(house, ground)
    assert visits.plain(clerk.page).count("Nothing yet today") == 1
    lower = f" {ground.codes[0].lower()} "
    assert re.findall(r'id="(digits|phone_end)"[^>]*maxlength="(\d+)"', clerk.page) == [("digits", "12"), ("phone_end", "8")]
    ticket = await looked(clerk, text=lower)
    page = visits.plain(clerk.page)
    assert (f"**** {ground.codes[0][-4:]}" in page, "At any time" in page, "No end" in page) == (True, True, True)
    assert await ground.count("redemption") == 0
    first = await clerk.send("/redeem/confirm", ticket=ticket)
    assert (first.status_code, ">Redeemed</h2>" in first.text, "location" in first.headers) == (200, True, False)
    again = await clerk.send("/redeem/confirm", ticket=ticket)
    assert (visits.plain(again.text), await ground.count("redemption")) == (visits.plain(first.text), 1)
    # the control: without the ticket, or with another's, nothing
    for forged in ("", "AAAA", ticket[:-8] + "AAAAAAA="):
        await clerk.get("/redeem")
        stale = await clerk.send("/redeem/confirm", ticket=forged)
        assert (stale.status_code, "Scan it again" in stale.text) == (409, True)
    await clerk.get("/redeem")
    assert "Redeemed today 1 Face value" in visits.plain(clerk.page)
    (made,) = set(re.findall(r'name="redemption" value="([^"]+)"', clerk.page))
    bare = await clerk.send("/redeem/undo", redemption=made, reason=" ")
    assert (bare.status_code, "Say why." in bare.text, await ground.state()) == (422, True, "redeemed")
    undone = await clerk.send("/redeem/undo", redemption=made, reason="Wrong card")
    assert (undone.status_code, undone.headers["location"], await ground.state()) == (
        303,
        "/redeem/today?done=undone",
        "revealed",
    )
    await clerk.get("/redeem/today?done=undone")
    page = visits.plain(clerk.page)
    assert ("It is taken back." in page, "Undone" in page, "Wrong card" in page, "Redeemed today 0" in page) == (
        True,
        True,
        True,
        True,
    )
    await clerk.get("/redeem")
    replayed = await clerk.send("/redeem/confirm", ticket=ticket)
    assert ("It was redeemed and undone since" in html.unescape(replayed.text), await ground.state()) == (True, "revealed")


async def test_a_clerk_is_told_that_a_card_was_paid_back_meanwhile(house: browser.House, ground: tills.Ground) -> None:
    clerk, _ = await at_work(house, ground)
    await clerk.send("/redeem/confirm", ticket=await looked(clerk, text=ground.codes[0]))
    back = LineBack(line_no="1", quantity=4, amount_minor=0)
    await refund.give(brand=ground.brand, order_no="O-1", refund_no="F1", lines=[back], actor=ground.actor, now=clock.now())
    await clerk.get("/redeem")
    assert "Face value —" in visits.plain(clerk.page)
    (made,) = set(re.findall(r'name="redemption" value="([^"]+)"', clerk.page))
    # sent twice, it says the same
    for _ in range(2):
        await clerk.get("/redeem")
        undone = await clerk.send("/redeem/undo", redemption=made, reason="Wrong card")
        assert (undone.headers["location"], await ground.state()) == ("/redeem/today?done=unusable", "void")
    await clerk.get("/redeem/today?done=unusable")
    assert "The card cannot be used any more" in visits.plain(clerk.page)


async def test_a_late_one_is_asked_for_and_another_s_is_none(house: browser.House, ground: tills.Ground) -> None:
    clerk, who = await at_work(house, ground)
    other, _ = await at_work(house, ground)
    made = await redemption.redeem(
        brand=ground.brand, keys=ground.keys, user_id=who.user_id, key="k", actor=people.actor(who),
        presented=redemption.Presented(way="code", text=ground.codes[0]), now=clock.now() - dt.timedelta(minutes=6),
    )  # fmt: skip
    fields = {"redemption": str(made.id), "reason": "Wrong card"}
    for path in ("/redeem/undo", "/redeem/ask"):
        await other.get("/redeem")
        refused = await other.send(path, **fields)
        assert (refused.status_code, "no such redemption at your terminal" in refused.text) == (409, True)
    await clerk.get("/redeem/today")
    assert (await clerk.send("/redeem/undo", **fields)).headers["location"] == "/redeem/today?done=late"
    await clerk.get("/redeem/today?done=late")
    assert "Ask for reversal" in clerk.page
    assert (await clerk.send("/redeem/ask", **fields)).headers["location"] == "/redeem/today?done=asked"
    await clerk.get("/redeem/today?done=asked")
    assert ("Ask for reversal" in clerk.page, "Awaiting approval" in clerk.page, await ground.state()) == (
        False,
        True,
        "redeemed",
    )
    asked = await books.seen(ground.brand, "SELECT action, maker, state, payload::jsonb ->> 'reason' FROM approval")
    assert asked == [("redemption.reverse", who.user_id, "waiting", "Wrong card")]
    # a manager decides it on the page of approvals
    manager, _ = await visits.entered(house, ground.brand.id, "manager")
    approval = (await books.seen(ground.brand, "SELECT id FROM approval"))[0][0]
    assert (await manager.get(f"/approvals/{approval}")).status_code == 200
    assert (await manager.get("/redeem")).status_code == 404


async def test_every_refusal_is_said_in_words(house: browser.House, ground: tills.Ground) -> None:
    clerk, who = await at_work(house, ground)
    now = clock.now()
    used = await looked(clerk, text=ground.codes[0])
    await clerk.send("/redeem/confirm", ticket=used)

    async def refused(**fields: str) -> str:
        await clerk.get("/redeem")
        answer = await clerk.send("/redeem/look", form="x", **fields)
        assert answer.status_code == 200
        return visits.plain(answer.text)

    again = await refused(text=ground.codes[0])
    assert ("Already used" in again, "一店 (here)" in again, "Redeemed at" in again) == (True, True, True)
    assert "Not known" in await refused(text="nothing like it")
    rule = rules.Rule(starts_on=now.date() + dt.timedelta(days=9), days=(1, 2, 3))
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rule, actor=ground.actor, now=now)
    early = await refused(text=ground.codes[1])
    assert ("Not at this time" in early, "Wednesday" in early, ground.codes[1][-4:] in early) == (True, True, False)
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rules.Rule(stores=("S2",)), actor=ground.actor, now=now)
    elsewhere = await refused(text=ground.codes[1])
    assert ("Not here" in elsewhere, ground.codes[1][-4:] in elsewhere) == (True, False)
    await store.set_rule(brand_id=ground.brand.id, sku="card", rule=rules.Rule(), actor=ground.actor, now=now)
    # digits, and the field that is wrong
    await clerk.get("/redeem")
    for fields, said in (
        ({"digits": "12345", "phone_end": "8000"}, "Six digits"),
        ({"digits": "123456"}, "last four"),
        ({}, "Scan the"),
    ):
        wrong = await clerk.send("/redeem/look", form="x", **fields)
        assert (wrong.status_code, said in wrong.text, 'aria-invalid="true"' in wrong.text) == (422, True, True)
        assert wrong.headers["permissions-policy"].startswith("camera=(self),")
    batch, number = ground.cards[1]
    drawn = await digits.issue(
        brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, store="S1", phone_end="8000", now=clock.now()
    )
    # as the wallet writes them
    await looked(clerk, digits=f" {drawn[:3]} {drawn[3:]}", phone_end=" 80 00 ")
    for _ in range(5):
        await refused(digits="000000", phone_end="0000")
    await clerk.get("/redeem")
    closed = await clerk.send("/redeem/look", form="x", digits=drawn, phone_end="8000")
    assert (closed.status_code, "Too many wrong digits" in closed.text, 590 < int(closed.headers["retry-after"]) <= 600) == (
        429,
        True,
        True,
    )
    # the day counts each of them once
    await clerk.get("/redeem")
    assert "Redeemed today 1" in visits.plain(clerk.page)
    assert {row[0] for row in await books.seen(ground.brand, "SELECT DISTINCT verdict FROM redemption")} == {
        "ok", "used", "unknown", "not_yet", "not_here",
    }  # fmt: skip
    assert who.user_id is not None


async def test_who_works_at_no_terminal_is_told_so(house: browser.House, ground: tills.Ground) -> None:
    clerk, _ = await visits.entered(house, ground.brand.id, "clerk")
    for path in ("/redeem", "/redeem/today"):
        assert ((await clerk.get(path)).status_code, "You work at no store yet" in clerk.page) == (200, True)
    for path, fields in (
        ("/redeem/look", {"text": ground.codes[0]}),
        ("/redeem/confirm", {"ticket": "x"}),
        ("/redeem/undo", {"redemption": str(ground.till.id), "reason": "x"}),
    ):
        await clerk.get("/redeem")
        answer = await clerk.send(path, **fields)
        assert (answer.status_code, "You work at no store yet" in answer.text) == (409, True)
    assert (await ground.count("redemption"), await ground.state()) == (0, "revealed")


async def test_no_code_stands_in_an_address_a_log_or_the_trail(house: browser.House, ground: tills.Ground) -> None:
    clerk, _ = await at_work(house, ground)
    batch, number = ground.cards[1]
    moving = await picture.issue(brand_id=ground.brand.id, keys=ground.keys, batch=batch, number=number, now=clock.now())
    with structlog.testing.capture_logs() as logged:
        for text in (ground.codes[0], moving.lower()):
            ticket = await looked(clerk, text=text)
            assert (text.upper() in clerk.page.upper(), str(clerk.client.base_url)) == (False, str(clerk.client.base_url))
            await clerk.send("/redeem/confirm", ticket=ticket)
            assert text.upper() not in clerk.page.upper()
    assert any(line.get("route") == "/redeem/look" for line in logged)
    kept = str(logged) + str(await books.seen(ground.brand, "SELECT to_jsonb(a)::text FROM audit_record a"))
    kept += str(await books.seen(ground.brand, "SELECT to_jsonb(r)::text FROM redemption r"))
    kept += str(await books.seen(ground.brand, "SELECT to_jsonb(o)::text FROM outbox_event o"))
    assert [secret for secret in (ground.codes[0], moving, ticket) if secret.upper() in kept.upper()] == []
    # the control: what stands there is found
    assert f"{batch}-{number}" in kept
    scan = await clerk.get("/redeem")
    assert scan.headers["permissions-policy"].startswith("camera=(self),")
    assert (await clerk.get("/redeem/today")).headers["permissions-policy"].startswith("camera=(),")
