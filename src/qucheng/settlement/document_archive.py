"""The files of many statements handed out: in one ZIP, or into a folder. Each is checked against what was recorded of it."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from qucheng.core import ids
from qucheng.settlement import document_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FAILED = "failed.csv"
FAILED_HEAD = ("statement_no", "reason")
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The date of every file in a ZIP: the same statements are the same bytes whenever they are packed."""
MODE = 0o100644 << 16
UNIX = 3


class Kept(NamedTuple):
    """A file that is ready."""

    name: str
    sha256: str
    bytes: int


class Zip:
    """`with Zip(out) as made: made.add(…)`; under its name only when it is whole."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._fresh = out.with_name(f".{out.name}.{ids.new_id().hex}")
        self._lacking = io.StringIO()
        self._failed = csv.writer(self._lacking, lineterminator="\n")
        self._failed.writerow(FAILED_HEAD)
        self._any_failed = False
        out.parent.mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(self._fresh, "w")

    def add(self, where: Path, files: Iterable[Kept]) -> None:
        """Raises DocumentChangedError for a file that is not the one that was recorded."""
        for file in files:
            # a PDF is compressed already
            info = _info(file.name, zipfile.ZIP_STORED if file.name.endswith(".pdf") else zipfile.ZIP_DEFLATED)
            info.file_size = file.bytes
            with self._zip.open(info, "w") as target:
                for piece in document_folder.pieces(where.joinpath(file.name), file.sha256):
                    target.write(piece)

    def lacks(self, rows: Iterable[tuple[str, str]]) -> None:
        """Statements without documents, with the reason."""
        for row in rows:
            self._failed.writerow(row)
            self._any_failed = True

    def finish(self) -> None:
        if self._any_failed:
            self._zip.writestr(_info(FAILED, zipfile.ZIP_DEFLATED), self._lacking.getvalue())
        self._zip.close()
        self._fresh.replace(self._out)

    def discard(self) -> None:
        """Whatever has been made of it is gone; after finish() nothing happens."""
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()
        self._fresh.unlink(missing_ok=True)


def copy(where: Path, target: Path, files: Iterable[Kept]) -> Iterator[str]:
    """Copies them and yields their names. Not as hard links: whoever writes into a copy must not change what is kept."""
    for file in files:
        fresh = target.joinpath(f".{file.name}.{ids.new_id().hex}")
        try:
            with fresh.open("xb") as copied:
                for piece in document_folder.pieces(where.joinpath(file.name), file.sha256):
                    copied.write(piece)
            fresh.replace(target.joinpath(file.name))
        finally:
            fresh.unlink(missing_ok=True)
        yield file.name


def _info(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, MOMENT)
    info.compress_type = compression
    info.external_attr = MODE
    info.create_system = UNIX
    return info
