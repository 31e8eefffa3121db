"""The trail cannot be changed, cut, or added to without the chain showing it; sealing survives a crash and a second sealer."""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books

from qucheng.core import audit, audit_heads, db

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ACTOR = audit.Actor(user_id=None, role="accountant", network="198.51.100.0/24", request_id="r-1")
HOURS = dt.timedelta(hours=2)


@pytest.fixture
async def brand(tmp_path_factory: pytest.TempPathFactory) -> Brand:
    return await books.found(books.write(tmp_path_factory.mktemp("b") / "bundle", code=f"b-{uuid.uuid4().hex[:20]}"))


async def act(brand: Brand, *subjects: str) -> None:
    for subject in subjects:
        async with db.atomic(brand.id):
            await audit.record(
                brand_id=brand.id,
                actor=ACTOR,
                action="test.act",
                subject=subject,
                before={"amount_minor": 1},
                after={"amount_minor": 2},
            )


async def chain(brand: Brand) -> list[tuple[int, str]]:
    """Number and subject of each link."""
    query = "SELECT s.number, r.subject FROM audit_seal s JOIN audit_record r ON r.id = s.record ORDER BY 1"
    return [(row[0], row[1]) for row in await books.seen(brand, query)]


@contextlib.asynccontextmanager
async def unguarded(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """What the owner of the tables can do who wants to: no triggers, no reference."""
    reference = await owner.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'audit_seal_record_reference'"
    )
    await owner.execute(
        "ALTER TABLE audit_record DISABLE TRIGGER append_only; ALTER TABLE audit_seal DISABLE TRIGGER append_only"
    )
    await owner.execute("ALTER TABLE audit_seal DROP CONSTRAINT audit_seal_record_reference")
    try:
        yield
    finally:
        await owner.execute(f"ALTER TABLE audit_seal ADD CONSTRAINT audit_seal_record_reference {reference} NOT VALID")
        await owner.execute(
            "ALTER TABLE audit_record ENABLE TRIGGER append_only; ALTER TABLE audit_seal ENABLE TRIGGER append_only"
        )


async def broken(brand: Brand, kept: list[audit.Head] | None = None) -> tuple[int | None, str] | None:
    found = await audit.verify(brand.id, kept=kept)
    return None if found is None else (found.number, found.what)


async def test_what_is_done_is_on_record_with_it(brand: Brand, owner: asyncpg.Connection) -> None:
    with pytest.raises(RuntimeError):
        async with db.atomic(brand.id):
            await audit.record(brand_id=brand.id, actor=ACTOR, action="test.act", subject="undone")
            raise RuntimeError
    before = await owner.fetchval("SELECT clock_timestamp()")
    await act(brand, "done")
    (found,) = await audit.listing(brand_id=brand.id)
    assert before < found.at < await owner.fetchval("SELECT clock_timestamp()")
    assert (found.subject, found.before, found.after) == ("done", {"amount_minor": 1}, {"amount_minor": 2})
    assert (found.user_id, found.role, found.network, found.request_id) == (None, "accountant", "198.51.100.0/24", "r-1")


async def test_no_secret_is_on_record(brand: Brand) -> None:
    async with db.atomic(brand.id):
        await audit.record(
            brand_id=brand.id,
            actor=ACTOR,
            action="test.act",
            subject="x",
            after={"newPassword": "a", "keys": [{"signing_secret": "b", "name": "c"}], "csrfToken": "d", "n": 1},
        )
    (found,) = await audit.listing(brand_id=brand.id)
    assert found.after == {"newPassword": "***", "keys": [{"signing_secret": "***", "name": "c"}], "csrfToken": "***", "n": 1}


async def test_the_list_is_paged_and_narrowed(brand: Brand) -> None:
    await act(brand, *"abcde")
    first = await audit.listing(brand_id=brand.id, most=2)
    second = await audit.listing(brand_id=brand.id, most=2, before=(first[-1].at, first[-1].id))
    assert [each.subject for each in first + second] == ["e", "d", "c", "b"]
    assert await audit.listing(brand_id=brand.id, action="other.act") == []
    assert await audit.listing(brand_id=brand.id, user_id=uuid.uuid4()) == []


@pytest.mark.parametrize("column", ["at", "id"])
async def test_the_app_neither_chooses_the_time_nor_changes_anything(brand: Brand, column: str) -> None:
    await act(brand, "a")
    insert = "INSERT INTO audit_record (brand_id, id, role, action, subject, at) VALUES ($1, gen_random_uuid(), 'x', 'a.b', 'x', now())"
    for statement, values in (
        (insert, [brand.id]),
        (f"UPDATE audit_record SET {column} = {column}", []),
        ("DELETE FROM audit_record", []),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.atomic(brand.id):
                await db.connection().execute(statement, *values)


async def test_each_trail_has_a_chain_of_its_own(brand: Brand, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = await books.found(books.write(tmp_path_factory.mktemp("o") / "b", code=f"o-{uuid.uuid4().hex[:20]}"))
    await act(brand, "a", "b")
    await act(other, "c")
    async with db.atomic(audit.PLATFORM):
        await audit.record(brand_id=audit.PLATFORM, actor=audit.SYSTEM, action="test.act", subject="of the platform")
    await audit.seal_all()
    assert (await chain(brand), await chain(other)) == ([(1, "a"), (2, "b")], [(1, "c")])
    assert {head.brand_id for head in await audit.heads()} >= {brand.id, other.id, audit.PLATFORM}
    assert await audit.verify_all() == []


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
async def test_batches_make_one_chain(brand: Brand, batch: int) -> None:
    await act(brand, *"abcdef")
    assert await audit.seal(brand.id, batch=batch) == 6
    assert await audit.seal(brand.id, batch=batch) == 0
    await act(brand, "g")
    assert await audit.seal(brand.id, batch=batch) == 1
    assert await chain(brand) == list(enumerate("abcdefg", start=1))
    assert await audit.verify(brand.id, batch=batch) is None


async def test_two_sealers_make_one_chain(brand: Brand) -> None:
    await act(brand, *"abcdefghijkl")
    assert sum(await asyncio.gather(*(audit.seal(brand.id, batch=2) for _ in range(4)))) == 12
    assert [number for number, _ in await chain(brand)] == list(range(1, 13))
    assert await broken(brand) is None


async def test_control_without_the_lock_they_collide(brand: Brand, workspace: books.Workspace) -> None:
    await act(brand, "a")
    async with books.connected(workspace.owner) as owner:
        whole = await owner.fetchval("SELECT pg_get_functiondef('lock_brand'::regproc)")
        await owner.execute(
            "CREATE OR REPLACE FUNCTION lock_brand(brand uuid, subject text) RETURNS void LANGUAGE sql AS 'SELECT'"
        )
        # between reading the end of the chain and adding to it: each has read long before the first has added
        await owner.execute(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'"
        )
        await owner.execute("CREATE TRIGGER linger BEFORE INSERT ON audit_seal FOR EACH STATEMENT EXECUTE FUNCTION linger()")
        try:
            await asyncio.gather(*(broken(brand) for _ in range(4)))  # so many connections are open
            found = await asyncio.gather(*(audit.seal(brand.id) for _ in range(4)), return_exceptions=True)
        finally:
            await owner.execute("DROP FUNCTION linger() CASCADE")
            await owner.execute(whole)
    # of those that read the same end of the chain one has added to it; the keys of the table refuse the others
    assert "UniqueViolationError" in {type(each).__name__ for each in found}
    assert await broken(brand) is None


async def test_one_that_is_committed_late_is_sealed_late(brand: Brand) -> None:
    committed = asyncio.Event()

    async def slow() -> None:
        async with db.atomic(brand.id):
            await audit.record(brand_id=brand.id, actor=ACTOR, action="test.act", subject="slow")
            await committed.wait()

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.2)
    await act(brand, "quick")
    assert await audit.seal(brand.id) == 1
    committed.set()
    await task
    assert await audit.seal(brand.id) == 1
    assert await chain(brand) == [(1, "quick"), (2, "slow")]
    assert await broken(brand) is None


CHANGES = {
    "subject": ("UPDATE audit_record SET subject = 'C' WHERE id = $1", (3, "the record was changed")),
    "after": ("UPDATE audit_record SET after = '{}' WHERE id = $1", (3, "the record was changed")),
    "before": ("UPDATE audit_record SET before = NULL WHERE id = $1", (3, "the record was changed")),
    "user": ("UPDATE audit_record SET role = 'owner' WHERE id = $1", (3, "the record was changed")),
    "time": ("UPDATE audit_record SET at = at + interval '1 microsecond' WHERE id = $1", (3, "the record was changed")),
    "network": ("UPDATE audit_record SET network = '203.0.113.0/24' WHERE id = $1", (3, "the record was changed")),
    "request": ("UPDATE audit_record SET request_id = NULL WHERE id = $1", (3, "the record was changed")),
    "approval": ("UPDATE audit_record SET approval = gen_random_uuid() WHERE id = $1", (3, "the record was changed")),
    "record gone": ("DELETE FROM audit_record WHERE id = $1", (3, "the record is missing")),
    "link gone": ("DELETE FROM audit_seal WHERE record = $1", (3, "the link is missing")),
    "link changed": ("UPDATE audit_seal SET hash = sha256('x') WHERE record = $1", (3, "the record was changed")),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_named_by_its_link(brand: Brand, owner: asyncpg.Connection, change: str) -> None:
    await act(brand, *"abcde")
    await audit.seal(brand.id)
    assert await broken(brand) is None
    record = await owner.fetchval("SELECT id FROM audit_record WHERE brand_id = $1 AND subject = 'c'", brand.id)
    statement, wanted = CHANGES[change]
    with pytest.raises(asyncpg.PostgresError):  # what stands in the way of everybody who does not switch it off
        await owner.execute(statement, record)
    async with unguarded(owner):
        await owner.execute(statement, record)
    assert await broken(brand) == wanted
    assert await audit.verify(brand.id, batch=2) == await audit.verify(brand.id)


async def test_of_several_changes_the_first_is_named(brand: Brand, owner: asyncpg.Connection) -> None:
    await act(brand, *"abcde")
    await audit.seal(brand.id)
    async with unguarded(owner):
        await owner.execute(
            "UPDATE audit_record SET subject = upper(subject) WHERE brand_id = $1 AND subject IN ('b', 'd')", brand.id
        )
    assert await broken(brand) == (2, "the record was changed")


@pytest.mark.parametrize("sealed_again", [False, True])
async def test_a_record_put_in_afterwards_is_named(brand: Brand, owner: asyncpg.Connection, *, sealed_again: bool) -> None:
    await act(brand, "a", "b")
    await audit.seal(brand.id)
    await owner.execute(
        "INSERT INTO audit_record (brand_id, id, at, role, action, subject) VALUES ($1, gen_random_uuid(), now() - $2::interval, 'x', 'a.b', 'put in')",
        brand.id,
        HOURS,
    )
    if sealed_again:
        await act(brand, "c")
        assert await audit.seal(brand.id) == 1
    assert await broken(brand) == (None, "the record was inserted")


async def test_a_record_put_in_with_a_link_of_its_own_is_named(brand: Brand, owner: asyncpg.Connection) -> None:
    """Whoever knows how links are made can make one; not that it is older than those before it."""
    await act(brand, "a", "b")
    await audit.seal(brand.id)
    record = await owner.fetchval(
        "INSERT INTO audit_record (brand_id, id, at, role, action, subject) VALUES ($1, gen_random_uuid(), now() - $2::interval, 'x', 'a.b', 'put in')"
        " RETURNING id",
        brand.id,
        HOURS,
    )
    last = await owner.fetchval("SELECT hash FROM audit_seal WHERE brand_id = $1 AND number = 2", brand.id)
    row = await owner.fetchrow(f"SELECT {audit.RECORD} FROM audit_record r WHERE id = $1", record)
    await owner.execute("INSERT INTO audit_seal VALUES ($1, 3, $2, $3)", brand.id, record, audit.link(last, brand.id, 3, row))
    assert await broken(brand) == (3, "the record was inserted")


async def test_a_chain_made_anew_shows_against_a_head_that_was_kept(
    brand: Brand, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await act(brand, "a", "b", "c")
    await audit.seal(brand.id)
    heads = [head for head in await audit.heads() if head.brand_id == brand.id]
    assert [(head.number, len(head.hash)) for head in heads] == [(3, 64)]
    assert (audit_heads.keep(tmp_path / "audit", heads), audit_heads.keep(tmp_path / "audit", heads)) == (1, 0)
    file = tmp_path / "audit" / "heads.jsonl"
    assert (file.stat().st_mode & 0o777, len(file.read_bytes().splitlines())) == (0o600, 1)
    async with unguarded(owner):
        await owner.execute("DELETE FROM audit_seal WHERE brand_id = $1", brand.id)
        await owner.execute("DELETE FROM audit_record WHERE brand_id = $1 AND subject = 'c'", brand.id)
    await audit.seal(brand.id)
    kept = audit_heads.kept(tmp_path / "audit")
    assert await broken(brand) is None
    assert await broken(brand, kept) == (3, "the chain is shorter than it was")
    await act(brand, "d")
    await audit.seal(brand.id)
    assert await broken(brand, kept) == (3, "the chain is not the one that was kept")


def test_a_head_that_was_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    head = audit.Head(brand_id=audit.PLATFORM, number=1, hash="00")
    audit_heads.keep(tmp_path, [head])
    with (tmp_path / "heads.jsonl").open("ab") as out:
        out.write(b'{"brand_id":')
    assert audit_heads.kept(tmp_path) == [head]
    assert audit_heads.kept(tmp_path / "nowhere") == []


KILLED = """
import asyncio, os, signal, sys, uuid
from qucheng.core import audit, db
async def main():
    calls = 0
    whole = audit._seal_batch
    async def once_more(brand_id, batch):
        nonlocal calls
        count = await whole(brand_id, batch)
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)  # written, not committed
        return count
    audit._seal_batch = once_more
    async with db.connected(sys.argv[1]):
        await audit.seal(uuid.UUID(sys.argv[2]), batch=2)
asyncio.run(main())
"""


async def test_a_sealer_that_is_killed_loses_nothing(brand: Brand, workspace: books.Workspace) -> None:
    await act(brand, *"abcdefgh")
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, workspace.app, str(brand.id)], check=False, timeout=60, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert await chain(brand) == list(enumerate("abcd", start=1))
    assert await audit.seal(brand.id) == 4
    assert await chain(brand) == list(enumerate("abcdefgh", start=1))
    assert await broken(brand) is None


async def test_a_link_is_a_hash_over_the_whole_record(brand: Brand, owner: asyncpg.Connection) -> None:
    """Recomputed here from what the database holds, without the product's own code."""
    await act(brand, "a")
    await audit.seal(brand.id)
    row = await owner.fetchrow(
        "SELECT r.*, s.hash, s.number, to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') AS iso FROM audit_seal s JOIN audit_record r ON r.id = s.record"
        " WHERE s.brand_id = $1",
        brand.id,
    )
    stamp = row["iso"] + "Z" if row["at"].microsecond else row["iso"][:-7] + "Z"
    fields = [
        str(brand.id),
        1,
        str(row["id"]),
        stamp,
        None,
        row["role"],
        row["action"],
        row["subject"],
        row["before"],
        row["after"],
    ]
    text = json.dumps([*fields, row["network"], row["request_id"], None], separators=(",", ":"), ensure_ascii=False)
    wanted = await owner.fetchval("SELECT sha256($1)", bytes(32) + text.encode())
    assert row["hash"] == wanted
