"""What must be unreadable in the database: encrypted, or found again by a keyed fingerprint, with keys that stand in a file.

A sealed value is its form (1), the number of its key (2 bytes), the nonce (12), and AES-256-GCM's output. The place it was
sealed for (table, column and row) is authenticated with it: moved to another row it does not open.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING, ClassVar

import msgspec
from cryptography import exceptions
from cryptography.hazmat.primitives.ciphers import aead

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


class Keys:
    """A ring of keys: one seals, all open."""

    def __init__(self, *, current: int, keys: dict[int, bytes], fingerprint: bytes) -> None:
        self._current = current
        self._ciphers = {number: aead.AESGCM(key) for number, key in keys.items()}
        self._fingerprint = fingerprint

    def __repr__(self) -> str:
        return f"Keys({len(self._ciphers)})"

    def seal(self, value: bytes, *, place: str) -> bytes:
        head = bytes([FORM]) + self._current.to_bytes(2, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return head + nonce + self._ciphers[self._current].encrypt(nonce, value, head + place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """Raises SealBrokenError; which of its reasons it was, is not told."""
        head, nonce, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES : HEAD_BYTES + NONCE_BYTES], sealed[HEAD_BYTES + NONCE_BYTES :]
        cipher = self._ciphers.get(int.from_bytes(head[1:], "big"))
        if cipher is None or len(nonce) != NONCE_BYTES or head[0] != FORM:
            raise SealBrokenError
        try:
            return cipher.decrypt(nonce, rest, head + place.encode())
        except exceptions.InvalidTag:
            raise SealBrokenError from None

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
    """A new key seals from now on, in processes that start from now on; the others stay for what they sealed. Returns its number."""
    file = folder / RING
    _read(file)
    stored = msgspec.json.decode(file.read_bytes(), type=_Stored)
    number = max(stored.keys) + 1
    if number >= MOST_KEYS:
        raise KeysUnusableError(f"{file.name} has no number left for another key.")
    stored.keys[number], stored.current = _text(secrets.token_bytes(KEY_BYTES)), number
    fresh = _write(file, stored)
    fresh.replace(file)
    return number


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


def _read(file: Path) -> Keys:
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
    return Keys(current=stored.current, keys=found, fingerprint=fingerprint)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
