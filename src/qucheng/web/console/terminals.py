"""Terminals of a store: a program's, known by its key, or a shop clerk's, who signs in; what each may redeem, and its end."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.redemption import store, store_listing
from qucheng.stock import batch_listing
from qucheng.web import auth, guards, pages
from qucheng.web.console import stores
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

NEW, END = stores.ONE + "/terminals/new", stores.ONE + "/terminals/{terminal_id:uuid}/end"
LONGEST_NAME = 80
FAULTS = {
    "name": n_("Write a name of 1 to 80 characters."),
    "key": n_("Choose a key that no terminal has."),
    "person": n_("Choose a shop clerk who has no terminal."),
    "sku": n_("Choose a product at least, or let it redeem all of them."),
    "closed": n_("The store is closed. Open it again first."),
    "unfit": n_("The key, the person or a product was taken or ended meanwhile. Choose again."),
}


@get(NEW, opt=guards.page("stores.change"))
async def form(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """for: a person, or a program."""
    brand = await books.brand_of(request)
    kind = "person" if request.query_params.get("for") == "person" else "key"
    return await _form(request, brand, await stores.read(brand, code), {"kind": kind, "all": "1"})


@post(NEW, opt=guards.page("stores.change"), status_code=200)
async def add(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    found = await stores.read(brand, code)
    person = sent.get("kind") == "person"
    given = {**sent, "kind": "person" if person else "key", "name": sent.get("name", "").strip()}
    skus = [name.removeprefix("sku.") for name in sent if name.startswith("sku.")]
    whose = desk.an_id(sent.get("person" if person else "key"))
    wrong = {
        "closed": found.closed_at is not None,
        "name": not (0 < len(given["name"]) <= LONGEST_NAME and given["name"].isprintable()),
        given["kind"]: whose is None,
        "sku": "all" not in sent and not skus,
    }
    if any(wrong.values()):
        return await _form(request, brand, found, given, 422, [field for field, fault in wrong.items() if fault])
    try:
        await store.add_terminal(
            brand_id=brand.id,
            store=found.code,
            name=given["name"],
            api_key=None if person else whose,
            user_id=whose if person else None,
            skus=None if "all" in sent else skus,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except store.TerminalUnfitError as refusal:
        return await _form(request, brand, found, given, refusal.status, ["unfit"])
    return pages.elsewhere(f"{stores.LIST}/{found.code}?done=terminal")


@get(END, opt=guards.page("stores.change"))
async def doubt(
    request: Request[Any, Any, Any], code: params.FromPath[str], terminal_id: params.FromPath[uuid.UUID]
) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await stores.read(brand, code)
    terminal = await _terminal(brand, found, terminal_id)
    return await pages.view(
        request,
        "console/terminal_end.html",
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        store=found,
        terminal=terminal,
        names=await desk.names(request, [terminal.user_id]),
    )


@post(END, opt=guards.page("stores.change"), status_code=200)
async def end(
    request: Request[Any, Any, Any], code: params.FromPath[str], terminal_id: params.FromPath[uuid.UUID]
) -> Response[Any]:
    """One that has ended stays ended."""
    brand = await books.brand_of(request)
    found = await stores.read(brand, code)
    terminal = await _terminal(brand, found, terminal_id)
    if terminal.ended_at is None:
        await store.end_terminal(brand_id=brand.id, terminal=terminal.id, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{stores.LIST}/{found.code}?done=ended")


async def _terminal(brand: Brand, of: store_listing.Store, terminal_id: uuid.UUID) -> store_listing.Terminal:
    listed = await store_listing.terminals(brand_id=brand.id, now=clock.now(), of_store=of.code)
    found = next((each for each in listed if each.id == terminal_id), None)
    if found is None:
        raise NotFoundException
    return found


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: store_listing.Store,
    given: dict[str, str],
    status: int = 200,
    wrong: list[str] | tuple[()] = (),
) -> Response[Any]:
    words = pages.words(request)
    clerks = await store_listing.free_clerks(brand_id=brand.id)
    names = await desk.names(request, clerks)
    places = {"closed": None, "unfit": given["kind"]}
    return await pages.view(
        request,
        "console/terminal_new.html",
        status=status,
        faults=[pages.Fault(field=places.get(field, field), message=words.gettext(FAULTS[field])) for field in wrong],
        store=found,
        given={"name": "", "key": "", "person": "", **given},
        chosen=[name.removeprefix("sku.") for name in given if name.startswith("sku.")],
        keys=await store_listing.free_keys(brand_id=brand.id, now=clock.now()),
        clerks=sorted(((each, names.get(each, "?")) for each in clerks), key=lambda pair: pair[1]),
        skus=await batch_listing.skus(brand_id=brand.id),
    )
