"""A bundle that came as a ZIP, unpacked: only the files of a bundle, no more of them than fit, and nothing outside the folder."""

from __future__ import annotations

import errno
import io
import stat
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, ClassVar

from qucheng.bundle import files
from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BRAND_FILE = "brand.toml"
KNOWN = frozenset({BRAND_FILE, *(file.file_name for file in files.FILES)})
LARGEST_UNPACKED = 2 << 30
LARGEST_BRAND_FILE = 1 << 16
# a list of so many files is no bundle's; it is read into memory as a whole
LARGEST_DIRECTORY = 1 << 18
# real books shrink to a tenth; what shrinks to less than this is made to burst
LARGEST_RATIO = 200
# under this nobody is harmed
SMALL = 1 << 24
PIECE = 1 << 18
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, UnicodeDecodeError)


class ArchiveRefusedError(errors.RefusedError):
    """The ZIP is none, or holds what a bundle does not."""

    code: ClassVar[str] = "archive.refused"
    status: ClassVar[int] = 422


class _Careful(io.RawIOBase):
    """The file under the ZIP, of which nothing large is ever asked at once: its list of files least of all."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._size = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > LARGEST_DIRECTORY:
            raise ArchiveRefusedError("The ZIP lists far more files than a bundle has.")
        return self._file.read(wanted)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # a place before the beginning, which the ZIP names: the file is at fault and no disk
            raise zipfile.BadZipFile("a place outside the file") from None

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def unpack(path: Path, folder: Path) -> None:
    """Writes the files of the bundle into the folder. Raises ArchiveRefusedError; what was written by then is the caller's to remove."""
    with _Careful(path) as source:
        try:
            with zipfile.ZipFile(source) as archive:
                chosen = _chosen(archive.infolist())
                _require_sizes(chosen.values(), path.stat().st_size)
                for name, entry in chosen.items():
                    with archive.open(entry) as packed, (folder / name).open("xb") as out:
                        _copy(packed, out, entry.file_size, name)
        except BROKEN as error:
            raise ArchiveRefusedError(
                f"This is not a ZIP that can be read: {type(error).__name__}. Pack the bundle again."
            ) from None


def _chosen(entries: Iterable[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """By the name of the bundle's file. They stand at the top or all in one folder; what a Mac adds is passed over."""
    found: dict[str, zipfile.ZipInfo] = {}
    tops: set[str] = set()
    for entry in entries:
        if _is_clutter(entry.filename):
            continue
        if entry.is_dir() and entry.filename.count("/") == 1 and entry.filename not in {"/", "./", "../"}:
            tops.add(entry.filename.rstrip("/"))
            continue
        top, _, name = entry.filename.rpartition("/")
        _require_plain(entry, top, name)
        if name in found:
            raise ArchiveRefusedError(f"{name} is in the ZIP twice: which of them counts cannot be known.")
        tops.add(top)
        found[name] = entry
    if BRAND_FILE not in found:
        raise ArchiveRefusedError("There is no brand.toml in the ZIP: it is not a bundle.")
    if len(tops) > 1:
        raise ArchiveRefusedError("The files of a bundle stand side by side, at the top of the ZIP or in one folder.")
    return found


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _require_plain(entry: zipfile.ZipInfo, top: str, name: str) -> None:
    shown = repr(entry.filename[:80])
    if (
        name not in KNOWN
        or "/" in top
        or entry.filename.startswith("/")
        or top in {".", ".."}
        or "\\" in top
        or "\0" in entry.orig_filename
    ):
        raise ArchiveRefusedError(f"The ZIP holds {shown}, which is no file of a bundle. Known are {', '.join(sorted(KNOWN))}.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise ArchiveRefusedError(f"{shown} in the ZIP is no ordinary file.")
    if entry.flag_bits & ENCRYPTED:
        raise ArchiveRefusedError("The ZIP is encrypted: pack the bundle without a password.")
    if entry.compress_type not in METHODS:
        raise ArchiveRefusedError(f"{shown} is packed in a way that is not known here: use plain ZIP (deflate).")


def _require_sizes(entries: Iterable[zipfile.ZipInfo], packed: int) -> None:
    entries = list(entries)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > LARGEST_UNPACKED:
        raise ArchiveRefusedError(f"Unpacked the bundle has {unpacked} bytes, and {LARGEST_UNPACKED} are the most.")
    if unpacked > SMALL and unpacked > packed * LARGEST_RATIO:
        raise ArchiveRefusedError(f"The ZIP unpacks to more than {LARGEST_RATIO} times its size: that is no book-keeping.")
    if any(entry.filename.endswith(BRAND_FILE) and entry.file_size > LARGEST_BRAND_FILE for entry in entries):
        raise ArchiveRefusedError("brand.toml is far larger than one can be.")


def _copy(packed: IO[bytes], out: IO[bytes], announced: int, name: str) -> None:
    """Never more than was announced: the limits were checked against that."""
    written = 0
    while piece := packed.read(PIECE):
        written += len(piece)
        if written > announced:
            raise ArchiveRefusedError(f"{name} is larger than the ZIP says.")
        out.write(piece)
