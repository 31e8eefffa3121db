"""What the pages of the books share: the brand, months and cursors in an address, and files of what was chosen."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib import parse

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import cells, clock, exports
from qucheng.identity import brand as brands
from qucheng.identity.brand import Brand
from qucheng.web import auth, pages, paging
from qucheng.web import site as sites

T = TypeVar("T")

EXPORTS = "/exports"
LONGEST_TEXT = 80
FIRST_YEAR, LAST_YEAR = 1900, 2199
MONTH = re.compile(r"((?:19|2[01])[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A file of what a page shows. parameters: what its task is to know."""

    brand_id: uuid.UUID
    kind: str
    permission: str
    parameters: dict[str, Any]
    name: str
    form: cells.Form
    rows: int


async def brand_of(request: Request[Any, Any, Any]) -> Brand:
    """Pages of the books are for who works in a brand, and not in one of its resellers."""
    who = auth.principal(request)
    if who.brand_id is None or who.reseller is not None:
        raise NotFoundException
    return await brands.read(who.brand_id)


def month(text: str | None) -> dt.date | None:
    """`2026-11` of an address; None for anything else."""
    found = MONTH.fullmatch(text or "")
    return dt.date(int(found[1]), int(found[2]), 1) if found else None


def day(text: str | None) -> dt.date | None:
    """None for what is no day of these centuries: the last one that there is means never, to the database."""
    try:
        found = dt.date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def text(given: str | None) -> str | None:
    return "".join(letter for letter in given or "" if letter.isprintable()).strip()[:LONGEST_TEXT] or None


def address(path: str, kept: dict[str, str], **more: str) -> str:
    """The page with these filters; blank ones are left out."""
    query = {name: value for name, value in {**kept, **more}.items() if value}
    return f"{path}?{parse.urlencode(query)}" if query else path


def cursor(request: Request[Any, Any, Any], position: object, of: str) -> str:
    return paging.cursor(sites.of(request).keys, position, of=f"{of}/{auth.principal(request).brand_id}")


def position(request: Request[Any, Any, Any], form: type[T], of: str) -> T | None:
    """Where the page begins. Raises CursorUnknownError."""
    given = request.query_params.get("after") or None
    return paging.position(sites.of(request).keys, given, form, of=f"{of}/{auth.principal(request).brand_id}")


def form_of(given: str | None) -> cells.Form:
    """Raises NotFoundException for a form that there is not."""
    found = next((form for form in cells.FORMS if form == given), None)
    if found is None:
        raise NotFoundException
    return found


def folder(request: Request[Any, Any, Any]) -> Path:
    return sites.of(request).settings.var / exports.FOLDER


async def hand_out(
    request: Request[Any, Any, Any], asked: Asked, write: Callable[[Path], Awaitable[None]]
) -> Response[Any] | Stream:
    """The file itself; where it is a large one, the page on which it appears."""
    name, actor = exports.safe_name(f"{asked.name}.{asked.form}"), auth.actor(request)
    if asked.rows > exports.DIRECT_ROWS:
        await exports.request(
            brand_id=asked.brand_id,
            kind=asked.kind,
            queue="rest",
            permission=asked.permission,
            parameters=asked.parameters,
            file_name=name,
            rows=asked.rows,
            actor=actor,
            now=clock.now(),
        )
        return pages.elsewhere(EXPORTS)
    pieces = await exports.direct(
        brand_id=asked.brand_id,
        kind=asked.kind,
        parameters=asked.parameters,
        file_name=name,
        rows=asked.rows,
        actor=actor,
        folder=folder(request),
        write=write,
    )
    return attachment(pieces, name, cells.KINDS[asked.form])


def attachment(pieces: Iterator[bytes], name: str, kind: str) -> Stream:
    """name: of letters, digits, dots and hyphens."""
    return Stream(pieces, status_code=200, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
