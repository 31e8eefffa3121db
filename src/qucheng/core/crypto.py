"""What must be unreadable in the database: encrypted, or found again by a keyed fingerprint, with keys that stand in a file.

A sealed value is its form (1), the number of its key (2 bytes), the nonce (12), and AES-256-GCM's output. The place it was
sealed for (table, column and row) is authenticated with it: moved to another row it does not open.

The ring is read again when its file has changed: a key that was added seals at once, in every process and without a new start.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from typing import TYPE_CHECKING, ClassVar

import msgspec
from cryptography import exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

from qucheng.core import errors

if TYPE_CHECKING:
    from pathlib import Path

FORM = 1
KEY_BYTES = 32
NONCE_BYTES = 12
HEAD_BYTES = 3
TOKEN_BYTES = 32
MOST_KEYS = 1 << 16
RING = "ring.json"
# what sealed with the key before the last committed longer ago than any transaction lasts
SETTLED_SECONDS = 3600


class KeysUnusableError(errors.RefusedError):
    """The file of keys is not there as it should be."""

    code: ClassVar[str] = "keys.unusable"
    status: ClassVar[int] = 403


class SealBrokenError(Exception):
    """The value was changed or moved, or its key is gone."""


class _Stored(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """current: the number of the key that seals. The others open what they sealed. fingerprint: never changed, or nothing is found again."""

    current: int
    keys: dict[int, str]
    fingerprint: str


class KeyNeededError(errors.RefusedError):
    """The key seals, or may have sealed something that is not committed yet; or there is none with this number."""

    code: ClassVar[str] = "keys.needed"
    status: ClassVar[int] = 409


class Keys:
    """A ring of keys: one seals, all open. file: where it is read again."""

    def __init__(self, *, current: int, keys: dict[int, bytes], fingerprint: bytes, file: Path | None = None) -> None:
        self._current = current
        self._ciphers = {number: aead.AESGCM(key) for number, key in keys.items()}
        self._fingerprint = fingerprint
        self._file = file
        self._seen = _mark(file)

    def __repr__(self) -> str:
        return f"Keys({len(self._ciphers)})"

    @property
    def current(self) -> int:
        """The number of the key that seals."""
        self._refresh()
        return self._current

    @property
    def numbers(self) -> list[int]:
        self._refresh()
        return sorted(self._ciphers)

    def seal(self, value: bytes, *, place: str) -> bytes:
        self._refresh()
        head = bytes([FORM]) + self._current.to_bytes(2, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return head + nonce + self._ciphers[self._current].encrypt(nonce, value, head + place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """Raises SealBrokenError; which of its reasons it was, is not told."""
        head, nonce, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES : HEAD_BYTES + NONCE_BYTES], sealed[HEAD_BYTES + NONCE_BYTES :]
        if len(nonce) != NONCE_BYTES or head[0] != FORM:
            raise SealBrokenError
        number = int.from_bytes(head[1:], "big")
        if number not in self._ciphers:
            self._refresh()
        cipher = self._ciphers.get(number)
        if cipher is None:
            raise SealBrokenError
        try:
            return cipher.decrypt(nonce, rest, head + place.encode())
        except exceptions.InvalidTag:
            raise SealBrokenError from None

    def derived(self, purpose: str) -> bytes:
        """A key of its own for one purpose, from the one that is never changed."""
        return hkdf.HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._fingerprint)

    def _refresh(self) -> None:
        """A ring that cannot be read for the moment is no reason to stop: the keys at hand stay good."""
        if self._file is None or (mark := _mark(self._file)) == self._seen:
            return
        with contextlib.suppress(OSError, KeysUnusableError):
            fresh = _read(self._file)
            self._ciphers, self._current, self._seen = fresh._ciphers, fresh._current, mark  # noqa: SLF001 - of its own kind

    def fingerprint(self, value: str, *, of: str) -> bytes:
        """The same for the same value, and not to be found by trying values without the key."""
        return hmac.digest(self._fingerprint, of.encode() + b"\0" + value.encode(), "sha256")


def there(folder: Path) -> bool:
    """Whether the folder has a ring already. Raises KeysUnusableError where it is not as it should be."""
    file = folder / RING
    if not file.exists():
        return False
    _read(file)
    return True


def keys(folder: Path) -> Keys:
    """The ring in the folder, made when it is first asked for. Every process of the installation needs the same one."""
    file = folder / RING
    if not file.exists():
        _make(file)
    return _read(file)


def add_key(folder: Path) -> int:
    """A new key seals from now on; the others stay for what they sealed. Returns its number."""
    file = folder / RING
    stored = _stored(file)
    number = max(stored.keys) + 1
    if number >= MOST_KEYS:
        raise KeysUnusableError(f"{file.name} has no number left for another key.")
    stored.keys[number], stored.current = _text(secrets.token_bytes(KEY_BYTES)), number
    fresh = _write(file, stored)
    fresh.replace(file)
    return number


def remove_key(folder: Path, number: int) -> None:
    """Who calls has seen that nothing is sealed with the key. What a transaction sealed that is still open cannot be seen:
    so the key that followed it must have sealed for as long as the longest may last. Raises KeyNeededError.
    """
    file = folder / RING
    stored = _stored(file)
    if number not in stored.keys:
        raise KeyNeededError(f"There is no key {number}.")
    if number == stored.current:
        raise KeyNeededError(f"Key {number} is the one that seals: add another first (qucheng keys rotate).")
    if time.time() - file.stat().st_mtime < SETTLED_SECONDS:
        raise KeyNeededError(f"The ring was changed less than {SETTLED_SECONDS // 60} minutes ago: try again later.")
    del stored.keys[number]
    _write(file, stored).replace(file)


def token() -> str:
    """256 bits by chance, as they stand in a link or a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """What is stored of a token. It is chance itself, so a plain hash tells nothing about it."""
    return hashlib.sha256(token.encode()).digest()


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = _Stored(
        current=1, keys={1: _text(secrets.token_bytes(KEY_BYTES))}, fingerprint=_text(secrets.token_bytes(KEY_BYTES))
    )
    fresh = _write(file, stored)
    try:
        with contextlib.suppress(FileExistsError):  # another process was as quick: its keys are the ones
            os.link(fresh, file)
    finally:
        fresh.unlink()


def _write(file: Path, stored: _Stored) -> Path:
    """Under another name first, so that nobody reads half of it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(msgspec.json.encode(stored))
        out.flush()
        os.fsync(out.fileno())
    return fresh


def _mark(file: Path | None) -> tuple[int, int] | None:
    """Another after each change: the file is never written in place."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _stored(file: Path) -> _Stored:
    _read(file)
    return msgspec.json.decode(file.read_bytes(), type=_Stored)


def _read(file: Path) -> Keys:
    mark = _mark(file)
    if file.stat().st_mode & 0o077:
        raise KeysUnusableError(f"{file.name} can be read by others than its owner: chmod 600 it.")
    try:
        stored = msgspec.json.decode(file.read_bytes(), type=_Stored)
        found = {number: base64.b64decode(key, validate=True) for number, key in stored.keys.items()}
        fingerprint = base64.b64decode(stored.fingerprint, validate=True)
    except ValueError:
        raise KeysUnusableError(f"{file.name} does not hold keys as this release writes them.") from None
    if stored.current not in found or any(len(key) != KEY_BYTES for key in [*found.values(), fingerprint]):
        raise KeysUnusableError(f"{file.name} lacks the key that it names, or one is not of {KEY_BYTES} bytes.")
    ring = Keys(current=stored.current, keys=found, fingerprint=fingerprint, file=file)
    ring._seen = mark  # noqa: SLF001 - as the file was before it was read: a change meanwhile is seen
    return ring


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
