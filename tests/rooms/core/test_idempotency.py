"""A request that comes twice is done once, and answered the same."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.core import reseller_brand

from qucheng.core import audit, db, errors, idempotency, passing

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

NOW = books.NOW
FIRST, OTHER = idempotency.fingerprint(b"POST", b"first"), idempotency.fingerprint(b"POST", b"other")
ACTS = "SELECT count(*) FROM audit_record WHERE action = 'test.done'"


class TooMuchError(errors.RefusedError):
    code = "test.too_much"
    status = 422


@pytest.fixture
async def brand(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path: Path) -> Brand:
    """With a key for each reseller."""
    assert workspace
    made = await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}"))
    await books.take_in(made, tmp_path / "bundle")
    await reseller_brand.people(owner, made.id, ("R1",))
    await owner.execute("DELETE FROM idempotent_reply")
    return made


async def key_of(brand: Brand) -> uuid.UUID:
    ((found,),) = await books.seen(brand, "SELECT id FROM api_key WHERE scopes = 'orders.read'")
    return uuid.UUID(str(found))


class Deed:
    """What a request does: one record in the trail, and a reply that tells how often."""

    def __init__(self, brand: Brand) -> None:
        self.brand = brand
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()
        self.entered = self.done = 0
        self.reply: dict[str, Any] = {}

    async def __call__(self) -> tuple[int, dict[str, Any]]:
        self.entered += 1
        self.begun.set()
        await self.go_on.wait()
        self.done += 1
        await audit.record(brand_id=self.brand.id, actor=audit.SYSTEM, action="test.done", subject="x")
        return 202, {"number": self.done, **self.reply}


async def once(
    deed: Deed, *, key: str = "k-1", request: bytes = FIRST, key_id: uuid.UUID | None = None, **more: Any
) -> idempotency.Reply:
    return await idempotency.once(
        brand_id=deed.brand.id,
        key_id=key_id or await key_of(deed.brand),
        key=key,
        request=request,
        act=deed,
        actor=audit.SYSTEM,
        now=NOW,
        **more,
    )


async def count(brand: Brand, query: str = ACTS) -> int:
    ((found,),) = await books.seen(brand, query)
    return int(found)


async def test_the_second_time_nothing_is_done_and_the_reply_is_the_same(brand: Brand) -> None:
    deed = Deed(brand)
    first, second = await once(deed), await once(deed)
    assert (first.status, first.body, first.replayed) == (202, b'{"number":1}', False)
    assert (second.status, second.body, second.replayed) == (202, b'{"number":1}', True)
    assert (deed.done, await count(brand)) == (1, 1)
    assert (await once(deed, key="k-2")).body == b'{"number":2}'


async def test_the_key_for_something_else_is_refused(brand: Brand, owner: asyncpg.Connection) -> None:
    deed = Deed(brand)
    await once(deed)
    before = await books.everything(owner)
    with pytest.raises(idempotency.OtherRequestError):
        await once(deed, request=OTHER)
    assert deed.done == 1
    assert await books.everything(owner) == before


async def test_the_use_is_on_record_with_what_was_done(brand: Brand) -> None:
    await once(Deed(brand))
    found = await books.seen(brand, "SELECT action, subject, after FROM audit_record WHERE action = 'api_key.use'")
    after = '{"reply": {"number": 1}, "idempotency_key": "k-1"}'
    assert found == [("api_key.use", str(await key_of(brand)), after)]


async def test_a_refusal_leaves_nothing_and_the_key_free(brand: Brand, owner: asyncpg.Connection) -> None:
    deed = Deed(brand)

    class Refusing(Deed):
        async def __call__(self) -> tuple[int, dict[str, Any]]:
            await super().__call__()
            raise TooMuchError("too much")

    before = await books.everything(owner)
    with pytest.raises(TooMuchError):
        await once(Refusing(brand))
    assert await books.everything(owner) == before
    assert (await once(deed, request=OTHER)).replayed is False


async def test_what_is_only_tried_leaves_nothing(brand: Brand, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    reply = await once(Deed(brand), kept=False)
    assert (reply.status, reply.body) == (202, b'{"number":1}')
    assert await books.everything(owner) == before


@pytest.mark.parametrize("reply", [{"token": "t"}, {"inner": [{"signingSecret": "s"}]}, {"recoveryCodes": []}])
async def test_a_reply_with_a_secret_is_a_fault_and_nothing_is_done(
    brand: Brand, owner: asyncpg.Connection, reply: dict[str, Any]
) -> None:
    deed = Deed(brand)
    deed.reply = reply
    before = await books.everything(owner)
    with pytest.raises(idempotency.SecretInReplyError):
        await once(deed)
    assert await books.everything(owner) == before


async def test_while_the_first_is_at_work_the_second_is_told_to_come_back(brand: Brand) -> None:
    deed = Deed(brand)
    deed.go_on.clear()
    first = asyncio.create_task(once(deed))
    await deed.begun.wait()
    with pytest.raises(idempotency.StillRunningError) as refusal:
        await asyncio.wait_for(once(deed), 5)
    assert (refusal.value.status, refusal.value.retry_after) == (409, 1)
    assert (await once(Deed(brand), key="k-2")).replayed is False  # another key is not held up
    deed.go_on.set()
    assert (await first).replayed is False
    assert (await once(deed)).replayed is True
    assert deed.done == 1


async def test_without_the_lock_both_would_be_at_work(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the deed is begun twice, and only the unique key stops the second at the end."""
    monkeypatch.setattr(idempotency, "LOCK", "SELECT $1 <> ''")
    deed = Deed(brand)
    deed.go_on.clear()
    both = [asyncio.create_task(once(deed)) for _ in range(2)]
    while deed.entered < 2:  # noqa: ASYNC110 - until both are at work
        await asyncio.sleep(0.01)
    deed.go_on.set()
    replies = await asyncio.gather(*both, return_exceptions=True)
    assert deed.done == 2
    assert sorted(type(each).__name__ for each in replies) == ["Reply", "UniqueViolationError"]


async def test_ten_at_once_are_one(brand: Brand) -> None:
    deed = Deed(brand)

    async def until_told() -> idempotency.Reply:
        while True:
            try:
                return await once(deed)
            except idempotency.StillRunningError:
                await asyncio.sleep(0.01)

    replies = await asyncio.gather(*(until_told() for _ in range(10)))
    assert [reply.body for reply in replies] == [b'{"number":1}'] * 10
    assert sum(not reply.replayed for reply in replies) == 1
    assert await count(brand) == 1


async def crossed(brand: Brand) -> tuple[list[idempotency.Reply | BaseException], int]:
    """Two deeds lock the same two things, one this way and one that: the server ends one. What each was answered, and how often they were begun."""
    met, begun = asyncio.Barrier(2), 0

    def deed(number: int) -> Any:
        async def act() -> tuple[int, dict[str, Any]]:
            nonlocal begun
            begun += 1
            for place, thing in enumerate((4711, 4712) if number else (4712, 4711)):
                await db.connection().execute("SELECT pg_advisory_xact_lock($1)", thing)
                if place == 0 and begun <= 2:
                    await met.wait()
            await audit.record(brand_id=brand.id, actor=audit.SYSTEM, action="test.done", subject=str(number))
            return 200, {"number": number}

        return act

    key_id = await key_of(brand)
    work = [
        idempotency.once(brand_id=brand.id, key_id=key_id, key=f"k-{n}", request=FIRST, act=deed(n), actor=audit.SYSTEM, now=NOW)
        for n in range(2)
    ]
    return list(await asyncio.gather(*work, return_exceptions=True)), begun


async def test_of_two_that_stood_in_each_others_way_both_are_done_once(brand: Brand) -> None:
    replies, begun = await crossed(brand)
    assert [(each.status, each.body) for each in replies if isinstance(each, idempotency.Reply)] == [
        (200, b'{"number":0}'), (200, b'{"number":1}'),
    ]  # fmt: skip
    assert begun == 3
    assert await count(brand) == 2
    assert await count(brand, "SELECT count(*) FROM idempotent_reply") == 2


async def test_control_tried_once_one_of_them_fails(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "MOST_TRIES", 1)
    replies, begun = await crossed(brand)
    (failed,) = [each for each in replies if isinstance(each, BaseException)]
    assert passing.passes(failed)
    assert (begun, await count(brand), await count(brand, "SELECT count(*) FROM idempotent_reply")) == (2, 1, 1)


async def test_a_reply_is_of_its_key_and_kept_for_thirty_days(brand: Brand) -> None:
    deed, first, second = Deed(brand), await key_of(brand), uuid.uuid4()
    async with db.atomic(brand.id):
        await db.connection().execute(
            "INSERT INTO api_key (brand_id, id, name, mode, scopes, created_at, created_by, expires_at)"
            " SELECT brand_id, $1, name, mode, scopes, created_at, created_by, expires_at FROM api_key WHERE id = $2",
            second,
            first,
        )
    assert (await once(deed, key_id=first)).replayed is False
    assert (await once(deed, key_id=second)).replayed is False
    month = dt.timedelta(days=30)
    assert await idempotency.prune(brand_id=brand.id, now=NOW + month) == 0
    assert await idempotency.prune(brand_id=brand.id, now=NOW + month + dt.timedelta(seconds=1)) == 2
    assert (await once(deed, key_id=first)).replayed is False


@pytest.mark.parametrize("given", [None, "", "a b", "é", "x" * 256, "a\n"])
def test_a_key_is_needed_and_visible(given: str | None) -> None:
    with pytest.raises(idempotency.MissingError):
        idempotency.require_key(given)
    assert idempotency.require_key("x" * 255) == "x" * 255


def test_a_fingerprint_knows_where_a_part_ends() -> None:
    assert idempotency.fingerprint(b"ab", b"c") != idempotency.fingerprint(b"a", b"bc")
    assert idempotency.fingerprint(b"ab", b"c") == idempotency.fingerprint(b"ab", b"c")
