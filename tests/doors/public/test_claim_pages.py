"""The page of an offer: a phone is proven and a card claimed, once for a person; who comes from the brand's app; and what cannot be."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
import uuid
from typing import TYPE_CHECKING
from urllib import parse

import msgspec
import pytest
from tests import books, receiver
from tests.doors.account import browser as browsers
from tests.doors.open_api.conftest import make
from tests.rooms.campaigns import gate

from qucheng.core import clock, settings, task
from qucheng.jobs import handlers
from qucheng.stock import text_message
from qucheng.web.consumer import phone_step

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.doors.open_api import callers

    from qucheng.identity.brand import Brand

__all__ = ["make"]

pytestmark = pytest.mark.anyio
PHONE, OTHER = "138 0571 2264", "139 0571 2264"
CALLED = "+8613805712264"
NOTHING = (0, 0, 0, 0, 0)


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """Three cards on offer, one for each person."""
    assert workspace
    made, _ = await gate.opened(tmp_path / "books", gate.NEVER, gate.NEVER, gate.NEVER)
    await gate.offered(made, starts_at=clock.now() - gate.HOUR, ends_at=clock.now() + gate.HOUR)
    return made


def page(brand: Brand, offer: str = gate.CODE) -> str:
    return f"/claim/{brand.code}/{offer}"


async def texted(house: browsers.House, brand: Brand) -> list[tuple[str, str]]:
    """Where codes went, and which, the newest last."""
    rows = await books.seen(brand, "SELECT id FROM text_message ORDER BY id")
    found = [await text_message.read(keys=house.keys, brand_id=brand.id, message_id=each) for (each,) in rows]
    return [(each.to, each.values["code"]) for each in found if each is not None]


async def sent(guest: browsers.Browser, house: browsers.House, brand: Brand, phone: str = PHONE) -> str:
    """The code that the page has sent."""
    await guest.get(page(brand))
    answer = await guest.send(page(brand), do="send", phone=phone)
    assert answer.status_code == 200, guest.page
    return (await texted(house, brand))[-1][1]


async def claimed(guest: browsers.Browser, brand: Brand, code: str, phone: str = PHONE) -> httpx.Response:
    return await guest.send(page(brand), do="go", phone=phone, code=code, agree="1")


def another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_from_the_phone_to_the_card(guest: browsers.Browser, house: browsers.House, brand: Brand) -> None:
    answer = await guest.get(page(brand))
    assert (answer.status_code, answer.headers["x-robots-tag"]) == (200, "noindex, nofollow")
    for said in ("3 left", "视频月卡", "春日礼", "One for each person.", "We send six digits to your phone."):
        assert said in guest.page, said
    code = await sent(guest, house, brand)
    assert await texted(house, brand) == [(CALLED, code)]
    assert "Sent to 138****2264." in guest.page
    assert 'data-wait="60"' in guest.page
    assert code not in guest.page
    for fields, said in (
        ({"code": another(code), "agree": "1"}, "The code is wrong"),
        ({"code": "12 3", "agree": "1"}, "Enter the six digits"),
        ({"code": code}, "Accept the rules of use"),
        ({"code": code, "agree": "1", "phone": "12345"}, "no phone number"),
        ({"code": code, "agree": "1", "phone": OTHER}, "The code is wrong"),
    ):
        refused = await guest.send(page(brand), **{"do": "go", "phone": PHONE, **fields})
        assert (refused.status_code, said in refused.text, code in refused.text) == (422, True, False), fields
        assert "__Host-consumer" not in guest.client.cookies
    assert await gate.written(brand) == NOTHING
    answer = await claimed(guest, brand, f"{code[:3]} {code[3:]}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/wallet/{brand.code}/1-1")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("__Host-consumer=", "HttpOnly", "SameSite=lax", "Secure", "Max-Age=2592000"))
    await guest.get(page(brand))
    assert "You have it already" in guest.page
    assert f'href="/wallet/{brand.code}/1-1"' in guest.page
    guest.language = "zh-CN"
    await guest.get(page(brand))
    assert "你已经领取过了" in guest.page
    assert await gate.written(brand) == (1, 1, 1, 1, 1)


async def test_one_claim_however_often_and_wherever_it_is_sent(
    guest: browsers.Browser, house: browsers.House, brand: Brand
) -> None:
    """At once from two tabs; again, for the answer was lost; and by the same phone on another device."""
    code = await sent(guest, house, brand)
    both = await asyncio.gather(*(claimed(guest, brand, code) for _ in range(2)))
    assert {(each.status_code, each.headers.get("location")) for each in both} == {(303, f"/wallet/{brand.code}/1-1")}
    guest.client.cookies.delete("__Host-consumer")
    assert (await claimed(guest, brand, code)).headers["location"] == f"/wallet/{brand.code}/1-1"
    device = await house.browser(address="203.0.113.9")
    await device.get(page(brand))
    assert (await claimed(device, brand, code)).status_code == 422
    assert (await device.send(page(brand), do="send", phone=PHONE)).status_code == 429
    assert 'data-wait="' in device.page
    assert await gate.written(brand) == (1, 1, 1, 1, 1)
    assert await books.seen(brand, "SELECT count(*) FROM consumer") == [(1,)]


async def test_codes_and_tries_are_counted(house: browsers.House, brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = await house.browser()
    await guest.get(page(brand))
    numbers = [f"1380571{place:04}" for place in range(21)]
    answers = [await guest.send(page(brand), do="send", phone=number) for number in numbers]
    assert [each.status_code for each in answers] == [200] * 20 + [429]
    elsewhere = await house.browser(address="203.0.113.9")
    await elsewhere.get(page(brand))
    assert (await elsewhere.send(page(brand), do="send", phone=numbers[0])).status_code == 429
    assert (await elsewhere.send(page(brand), do="send", phone=numbers[20])).status_code == 200
    assert len(await texted(house, brand)) == 21
    fixed = await elsewhere.send(page(brand), do="send", phone="021 6288 8888")
    assert (fixed.status_code, "No text messages go to this number" in fixed.text) == (422, True)
    monkeypatch.setattr(phone_step, "ABROAD", msgspec.structs.replace(phone_step.ABROAD, count=1))
    answers = [await elsewhere.send(page(brand), do="send", phone=f"+1 415 555 267{place}") for place in (1, 2)]
    assert [each.status_code for each in answers] == [200, 429]
    assert (await elsewhere.send(page(brand), do="send", phone="138 0571 9999")).status_code == 200
    assert len(await texted(house, brand)) == 23
    wrong = another((await texted(house, brand))[0][1])
    tries = [await claimed(elsewhere, brand, wrong, phone=numbers[0]) for _ in range(31)]
    assert [each.status_code for each in tries] == [422] * 30 + [429]
    assert await gate.written(brand) == NOTHING


async def test_what_cannot_be_claimed_says_why_and_sends_no_code(
    guest: browsers.Browser, house: browsers.House, brand: Brand
) -> None:
    now = clock.now()
    await gate.offered(brand, code="later", starts_at=now + gate.HOUR, ends_at=now + 2 * gate.HOUR)
    await gate.offered(brand, code="over", starts_at=now - 2 * gate.HOUR, ends_at=now - gate.HOUR)
    await gate.offered(brand, code="none", sku="gift", starts_at=now - gate.HOUR, ends_at=now + gate.HOUR)
    for offer, status, said in (("later", 409, "Not yet"), ("over", 410, "It is over"), ("none", 409, "Nothing is left")):
        assert (await guest.get(page(brand, offer))).status_code == 200
        assert said in guest.page
        assert 'name="phone"' not in guest.page
        await guest.get(page(brand))
        answer = await guest.send(page(brand, offer), do="send", phone=PHONE)
        assert (answer.status_code, said in answer.text) == (status, True), offer
    for address in (page(brand, "autumn"), f"/claim/nobody/{gate.CODE}", page(brand, "a%00b"), page(brand, "%E7%A4%BC")):
        assert ((await guest.get(address)).status_code, "There is no such offer" in guest.page) == (404, True), address
    await guest.get(page(brand))
    assert (await guest.send(page(brand, "autumn"), do="send", phone=PHONE)).status_code == 404
    assert await texted(house, brand) == []
    # the last card goes while the page is open: who proved the phone is told, and signed in all the same
    code = await sent(guest, house, brand)
    for who in "abc":
        await gate.claimed(brand, house.keys, who, now=clock.now())
    answer = await claimed(guest, brand, code)
    assert (answer.status_code, "Nothing is left" in answer.text) == (409, True)
    assert await books.seen(brand, "SELECT count(*) FROM claim") == [(3,)]


async def test_where_nobody_counts_no_code_is_sent(workspace: books.Workspace, tmp_path: Path, brand: Brand) -> None:
    assert workspace
    async with browsers.house(tmp_path / "var", REDIS_URL="redis://127.0.0.1:1/0") as house:
        guest = await house.browser()
        assert (await guest.get(page(brand))).status_code == 200
        assert (await guest.send(page(brand), do="send", phone=PHONE)).status_code == 503
    assert await texted(house, brand) == []


async def test_in_production_without_a_gateway_no_code_is_promised(
    workspace: books.Workspace, tmp_path: Path, valkey_url: str, brand: Brand
) -> None:
    assert workspace
    named = {"REDIS_URL": valkey_url, "QUCHENG_PRODUCTION": "1"}
    async with browsers.house(tmp_path / "var", **named) as house:
        guest = await house.browser()
        for here in (page(brand), f"/enter/{brand.code}"):
            assert (await guest.get(here)).status_code == 200
            answer = await guest.send(here, do="send", phone=PHONE)
            said = "No text messages can be sent here" in guest.page
            assert (answer.status_code, said, "Sent to" in guest.page, PHONE in guest.page) == (503, True, False, True), here
        guest.language = "zh-CN"
        await guest.get(page(brand))
        assert "这里发不了短信" in (await guest.send(page(brand), do="send", phone=PHONE)).text
    assert await books.seen(brand, "SELECT (SELECT count(*) FROM text_message), (SELECT count(*) FROM sign_in_code)") == [(0, 0)]


async def test_in_production_the_code_comes_through_the_gateway(
    workspace: books.Workspace, tmp_path: Path, valkey_url: str, brand: Brand
) -> None:
    """From the button over the task of a worker to the phone, and back into the page."""
    assert workspace
    gateway = receiver.Receiver()
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"
    named = {"QUCHENG_PRODUCTION": "1", "QUCHENG_SMS_URL": url, "QUCHENG_SMS_TOKEN": "plum-otter-42"}
    async with server, browsers.house(tmp_path / "var", REDIS_URL=valkey_url, **named) as house:
        guest = await house.browser()
        await guest.get(page(brand))
        assert (await guest.send(page(brand), do="send", phone=PHONE)).status_code == 200
        assert "Sent to 138****2264." in guest.page
        ((waiting,),) = await books.seen(brand, "SELECT id FROM task WHERE brand = $1 AND state = 'waiting'", brand.id)
        got = await task.claim(waiting, worker=uuid.uuid4(), kinds=[text_message.SEND])
        assert got is not None
        with handlers.Tools(settings.load({"QUCHENG_VAR": str(tmp_path / "var"), **named})) as tools:
            await handlers.HANDLERS[text_message.SEND](task.Work(got), tools)
        (hit,) = gateway.hits
        told = msgspec.json.decode(hit.body)
        code = told["text"].partition("Your code is ")[2][:6]
        assert (told["to"], hit.headers["authorization"]) == (CALLED, "Bearer plum-otter-42")
        assert (await claimed(guest, brand, code)).headers["location"] == f"/wallet/{brand.code}/1-1"
    assert await texted(house, brand) == []


def entrance(machine: callers.Machine, brand: Brand, **changes: str) -> str:
    """As docs/claiming.md says it."""
    fields = {
        "key": machine.issued.id.hex, "subject": "user-8812", "until": str(int(time.time()) + 240),
        "nonce": secrets.token_hex(16), "next": page(brand), **changes,
    }  # fmt: skip
    lines = ["QC-ENTER1", brand.code, *(fields[name] for name in ("key", "subject", "until", "nonce", "next"))]
    secret = machine.issued.signing_secret or ""
    fields["signature"] = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    return f"/enter/{brand.code}?{parse.urlencode(fields)}"


async def go_on(guest: browsers.Browser, brand: Brand) -> httpx.Response:
    """The button of the page that the app led to."""
    names = ("key", "subject", "until", "nonce", "next", "signature")
    return await guest.send(f"/enter/{brand.code}", **{name: guest.hidden(name) for name in names})


async def test_who_comes_from_the_app_has_what_the_app_claimed(
    guest: browsers.Browser, house: browsers.House, brand: Brand, make: callers.Make
) -> None:
    machine = await make(brand, "claims.write")
    card = (await machine.post("/api/v1/claims", {"offer": gate.CODE, "subject": "user-8812"})).json()["card"]
    address = entrance(machine, brand)
    for _ in range(2):  # a preview uses nothing up
        assert (await guest.get(address)).status_code == 200
    answer = await go_on(guest, brand)
    assert (answer.status_code, answer.headers["location"]) == (303, page(brand))
    assert (await go_on(guest, brand)).headers["location"] == page(brand)  # a second click
    await guest.get(page(brand))
    assert f'href="/wallet/{brand.code}/{card}"' in guest.page
    assert await books.seen(brand, "SELECT count(*) FROM consumer_session") == [(1,)]
    thief = await house.browser(address="203.0.113.9")
    assert ((await thief.get(address)).status_code, "used already" in thief.page) == (410, True)
    fresh = entrance(machine, brand, subject="user-9", next="https://elsewhere.example/")
    await thief.get(fresh)
    assert (await go_on(thief, brand)).headers["location"] == f"/wallet/{brand.code}"
    await thief.get(page(brand))
    assert "You are signed in through the app." in thief.page
    assert (await thief.send(page(brand))).headers["location"] == f"/wallet/{brand.code}/1-2"
    # an address that somebody else sent: who is signed in goes on by hand only, and their own one still goes on by itself
    for subject, at_once in (("user-9", False), ("user-8812", True)):
        await guest.get(entrance(machine, brand, subject=subject))
        assert ("data-at-once" in guest.page, "signed in here as somebody else" in guest.page) == (at_once, not at_once)
    changed = re.sub("subject=user-8812", "subject=user-8813", entrance(machine, brand))
    assert (await guest.get(changed)).status_code == 403
    assert (await guest.get(entrance(machine, brand, until=str(int(time.time()) - 1)))).status_code == 410


async def test_signing_in_without_an_offer(guest: browsers.Browser, house: browsers.House, brand: Brand) -> None:
    here = f"/enter/{brand.code}?next=%2Fwallet%2F{brand.code}%2F1-1"
    assert (await guest.get(here)).status_code == 200
    await guest.send(here, do="send", phone=PHONE)
    ((_, code),) = await texted(house, brand)
    answer = await guest.send(here, do="go", phone=PHONE, code=code, agree="1")
    assert answer.headers["location"] == f"/wallet/{brand.code}/1-1"
    for path, led in ((f"//evil.example/wallet/{brand.code}", ""), ("/runs", ""), (page(brand), page(brand))):
        answer = await guest.get(f"/enter/{brand.code}?{parse.urlencode({'next': path})}")
        assert answer.headers["location"] == (led or f"/wallet/{brand.code}"), path
    assert (await guest.get("/enter/nobody")).status_code == 404
