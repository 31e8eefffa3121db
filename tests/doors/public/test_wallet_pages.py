"""The wallet in a browser: nothing that can be used before it is asked for, and nothing of anybody else's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.account import browser as browsers
from tests.rooms.campaigns import wallets

from qucheng.campaigns import wallet as wallet_room
from qucheng.core import clock, db

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
QR = 'aria-label="Moving redemption code"'
DIGITS = re.compile(r'<p class="digits num"[^>]*>(\d{3}) (\d{3})</p>')
PRINTED = re.compile(r'<p class="digits long"[^>]*>([^<]+)</p>')
PART = {"hx_request": "true"}


@pytest.fixture
async def ground(workspace: books.Workspace, house: browsers.House, tmp_path: Path) -> wallets.Ground:
    assert workspace
    return await wallets.opened(tmp_path / "books", house.keys)


async def signed_in(house: browsers.House, person: wallets.Person) -> browsers.Browser:
    made = await house.browser()
    made.client.cookies.set("__Host-consumer", person.token, domain="shop.example")
    return made


async def renewed(guest: browsers.Browser, here: str) -> str:
    """The part that a page has renewed for itself."""
    token = browsers.TOKEN.search(guest.page)
    assert token is not None
    answer = await guest.post(f"{here}/code", {"_csrf": token[1], "store": "S1"}, **PART)
    assert answer.status_code == 200, answer.text
    assert "<html" not in answer.text
    return answer.text


async def test_a_card_from_the_list_to_the_till(house: browsers.House, ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    card, wallet = await ground.claimed(anna), f"/wallet/{ground.brand.code}"
    here = f"{wallet}/{card}"
    guest = await signed_in(house, anna)
    await guest.get(wallet)
    assert f'href="{here}"' in guest.page
    assert "Ends in 2 days" in guest.page
    answer = await guest.get(here)
    assert (answer.status_code, answer.headers["cache-control"], answer.headers["x-robots-tag"]) == (
        200,
        "no-store",
        "noindex, nofollow",
    )
    assert QR not in guest.page
    assert "Spend ¥45 or more" in guest.page
    assert await books.seen(ground.brand, "SELECT count(*) FROM card_alias") == [(0,)]
    # without a script: the page with the code of now, and digits once a store is chosen, which is remembered
    await guest.send(f"{here}/code")
    assert QR in guest.page
    assert DIGITS.search(guest.page) is None
    await guest.send(f"{here}/code", store="S1")
    found = DIGITS.search(guest.page)
    assert found is not None
    assert 'value="S1" selected' in guest.page
    await guest.get(here)
    assert 'value="S1" selected' in guest.page
    assert QR not in guest.page
    await guest.send(f"{here}/code", store="")
    await guest.get(here)
    assert 'value="S1" selected' not in guest.page
    # with it: the part alone, until the card is redeemed
    part = await renewed(guest, here)
    assert QR in part
    assert 0 < int(re.findall(r'data-step="(\d+)"', part)[0]) <= 15_000
    assert 15_000 < int(re.findall(r'data-good="(\d+)"', part)[0]) <= 30_000
    last = DIGITS.search(part)
    assert last is not None
    assert await ground.redeem("digits", "".join(last.groups()), clock.now(), end="8000") == "ok"
    part = await renewed(guest, here)
    assert 'data-condition="used"' in part
    assert "Hubin Road" in part
    assert QR not in part
    await guest.get(here)
    assert "Redeemed" in guest.page
    assert f"{here}/code" not in guest.page
    await guest.get(wallet)
    assert "Hubin Road" in guest.page


async def test_what_is_printed_is_shown_when_it_is_asked_for(house: browsers.House, ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    card = await ground.claimed(anna)
    here = f"/wallet/{ground.brand.code}/{card}"
    guest = await signed_in(house, anna)
    await guest.get(here)
    assert "it cannot be given back" in guest.page
    assert (await guest.send(f"{here}/reveal")).status_code == 200
    found = PRINTED.search(guest.page)
    assert found is not None
    printed = found[1].replace(" ", "")
    await guest.get(here)
    assert "First shown" in guest.page
    assert found[1] not in guest.page
    assert await ground.redeem("code", printed, clock.now()) == "ok"
    refused = await guest.send(f"{here}/reveal")
    assert (refused.status_code, found[1] in refused.text) == (409, False)


async def test_a_long_wallet_has_pages_and_a_product_without_rules_one_too(
    house: browsers.House, ground: wallets.Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_room, "PAGE", 2)
    anna = await ground.person(phone=wallets.PHONE)
    await ground.bought("P-1", wallets.PHONE, units=3)
    guest, wallet = await signed_in(house, anna), f"/wallet/{ground.brand.code}"
    await guest.get(wallet)
    first = set(re.findall(rf'href="{wallet}/([0-9-]+)"', guest.page))
    assert ("3 usable" in guest.page, "1–2 of 3" in guest.page, f'href="{wallet}?page=2"' in guest.page) == (True, True, True)
    await guest.get(f"{wallet}?page=2")
    second = set(re.findall(rf'href="{wallet}/([0-9-]+)"', guest.page))
    assert (len(first), len(second), first & second, "3–3 of 3" in guest.page) == (2, 1, set(), True)
    assert (await guest.get(f"{wallet}?page=3")).status_code == 404
    assert (await guest.get(f"{wallet}?page=x")).status_code == 200
    async with db.atomic(ground.brand.id):
        await db.connection().execute("UPDATE sku SET rules_zh = NULL, rules_en = NULL")
    for guest.language in ("zh-CN", "en"):
        assert (await guest.get(f"{wallet}/{min(first)}")).status_code == 200, guest.page


async def test_another_s_card_is_not_there(house: browsers.House, ground: wallets.Ground, tmp_path: Path) -> None:
    anna, ben = await ground.person(phone=wallets.PHONE), await ground.person(subject=wallets.APP)
    own, other = await ground.claimed(anna), await ground.claimed(ben)
    elsewhere = await wallets.opened(tmp_path / "other", house.keys)
    guest, wallet = await signed_in(house, anna), f"/wallet/{ground.brand.code}"
    await guest.get(f"{wallet}/{own}")
    token = browsers.TOKEN.search(guest.page)
    assert token is not None
    for card in (other, "9-9", "1-99999999", "nothing", "%00"):
        shown = await guest.client.get(f"{wallet}/{card}", headers={"accept": "text/html", "accept-language": "en"})
        assert (shown.status_code, "This card is not in the wallet that is open here." in shown.text) == (404, True)
        assert [each in shown.text for each in (f'href="{wallet}"', "role you have chosen")] == [True, False]
        for act in ("code", "reveal"):
            answer = await guest.post(f"{wallet}/{card}/{act}", {"_csrf": token[1], "store": "S1"})
            assert (answer.status_code, QR in answer.text, "digits" in answer.text) == (404, False, False)
    # another brand knows nobody of this one; there is no brand; a form of another page
    shown = await guest.get(f"/wallet/{elsewhere.brand.code}/{own}")
    assert (shown.status_code, shown.headers["location"].startswith(f"/enter/{elsewhere.brand.code}?next=")) == (303, True)
    assert (await guest.get("/wallet/nobody")).status_code == 404
    assert (await guest.post(f"{wallet}/{own}/code", {"_csrf": "x"})).status_code == 403
    assert await books.seen(ground.brand, "SELECT count(*) FROM card_alias") == [(0,)]
    # who came in from the app has no digits, and is told so
    app = await signed_in(house, ben)
    await app.get(f"{wallet}/{other}")
    assert "there are no digits for you" in app.page
    await app.send(f"{wallet}/{other}/code", store="S1")
    assert (QR in app.page, DIGITS.search(app.page)) == (True, None)


async def test_forty_codes_a_minute_and_none_after_signing_out(house: browsers.House, ground: wallets.Ground) -> None:
    anna = await ground.person(phone=wallets.PHONE)
    card = await ground.claimed(anna)
    wallet = f"/wallet/{ground.brand.code}"
    guest = await signed_in(house, anna)
    await guest.get(f"{wallet}/{card}")
    fields = {"_csrf": browsers.TOKEN.findall(guest.page)[0]}
    answers: list[int] = []
    while len(answers) < 150 and 429 not in answers:  # some come back while it is asked
        answers.append((await guest.post(f"{wallet}/{card}/code", fields, **PART)).status_code)
    assert answers[:40] == [200] * 40
    assert 429 in answers[40:]
    await guest.get(wallet)
    gone = await guest.send(f"{wallet}/sign-out")
    assert (gone.status_code, gone.headers["location"]) == (303, f"/enter/{ground.brand.code}")
    # the token is good for nothing any more, also where the cookie is kept
    again = await signed_in(house, anna)
    assert (await again.get(wallet)).status_code == 303
    assert (await guest.post(f"{wallet}/{card}/code", fields)).status_code == 303
