"""Every route says who may come in; one that does not is not served, and the app with it does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib import parse

from litestar.exceptions import NotFoundException
from litestar.routes import HTTPRoute

from qucheng.identity import api_key, permissions
from qucheng.web import auth, csrf, machines

if TYPE_CHECKING:
    import litestar
    from litestar import Request
    from litestar.connection import ASGIConnection
    from litestar.handlers.base import BaseRouteHandler

PERMISSION, AUDIENCE, FORM, SIGNED, OPERATION = "permission", "audience", "form", "signed", "operation"
PAGES, MACHINES, API = "pages", "machines", "api"
# besides the permissions of roles
ANYBODY, SIGNED_IN = "anybody", "signed-in"
KNOWN = frozenset({ANYBODY, SIGNED_IN}).union(
    permissions.OWN_ACCOUNT, permissions.ENROL, permissions.CONFIRM, *permissions.GIVEN.values()
)
SCOPES = frozenset(api_key.SCOPES) | {machines.ANY_KEY}
# a route that asks nobody who they are, and changes nothing in anybody's name
MACHINE = {PERMISSION: ANYBODY, AUDIENCE: MACHINES}
SIGN_IN, SECOND_FACTOR, ENROLMENT, ROLES = "/sign-in", "/second-factor", "/second-factor/new", "/roles"
ENDED = "ended"


class UnnamedRouteError(RuntimeError):
    """A route says nothing about who may come in, or names a permission that nobody could have."""


class ElsewhereError(Exception):
    """Before this page, another: to sign in, or to give the second factor."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def page(permission: str, *, form: str | None = None) -> dict[str, str]:
    """For the `opt` of a page's route. form: where the form stands that is sent here, if that is elsewhere."""
    return {PERMISSION: permission, AUDIENCE: PAGES, **({FORM: form} if form else {})}


def api(scope: str, *, signed: bool = False, operation: object) -> dict[str, object]:
    """For the `opt` of a route of `/api/v1`. signed: it moves money. operation: what its description says of it."""
    return {PERMISSION: scope, AUDIENCE: API, SIGNED: signed, OPERATION: operation}


def is_named(handler: Any) -> bool:  # noqa: ANN401 - litestar's handlers of all kinds
    """Whether it says who may come in, by a permission that somebody could have."""
    permission, audience = handler.opt.get(PERMISSION), handler.opt.get(AUDIENCE)
    return (audience == API and permission in SCOPES) or (audience in {PAGES, MACHINES} and permission in KNOWN)


def is_api(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    return str(connection.scope["path"]).startswith("/api/")


def is_page(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a person is to read the answer. Where there is no route, the browser's wish decides."""
    handler = connection.scope.get("route_handler")
    if handler is not None:
        return bool(handler.opt.get(AUDIENCE) == PAGES)
    return not is_api(connection) and "text/html" in connection.headers.get("accept", "")


def require_named(app: litestar.Litestar) -> None:
    """Raises UnnamedRouteError. Answers to OPTIONS are litestar's own, and say no more than the methods of a path."""
    faults = []
    for route in app.routes:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else [getattr(route, "route_handler", None)]
        for handler in handlers:
            if getattr(handler, "http_methods", None) == {"OPTIONS"}:
                continue
            if handler is None or not is_named(handler):
                faults.append(f"{route.path} ({handler})")
    if faults:
        raise UnnamedRouteError("routes that do not say who may come in: " + ", ".join(faults))


async def permitted(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Before every handler: who it is, whether they may, and whether a form is really theirs."""
    permission: str = handler.opt.get(PERMISSION, "")
    audience = handler.opt.get(AUDIENCE)
    if connection.scope.get("method") == "OPTIONS":
        return
    if not is_named(handler):
        raise UnnamedRouteError(f"{connection.scope.get('path_template')} does not say who may come in")
    if audience == MACHINES:
        return
    if audience == API:
        asked: Request[Any, Any, Any] = connection  # type: ignore[assignment] # a route of HTTP gets a request
        await machines.admit(asked, scope=permission, signed=handler.opt[SIGNED])
        return
    visit = await auth.identify(connection)
    if permission != ANYBODY:
        require(connection, visit, permission)
    if connection.scope.get("method") in csrf.UNSAFE:
        request: Request[Any, Any, Any] = connection  # type: ignore[assignment] # a route of HTTP gets a request
        await csrf.require(request)


def require(connection: ASGIConnection[Any, Any, Any, Any], visit: auth.Visit, permission: str) -> None:
    """What one may not see is not there. Who has a step to do first is led to it."""
    if visit.who is None:
        raise ElsewhereError(_with_way_back(SIGN_IN, connection))
    allowed = visit.who.permissions
    if permission == SIGNED_IN or permission in allowed:
        return
    if allowed == permissions.CONFIRM:
        raise ElsewhereError(_with_way_back(SECOND_FACTOR, connection))
    if allowed == permissions.ENROL_FIRST:
        raise ElsewhereError(ENROLMENT)
    if permission in permissions.CONFIRM:  # given already
        raise ElsewhereError("/")
    raise NotFoundException


def _with_way_back(path: str, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Back to the page afterwards; to that of the form, where one was sent, which did nothing."""
    here, query = connection.scope["path"], connection.scope["query_string"].decode("latin-1")
    sent = connection.scope.get("method") != "GET"
    if sent:
        handler = connection.scope["route_handler"]
        here = handler.opt.get(FORM) or here
    if here == "/":
        return path
    here += f"?{query}" if query else ""
    return f"{path}?{parse.urlencode({'next': here, **({'done': ENDED} if sent else {})})}"
