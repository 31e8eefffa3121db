"""A consistent copy of the platform's database and its documents in one file (archive.py), by COPY from any PostgreSQL."""

from __future__ import annotations

import contextlib
import graphlib
import os
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import archive, errors

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator

ISOLATION = "repeatable_read"
# the text of a value does not depend on how a server or a session is set
AS_TEXT = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "jit": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class BackupRefusedError(errors.RefusedError):
    """There is nothing to copy, or no place for the copy."""

    code: ClassVar[str] = "backup.refused"
    status: ClassVar[int] = 409


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """columns: those that are stored. order: the primary key's, as an ORDER BY."""

    name: str
    columns: list[str]
    order: str
    refers_to: list[str]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    file: Path
    tables: int
    rows: int
    documents: int
    bytes: int


TABLES = """
    SELECT c.relname AS name,
        (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
        (SELECT string_agg(quote_ident(a.attname) || CASE WHEN a.attcollation <> 0 THEN ' COLLATE "C"' ELSE '' END, ', ' ORDER BY k.position)
         FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, position), pg_attribute a
         WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum) AS order,
        ARRAY (SELECT DISTINCT r.relname::text FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
               WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid) AS refers_to
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname COLLATE "C" """


@contextlib.asynccontextmanager
async def connected(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_url, server_settings=AS_TEXT)
    try:
        yield connection
    finally:
        await connection.close()


async def write(*, owner_url: str, documents: Path | None, out: Path, now: dt.datetime) -> Taken:
    """Copies the database as it is at one instant, and then the documents, which are only ever added, into `out`.

    documents: their folder; None leaves them out. out: the file, or a folder in which it is named by the time; it appears
    when it is whole.
    """
    file = out / f"qucheng-{now:%Y%m%dT%H%M%SZ}.zip" if out.is_dir() else out
    if file.exists() or not file.parent.is_dir():
        raise BackupRefusedError(f"{file} is there already." if file.exists() else f"There is no folder {file.parent}.")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as made:
                manifest = await _fill(made, owner_url, documents, now)
            raw.flush()
            os.fsync(raw.fileno())
        os.link(draft, file)  # and not over one that has come there meanwhile
    finally:
        draft.unlink(missing_ok=True)
    return Taken(
        file=file,
        tables=len(manifest.tables),
        rows=sum(each.rows for each in manifest.tables),
        documents=len(manifest.documents or []),
        bytes=file.stat().st_size,
    )


async def _fill(made: zipfile.ZipFile, owner_url: str, folder: Path | None, now: dt.datetime) -> archive.Manifest:
    parts = []
    async with (
        connected(owner_url) as connection,
        connection.transaction(isolation=ISOLATION, readonly=True),
    ):
        if await connection.fetchval("SELECT to_regclass('public.migration')") is None:
            raise BackupRefusedError("The database has no tables of the platform: there is nothing to back up.")
        migration = await connection.fetchval("SELECT max(name) FROM migration")
        for table in await tables(connection):
            name = f"{archive.TABLES}{table.name}"
            with made.open(name, "w", force_zip64=True) as member:
                rows, part = await copy_out(connection, table, name, member)
            parts.append(archive.TablePart(table=table.name, columns=table.columns, rows=rows, part=part))
        sequences = await _sequences(connection)
    manifest = archive.Manifest(
        format=archive.FORMAT,
        migration=migration,
        taken_at=now,
        tables=parts,
        sequences=sequences,
        documents=_documents(made, folder) if folder is not None else None,
    )
    archive.seal(made, manifest)
    return manifest


async def tables(connection: asyncpg.Connection) -> list[Table]:
    """Every table, those before it to which it refers."""
    found = {row["name"]: Table(**dict(row)) for row in await connection.fetch(TABLES)}
    order = graphlib.TopologicalSorter({name: table.refers_to for name, table in found.items()}).static_order()
    return [found[name] for name in order]


async def copy_out(connection: asyncpg.Connection, table: Table, name: str, member: IO[bytes] | None) -> tuple[int, archive.Part]:
    """Writes the rows into the member, if there is one; returns how many they are, and their hash."""
    digest = archive.Digest()

    async def pass_on(chunk: bytes) -> None:
        digest.update(chunk)
        if member is not None:
            member.write(chunk)

    columns = ", ".join(f'"{column}"' for column in table.columns)
    status: str = await connection.copy_from_query(
        f'SELECT {columns} FROM public."{table.name}" ORDER BY {table.order}', output=pass_on, format="text"
    )
    return int(status.split()[1]), digest.part(name)


async def _sequences(connection: asyncpg.Connection) -> list[archive.Sequence]:
    names = await connection.fetch(
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname"
    )
    return [
        archive.Sequence(name=name, **dict(await connection.fetchrow(f"SELECT last_value, is_called FROM public.{name}")))
        for (name,) in names
    ]


def _documents(made: zipfile.ZipFile, folder: Path) -> list[archive.Part]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return [archive.add_file(made, file, f"{archive.DOCUMENTS}{file.relative_to(folder).as_posix()}") for file in files]
