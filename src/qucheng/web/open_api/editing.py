"""Editing without losing what somebody else changed: the version that was read is named when it is changed (ETag, If-Match)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from litestar import Response

from qucheng.core import errors
from qucheng.web import machines
from qucheng.web.open_api import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Request

# RFC 9110, 8.8.3
LISTED = re.compile(r'(?P<tag>(?:W/)?"[!#-~\x80-\xff]*")[ \t]*(?:,[ \t]*|$)')
ANYTHING = "*"
LONGEST = 4096
NOT_MODIFIED = 304


class ConditionMissingError(errors.RefusedError):
    """A change that does not say which version it changes."""

    code: ClassVar[str] = "edit.condition"
    status: ClassVar[int] = 428


class ConditionInvalidError(errors.RefusedError):
    code: ClassVar[str] = "edit.condition_invalid"
    status: ClassVar[int] = 400


class StaleError(errors.RefusedError):
    """It was changed since it was read."""

    code: ClassVar[str] = "edit.stale"
    status: ClassVar[int] = 412


def tag(*version: object) -> str:
    """A strong ETag of what tells this version from all others: which thing it is, and its revision."""
    digest = hashlib.sha256(msgspec.json.encode(version)).digest()[:16]
    return f'"{base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}"'


def answer(request: Request[Any, Any, Any], value: object, current: str, status: int = 200) -> Response[bytes]:
    """The thing with its ETag; no body where the caller has this version already."""
    if request.method == "GET" and _has(request.headers.get("if-none-match"), current):
        return Response(
            b"", status_code=NOT_MODIFIED, media_type=machines.JSON, headers={**machines.headers(request), "etag": current}
        )
    response = operations.answer(request, value, status)
    response.headers["etag"] = current
    return response


def require(request: Request[Any, Any, Any], current: str) -> None:
    """Raises ConditionMissingError, ConditionInvalidError, StaleError.

    The room compares once more when it writes: what changed since this look is found there.
    """
    given = request.headers.get("if-match")
    if given is None or not given.strip():
        raise ConditionMissingError("Read it first, and send its ETag as If-Match.")
    if given.strip() == ANYTHING:
        return
    named = _tags(given)
    if named is None:
        raise ConditionInvalidError('If-Match holds ETags as they were given, in quotation marks, or "*".')
    if current not in named:
        raise StaleError("It was changed since you read it: read it again, then change it.")


@contextlib.contextmanager
def stale(*refusals: type[errors.RefusedError]) -> Iterator[None]:
    """The room's own refusals of a version that is past, as this door says it."""
    try:
        yield
    except refusals:
        raise StaleError("It was changed since you read it: read it again, then change it.") from None


def _has(given: str | None, current: str) -> bool:
    """Of a read: a weak tag is as good as a strong one, and what cannot be read is passed over."""
    if given is None:
        return False
    return given.strip() == ANYTHING or current in {each.removeprefix("W/") for each in _tags(given) or ()}


def _tags(given: str) -> list[str] | None:
    """The tags of a header; None where it is no list of such. One that is weak stays marked, and equals no strong one."""
    found, place, text = [], 0, given.strip()
    if len(text) > LONGEST:
        return None
    while place < len(text):
        match = LISTED.match(text, place)
        if match is None:
            return None
        found.append(match["tag"])
        place = match.end()
    return found
