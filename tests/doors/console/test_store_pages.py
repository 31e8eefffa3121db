"""Stores, terminals, redemption rules and redemptions on pages."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.doors.console.test_product_pages import send_file
from tests.rooms.identity import people
from tests.rooms.redemption import tills

from qucheng.core import clock
from qucheng.identity import api_key
from qucheng.redemption import reversal

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from tests.doors.account import browser

pytestmark = pytest.mark.anyio
HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def ground(house: browser.House, tmp_path: Path) -> tills.Ground:
    """Two stores, a program's terminal in S1, and four cards that were sold."""
    return await tills.opened(tmp_path / "b", house.keys)


async def key(ground: tills.Ground, name: str, scopes: set[str], mode: api_key.Mode = "live") -> uuid.UUID:
    assert ground.actor.user_id is not None
    now = clock.now()
    issued = await api_key.create(
        keys=ground.keys, brand_id=ground.brand.id, name=name, mode=mode, reseller=None, scopes=scopes, networks=[],
        expires_at=now + HOUR, created_by=ground.actor.user_id, actor=ground.actor, now=now,
    )  # fmt: skip
    return issued.id


async def test_a_store_is_opened_changed_and_closed(house: browser.House, ground: tills.Ground) -> None:
    manager, _ = await visits.entered(house, ground.brand.id, "manager")
    await manager.get("/stores/new")
    wrong = await manager.send("/stores/new", code="new", name="", name_en="", area="x" * 41, address="")
    found = [field for field in ("code", "name", "name_en", "area", "address") if f'id="{field}-fault"' in wrong.text]
    assert (wrong.status_code, found, "x" * 41 in wrong.text) == (422, ["code", "name", "area"], True)
    taken = await manager.send("/stores/new", code="S1", name="三店")
    assert (taken.status_code, 'id="code-fault"' in taken.text) == (409, True)
    made = await manager.send("/stores/new", code="S3", name=" 三店 ", area="west", address="")
    assert made.headers["location"] == "/stores/S3?done=opened"
    await manager.get("/stores/S3/edit")
    assert (await manager.send("/stores/S3/edit", name="三号店", area="west", address="海边路 1 号")).status_code == 303
    assert (await manager.send("/stores/S3/edit", name="三号店", area="west", address="海边路 1 号")).status_code == 303
    rows = await books.seen(ground.brand, "SELECT name, name_en, area, address FROM store WHERE code = 'S3'")
    changes = await books.seen(ground.brand, "SELECT count(*) FROM audit_record WHERE action = 'store.change' AND subject = 'S3'")
    assert (rows, changes) == ([("三号店", None, "west", "海边路 1 号")], [(1,)])
    await manager.get("/stores/S1/close")
    assert (await manager.send("/stores/S1/close", do="close")).headers["location"] == "/stores/S1?done=closed"
    assert (await ground.redeem(ground.codes[0])).result == "not_here"
    assert (await manager.send("/stores/S1/close", do="open")).headers["location"] == "/stores/S1?done=again"
    # the control: what was refused in the closed store is redeemed in the open one
    assert (await ground.redeem(ground.codes[0], now=clock.now())).result == "ok"
    await manager.get("/stores?area=east")
    assert ("一店 S1 Open for use east 1 1 1" in visits.plain(manager.page), "三号店" in manager.page) == (True, False)
    support, _ = await visits.entered(house, ground.brand.id, "support")
    await support.get("/stores/S1")
    assert ("/stores/S1/edit" in support.page, (await support.get("/stores/S1/edit")).status_code) == (False, 404)


async def test_a_terminal_is_a_free_keys_or_a_clerks_until_it_ends(house: browser.House, ground: tills.Ground) -> None:
    manager, _ = await visits.entered(house, ground.brand.id, "manager")
    free = await key(ground, "a free key", {"cards.redeem"})
    await key(ground, "a key for reading", {"orders.read"})
    await key(ground, "a key for trials", {"cards.redeem"}, "test")
    new = "/stores/S2/terminals/new"
    await manager.get(new)
    names = [name for name in ("a free key", "a key for reading", "a key for trials", ">till<") if name in manager.page]
    assert names == ["a free key"]
    none = await manager.send(new, kind="key", name="", key="", person="")
    found = [field for field in ("name", "key", "sku") if f'id="{field}-fault"' in none.text]
    assert (none.status_code, found) == (422, ["name", "key", "sku"])
    taken = await manager.send(new, kind="key", name="front", key=str(ground.till.key), all="1")
    assert (taken.status_code, 'id="key-fault"' in taken.text) == (422, True)
    made = await manager.send(new, kind="key", name="front", key=str(free), **{"sku.card": "1"})
    assert made.headers["location"] == "/stores/S2?done=terminal"
    await manager.get(f"{new}?for=person")
    assert "No shop clerk is without a terminal" in manager.page
    clerk = await people.member(house.keys, ground.brand.id, "clerk")
    await manager.get(f"{new}?for=person")
    sent = {"kind": "person", "name": "counter", "person": str(clerk.user_id), "all": "1"}
    assert (await manager.send(new, **sent)).status_code == 303
    again = await manager.send(new, **sent)
    assert (again.status_code, 'id="person-fault"' in again.text) == (422, True)
    rows = await books.seen(
        ground.brand, "SELECT id, name, api_key, user_id, all_skus FROM terminal WHERE store = 'S2' ORDER BY name"
    )
    assert [row[1:] for row in rows] == [("counter", None, clerk.user_id, True), ("front", free, None, False)]
    counter = rows[0][0]
    assert (await manager.get(f"/stores/S1/terminals/{counter}/end")).status_code == 404
    await manager.get(f"/stores/S2/terminals/{counter}/end")
    for _ in range(2):
        assert (await manager.send(f"/stores/S2/terminals/{counter}/end")).headers["location"] == "/stores/S2?done=ended"
    assert await books.seen(ground.brand, "SELECT count(*) FROM terminal WHERE store = 'S2' AND ended_at IS NULL") == [(1,)]
    await manager.get("/stores/S2")
    assert "Redeemed" in manager.page
    assert ("front" in visits.plain(manager.page), "Ended" in visits.plain(manager.page)) == (True, True)


async def test_a_rule_is_put_into_force_and_tried(house: browser.House, ground: tills.Ground) -> None:
    manager, who = await visits.entered(house, ground.brand.id, "manager")
    here = "/products/card/redemption"
    await manager.get(here)
    assert "Anywhere and at any time." in manager.page
    good = {"starts_on": "2026-11-01", "day.6": "1", "day.7": "1", "begins_0": "10:00", "ends_0": "14:00", "areas.east": "1"}
    for field, change in {
        "starts_on": {"starts_on": "soon"},
        "windows": {"begins_1": "15:00", "ends_1": ""},
        "areas": {"areas.moon": "1"},
        "stores": {f"stores.S{number}": "1" for number in range(1, 202)},
    }.items():
        refused = await manager.send(here, **{**good, **change})
        assert (refused.status_code, f'id="{field}-fault"' in refused.text, 'value="10:00"' in refused.text) == (422, True, True)
    assert await books.seen(ground.brand, "SELECT 1 FROM redemption_rule") == []
    assert (await manager.send(here, **good)).headers["location"] == f"{here}?done=1"
    await manager.get(f"{here}?done=1")
    page = visits.plain(manager.page)
    assert "in force from now on, as version 1" in page
    assert "Days of the week Saturday, Sunday Time of the day 10:00–14:00 Areas east" in page
    assert await books.seen(ground.brand, "SELECT user_id FROM audit_record WHERE action = 'redemption_rule.set'") == [
        (who.user_id,)
    ]
    # a Sunday; the terminals of S1 may redeem it
    answers = {
        "S1&at=2026-11-22T10:00": "May be used",
        "S1&at=2026-11-22T14:00": "Not at this time",
        "S1&at=2026-11-23T10:00": "Not at this time",
        "S2&at=2026-11-22T10:00": "Not at this place",
        f"S1/{ground.till.id}&at=2026-11-22T10:00": "May be used",
    }
    for asked, answer in answers.items():
        await manager.get(f"{here}?channel=&place={asked}")
        assert answer in visits.plain(manager.page), asked
    assert 'id="place-fault"' in (await manager.get(f"{here}?place=S1&at=x")).text
    assert (await ground.redeem(ground.codes[0], now=dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC))).result == "not_yet"
    # what is cleared is no limit any more
    await manager.get(here)
    assert (await manager.send(here)).headers["location"] == f"{here}?done=2"
    assert (await ground.redeem(ground.codes[0], now=dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC))).result == "ok"
    assert (await manager.get("/products/tea/redemption")).status_code == 404


async def test_answers_are_found_counted_taken_as_a_file_and_asked_back(house: browser.House, ground: tills.Ground) -> None:
    manager, _ = await visits.entered(house, ground.brand.id, "manager")
    early = clock.now() - HOUR
    first = await ground.redeem(ground.codes[0], now=early)
    assert (await ground.redeem(ground.codes[0], now=early)).result == "used"
    fresh = await ground.redeem(ground.codes[1], key="undone", now=clock.now())
    assert (await ground.reverse("undone", now=clock.now())).result == "undone"
    await ground.redeem("=NOSUCHCODE", now=early)
    card = "-".join(map(str, ground.cards[0]))
    await manager.get("/redemptions")
    page = visits.plain(manager.page)
    assert "Redeemed 1 Used before 1 No such card 1 Undone 1 Together 4" in page
    assert ("1–4 of 4" in page, "No redemption fits" in (await manager.get("/redemptions?store=S2")).text) == (True, True)
    await manager.get(f"/redemptions?card={card}&result=used")
    assert ("Together 1" in visits.plain(manager.page), str(first.id) in manager.page) == (True, False)
    assert (await manager.get("/redemptions?card=none")).status_code == 422
    day = early.date() - dt.timedelta(days=9)
    assert "Nothing was redeemed on these days" in (await manager.get(f"/redemptions?from={day}&to={day}")).text
    await manager.get("/redemptions")
    file = await manager.send("/redemptions/export", form="csv", result="ok")
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert [(row["result"], row["card"], row["store"], row["id"]) for row in rows] == [("ok", card, "S1", str(first.id))]
    here = f"/redemptions/{first.id}"
    await manager.get(here)
    assert "The terminal may redeem it Yes Store, area S1, east" in visits.plain(manager.page)
    assert (await manager.send(here, reason=" ")).status_code == 422
    assert (await manager.send(here, reason="the wrong card")).headers["location"] == f"{here}?done=asked"
    await manager.get(here)
    assert "A reversal was asked for" in manager.page
    asked = await books.seen(ground.brand, "SELECT id, state FROM approval WHERE action = $1", reversal.ACTION)
    owner, _ = await visits.entered(house, ground.brand.id, "owner")
    await owner.get(f"/approvals/{asked[0][0]}")
    assert ("the wrong card" in owner.page, card in visits.plain(owner.page)) == (True, True)
    # one that was taken back already, and one that its terminal can still take back
    await manager.get(f"/redemptions/{fresh.id}")
    assert "Its terminal, within 5 minutes" in visits.plain(manager.page)
    assert (await manager.send(f"/redemptions/{fresh.id}", reason="again")).status_code == 409
    late = await ground.redeem(ground.codes[2], now=clock.now())
    await manager.get(f"/redemptions/{late.id}")
    assert (await manager.send(f"/redemptions/{late.id}", reason="now")).status_code == 409
    assert len(await books.seen(ground.brand, "SELECT 1 FROM approval")) == 1
    support, _ = await visits.entered(house, ground.brand.id, "support")
    await support.get(here)
    assert (support.page.count('name="reason"'), (await support.send(here, reason="x")).status_code) == (0, 404)


async def test_a_file_of_stores_is_taken_in_whole_or_not_at_all(house: browser.House, ground: tills.Ground) -> None:
    manager, _ = await visits.entered(house, ground.brand.id, "manager")
    page = "/stores/import"
    wrong = "code,name,area\nS3,三店,west\nS3,again,\nnew,x,\nS4,,\n"
    status, _ = await send_file(manager, page, wrong.encode(), page=page)
    told = visits.plain(manager.page)
    assert (status, [f"Row {row}:" in told for row in (2, 3, 4, 5)]) == (422, [False, True, True, True])
    status, _ = await send_file(manager, page, b"name\nx\n", page=page)
    assert (status, "code" in visits.plain(manager.page)) == (422, True)
    assert await books.seen(ground.brand, "SELECT code FROM store ORDER BY 1") == [("S1",), ("S2",)]
    good = "编码,名称,地址\nS3,三店,海边路 1 号\nS1,一号店,\nS2,二店,\n"
    status, _ = await send_file(manager, page, good.encode(), page=page)
    assert (status, "Opened: 1. Changed: 1. As they were: 1." in visits.plain(manager.page)) == (200, True)
    # the area, of which the file says nothing, stays
    rows = await books.seen(ground.brand, "SELECT code, name, area, address FROM store ORDER BY 1")
    assert rows == [("S1", "一号店", "east", None), ("S2", "二店", None, None), ("S3", "三店", None, "海边路 1 号")]
    records = await books.seen(ground.brand, "SELECT after::jsonb ->> 'changed' FROM audit_record WHERE action = 'store.import'")
    assert records == [('["S1"]',)]
