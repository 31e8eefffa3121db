"""A form is sent from a page of ours, by who was shown it: where the request comes from, and a token bound to the session."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any, ClassVar
from urllib import parse

from qucheng.core import errors
from qucheng.web import auth, streaming
from qucheng.web import site as sites

if TYPE_CHECKING:
    from litestar import Request
    from litestar.connection import ASGIConnection

FIELD = "_csrf"
HEADER = "x-csrf-token"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ForeignOriginError(errors.RefusedError):
    """The browser says that the request comes from another site, or does not say where from."""

    code: ClassVar[str] = "csrf.origin"
    status: ClassVar[int] = 403


class PageOutOfDateError(errors.RefusedError):
    """The form is of another session, of another role, or of a browser that keeps no cookies."""

    code: ClassVar[str] = "csrf.token"
    status: ClassVar[int] = 403


def token(site: sites.Site, bound: str) -> str:
    """bound: the session's token, or what marks the visit of a stranger. Another session, or the same one in another role, has another."""
    return base64.urlsafe_b64encode(site.keys.fingerprint(bound, of="csrf")).rstrip(b"=").decode()


async def require(request: Request[Any, Any, Any]) -> None:
    """Raises ForeignOriginError or PageOutOfDateError."""
    require_own_origin(request)
    given = request.headers.get(HEADER) or await _in_form(request)
    bound = auth.visit(request).token or auth.cookie(request, "visit")
    if bound is None or not hmac.compare_digest(token(sites.of(request), bound).encode(), given.encode()):
        raise PageOutOfDateError("This page is out of date: open it again, then send it.")


async def _in_form(request: Request[Any, Any, Any]) -> str:
    """Of a form with a file only what stands before the file is read."""
    if request.route_handler.opt.get(streaming.STREAMED):
        return (await streaming.sent(request)).fields.get(FIELD, "")
    return str((await request.form()).get(FIELD) or "")


def require_own_origin(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    fetched, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    foreign = (fetched is not None and fetched != "same-origin") or (origin is not None and not _own(connection, origin))
    if foreign or (fetched is None and origin is None):
        raise ForeignOriginError("This was sent from another site.")


def _own(connection: ASGIConnection[Any, Any, Any, Any], origin: str) -> bool:
    """By host and port: what ends TLS before us speaks plain http to us."""
    try:
        parts = parse.urlsplit(origin)
    except ValueError:
        return False
    hosts = {connection.headers.get("host", ""), sites.of(connection).public.netloc} - {""}
    return parts.scheme in {"http", "https"} and parts.netloc in hosts
