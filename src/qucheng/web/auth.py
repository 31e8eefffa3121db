"""Who it is: the session's cookie, and what it says about the person, the place and the way back."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog
from litestar.datastructures import Cookie

from qucheng.core import audit, clock, crypto, errors, limits
from qucheng.identity import permissions
from qucheng.identity import session as sessions
from qucheng.web import site as sites

if TYPE_CHECKING:
    from litestar import Response
    from litestar.connection import ASGIConnection

Name = Literal["session", "visit", "language", "device", "consumer", "store"]

YEAR = 365 * 24 * 3600
LONGEST_TOKEN = 128
DEVICE_KEPT = dt.timedelta(days=180)
# the cookie of a known device stands in for a proof, so it is worth a few attempts and no more
DEVICE_ATTEMPTS = limits.Limit(name="known-device", count=20, seconds=3600, closed_when_down=True)
LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
BROWSERS = (
    ("MicroMessenger/", "WeChat"), ("Edg/", "Edge"), ("Firefox/", "Firefox"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """token and who: of a session that stands; None for a stranger."""

    token: str | None
    who: permissions.Principal | None


STRANGER = Visit(token=None, who=None)


def cookie_name(name: Name, *, secure: bool) -> str:
    """`__Host-`: set by this very host over https, and by no other that shares its domain."""
    return f"__Host-{name}" if secure else name


def cookie(connection: ASGIConnection[Any, Any, Any, Any], name: Name) -> str | None:
    value = connection.cookies.get(cookie_name(name, secure=sites.of(connection).secure(connection)))
    return value if value and len(value) <= LONGEST_TOKEN else None


def give(
    response: Response[Any], connection: ASGIConnection[Any, Any, Any, Any], name: Name, value: str, *, kept: int | None = None
) -> None:
    """kept: seconds; without it, until the browser is closed."""
    secure = sites.of(connection).secure(connection)
    response.set_cookie(
        Cookie(
            key=cookie_name(name, secure=secure),
            value=value,
            max_age=kept,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )
    )


def take_back(response: Response[Any], connection: ASGIConnection[Any, Any, Any, Any], name: Name) -> None:
    give(response, connection, name, "", kept=0)


async def identify(connection: ASGIConnection[Any, Any, Any, Any]) -> Visit:
    """Asked once a request; a token that is nobody's, or whose session has ended, is a stranger's."""
    token = cookie(connection, "session")
    found = STRANGER
    if token is not None:
        try:
            found = Visit(token=token, who=await sessions.principal(token=token, now=clock.now()))
        except sessions.SessionUnknownError:
            found = STRANGER
    connection.scope["state"]["visit"] = found
    return found


def visit(connection: ASGIConnection[Any, Any, Any, Any]) -> Visit:
    """As the guard found it."""
    found: Visit = connection.scope["state"].get("visit", STRANGER)
    return found


def principal(connection: ASGIConnection[Any, Any, Any, Any]) -> permissions.Principal:
    """Raises SessionUnknownError for a stranger."""
    who = visit(connection).who
    if who is None:
        raise sessions.SessionUnknownError("Sign in first.")
    return who


def held(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The session's token."""
    token = visit(connection).token
    if token is None:
        raise sessions.SessionUnknownError("Sign in first.")
    return token


def actor(connection: ASGIConnection[Any, Any, Any, Any]) -> audit.Actor:
    who = visit(connection).who
    return audit.Actor(
        user_id=who.user_id if who else None,
        role=(who.role if who else None) or "user",
        network=network(connection),
        request_id=request_id(),
    )


def request_id() -> str | None:
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


def network(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return limits.network_of(connection.client.host if connection.client else "")


def device(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """What the browser says it is, in words: `Firefox · Linux`."""
    agent = connection.headers.get("user-agent", "")[:500]
    found = [next((shown for mark, shown in kinds if mark in agent), "") for kinds in (BROWSERS, SYSTEMS)]
    return " · ".join(part for part in found if part) or "?"


def local(path: str | None) -> str:
    """A way back inside this site; the first page for anything else."""
    return path if path and LOCAL_PATH.fullmatch(path) else "/"


def device_mark(keys: crypto.Keys, login: str, now: dt.datetime) -> str:
    """For the cookie of a browser in which the login was signed in to."""
    head = f"{now:%Y%m%d}.{crypto.token()[:22]}"
    return f"{head}.{_device_proof(keys, head, login)}"


async def device_known(connection: ASGIConnection[Any, Any, Any, Any], login: str, now: dt.datetime) -> bool:
    """Whether this browser was signed in with the login before: wrong attempts from elsewhere are then no reason to refuse it."""
    head, _, proof = (cookie(connection, "device") or "").rpartition(".")
    site = sites.of(connection)
    if not hmac.compare_digest(_device_proof(site.keys, head, login).encode(), proof.encode()):
        return False
    given = dt.datetime.strptime(head[:8], "%Y%m%d").replace(tzinfo=dt.UTC)
    if now - given > DEVICE_KEPT:
        return False
    try:
        await site.limit(DEVICE_ATTEMPTS, subject=head)
    except errors.RefusedError:
        return False
    return True


def _device_proof(keys: crypto.Keys, head: str, login: str) -> str:
    return base64.urlsafe_b64encode(keys.fingerprint(f"{head}\0{login}", of="known-device")).rstrip(b"=").decode()
