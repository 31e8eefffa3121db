"""A card's secret opens in its own row only, and is shown by nobody who does not mean to."""

from __future__ import annotations

import copy
import hmac
import json
import logging
import pickle
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest

from qucheng.core import crypto, key_provider
from qucheng.stock import code, secret

if TYPE_CHECKING:
    from pathlib import Path

BRAND = uuid.UUID("01900000-0000-7000-8000-000000000001")
OTHER = uuid.UUID("01900000-0000-7000-8000-000000000002")
PLAIN = "7K2M9QX4RT6VW8YZ"


@pytest.fixture
def ring(tmp_path: Path) -> crypto.Keys:
    return crypto.keys(tmp_path)


def _key(ring: crypto.Keys, *, brand_id: uuid.UUID = BRAND, sku: str = "MOVIE", wrapped: bytes | None = None) -> secret.DataKey:
    provider = key_provider.Ring(ring)
    wrapped = wrapped or secret.fresh(provider, brand_id=BRAND, batch=1)
    return secret.opened(provider, wrapped, brand_id=brand_id, batch=1, sku=sku)


def test_a_blob_opens_for_its_card_alone(ring: crypto.Keys) -> None:
    provider = key_provider.Ring(ring)
    plain = provider.unwrap(secret.fresh(provider, brand_id=BRAND, batch=1), place=secret.place(BRAND, 1))
    key = secret.DataKey(plain, brand_id=BRAND, sku="MOVIE")
    blobs = key.seal_many([PLAIN, secret.held("AAAA-1", "0042")], ["1/1", "1/2"])
    assert [len(blob) for blob in blobs] == [2 + 12 + 16 + 16, 2 + 12 + 11 + 16]
    assert key.open(blobs[0], card="1/1").code.shown() == PLAIN
    opened = key.open(blobs[1], card="1/2")
    assert opened.pin is not None
    assert (opened.code.shown(), opened.pin.shown()) == ("AAAA-1", "0042")
    for wrong, card in (
        (key, "1/2"),
        (secret.DataKey(plain, brand_id=OTHER, sku="MOVIE"), "1/1"),
        (secret.DataKey(plain, brand_id=BRAND, sku="MUSIC"), "1/1"),
        (_key(ring), "1/1"),
    ):
        with pytest.raises(crypto.SealBrokenError):
            wrong.open(blobs[0], card=card)


def test_a_change_of_any_bit_of_a_blob_is_seen(ring: crypto.Keys) -> None:
    key = _key(ring)
    blob = key.seal(PLAIN, card="1/1")
    for place in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(crypto.SealBrokenError):
            key.open(bytes(changed), card="1/1")


def test_no_nonce_comes_twice(ring: crypto.Keys) -> None:
    blobs = _key(ring).seal_many(["x"] * 20_000, ["1/1"] * 20_000)
    assert len({blob[2:14] for blob in blobs}) == 20_000


def test_a_wrapped_key_opens_for_its_batch_and_brand_with_its_ring(ring: crypto.Keys, tmp_path: Path) -> None:
    provider = key_provider.Ring(ring)
    wrapped = secret.fresh(provider, brand_id=BRAND, batch=1)
    assert (provider.number(wrapped), len(provider.unwrap(wrapped, place=secret.place(BRAND, 1)))) == (1, 32)
    for place in (secret.place(BRAND, 2), secret.place(OTHER, 1)):
        with pytest.raises(crypto.SealBrokenError):
            provider.unwrap(wrapped, place=place)
    with pytest.raises(crypto.SealBrokenError):
        key_provider.Ring(crypto.keys(tmp_path / "other")).unwrap(wrapped, place=secret.place(BRAND, 1))


def test_the_blind_index_is_an_hmac_of_the_brand_s_own(ring: crypto.Keys) -> None:
    index = secret.BlindIndex(ring, BRAND)
    key = ring.derived(f"card.index/1/{BRAND}")
    assert index.of(PLAIN) == hmac.digest(key, PLAIN.encode(), "sha256")[:16]
    assert index.many([PLAIN, "x"]) == [index.of(PLAIN), index.of("x")]
    assert secret.BlindIndex(ring, OTHER).of(PLAIN) != index.of(PLAIN)
    own = code.many(1)[0]
    assert index.of(own) in index.typed(code.grouped(own).lower())


def test_a_secret_is_never_written_out(caplog: pytest.LogCaptureFixture) -> None:
    held = secret.Secret(PLAIN)
    found = secret.Code(code=held, pin=secret.Secret("0042"))
    logging.getLogger("qucheng.test").error("%s %r %s", held, found, f"{held:>20}")
    written = [str(held), repr(held), f"{held}", f"{held!r}", repr(found), str([held]), str({"a": held}), caplog.text]
    assert [text for text in written if PLAIN in text or "0042" in text] == []
    assert str(held) == "***"
    for write in (json.dumps, msgspec.json.encode, pickle.dumps, copy.deepcopy, vars):
        with pytest.raises(TypeError):
            write(held)
    assert held.shown() == PLAIN
