"""Files that are asked for: made once, taken by who asked while they may, gone after their days."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, crypto, db, exports, ids, task

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MAY = frozenset({"test.read"})


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:12]}"))


async def asked(brand: Brand, user_id: uuid.UUID, name: str = "a.csv") -> uuid.UUID:
    return await exports.request(
        brand_id=brand.id,
        kind="test.export",
        queue="rest",
        permission="test.read",
        parameters={"month": "2026-03"},
        file_name=name,
        rows=7,
        actor=audit.Actor(user_id=user_id, role="accountant"),
        now=books.NOW,
    )


async def claimed(brand: Brand) -> task.Work:
    (waiting,) = await task.listing(states=("waiting",), brand_id=brand.id)
    found = await task.claim(waiting.id, worker=ids.new_id(), kinds=["test.export"])
    assert found is not None
    return task.Work(found)


async def made(brand: Brand, folder: Path, content: bytes = b"content") -> None:
    async with exports.written(work=await claimed(brand), folder=folder, now=books.NOW) as path:
        path.write_bytes(content)


async def test_a_file_is_made_and_taken_by_who_asked(brand: Brand, tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path / "keys")
    mine, other = [await people.person(keys) for _ in range(2)]
    export_id = await asked(brand, mine, 'b/../"x"\r\n三.csv')
    (shown,) = await exports.listing(brand_id=brand.id, asked_by=mine, allowed=MAY)
    assert (shown.state, shown.file_name, shown.rows, shown.parameters) == ("received", "b-..-x-.csv", 7, {"month": "2026-03"})
    with pytest.raises(exports.ExportNotReadyError):
        await exports.open_(brand_id=brand.id, export_id=export_id, asked_by=mine, allowed=MAY, folder=tmp_path)
    await made(brand, tmp_path)
    found, pieces = await exports.open_(brand_id=brand.id, export_id=export_id, asked_by=mine, allowed=MAY, folder=tmp_path)
    assert (found.state, found.bytes, b"".join(pieces)) == ("done", 7, b"content")
    for who, allowed in ((other, MAY), (mine, frozenset({"else"}))):
        with pytest.raises(exports.ExportUnknownError):
            await exports.open_(brand_id=brand.id, export_id=export_id, asked_by=who, allowed=allowed, folder=tmp_path)
        assert await exports.listing(brand_id=brand.id, asked_by=who, allowed=allowed) == []
    assert await books.seen(brand, "SELECT action, after::jsonb ->> 'rows' FROM audit_record") == [("export.request", "7")]


async def test_another_brand_has_it_not(brand: Brand, workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    mine = await people.person(crypto.keys(tmp_path / "keys"))
    export_id = await asked(brand, mine)
    elsewhere = await books.found(books.write(tmp_path / "elsewhere", code=f"b-{uuid.uuid4().hex[:12]}"))
    with pytest.raises(exports.ExportUnknownError):
        await exports.read(brand_id=elsewhere.id, export_id=export_id)


async def test_an_attempt_that_lost_its_task_leaves_the_file_as_it_was_made(brand: Brand, tmp_path: Path) -> None:
    mine = await people.person(crypto.keys(tmp_path / "keys"))
    export_id = await asked(brand, mine)
    slow = await claimed(brand)
    async with db.atomic():
        await db.connection().execute(
            "UPDATE task SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1", slow.task.id
        )
    await task.sweep()
    await made(brand, tmp_path, b"second")
    with pytest.raises(task.LeaseLostError):
        async with exports.written(work=slow, folder=tmp_path, now=books.NOW) as path:
            path.write_bytes(b"first")
    _, pieces = await exports.open_(brand_id=brand.id, export_id=export_id, asked_by=mine, allowed=MAY, folder=tmp_path)
    assert b"".join(pieces) == b"second"


async def test_a_writer_that_fails_leaves_nothing(brand: Brand, tmp_path: Path) -> None:
    export_id = await asked(brand, await people.person(crypto.keys(tmp_path / "keys")))
    with pytest.raises(OSError, match="no space"):  # noqa: PT012 - the block that fails is what is tested
        async with exports.written(work=await claimed(brand), folder=tmp_path, now=books.NOW) as path:
            path.write_bytes(b"half")
            raise OSError(28, "no space")
    assert list((tmp_path / str(brand.id)).iterdir()) == []
    assert (await exports.read(brand_id=brand.id, export_id=export_id)).state == "running"


async def test_after_its_days_it_is_gone(brand: Brand, tmp_path: Path, owner: asyncpg.Connection) -> None:
    mine = await people.person(crypto.keys(tmp_path / "keys"))
    export_id = await asked(brand, mine)
    await made(brand, tmp_path)
    (tmp_path / str(brand.id) / f".{uuid.uuid4()}.1").write_bytes(b"of a killed writer")
    last = books.NOW + exports.KEPT
    assert await exports.prune(brand_id=brand.id, folder=tmp_path, now=last - dt.timedelta(seconds=1)) == 0
    assert len(list((tmp_path / str(brand.id)).iterdir())) == 1
    assert await exports.prune(brand_id=brand.id, folder=tmp_path, now=last) == 1
    assert list((tmp_path / str(brand.id)).iterdir()) == []
    assert (await exports.read(brand_id=brand.id, export_id=export_id)).state == "expired"
    with pytest.raises(exports.ExportNotReadyError):
        await exports.open_(brand_id=brand.id, export_id=export_id, asked_by=mine, allowed=MAY, folder=tmp_path)
    async with books.refused(owner, books.asyncpg.RestrictViolationError, "export_file_step"):
        await owner.execute("UPDATE export_file SET state = 'done' WHERE id = $1", export_id)
