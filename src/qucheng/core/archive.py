"""A backup as a file: a ZIP of one part for each table, one for each document, and a manifest that knows them all by hash."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
TABLES, DOCUMENTS = "tables/", "documents/"
FORMAT = 1
CHUNK = 1 << 20
LARGEST_MANIFEST = 1 << 28


class ArchiveDamagedError(errors.RefusedError):
    """The file is not a backup, or not any more what was written."""

    code: ClassVar[str] = "backup.damaged"
    status: ClassVar[int] = 422


class Part(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    bytes: int
    sha256: str


class TablePart(msgspec.Struct, frozen=True, kw_only=True):
    """table's rows in PostgreSQL's text format, columns as listed, in the order of the primary key."""

    table: str
    columns: list[str]
    rows: int
    part: Part


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    last_value: int
    is_called: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    migration: str
    taken_at: dt.datetime
    tables: list[TablePart]
    sequences: list[Sequence]
    documents: list[Part] | None
    """None: the backup was made without them."""

    @property
    def parts(self) -> list[Part]:
        return [each.part for each in self.tables] + (self.documents or [])


class Digest:
    """Counts and hashes what passes through."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        self._hash.update(chunk)

    def part(self, name: str) -> Part:
        return Part(name=name, bytes=self.bytes, sha256=self._hash.hexdigest())


def add_file(archive: zipfile.ZipFile, file: Path, name: str) -> Part:
    with file.open("rb") as source, archive.open(name, "w", force_zip64=True) as member:
        digest = Digest()
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            member.write(chunk)
    return digest.part(name)


def seal(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def read(archive: zipfile.ZipFile) -> Manifest:
    """The manifest, once every part has been found as it was written. Raises ArchiveDamagedError."""
    try:
        if archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST:
            raise ArchiveDamagedError("The backup's list of its parts is too long to be one.")
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (KeyError, msgspec.MsgspecError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArchiveDamagedError(f"The backup has no readable {MANIFEST}: it is damaged or no backup.") from error
    if manifest.format != FORMAT:
        raise ArchiveDamagedError(f"The backup is of format {manifest.format}, which this release does not know.")
    named = {each.name for each in manifest.parts}
    if named != set(archive.namelist()) - {MANIFEST} or len(archive.namelist()) != len(manifest.parts) + 1:
        raise ArchiveDamagedError("The backup's parts are not those that its manifest lists.")
    for part in manifest.parts:
        if not safe(part.name):
            raise ArchiveDamagedError(f"The backup has a part outside its folders: {part.name}")
        _verify(archive, part)
    return manifest


def safe(name: str) -> bool:
    path = PurePosixPath(name)
    return name.startswith((TABLES, DOCUMENTS)) and str(path) == name and ".." not in path.parts and "\\" not in name


def opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise ArchiveDamagedError(f"{file} cannot be read as a backup: it is damaged or no backup.") from error


def extract(archive: zipfile.ZipFile, part: Part, target: Path) -> None:
    """Writes a document whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with archive.open(part.name) as source, draft.open("wb") as out:
        while chunk := source.read(CHUNK):
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(target)


def digest_of(source: IO[bytes], name: str) -> Part:
    digest = Digest()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
    return digest.part(name)


def _verify(archive: zipfile.ZipFile, part: Part) -> None:
    try:
        with archive.open(part.name) as source:
            found = digest_of(source, part.name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ArchiveDamagedError(f"The backup is damaged in {part.name}.") from error
    if found != part:
        raise ArchiveDamagedError(f"The backup is damaged in {part.name}: its content is not what was written.")
