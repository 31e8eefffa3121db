"""What happened reaches those who want to know: at least once, signed, of one subject in order; and what is not taken is tried again."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import asyncpg
import pytest
import standardwebhooks
from tests import books
from tests.rooms.identity import people, webhook_brand

from qucheng.connectors import webhook
from qucheng.core import clock, db, outbox
from qucheng.identity import webhook_delivery, webhook_lanes, webhook_message

if TYPE_CHECKING:
    import uuid

    from tests.rooms.identity.webhook_brand import House

pytestmark = pytest.mark.anyio

NOW = people.NOW


async def test_an_event_arrives_signed_and_thin(house: House) -> None:
    made = await house.endpoint()
    await house.told("O-1")
    await house.rounds()
    (hit,) = house.there.hits
    found = webhook_brand.verified(hit, made.secret)
    assert (found["type"], found["data"], sorted(found)) == ("order.paid", {"orderNo": "O-1"}, ["data", "timestamp", "type"])
    assert hit.headers["webhook-id"] == await webhook_brand.number_of(house.brand.id, "O-1")
    assert abs(dt.datetime.fromisoformat(found["timestamp"]) - clock.now()) < dt.timedelta(minutes=1)
    assert await house.states() == [("O-1", "order.paid", "delivered", 1)]
    assert await house.attempts() == [(1, 204, None)]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        webhook_brand.verified(hit, webhook_message.new_secret())


async def test_an_endpoint_gets_its_kinds_and_only_what_is_committed(house: House) -> None:
    await house.endpoint("/paid", ("order.paid",))
    await house.endpoint("/both", ("order.paid", "order.refunded"))
    await house.told("O-1")
    await house.told("O-2", "order.refunded")
    await house.told("O-3", "card.redeemed")
    undone = outbox.tell(brand_id=house.brand.id, kind="order.paid", subject="O-4", data={"orderNo": "x" * 1001})
    with pytest.raises(asyncpg.CheckViolationError):  # noqa: PT012 - the block is what is undone
        async with db.atomic(house.brand.id):
            await outbox.tell(brand_id=house.brand.id, kind="order.paid", subject="O-4", data={})
            await undone
    await house.rounds(2)
    first, second = [await webhook_brand.number_of(house.brand.id, name) for name in ("O-1", "O-2")]
    assert house.there.took("/paid") == [first]
    assert sorted(house.there.took("/both")) == sorted([first, second])
    assert await books.seen(house.brand, "SELECT count(*) FROM outbox_event WHERE pending") == [(0,)]


async def test_what_commits_late_is_not_passed_over(house: House) -> None:
    """The control: who goes on behind the highest number that was seen never sees it."""
    await house.endpoint()
    told, committed = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with db.atomic(house.brand.id):
            await outbox.tell(brand_id=house.brand.id, kind="order.paid", subject="late", data={})
            told.set()
            await committed.wait()

    doing = asyncio.create_task(late())
    await told.wait()
    await house.told("soon")
    await house.rounds()
    seen = "SELECT subject FROM outbox_event WHERE seq > $1 ORDER BY seq"
    ((highest,),) = await books.seen(house.brand, "SELECT max(seq) FROM outbox_event")
    assert house.there.took() == [await webhook_brand.number_of(house.brand.id, "soon")]
    committed.set()
    await doing
    await house.rounds()
    assert await books.seen(house.brand, seen, highest) == []
    assert house.there.took() == [await webhook_brand.number_of(house.brand.id, name) for name in ("soon", "late")]


async def test_of_one_subject_the_next_waits_and_others_do_not(house: House) -> None:
    await house.endpoint()
    house.there.does("/hook", "500 later", "500 later", "204")
    await house.told("A")
    await house.rounds()
    await house.told("A", "order.refunded")
    await house.rounds()
    house.there.does("/hook", "204")
    await house.told("B")
    await house.rounds()
    assert await house.states() == [
        ("A", "order.paid", "waiting", 1),
        ("A", "order.refunded", "queued", 0),
        ("B", "order.paid", "delivered", 1),
    ]
    await house.hurry()
    await house.rounds(2)
    first, other = await webhook_brand.number_of(house.brand.id, "A"), await webhook_brand.number_of(house.brand.id, "B")
    assert house.there.took()[:3] == [first, other, first]
    assert [state for _, _, state, _ in await house.states()] == ["delivered"] * 3
    assert [hit.headers["webhook-id"] for hit in house.there.hits if b"order.refunded" in hit.body] == [house.there.took()[3]]
    with pytest.raises(asyncpg.UniqueViolationError, match="webhook_delivery_one_unique"):
        await books.seen(
            house.brand,
            "UPDATE webhook_delivery SET state = 'waiting', due_at = now(), ended_at = NULL WHERE subject = 'A' RETURNING 1",
        )


async def test_what_is_never_taken_is_given_up_and_the_next_goes_on(house: House) -> None:
    await house.endpoint()
    house.there.does("/hook", "500")
    await house.told("A")
    await house.told("A", "order.refunded")
    waits = []
    for _ in range(webhook_message.MOST_TRIES - 1):
        await house.rounds()
        waits += await books.seen(house.brand, "SELECT due_at - now() FROM webhook_delivery WHERE state = 'waiting'")
        await house.hurry()
    await house.rounds()
    house.there.does("/hook", "204")
    await house.rounds()
    assert await house.states() == [("A", "order.paid", "dead", 10), ("A", "order.refunded", "delivered", 1)]
    assert len(set(house.there.took()[:10])) == 1
    for (waited,), planned in zip(waits, webhook_message.WAITS, strict=True):
        assert planned - dt.timedelta(seconds=30) <= waited <= planned * 11 // 10
    assert sum(webhook_message.WAITS, dt.timedelta()) == dt.timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_event_that_is_taken_up_while_the_one_before_it_ends_is_not_left_behind(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,  # noqa: FBT001
) -> None:
    """Neither sees the other's row before it commits: who takes up waits for who ends."""
    await house.endpoint()
    await house.told("A")
    await webhook_delivery.take_up(brand_id=house.brand.id)
    (sending,) = await webhook_delivery.claim(brand_id=house.brand.id, most=1, now=NOW)
    ended, go_on, advanced = asyncio.Event(), asyncio.Event(), webhook_lanes.advance

    async def slowly(lanes: list[tuple[uuid.UUID, str]]) -> None:
        await advanced(lanes)
        if not ended.is_set():
            ended.set()
            await go_on.wait()

    async def at_once(_brand_id: uuid.UUID) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(webhook_lanes, "advance", slowly)
    if not protected:
        monkeypatch.setattr(webhook_lanes, "share", at_once)
    outcome = webhook_delivery.Outcome(at=NOW, duration_ms=1, status=204)
    ending = asyncio.create_task(webhook_delivery.conclude(sending, outcome))
    await ended.wait()
    await house.told("A", "order.refunded")
    taking = asyncio.create_task(webhook_delivery.take_up(brand_id=house.brand.id))
    await asyncio.wait({taking}, timeout=0.5 if protected else 30)
    go_on.set()
    await asyncio.gather(ending, taking)
    assert [state for _, _, state, _ in await house.states()] == ["delivered", "waiting" if protected else "queued"]


async def test_a_slow_endpoint_gets_four_at_a_time_and_holds_up_no_other(house: House) -> None:
    await house.endpoint("/slow", ("order.paid",))
    await house.endpoint("/quick", ("order.refunded",))
    house.there.does("/slow", "hang")
    for number in range(8):
        await house.told(f"S-{number}")
        await house.told(f"Q-{number}", "order.refunded")
    async with asyncio.timeout(30):
        while len(house.there.took("/quick")) < 8 or len(house.there.took("/slow")) < 4:
            await house.courier.round()
            await asyncio.sleep(0.2)
    await house.courier.round()
    await asyncio.sleep(0.2)
    assert (len(house.there.took("/slow")), len(house.there.took("/quick"))) == (4, 8)
    house.there.open.set()
    await house.courier.settled()


async def test_a_worker_that_is_lost_sends_it_again_under_the_same_number(house: House) -> None:
    await house.endpoint()
    await house.told("A")
    await webhook_delivery.take_up(brand_id=house.brand.id)
    (lost,) = await webhook_delivery.claim(brand_id=house.brand.id, most=9, now=NOW)
    await house.rounds()
    assert house.there.hits == []
    await books.seen(house.brand, "UPDATE webhook_delivery SET lease_until = now() - interval '1 second' RETURNING 1")
    await house.rounds()
    assert house.there.took() == [await webhook_brand.number_of(house.brand.id, "A")]
    assert await house.attempts() == [(1, None, "lost"), (2, 204, None)]
    assert not await webhook_delivery.conclude(lost, webhook_delivery.Outcome(at=NOW, duration_ms=1, status=500))
    assert await house.states() == [("A", "order.paid", "delivered", 2)]


async def test_events_are_let_go_of_after_thirty_days(house: House, owner: asyncpg.Connection) -> None:
    await house.endpoint()
    await house.told("old")
    await house.rounds()
    await house.told("new")
    await house.rounds()
    await owner.execute(
        "UPDATE outbox_event SET at = at - interval '31 days' WHERE brand_id = $1 AND subject = 'old'", house.brand.id
    )
    assert await webhook_delivery.prune(brand_id=house.brand.id, now=clock.now()) == 1
    assert await house.states() == [("new", "order.paid", "delivered", 1)]
    assert await books.seen(house.brand, "SELECT subject FROM outbox_event") == [("new",)]
    await owner.execute("UPDATE outbox_event SET at = at - interval '31 days' WHERE brand_id = $1", house.brand.id)
    assert await webhook_delivery.prune(brand_id=house.brand.id, now=clock.now()) == 1
    assert await house.attempts() == []


async def test_people_of_a_reseller_tell_of_their_sales_and_of_nothing_else(house: House) -> None:
    async with db.atomic(house.brand.id, reseller="R1"):
        await outbox.tell(brand_id=house.brand.id, kind="order.paid", subject="O-1", data={})
    for kind in ("entry.accrued", "statement.published"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with db.atomic(house.brand.id, reseller="R1"):
                await outbox.tell(brand_id=house.brand.id, kind=kind, subject="O-2", data={})
    assert await books.seen(house.brand, "SELECT kind, subject FROM outbox_event") == [("order.paid", "O-1")]


async def test_the_port_without_anything_behind_it_takes_everything() -> None:
    nowhere = webhook.Nowhere()
    answer = await nowhere.send(url="https://hooks.example.com/", headers={"a": "b"}, body=b"{}")
    assert (answer.status, nowhere.sent) == (204, [("https://hooks.example.com/", {"a": "b"}, b"{}")])
