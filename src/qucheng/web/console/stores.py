"""Stores in which cards are used: opened, named, closed, and what was redeemed in each of late."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors
from qucheng.redemption import store, store_edit, store_listing
from qucheng.stock import batch_listing
from qucheng.web import auth, guards, pages
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

LIST, ONE = "/stores", "/stores/{code:str}"
FIELDS = ("name", "name_en", "area", "address")
NOTICES = {
    "opened": n_("The store is there. Add a terminal: without one nothing is redeemed in it."),
    "changed": n_("The store is changed."),
    "closed": n_("The store is closed: nothing is redeemed in it any more."),
    "again": n_("The store is open again, with the terminals it had."),
    "terminal": n_("The terminal is there. It redeems from now on."),
    "ended": n_("The terminal has ended: from the next request on nothing is redeemed with it."),
}
FAULTS = {
    "code": n_("A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not new or import."),
    "name": n_("Write a name of 1 to 80 characters."),
    "name_en": n_("At most 80 characters, on one line."),
    "area": n_("At most 40 characters, on one line."),
    "address": n_("At most 200 characters, on one line."),
}
TAKEN = n_("There is a store of this code already.")
STANDING = {"open": True, "closed": False}


@get(LIST, opt=guards.page("stores.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked, page = await books.brand_of(request), request.query_params, desk.page_number(request)
    given = asked.get("state", "")
    kept = {
        "text": desk.text(asked.get("text")),
        "area": desk.text(asked.get("area")),
        "state": given if given in STANDING else "",
    }
    chosen = store_listing.Chosen(text=kept["text"], area=kept["area"] or None, standing=STANDING.get(kept["state"]))
    rows, total = await store_listing.listing(brand=brand, chosen=chosen, now=clock.now(), page=page)
    return await pages.view(
        request,
        "console/stores.html",
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        rows=rows,
        kept=kept,
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value},
        areas=await store_listing.areas(brand_id=brand.id),
        span=desk.span(LIST, kept, page, len(rows), total),
    )


@get(LIST + "/new", opt=guards.page("stores.change"))
async def new(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, await books.brand_of(request), {})


@post(LIST + "/new", opt=guards.page("stores.change"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: sent.get(name, "").strip() for name in ("code", *FIELDS)}
    try:
        await store_edit.open_(
            brand_id=brand.id, code=given["code"], facts=_facts(given), actor=auth.actor(request), now=clock.now()
        )
    except (store_edit.StoreUnfitError, store.StoreTakenError) as refusal:
        return await _form(request, brand, given, refusal)
    return pages.elsewhere(f"{LIST}/{given['code']}?done=opened")


@get(ONE, opt=guards.page("stores.read"))
async def one(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, now = await books.brand_of(request), clock.now()
    found = await read(brand, code)
    terminals = await store_listing.terminals(brand_id=brand.id, now=now, of_store=found.code)
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/store.html",
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        store=found,
        terminals=terminals,
        skus=dict(await batch_listing.skus(brand_id=brand.id)),
        names=await desk.names(request, [each.user_id for each in terminals]),
        notice=pages.words(request).gettext(notice) if notice else None,
    )


@get(ONE + "/edit", opt=guards.page("stores.change"))
async def edit(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await read(brand, code)
    return await _form(request, brand, {name: getattr(found, name) or "" for name in FIELDS}, found=found)


@post(ONE + "/edit", opt=guards.page("stores.change"), status_code=200)
async def change(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    found = await read(brand, code)
    given = {name: sent.get(name, "").strip() for name in FIELDS}
    try:
        await store_edit.change(brand_id=brand.id, code=found.code, facts=_facts(given), actor=auth.actor(request))
    except store_edit.StoreUnfitError as refusal:
        return await _form(request, brand, given, refusal, found)
    return pages.elsewhere(f"{LIST}/{found.code}?done=changed")


@get(ONE + "/close", opt=guards.page("stores.change"))
async def doubt(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """Whether it is to be closed; or opened again, where it is closed."""
    brand = await books.brand_of(request)
    return await pages.view(request, "console/store_close.html", store=await read(brand, code))


@post(ONE + "/close", opt=guards.page("stores.change"), status_code=200)
async def close(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """do: close or open. What is so already stays so."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    found, actor, again = await read(brand, code), auth.actor(request), sent.get("do") == "open"
    try:
        if again:
            await store_edit.open_again(brand_id=brand.id, code=found.code, actor=actor)
        else:
            await store.close_store(brand_id=brand.id, code=found.code, actor=actor, now=clock.now())
    except store.StoreUnknownError:
        return pages.elsewhere(f"{LIST}/{found.code}")
    return pages.elsewhere(f"{LIST}/{found.code}?done={'again' if again else 'closed'}")


async def read(brand: Brand, code: str) -> store_listing.Store:
    if store_edit.CODE.fullmatch(code) is None:
        raise NotFoundException
    try:
        return await store_listing.one(brand=brand, code=code, now=clock.now())
    except store.StoreUnknownError:
        raise NotFoundException from None


def _facts(given: dict[str, str]) -> store_edit.Facts:
    return store_edit.Facts(name=given["name"], **{name: given[name] or None for name in ("name_en", "area", "address")})


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    refusal: errors.RefusedError | None = None,
    found: store_listing.Store | None = None,
) -> Response[Any]:
    words = pages.words(request)
    fields = refusal.fields if isinstance(refusal, store_edit.StoreUnfitError) else ()
    faults = [pages.Fault(field=field, message=words.gettext(FAULTS[field])) for field in fields]
    if isinstance(refusal, store.StoreTakenError):
        faults = [pages.Fault(field="code", message=words.gettext(TAKEN))]
    return await pages.view(
        request,
        "console/store_form.html",
        status=refusal.status if refusal is not None else 200,
        faults=faults,
        store=found,
        given={**dict.fromkeys(("code", *FIELDS), ""), **given},
        areas=await store_listing.areas(brand_id=brand.id),
    )
