"""Versions of the price book: all of them, one with what it changes, any two beside each other, and whom a change concerns."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, params
from litestar.exceptions import NotFoundException

from qucheng.catalog import price_affected, price_compare, price_labels, price_records, price_version
from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages
from qucheng.web.console import prices_asked
from qucheng.web.finance import books, desk, facts

LIST = "/prices/versions"
PAGE, DIFFERENCES, CONCERNED = 20, 100, 50
FIRST_CONCERNED = 5


@get(LIST, opt=guards.page("prices.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    before = request.query_params.get("before", "")
    found = await price_version.versions(
        brand_id=brand.id, now=clock.now(), before=int(before) if desk.NUMBER.fullmatch(before) else None, most=PAGE + 1
    )
    shown = found[:PAGE]
    return await pages.view(
        request,
        "console/prices_versions.html",
        versions=shown,
        names=await facts.names(request, [each for row in shown for each in (row.maker, row.approver)]),
        after=f"{LIST}?before={shown[-1].number}" if len(found) > PAGE else None,
        first_page=LIST if before else None,
    )


@get("/prices/versions/{number:int}", opt=guards.page("prices.read"))
async def one(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    """with: the version it is compared with, and not the one it was made from."""
    brand, version = await _of(request, number)
    current = await price_version.current(brand_id=brand.id, now=clock.now())
    asked, page = request.query_params.get("with", ""), desk.page_number(request)
    against = int(asked) if desk.NUMBER.fullmatch(asked) else version.based_on
    compared = None
    if against is not None and against != number:
        await _of(request, against)
        compared = await price_compare.compare(
            brand_id=brand.id, a=against, b=number, skip=(page - 1) * DIFFERENCES, most=DIFFERENCES
        )
    coming = version.standing in ("draft", "submitted", "scheduled")
    affected = (
        await price_affected.affected(brand_id=brand.id, version=number, now=clock.now(), most=FIRST_CONCERNED)
        if coming
        else None
    )
    others = await price_version.versions(brand_id=brand.id, now=clock.now(), most=DIFFERENCES)
    kept = {"with": asked}
    here = f"{LIST}/{number}"
    return await pages.view(
        request,
        "console/prices_version.html",
        brand=brand,
        version=version,
        now=current,
        against=against,
        others=[each for each in others if each.number != number],
        compared=compared,
        affected=affected,
        labels=await price_labels.labels(brand_id=brand.id, day=prices_asked.today(brand)),
        names=await facts.names(request, [version.maker, version.approver]),
        mine=version.maker == auth.principal(request).user_id,
        asked=request.query_params.get("asked"),
        first=(page - 1) * DIFFERENCES + 1,
        before=books.address(here, kept, page=str(page - 1)) if page > 1 else None,
        after=books.address(here, kept, page=str(page + 1)) if compared and page * DIFFERENCES < compared.total else None,
    )


@get("/prices/versions/{number:int}/affected", opt=guards.page("prices.read"))
async def affected(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    brand, version = await _of(request, number)
    page = desk.page_number(request)
    found = await price_affected.affected(
        brand_id=brand.id, version=number, now=clock.now(), skip=(page - 1) * CONCERNED, most=CONCERNED
    )
    here = f"{LIST}/{number}/affected"
    return await pages.view(
        request,
        "console/prices_affected.html",
        brand=brand,
        version=version,
        affected=found,
        labels=await price_labels.labels(brand_id=brand.id, day=prices_asked.today(brand)),
        first=(page - 1) * CONCERNED + 1,
        before=books.address(here, {}, page=str(page - 1)) if page > 1 else None,
        after=books.address(here, {}, page=str(page + 1)) if page * CONCERNED < found.total else None,
    )


async def _of(request: Request[Any, Any, Any], number: int) -> tuple[Brand, price_records.Version]:
    """Raises PriceVersionUnknownError."""
    brand = await books.brand_of(request)
    if not 0 < number < 1 << 31:
        raise NotFoundException
    return brand, await price_version.read(brand_id=brand.id, number=number, now=clock.now())
