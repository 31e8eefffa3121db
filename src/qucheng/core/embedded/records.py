"""Small files that only their owner reads, and the lock that lets one starter at a time do its work."""

import contextlib
import fcntl
import os
import time
from collections import abc
from pathlib import Path
from typing import TypeVar

import msgspec

from qucheng.core.embedded import refusals

T = TypeVar("T")
_LOCK_SECONDS = 330


def load(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def save(path: Path, record: msgspec.Struct) -> None:
    """Whole or not at all: a torn password file would lock its data away."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    write(draft, msgspec.json.encode(record) + b"\n")
    if os.geteuid() == 0:  # what a user made stays the user's after one command of root's
        owner = path.parent.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(path)


def write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def starter(folder: Path, name: str) -> abc.Iterator[None]:
    """Hold the right to start or stop the server `name` of `folder`. The kernel gives it back when its holder dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise refusals.ForeignFolderError(
            f"{folder} belongs to another user: run as that user, or set QUCHENG_VAR to a folder of yours"
        ) from error
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not acquired(file):
            if time.monotonic() > deadline:
                raise refusals.LockedError(f"another process holds {folder / f'{name}.lock'}")
            time.sleep(0.02)
        yield
    finally:
        os.close(file)


def acquired(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
