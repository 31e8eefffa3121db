"""Links and codes of a reseller: made, named, paused, printed; and how often each was opened and bought from."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import quote
from qucheng.core import clock
from qucheng.orders import sales_link, sales_setting
from qucheng.web import auth, guards, pages, qr_codes, selling_words
from qucheng.web import site as sites
from qucheng.web.portal import shown

LIST, ONE = "/portal/links", "/portal/links/{link_id:uuid}"
MOST = 200
FIELDS = ("name", "channel", "sku", "expires_on")
DAY = dt.timedelta(days=1)


@get(LIST, opt=guards.page("own.links.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _page(request, await shown.own(request), {})


@post(LIST, opt=guards.page("own.links.read"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    own, sent = await shown.own(request), await pages.form(request)
    given = {name: shown.typed(sent.get(name)) for name in FIELDS}
    try:
        made = await sales_link.create(
            brand=own.brand,
            reseller=own.reseller,
            channel=given["channel"],
            sku=given["sku"] or None,
            name=given["name"],
            expires_at=_expires(own, given["expires_on"]),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except sales_link.LinkInvalidError as refusal:
        faults = [selling_words.fault_of(request, field, code) for field, code in refusal.faults.items()]
        return await _page(request, own, given, refusal.status, faults)
    return pages.elsewhere(f"{LIST}/{made.id}?done=made")


@get(ONE, opt=guards.page("own.links.read"))
async def one(request: Request[Any, Any, Any], link_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    own = await shown.own(request)
    return await _one(request, own, await _read(own, link_id))


@post(ONE, opt=guards.page("own.links.read"), status_code=200)
async def change(request: Request[Any, Any, Any], link_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """do: rename, pause or resume."""
    own, sent = await shown.own(request), await pages.form(request)
    found, do = await _read(own, link_id), sent.get("do", "")
    name = shown.typed(sent.get("name")) if do == "rename" else None
    try:
        await sales_link.change(
            brand=own.brand,
            reseller=own.reseller,
            link=link_id,
            name=name,
            active={"pause": False, "resume": True}.get(do),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except sales_link.LinkInvalidError as refusal:
        faults = [selling_words.fault_of(request, field, code) for field, code in refusal.faults.items()]
        return await _one(request, own, found, refusal.status, faults, name or "")
    return pages.elsewhere(f"{LIST}/{link_id}?done={do if do in ('rename', 'pause', 'resume') else ''}")


@get(ONE + "/code/{kind:str}", opt=guards.page("own.links.read"))
async def code(
    request: Request[Any, Any, Any], link_id: params.FromPath[uuid.UUID], kind: params.FromPath[str]
) -> Response[bytes]:
    """The QR code as a file."""
    own = await shown.own(request)
    found = await _read(own, link_id)
    wanted = next((each for each in qr_codes.TYPES if each == kind), None)
    if wanted is None:
        raise NotFoundException
    headers = {**pages.HEADERS, "content-disposition": f'attachment; filename="{found.code}.{wanted}"'}
    content = qr_codes.file(_address(request, found), wanted)
    return Response(content, media_type=qr_codes.TYPES[wanted], headers=headers)


@get(ONE + "/poster", opt=guards.page("own.links.read"))
async def poster(request: Request[Any, Any, Any], link_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """A page to print, with the price of today."""
    own = await shown.own(request)
    found = await _read(own, link_id)
    offers = await _offers(own, found)
    return await shown.view(
        request,
        "links_poster.html",
        own,
        link=found,
        address=_address(request, found),
        code=_drawn(request, found),
        offers=offers,
    )


async def _page(
    request: Request[Any, Any, Any],
    own: shown.Own,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    now, words = clock.now(), pages.words(request)
    found = await quote.listing(brand_id=own.brand.id, reseller=own.reseller, at=now, most=MOST)
    # in a wholesale channel the reseller itself is the buyer
    sold = [offer for offer in found.rows if offer.channel_kind == "agency"]
    channels = {offer.channel: offer.channel_name for offer in sold}
    skus = {offer.sku: offer.name for offer in sold}
    return await shown.view(
        request,
        "links.html",
        own,
        status=status,
        rows=await sales_link.listing(brand=own.brand, reseller=own.reseller, now=now),
        now=now,
        channels=list(channels.items()),
        skus=[("", words.gettext("All products")), *((sku, f"{name} · {sku}") for sku, name in skus.items())],
        given={**dict.fromkeys(FIELDS, ""), **given},
        setting=await sales_setting.read(brand_id=own.brand.id, reseller=own.reseller),
        faults=faults,
    )


async def _one(
    request: Request[Any, Any, Any],
    own: shown.Own,
    found: sales_link.Shown,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
    name: str | None = None,
) -> Response[Any]:
    done = request.query_params.get("done", "")
    return await shown.view(
        request,
        "links_one.html",
        own,
        status=status,
        link=found,
        name=found.name if name is None else name,
        now=clock.now(),
        address=_address(request, found),
        code=_drawn(request, found),
        setting=await sales_setting.read(brand_id=own.brand.id, reseller=own.reseller),
        done=done if done in ("made", "rename", "pause", "resume") else "",
        faults=faults,
    )


async def _read(own: shown.Own, link_id: uuid.UUID) -> sales_link.Shown:
    try:
        return await sales_link.one(brand=own.brand, reseller=own.reseller, link=link_id, now=clock.now())
    except sales_link.LinkUnknownError:
        raise NotFoundException from None


async def _offers(own: shown.Own, found: sales_link.Shown) -> list[quote.Offer]:
    skus = [found.sku] if found.sku else None
    listed = await quote.listing(brand_id=own.brand.id, reseller=own.reseller, at=clock.now(), skus=skus, most=3)
    return [offer for offer in listed.rows if offer.channel == found.channel]


def _address(request: Request[Any, Any, Any], found: sales_link.Link) -> str:
    return sites.address(request, f"/o/{found.code}")


def _drawn(request: Request[Any, Any, Any], found: sales_link.Link) -> str:
    return qr_codes.drawn(_address(request, found), pages.words(request).gettext("QR code of the link"))


def _expires(own: shown.Own, typed: str) -> dt.datetime | None:
    """The end of that day of the brand. Raises LinkInvalidError for what is no day."""
    if not typed:
        return None
    try:
        day = dt.date.fromisoformat(typed)
        return dt.datetime.combine(day + DAY, dt.time(), zoneinfo.ZoneInfo(own.brand.time_zone))
    except (ValueError, OverflowError):
        raise sales_link.LinkInvalidError({"expires_on": "sales_link.expires"}) from None
