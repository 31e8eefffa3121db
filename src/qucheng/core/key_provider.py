"""Who keeps the keys that wrap other keys: the ring of this installation, or a service outside it that speaks the same two words.

A data key is made here, used for a batch, and stored wrapped only. The keys that wrap it never lie in the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from qucheng.core import crypto


class KeyProvider(Protocol):
    """wrapping: the number of the key that wraps now. number: which one wrapped this. place: what the wrapped key belongs to."""

    @property
    def wrapping(self) -> int: ...

    def wrap(self, data_key: bytes, *, place: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, *, place: str) -> bytes: ...

    def number(self, wrapped: bytes) -> int: ...


class Ring:
    """The file of keys as a provider: a wrapped key is a sealed value."""

    def __init__(self, keys: crypto.Keys) -> None:
        self._keys = keys

    @property
    def wrapping(self) -> int:
        return self._keys.current

    def wrap(self, data_key: bytes, *, place: str) -> bytes:
        return self._keys.seal(data_key, place=place)

    def unwrap(self, wrapped: bytes, *, place: str) -> bytes:
        """Raises crypto.SealBrokenError."""
        return self._keys.open(wrapped, place=place)

    def number(self, wrapped: bytes) -> int:
        return int.from_bytes(wrapped[1:3], "big")
