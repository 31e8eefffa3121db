"""A key that goes: everything it has sealed is sealed anew while everything goes on, and opens afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk as network_desk
from tests.rooms.orders import sales_desk

from qucheng.campaigns import consumer
from qucheng.core import audit, clock, crypto, db, ids, letter, resealing, task
from qucheng.identity import api_key, invitation, invitation_row, role_request, second_factor, webhook_endpoint
from qucheng.network import application, identity_facts
from qucheng.orders import delivery, rules, sale
from qucheng.stock import batch_import, key_rotation, text_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
LINE = rules.LineIn(line_no="1", sku="tea", quantity=1, gross_minor=2_680)
A, B, TEXT = uuid.UUID(int=1), uuid.UUID(int=2), "x-1"
PLACES = {
    "invitation.login_cipher": invitation_row.place(A),
    "role_request.login_cipher": invitation_row.place(A),
    "api_secret.signing_cipher": api_key.place(A, 2),
    "webhook_secret.cipher": webhook_endpoint.place(A, 2),
    "application.facts_cipher": application.place(A),
    "reseller_identity.facts_cipher": identity_facts.place(B, TEXT),
    "text_message.to_cipher": text_message._place("to", A),
    "text_message.values_cipher": text_message._place("values", A),
    "card_intake.wrapped": batch_import._place(B, A),
    "consumer.phone_cipher": consumer._place(A),
    "sale.phone_cipher": delivery.phone_place(B, TEXT),
    "sale.mail_cipher": delivery.mail_place(B, TEXT),
}
FIELDS = dict.fromkeys(("id", "user_id", "invitation", "key", "endpoint", "file"), A) | {
    "brand_id": B, "number": 2, "reseller": TEXT, "order_no": TEXT,
}  # fmt: skip


def test_a_place_is_the_one_that_its_writer_names() -> None:
    listed = {f"{each.table}.{each.column}": each for each in resealing.COLUMNS}
    for name, place in PLACES.items():
        assert listed[name].place.format(**FIELDS) == place


@dataclasses.dataclass(frozen=True)
class Stage:
    keys: crypto.Keys
    ring: Path
    desk: sales_desk.Desk
    owner: str


@pytest.fixture
async def stage(books_home: tuple[str, str], tmp_path: Path) -> AsyncIterator[Stage]:
    """A database in which one ring has sealed everything, with values in the columns that people and machines fill."""
    async with books.fresh(books_home, pool_size=12) as made:
        ring = tmp_path / "keys"
        keys = crypto.keys(ring)
        _, desk = await sales_desk.opened(keys, tmp_path / "shop", setting=sales_desk.ON)
        await desk.tell(await desk.begun(email="payer@example.com"))
        await _people(keys, desk.brand)
        yield Stage(keys, ring, desk, made.owner)


async def _people(keys: crypto.Keys, brand: Brand) -> None:
    owner = await people.member(keys, brand.id, "owner")
    await second_factor.begin(keys=keys, user_id=owner.user_id, login="a@example.com")
    acts: dict[str, Any] = {"keys": keys, "actor": people.actor(owner), "now": clock.now()}
    await invitation.invite(
        principal=owner, brand_id=brand.id, login="seller@example.com", role="admin", reseller="G1", locale="en", **acts
    )
    await role_request.ask(principal=owner, login="clerk@example.com", role="support", locale="en", **acts)
    given: dict[str, Any] = {"brand_id": brand.id, "created_by": owner.user_id, **acts}
    await api_key.create(
        name="shop",
        mode="live",
        reseller=None,
        scopes={"orders.write"},
        networks=(),
        expires_at=clock.now() + dt.timedelta(days=9),
        **given,
    )
    await webhook_endpoint.create(url="https://hooks.example.com/in", kinds={"order.paid"}, allowed=(), **given)
    current = await network_desk.agreed(brand)
    asked = await network_desk.applied(keys, brand, current, channels=("wechat",))
    async with db.atomic(brand.id):
        tier = await db.connection().fetchval("SELECT code FROM tier ORDER BY rank LIMIT 1")
    await network_desk.approved(keys, brand, owner, asked, network_desk.chosen("NEW", tier=tier, channels=("wechat",)))
    async with db.atomic(brand.id):
        await letter.write(keys=keys, kind="delivery", locale="en", to="a@example.com", values={"path": "/c/x"}, now=clock.now())
        await text_message.write(
            keys=keys, brand_id=brand.id, kind="code", locale="en", to="+8613805712264", values={"code": "1"}, now=clock.now()
        )
        await consumer.start(
            brand=brand, keys=keys, subject=consumer.subject_of("+8613805712264"), phone="+8613805712264", way="phone", before=None,
            actor=audit.SYSTEM, now=clock.now(),
        )  # fmt: skip


async def _opened(at: Stage) -> dict[str, list[tuple[int, bytes]]]:
    """By column, of every value the key, and what it opens to."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for column in resealing.COLUMNS:
        for brand_id in (at.desk.brand.id, audit.PLATFORM) if column.of_brand else (None,):
            async with db.atomic(brand_id):
                rows = await db.connection().fetch(
                    f"SELECT to_jsonb(t)::text AS row, {column.column} AS sealed FROM {column.table} t WHERE {column.column} IS NOT NULL"
                )
            for row in rows:
                place = column.place.format(**json.loads(row["row"]))
                value = int.from_bytes(row["sealed"][1:3], "big"), at.keys.open(row["sealed"], place=place)
                found.setdefault(f"{column.table}.{column.column}", []).append(value)
    return found


async def _sold(at: Stage, stop: asyncio.Event) -> int:
    """Orders with their buyers, people and their changes, until it is over; every one must go through."""
    count = 0
    while not stop.is_set():
        brand, count = at.desk.brand, count + 1
        order_no = f"L-{uuid.uuid4().hex[:12]}"
        await sale.place(
            brand=brand, order_no=order_no, lines=[LINE], reseller="G1", channel="wechat", source="page", keys=at.keys,
            phone="+8613805712264", email="li@example.com", actor=audit.SYSTEM, now=clock.now(),
        )  # fmt: skip
        async with db.atomic(brand.id):
            reached = await delivery.reached(keys=at.keys, brand_id=brand.id, order_no=order_no)
        assert (reached.phone, reached.email) == ("+8613805712264", "li@example.com")
        await people.person(at.keys)
    return count


async def test_two_rotations_under_load_and_everything_opens(stage: Stage) -> None:
    """The control: before the work is done the key is needed, and its end would lose what it holds."""
    rows = await books.seen(stage.desk.brand, "SELECT name || '.' || col FROM sealed_columns()")
    assert {name for (name,) in rows} == {*(f"{each.table}.{each.column}" for each in resealing.COLUMNS), "data_key.wrapped"}
    before = await _opened(stage)
    plain = {name: sorted(value for _, value in values) for name, values in before.items()}
    assert set(before) == {f"{each.table}.{each.column}" for each in resealing.COLUMNS} - {"card_intake.wrapped"}
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        sellers = [group.create_task(_sold(stage, stop)) for _ in range(3)]
        for number in (2, 3):
            assert await key_rotation.rotate(folder=stage.ring, actor=audit.SYSTEM) == number
            await asyncio.sleep(0.5)
            await _work(stage)
        stop.set()
    assert min(seller.result() for seller in sellers) > 0
    await _work(stage)
    after = await _opened(stage)
    assert {key for values in after.values() for key, _ in values} == {3}
    for name, values in plain.items():
        left = [value for _, value in after[name]]
        assert [value for value in values if value not in left] == [], name
    long_ago = time.time() - crypto.SETTLED_SECONDS - 1
    os.utime(stage.ring / crypto.RING, (long_ago, long_ago))
    for number in (1, 2):
        await key_rotation.retire(folder=stage.ring, number=number, actor=audit.SYSTEM)
        os.utime(stage.ring / crypto.RING, (long_ago, long_ago))
    assert crypto.keys(stage.ring).numbers == [3]
    fresh = dataclasses.replace(stage, keys=crypto.keys(stage.ring))
    assert set(await _opened(fresh)) == set(after)


async def test_what_is_left_keeps_its_key_and_has_the_work_done_again(stage: Stage) -> None:
    """Also what does not open: it is left alone, and its key stays."""
    await key_rotation.rotate(folder=stage.ring, actor=audit.SYSTEM)
    long_ago = time.time() - crypto.SETTLED_SECONDS - 1
    os.utime(stage.ring / crypto.RING, (long_ago, long_ago))
    await _work(stage)
    async with books.connected(stage.owner) as owner:
        await owner.execute(
            "UPDATE person SET name_cipher = set_byte(set_byte(name_cipher, 2, 1), 20, get_byte(name_cipher, 20) # 1)"
        )
    with pytest.raises(crypto.KeyNeededError, match=r"Key 1 is still needed: [0-9]+ in person\.name_cipher\. "):
        await key_rotation.retire(folder=stage.ring, number=1, actor=audit.SYSTEM)
    await _work(stage)
    held = {(each.key, each.place) for each in await key_rotation.status() if each.key == 1}
    assert held == {(1, "person.name_cipher")}


async def test_only_the_same_value_takes_its_place(stage: Stage) -> None:
    """By the app's own role: no other length, key or row, no other column, and nothing of another brand."""
    async with db.atomic(stage.desk.brand.id):
        key, old = await db.connection().fetchrow(
            "SELECT jsonb_build_object('brand_id', brand_id, 'order_no', order_no)::text, phone_cipher FROM sale"
        )
    await key_rotation.rotate(folder=stage.ring, actor=audit.SYSTEM)
    fresh = stage.keys.seal(b"+8613900000000", place="x")
    assert len(fresh) == len(old)
    wrong = [
        ("sale", "phone_cipher", old, fresh + b"x"),
        ("sale", "phone_cipher", old, old),
        ("sale", "content_sha256", old, fresh),
        ("person", "password_hash", old, fresh),
    ]
    for table, column, was, becomes in wrong:
        with pytest.raises(asyncpg.PostgresError):
            async with db.atomic(stage.desk.brand.id):
                await db.connection().execute("SELECT reseal($1, $2, $3::jsonb, $4, $5)", table, column, key, was, becomes)
    for brand_id, was in ((audit.PLATFORM, old), (stage.desk.brand.id, fresh)):
        async with db.atomic(brand_id):
            other = stage.keys.seal(b"+8613900000000", place="y") if was is fresh else fresh
            with contextlib.suppress(asyncpg.CheckViolationError):
                assert (
                    await db.connection().fetchval("SELECT reseal('sale', 'phone_cipher', $1::jsonb, $2, $3)", key, was, other)
                    is False
                )
    async with db.atomic(stage.desk.brand.id):
        assert await db.connection().fetchval("SELECT phone_cipher FROM sale") == old
    for statement in (
        "UPDATE sale SET phone_cipher = $1",
        "UPDATE reseller_identity SET facts_cipher = $1",
        "UPDATE invitation SET login_cipher = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.atomic(stage.desk.brand.id):
                await db.connection().execute(statement, fresh)
    # the app may wipe this column, and does not write another value of the same form into it
    with pytest.raises(asyncpg.RestrictViolationError):
        async with db.atomic(stage.desk.brand.id):
            await db.connection().execute(
                "UPDATE application SET facts_cipher = set_byte(facts_cipher, 2, get_byte(facts_cipher, 2) # 1)"
            )


async def _work(at: Stage) -> None:
    """The waiting task, done by a worker."""
    async with db.atomic(audit.PLATFORM):
        await task.add(kind=key_rotation.REWRAP, queue="rest", key=key_rotation.REWRAP)
    (waiting,) = await task.listing(kind=key_rotation.REWRAP, states=("waiting",))
    got = await task.claim(waiting.id, worker=ids.new_id(), kinds=[key_rotation.REWRAP])
    assert got is not None
    work = task.Work(got)
    await key_rotation.rewrap(work=work, keys=at.keys, brands=[at.desk.brand.id], now=clock.now())
    async with work.finishing():
        pass
