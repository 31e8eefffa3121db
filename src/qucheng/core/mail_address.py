"""E-mail addresses of people: written in one form, and shown with their name hidden."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from qucheng.core import errors

LONGEST = 200
ADDRESS = re.compile(
    r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]+\.[^\s@<>,;:\"()\[\]\\.\x00-\x1f\x7f]+"
)


class MailAddressInvalidError(errors.RefusedError):
    code: ClassVar[str] = "mail_address.invalid"
    status: ClassVar[int] = 422


def normalised(typed: str) -> str:
    """One address however it is written. Raises MailAddressInvalidError for what no letter can be sent to."""
    found = unicodedata.normalize("NFKC", typed).strip().casefold()
    if len(found) > LONGEST or ADDRESS.fullmatch(found) is None:
        raise MailAddressInvalidError("This is no e-mail address.")
    return found


def masked(address: str) -> str:
    """`l****@example.com`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}****@{domain}"
