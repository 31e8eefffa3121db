"""Pages: templates in a language, what every one of them shows, and the headers that hold a browser to them."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import parse

import jinja2
import markupsafe
import msgspec
from litestar import Response
from litestar.enums import MediaType

from qucheng.core import crypto, money
from qucheng.identity import membership as memberships
from qucheng.identity import notification
from qucheng.identity import user as users
from qucheng.web import assets, auth, csrf, guards, navigation, texts
from qucheng.web import site as sites

if TYPE_CHECKING:
    import uuid

    from litestar import Request
    from litestar.connection import ASGIConnection

    from qucheng.identity import permissions

_PACKAGE = Path(__file__).resolve().parents[1]
# beside the package in a wheel, at the root of a checkout
_PLACES = (_PACKAGE.joinpath("templates"), _PACKAGE.parents[1].joinpath("templates"))

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
# no-referrer would make browsers send forms with the origin `null`
HEADERS = {"content-security-policy": POLICY, "referrer-policy": "same-origin", "cache-control": "no-store"}
TRANSPORT = "max-age=31536000"
LONGEST_FIELD = 4096


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """field: the id of the input it belongs to; None for the form as a whole."""

    message: str
    field: str | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in, as the head of a page shows it. place: the role's brand; roles: how many there are to choose from."""

    id: uuid.UUID
    name: str
    login: str
    role: str | None
    place: str | None
    reseller: str | None
    roles: int


@functools.cache
def environment(language: texts.Language) -> jinja2.Environment:
    words = texts.texts(language)
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([place for place in _PLACES if place.is_dir()]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals.update(asset=assets.address, icon=assets.icon, language=language, other_language=words.other())
    made.filters.update(moment=words.moment, when=when, day=words.day, unit=words.unit, money=amount)
    return made


def amount(minor: int, decimals: int, *, plus: bool = False) -> markupsafe.Markup:
    """A figure in a table: a real minus, and the colour of what is taken away."""
    shown = money.format_display(minor, decimals, plus=plus)
    return markupsafe.Markup('<span class="num{}">{}</span>').format(" neg" if minor < 0 else "", shown)


def when(instant: dt.datetime) -> markupsafe.Markup:
    """A moment that is not broken over two lines."""
    shown = texts.texts("en").moment(instant)
    return markupsafe.Markup('<time class="nowrap num" datetime="{}">{}</time>').format(
        instant.isoformat(timespec="seconds"), shown
    )


def language_of(connection: ASGIConnection[Any, Any, Any, Any]) -> texts.Language:
    """What the address asks for, then what was chosen before, then what the browser prefers."""
    asked = texts.known(connection.query_params.get("lang"))
    chosen = texts.known(auth.cookie(connection, "language"))
    return asked or chosen or texts.accepted(connection.headers.get("accept-language", ""))


def words(connection: ASGIConnection[Any, Any, Any, Any]) -> texts.Texts:
    return texts.texts(language_of(connection))


async def form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields of a form: text only, the last of those with one name, and none longer than anything we ask for.

    The database takes no text with a NUL in it, and no text that is meant has one.
    """
    sent = await request.form()
    fields: dict[str, str] = {}
    for name in sent:
        value = sent.getall(name)[-1]
        if isinstance(value, str) and len(value) <= LONGEST_FIELD:
            fields[name] = value.replace("\0", "")
    return fields


async def view(
    request: Request[Any, Any, Any], template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: object
) -> Response[str]:
    """The page. Someone who has not signed in gets a cookie that marks the visit, for the forms on it."""
    visit, site = auth.visit(request), sites.of(request)
    bound, fresh = visit.token or auth.cookie(request, "visit"), None
    if bound is None:
        bound = fresh = crypto.token()
    response = _response(
        request,
        template,
        status,
        headers,
        {
            "person": await _person(request),
            "who": visit.who,
            "navigation_entries": _navigation(request),
            "unread": await _unread(visit.who),
            "csrf": csrf.token(site, bound),
            "faults": (),
            "next": "/",
            **values,
        },
    )
    if fresh is not None:
        auth.give(response, request, "visit", fresh)
    return response


def open_view(
    request: Request[Any, Any, Any], template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: object
) -> Response[str]:
    """A page for anybody, with nothing on it that would be sent in somebody's name: it gives no cookie and shows nobody."""
    return _response(request, template, status, headers, {"person": None, "who": None, "faults": (), **values})


def problem(connection: ASGIConnection[Any, Any, Any, Any], *, status: int, code: str, **values: object) -> Response[str]:
    """A page that says what went wrong. It asks nothing of the database: that may be what is wrong."""
    return _response(connection, "problem.html", status, None, {"status": status, "code": code, **values})


def elsewhere(path: str) -> Response[bytes]:
    """To another page of ours; what was sent is not sent again."""
    return Response(b"", status_code=303, media_type=MediaType.TEXT, headers={"location": path})


def _response(
    connection: ASGIConnection[Any, Any, Any, Any],
    template: str,
    status: int,
    headers: dict[str, str] | None,
    values: dict[str, Any],
) -> Response[str]:
    language = language_of(connection)
    text = (
        environment(language)
        .get_template(template)
        .render({"path": connection.scope["path"], "alternate": _alternate(connection), **values})
    )
    response = Response(text, status_code=status, media_type=MediaType.HTML, headers={**HEADERS, **(headers or {})})
    if sites.of(connection).secure(connection):
        response.headers["strict-transport-security"] = TRANSPORT
    if texts.known(connection.query_params.get("lang")) is not None:
        auth.give(response, connection, "language", language, kept=auth.YEAR)
    return response


def _alternate(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The same page in the other language. An answer to a form may have no address of its own: there it is the form's page."""
    handler = connection.scope.get("route_handler")
    form = handler.opt.get(guards.FORM, "") if handler is not None else ""
    kept = [
        (name, value) for name, value in parse.parse_qsl(connection.scope["query_string"].decode("latin-1")) if name != "lang"
    ]
    return f"{form}?" + parse.urlencode([*kept, ("lang", words(connection).other())])


def _navigation(request: Request[Any, Any, Any]) -> list[navigation.Entry]:
    who = auth.visit(request).who
    served = frozenset(route.path for route in request.app.routes)
    return navigation.entries(who.permissions, served) if who is not None else []


async def _unread(who: permissions.Principal | None) -> int:
    """For the bell at the head of the page."""
    return await notification.unread(who=who) if who is not None and "notifications.read" in who.permissions else 0


async def _person(request: Request[Any, Any, Any]) -> Person | None:
    who = auth.visit(request).who
    if who is None:
        return None
    user = await users.read(keys=sites.of(request).keys, user_id=who.user_id)
    roles = await memberships.of(who.user_id)
    chosen = next(
        (each for each in roles if (each.brand_id, each.role, each.reseller) == (who.brand_id, who.role, who.reseller)), None
    )
    return Person(
        id=who.user_id,
        name=user.name,
        login=user.login,
        role=who.role,
        place=chosen.brand_name if chosen else None,
        reseller=who.reseller,
        roles=len(roles),
    )
