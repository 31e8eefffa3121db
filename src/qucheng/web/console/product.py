"""One product: what is said of it, what it costs where, its image, and what was done to it."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

from litestar import Request, Response, datastructures, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import image, pictures, price_matrix, price_records, queries, rules, sku, sku_sheet
from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, streaming
from qucheng.web.console import product_edit, product_limits, product_words, products
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

NOTICES = {
    "created": n_("The product is here. Give it a price next: without one it is not sold."),
    "changed": n_("The product is changed."),
    "sale_on": n_("The product is on sale."),
    "sale_off": n_("The product is off sale: nobody gets a price for it any more."),
    "image": n_("The image is changed."),
    "limits": n_("Floor and cost are in the draft of the price book. They count when it is approved."),
}
NO_IMAGE = n_("An image is a PNG, JPEG or WebP of at most 1 MB and 4,096 pixels a side.")
STALE = n_("Somebody else changed the product meanwhile. It is shown as it is now; nothing was done.")
IMAGE_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, max-age=86400",
}


@get("/products/{code:str}", opt=guards.page("catalog.read"))
async def show(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    return await _shown(request, code, 200, ())


@post("/products/{code:str}/sale", opt=guards.page("catalog.change", form=products.LIST), status_code=200)
async def change_sale(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    sent, found = await pages.form(request), await product_edit.read(request, code)
    wanted = sent.get("on_sale") == "yes"
    seen = sent.get("revision", "")
    try:
        await sku.change(
            brand_id=(await books.brand_of(request)).id,
            code=found.code,
            seen=int(seen) if product_limits.DIGITS.fullmatch(seen) else 0,
            changes=sku.Changes(on_sale=wanted),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except sku.SkuStaleError as refusal:
        fault = pages.Fault(message=pages.words(request).gettext(STALE))
        return await _shown(request, code, refusal.status, [fault])
    return pages.elsewhere(f"{products.LIST}/{code}?done={'sale_on' if wanted else 'sale_off'}")


@get("/products/{code:str}/image", opt=guards.page("catalog.read"))
async def show_image(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[bytes]:
    """Under an address that has its hash; so a browser may keep it."""
    brand = await books.brand_of(request)
    try:
        found = await image.read(brand_id=brand.id, sku=code)
    except image.ImageUnknownError:
        raise NotFoundException from None
    headers = {**IMAGE_HEADERS, "etag": f'"{found.sha256}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(b"", status_code=304, headers=headers)
    return Response(found.bytes, media_type=found.kind, headers=headers)


@post(
    "/products/{code:str}/image",
    opt=guards.page("catalog.change", form=products.LIST),
    status_code=200,
    request_max_body_size=2 * pictures.LARGEST + streaming.ROOM,
)
async def put_image(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    sent, brand = await request.form(), await books.brand_of(request)
    await product_edit.read(request, code)
    file = sent.get("file")
    content = await file.read() if isinstance(file, datastructures.UploadFile) else b""
    try:
        await image.put(brand_id=brand.id, sku=code, content=content, actor=auth.actor(request), now=clock.now())
    except image.ImageUnfitError as refusal:
        fault = pages.Fault(field="file", message=pages.words(request).gettext(NO_IMAGE))
        return await _shown(request, code, refusal.status, [fault])
    return pages.elsewhere(f"{products.LIST}/{code}?done=image")


@post("/products/{code:str}/image/remove", opt=guards.page("catalog.change", form=products.LIST), status_code=200)
async def remove_image(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    found, brand = await product_edit.read(request, code), await books.brand_of(request)
    await image.remove(brand_id=brand.id, sku=found.code, actor=auth.actor(request))
    return pages.elsewhere(f"{products.LIST}/{code}?done=image")


@post("/products/{code:str}/limits", opt=guards.page("prices.edit", form=products.LIST), status_code=200)
async def set_limits(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """Into the draft of the price book; where there is none, it is opened."""
    sent, found = await pages.form(request), await product_edit.read(request, code)
    brand = await books.brand_of(request)
    typed = product_limits.typed(sent)
    unfit = product_limits.read(typed, brand.decimals)
    if isinstance(unfit, list):
        return await _shown(request, code, 422, _worded(request, unfit), typed)
    wrong = await product_limits.write(brand=brand, sku=found.code, change=unfit, day=_today(brand), actor=auth.actor(request))
    if wrong:
        return await _shown(request, code, 409, _worded(request, wrong), typed)
    return pages.elsewhere(f"{products.LIST}/{code}?done=limits")


def _worded(request: Request[Any, Any, Any], faults: list[tuple[str | None, str]]) -> list[pages.Fault]:
    words = pages.words(request)
    return [pages.Fault(field=field, message=words.gettext(product_limits.FAULTS[code])) for field, code in faults]


def _today(brand: Brand) -> dt.date:
    return clock.now().astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


async def _shown(
    request: Request[Any, Any, Any],
    code: str,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    typed: product_limits.Typed | None = None,
) -> Response[Any]:
    brand, found = await books.brand_of(request), await product_edit.read(request, code)
    records = await queries.history(brand_id=brand.id, code=code)
    notice = NOTICES.get(request.query_params.get("done", "")) if request.method == "GET" else None
    may_edit = "prices.edit" in auth.principal(request).permissions
    shown = await product_limits.shown(brand=brand, sku=code, now=clock.now())
    return await pages.view(
        request,
        "console/product.html",
        status=status,
        faults=faults,
        brand=brand,
        sku=found,
        unit=products.unit(brand, pages.language_of(request)),
        kinds=product_words.KINDS,
        holds=product_words.HOLDS,
        prices=await _prices(brand, code),
        channels={each.code: each.name for each in await queries.channels(brand_id=brand.id)},
        limits=shown,
        typed=typed or product_limits.blank(_today(brand), shown),
        may_edit_limits=may_edit,
        parts=await _parts(brand, found),
        packages=await queries.packages(brand_id=brand.id, code=code),
        history=product_words.history(request, brand, records),
        names=await desk.names(request, [record.user_id for record in records]),
        notice=pages.words(request).gettext(notice) if notice else None,
        today=_today(brand),
        percent=sku_sheet.percent,
    )


async def _prices(brand: Brand, code: str) -> list[tuple[price_records.Column, price_records.Cell]]:
    """Of today, by channel: the base first. Those of tiers are in the matrix."""
    now = clock.now()
    columns = [column for column in await price_matrix.columns(brand_id=brand.id, now=now) if column.tier is None]
    found = await price_matrix.matrix(
        brand_id=brand.id,
        version=None,
        columns=columns,
        day=_today(brand),
        now=now,
        chosen=price_records.Filter(skus=(code,)),
        most=1,
    )
    return list(zip(columns, found.rows[0].cells, strict=True)) if found.rows else []


async def _parts(brand: Brand, found: queries.Sku) -> list[tuple[rules.Part, str, int]]:
    """Of a package: each part, its name, and what of the list price it is."""
    if not found.parts:
        return []
    names = await queries.named(brand_id=brand.id, codes=[part.sku for part in found.parts])
    amounts = rules.shares(found.list_price_minor, found.parts)
    return [(part, names.get(part.sku, part.sku), amount) for part, amount in zip(found.parts, amounts, strict=True)]
