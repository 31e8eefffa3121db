"""Exceptions by page: grouped, each with its next step; flags are done with by a note."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib import parse

import pytest
from tests import books
from tests.doors.finance import keepers
from tests.rooms.settlement import desk

from qucheng.core import db, task
from qucheng.insight import exceptions
from qucheng.web import named_words
from qucheng.web.finance import exceptions as exceptions_pages

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FLAGGED = "2026-02/R1/order.self_purchase/2"
REVIEW = "/exceptions/review?" + parse.urlencode({"kind": "order.flagged", "subject": FLAGGED})


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """Two self-purchases and a larger sale in the open February."""
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("brand") / "bundle",
        code=f"b-{uuid.uuid4().hex[:20]}",
        resellers=["R1,<一号>,company,,gold,2026-01-01,id-1", "R2,二号,company,,gold,2026-01-01,"],
        orders=[
            "E1,1,2026-01-10T10:00:00,R1,web,card,1,100.00,,",
            "E3,1,2026-02-20T10:00:00,R1,web,card,1,20.00,,id-1",
            "E3,2,2026-02-20T10:00:00,R1,web,card,1,30.00,,id-1",
            "E4,1,2026-02-21T10:00:00,R1,web,card,9,900.00,,",
        ],
    )
    return await books.settled(folder, "2026-01")


def test_every_kind_of_request_is_called_by_a_name() -> None:
    assert set(exceptions_pages.REQUESTS) == set(named_words.ACTIONS)


async def test_each_has_its_next_step(house: browser.House, brand: Brand, owner: asyncpg.Connection) -> None:
    accountant = await keepers.signed_in(house, brand.id, "accountant")
    team = await desk.team(house.keys, brand)
    opened = await desk.disputed(brand, team.of["R1"])
    async with db.atomic():
        await task.add(kind="document.render", queue="documents", brand_id=brand.id, subject={})
    await owner.execute("UPDATE task SET state = 'dead', ended_at = now(), reason = '<no luck>' WHERE brand = $1", brand.id)
    await accountant.get("/exceptions")
    assert "3 things need attention" in accountant.page
    assert f'href="/disputes/{opened}"' in accountant.page
    assert f"&lt;一号&gt; disputes a row of {brand.code}-202601-000001." in accountant.page
    assert "<code>&lt;no luck&gt;</code>" in accountant.page
    assert "&lt;一号&gt;, 2026-02: order lines bought by the seller or by somebody above it: 2." in accountant.page
    assert f'href="{REVIEW.replace("&", "&amp;")}"' in accountant.page
    assert '<span class="push sm"><span class="num">50.00</span>' in accountant.page


async def test_a_flag_is_done_with_by_a_note(house: browser.House, brand: Brand) -> None:
    accountant = await keepers.signed_in(house, brand.id, "accountant")
    await accountant.get(REVIEW)
    assert '<span class="num">50.00</span>' in accountant.page
    stale = accountant.page
    fields = {"kind": "order.flagged", "subject": FLAGGED}
    empty = await accountant.send("/exceptions/review", **fields, note=" ")
    assert (empty.status_code, '<a href="#note">Say what you found, in 1 to 500 characters.</a>' in empty.text) == (422, True)
    noted = await accountant.send("/exceptions/review", **fields, note="本人 <自用>")
    assert (noted.status_code, noted.headers["location"]) == (303, "/exceptions")
    await accountant.get("/exceptions")
    assert ("Nothing needs attention" in accountant.page, "本人 &lt;自用&gt;" in accountant.page) == (True, True)
    accountant.page = stale
    assert (await accountant.send("/exceptions/review", **fields, note="again")).status_code == 303
    assert [each.note for each in await exceptions.reviews(brand=brand)] == ["本人 <自用>"]
    gone = await accountant.get(REVIEW)
    assert (gone.status_code, "This is not there any more" in gone.text) == (409, True)


async def test_what_is_made_up_is_not_there(house: browser.House, brand: Brand) -> None:
    accountant = await keepers.signed_in(house, brand.id, "accountant")
    for query in (
        "",
        "?kind=order.flagged",
        "?kind=dispute.open&subject=x",
        "?kind=order.flagged&subject=%00",
        "?kind=%00&subject=x",
    ):
        assert (await accountant.get(f"/exceptions/review{query}")).status_code == 409, query
    await accountant.get("/exceptions")
    accountant.page = (await accountant.get("/account/password")).text
    answer = await accountant.send("/exceptions/review", kind="order.flagged", subject="x", note="x")
    assert (answer.status_code, await exceptions.reviews(brand=brand)) == (409, [])


async def test_who_sees_and_who_notes(house: browser.House, brand: Brand) -> None:
    for role, sees in (("auditor", 200), ("manager", 200), ("support", 404)):
        reader = await keepers.signed_in(house, brand.id, role)  # type: ignore[arg-type] # of the test
        assert (await reader.get("/exceptions")).status_code == sees
        assert "Note what you found" not in reader.page
        assert (await reader.get(REVIEW)).status_code == 404
        await reader.get("/account/password")
        answer = await reader.send("/exceptions/review", kind="order.flagged", subject=FLAGGED, note="x")
        assert answer.status_code == 404
    assert await exceptions.reviews(brand=brand) == []


async def test_in_chinese(house: browser.House, brand: Brand) -> None:
    accountant = await keepers.signed_in(house, brand.id, "accountant")
    accountant.language = "zh-CN"
    await accountant.get("/exceptions")
    assert "&lt;一号&gt;，2026-02：由售出人或其上级购买，共 2 行。" in accountant.page
    assert "有 1 项需要处理" in accountant.page
