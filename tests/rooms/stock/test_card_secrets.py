"""Card secrets: made, brought, shown and found again; unreadable in the database, and on record before they are seen."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.stock import card_desk

from qucheng.core import audit, crypto, db, ids, task
from qucheng.stock import (
    code,
    delivery_link,
    generate,
    key_rotation,
    rules,
    secret_reveal,
    trace,
)

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
NOW = books.NOW


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await card_desk.opened(tmp_path_factory.mktemp("b") / "brand", "cards", orders=9)


@pytest.fixture(scope="module")
async def actor(brand: Brand, keys: crypto.Keys) -> audit.Actor:
    assert brand
    return await card_desk.somebody(keys)


async def _revealed(brand: Brand, keys: crypto.Keys, actor: audit.Actor, **more: object) -> list[secret_reveal.Shown]:
    wanted = {
        "line_no": "1",
        "viewer": secret_reveal.Viewer(kind="user", id=ids.new_id()),
        "purpose": "the buyer asks",
        "actor": actor,
        "now": NOW,
        **more,
    }
    return await secret_reveal.reveal_line(brand=brand, keys=keys, **wanted)  # type: ignore[arg-type] # as reveal_line() takes them


async def test_a_reveal_is_on_record_and_the_card_never_goes_back(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    batch = await card_desk.stocked(brand, keys, 2, actor)
    cards = await card_desk.delivered(brand, "O-1", 2, actor)
    plain = await card_desk.plain(brand, keys, batch)
    viewer = secret_reveal.Viewer(kind="user", id=ids.new_id())
    shown = await _revealed(brand, keys, actor, order_no="O-1", viewer=viewer, purpose=" the  buyer asks ")
    assert [(each.card, each.code.shown(), each.revealed_at) for each in shown] == [
        (rules.card_id(*card), plain[card[1] - 1], NOW) for card in cards
    ]
    assert await books.seen(brand, "SELECT state, revealed_at FROM card WHERE order_no = 'O-1'") == [("revealed", NOW)] * 2
    assert await books.seen(
        brand, "SELECT batch, number, viewer_kind, viewer, purpose, at FROM card_reveal WHERE batch = $1 ORDER BY number", batch
    ) == [(*card, "user", viewer.id, "the buyer asks", NOW) for card in cards]
    (record,) = await audit.listing(brand_id=brand.id, action="card.reveal", most=1)
    assert (record.user_id, record.after["cards"], record.after["purpose"]) == (
        actor.user_id,
        [rules.card_id(*card) for card in cards],
        "the buyer asks",
    )
    later = NOW + dt.timedelta(hours=1)
    again = await secret_reveal.reveal_card(
        brand=brand, keys=keys, card=rules.card_id(*cards[0]), viewer=viewer, purpose="again", actor=actor, now=later
    )
    # the receipt keeps the first time
    assert (again.code.shown(), again.revealed_at) == (plain[cards[0][1] - 1], NOW)
    with pytest.raises(rules.CardUnknownError):
        await secret_reveal.reveal_card(brand=brand, keys=keys, card="999999-1", viewer=viewer, purpose="x", actor=actor, now=NOW)


async def test_what_is_not_delivered_is_not_shown(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, owner: asyncpg.Connection
) -> None:
    batch = await generate.make_now(brand=brand, keys=keys, sku="card", quantity=1, actor=actor, now=NOW)
    before = await books.everything(owner)
    viewer = secret_reveal.Viewer(kind="user", id=ids.new_id())
    with pytest.raises(secret_reveal.NothingToShowError):
        await secret_reveal.reveal_card(
            brand=brand, keys=keys, card=rules.card_id(batch, 1), viewer=viewer, purpose="x", actor=actor, now=NOW
        )
    with pytest.raises(secret_reveal.NothingToShowError):
        await _revealed(brand, keys, actor, order_no="O-nobody")
    assert await books.everything(owner) == before


async def test_where_nothing_can_be_put_on_record_nothing_is_shown(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, owner: asyncpg.Connection
) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    await card_desk.delivered(brand, "O-2", 2, actor)
    before = await books.everything(owner)
    await owner.execute("REVOKE INSERT ON audit_record FROM qucheng_app")
    try:
        with pytest.raises(secret_reveal.RevealUnrecordedError) as refused:
            await _revealed(brand, keys, actor, order_no="O-2")
    finally:
        await owner.execute("GRANT INSERT ON audit_record TO qucheng_app")
    assert refused.value.status == 503
    assert await books.everything(owner) == before
    # the control: with the record it is shown
    assert len(await _revealed(brand, keys, actor, order_no="O-2")) == 2


async def test_the_quota_of_a_viewer_is_exact(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    await card_desk.delivered(brand, "O-3", 2, actor)
    hour = dt.timedelta(hours=1)
    monkeypatch.setitem(secret_reveal.QUOTAS, "user", ((hour, 4), (dt.timedelta(days=1), 5)))
    viewer = secret_reveal.Viewer(kind="user", id=ids.new_id())
    for _ in range(2):
        assert len(await _revealed(brand, keys, actor, order_no="O-3", viewer=viewer)) == 2
    with pytest.raises(secret_reveal.RevealQuotaError):
        await _revealed(brand, keys, actor, order_no="O-3", viewer=viewer)
    with pytest.raises(secret_reveal.RevealQuotaError):
        await _revealed(brand, keys, actor, order_no="O-3", viewer=viewer, now=NOW + hour + dt.timedelta(seconds=1))
    assert await books.seen(brand, "SELECT count(*) FROM card_reveal WHERE viewer = $1", viewer.id) == [(4,)]
    other = secret_reveal.Viewer(kind="user", id=ids.new_id())
    assert len(await _revealed(brand, keys, actor, order_no="O-3", viewer=other)) == 2


async def test_a_reseller_sees_secrets_only_where_the_brand_lets_it(brand: Brand, keys: crypto.Keys, actor: audit.Actor) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    await card_desk.delivered(brand, "O-4", 2, actor)
    with pytest.raises(secret_reveal.RevealClosedError):
        await _revealed(brand, keys, actor, order_no="O-4", reseller="R1")
    assert await books.seen(brand, "SELECT DISTINCT state FROM card WHERE order_no = 'O-4'") == [("delivered",)]
    await secret_reveal.let_resellers(brand_id=brand.id, may=True, actor=actor, now=NOW)
    with pytest.raises(secret_reveal.NothingToShowError):
        await _revealed(brand, keys, actor, order_no="O-4", reseller="R2")
    assert len(await _revealed(brand, keys, actor, order_no="O-4", reseller="R1")) == 2
    await secret_reveal.let_resellers(brand_id=brand.id, may=False, actor=actor, now=NOW)
    with pytest.raises(secret_reveal.RevealClosedError):
        await _revealed(brand, keys, actor, order_no="O-4", reseller="R1")


@pytest.mark.parametrize("damage", ["flip", "swap"])
async def test_a_blob_that_was_changed_or_exchanged_is_refused_and_nothing_is_said_of_it(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, owner: asyncpg.Connection, damage: str
) -> None:
    order = {"flip": "O-5", "swap": "O-6"}[damage]
    batch = await card_desk.stocked(brand, keys, 2, actor)
    await card_desk.delivered(brand, order, 2, actor)
    change = {
        "flip": "UPDATE card_secret SET blob = set_bit(blob, 200, 1 - get_bit(blob, 200)) WHERE brand_id = $1 AND batch = $2 AND number = 1",
        "swap": "UPDATE card_secret s SET blob = o.blob FROM card_secret o WHERE s.brand_id = $1 AND s.batch = $2 AND o.brand_id = s.brand_id"
        " AND o.batch = s.batch AND o.number = 3 - s.number",
    }[damage]
    with pytest.raises(asyncpg.PostgresError):
        await owner.execute(change, brand.id, batch)
    await owner.execute("ALTER TABLE card_secret DISABLE TRIGGER append_only")
    await owner.execute(change, brand.id, batch)
    await owner.execute("ALTER TABLE card_secret ENABLE TRIGGER append_only")
    with pytest.raises(crypto.SealBrokenError):
        await _revealed(brand, keys, actor, order_no=order)
    assert await books.seen(brand, "SELECT DISTINCT state FROM card WHERE order_no = $1", order) == [("delivered",)]
    assert await books.seen(brand, "SELECT count(*) FROM card_reveal WHERE batch = $1", batch) == [(0,)]


async def test_keys_are_rotated_twice_while_secrets_are_read_and_the_old_ones_let_go(
    brand: Brand, actor: audit.Actor, tmp_path: Path, owner: asyncpg.Connection
) -> None:
    mine = crypto.keys(tmp_path)
    batch = await generate.make_now(
        brand=brand, keys=mine, sku="card", quantity=2, pool=await card_desk.own_pool(brand), actor=actor, now=NOW
    )
    plain = await card_desk.plain(brand, mine, batch)
    # what other keys of this module's database sealed is not this ring's
    await owner.execute("DELETE FROM task WHERE state = 'waiting'")
    others = [number for (number,) in await books.seen(brand, "SELECT batch FROM data_key WHERE batch <> $1", batch)]
    await owner.execute("CREATE TEMP TABLE aside AS SELECT * FROM data_key WHERE batch = ANY ($1::int[])", others)
    await owner.execute("DELETE FROM data_key WHERE batch = ANY ($1::int[])", others)
    try:
        for number in (2, 3):
            assert await key_rotation.rotate(folder=tmp_path, actor=audit.SYSTEM) == number
            # before, between and after the wrapping anew every reader works
            assert await card_desk.plain(brand, mine, batch) == plain
            (waiting,) = await task.listing(kind=key_rotation.REWRAP, states=("waiting",))
            got = await task.claim(waiting.id, worker=ids.new_id(), kinds=[key_rotation.REWRAP])
            assert got is not None
            await key_rotation.rewrap(work=task.Work(got), keys=mine, brands=[brand.id], now=NOW)
            await owner.execute(
                "UPDATE task SET state = 'done', ended_at = now(), lease_until = NULL, worker = NULL WHERE id = $1", got.id
            )
            assert await card_desk.plain(brand, mine, batch) == plain
            held = {(each.key, each.place): each.count for each in await key_rotation.status()}
            assert (held.get((number, "data_key.wrapped")), held.get((number - 1, "data_key.wrapped"))) == (1, None)
    finally:
        await owner.execute("INSERT INTO data_key SELECT * FROM aside")
    assert (mine.numbers, mine.current) == ([1, 2, 3], 3)
    long_ago = time.time() - crypto.SETTLED_SECONDS - 1
    os.utime(tmp_path / "ring.json", (long_ago, long_ago))
    with pytest.raises(crypto.KeyNeededError, match=r"Key 1 is still needed: .* data_key\.wrapped"):
        await key_rotation.retire(folder=tmp_path, number=1, actor=audit.SYSTEM)
    await key_rotation.retire(folder=tmp_path, number=2, actor=audit.SYSTEM)
    assert mine.numbers == [1, 3]
    assert await card_desk.plain(brand, mine, batch) == plain


async def test_a_buyer_s_link_leads_to_what_was_bought_until_another_is_made(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, owner: asyncpg.Connection
) -> None:
    await card_desk.stocked(brand, keys, 2, actor)
    cards = await card_desk.delivered(brand, "O-7", 2, actor)
    async with db.atomic(brand.id):
        address = await delivery_link.make(
            brand_id=brand.id, keys=keys, order_no="O-7", phone="+8613800138000", actor=actor, now=NOW
        )
    token = address.removeprefix("/c/")
    assert len(token) == 43
    link = await delivery_link.find(token=token, now=NOW)
    assert (link.brand_id, link.order_no) == (brand.id, "O-7")
    assert [((each.batch, each.number), each.state) for each in await delivery_link.bought(link)] == [
        (card, "delivered") for card in cards
    ]
    stored = [str(row) for name in await books.tables(owner) for row in await owner.fetch(f"SELECT t::text FROM {name} t")]
    assert [row for row in stored if token in row or "13800138000" in row] == []
    async with db.atomic(brand.id):
        other = await delivery_link.make(brand_id=brand.id, keys=keys, order_no="O-7", phone=None, actor=actor, now=NOW)
    assert other != address
    for gone, at in ((token, NOW), ("x" * 43, NOW), (other.removeprefix("/c/"), NOW + dt.timedelta(days=401))):
        with pytest.raises(delivery_link.LinkUnknownError):
            await delivery_link.find(token=gone, now=at)


async def test_a_card_is_found_by_its_code_its_end_its_order_and_its_batch(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path
) -> None:
    batch = await card_desk.stocked(brand, keys, 2, actor)
    ((order, *_),) = [await card_desk.delivered(brand, "O-8", 2, actor)]
    plain = (await card_desk.plain(brand, keys, batch))[order[1] - 1]
    typed = code.grouped(plain).lower().replace("0", "o")
    (found,) = await trace.by_code(brand_id=brand.id, keys=keys, typed=typed)
    assert (found.batch, found.number, found.order_no, found.state, found.last_four, found.reseller) == (
        *order,
        "O-8",
        "delivered",
        plain[-4:],
        "R1",
    )
    assert found in await trace.by_last_four(brand_id=brand.id, end=plain[-4:].lower())
    assert {(each.batch, each.number) for each in await trace.by_orders(brand_id=brand.id, orders=["O-8"])} == {
        (batch, 1),
        (batch, 2),
    }
    assert len(await trace.by_batch(brand_id=brand.id, batch=batch)) == 2
    assert await trace.by_card(brand_id=brand.id, batch=order[0], number=order[1]) == found
    supplied = await card_desk.sent(brand, keys, tmp_path, b"code\nTrAcE-me-42\n", actor)
    await card_desk.taken_in(brand, keys, tmp_path)
    assert [each.batch for each in await trace.by_code(brand_id=brand.id, keys=keys, typed=" TrAcE me42")] == [supplied]
    assert await trace.by_code(brand_id=brand.id, keys=keys, typed="trace-me-42") == []
    assert await trace.by_code(brand_id=uuid.UUID(int=1), keys=keys, typed=plain) == []
