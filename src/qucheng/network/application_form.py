"""What somebody who wants to become a reseller says of itself, and what of it cannot be so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from qucheng.identity import user as users
from qucheng.network import document_number, identity_facts

if TYPE_CHECKING:
    import datetime as dt

LONGEST_NAME = 80
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
PHONE = re.compile(r"\+?[0-9]{6,20}")
SPACING = re.compile(r"[\s()./-]+")


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """As it was sent. invited_by: a reseller's code, or blank; it earns nothing by it."""

    kind: str = "individual"
    name: str = ""
    legal_name: str = ""
    document: str = "cn-id"
    number: str = ""
    contact_name: str = ""
    email: str = ""
    phone: str = ""
    channels: tuple[str, ...] = ()
    invited_by: str = ""
    agreement: int = 0
    agreement_sha256: str = ""
    agreed: bool = False


def faults(form: Form, *, channels: frozenset[str], today: dt.date) -> list[str]:
    """The fields that cannot be so, in the order of the form. channels: those that there are."""
    checks = {
        "kind": form.kind in document_number.DOCUMENTS,
        "name": is_name(form.name),
        "legal_name": is_name(form.legal_name),
        "document": form.document in document_number.DOCUMENTS.get(form.kind, ()),
        "number": _is_number(form, today),
        "contact_name": is_name(form.contact_name),
        "email": _is_address(form.email),
        "phone": PHONE.fullmatch(phone(form.phone)) is not None,
        "channels": bool(form.channels) and channels.issuperset(form.channels),
        "invited_by": not form.invited_by or CODE.fullmatch(form.invited_by) is not None,
        "agreed": form.agreed,
    }
    return [field for field, right in checks.items() if not right]


def facts(form: Form) -> identity_facts.Facts:
    """Of a form without faults."""
    return identity_facts.Facts(
        legal_name=form.legal_name.strip(),
        document=msgspec.convert(form.document, document_number.Document),
        number=document_number.normalised(form.number),
        contact_name=form.contact_name.strip(),
        email=users.address(form.email),
        phone=phone(form.phone),
    )


def agreed(form: Form, *, channels: tuple[str, ...], number: int, sha256: str) -> Form:
    """The form of somebody who has read that version, and chosen where to sell."""
    return msgspec.structs.replace(form, channels=channels, agreement=number, agreement_sha256=sha256, agreed=True)


def phone(text: str) -> str:
    return SPACING.sub("", text)


def is_name(text: str) -> bool:
    return 0 < len(text.strip()) <= LONGEST_NAME and text.strip().isprintable()


def _is_number(form: Form, today: dt.date) -> bool:
    if form.document not in document_number.DOCUMENTS.get(form.kind, ()):
        return False
    document = msgspec.convert(form.document, document_number.Document)
    return document_number.is_right(document, document_number.normalised(form.number), today=today)


def _is_address(text: str) -> bool:
    try:
        return bool(users.address(text))
    except users.AddressMissingError:
        return False
