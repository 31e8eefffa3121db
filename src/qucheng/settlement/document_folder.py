"""Where documents are kept: `{folder}/{brand}/{YYYYMM}/{statement_no}.{format}`. A file has its name only when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from typing import TYPE_CHECKING, ClassVar

from qucheng.core import errors, ids

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from qucheng.identity.brand import Brand

PIECE = 1 << 20


class DocumentChangedError(errors.RefusedError):
    """A file is not the one that was recorded."""

    code: ClassVar[str] = "document.changed"
    status: ClassVar[int] = 409


def place(folder: Path, brand: Brand, period: dt.date) -> Path:
    return folder / str(brand.id) / f"{period:%Y%m}"


def prepare(where: Path, statement_nos: Iterable[str]) -> None:
    """Makes the folder, and removes what a writer that was killed has left of these statements."""
    where.mkdir(parents=True, exist_ok=True)
    prefixes = tuple(f".{statement_no}." for statement_no in statement_nos)
    with os.scandir(where) as files:
        stale = [where.joinpath(file.name) for file in files if file.name.startswith(prefixes)]
    for path in stale:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def write(where: Path, name: str, content: bytes) -> None:
    """Raises OSError where there is no room; then nothing of it is left."""
    fresh = where.joinpath(f".{name}.{ids.new_id().hex}")
    try:
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(where.joinpath(name))
    finally:
        fresh.unlink(missing_ok=True)


def sync(where: Path) -> None:
    """The names in it are there after a power cut too."""
    held = os.open(where, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def lacks(where: Path, name: str, size: int) -> bool:
    try:
        return where.joinpath(name).stat().st_size != size
    except FileNotFoundError:
        return True


def clear(where: Path, brand_code: str, kept: Collection[str]) -> None:
    """Removes a brand's documents that are not among those kept, and nothing else: another's code may begin with this one."""
    own = re.compile(rf"{re.escape(brand_code)}-[0-9]{{6}}-[0-9]{{6,}}\.(?:pdf|xlsx|csv)")
    with os.scandir(where) as files:
        stale = [where.joinpath(file.name) for file in files if own.fullmatch(file.name) and file.name not in kept]
    for path in stale:
        path.unlink(missing_ok=True)


def pieces(path: Path, sha256: str) -> Iterator[bytes]:
    """The file's bytes. Raises DocumentChangedError behind the last where they are not those that were recorded."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                found.update(piece)
                yield piece
    except FileNotFoundError:
        raise DocumentChangedError(f"{path.name} is no longer in the folder of the documents: have it made again.") from None
    if found.hexdigest() != sha256:
        raise DocumentChangedError(f"{path.name} is not the file that was made: it has been changed since.")
