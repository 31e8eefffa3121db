"""Codes are made of chance and a check sign that finds what people mistype."""

from __future__ import annotations

import collections
import itertools

import pytest

from qucheng.stock import code


@pytest.mark.parametrize(("strength", "length"), [("light", 13), ("standard", 16), ("strong", 17)])
def test_one_wrong_sign_and_two_swapped_ones_always_show(strength: code.Strength, length: int) -> None:
    for plain in code.many(40, strength):
        assert (len(plain), code.read(plain)) == (length, plain)
        singles = [
            plain[:place] + sign + plain[place + 1 :] for place in range(length) for sign in code.SIGNS if sign != plain[place]
        ]
        assert len(singles) == length * 31
        assert [wrong for wrong in singles if code.read(wrong) is not None] == []
        swapped = [
            plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
            for place in range(length - 1)
            if plain[place] != plain[place + 1]
        ]
        assert [wrong for wrong in swapped if code.read(wrong) is not None] == []


def test_every_pair_of_signs_in_every_place_shows_when_swapped() -> None:
    """Exhaustive: the parity is linear, so what two signs do in their two places says it for every code."""
    tables = code.weights(17)
    for left, right in itertools.pairwise(tables):
        for first, second in itertools.combinations(range(code.FIELD), 2):
            assert left[first] ^ right[second] != left[second] ^ right[first]


def test_the_weights_are_all_different_and_none_is_nothing() -> None:
    found = [table[1] for table in code.weights(17)]
    assert found[-1] == 1
    assert len(set(found)) == 17
    assert 0 not in found


def test_codes_are_chance_in_every_place() -> None:
    made = code.many(20_000)
    assert len(set(made)) == 20_000
    for place in range(16):
        counts = collections.Counter(plain[place] for plain in made)
        assert set(counts) == set(code.SIGNS)
        # 625 expected of each; seven standard deviations
        assert min(counts.values()) > 450
        assert max(counts.values()) < 800


def test_a_code_is_read_as_people_type_it() -> None:
    plain = next(each for each in iter(lambda: code.many(1)[0], None) if "0" in each and "1" in each)
    typed = code.grouped(plain).replace("0", "o").replace("1", "l").lower()
    assert typed.count("-") == 3
    assert code.read(f"  {typed} ") == plain
    assert code.read(code.grouped(plain).replace("1", "I")) == plain
    assert code.read(plain[:-1]) is None
    assert code.read(plain.replace("0", "U")) is None


def test_a_supplier_s_code_keeps_its_letters_and_loses_what_joins_them() -> None:
    assert code.joined("aB-12 cd‐34") == "aB12cd34"
    assert code.meanings("aB-12 cd-34") == ["aB12cd34"]
    own = code.many(1)[0]
    assert code.meanings(code.grouped(own)) == [own]
    assert code.meanings(own.lower()) == ([own, own.lower()] if own.lower() != own else [own])


@pytest.mark.parametrize(
    ("given", "fits"),
    [("1234", True), ("12-3", False), ("x" * 64, True), ("x" * 65, False), ("ab\tcd", False), ("码码码码", True), ("", False)],
)
def test_which_supplier_s_codes_can_be_kept(given: str, fits: bool) -> None:  # noqa: FBT001 - a case of the table
    assert code.fit(given) is fits


@pytest.mark.parametrize(
    ("given", "pin", "weak"),
    [
        ("1234567890123456", False, False),
        ("123456789012345", False, True),
        ("12345678", True, False),
        ("ABCDEFGH12", False, False),
        ("ABCDEFGHI", False, True),
    ],
)
def test_which_codes_can_be_guessed(given: str, pin: bool, weak: bool) -> None:  # noqa: FBT001 - a case of the table
    assert code.weak(given, pin=pin) is weak


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("ABCD-EFGH-JKMN-PQRS", "PQRS"),
        ("123456789012", "9012"),
        ("12345678", "78"),
        ("1234", "4"),
        ("12", ""),
        ("a\x00bcdefghijkl", ""),
    ],
)
def test_what_is_shown_of_a_code_never_gives_it_away(given: str, shown: str) -> None:
    assert code.tail(given) == shown
