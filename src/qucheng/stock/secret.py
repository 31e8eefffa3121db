"""Card secrets: sealed with the data key of their batch, found again by a keyed fingerprint, and never written out by accident.

A blob is its version (1 byte), its algorithm (1), the nonce (12) and AES-256-GCM's output. Brand, SKU, card and version are
authenticated with it: in another card's row it does not open.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn

import msgspec
from cryptography import exceptions
from cryptography.hazmat.primitives.ciphers import aead

from qucheng.core import crypto, key_provider
from qucheng.stock import code

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

VERSION = 1
AES_256_GCM = 1
HEAD = bytes([VERSION, AES_256_GCM])
NONCE_BYTES = 12
INDEX_BYTES = 16
BLOCK_BYTES = 64
MASK = "***"
# between a code and its PIN: a sign that no code has
UNIT = "\x1f"
INNER, OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))


class Secret:
    """A text that is shown by `shown()` and in no other way: neither printed nor formatted, logged, pickled or made JSON of."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written out")

    def shown(self) -> str:
        return self._text


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What a blob holds. pin: where the supplier gave one beside the code."""

    code: Secret
    pin: Secret | None = None


class BlindIndex:
    """The fingerprints of a brand's codes: HMAC-SHA256, cut to 16 bytes, with a key of the brand's own.

    Both blocks of the key are hashed once, and each code goes on from copies: a third of the time, and the same answer.
    """

    VERSION: ClassVar[Literal[1]] = 1

    def __init__(self, keys: crypto.Keys, brand_id: uuid.UUID) -> None:
        key = keys.derived(f"card.index/{self.VERSION}/{brand_id}").ljust(BLOCK_BYTES, b"\0")
        self._inner, self._outer = hashlib.sha256(key.translate(INNER)), hashlib.sha256(key.translate(OUTER))

    def of(self, plain: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(plain.encode())
        outer.update(inner.digest())
        return outer.digest()[:INDEX_BYTES]

    def many(self, plain: Sequence[str]) -> list[bytes]:
        return [self.of(each) for each in plain]

    def typed(self, typed: str) -> list[bytes]:
        """What to look for when this was typed."""
        return self.many(code.meanings(typed))


class DataKey:
    """The key of one batch, open. place of the wrapped one: its batch."""

    def __init__(self, plain: bytes, *, brand_id: uuid.UUID, sku: str) -> None:
        self._cipher = aead.AESGCM(plain)
        self._bound = brand_id.bytes + sku.encode() + b"\0"

    def __repr__(self) -> str:
        return MASK

    def seal(self, text: str, *, card: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return HEAD + nonce + self._cipher.encrypt(nonce, text.encode(), self._bound + card.encode() + HEAD)

    def seal_many(self, texts: Sequence[str], cards: Sequence[str]) -> list[bytes]:
        """One call for all their chance: the system is asked once."""
        encrypt, bound, chance = self._cipher.encrypt, self._bound, secrets.token_bytes(NONCE_BYTES * len(texts))
        nonces = [chance[start : start + NONCE_BYTES] for start in range(0, len(chance), NONCE_BYTES)]
        return [
            HEAD + nonce + encrypt(nonce, text.encode(), bound + card.encode() + HEAD)
            for nonce, text, card in zip(nonces, texts, cards, strict=True)
        ]

    def open(self, blob: bytes, *, card: str) -> Code:
        """Raises crypto.SealBrokenError."""
        head, nonce, rest = blob[:2], blob[2 : 2 + NONCE_BYTES], blob[2 + NONCE_BYTES :]
        if head != HEAD or len(nonce) != NONCE_BYTES:
            raise crypto.SealBrokenError
        try:
            plain = self._cipher.decrypt(nonce, rest, self._bound + card.encode() + HEAD).decode()
        except exceptions.InvalidTag:
            raise crypto.SealBrokenError from None
        text, _, pin = plain.partition(UNIT)
        return Code(code=Secret(text), pin=Secret(pin) if pin else None)


def held(text: str, pin: str | None) -> str:
    """What is sealed of a code and its PIN."""
    return f"{text}{UNIT}{pin}" if pin else text


def place(brand_id: uuid.UUID, batch: object) -> str:
    return f"data_key/{brand_id}/{batch}"


def fresh(provider: key_provider.KeyProvider, *, brand_id: uuid.UUID, batch: object) -> bytes:
    """A data key by chance, wrapped."""
    return provider.wrap(secrets.token_bytes(crypto.KEY_BYTES), place=place(brand_id, batch))


def opened(provider: key_provider.KeyProvider, wrapped: bytes, *, brand_id: uuid.UUID, batch: object, sku: str) -> DataKey:
    """Raises crypto.SealBrokenError where the key that wrapped it is not at hand."""
    return DataKey(provider.unwrap(wrapped, place=place(brand_id, batch)), brand_id=brand_id, sku=sku)
