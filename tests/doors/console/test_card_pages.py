"""Codes come in, are shown and found on pages, and are nowhere else: 200 canaries go through every way and every error."""

from __future__ import annotations

import io
import logging
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from redis import asyncio as redis
from tests import books, logs
from tests.doors.account import browser
from tests.doors.console import visits
from tests.rooms.stock import card_desk

from qucheng.core import audit, db, task
from qucheng.jobs import cards, handlers
from qucheng.stock import (
    batch_import,
    delivery_link,
    draw,
    key_rotation,
    rules,
    stop,
    text_message,
)

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
COUNT = 200


def _canary(number: int) -> str:
    """No other text looks like it, whole or joined."""
    return f"QZ7CANARY{zlib.crc32(str(number).encode()):08X}{number:04}"


async def _brand(tmp_path: Path, code: str) -> Brand:
    return await card_desk.opened(tmp_path / code, code, orders=4, units=3)


async def _posted(visitor: browser.Browser, path: str, fields: dict[str, str], name: str, content: bytes) -> Any:
    token = browser.TOKEN.search(visitor.page)
    assert token is not None
    return await visitor.client.post(
        path,
        data={"_csrf": token[1], **fields},
        files={"file": (name, content)},
        headers={"accept": "text/html", "origin": browser.HOME},
    )


async def _work(house: browser.House, brand: Brand, kind: str) -> None:
    work = await card_desk.taken(kind, brand)
    with handlers.Tools(house.app.state["site"].settings) as tools:
        await cards.HANDLERS[kind](work, tools)


async def _stored(owner: asyncpg.Connection) -> bytes:
    """Every row of every table, bytes as their hexadecimal digits, as a dump has them."""
    found = io.BytesIO()
    for name in await books.tables(owner):
        for row in await owner.fetch(f"SELECT t::text FROM {name} t"):
            found.write(row[0].encode() + b"\n")
    return found.getvalue()


async def _kept(valkey_url: str) -> bytes:
    """Everything in Valkey."""
    client = redis.Redis.from_url(valkey_url)
    try:
        found = [key + b" " + (await client.dump(key) or b"") async for key in client.scan_iter(count=1000)]
    finally:
        await client.aclose()
    return b"\n".join(found)


def _files(folder: Path) -> bytes:
    return b"\n".join(file.name.encode() + b" " + file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def _hits(codes: list[str], content: bytes) -> int:
    """How many of the codes stand in it, as text or as the hexadecimal digits of their bytes."""
    low = content.lower()
    return sum(1 for code in codes if code.lower().encode() in low or code.encode().hex().encode() in low)


async def test_two_hundred_codes_go_every_way_and_stand_nowhere_in_clear(
    house: browser.House, var: Path, tmp_path: Path, owner: asyncpg.Connection, valkey_url: str
) -> None:
    with logs.configured(logging.DEBUG) as said:
        codes = await _every_way(house, tmp_path, owner)
    server = Path(os.environ["QUCHENG_TEST_FOLDER"]) / "postgres"
    places = {
        "dump": await _stored(owner),
        "server log": b"".join(file.read_bytes() for file in server.glob("*.log*")),
        "app log": said.getvalue().encode(),
        "valkey": await _kept(valkey_url),
        "folders": _files(var),
    }
    assert {name: _hits(codes, content) for name, content in places.items()} == dict.fromkeys(places, 0)
    assert min(map(len, places.values())) > 0
    # the control: what is planted is found, in each of these ways
    assert {name: _hits(codes, content + codes[7].encode()) for name, content in places.items()} == dict.fromkeys(places, 1)
    async with db.atomic():
        await owner.execute(
            "CREATE TABLE planted AS SELECT $1::text AS plain, convert_to($2, 'UTF8') AS bytes", codes[3], codes[4]
        )
    try:
        assert _hits(codes, await _stored(owner)) == 2
    finally:
        await owner.execute("DROP TABLE planted")


class _Way:
    """What the steps share. number: the batch of the canaries."""

    def __init__(self, house: browser.House, brand: Brand, manager: browser.Browser, actor: audit.Actor) -> None:
        self.house, self.brand, self.manager, self.actor = house, brand, manager, actor
        self.codes = [_canary(number) for number in range(COUNT)]
        self.number = 0


async def _every_way(house: browser.House, tmp_path: Path, owner: asyncpg.Connection) -> list[str]:
    """Import, duplicates, errors, pages, reveals, refund, freeze, link, message, rotation; returns the codes."""
    brand = await _brand(tmp_path, "canaries")
    manager, who = await visits.entered(house, brand.id, "manager")
    way = _Way(house, brand, manager, audit.Actor(user_id=who.user_id, role="manager"))
    await _brought(way)
    card = await _shown_to_staff(way)
    await _shown_to_the_buyer(way, owner)
    await _stopped(way, card)
    await _rotated(way)
    # a statement with a code among its values fails: the server's log says nothing of them
    with pytest.raises(asyncpg.DivisionByZeroError):
        await owner.execute("SELECT 1 / length(left($1::text, 0))", way.codes[11])
    return way.codes


async def _brought(way: _Way) -> None:
    fields = {"sku": "card", "pool": str(await card_desk.own_pool(way.brand)), "refuse_weak": "1"}
    codes, manager = way.codes, way.manager
    rows = [f"{code},9{number:05}31" for number, code in enumerate(codes)]
    wrong = [f"{codes[0]},", f"{codes[1]}\x01,", f"{codes[2]},{'9' * 70}", f"{codes[3]}{'x' * 64},"]
    await manager.get("/batches/import")
    unfit = await _posted(manager, "/batches/import", {**fields, "sku": "nothing"}, "c.csv", "\n".join(rows).encode())
    assert unfit.status_code == 422
    sent = await _posted(manager, "/batches/import", fields, "c.csv", "\n".join(["code,pin", *rows, *wrong]).encode())
    assert sent.status_code == 303, sent.text
    await _work(way.house, way.brand, batch_import.KIND)
    here = sent.headers["location"]
    way.number = int(here.rpartition("/")[2])
    page = await manager.get(here)
    assert (_hits(codes, page.content), "Rows that were not taken" in page.text) == (0, True)
    report = await manager.get(f"{here}/report.csv")
    assert report.text.splitlines() == [
        "row,fault,last_four",
        "202,twice_in_file,0000",
        "203,malformed,",
        "204,pin,0002",
        "205,malformed,xxxx",
    ]
    # once more, without a heading, and cut off in a quote
    for content in ("\n".join(["code", *codes]), "\n".join(codes), f'code\n"{codes[5]}'):
        await manager.get("/batches/import")
        assert (await _posted(manager, "/batches/import", fields, "more.csv", content.encode())).status_code == 303
        await _work(way.house, way.brand, batch_import.KIND)
    await manager.get(here)
    assert (await manager.send(f"{here}/release")).status_code == 303


async def _shown_to_staff(way: _Way) -> str:
    codes, manager = way.codes, way.manager
    delivered = await card_desk.delivered(way.brand, "O-1", 3, way.actor)
    card = rules.card_id(*delivered[0])
    await manager.get(f"/cards/{card}")
    assert "Show the code" in manager.page
    assert (await manager.send(f"/cards/{card}/reveal", purpose="")).status_code == 422
    shown = await manager.send(f"/cards/{card}/reveal", purpose="the buyer lost it")
    assert (shown.status_code, _hits(codes, shown.content), shown.headers["cache-control"]) == (200, 1, "no-store")
    assert _hits(codes, (await manager.get(f"/cards/{card}")).content) == 0
    await manager.get("/trace")
    found = await manager.send("/trace", way="code", typed=codes[delivered[0][1] - 1])
    assert (found.status_code, card in found.text, _hits(codes, found.content)) == (200, True, 0)
    missed = await manager.send("/trace", way="code", typed=codes[0] + "9")
    assert "No card was found" in missed.text
    return card


async def _shown_to_the_buyer(way: _Way, owner: asyncpg.Connection) -> None:
    codes, brand = way.codes, way.brand
    await card_desk.delivered(brand, "O-2", 3, way.actor)
    async with db.atomic(brand.id):
        address = await delivery_link.make(
            brand_id=brand.id, keys=way.house.keys, order_no="O-2", phone="+8613800138000", actor=way.actor, now=card_desk.NOW
        )
    await _work(way.house, brand, text_message.SEND)
    buyer = await way.house.browser("203.0.113.77")
    looked = await buyer.get(address)
    assert (looked.status_code, _hits(codes, looked.content)) == (200, 0)
    assert await books.seen(brand, "SELECT DISTINCT state FROM card WHERE order_no = 'O-2'") == [("delivered",)]
    await owner.execute("REVOKE INSERT ON audit_record FROM qucheng_app")
    try:
        refused = await buyer.send(address)
    finally:
        await owner.execute("GRANT INSERT ON audit_record TO qucheng_app")
    assert (refused.status_code, _hits(codes, refused.content)) == (503, 0)
    opened = await buyer.send(address)
    assert (opened.status_code, _hits(codes, opened.content), opened.headers["cache-control"]) == (200, 3, "no-store")
    assert "+8613800138000" in (await buyer.get("/simulator/messages")).text
    assert address in buyer.page
    assert (await buyer.get("/c/" + "x" * 43)).status_code == 404


async def _stopped(way: _Way, card: str) -> None:
    async with db.atomic(way.brand.id):
        back = await draw.give_back(
            brand=way.brand, order_no="O-1", line_no="1", units=1, left=2, actor=way.actor, now=card_desk.NOW
        )
    assert (back.returned, back.voided) == (1, 0)
    await stop.freeze(brand=way.brand, chosen=stop.Chosen(batch=way.number), reason="checked", actor=way.actor, now=card_desk.NOW)
    await way.manager.get(f"/cards/{card}")
    assert "Show the code" not in way.manager.page
    refused = await way.manager.send(f"/cards/{card}/reveal", purpose="x") if "_csrf" in way.manager.page else None
    assert refused is None or (refused.status_code, _hits(way.codes, refused.content)) == (409, 0)


async def _rotated(way: _Way) -> None:
    await key_rotation.rotate(folder=way.house.app.state["site"].settings.var / "keys", actor=audit.SYSTEM)
    (waiting,) = await task.listing(kind=key_rotation.REWRAP, states=("waiting",))
    got = await task.claim(waiting.id, worker=waiting.id, kinds=[key_rotation.REWRAP])
    assert got is not None
    await key_rotation.rewrap(work=task.Work(got), keys=way.house.keys, brands=[way.brand.id], now=card_desk.NOW)
    assert await books.seen(way.brand, "SELECT DISTINCT get_byte(wrapped, 2) FROM data_key") == [(way.house.keys.current,)]
