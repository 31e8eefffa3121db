"""Lists in pages: a cursor says where the next one begins. It is ours, of this list and these filters, or it is refused."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from qucheng.core import crypto

T = TypeVar("T")

USUAL, MOST = 50, 200
MARK_BYTES = 16
LONGEST_CURSOR = 1024


class CursorUnknownError(errors.RefusedError):
    """It was not given by us, or for another list, or for other filters."""

    code: ClassVar[str] = "cursor.unknown"
    status: ClassVar[int] = 400


def cursor(keys: crypto.Keys, position: object, *, of: str) -> str:
    """position: the key of the last item that was given. of: the list with its filters, and who reads it."""
    payload = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_mark(keys, payload, of) + payload).rstrip(b"=").decode()


def position(keys: crypto.Keys, given: str | None, form: type[T], *, of: str) -> T | None:
    """Where to go on; None for the beginning. Raises CursorUnknownError."""
    if given is None:
        return None
    try:
        if len(given) > LONGEST_CURSOR:
            raise CursorUnknownError("This cursor is none of ours.")
        # a character that belongs to no cursor is not passed over
        whole = base64.b64decode(given.encode() + b"=" * (-len(given) % 4), altchars=b"-_", validate=True)
        if not hmac.compare_digest(_mark(keys, whole[MARK_BYTES:], of), whole[:MARK_BYTES]):
            raise CursorUnknownError("This cursor is none of ours, or belongs to another list or other filters.")
        return msgspec.json.decode(whole[MARK_BYTES:], type=form)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise CursorUnknownError("This cursor is none of ours.") from None


def _mark(keys: crypto.Keys, payload: bytes, of: str) -> bytes:
    return keys.fingerprint(f"{of}\0{payload.decode('utf-8', 'replace')}", of="cursor")[:MARK_BYTES]
