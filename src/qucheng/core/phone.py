"""Phone numbers of people: written in one form, and shown with their middle hidden."""

from __future__ import annotations

from typing import ClassVar

import phonenumbers

from qucheng.core import errors

LONGEST = 40
HEAD, TAIL = 3, 4
# where a number is meant that does not name its country
REGIONS = {"CNY": "CN", "HKD": "HK", "SGD": "SG", "TWD": "TW", "MYR": "MY", "JPY": "JP", "GBP": "GB", "USD": "US"}

# in some countries numbers do not tell whether they are mobile
TEXTED = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


class PhoneInvalidError(errors.RefusedError):
    code: ClassVar[str] = "phone.invalid"
    status: ClassVar[int] = 422


def region(currency: str) -> str | None:
    """Of a brand, by its currency; None where the country must be named."""
    return REGIONS.get(currency)


def prefix(currency: str) -> str | None:
    """`+86`: what stands before a number that does not name its country."""
    found = region(currency)
    return f"+{phonenumbers.country_code_for_region(found)}" if found else None


def normalised(typed: str, *, region: str | None) -> str:
    """`+8613805712264`. Raises PhoneInvalidError for what is no number that could be called."""
    if len(typed) <= LONGEST:
        try:
            found = phonenumbers.parse(typed, region)
        except phonenumbers.NumberParseException:
            found = None
        if found is not None and not found.extension and phonenumbers.is_valid_number(found):
            return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    raise PhoneInvalidError("This is no phone number that could be called.")


def takes_texts(number: str) -> bool:
    """Whether text messages reach it, of a number in the form of `normalised`: not so a fixed line, or one that costs its caller."""
    return phonenumbers.number_type(phonenumbers.parse(number)) in TEXTED


def masked(number: str) -> str:
    """`138****2264`, of a number in the form of `normalised`."""
    national = phonenumbers.national_significant_number(phonenumbers.parse(number))
    head = min(HEAD, max(0, len(national) - TAIL - 1))
    return f"{national[:head]}****{national[-TAIL:]}"
