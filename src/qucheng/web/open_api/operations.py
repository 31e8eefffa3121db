"""What is said of an operation where it is described, and how its answers are made."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from litestar import Response

from qucheng.core import errors, money
from qucheng.web import machines, paging
from qucheng.web import site as sites
from qucheng.web.open_api import reading, shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar import Request

    from qucheng.identity.brand import Brand

T = TypeVar("T")


class ObjectUnknownError(errors.RefusedError):
    """Not there, or not for this key."""

    code: ClassVar[str] = "object.unknown"
    status: ClassVar[int] = 404


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """summary and about: in English, and translated in the reader. media: of what is no JSON.

    tagged: the answer has an ETag. conditional: it is a change of the version that If-Match names, and answers with the next one.
    """

    tag: str
    summary: str
    about: str = ""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    reply: type[msgspec.Struct] | None = None
    media: tuple[str, ...] = ()
    status: int = 200
    idempotent: bool = False
    tagged: bool = False
    conditional: bool = False
    refusals: tuple[int, ...] = ()


def answer(request: Request[Any, Any, Any], value: object, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, media_type=machines.JSON, headers=machines.headers(request))


def storable(text: str) -> str:
    """A name from the path, as one that could be somebody's. Raises ObjectUnknownError."""
    if reading.UNSTORABLE.search(text):
        raise ObjectUnknownError("There is no such thing.")
    return text


def of_brand(brand: Brand, minor: int) -> shapes.Money:
    return shapes.Money(amount=money.format_plain(minor, brand.decimals), currency=brand.currency)


def month(period: str | None) -> dt.date | None:
    return dt.date.fromisoformat(f"{period}-01") if period is not None else None


def shown(period: dt.date) -> str:
    return f"{period:%Y-%m}"


def position(request: Request[Any, Any, Any], asked: shapes.Listed, form: type[T]) -> T | None:
    """Where the list goes on."""
    return paging.position(sites.of(request).keys, asked.cursor, form, of=_list(request, asked))


def cut(
    request: Request[Any, Any, Any], asked: shapes.Listed, rows: list[T], key: Callable[[T], object]
) -> tuple[list[T], str | None]:
    """The rows of the page and the cursor of the next. rows: one more than the page has, where there are more."""
    if len(rows) <= asked.limit:
        return rows, None
    page = rows[: asked.limit]
    return page, paging.cursor(sites.of(request).keys, key(page[-1]), of=_list(request, asked))


def _list(request: Request[Any, Any, Any], asked: shapes.Listed) -> str:
    caller = machines.caller(request)
    filters = {name: value for name, value in msgspec.structs.asdict(asked).items() if name not in {"limit", "cursor"}}
    named = msgspec.json.encode([caller.brand_id, caller.reseller, request.scope["path"], filters])
    return named.decode()
