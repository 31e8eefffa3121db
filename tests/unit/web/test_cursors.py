"""A cursor goes on where its page ended, in its own list alone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from qucheng.core import crypto
from qucheng.web import paging

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> crypto.Keys:
    return crypto.keys(tmp_path / "keys")


def test_what_was_put_in_comes_out(keys: crypto.Keys) -> None:
    given = paging.cursor(keys, [dt.date(2026, 3, 1), "订单/1", 7], of="a")
    assert paging.position(keys, given, tuple[dt.date, str, int], of="a") == (dt.date(2026, 3, 1), "订单/1", 7)
    assert paging.position(keys, None, str, of="a") is None


def test_it_is_of_one_list_and_one_installation(keys: crypto.Keys, tmp_path: Path) -> None:
    given = paging.cursor(keys, "A02", of="a")
    assert paging.position(keys, given, str, of="a") == "A02"
    for ring, of in ((keys, "b"), (crypto.keys(tmp_path / "others"), "a")):
        with pytest.raises(paging.CursorUnknownError):
            paging.position(ring, given, str, of=of)


def test_no_character_of_it_can_be_another(keys: crypto.Keys) -> None:
    given = paging.cursor(keys, "A02", of="a")
    for place in range(len(given)):
        for other in "Az-_!=":
            if other != given[place]:
                with pytest.raises(paging.CursorUnknownError):
                    paging.position(keys, given[:place] + other + given[place + 1 :], str, of="a")


@pytest.mark.parametrize("given", ["", "=", "A", "é", "\0", " ", "A" * 21, "A" * 1025, "A" * 100_000])
def test_what_is_no_cursor(keys: crypto.Keys, given: str) -> None:
    with pytest.raises(paging.CursorUnknownError):
        paging.position(keys, given, str, of="a")


def test_one_of_another_form_is_refused(keys: crypto.Keys) -> None:
    with pytest.raises(paging.CursorUnknownError):
        paging.position(keys, paging.cursor(keys, ["A02"], of="a"), str, of="a")
