"""Numbers by which the law knows a person or a company, and whether one was written down rightly.

Sources: GB 11643-1999 (an ID card's number, its check digit by ISO 7064 MOD 11-2), GB 32100-2015 (the unified social credit code).
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Literal

Document = Literal["cn-id", "cn-uscc", "other"]
DOCUMENTS: dict[str, tuple[Document, ...]] = {"individual": ("cn-id", "other"), "company": ("cn-uscc", "other")}
ID_CARD = re.compile(r"[1-8][0-9]{16}[0-9X]")
ID_MODULUS, ID_CHECKS = 11, "10X98765432"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_CODE = re.compile(rf"[{CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{CREDIT_ALPHABET}]{{10}}")
OTHER = re.compile(r"[A-Z0-9][A-Z0-9./-]{3,39}")
FIRST_BIRTH = dt.date(1900, 1, 1)


def normalised(number: str) -> str:
    """One number, one spelling: width, case and spaces are no part of it."""
    return "".join(unicodedata.normalize("NFKC", number).split()).upper()


def is_right(document: Document, number: str, *, today: dt.date) -> bool:
    """number: normalised."""
    if document == "cn-id":
        return _is_id_card(number, today)
    if document == "cn-uscc":
        return _is_credit_code(number)
    return OTHER.fullmatch(number) is not None


def _is_id_card(number: str, today: dt.date) -> bool:
    if ID_CARD.fullmatch(number) is None:
        return False
    try:
        born = dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    # the weight of a place is 2 to the power of the places behind it
    total = sum(int(digit) * pow(2, 17 - place, ID_MODULUS) for place, digit in enumerate(number[:17]))
    return FIRST_BIRTH <= born <= today and ID_CHECKS[total % ID_MODULUS] == number[17]


def _is_credit_code(number: str) -> bool:
    if CREDIT_CODE.fullmatch(number) is None:
        return False
    size = len(CREDIT_ALPHABET)
    total = sum(CREDIT_ALPHABET.index(sign) * pow(3, place, size) for place, sign in enumerate(number[:17]))
    return CREDIT_ALPHABET[-total % size] == number[17]
