"""Numbers of ID cards and of companies: the examples that the standards print, and every slip of one digit."""

from __future__ import annotations

import datetime as dt

import pytest

from qucheng.network import document_number

TODAY = dt.date(2026, 11, 22)
# GB 11643-1999, and GB 32100-2015
CARD, COMPANY = "11010519491231002X", "91350100M000100Y43"


@pytest.mark.parametrize(("document", "number"), [("cn-id", CARD), ("cn-uscc", COMPANY), ("cn-uscc", "91110000600037341L")])
def test_the_examples_are_right(document: document_number.Document, number: str) -> None:
    assert document_number.is_right(document, number, today=TODAY)


@pytest.mark.parametrize(
    ("document", "number", "signs"),
    [("cn-id", CARD, "0123456789X"), ("cn-uscc", COMPANY, document_number.CREDIT_ALPHABET)],
)
def test_no_other_sign_in_any_place_is_right(document: document_number.Document, number: str, signs: str) -> None:
    slips = [number[:place] + sign + number[place + 1 :] for place in range(18) for sign in signs if sign != number[place]]
    assert [slip for slip in slips if document_number.is_right(document, slip, today=TODAY)] == []


@pytest.mark.parametrize(
    ("document", "number"),
    [
        ("cn-id", ""),
        ("cn-id", CARD + "0"),
        ("cn-id", "110105491231002"),
        ("cn-id", "440524188001010014"),  # born before 1900
        ("cn-id", "110105202613310021"),  # no such month
        ("cn-uscc", CARD),
        ("cn-uscc", "91350100M000100I43"),
        ("other", "AB"),
        ("other", "A B1234"),
        ("other", "é12345"),
        ("other", "A" * 41),
    ],
)
def test_what_is_no_number_is_refused(document: document_number.Document, number: str) -> None:
    assert not document_number.is_right(document, number, today=TODAY)


def test_nobody_is_born_tomorrow() -> None:
    assert document_number.is_right("cn-id", CARD, today=dt.date(1949, 12, 31))
    assert not document_number.is_right("cn-id", CARD, today=dt.date(1949, 12, 30))


def test_spelling_is_no_part_of_a_number() -> None:
    assert document_number.normalised(" １１０１０５ 19491231\t002ｘ ") == CARD


def test_another_countrys_paper_is_taken_as_it_is() -> None:
    assert document_number.is_right("other", "E1234567", today=TODAY)
