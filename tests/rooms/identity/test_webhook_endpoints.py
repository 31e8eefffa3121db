"""Endpoints of webhooks: their secrets, their states, and what is sent to them once more."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks
from tests import books, receiver
from tests.rooms.identity import people, webhook_brand

from qucheng.core import clock
from qucheng.identity import webhook_delivery, webhook_endpoint, webhook_log, webhook_message

if TYPE_CHECKING:
    import asyncpg
    from tests.rooms.identity.webhook_brand import House

pytestmark = pytest.mark.anyio

NOW = people.NOW


async def test_while_secrets_change_both_sign(house: House) -> None:
    made = await house.endpoint()
    now = clock.now()
    changed = await webhook_endpoint.rotate(
        keys=house.keys, brand_id=house.brand.id, endpoint_id=made.id, overlap=dt.timedelta(days=1), by=house.owner.user_id,
        actor=people.actor(house.owner), now=now,
    )  # fmt: skip
    await house.told("A")
    await house.rounds()
    for secret in (made.secret, changed.secret):
        assert webhook_brand.verified(house.there.hits[0], secret)["data"] == {"orderNo": "A"}
    with pytest.raises(webhook_endpoint.EndpointStateError):
        await webhook_endpoint.rotate(
            keys=house.keys, brand_id=house.brand.id, endpoint_id=made.id, overlap=dt.timedelta(0), by=house.owner.user_id,
            actor=people.actor(house.owner), now=now,
        )  # fmt: skip
    await webhook_endpoint.end_old(brand_id=house.brand.id, endpoint_id=made.id, actor=people.actor(house.owner), now=clock.now())
    await house.told("B")
    await house.rounds()
    assert webhook_brand.verified(house.there.hits[1], changed.secret)["data"] == {"orderNo": "B"}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        webhook_brand.verified(house.there.hits[1], made.secret)


async def test_a_paused_endpoint_waits_and_a_deleted_one_is_forgotten(house: House) -> None:
    made = await house.endpoint()
    acting: dict[str, Any] = {"brand_id": house.brand.id, "endpoint_id": made.id, "actor": people.actor(house.owner)}
    await house.told("A")
    await webhook_delivery.take_up(brand_id=house.brand.id)
    await webhook_endpoint.pause(**acting, now=NOW)
    await house.told("A", "order.refunded")
    await house.rounds()
    assert (house.there.hits, [state for _, _, state, _ in await house.states()]) == ([], ["queued", "queued"])
    with pytest.raises(webhook_endpoint.EndpointStateError):
        await webhook_endpoint.test(**acting)
    await webhook_endpoint.resume(**acting, now=NOW)
    await house.rounds(2)
    assert [b"refunded" in hit.body for hit in house.there.hits] == [False, True]
    await house.told("B")
    await webhook_delivery.take_up(brand_id=house.brand.id)
    await webhook_endpoint.delete(**acting, now=NOW)
    await house.told("C")
    await house.rounds()
    assert len(house.there.hits) == 2
    assert [(subject, state) for subject, _, state, _ in await house.states()] == [
        ("A", "delivered"),
        ("A", "delivered"),
        ("B", "dropped"),
    ]
    for call in (webhook_endpoint.pause, webhook_endpoint.resume, webhook_endpoint.delete):
        with pytest.raises(webhook_endpoint.EndpointStateError):
            await call(**acting, now=NOW)
    actions = await books.seen(house.brand, "SELECT action FROM audit_record WHERE action LIKE 'webhook.%' ORDER BY at, id")
    assert [action for (action,) in actions] == ["webhook.create", "webhook.pause", "webhook.resume", "webhook.delete"]


async def test_a_receiver_that_is_gone_is_left_and_the_owners_are_told(house: House) -> None:
    made = await house.endpoint()
    house.there.does("/hook", "410", "204")
    for subject in ("A", "A", "A"):
        await house.told(subject)
    await house.rounds(2)
    await house.told("B")
    await house.rounds()
    assert len(house.there.hits) == 1
    assert [(state, attempt) for _, _, state, attempt in await house.states()] == [("dead", 1), ("dead", 0), ("dead", 0)]
    found = await webhook_endpoint.read(brand_id=house.brand.id, endpoint_id=made.id, now=NOW)
    assert found.state == "disabled"
    told = await books.seen(house.brand, "SELECT user_id, kind, content ->> 'host' FROM notification")
    assert told == [(house.owner.user_id, "webhook.disabled", f"{receiver.NAME}:{house.there.port}")]
    await webhook_endpoint.resume(brand_id=house.brand.id, endpoint_id=made.id, actor=people.actor(house.owner), now=NOW)
    count = await webhook_log.replay_dead(
        brand_id=house.brand.id, since=clock.now() - dt.timedelta(hours=1), endpoint_id=None, actor=people.actor(house.owner)
    )
    await house.rounds(3)
    assert (count, len(house.there.hits), len(set(house.there.took()))) == (3, 4, 3)


async def test_one_is_sent_once_more_under_its_number(house: House) -> None:
    made = await house.endpoint()
    await house.told("A")
    await house.rounds()
    ((event,),) = await books.seen(house.brand, "SELECT seq FROM outbox_event")
    again = {"brand_id": house.brand.id, "endpoint_id": made.id, "event": event, "actor": people.actor(house.owner)}
    await webhook_log.replay(**again)
    with pytest.raises(webhook_log.DeliveryStateError):
        await webhook_log.replay(**again)
    await house.rounds()
    assert house.there.took() == [await webhook_brand.number_of(house.brand.id, "A")] * 2
    assert house.there.hits[0].body == house.there.hits[1].body
    found = await webhook_log.read(brand_id=house.brand.id, endpoint_id=made.id, event=event)
    assert [(each.number, each.status) for each in found.attempts] == [(2, 204), (1, 204)]
    assert found.body.encode() == house.there.hits[0].body


async def test_a_test_event_goes_to_one_endpoint_and_behind_nothing(house: House) -> None:
    made = await house.endpoint("/one", ("order.paid",))
    await house.endpoint("/two")
    await webhook_endpoint.test(brand_id=house.brand.id, endpoint_id=made.id, actor=people.actor(house.owner))
    await house.rounds()
    (hit,) = house.there.hits
    found = webhook_brand.verified(hit, made.secret)
    assert (hit.path, found["type"], found["data"]) == ("/one", "webhook.test", {"endpointId": str(made.id)})


async def test_ten_endpoints_and_no_more(house: House) -> None:
    made = [await house.endpoint(f"/{number}") for number in range(webhook_endpoint.MOST)]
    with pytest.raises(webhook_endpoint.TooManyEndpointsError):
        await house.endpoint("/more")
    assert len(await webhook_endpoint.listing(brand_id=house.brand.id, now=NOW)) == 10
    await webhook_endpoint.delete(brand_id=house.brand.id, endpoint_id=made[0].id, actor=people.actor(house.owner), now=NOW)
    await house.endpoint("/more")
    assert len(await webhook_endpoint.listing(brand_id=house.brand.id, now=NOW, deleted=True)) == 11


UNFIT = (
    ("http://hooks.example.com/", ("order.paid",), ["url"]),
    ("https://10.0.0.1/", ("order.paid",), ["url"]),
    ("https://hooks.example.com/", (), ["kinds"]),
    ("https://hooks.example.com/", ("order.paid", "webhook.test"), ["kinds"]),
    ("https://user@hooks.example.com/", ("everything",), ["url", "kinds"]),
)


async def test_what_cannot_be_an_endpoint_is_refused(house: House) -> None:
    for url, kinds, fields in UNFIT:
        assert [refusal.field for refusal in webhook_endpoint.unfit(url=url, kinds=kinds, allowed=())] == fields
        with pytest.raises(webhook_endpoint.EndpointUnfitError):
            await webhook_endpoint.create(
                keys=house.keys, brand_id=house.brand.id, url=url, kinds=kinds, allowed=(), created_by=house.owner.user_id,
                actor=people.actor(house.owner), now=NOW,
            )  # fmt: skip
    assert await books.seen(house.brand, "SELECT id FROM webhook_endpoint") == []


async def test_a_secret_is_in_no_row_and_no_word_of_it(house: House, owner: asyncpg.Connection) -> None:
    made = await house.endpoint()
    house.there.does("/hook", "500")
    await house.told("A")
    await house.rounds()
    bare = made.secret.removeprefix(webhook_message.SECRET_PREFIX)
    for name in await books.tables(owner):
        found = await owner.fetchval(f"SELECT count(*) FROM {name} r WHERE strpos(r::text, $1) > 0", bare)
        assert found == 0, name
    ((cipher,),) = await books.seen(house.brand, "SELECT cipher FROM webhook_secret")
    assert house.keys.open(cipher, place=webhook_endpoint.place(made.id, 1)).decode() == made.secret
