"""A file of codes on its way in: sealed piece by piece as it is received, so that the disk never holds what it says.

Each frame is its length (4 bytes), the nonce (12) and AES-256-GCM's output; the file, the frame's number and whether it is the last
are authenticated with it: frames that were left out, moved or cut off do not open. The key is wrapped in the database.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, ClassVar, Self

from cryptography import exceptions
from cryptography.hazmat.primitives.ciphers import aead

from qucheng.core import crypto, errors, ids

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 64 << 20
FRAME = 1 << 20
NONCE_BYTES, TAG_BYTES, LENGTH_BYTES = 12, 16, 4


class FileEmptyError(errors.RefusedError):
    code: ClassVar[str] = "card_file.empty"
    status: ClassVar[int] = 422


class FileTooLargeError(errors.RefusedError):
    code: ClassVar[str] = "card_file.too_large"
    status: ClassVar[int] = 422


class FileGoneError(errors.RefusedError):
    """The file is not where it was put, or not as it was put there."""

    code: ClassVar[str] = "card_file.gone"
    status: ClassVar[int] = 410


class Incoming:
    """A file on its way in: `with Incoming(folder, brand_id) as file`. What has not been kept by the end is gone."""

    def __init__(self, folder: Path, brand_id: uuid.UUID) -> None:
        self.id = ids.new_id()
        self.key = secrets.token_bytes(crypto.KEY_BYTES)
        self.bytes = 0
        self.kept = False
        self.path = place(folder, brand_id, self.id)
        self._cipher, self._frames, self._held = aead.AESGCM(self.key), 0, bytearray()

    def __repr__(self) -> str:
        return f"Incoming({self.id})"

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._out = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._held.clear()
        if not self.kept:
            self.path.unlink(missing_ok=True)

    def write(self, piece: bytes | bytearray) -> None:
        """Raises FileTooLargeError at the first byte too many."""
        self.bytes += len(piece)
        if self.bytes > LARGEST:
            raise FileTooLargeError(f"A file of codes has at most {LARGEST >> 20} MB.")
        self._held += piece
        while len(self._held) > FRAME:
            self._frame(bytes(self._held[:FRAME]), last=False)
            del self._held[:FRAME]

    def finish(self) -> None:
        """Everything is on the disk. Raises FileEmptyError."""
        if not self.bytes:
            raise FileEmptyError("The file is empty.")
        self._frame(bytes(self._held), last=True)
        self._held.clear()
        self._out.flush()
        os.fsync(self._out.fileno())

    def _frame(self, piece: bytes, *, last: bool) -> None:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, piece, _bound(self.id, self._frames, last=last))
        self._out.write(len(sealed).to_bytes(LENGTH_BYTES, "big") + nonce + sealed)
        self._frames += 1


def place(folder: Path, brand_id: uuid.UUID, file_id: uuid.UUID) -> Path:
    return folder / str(brand_id) / str(file_id)


def frames(path: Path, key: bytes, file_id: uuid.UUID) -> Iterator[bytes]:
    """What was received, a frame at a time. Raises FileGoneError."""
    cipher, size = aead.AESGCM(key), path.stat().st_size if path.is_file() else 0
    if not size:
        raise FileGoneError("The file is no longer there: send it again.")
    with path.open("rb") as file:
        number, last = 0, False
        while not last:
            length = int.from_bytes(file.read(LENGTH_BYTES), "big")
            if not TAG_BYTES <= length <= FRAME + TAG_BYTES:
                raise FileGoneError("The file is not as it was received: send it again.")
            nonce, sealed = file.read(NONCE_BYTES), file.read(length)
            last = file.tell() >= size
            try:
                piece = cipher.decrypt(nonce, sealed, _bound(file_id, number, last=last))
            except (exceptions.InvalidTag, ValueError):
                raise FileGoneError("The file is not as it was received: send it again.") from None
            yield piece
            number += 1


def _bound(file_id: uuid.UUID, number: int, *, last: bool) -> bytes:
    return file_id.bytes + number.to_bytes(8, "big") + bytes([last])
