"""Selling by hand, and links: what the reseller sees and does, and what is refused without a trace."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.orders import sales_desk

from qucheng.commission import accrual
from qucheng.core import audit, clock, crypto
from qucheng.orders import manual_sale, order_number, sales_link, sales_setting

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser as browsers

pytestmark = pytest.mark.anyio

NEW, LINKS = "/portal/sell/new", "/portal/links"
ROW = re.compile(r"<tr><th scope=\"row\">(.*?)</tr>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
WHAT = {"sku": "tea", "channel": "wechat"}


@pytest.fixture
async def desk(workspace: books.Workspace, house: browsers.House, tmp_path: Path) -> sales_desk.Desk:
    assert workspace
    return (await sales_desk.opened(house.keys, tmp_path))[1]


async def visitor(
    house: browsers.House, desk: sales_desk.Desk, reseller: str | None = "G1", role: str = "seller"
) -> browsers.Browser:
    login, found = f"{crypto.token()[:12].lower().strip('-_')}@example.com", await house.browser()
    await people.member(house.keys, desk.brand.id, role, reseller=reseller, login=login)  # type: ignore[arg-type] # of the test
    await found.sign_in(login)
    return found


async def setting(desk: sales_desk.Desk, **given: object) -> None:
    made = sales_setting.Setting(**{"manual_sale": "paid", **given})  # type: ignore[arg-type]
    await sales_setting.change(brand_id=desk.brand.id, setting=made, production=False, actor=audit.SYSTEM, now=clock.now())


async def shown(seller: browsers.Browser, **fields: str) -> dict[str, str]:
    """What the page with the sum would send."""
    await seller.get(f"{NEW}?sku=tea&channel=wechat")
    given = {**WHAT, "quantity": "2", "phone": sales_desk.NUMBER, "order_no": seller.hidden("order_no"), **fields}
    answer = await seller.send(NEW, step="show", **given)
    assert answer.status_code == 200, seller.page
    return {name: seller.hidden(name) for name in ("sku", "channel", "quantity", "phone", "email", "unit", "order_no")}


async def test_all_that_is_wrong_with_a_sale_is_said_at_once_and_stays(house: browsers.House, desk: sales_desk.Desk) -> None:
    await setting(desk)
    seller = await visitor(house, desk)
    await seller.get(f"{NEW}?sku=tea&channel=wechat")
    typed = {**WHAT, "quantity": "0", "phone": "138 0571", "email": "li@", "order_no": seller.hidden("order_no")}
    for step in ("show", "sell"):
        refused = await seller.send(NEW, step=step, **typed)
        assert (refused.status_code, re.findall(r'<li><a href="#(\w+)">', refused.text)) == (422, ["quantity", "phone", "email"])
        assert [value for value in ("0", "138 0571", "li@") if f'value="{value}"' not in refused.text] == []
    # one that is right is asked for no more; a number is kept as it was typed
    form = await shown(seller, phone="138 0571 2264")
    assert form["phone"] == "138 0571 2264"
    changed = await seller.send(NEW, step="change", **form)
    assert ('value="138 0571 2264"' in changed.text, "things to fix" in changed.text) == (True, False)
    assert await desk.orders() == []


async def test_a_sale_by_hand_sent_twice_at_once(house: browsers.House, tmp_path: Path) -> None:
    """Within seconds it is among the orders, with what it earns and until when that is pending."""
    desk = (await sales_desk.opened(house.keys, tmp_path, settlement="hold_days = 7"))[1]
    seller = await visitor(house, desk)
    await seller.get("/portal/sell")
    assert "26.80" in seller.page
    form = await shown(seller, email="Li@Example.com")
    assert "53.60" in seller.page
    assert "138****2264 · l****@example.com" in seller.page
    assert await desk.orders() == []
    first, second = await asyncio.gather(*(seller.send(NEW, step="sell", **form) for _ in range(2)))
    receipt = f"/portal/sell/{form['order_no']}"
    assert [answer.headers["location"] for answer in (first, second)] == [f"{receipt}?done=sold"] * 2
    assert await desk.orders() == [(form["order_no"], "manual", "tea", 2, 5360)]
    await seller.get(f"{receipt}?done=sold")
    assert "53.60" in seller.page
    assert "Nothing is delivered from stock" in seller.page
    lost = await seller.send(f"{receipt}/link")
    assert (lost.status_code, "There is no card of this order" in lost.text) == (409, True)
    await accrual.accrue(brand_id=desk.brand.id, now=clock.now())
    await seller.get("/portal/orders")
    day = order_number.local_day(desk.brand, clock.now() + dt.timedelta(days=7))
    (row,) = [" ".join(TAG.sub(" ", found).split()) for found in ROW.findall(seller.page)]
    assert row.startswith(f"茶券 {form['order_no']} / 1 ")
    assert row.endswith(f" 2 53.60 5.36 Pending due {day:%m-%d}")
    other = await visitor(house, desk, "S1")
    assert (await other.get(receipt)).status_code == 404
    await other.get("/portal/sell")
    assert (await other.send(f"{receipt}/link")).status_code == 404


async def test_a_price_that_has_changed_is_shown_first(house: browsers.House, desk: sales_desk.Desk) -> None:
    seller = await visitor(house, desk)
    form = await shown(seller)
    answer = await seller.send(NEW, step="sell", **{**form, "unit": "2500"})
    assert answer.status_code == 409
    assert "The price has changed" in answer.text
    assert seller.hidden("unit") == "2680"
    assert await desk.orders() == []


async def test_what_cannot_be_leaves_nothing(house: browsers.House, desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    seller = await visitor(house, desk)
    form = await shown(seller)
    before = await books.everything(owner)
    for fields, status, said in (
        ({"phone": "12345"}, 422, "no phone number"),
        ({"email": "li"}, 422, "no e-mail address"),
        ({"quantity": "1000"}, 422, "from 1 to 999"),
        ({"quantity": "-1"}, 422, "from 1 to 999"),
        ({"sku": "nothing"}, 404, "There is no such product."),
        ({"channel": "nowhere"}, 404, "There is no such channel."),
        ({"order_no": "A-1"}, 409, "has this number already"),
    ):
        answer = await seller.send(NEW, step="sell", **{**form, **fields})
        assert (answer.status_code, said in answer.text) == (status, True), fields
    assert await books.everything(owner) == before


async def test_only_where_the_brand_lets_it(house: browsers.House, desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    seller = await visitor(house, desk)
    form = await shown(seller)
    await setting(desk, manual_sale="off")
    before = await books.everything(owner)
    answer = await seller.send(NEW, step="sell", **form)
    assert (answer.status_code, "does not let sales be entered" in answer.text) == (409, True)
    assert await books.everything(owner) == before
    await seller.get("/portal/sell")
    assert "does not let sales be entered by hand" in seller.page
    assert "/portal/sell/new" not in seller.page


async def test_the_sum_of_a_day_holds_for_sales_at_once(
    house: browsers.House, desk: sales_desk.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four at 26.80 two fit under 60.00; without one waiting for the other all four would."""
    await setting(desk, manual_daily_minor=6000)
    actor = people.actor(await people.member(house.keys, desk.brand.id, "seller", reseller="G1"))

    async def sell() -> str:
        now = clock.now()
        number = order_number.made("M", desk.brand, now)
        try:
            await manual_sale.sell(
                brand=desk.brand, reseller="G1", channel="wechat", sku="tea", quantity=1, unit_minor=2680, number=sales_desk.NUMBER,
                order_no=number, keys=desk.keys, actor=actor, now=now,
            )  # fmt: skip
        except manual_sale.DayLimitError:
            return "limit"
        return "sold"

    assert sorted(await asyncio.gather(*(sell() for _ in range(4)))) == ["limit", "limit", "sold", "sold"]
    assert len(await desk.orders()) == 2
    await setting(desk, manual_daily_minor=6000 + 5360)
    looked, all_looked = manual_sale.sold_today, asyncio.Barrier(4)

    async def slow(**given: object) -> int:
        found = await looked(**given)  # type: ignore[arg-type]
        await asyncio.wait_for(all_looked.wait(), 30)
        return found

    monkeypatch.setattr(manual_sale, "sold_today", slow)
    monkeypatch.setattr(manual_sale, "LOCK", "SELECT $1::text")
    assert sorted(await asyncio.gather(*(sell() for _ in range(4)))) == ["sold"] * 4


async def test_a_link_is_made_named_paused_and_printed(house: browsers.House, desk: sales_desk.Desk) -> None:
    seller = await visitor(house, desk)
    await seller.get(LINKS)
    answer = await seller.send(LINKS, name="柜台", channel="wechat", sku="")
    assert answer.status_code == 303
    here = answer.headers["location"].partition("?")[0]
    await seller.get(here)
    (code,) = set(re.findall(r"https://shop\.example/o/([0-9a-z]{16})", seller.page))
    assert (await seller.get(f"{here}/poster")).status_code == 200
    assert code in seller.page
    for kind, head in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        answer = await seller.get(f"{here}/code/{kind}")
        assert (answer.status_code, answer.content[: len(head)]) == (200, head)
    assert (await seller.get(f"{here}/code/pdf")).status_code == 404
    await seller.get(here)
    await seller.send(here, do="rename", name="收银台")
    await seller.send(here, do="pause")
    assert await books.seen(desk.brand, "SELECT name, active FROM sales_link WHERE code = $1", code) == [("收银台", False)]
    guest = await house.browser()
    await guest.get(f"/o/{code}")
    assert "Nothing is sold here now" in guest.page
    await seller.send(here, do="resume")
    await guest.get(f"/o/{code}")
    assert ("茶券" in guest.page, "月卡" in guest.page) == (True, False)
    stranger = await visitor(house, desk, "S1")
    for path in (here, f"{here}/poster", f"{here}/code/svg"):
        assert (await stranger.get(path)).status_code == 404
    await stranger.get(LINKS)
    assert "收银台" not in stranger.page
    assert (await stranger.send(here, do="pause")).status_code == 404


async def test_nobody_else_buys_at_a_reseller_s_wholesale_price(house: browsers.House, desk: sales_desk.Desk) -> None:
    """In a wholesale channel the reseller is the buyer: what it pays is not sold behind a link, nor shown there."""
    seller = await visitor(house, desk)
    await seller.get("/portal/sell")
    assert "channel=dealer" in seller.page  # the control: by hand it may
    await seller.get(LINKS)
    assert ('value="wechat"' in seller.page, 'value="dealer"' in seller.page) == (True, False)
    for sku in ("", "tea"):
        answer = await seller.send(LINKS, name="柜台", channel="dealer", sku=sku)
        assert (answer.status_code, "not sold in this channel today" in answer.text) == (422, True)
    # and a link that was there before sells nothing
    with pytest.raises(sales_link.LinkUnknownError):
        await desk.begun(link=msgspec.structs.replace(desk.link, channel="dealer"))
    assert await books.seen(desk.brand, "SELECT count(*) FROM payment") == [(0,)]


async def test_a_link_that_cannot_be(house: browsers.House, desk: sales_desk.Desk, owner: asyncpg.Connection) -> None:
    seller = await visitor(house, desk)
    await seller.get(LINKS)
    before = await books.everything(owner)
    for fields, said in (
        ({"name": ""}, "A name has 1 to 60 characters."),
        ({"name": "x" * 61}, "A name has 1 to 60 characters."),
        ({"expires_on": "2020-01-01"}, "The last day is today or later."),
        ({"expires_on": "soon"}, "The last day is today or later."),
        ({"sku": "pass"}, "not sold in this channel today"),
        ({"channel": "nowhere"}, "not sold in this channel today"),
    ):
        answer = await seller.send(LINKS, **{"name": "柜台", "channel": "wechat", "sku": "", "expires_on": "", **fields})
        assert (answer.status_code, said in answer.text) == (422, True), fields
    assert await books.everything(owner) == before


async def test_the_owner_says_how_resellers_sell(house: browsers.House, desk: sales_desk.Desk) -> None:
    owner = await visitor(house, desk, None, "owner")
    await owner.enrol()
    assert (await owner.get("/selling")).status_code == 200
    answer = await owner.send("/selling", manual="paid", daily="5,000", provider="null")
    assert answer.headers["location"] == "/selling?done=saved"
    assert await sales_setting.read(brand_id=desk.brand.id) == sales_setting.Setting(
        manual_sale="paid", manual_daily_minor=500000
    )
    await owner.get("/selling")
    for daily in ("-1", "0", "much"):
        assert (await owner.send("/selling", manual="off", daily=daily, provider="simulator")).status_code == 422
    assert await sales_setting.read(brand_id=desk.brand.id) == sales_setting.Setting(
        manual_sale="paid", manual_daily_minor=500000
    )
