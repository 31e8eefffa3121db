"""A backup put back: into an empty database, in one transaction, and compared with what was copied before it is committed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import archive, backup, database, errors

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

# what a platform in which there is no brand yet writes by itself
HOUSEKEEPING = frozenset({"migration", "process", "schedule", "task"})
LOCK_SECONDS = 10
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

USER_TRIGGERS = """
    SELECT c.relname AS table, quote_ident(t.tgname) AS name, t.tgenabled::text AS state FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT t.tgisinternal ORDER BY c.relname, t.tgname"""
TRIGGER_STATES = {"O": "ENABLE TRIGGER", "A": "ENABLE ALWAYS TRIGGER", "R": "ENABLE REPLICA TRIGGER", "D": "DISABLE TRIGGER"}
TRANSACTION_COLUMNS = """
    SELECT c.relname AS table, quote_ident(a.attname) AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.atttypid = 'xid8'::regtype AND NOT a.attisdropped"""


class MigrationDiffersError(errors.RefusedError):
    code: ClassVar[str] = "restore.migration"


class NotEmptyError(errors.RefusedError):
    """There is something where the backup would go."""

    code: ClassVar[str] = "restore.not_empty"


class DatabaseNameError(errors.RefusedError):
    code: ClassVar[str] = "restore.name"
    status: ClassVar[int] = 422


class NotEqualError(errors.RefusedError):
    """What was written is not what was copied; nothing of it stays."""

    code: ClassVar[str] = "restore.not_equal"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    database: str
    tables: int
    rows: int
    documents: int


async def restore(*, owner_url: str, documents: Path | None, file: Path, into: str | None) -> Restored:
    """Reads the whole file before anything is written.

    documents: their folder; None leaves them out. into: a database of the same server, made if it is not there; None: the
    owner's own.
    """
    if into is not None and NAME.fullmatch(into) is None:
        raise DatabaseNameError(f"{into} cannot name a database: small letters, digits and _, at most 63, a letter first.")
    with archive.opened(file) as made:
        manifest = archive.read(made)
        if manifest.migration != database.newest_migration():
            raise MigrationDiffersError(
                f"The backup is of migration {manifest.migration}, this release of {database.newest_migration()}:"
                " restore it with the release that made it, and migrate then."
            )
        papers = _papers(manifest, documents) if documents is not None else []
        for part, target in papers:
            _refuse_another(part, target)
        name = into or database.database_name(owner_url)
        url = database.with_database(owner_url, name)
        new = await _make(owner_url, name)
        try:
            await _refuse_filled(url)
            await database.migrate(url)
            async with backup.connected(url) as connection, connection.transaction():
                await _load(connection, made, manifest)
                for part, target in papers:
                    archive.extract(made, part, target)
        except BaseException:
            if new:
                await _drop(owner_url, name)
            raise
        async with backup.connected(url) as connection:
            await connection.execute("ANALYZE")
    return Restored(
        database=name, tables=len(manifest.tables), rows=sum(each.rows for each in manifest.tables), documents=len(papers)
    )


async def _load(connection: asyncpg.Connection, made: zipfile.ZipFile, manifest: archive.Manifest) -> None:
    tables = {table.name: table for table in await backup.tables(connection)}
    listed = {each.table: each for each in manifest.tables}
    if {name: table.columns for name, table in tables.items()} != {name: each.columns for name, each in listed.items()}:
        raise MigrationDiffersError("The tables of the backup are not those of this release.")
    names = ", ".join(f'public."{name}"' for name in sorted(tables))
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    try:
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    except asyncpg.LockNotAvailableError as error:
        raise NotEmptyError("The database is in use: stop what works on it, then restore.") from error
    await _refuse_rows(connection, list(tables))
    triggers = await connection.fetch(USER_TRIGGERS)
    for name in tables:
        await connection.execute(f'ALTER TABLE public."{name}" DISABLE TRIGGER USER')
    await connection.execute(f"TRUNCATE {', '.join(sorted(HOUSEKEEPING))}")
    for name, table in tables.items():  # those to which others refer come first
        with made.open(listed[name].part.name) as source:
            await connection.copy_to_table(name, schema_name="public", columns=table.columns, source=source, format="text")
    for sequence in manifest.sequences:
        await connection.execute("SELECT setval($1, $2, $3)", f"public.{sequence.name}", sequence.last_value, sequence.is_called)
    await _compare(connection, tables, listed)
    await _close_transactions(connection)
    for trigger in triggers:
        await connection.execute(f'ALTER TABLE public."{trigger["table"]}" {TRIGGER_STATES[trigger["state"]]} {trigger["name"]}')


async def _compare(connection: asyncpg.Connection, tables: dict[str, backup.Table], listed: dict[str, archive.TablePart]) -> None:
    for name, table in tables.items():
        wanted = listed[name]
        rows, part = await backup.copy_out(connection, table, wanted.part.name, None)
        if (rows, part) != (wanted.rows, wanted.part):
            raise NotEqualError(f"The rows of {name} are not what the backup has; nothing was restored.")


async def _close_transactions(connection: asyncpg.Connection) -> None:
    """An entry takes postings only in the transaction that opened it. On another server that transaction's number may still be
    to come: where it is, the number of no transaction stands for it.
    """
    for row in await connection.fetch(TRANSACTION_COLUMNS):
        table, column = row["table"], row["column"]
        await connection.execute(f"UPDATE public.\"{table}\" SET {column} = '2' WHERE {column} >= pg_current_xact_id()")


async def _refuse_filled(url: str) -> None:
    async with backup.connected(url) as connection:
        tables = [row["name"] for row in await connection.fetch(backup.TABLES)]
        if tables and "migration" not in tables:
            raise NotEmptyError("The database holds tables that are not the platform's.")
        await _refuse_rows(connection, tables)


async def _refuse_rows(connection: asyncpg.Connection, tables: list[str]) -> None:
    looked = [name for name in tables if name not in HOUSEKEEPING]
    if looked:
        union = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM public.\"{name}\")" for name in looked)
        filled = await connection.fetchval(f"SELECT min(name) FROM ({union}) filled (name)")
        if filled is not None:
            raise NotEmptyError(
                f"The database has rows already ({filled}): a backup is restored into an empty one; name it with --into."
            )


def _papers(manifest: archive.Manifest, folder: Path) -> list[tuple[archive.Part, Path]]:
    return [(part, folder / part.name.removeprefix(archive.DOCUMENTS)) for part in manifest.documents or []]


def _refuse_another(part: archive.Part, target: Path) -> None:
    """The same document may be there: a restore that was broken off left it."""
    if target.is_file():
        with target.open("rb") as source:
            if archive.digest_of(source, part.name) == part:
                return
    if target.exists():
        raise NotEmptyError(f"{target} is there already and is another document than the backup's.")


async def _make(owner_url: str, name: str) -> bool:
    async with backup.connected(owner_url) as connection:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        await connection.execute(f'CREATE DATABASE "{name}"')
    return True


async def _drop(owner_url: str, name: str) -> None:
    async with backup.connected(owner_url) as connection:
        await database.drop(connection, name)
