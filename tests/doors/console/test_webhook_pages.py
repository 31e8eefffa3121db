"""Webhooks as an owner sets them up, looks at what was sent, and sends it once more."""

from __future__ import annotations

import datetime as dt
import html
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits

from qucheng.core import clock, db, outbox
from qucheng.identity import webhook_delivery, webhook_endpoint

if TYPE_CHECKING:
    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

SECRET = re.compile(r'<textarea[^>]* id="secret"[^>]*>(whsec_[^<]*)</textarea>')
URL = "https://hooks.example.com/orders?of=us"
GOOD = {"url": URL, "kind_order.paid": "1", "kind_statement.published": "1"}


class Owner:
    """codes: recovery codes, each of which is good once."""

    def __init__(self, visitor: browser.Browser, brand_id: uuid.UUID) -> None:
        self.visitor, self.brand_id = visitor, brand_id
        self.codes = visitor.codes()

    async def make(self) -> webhook_endpoint.Endpoint:
        await self.visitor.get("/webhooks/new")
        answer = await self.visitor.send("/webhooks/new", code=self.codes.pop(), **GOOD)
        assert answer.status_code == 200, visits.plain(answer.text)
        return (await webhook_endpoint.listing(brand_id=self.brand_id, now=clock.now()))[0]

    async def done(self, path: str, **fields: str) -> httpx.Response:
        """A form of the page before it."""
        return await self.visitor.send(path, **fields)

    async def told(self, subject: str, status: int) -> int:
        """An event, sent with that answer; its number."""
        async with db.atomic(self.brand_id):
            await outbox.tell(brand_id=self.brand_id, kind="order.paid", subject=subject, data={"orderNo": subject})
        await webhook_delivery.take_up(brand_id=self.brand_id)
        for sending in await webhook_delivery.claim(brand_id=self.brand_id, most=9, now=clock.now()):
            outcome = webhook_delivery.Outcome(at=clock.now(), duration_ms=41, status=status, text="<b>no</b>")
            await webhook_delivery.conclude(sending, outcome)
        async with db.atomic(self.brand_id):
            return int(await db.connection().fetchval("SELECT seq FROM outbox_event WHERE subject = $1", subject))


@pytest.fixture
async def owner_(house: browser.House, brand: Brand) -> Owner:
    visitor, _ = await visits.entered(house, brand.id, "owner")
    return Owner(visitor, brand.id)


async def stored(owner: asyncpg.Connection) -> dict[str, str]:
    """Without what a code and a visit leave."""
    left = {"process", "session", "recovery_code", "second_factor"}
    return {name: rows for name, rows in (await books.everything(owner)).items() if name not in left}


async def test_the_secret_is_shown_once(house: browser.House, owner_: Owner) -> None:
    made = await owner_.make()
    (secret,) = SECRET.findall(owner_.visitor.page)
    assert (made.url, made.kinds, made.state) == (URL, ("order.paid", "statement.published"), "active")
    async with db.atomic(owner_.brand_id):
        cipher = await db.connection().fetchval("SELECT cipher FROM webhook_secret WHERE endpoint = $1", made.id)
    assert house.keys.open(cipher, place=webhook_endpoint.place(made.id, 1)).decode() == html.unescape(secret)
    for page in ("/webhooks", f"/webhooks/{made.id}"):
        await owner_.visitor.get(page)
        assert URL in owner_.visitor.page
        assert "whsec_" not in owner_.visitor.page


async def test_all_that_is_wrong_is_told_and_nothing_is_made(owner_: Owner, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    await owner_.visitor.get("/webhooks/new")
    answer = await owner_.visitor.send("/webhooks/new", url="https://10.0.0.1/x", code=owner_.codes[0])
    assert answer.status_code == 422
    links = [(name, html.unescape(text)) for name, text in re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', answer.text)]
    assert links == [
        ("url", "An address is like https://hooks.example.com/orders, on port 443 or 8443, and of the public internet."),
        ("kinds", "Choose what is sent there."),
    ]
    assert 'value="https://10.0.0.1/x"' in answer.text
    await owner_.visitor.get("/webhooks/new")
    assert (await owner_.visitor.send("/webhooks/new", code="000000", **GOOD)).status_code == 422
    assert "The code is wrong, or was used already." in visits.plain(owner_.visitor.page)
    assert await stored(owner) == before


async def test_another_secret_beside_the_old_one(owner_: Owner) -> None:
    made = await owner_.make()
    (first,) = SECRET.findall(owner_.visitor.page)
    page = f"/webhooks/{made.id}"
    await owner_.visitor.get(page)
    refused = await owner_.done(f"{page}/rotate", overlap="5", code=owner_.codes[0])
    assert (refused.status_code, "Choose how long the secret so far stays good." in refused.text) == (422, True)
    answer = await owner_.done(f"{page}/rotate", overlap="24", code=owner_.codes.pop())
    (second,) = SECRET.findall(answer.text)
    assert (answer.status_code, first == second) == (200, False)
    await owner_.visitor.get(page)
    assert "Every message is signed with two secrets at the moment" in owner_.visitor.page
    assert (await owner_.done(f"{page}/end-old")).headers["location"] == f"{page}?done=ended"
    found = await webhook_endpoint.read(brand_id=owner_.brand_id, endpoint_id=made.id, now=clock.now())
    assert found.old_until is None


async def test_paused_resumed_and_deleted(owner_: Owner) -> None:
    made = await owner_.make()
    page, states = f"/webhooks/{made.id}", []
    for what, done in (("pause", "paused"), ("resume", "resumed"), ("delete", "deleted")):
        await owner_.visitor.get(f"{page}/delete" if what == "delete" else page)
        answer = await owner_.done(f"{page}/{what}")
        assert answer.headers["location"] == (f"/webhooks?done={done}" if what == "delete" else f"{page}?done={done}")
        states.append((await webhook_endpoint.read(brand_id=owner_.brand_id, endpoint_id=made.id, now=clock.now())).state)
    assert states == ["paused", "active", "deleted"]
    await owner_.visitor.get("/webhooks")
    assert "No endpoints yet" in visits.plain(owner_.visitor.page)
    refused = await owner_.done(f"{page}/pause")
    assert (refused.status_code, "The endpoint is not open for that any more." in refused.text) == (409, True)


async def test_a_test_event_is_followed(owner_: Owner) -> None:
    made = await owner_.make()
    await owner_.visitor.get(f"/webhooks/{made.id}")
    answer = await owner_.done(f"/webhooks/{made.id}/test")
    assert re.fullmatch(rf"/webhooks/{made.id}/deliveries/\d+\?done=tested", answer.headers["location"])
    await owner_.visitor.get(answer.headers["location"])
    assert "A test event is on its way." in owner_.visitor.page
    assert "Not tried yet" in owner_.visitor.page


async def test_the_log_is_filtered_and_one_is_sent_once_more(owner_: Owner) -> None:
    made = await owner_.make()
    first, second = await owner_.told("O-1", 204), await owner_.told("O-2", 500)
    shown = {}
    for query in (
        "",
        "?state=delivered",
        "?subject=O-2",
        "?kind=order.refunded",
        f"?endpoint={uuid.uuid4()}",
        "?state=x&before=x",
    ):
        await owner_.visitor.get(f"/webhooks{query}")
        shown[query] = re.findall(r'href="/webhooks/[0-9a-f-]{36}/deliveries/(\d+)"', owner_.visitor.page)
    assert list(shown.values())[:5] == [[str(second), str(first)], [str(first)], [str(second)], [], []]
    assert list(shown.values())[5] == [str(second), str(first)]
    page = f"/webhooks/{made.id}/deliveries/{first}"
    await owner_.visitor.get(page)
    assert "&lt;b&gt;no&lt;/b&gt;" in owner_.visitor.page
    assert "HTTP 204" in visits.plain(owner_.visitor.page)
    assert '"orderNo": "O-1"' in html.unescape(owner_.visitor.page)
    assert (await owner_.done(f"{page}/replay")).headers["location"] == f"{page}?done=replayed"
    again = await owner_.done(f"{page}/replay")
    assert (again.status_code, "It is still under way" in again.text) == (409, True)
    waiting = "SELECT event FROM webhook_delivery WHERE state = 'waiting' AND due_at <= clock_timestamp()"
    async with db.atomic(owner_.brand_id):
        assert [row[0] for row in await db.connection().fetch(waiting)] == [first]


async def test_what_was_given_up_is_sent_once_more(owner_: Owner, owner: asyncpg.Connection) -> None:
    await owner_.make()
    events = [await owner_.told(f"O-{number}", 500) for number in range(3)]
    for event, hours in zip(events, (1, 30, 80), strict=True):
        await owner.execute(
            "UPDATE webhook_delivery SET state = 'dead', due_at = NULL, ended_at = now() - $2::interval WHERE event = $1",
            event,
            dt.timedelta(hours=hours),
        )
    await owner_.visitor.get("/webhooks")
    assert (await owner_.done("/webhooks/replay", since="5")).status_code == 422
    assert (await owner_.done("/webhooks/replay", since="72")).headers["location"] == "/webhooks?again=2"
    await owner_.visitor.get("/webhooks?again=2")
    assert "2 deliveries are sent once more." in owner_.visitor.page
    left = await owner.fetch("SELECT event FROM webhook_delivery WHERE state = 'dead' AND event = ANY ($1)", events)
    assert [row[0] for row in left] == [events[2]]


@pytest.mark.parametrize("path", ["deliveries/0", "deliveries/99999999999999999999", "deliveries/x"])
async def test_what_is_not_there(owner_: Owner, path: str) -> None:
    made = await owner_.make()
    assert (await owner_.visitor.get(f"/webhooks/{made.id}/{path}")).status_code == 404
