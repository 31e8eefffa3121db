"""What a reseller sells: each article with its own price of today by channel, where that comes from, and what it will be next."""

from __future__ import annotations

import itertools
from typing import Any
from urllib import parse

import msgspec
from litestar import Request, Response, get, params
from litestar.exceptions import NotFoundException

from qucheng.catalog import image, quote, shelf
from qucheng.core import clock
from qucheng.insight import portal
from qucheng.web import guards, pages
from qucheng.web.console import product, product_words
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE = "/portal/products"
PAGE = 20
# where only what changes is wanted, this many articles are looked through
LOOKED_THROUGH = 1000
LONGEST_TEXT, LONGEST_CATEGORY = 80, 120
SOURCES = {
    "channel+tier": n_("Price of your tier in this channel"),
    "channel": n_("Price of this channel"),
    "base+tier": n_("Price of your tier"),
    "base": n_("Base price"),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    text: str = ""
    category: str = ""
    changes: str = ""

    def kept(self) -> dict[str, str]:
        """The filters that are on."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An article with its offers, one for each channel."""

    code: str
    name: str
    category: str
    offers: list[quote.Offer]


@get(HERE, opt=guards.page("own.products.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    own, now, words = await shown.own(request), clock.now(), pages.words(request)
    wanted, page = _wish(request), shown.number(request.query_params.get("page"))
    found, total = await _offered(own, wanted, page)
    categories = await shelf.categories(brand_id=own.brand.id, reseller=own.reseller)
    kept = wanted.kept()
    return await shown.view(
        request,
        "products.html",
        own,
        rows=found,
        articles=await shelf.articles(brand_id=own.brand.id, reseller=own.reseller, skus=[each.code for each in found]),
        span=shown.span_of(total, len(found), page, PAGE, kept),
        wanted=wanted,
        without={name: _address({**kept, name: ""}) for name in kept},
        categories=[("", words.gettext("All categories")), *((each, each) for each in categories)],
        sources={level: words.gettext(word) for level, word in SOURCES.items()},
        kinds={kind: words.gettext(word) for kind, word in product_words.KINDS.items()},
        today=portal.today(own.brand, now),
        chinese=words.chinese,
    )


@get(HERE + "/{code:str}/image", opt=guards.page("own.products.read"))
async def picture(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[bytes]:
    own = await shown.own(request)
    try:
        found = await image.read(brand_id=own.brand.id, sku=code, reseller=own.reseller)
    except image.ImageUnknownError:
        raise NotFoundException from None
    headers = {**product.IMAGE_HEADERS, "etag": f'"{found.sha256}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(b"", status_code=304, headers=headers)
    return Response(found.bytes, media_type=found.kind, headers=headers)


async def _offered(own: shown.Own, wanted: Wanted, page: int) -> tuple[list[Shown], int]:
    """The articles of the page, and how many there are in all."""
    skus = None
    if wanted.category:
        skus = await shelf.of_category(brand_id=own.brand.id, reseller=own.reseller, category=wanted.category)
    skip, most = (0, LOOKED_THROUGH) if wanted.changes else ((page - 1) * PAGE, PAGE)
    found = await quote.listing(
        brand_id=own.brand.id, reseller=own.reseller, at=clock.now(), text=wanted.text or None, skus=skus, skip=skip, most=most
    )
    rows = [
        Shown(code=sku, name=offers[0].name, category=offers[0].category, offers=offers)
        for sku, group in itertools.groupby(found.rows, key=lambda each: each.sku)
        for offers in [list(group)]
    ]
    if not wanted.changes:
        return rows, found.total
    changing = [each for each in rows if any(offer.next_on is not None for offer in each.offers)]
    return changing[(page - 1) * PAGE : page * PAGE], len(changing)


def _wish(request: Request[Any, Any, Any]) -> Wanted:
    """As far as it could be a filter."""
    asked = {name: request.query_params.get(name, "").strip() for name in ("text", "category", "changes")}
    storable = {name: value for name, value in asked.items() if value.isprintable()}
    return Wanted(
        text=storable.get("text", "")[:LONGEST_TEXT],
        category=storable.get("category", "")[:LONGEST_CATEGORY],
        changes="1" if storable.get("changes") == "1" else "",
    )


def _address(kept: dict[str, str]) -> str:
    return f"{HERE}?{parse.urlencode({name: value for name, value in kept.items() if value})}".rstrip("?")
