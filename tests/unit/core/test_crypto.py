"""Sealed values open in their place only, with their key only; the file of keys is its owner's."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_sealed_opens_in_its_place(tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    sealed = keys.seal("苏州街 7 号".encode(), place="person.name/1")
    assert keys.open(sealed, place="person.name/1").decode() == "苏州街 7 号"
    assert len(sealed) == 1 + 2 + 12 + len("苏州街 7 号".encode()) + 16
    for elsewhere in ("person.name/2", "person.login/1", ""):
        with pytest.raises(crypto.SealBrokenError):
            keys.open(sealed, place=elsewhere)


def test_a_change_of_any_bit_is_seen(tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    sealed = keys.seal(b"secret", place="p")
    for position in range(len(sealed)):
        for bit in (1, 128):
            changed = bytes([*sealed[:position], sealed[position] ^ bit, *sealed[position + 1 :]])
            with pytest.raises(crypto.SealBrokenError):
                keys.open(changed, place="p")
    for length in range(len(sealed)):
        with pytest.raises(crypto.SealBrokenError):
            keys.open(sealed[:length], place="p")


def test_the_same_value_is_never_sealed_alike(tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    assert len({keys.seal(b"", place="p")[3:15] for _ in range(2000)}) == 2000


def test_a_new_key_seals_and_the_old_still_opens(tmp_path: Path) -> None:
    before = crypto.keys(tmp_path)
    sealed = before.seal(b"secret", place="p")
    assert crypto.add_key(tmp_path) == 2
    after = crypto.keys(tmp_path)
    assert after.open(sealed, place="p") == b"secret"
    assert after.fingerprint("a@b", of="login") == before.fingerprint("a@b", of="login")
    # a process that has the ring already seals with the new key too, and opens what others sealed with it
    for ring in (after, before):
        assert (ring.current, ring.numbers, ring.seal(b"secret", place="p")[1:3]) == (2, [1, 2], b"\0\2")
    third = crypto.keys(tmp_path)
    assert crypto.add_key(tmp_path) == 3
    assert before.open(crypto.keys(tmp_path).seal(b"more", place="p"), place="p") == b"more"
    (tmp_path / "ring.json").rename(tmp_path / "away")
    assert third.open(sealed, place="p") == b"secret"
    assert third.seal(b"secret", place="p")[1:3] == b"\0\2"


def test_a_key_goes_when_it_no_longer_seals_and_what_followed_it_has_settled(tmp_path: Path) -> None:
    ring = crypto.keys(tmp_path)
    sealed = ring.seal(b"secret", place="p")
    with pytest.raises(crypto.KeyNeededError, match="the one that seals"):
        crypto.remove_key(tmp_path, 1)
    crypto.add_key(tmp_path)
    with pytest.raises(crypto.KeyNeededError, match="less than 60 minutes ago"):
        crypto.remove_key(tmp_path, 1)
    assert ring.open(sealed, place="p") == b"secret"
    long_ago = time.time() - crypto.SETTLED_SECONDS - 1
    os.utime(tmp_path / "ring.json", (long_ago, long_ago))
    crypto.remove_key(tmp_path, 1)
    assert ring.numbers == [2]
    with pytest.raises(crypto.SealBrokenError):
        ring.open(sealed, place="p")
    with pytest.raises(crypto.KeyNeededError, match="no key 1"):
        crypto.remove_key(tmp_path, 1)


def test_a_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    ring = crypto.keys(tmp_path)
    assert ring.derived("a") == ring.derived("a")
    assert (len(ring.derived("a")), ring.derived("a") != ring.derived("b")) == (32, True)
    assert ring.derived("a") != ring.fingerprint("a", of="")


def test_another_installation_neither_opens_nor_finds(tmp_path: Path) -> None:
    ours, theirs = crypto.keys(tmp_path / "ours"), crypto.keys(tmp_path / "theirs")
    with pytest.raises(crypto.SealBrokenError):
        theirs.open(ours.seal(b"secret", place="p"), place="p")
    assert ours.fingerprint("a@b", of="login") != theirs.fingerprint("a@b", of="login")


def test_a_fingerprint_is_of_its_subject(tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    assert keys.fingerprint("a@b", of="login") == keys.fingerprint("a@b", of="login")
    assert (
        len({keys.fingerprint("a@b", of="login"), keys.fingerprint("a@b", of="phone"), keys.fingerprint("a@c", of="login")}) == 3
    )


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    crypto.keys(tmp_path / "keys")
    file = tmp_path / "keys" / "ring.json"
    assert [entry.name for entry in file.parent.iterdir()] == ["ring.json"]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.chmod(0o640)
    with pytest.raises(crypto.KeysUnusableError, match="chmod 600"):
        crypto.keys(tmp_path / "keys")


@pytest.mark.parametrize(
    "change",
    [{"current": 7}, {"keys": {"1": "c2hvcnQ="}}, {"keys": {"1": "no base64"}}, {"fingerprint": ""}, {"more": 1}],
    ids=str,
)
def test_keys_that_are_none_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    crypto.keys(tmp_path)
    file = tmp_path / "ring.json"
    file.write_bytes(msgspec.json.encode({**msgspec.json.decode(file.read_bytes()), **change}))
    with pytest.raises(crypto.KeysUnusableError):
        crypto.keys(tmp_path)


def test_nothing_of_a_key_is_shown(tmp_path: Path) -> None:
    assert repr(crypto.keys(tmp_path)) == "Keys(1)"


def _fingerprint(folder: Path) -> bytes:
    return crypto.keys(folder).fingerprint("a", of="b")


def test_processes_that_start_together_have_the_same_keys(tmp_path: Path) -> None:
    for attempt in range(3):
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            assert len(set(pool.map(_fingerprint, [tmp_path / str(attempt)] * 4, chunksize=1))) == 1


def test_a_token_has_256_bits() -> None:
    tokens = {crypto.token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}
    assert len(crypto.token_hash("a")) == 32
