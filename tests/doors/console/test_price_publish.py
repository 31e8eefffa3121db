"""From a draft to a price in force: submitted with a code, allowed by another, live at the brand's midnight; and prices as files."""

from __future__ import annotations

import datetime as dt
import io
import re
import uuid
import zoneinfo
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests.doors.console import test_price_pages, visits
from tests.rooms.identity import people

from qucheng.catalog import price_cell, price_export, price_records, price_version, quote
from qucheng.core import cells, clock, sheets
from qucheng.identity import second_factor

if TYPE_CHECKING:
    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

shop = test_price_pages.shop
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
STATE = "SELECT state FROM price_version WHERE brand_id = $1 AND number = $2"
HEAD = "sku,channel,tier,price,starts_on,ends_on\n"


class Desk:
    """Somebody at work with a second factor of their own."""

    def __init__(self, visitor: browser.Browser, who: permissions.Principal, secret: str) -> None:
        self.visitor, self.who = visitor, who
        self._secret = secret

    def code(self) -> str:
        """Of the next step: that of now was taken at the enrolment."""
        return pyotp.TOTP(self._secret).at(int(clock.now().timestamp()) + second_factor.STEP_SECONDS)


async def at_work(house: browser.House, brand: Brand, role: permissions.Role) -> Desk:
    login = visits.a_login()
    who = await people.member(house.keys, brand.id, role, login=login)
    visitor = await house.browser(f"203.{uuid.uuid4().int % 200}.{uuid.uuid4().int % 200}.1")
    await visitor.sign_in(login)
    return Desk(visitor, who, await visitor.enrol())


async def changed(desk: Desk, brand: Brand, *changes: tuple[str, str | None, str | None, int]) -> int:
    """A draft with these prices."""
    now = clock.now()
    number = await price_version.open_draft(brand_id=brand.id, actor=people.actor(desk.who), now=now)
    saved = await price_cell.set_cells(
        brand_id=brand.id,
        version=number,
        changes=[
            price_records.Change(sku=sku, channel=channel, tier=tier, action="set", price_minor=minor)
            for sku, channel, tier, minor in changes
        ],
        day=now.astimezone(SHANGHAI).date(),
        actor=people.actor(desk.who),
        now=now,
    )
    assert (len(saved.saved), saved.stale, saved.faults) == (len(changes), (), ())
    return number


async def submitted(desk: Desk, number: int, on: dt.date, **fields: str) -> httpx.Response:
    await desk.visitor.get("/prices/draft/submit")
    given = {"number": str(number), "effective_on": on.isoformat(), "name": "", "code": desk.code()}
    return await desk.visitor.send("/prices/draft/submit", **{**given, **fields})


async def test_a_change_is_submitted_allowed_and_live_at_midnight(
    house: browser.House, owner: asyncpg.Connection, shop: Brand
) -> None:
    manager, other = await at_work(house, shop, "manager"), await at_work(house, shop, "owner")
    number = await changed(manager, shop, ("tea", "tmall", None, 2950), ("tea", "tmall", "gold", 2650))
    tomorrow = clock.now().astimezone(SHANGHAI).date() + dt.timedelta(days=1)
    answer = await submitted(manager, number, tomorrow, name="For the season")
    assert answer.status_code == 303, answer.text
    request = answer.headers["location"].partition("asked=")[2]
    await manager.visitor.get(answer.headers["location"])
    said = visits.plain(manager.visitor.page)
    assert "For the season" in said
    assert "2 resellers see another price." in said
    await other.visitor.get(f"/approvals/{request}")
    said = visits.plain(other.visitor.page)
    assert "Publish prices" in said
    assert f"Takes effect on {tomorrow}" in said
    assert "Number of changes 2" in said
    answer = await other.visitor.send(f"/approvals/{request}", decision="approve", code=other.code(), reason="")
    assert answer.status_code == 303, answer.text
    await manager.visitor.get("/prices/versions")
    assert "Scheduled" in visits.plain(manager.visitor.page)
    midnight = dt.datetime.combine(tomorrow, dt.time(), SHANGHAI)

    async def price(reseller: str, at: dt.datetime) -> tuple[int, int | None]:
        found = await quote.resolve(
            brand_id=shop.id, sku="tea", channel="tmall", reseller=reseller, quantity=1, at=at, as_reseller=True
        )
        return found.unit_minor, found.next_minor

    before = midnight - dt.timedelta(microseconds=1)
    assert [await price(reseller, before) for reseller in ("R1", "R2")] == [(2880, 2650), (2880, 2950)]
    assert [await price(reseller, midnight) for reseller in ("R1", "R2")] == [(2650, None), (2950, None)]
    assert await owner.fetchval(STATE, shop.id, number) == "approved"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"code": "000000"}, "The code is wrong"),
        ({"code": ""}, "The code is wrong"),
        ({"effective_on": ""}, "Choose a day after today"),
        ({"effective_on": "2020-01-01"}, "Choose a day after today"),
        ({"effective_on": "tomorrow"}, "Choose a day after today"),
    ],
)
async def test_what_cannot_be_submitted_is_said(
    house: browser.House, owner: asyncpg.Connection, shop: Brand, fields: dict[str, str], said: str
) -> None:
    manager = await at_work(house, shop, "manager")
    number = await changed(manager, shop, ("tea", "tmall", None, 2950))
    tomorrow = clock.now().astimezone(SHANGHAI).date() + dt.timedelta(days=1)
    answer = await submitted(manager, number, tomorrow, name="kept", **fields)
    assert answer.status_code == 422
    assert said in visits.plain(answer.text)
    assert 'value="kept"' in answer.text
    assert await owner.fetchval(STATE, shop.id, number) == "draft"
    assert await owner.fetchval("SELECT count(*) FROM approval WHERE brand_id = $1", shop.id) == 0


async def test_a_price_under_the_floor_is_kept_and_not_submitted(
    house: browser.House, owner: asyncpg.Connection, shop: Brand
) -> None:
    manager = await at_work(house, shop, "manager")
    number = await changed(manager, shop, ("tea", "wechat", None, 2459))
    await manager.visitor.get("/prices")
    assert test_price_pages.cells(manager.visitor.page, "tea")[3] == ("floor", "24.59 under floor")
    tomorrow = clock.now().astimezone(SHANGHAI).date() + dt.timedelta(days=1)
    unused = manager.code()
    answer = await submitted(manager, number, tomorrow, code=unused)
    assert answer.status_code == 422
    said = visits.plain(answer.text)
    assert "under the floor" in said
    assert "1 cell is to be put right first" in said
    assert await owner.fetchval(STATE, shop.id, number) == "draft"
    # the code was not used up for it
    await manager.visitor.get("/prices/cell?sku=tea&channel=wechat&tier=")
    form = {"sku": "tea", "channel": "wechat", "tier": "", "seen": "1", "source": "own", "price": "24.60"}
    assert (await manager.visitor.send("/prices/cell", **form)).status_code == 303
    assert (await submitted(manager, number, tomorrow, code=unused)).status_code == 303


async def test_who_asked_does_not_allow_it(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    manager = await at_work(house, shop, "manager")
    number = await changed(manager, shop, ("tea", "tmall", None, 2950))
    tomorrow = clock.now().astimezone(SHANGHAI).date() + dt.timedelta(days=1)
    request = (await submitted(manager, number, tomorrow)).headers["location"].partition("asked=")[2]
    answer = await manager.visitor.send(f"/approvals/{request}", decision="approve", code=manager.code(), reason="")
    assert answer.status_code == 403
    assert await owner.fetchval(STATE, shop.id, number) == "submitted"
    # taken back, it is a draft with the same prices
    await manager.visitor.get(f"/prices/versions/{number}")
    answer = await manager.visitor.send("/prices/draft/withdraw", number=str(number))
    assert answer.headers["location"] == "/prices?done=withdrawn"
    await manager.visitor.get("/prices")
    assert test_price_pages.cells(manager.visitor.page, "tea")[2] == ("draft", "28.80 29.50 draft")


async def test_a_draft_is_discarded_and_an_older_version_comes_back(
    house: browser.House, owner: asyncpg.Connection, shop: Brand
) -> None:
    manager, other = await at_work(house, shop, "manager"), await at_work(house, shop, "owner")
    number = await changed(manager, shop, ("tea", "tmall", None, 2950))
    tomorrow = clock.now().astimezone(SHANGHAI).date() + dt.timedelta(days=1)
    request = (await submitted(manager, number, tomorrow)).headers["location"].partition("asked=")[2]
    await other.visitor.get(f"/approvals/{request}")
    await other.visitor.send(f"/approvals/{request}", decision="approve", code=other.code(), reason="")
    await manager.visitor.get("/prices/versions/1")
    answer = await manager.visitor.send("/prices/draft", restore="1")
    assert answer.headers["location"] == "/prices?done=opened"
    await manager.visitor.get(f"/prices/versions/{number + 1}")
    said = visits.plain(manager.visitor.page)
    assert f"Against version {number}" in said
    assert "tmall" in said or "天猫" in said
    assert "29.50" in said
    await manager.visitor.get("/prices/draft/discard")
    answer = await manager.visitor.send("/prices/draft/discard", number=str(number + 1))
    assert answer.headers["location"] == "/prices?done=discarded"
    assert await owner.fetchval(STATE, shop.id, number + 1) == "discarded"


async def sent(desk: Desk, data: bytes, name: str = "prices.csv") -> httpx.Response:
    await desk.visitor.get("/prices/import")
    token = re.findall(r'name="_csrf" value="([^"]+)"', desk.visitor.page)[0]
    return await desk.visitor.client.post(
        "/prices/import",
        data={"_csrf": token},
        files={"file": (name, data)},
        headers={"accept": "text/html", "accept-language": "en", "origin": str(desk.visitor.client.base_url).rstrip("/")},
    )


async def test_a_file_is_looked_at_and_then_taken(house: browser.House, owner: asyncpg.Connection, shop: Brand) -> None:
    manager = await at_work(house, shop, "manager")
    number = await price_version.open_draft(brand_id=shop.id, actor=people.actor(manager.who), now=clock.now())
    lines = "tea,tmall,,29.50,2026-01-01,\ntea,,,27.60,2026-01-01,\ncup,wechat,,-,2026-02-01,\n"
    answer = await sent(manager, (HEAD + lines).encode())
    assert answer.status_code == 303, answer.text
    await manager.visitor.get(answer.headers["location"])
    said = visits.plain(manager.visitor.page)
    assert "Wrong 0 New 1 Changed 1 As it is 1" in said
    before = await owner.fetch(test_price_pages.CELLS, shop.id, number, "tea")
    assert {row["price_minor"] for row in before} == {2760, 2680, 2880}
    assert (await manager.visitor.send(answer.headers["location"])).headers["location"] == "/prices?show=changed&done=imported"
    assert {row["price_minor"] for row in await owner.fetch(test_price_pages.CELLS, shop.id, number, "tea")} == {2760, 2680, 2950}
    assert [tuple(row) for row in await owner.fetch(test_price_pages.CELLS, shop.id, number, "cup")] == [
        ("wechat", None, None, dt.date(2026, 2, 1), None),
        (None, None, 1000, dt.date(2026, 1, 1), None),
    ]
    assert (await manager.visitor.get(answer.headers["location"])).status_code == 404


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("none,,,1.00,2026-01-01,\n", "There is no such product."),
        ("tea,none,,1.00,2026-01-01,\n", "There is no such channel."),
        ("tea,,none,1.00,2026-01-01,\n", "There is no such tier."),
        ("tea,,,dear,2026-01-01,\n", "This is no value of this column."),
        ("tea,,,,2026-01-01,\n", "Nothing stands here."),
        ("tea,,,-,2026-01-01,\n", "closed for a whole channel"),
        ("tea,,,1.00,2026-01-01,2025-01-01\n", "A price begins before it ends"),
        ("tea,,,1.00,2026-01-01,\ntea,,,2.00,2026-02-01,\n", "Another row of the file"),
    ],
)
async def test_a_file_with_a_wrong_row_is_not_taken(
    house: browser.House, owner: asyncpg.Connection, shop: Brand, lines: str, said: str
) -> None:
    manager = await at_work(house, shop, "manager")
    number = await price_version.open_draft(brand_id=shop.id, actor=people.actor(manager.who), now=clock.now())
    before = await owner.fetch("SELECT * FROM price_cell WHERE brand_id = $1 AND version = $2 ORDER BY id", shop.id, number)
    place = (await sent(manager, (HEAD + "cup,,,11.00,2026-01-01,\n" + lines).encode())).headers["location"]
    await manager.visitor.get(place)
    assert said in visits.plain(manager.visitor.page)
    assert f'action="{place}"' not in manager.visitor.page
    await manager.visitor.get("/prices/import")
    assert (await manager.visitor.send(place)).status_code == 422
    after = await owner.fetch("SELECT * FROM price_cell WHERE brand_id = $1 AND version = $2 ORDER BY id", shop.id, number)
    assert after == before


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a,b\n1,2\n", "The first row lacks these columns: sku, price, starts_on."),
        ((HEAD.strip() + ",price\n").encode(), "The first row names these columns twice: price."),
        (HEAD.encode(), "The file has no rows."),
        (b"\x00\x01", "The file cannot be read"),
        (b"PK\x03\x04", "The file cannot be read"),
        (HEAD.encode() + b"x,,,1,,\n" * (sheets.MOST_ROWS + 1), "The file is too large"),
    ],
)
async def test_what_is_no_price_file(house: browser.House, shop: Brand, data: bytes, said: str) -> None:
    manager = await at_work(house, shop, "manager")
    await price_version.open_draft(brand_id=shop.id, actor=people.actor(manager.who), now=clock.now())
    answer = await sent(manager, data)
    assert answer.status_code == 422
    assert said in visits.plain(answer.text)


@pytest.mark.parametrize("form", cells.FORMS)
async def test_what_is_exported_changes_nothing_when_it_comes_back(house: browser.House, shop: Brand, form: cells.Form) -> None:
    manager = await at_work(house, shop, "manager")
    await changed(manager, shop, ("tea", "tmall", "gold", 2650))
    await manager.visitor.get("/prices/export")
    assert "5 rows" in visits.plain(manager.visitor.page)
    answer = await manager.visitor.send("/prices/export", form=form, view="")
    assert answer.headers["content-disposition"] == f'attachment; filename="{shop.code}-prices-2.{form}"'
    found = await sheets.read(answer.content, names={name: [] for name in price_export.NAMES}, needed=price_export.NAMES)
    assert [line.values["sku"] for line in found.lines] == ["cup", "tea", "tea", "tea", "tea"]
    assert (io.BytesIO(answer.content).read(3) == cells.MARK) == (form == "csv")
    place = (await sent(manager, answer.content, f"prices.{form}")).headers["location"]
    await manager.visitor.get(place)
    assert "Wrong 0 New 0 Changed 0 As it is 5" in visits.plain(manager.visitor.page)
    only = await manager.visitor.get("/prices/export?category=things")
    assert "1 row" in visits.plain(only.text)
    answer = await manager.visitor.send("/prices/export", form=form, view="category=things")
    found = await sheets.read(answer.content, names={"sku": [], "price": []}, needed=["sku"])
    assert [line.values["sku"] for line in found.lines] == ["cup"]
