"""Coupon pools: where the stock is, by pool and SKU; one pool with its batches, its rules and what was moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.stock import allocation, batch_listing, pool_views, watch
from qucheng.stock import pool as pools
from qucheng.web import auth, guards, pages
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

LIST, ONE, RULE = "/pools", "/pools/{number:int}", "/pools/{number:int}/rule"
LARGEST_NUMBER = 2**31
MOST_REQUESTS = 50
NO_OWNER = n_("Choose a reseller that there is, a channel, or both.")
RULE_UNFIT = n_("A whole number from 1 on, or blank for none.")
NOTICES = {
    "opened": n_("The pool is there. Allocate cards to it."),
    "rule": n_("The rule is saved."),
    "moved": n_("The cards are moved."),
    "granted": n_("The cards are allocated, and the reseller sees it."),
    "refused": n_("The request is refused, and the reseller sees why."),
}


@get(LIST, opt=guards.page("stock.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _list(request, 200, {}, ())


@post(LIST, opt=guards.page("stock.change"), status_code=200)
async def open_pool(request: Request[Any, Any, Any]) -> Response[Any]:
    """Of one that is there already it is the same pool."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    reseller, channel = books.text(sent.get("owner")), books.text(sent.get("place"))
    fault = pages.Fault(field="owner", message=pages.words(request).gettext(NO_OWNER))
    if reseller is None and channel is None:
        return await _list(request, 422, sent, [fault])
    try:
        number = await pools.open_pool(brand_id=brand.id, reseller=reseller, channel=channel, actor=auth.actor(request))
    except pools.PoolOwnerError as refusal:
        return await _list(request, refusal.status, sent, [fault])
    return pages.elsewhere(f"{LIST}/{number}?done=opened")


@get(ONE, opt=guards.page("stock.read"))
async def one(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await places(brand, number)
    moves = await pool_views.moves(brand_id=brand.id, number=number)
    waiting = await allocation.requests(brand_id=brand.id, waiting=True, most=MOST_REQUESTS)
    return await pages.view(
        request,
        "console/pool.html",
        brand=brand,
        pool=found[0],
        found=[each for each in found if each.sku],
        batches=await pool_views.batches(brand_id=brand.id, number=number),
        moves=moves,
        names=await desk.names(request, [each.user_id for each in moves]),
        alerts=[each for each in await watch.alerts(brand_id=brand.id) if each.pool == number],
        waiting=[each for each in waiting if (each.reseller, each.channel) == (found[0].reseller, found[0].channel)],
        skus=await batch_listing.skus(brand_id=brand.id),
        notice=notice(request),
    )


@get(RULE, opt=guards.page("stock.change"))
async def rule_form(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    brand, sku = await books.brand_of(request), books.text(request.query_params.get("sku"))
    now = {each.sku: each for each in await places(brand, number)}.get(sku)
    limits = (now.low_level, now.borrow_quota) if now else (None, None)
    typed = dict(zip(("low_level", "borrow_quota"), ("" if each is None else str(each) for each in limits), strict=True))
    return await _rule(request, number, 200, {"sku": sku or "", **typed}, ())


@post(RULE, opt=guards.page("stock.change"), status_code=200)
async def set_rule(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    sent, brand, words = await pages.form(request), await books.brand_of(request), pages.words(request)
    await places(brand, number)
    sku = books.text(sent.get("sku")) or ""
    limits = [(name, _limit(sent.get(name, ""))) for name in ("low_level", "borrow_quota")]
    faults = [pages.Fault(field=name, message=words.gettext(RULE_UNFIT)) for name, value in limits if value == 0]
    if sku not in {code for code, _ in await batch_listing.skus(brand_id=brand.id)}:
        faults.append(pages.Fault(field="sku", message=words.gettext(n_("Choose a product of which each unit is a card."))))
    if faults:
        return await _rule(request, number, 422, sent, faults)
    low_level, borrow_quota = (value for _, value in limits)
    try:
        await pools.set_rule(
            brand_id=brand.id, pool=number, sku=sku, low_level=low_level, borrow_quota=borrow_quota, actor=auth.actor(request)
        )
    except pools.PoolRuleError as refusal:
        return await _rule(
            request, number, refusal.status, sent, [pages.Fault(field="borrow_quota", message=words.gettext(RULE_UNFIT))]
        )
    return pages.elsewhere(f"{LIST}/{number}?done=rule")


async def places(brand: Brand, number: int) -> list[pool_views.Place]:
    """What is in the pool. Raises NotFoundException where there is none."""
    found = await pool_views.pool(brand_id=brand.id, number=number) if 0 <= number < LARGEST_NUMBER else []
    if not found:
        raise NotFoundException
    return found


def notice(request: Request[Any, Any, Any]) -> str | None:
    found = NOTICES.get(request.query_params.get("done", ""))
    return pages.words(request).gettext(found) if found else None


def _limit(given: str) -> int | None:
    """Nothing for a blank, and 0 for what is no number."""
    given = given.strip().replace(",", "")
    if not given:
        return None
    return int(given) if given.isascii() and given.isdigit() and len(given) <= len(str(pools.MOST_LEVEL)) else 0


async def _list(
    request: Request[Any, Any, Any], status: int, sent: dict[str, str], faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    brand, asked, page = await books.brand_of(request), request.query_params, desk.page_number(request)
    kept = {name: desk.text(asked.get(name)) for name in ("reseller", "channel", "sku", "level")}
    chosen = pool_views.Chosen(
        reseller=kept["reseller"] or None, channel=kept["channel"] or None, sku=kept["sku"] or None, low=kept["level"] == "low"
    )
    found = await pool_views.listing(brand_id=brand.id, chosen=chosen, page=page)
    return await pages.view(
        request,
        "console/pools.html",
        status=status,
        faults=faults,
        sent=sent,
        brand=brand,
        found=found,
        kept=kept,
        filtered=any(kept.values()),
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value},
        span=desk.span(LIST, kept, page, len(found.rows), found.total),
        channels=await pool_views.channels(brand_id=brand.id),
        skus=await batch_listing.skus(brand_id=brand.id),
        alerts=await watch.alerts(brand_id=brand.id),
        waiting=await allocation.requests(brand_id=brand.id, waiting=True, most=MOST_REQUESTS),
        notice=notice(request),
    )


async def _rule(
    request: Request[Any, Any, Any],
    number: int,
    status: int,
    sent: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await places(brand, number)
    return await pages.view(
        request,
        "console/pool_rule.html",
        status=status,
        faults=faults,
        brand=brand,
        pool=found[0],
        sent=sent,
        skus=await batch_listing.skus(brand_id=brand.id),
    )
