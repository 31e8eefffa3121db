"""Offers that are claimed: what there is, what was taken of it and what the pool still has; made once, and ended sooner."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.campaigns import offer, offer_listing
from qucheng.core import clock, errors
from qucheng.network import blocklist
from qucheng.stock import batch_listing, pool, pool_views
from qucheng.web import auth, guards, pages, qr_codes
from qucheng.web import site as sites
from qucheng.web.console import promise
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

LIST, ONE = "/offers", "/offers/{code:str}"
FIELDS = ("code", "name", "sku", "reseller", "channel", "period", "quota", "starts_at", "ends_at")
STATES: dict[offer_listing.State, str] = {
    "before": n_("Not begun"),
    "running": n_("Running"),
    "ended": n_("Ended"),
}
PERIODS: dict[offer.Period, str] = {
    "ever": n_("Once for each person"),
    "month": n_("Once a month for each person"),
    "day": n_("Once a day for each person"),
}
NOTICES = {"made": n_("The offer is there. Its address and code can be handed out."), "ended": n_("The offer has ended.")}
FAULTS = {
    "code": n_("A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not new."),
    "name": n_("Write a name of 1 to 80 characters."),
    "sku": n_("Choose a product of which each unit is a card."),
    "pool": n_("Choose a reseller that there is, a channel, or both."),
    "period": n_("Choose how often a person may claim."),
    "quota": n_("A whole number from 1 on, or blank for none."),
    "startsAt": n_("A day and a time."),
    "endsAt": n_("A day and a time after the beginning."),
}
# what a room calls a field, and where it stands in the form
PLACES = {"pool": "reseller", "startsAt": "starts_at", "endsAt": "ends_at"}
TAKEN = n_("There is an offer of this code already.")
USUAL = dt.timedelta(days=30)
NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
# until a year for which every zone's clock can be reckoned
LAST_YEAR = 2199


@get(LIST, opt=guards.page("offers.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked, page = await books.brand_of(request), request.query_params, desk.page_number(request)
    state = next((each for each in STATES if each == asked.get("state")), None)
    kept = {"text": desk.text(asked.get("text")), "state": state or ""}
    rows, total = await offer_listing.listing(brand=brand, now=clock.now(), state=state, text=kept["text"], page=page)
    words = pages.words(request)
    return await pages.view(
        request,
        "console/offers.html",
        brand=brand,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        rows=rows,
        kept=kept,
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value},
        states={each: words.gettext(word) for each, word in STATES.items()},
        periods={each: words.gettext(word) for each, word in PERIODS.items()},
        span=desk.span(LIST, kept, page, len(rows), total),
    )


@get(LIST + "/new", opt=guards.page("offers.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    today = clock.now().astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    given = {"period": "ever", "starts_at": f"{today}T00:00", "ends_at": f"{today + USUAL}T00:00"}
    return await _form(request, brand, given)


@post(LIST + "/new", opt=guards.page("offers.change"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: sent.get(name, "").strip() for name in FIELDS}
    wanted, wrong = _wanted(brand, given)
    if wanted is None:
        return await _form(request, brand, given, 422, [_fault(request, field) for field in wrong])
    try:
        made = await offer.make(brand=brand, wanted=wanted, actor=auth.actor(request), now=clock.now())
    except (offer.OfferUnfitError, offer.OfferExistsError, pool.PoolOwnerError, blocklist.PromiseError) as refusal:
        return await _form(request, brand, given, refusal.status, [_told(request, refusal)])
    return pages.elsewhere(f"{LIST}/{made.code}?done=made")


@get(ONE, opt=guards.page("offers.read"))
async def one(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    found = await _read(brand, code)
    address = _address(request, brand, found)
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/offer.html",
        brand=brand,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        offer=found,
        address=address,
        code=qr_codes.drawn(address, words.gettext("QR code of the link")),
        periods={each: words.gettext(word) for each, word in PERIODS.items()},
        names=await desk.names(request, [found.made_by]),
        notice=words.gettext(notice) if notice else None,
    )


@get(ONE + "/code/{kind:str}", opt=guards.page("offers.read"))
async def code_file(request: Request[Any, Any, Any], code: params.FromPath[str], kind: params.FromPath[str]) -> Response[bytes]:
    brand = await books.brand_of(request)
    found = await _read(brand, code)
    wanted = next((each for each in qr_codes.TYPES if each == kind), None)
    if wanted is None:
        raise NotFoundException
    headers = {**pages.HEADERS, "content-disposition": f'attachment; filename="{found.code}.{wanted}"'}
    return Response(qr_codes.file(_address(request, brand, found), wanted), media_type=qr_codes.TYPES[wanted], headers=headers)


@get(ONE + "/poster", opt=guards.page("offers.read"))
async def poster(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await _read(brand, code)
    address = _address(request, brand, found)
    return await pages.view(
        request,
        "console/offer_poster.html",
        brand=brand,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        offer=found,
        address=address,
        code=qr_codes.drawn(address, pages.words(request).gettext("QR code of the link")),
    )


@get(ONE + "/end", opt=guards.page("offers.change"))
async def doubt(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    return await pages.view(request, "console/offer_end.html", brand=brand, offer=await _read(brand, code))


@post(ONE + "/end", opt=guards.page("offers.change"), status_code=200)
async def end(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await _read(brand, code)
    await offer.end(brand=brand, code=found.code, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{LIST}/{found.code}?done=ended")


async def _read(brand: Brand, code: str) -> offer_listing.Shown:
    if offer.CODE.fullmatch(code) is None:
        raise NotFoundException
    try:
        return await offer_listing.one(brand=brand, code=code, now=clock.now())
    except offer.OfferUnknownError:
        raise NotFoundException from None


def _address(request: Request[Any, Any, Any], brand: Brand, found: offer_listing.Shown) -> str:
    return sites.address(request, f"/claim/{brand.code}/{found.code}")


def _wanted(brand: Brand, given: dict[str, str]) -> tuple[offer.Wanted | None, list[str]]:
    """What is asked for; or nothing, with the fields that cannot be so, all of them."""
    starts_at, ends_at = (_moment(brand, given[name]) for name in ("starts_at", "ends_at"))
    quota, period = given["quota"].replace(",", ""), next((each for each in PERIODS if each == given["period"]), None)
    wrong = {
        "code": offer.CODE.fullmatch(given["code"]) is None or given["code"] == offer.RESERVED,
        "name": not 0 < len(given["name"]) <= offer.LONGEST_NAME,
        "sku": not given["sku"],
        "pool": not given["reseller"] and not given["channel"],
        "period": period is None,
        "quota": bool(quota) and not (NUMBER.fullmatch(quota) and 1 <= int(quota) <= offer.MOST_QUOTA),
        "startsAt": starts_at is None,
        "endsAt": ends_at is None or (starts_at is not None and starts_at >= ends_at),
    }
    if any(wrong.values()) or starts_at is None or ends_at is None or period is None:
        return None, [field for field, fault in wrong.items() if fault]
    return offer.Wanted(
        code=given["code"],
        name=given["name"],
        sku=given["sku"],
        reseller=given["reseller"] or None,
        channel=given["channel"] or None,
        period=period,
        quota=int(quota) if quota else None,
        starts_at=starts_at,
        ends_at=ends_at,
    ), []


def _moment(brand: Brand, typed: str) -> dt.datetime | None:
    """By the brand's clock; None for what is none."""
    try:
        found = dt.datetime.fromisoformat(typed)
    except ValueError:
        return None
    if found.tzinfo is not None or not 2000 <= found.year <= LAST_YEAR:  # noqa: PLR2004 - nothing was offered before
        return None
    return found.replace(tzinfo=zoneinfo.ZoneInfo(brand.time_zone))


def _fault(request: Request[Any, Any, Any], field: str) -> pages.Fault:
    return pages.Fault(field=PLACES.get(field, field), message=pages.words(request).gettext(FAULTS[field]))


def _told(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    if isinstance(refusal, blocklist.PromiseError):
        return pages.Fault(field="name", message=promise.words(request, refusal.found))
    if isinstance(refusal, offer.OfferExistsError):
        return pages.Fault(field="code", message=pages.words(request).gettext(TAKEN))
    return _fault(request, refusal.field if isinstance(refusal, offer.OfferUnfitError) else "pool")


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        "console/offer_new.html",
        status=status,
        faults=faults,
        brand=brand,
        given={**dict.fromkeys(FIELDS, ""), **given},
        skus=await batch_listing.skus(brand_id=brand.id),
        channels=await pool_views.channels(brand_id=brand.id),
        periods=[(each, words.gettext(word)) for each, word in PERIODS.items()],
    )
