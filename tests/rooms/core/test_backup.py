"""A backup put back is equal row for row, guarded as before, and goes on; what is not whole or not empty is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import os
import secrets
import stat
import zipfile
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests import books

from qucheng.core import archive, backup, database, db, restore
from qucheng.settlement import period

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FAR_AWAY = 1 << 60
NEXT_MONTH = dt.date(2026, 5, 1)
TRIGGERS = "SELECT (t.tgrelid::regclass, t.tgname, t.tgenabled)::text FROM pg_trigger t WHERE NOT t.tgisinternal ORDER BY 1"
STATEMENTS = "SELECT period, number, reseller, opening_minor, payable_minor, net_minor FROM statement ORDER BY period, number"


@dataclasses.dataclass(frozen=True)
class Taken:
    """A backup of two brands with books, and what their database held."""

    file: Path
    documents: Path
    everything: dict[str, str]
    triggers: list[str]
    brand: Brand
    next_month: list[tuple[object, ...]]


async def listed(connection: asyncpg.Connection, query: str) -> list[str]:
    return [row[0] for row in await connection.fetch(query)]


@pytest.fixture(scope="module")
async def taken(books_home: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Taken:
    folder = tmp_path_factory.mktemp("backup")
    documents = folder / "documents"
    (documents / "ours").mkdir(parents=True)
    (documents / "ours" / "S-1.pdf").write_bytes(b"%PDF-1.7 \x00 one")
    (documents / "ours" / ".half").write_bytes(b"not yet whole")
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        brand = await books.settled(books.example(folder / "a", code="ours"), "2026-04")
        await books.settled(books.example(folder / "b", code="theirs"), "2026-04")
        file = folder / "backup.zip"
        written = await backup.write(owner_url=made.owner, documents=documents, out=file, now=books.NOW)
        everything, triggers = await books.everything(owner), await listed(owner, TRIGGERS)
        assert written.documents == 1
        assert (written.tables, written.rows) == (
            len(everything),
            sum(int(rows.split()[0]) for rows in everything.values()),
        )
        await period.settle(brand=brand, starts_on=NEXT_MONTH, now=books.NOW)
        next_month = await books.seen(brand, STATEMENTS)
        assert {row[0] for row in next_month} >= {NEXT_MONTH}
    return Taken(file, documents, everything, triggers, brand, next_month)


@pytest.fixture
async def into(books_home: tuple[str, str]) -> AsyncIterator[str]:
    """The name of a database that is not there."""
    name = f"restored_{os.getpid()}_{secrets.token_hex(4)}"
    yield name
    async with books.connected(books_home[0]) as owner:
        await database.drop(owner, name)


async def there(home: tuple[str, str], name: str) -> bool:
    async with books.connected(home[0]) as owner:
        return bool(await owner.fetchval("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name))


async def put_back(home: tuple[str, str], file: Path, into: str, documents: Path | None = None) -> restore.Restored:
    return await restore.restore(owner_url=home[0], documents=documents, file=file, into=into)


def altered(taken: Taken, folder: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The backup with other parts, packed as well as the first."""
    with zipfile.ZipFile(taken.file) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    change(parts)
    file = folder / "altered.zip"
    with zipfile.ZipFile(file, "w") as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file


def manifest_with(**changes: object) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        manifest = msgspec.json.decode(parts[archive.MANIFEST], type=archive.Manifest)
        parts[archive.MANIFEST] = msgspec.json.encode(msgspec.structs.replace(manifest, **changes))

    return change


async def test_what_is_put_back_is_equal_guarded_and_goes_on(
    taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    made = await put_back(books_home, taken.file, into, tmp_path / "documents")
    assert (made.database, made.tables, made.documents) == (into, len(taken.everything), 1)
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()] == ["documents/ours/S-1.pdf"]
    assert (tmp_path / "documents/ours/S-1.pdf").read_bytes() == b"%PDF-1.7 \x00 one"
    owner_url, app_url = (database.with_database(url, into) for url in books_home)
    async with books.connected(owner_url) as owner:
        assert await books.everything(owner) == taken.everything
        assert await listed(owner, TRIGGERS) == taken.triggers
        async with books.refused(owner, asyncpg.RestrictViolationError):
            await owner.execute("UPDATE statement SET net_minor = net_minor + 1")
    async with books.connected(app_url) as app:
        assert await app.fetchval("SELECT count(*) FROM statement") == 0
        await books.stand_in(app, taken.brand.id)
        assert await app.fetchval("SELECT count(DISTINCT brand_id) FROM statement") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("ALTER TABLE statement DISABLE TRIGGER USER")
    async with db.connected(app_url):
        await period.settle(brand=taken.brand, starts_on=NEXT_MONTH, now=books.NOW)
        assert await books.seen(taken.brand, STATEMENTS) == taken.next_month


async def test_a_database_with_rows_is_refused_and_stays(taken: Taken, books_home: tuple[str, str], into: str) -> None:
    await put_back(books_home, taken.file, into)
    async with books.connected(database.with_database(books_home[0], into)) as owner:
        with pytest.raises(restore.NotEmptyError, match="has rows already"):
            await put_back(books_home, taken.file, into)
        assert await books.everything(owner) == taken.everything


async def test_a_database_with_other_tables_is_refused(taken: Taken, books_home: tuple[str, str], into: str) -> None:
    async with books.connected(books_home[0]) as owner:
        await owner.execute(f"CREATE DATABASE {into}")
    async with books.connected(database.with_database(books_home[0], into)) as owner:
        await owner.execute("CREATE TABLE shelf (n int)")
        with pytest.raises(restore.NotEmptyError, match="not the platform's"):
            await put_back(books_home, taken.file, into)
        assert await books.tables(owner) == ["shelf"]


async def test_a_new_platform_that_has_only_kept_house_is_empty(taken: Taken, books_home: tuple[str, str], into: str) -> None:
    async with books.connected(books_home[0]) as owner:
        await owner.execute(f"CREATE DATABASE {into}")
    url = database.with_database(books_home[0], into)
    await database.migrate(url)
    async with books.connected(url) as owner:
        await owner.execute("INSERT INTO process (id, role, host, pid) VALUES (gen_random_uuid(), 'web', 'here', 1)")
        await owner.execute("INSERT INTO schedule VALUES ('books.check', now())")
        await put_back(books_home, taken.file, into)
        assert await books.everything(owner) == taken.everything


async def test_a_database_at_work_is_refused(
    taken: Taken, books_home: tuple[str, str], into: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "LOCK_SECONDS", 1)
    async with books.connected(books_home[0]) as owner:
        await owner.execute(f"CREATE DATABASE {into}")
    url = database.with_database(books_home[0], into)
    await database.migrate(url)
    async with books.connected(url) as owner:
        async with owner.transaction():
            await owner.execute("LOCK TABLE brand IN ROW EXCLUSIVE MODE")
            with pytest.raises(restore.NotEmptyError, match="in use"):
                await put_back(books_home, taken.file, into)
        assert await owner.fetchval("SELECT count(*) FROM brand") == 0


async def test_the_backup_of_another_migration_is_refused(
    taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    file = altered(taken, tmp_path, manifest_with(migration="2020-01-01T00:00:00:000000"))
    with pytest.raises(restore.MigrationDiffersError, match="2020-01-01T00:00:00:000000"):
        await put_back(books_home, file, into)
    assert not await there(books_home, into)


async def test_one_changed_byte_anywhere_is_found_before_anything_is_written(
    taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    content, file = taken.file.read_bytes(), tmp_path / "damaged.zip"
    with zipfile.ZipFile(taken.file) as made:
        starts = sorted(info.header_offset for info in made.infolist())
        inside = [info.header_offset + 30 + len(info.filename) + 25 for info in made.infolist() if info.compress_size > 60]
    assert len(starts) == len(taken.everything) + 2
    for position in (*inside, len(content) - 30):
        damaged = bytearray(content)
        damaged[position] ^= 0x40
        file.write_bytes(damaged)
        with pytest.raises(archive.ArchiveDamagedError):
            await put_back(books_home, file, into)
    assert not await there(books_home, into)


@pytest.mark.parametrize("kept", [0, 1, 100, -1, -200])
async def test_a_cut_off_file_is_refused(taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "cut.zip"
    file.write_bytes(taken.file.read_bytes()[:kept])
    with pytest.raises(archive.ArchiveDamagedError):
        await put_back(books_home, file, into)
    assert not await there(books_home, into)


CHANGES: dict[str, Callable[[dict[str, bytes]], object]] = {
    "a part is missing": lambda parts: parts.pop("tables/statement"),
    "a part is too many": lambda parts: parts.update({"tables/other": b""}),
    "a row is missing": lambda parts: parts.update({"tables/channel": parts["tables/channel"].partition(b"\n")[2]}),
    "a figure is another": lambda parts: parts.update({"tables/posting": parts["tables/posting"].replace(b"1", b"2", 1)}),
    "there is no manifest": lambda parts: parts.pop(archive.MANIFEST),
    "the manifest is no manifest": lambda parts: parts.update({archive.MANIFEST: b"[]"}),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_an_altered_backup_is_refused(
    change: str, taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    file = altered(taken, tmp_path, CHANGES[change])
    with pytest.raises(archive.ArchiveDamagedError):
        await put_back(books_home, file, into)
    assert not await there(books_home, into)


async def test_a_part_cannot_be_written_outside_its_folder(
    taken: Taken, into: str, books_home: tuple[str, str], tmp_path: Path
) -> None:
    def climb(parts: dict[str, bytes]) -> None:
        name = "documents/../../climbed"
        parts[name] = parts.pop("documents/ours/S-1.pdf")
        manifest = msgspec.json.decode(parts[archive.MANIFEST], type=archive.Manifest)
        (part,) = manifest.documents or []
        manifest_with(documents=[msgspec.structs.replace(part, name=name)])(parts)

    with pytest.raises(archive.ArchiveDamagedError, match="outside its folders"):
        await put_back(books_home, altered(taken, tmp_path, climb), into, tmp_path / "var" / "documents")
    assert not (tmp_path / "climbed").exists()


async def test_what_differs_after_loading_is_not_committed(
    taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    """The archive is whole, and the table does not give back what its part says: a trigger or a cast has changed it."""

    def respell(parts: dict[str, bytes]) -> None:
        name = "tables/brand"
        parts[name] = parts[name].replace(b"Asia/Shanghai", b"\\101sia/Shanghai", 1)
        digest = archive.Digest()
        digest.update(parts[name])
        manifest = msgspec.json.decode(parts[archive.MANIFEST], type=archive.Manifest)
        tables = [
            msgspec.structs.replace(each, part=digest.part(name)) if each.table == "brand" else each for each in manifest.tables
        ]
        manifest_with(tables=tables)(parts)

    with pytest.raises(restore.NotEqualError, match="The rows of brand are not what the backup has"):
        await put_back(books_home, altered(taken, tmp_path, respell), into)
    assert not await there(books_home, into)


async def test_a_document_of_another_content_is_not_written_over(
    taken: Taken, books_home: tuple[str, str], into: str, tmp_path: Path
) -> None:
    standing = tmp_path / "ours" / "S-1.pdf"
    standing.parent.mkdir()
    standing.write_bytes(b"another")
    with pytest.raises(restore.NotEmptyError, match="another document"):
        await put_back(books_home, taken.file, into, tmp_path)
    assert (standing.read_bytes(), await there(books_home, into)) == (b"another", False)
    standing.write_bytes(b"%PDF-1.7 \x00 one")
    assert (await put_back(books_home, taken.file, into, tmp_path)).documents == 1


async def test_a_transaction_to_come_cannot_reopen_an_entry(books_home: tuple[str, str], into: str, tmp_path: Path) -> None:
    """The numbers of another server's transactions may be ahead of this one's."""
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        await books.settled(books.example(tmp_path / "a", code="ours"), "2026-04")
        await owner.execute("ALTER TABLE journal_entry DISABLE TRIGGER USER")
        await owner.execute(
            f"UPDATE journal_entry SET opened_by = '{FAR_AWAY}' WHERE code = (SELECT min(code) FROM journal_entry)"
        )
        before = await books.everything(owner)
        standing = await owner.fetch("SELECT opened_by FROM journal_entry ORDER BY code OFFSET 1")
        file = tmp_path / "backup.zip"
        await backup.write(owner_url=made.owner, documents=None, out=file, now=books.NOW)
    await put_back(books_home, file, into)
    async with books.connected(database.with_database(books_home[0], into)) as owner:
        after = await books.everything(owner)
        assert {name for name in before if before[name] != after[name]} == {"journal_entry"}
        rows = await owner.fetch("SELECT opened_by FROM journal_entry ORDER BY code")
        assert rows == [(2,), *standing]


@pytest.mark.parametrize(("isolation", "later"), [("repeatable_read", 0), ("read_committed", 1)])
async def test_the_copy_is_of_one_instant(
    isolation: str, later: int, books_home: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A brand and its channel come between two tables. The control looks at each table when its turn comes, and is torn."""
    monkeypatch.setattr(backup, "ISOLATION", isolation)
    file = tmp_path / "backup.zip"
    # databases made from one template have the same numbers for their tables
    waiting = """SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                 WHERE NOT l.granted AND l.relation = $1::text::regclass"""
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        await books.settled(books.example(tmp_path / "a", code="ours"), "2026-04")
        channel = await books.row(owner, "SELECT * FROM channel LIMIT 1")
        channels = await owner.fetchval("SELECT count(*) FROM channel")
        order = [table.name for table in await backup.tables(owner)]
        between = order[order.index("channel") - 1]
        assert order.index("brand") < order.index(between)
        async with owner.transaction():
            await owner.execute(f"LOCK TABLE {between} IN ACCESS EXCLUSIVE MODE")
            copying = asyncio.create_task(backup.write(owner_url=made.owner, documents=None, out=file, now=books.NOW))
            while not await owner.fetchval(waiting, between):  # noqa: ASYNC110 - another connection's wait has no event
                await asyncio.sleep(0.02)
            brand = await books.found(books.write(tmp_path / "b", code="later"))
            await books.insert(owner, "channel", channel | {"brand_id": str(brand.id)})
        await copying
    with zipfile.ZipFile(file) as archived:
        assert archived.read("tables/brand").count(b"\n") == 1
        assert archived.read("tables/channel").count(b"\n") == channels + later


async def test_the_file_is_closed_to_others_and_never_written_over(taken: Taken, postgres_url: str, tmp_path: Path) -> None:
    assert stat.S_IMODE(taken.file.stat().st_mode) == 0o600
    content = taken.file.read_bytes()
    with pytest.raises(backup.BackupRefusedError, match="is there already"):
        await backup.write(owner_url=postgres_url, documents=None, out=taken.file, now=books.NOW)
    assert taken.file.read_bytes() == content
    async with books.connected(postgres_url) as owner:
        name = f"bare_{secrets.token_hex(4)}"
        await owner.execute(f"CREATE DATABASE {name}")
        with pytest.raises(backup.BackupRefusedError, match="nothing to back up"):
            await backup.write(owner_url=database.with_database(postgres_url, name), documents=None, out=tmp_path, now=books.NOW)
        await database.drop(owner, name)
    assert list(tmp_path.iterdir()) == []
