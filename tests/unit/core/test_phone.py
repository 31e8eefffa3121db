"""Numbers of people, however they are typed; and what is shown of them."""

from __future__ import annotations

import pytest

from qucheng.core import phone


@pytest.mark.parametrize(
    ("typed", "currency", "number", "shown"),
    [
        ("138 0571 2264", "CNY", "+8613805712264", "138****2264"),
        ("138-0571-2264", "CNY", "+8613805712264", "138****2264"),
        ("+86 13805712264", "SGD", "+8613805712264", "138****2264"),
        ("9123 4567", "SGD", "+6591234567", "912****4567"),
        ("+1 (415) 555-2671", "CNY", "+14155552671", "415****2671"),
    ],
)
def test_one_form(typed: str, currency: str, number: str, shown: str) -> None:
    assert phone.normalised(typed, region=phone.region(currency)) == number
    assert phone.masked(number) == shown


@pytest.mark.parametrize("typed", ["", "12345", "138057122641", "call me", "13805712264 ext. 5", "+999 123", "1" * 41])
def test_what_cannot_be_called(typed: str) -> None:
    with pytest.raises(phone.PhoneInvalidError):
        phone.normalised(typed, region="CN")


@pytest.mark.parametrize(
    ("number", "texted"),
    [
        ("+8613805712264", True),
        ("+14155552671", True),
        ("+85291234567", True),
        ("+862162888888", False),
        ("+447012345678", False),
        ("+18005551234", False),
    ],
)
def test_what_text_messages_reach(number: str, texted: bool) -> None:  # noqa: FBT001 - what is expected
    assert phone.takes_texts(number) is texted


def test_a_currency_of_several_countries_names_none() -> None:
    assert (phone.region("EUR"), phone.prefix("EUR"), phone.prefix("CNY")) == (None, None, "+86")
    with pytest.raises(phone.PhoneInvalidError):
        phone.normalised("13805712264", region=phone.region("EUR"))
