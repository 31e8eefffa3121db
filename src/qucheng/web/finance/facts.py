"""What several pages of the bookkeepers show alike: the brand, people's names, months, sums, addresses with filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib import parse

from litestar.exceptions import NotFoundException

from qucheng.core import money
from qucheng.identity import brand as brands
from qucheng.identity import user as users
from qucheng.web import auth
from qucheng.web import site as sites

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Callable, Iterable

    from litestar import Request

    from qucheng.identity.brand import Brand
    from qucheng.web import texts

SYMBOLS = {"CNY": "¥", "JPY": "¥"}
MOST_DIGITS = 9


async def brand(request: Request[Any, Any, Any]) -> Brand:
    """The one in which the person works. Nothing for an operator."""
    who = auth.principal(request)
    if who.brand_id is None or who.role == "operator":
        raise NotFoundException
    return await brands.read(who.brand_id)


async def names(request: Request[Any, Any, Any], people: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    wanted = list({user_id for user_id in people if user_id is not None})
    found = await users.named(keys=sites.of(request).keys, user_ids=wanted)
    return {user_id: user.name for user_id, user in found.items()}


def month(words: texts.Texts, first_day: dt.date) -> str:
    return f"{first_day.year} 年 {first_day.month} 月" if words.chinese else f"{first_day:%B %Y}"


def symbol(brand: Brand) -> str:
    """Before an amount: `¥`, or the currency's code and a space."""
    return SYMBOLS.get(brand.currency, f"{brand.currency} ")


def figure(brand: Brand, minor: int) -> str:
    """An amount outside a table: `¥173,320.30`."""
    sign = money.MINUS if minor < 0 else ""
    return f"{sign}{symbol(brand)}{money.format_display(abs(minor), brand.decimals)}"


def page_of(request: Request[Any, Any, Any]) -> int:
    """The first for anything that is no page's number."""
    text = request.query_params.get("page", "")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else 1


def link(request: Request[Any, Any, Any], path: str | None = None) -> Callable[..., str]:
    """Makes addresses of this page, or of the one at `path`: with other values for what is named, without what is named as None; and of the first page unless that is named."""
    here = path or request.scope["path"]
    now = {name: request.query_params[name] for name in request.query_params if name not in {"page", "lang", "done"}}

    def address(**changes: object) -> str:
        kept = {name: str(value) for name, value in {**now, **changes}.items() if value not in (None, "", 1)}
        return f"{here}?{parse.urlencode(kept)}" if kept else here

    return address


def pager(page: int, size: int, count: int, address: Callable[..., str]) -> dict[str, Any]:
    """For the macro of that name."""
    return {
        "first": min((page - 1) * size + 1, count),
        "last": min(page * size, count),
        "total": count,
        "before": address(page=page - 1) if page > 1 else None,
        "after": address(page=page + 1) if page * size < count else None,
    }
