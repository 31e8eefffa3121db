"""Documents of issued statements: frozen, rendered by tasks, handed out."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import os
import signal
import time
import zipfile
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests import books
from tests.rooms.settlement import document_work

from qucheng.core import db, ids, task
from qucheng.settlement import document, document_folder, document_pool, document_source, document_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qucheng.identity.brand import Brand
    from qucheng.settlement.document_files import Format

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

PERIOD = document_work.PERIOD
FORMATS = ("csv", "pdf", "xlsx")


def _made(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """In place of the engine, which takes its time: something that depends on all that it would depend on."""
    del public_url
    return {each: hashlib.sha256(canonical + lines_csv + each.encode()).hexdigest().encode() for each in formats}


def _fails_at_two(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    if b"-000002" in canonical:
        os.kill(os.getpid(), signal.SIGKILL)
    return _made(canonical, lines_csv, public_url, formats)


def _sleeps(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    if b"-000002" in canonical:
        time.sleep(60)
    return _made(canonical, lines_csv, public_url, formats)


@pytest.fixture(scope="module")
def pool() -> Iterator[document_pool.Renderer]:
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        yield renderer


def _file(folder: Path, brand: Brand, number: int, form: str) -> Path:
    return folder / str(brand.id) / "202603" / f"{brand.code}-202603-{number:06d}.{form}"


def _names(brand: Brand, *numbers: int) -> list[str]:
    return [f"{brand.code}-202603-{number:06d}.{form}" for number in numbers for form in FORMATS]


def _there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def _tamper(owner: asyncpg.Connection, table: str, statement: str, brand: Brand) -> None:
    """As somebody with the owner's password could."""
    await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    assert await owner.execute(statement, brand.id) != "UPDATE 0"
    await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def _render(brand: Brand, folder: Path, pool: document_pool.Renderer, first: int, last: int) -> task.Task:
    work = await document_work.claimed(brand, first, last)
    await document_store.render(work=work, brand=brand, folder=folder, pool=pool, now=books.NOW)
    return await task.read(work.task.id)


async def test_what_is_frozen_is_what_the_books_say_and_stays_so_when_something_is_renamed(
    tmp_path: Path, owner: asyncpg.Connection
) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "names", resellers=3, lines=2)
    frozen = await books.seen(brand, "SELECT number, document, sha256 FROM statement_document ORDER BY number")
    papers = [paper async for batch in document_source.batches(brand=brand) for paper, _ in batch]
    assert [text.encode() for _, text, _ in frozen] == [document.canonical_json(paper) for paper in papers]
    assert [sha256 for *_, sha256 in frozen] == [document.content_hash(paper) for paper in papers]
    before = {number: msgspec.json.decode(text, type=document.StatementDocument) for number, text, _ in frozen}
    assert [(paper.reseller_name, paper.skus[0].name, paper.net) for paper in before.values()] == [
        ("1 号", "会员月卡", 3000),
        ("2 号", "会员月卡", 3000),
        ("3 号", "会员月卡", 3000),
    ]
    for table in ("brand", "reseller", "sku"):
        await owner.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET name = 'other' WHERE name NOT LIKE 'x%'"
        )
    papers = [paper async for batch in document_source.batches(brand=brand) for paper, _ in batch]
    assert [(paper.brand_name, paper.reseller_name, paper.skus[0].name) for paper in papers] == [("names", "other", "other")] * 3
    assert await books.seen(brand, "SELECT number, document, sha256 FROM statement_document ORDER BY number") == frozen


async def test_freezing_in_parts_is_freezing_at_once(tmp_path: Path) -> None:
    parts = await document_work.issued(tmp_path / "parts", "parts", resellers=5, lines=3)
    async with db.atomic(parts.id):
        for first, last in ((1, 2), (3, 3), (4, 5)):
            await document_store.freeze(brand=parts, period=PERIOD, first=first, last=last)
    whole = [document.content_hash(paper) async for batch in document_source.batches(brand=parts) for paper, _ in batch]
    assert await books.seen(parts, "SELECT number, sha256 FROM statement_document ORDER BY 1") == list(enumerate(whole, 1))


async def test_a_request_is_made_once_while_it_waits(tmp_path: Path) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "once", resellers=1)
    first = await document_work.requested(brand, 1, 1)
    assert await document_work.requested(brand, 1, 1) == first
    made = await task.read(first)
    assert (made.queue, made.kind, made.brand_id) == ("documents", "document.render", brand.id)
    assert made.subject == {"period": "2026-03-01", "first": 1, "last": 1}


async def test_all_files_of_all_statements_are_made_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_store, "CHUNK", 2)
    brand = await document_work.frozen(tmp_path / "bundle", "real", resellers=3, lines=2)
    folder = tmp_path / "documents"
    with document_pool.Renderer(processes=2) as renderer:
        done = await _render(brand, folder, renderer, 1, 3)
    assert (done.state, done.units_done, done.units) == ("done", 3, 3)
    assert _there(folder) == _names(brand, 1, 2, 3)
    rows = await books.seen(
        brand, "SELECT number, format, state, sha256, bytes, made_at FROM document_file ORDER BY number, format"
    )
    assert rows == [
        (number, form, "ready", hashlib.sha256(content).hexdigest(), len(content), books.NOW)
        for number in (1, 2, 3)
        for form in FORMATS
        for content in [_file(folder, brand, number, form).read_bytes()]
    ]
    heads = {form: {_file(folder, brand, n, form).read_bytes()[:4] for n in (1, 2, 3)} for form in FORMATS}
    assert heads == {"pdf": {b"%PDF"}, "xlsx": {b"PK\x03\x04"}, "csv": {b"row,"}}
    assert await document_store.status(brand=brand, period=PERIOD) == document_store.Status(ready=3, waiting=0, failed={})


async def test_a_second_rendering_makes_what_is_gone_and_the_same_bytes(tmp_path: Path) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "gone", resellers=2)
    folder = tmp_path / "documents"
    with document_pool.Renderer(processes=1) as renderer:
        await _render(brand, folder, renderer, 1, 2)
        before = await books.seen(brand, "SELECT number, format, sha256 FROM document_file ORDER BY 1, 2")
        stayed = _file(folder, brand, 1, "pdf").stat().st_mtime_ns
        contents = {form: _file(folder, brand, 2, form).read_bytes() for form in FORMATS}
        _file(folder, brand, 2, "xlsx").unlink()
        _file(folder, brand, 2, "pdf").write_bytes(b"%PDF cut off")
        await _render(brand, folder, renderer, 1, 2)
    assert {form: _file(folder, brand, 2, form).read_bytes() for form in FORMATS} == contents
    assert await books.seen(brand, "SELECT number, format, sha256 FROM document_file ORDER BY 1, 2") == before
    assert _file(folder, brand, 1, "pdf").stat().st_mtime_ns == stayed


async def test_a_statement_that_fails_says_why_and_is_made_when_it_is_asked_for_again(
    tmp_path: Path, pool: document_pool.Renderer
) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "fails", resellers=3)
    folder = tmp_path / "documents"
    with document_pool.Renderer(processes=1, work=_fails_at_two) as renderer:
        done = await _render(brand, folder, renderer, 1, 3)
    assert (done.state, done.units_done, done.reason) == ("done", 3, None)
    reason = "no document: its process was lost"
    assert await document_store.status(brand=brand, period=PERIOD) == document_store.Status(
        ready=2, waiting=0, failed={"fails-202603-000002": reason}
    )
    assert await books.seen(brand, "SELECT number, format, state, reason FROM document_file WHERE number = 2 ORDER BY 2") == [
        (2, form, "failed", reason) for form in FORMATS
    ]
    assert _there(folder) == _names(brand, 1, 3)
    assert await document_store.again(brand=brand, period=PERIOD) == 1
    assert await document_store.status(brand=brand, period=PERIOD) == document_store.Status(ready=2, waiting=1, failed={})
    (waiting,) = await task.listing(states=("waiting",), brand_id=brand.id)
    assert waiting.subject == {"period": "2026-03-01", "first": 2, "last": 2}
    assert await document_store.again(brand=brand, period=PERIOD) == 0  # it is on its way
    taken = await task.claim(waiting.id, worker=ids.new_id(), kinds=[document_store.RENDER])
    assert taken is not None
    await document_store.render(work=task.Work(taken), brand=brand, folder=folder, pool=pool, now=books.NOW)
    assert await document_store.status(brand=brand, period=PERIOD) == document_store.Status(ready=3, waiting=0, failed={})
    assert _there(folder) == _names(brand, 1, 2, 3)


async def test_again_asks_for_what_has_gone_from_the_folder(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "lost", resellers=2)
    folder = tmp_path / "documents"
    await _render(brand, folder, pool, 1, 2)
    assert await document_store.again(brand=brand, period=PERIOD, folder=folder) == 0
    _file(folder, brand, 1, "csv").unlink()
    assert await document_store.again(brand=brand, period=PERIOD) == 0
    assert await document_store.again(brand=brand, period=PERIOD, folder=folder) == 1


async def test_entries_that_are_not_those_it_was_issued_with_fail_the_statement(
    tmp_path: Path, pool: document_pool.Renderer, owner: asyncpg.Connection
) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "entries", resellers=2)
    await _tamper(owner, "order_line", "UPDATE order_line SET quantity = 7 WHERE brand_id = $1 AND order_no = 'O1-0'", brand)
    await _tamper(
        owner,
        "statement_document",
        "UPDATE statement_document SET document = document || ' ' WHERE brand_id = $1 AND number = 2",
        brand,
    )
    await _render(brand, tmp_path / "documents", pool, 1, 2)
    assert (await document_store.status(brand=brand, period=PERIOD)).failed == {
        "entries-202603-000001": "no document: its entries are not those it was issued with",
        "entries-202603-000002": "no document: what was frozen of it has been changed",
    }
    assert _there(tmp_path / "documents") == []


async def test_what_a_killed_worker_left_is_removed(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "left", resellers=1)
    folder = tmp_path / "documents"
    half = _file(folder, brand, 1, "pdf").with_name(f".{brand.code}-202603-000001.pdf.0123")
    other = half.with_name(f".{brand.code}-202603-000002.pdf.0123")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"%PDF ha")
    other.write_bytes(b"%PDF of a chunk that another worker writes")
    await _render(brand, folder, pool, 1, 1)
    assert _there(folder) == sorted([other.name, *_names(brand, 1)])


async def test_an_attempt_that_is_over_records_nothing(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "fence", resellers=1)
    work = await document_work.claimed(brand, 1, 1)
    await task.give_back(work.task)
    with pytest.raises(task.LeaseLostError):
        await document_store.render(work=work, brand=brand, folder=tmp_path / "documents", pool=pool, now=books.NOW)
    assert await books.seen(brand, "SELECT count(*) FROM document_file") == [(0,)]


async def test_a_render_that_is_cancelled_ends_soon_and_leaves_the_pool_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_pool, "GRACE_SECONDS", 0.2)
    brand = await document_work.frozen(tmp_path / "bundle", "cancel", resellers=3)
    work = await document_work.claimed(brand, 1, 3)
    folder = tmp_path / "documents"
    with document_pool.Renderer(processes=1, work=_sleeps) as renderer:
        running = asyncio.create_task(document_store.render(work=work, brand=brand, folder=folder, pool=renderer, now=books.NOW))
        async with asyncio.timeout(60):
            while not _file(folder, brand, 1, "xlsx").exists():  # noqa: ASYNC110 - a file tells nobody that it is there
                await asyncio.sleep(0.05)
        began = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - began < 10
        await task.cancel(work.task.id)
        await _render(brand, folder, renderer, 1, 1)
    assert await books.seen(brand, "SELECT DISTINCT number FROM document_file") == [(1,)]


async def test_the_archive_has_every_file_and_says_what_is_missing(tmp_path: Path) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "packed", resellers=4)
    folder = tmp_path / "documents"
    with document_pool.Renderer(processes=1, work=_fails_at_two) as renderer:
        await _render(brand, folder, renderer, 1, 3)
    out = tmp_path / "out" / "run.zip"
    found = await document_store.archive(brand=brand, period=PERIOD, folder=folder, out=out)
    reason = "no document: its process was lost"
    assert found == document_store.Status(ready=2, waiting=1, failed={"packed-202603-000002": reason})
    with zipfile.ZipFile(out) as packed:
        assert packed.testzip() is None
        assert sorted(packed.namelist()) == sorted(["failed.csv", *_names(brand, 1, 3)])
        for number in (1, 3):
            for form in FORMATS:
                name = f"packed-202603-{number:06d}.{form}"
                assert packed.read(name) == _file(folder, brand, number, form).read_bytes()
                stored = packed.getinfo(name)
                assert stored.compress_type == (zipfile.ZIP_STORED if form == "pdf" else zipfile.ZIP_DEFLATED)
                assert stored.date_time == (1980, 1, 1, 0, 0, 0)
        rows = list(csv.reader(io.StringIO(packed.read("failed.csv").decode())))
    assert rows == [
        ["statement_no", "reason"],
        ["packed-202603-000002", reason],
        ["packed-202603-000004", "not rendered yet"],
    ]
    first = out.read_bytes()
    await document_store.archive(brand=brand, period=PERIOD, folder=folder, out=out)
    assert out.read_bytes() == first
    assert _there(out.parent) == ["run.zip"]


@pytest.mark.parametrize("change", ["changed", "gone"])
async def test_a_file_that_is_not_the_one_that_was_made_is_not_handed_out(
    change: str, tmp_path: Path, pool: document_pool.Renderer
) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", f"file-{change}", resellers=2)
    folder = tmp_path / "documents"
    await _render(brand, folder, pool, 1, 2)
    wrong = _file(folder, brand, 2, "csv")
    content = wrong.read_bytes()
    if change == "gone":
        wrong.unlink()
    else:
        wrong.write_bytes(content.replace(b"10.00", b"90.00"))
        assert wrong.read_bytes() != content
    out = tmp_path / "out" / "run.zip"
    out.parent.mkdir()
    out.write_bytes(b"an earlier one")
    for handing_out in (
        document_store.archive(brand=brand, period=PERIOD, folder=folder, out=out),
        document_store.copy_out(brand=brand, periods=[PERIOD], folder=folder, out=tmp_path / "copy"),
    ):
        with pytest.raises(document_folder.DocumentChangedError, match=wrong.name):
            await handing_out
    assert out.read_bytes() == b"an earlier one"
    assert _there(out.parent) == ["run.zip"]
    assert wrong.name not in _there(tmp_path / "copy")


async def test_copies_are_of_the_periods_asked_for_and_stale_ones_go(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "copy", resellers=2)
    folder, out = tmp_path / "documents", tmp_path / "out"
    await _render(brand, folder, pool, 1, 2)
    target = out / "statements"
    target.mkdir(parents=True)
    for name in ("copy-202603-000009.xlsx", "copy-x-202603-000009.pdf", "notes.txt"):
        (target / name).write_bytes(b"earlier")
    await document_store.copy_out(brand=brand, periods=[PERIOD], folder=folder, out=out)
    assert _there(out) == sorted(["copy-x-202603-000009.pdf", "notes.txt", *_names(brand, 1, 2)])
    for number in (1, 2):
        for form in FORMATS:
            kept, copied = _file(folder, brand, number, form), target / f"copy-202603-{number:06d}.{form}"
            assert copied.read_bytes() == kept.read_bytes()
            assert copied.stat().st_ino != kept.stat().st_ino
    await document_store.copy_out(brand=brand, periods=[], folder=folder, out=out)
    assert _there(out) == ["copy-x-202603-000009.pdf", "notes.txt"]


async def test_only_a_failure_is_forgotten(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "ready", resellers=1)
    await _render(brand, tmp_path / "documents", pool, 1, 1)
    async with db.atomic(brand.id):
        assert await db.connection().execute("DELETE FROM document_file") == "DELETE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="statement_document"):
        async with db.atomic(brand.id):
            await db.connection().execute("UPDATE statement_document SET sha256 = repeat('0', 64)")


async def test_what_the_machine_lacks_is_raised_and_fails_no_statement(tmp_path: Path, pool: document_pool.Renderer) -> None:
    brand = await document_work.frozen(tmp_path / "bundle", "machine", resellers=1)
    (tmp_path / "documents").write_bytes(b"a file where the folder should be")
    work = await document_work.claimed(brand, 1, 1)
    with pytest.raises(NotADirectoryError) as caught:
        await document_store.render(work=work, brand=brand, folder=tmp_path / "documents", pool=pool, now=books.NOW)
    await task.fail(work.task, caught.value)
    waits = await task.read(work.task.id)
    assert (waits.state, waits.reason) == ("waiting", "NotADirectoryError: ENOTDIR")
    assert await document_store.status(brand=brand, period=PERIOD) == document_store.Status(ready=0, waiting=1, failed={})
    (tmp_path / "documents").unlink()
    await task.retry(work.task.id)
    await _render(brand, tmp_path / "documents", pool, 1, 1)
    assert _there(tmp_path / "documents") == _names(brand, 1)
