"""What the pages of a reseller share: its brand, and how amounts, rates and days are written."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any
from urllib import parse

import msgspec
from babel import numbers
from litestar import Request, Response
from litestar.exceptions import NotFoundException

from qucheng.core import money
from qucheng.identity import brand as brands
from qucheng.identity.brand import Brand
from qucheng.web import auth, pages, texts

HUNDREDTH_PPM = 100
AXIS_SHORT = 10_000
NUMBER = re.compile(r"[0-9]{1,7}", re.ASCII)
MONTH = re.compile(r"((?:19|2[01])[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """Whose page it is."""

    user_id: uuid.UUID
    brand: Brand
    reseller: str
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        return permission in self.permissions


async def own(request: Request[Any, Any, Any]) -> Own:
    """Pages of a reseller are for who works in one."""
    who = auth.principal(request)
    if who.brand_id is None or who.reseller is None:
        raise NotFoundException
    brand = await brands.read(who.brand_id)
    return Own(user_id=who.user_id, brand=brand, reseller=who.reseller, permissions=who.permissions)


async def view(
    request: Request[Any, Any, Any],
    template: str,
    mine: Own,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: object,
) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        f"portal/{template}",
        status=status,
        headers=headers,
        mine=mine,
        brand=mine.brand,
        symbol=symbol(mine.brand, words),
        unit=unit(mine.brand, words),
        percent=percent,
        rate=rate,
        plain=plain,
        **values,
    )


def symbol(brand: Brand, words: texts.Texts) -> str:
    if brand.currency == "CNY":
        return "¥"
    return numbers.get_currency_symbol(brand.currency, locale="zh_CN" if words.chinese else "en")


def unit(brand: Brand, words: texts.Texts) -> str:
    return words.unit(brand.currency)


def percent(ppm: int) -> str:
    """`6.00%`, with more digits where the rate has them."""
    whole, part = divmod(abs(ppm), 10_000)
    digits = f"{part:04}"
    return f"{money.MINUS if ppm < 0 else ''}{whole}.{digits if part % HUNDREDTH_PPM else digits[:2]}%"


def rate(text: str, basis: str) -> str:
    """Of a rule: money for a unit, or a share."""
    return text if basis == "unit" else percent(money.parse_plain(text, 6))


def plain(value: int, decimals: int) -> str:
    """An amount inside a sentence."""
    return money.format_display(value, decimals)


def worth(value: int, decimals: int) -> str:
    """A face value: without a fraction where it has none."""
    whole, part = divmod(value, 10**decimals)
    return plain(value, decimals) if part else f"{whole:,}"


def axis(value: int, brand: Brand, words: texts.Texts) -> str:
    """On the axis of a chart only: thousands and 万 are shortened."""
    whole = value // 10**brand.decimals
    if whole < AXIS_SHORT:
        return f"{whole:,}"
    size, sign = (10_000, " 万") if words.chinese else (1_000, "k")
    digits = f"{whole // size}.{whole % size:0{len(str(size)) - 1}}".rstrip("0").rstrip(".")
    return digits + sign


def typed(text: str | None) -> str:
    """Of a field of one line; empty where it holds what nobody types."""
    found = (text or "").strip()
    return found if found.isprintable() else ""


def month(text: str | None) -> dt.date | None:
    """`2026-11` of an address; None for anything else."""
    found = MONTH.fullmatch(text or "")
    return dt.date(int(found[1]), int(found[2]), 1) if found else None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of how many a page shows, and the addresses beside it."""

    first: int
    last: int
    total: int
    before: str | None
    after: str | None


def number(text: str | None) -> int:
    """A page or a row; the first for anything else."""
    return max(1, int(text)) if text and NUMBER.fullmatch(text) else 1


def span_of(total: int, rows: int, page: int, size: int, kept: dict[str, str]) -> Span:
    """Of pages that are counted. kept: the filter in the address."""
    first = (page - 1) * size
    query = {name: value for name, value in kept.items() if value}
    return Span(
        first=min(first + 1, total),
        last=min(first + rows, total),
        total=total,
        before=f"?{parse.urlencode({**query, 'page': page - 1})}" if page > 1 else None,
        after=f"?{parse.urlencode({**query, 'page': page + 1})}" if first + rows < total and rows else None,
    )
