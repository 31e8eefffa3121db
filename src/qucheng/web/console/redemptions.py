"""What terminals were answered: looked for, taken as a file, looked at with all it was judged by, and asked to be taken back."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import clock
from qucheng.identity import approval as approvals
from qucheng.redemption import redemption, redemption_export, redemption_listing, reversal, rules, store_listing
from qucheng.stock import batch_listing, pool_views
from qucheng.stock import rules as stock_rules
from qucheng.web import auth, guards, pages
from qucheng.web.console import redemption_words
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

LIST, ONE = "/redemptions", "/redemptions/{redemption_id:uuid}"
NO_CARD = n_("This is no card: a card is a batch and a number, like 12-345.")
REASON = n_("Say why, on one line of at most 200 characters.")
NOT_LATE = n_("It was undone, or its terminal still can undo it: nothing was asked for.")
NOT_YOURS = n_("Somebody with another role asks for this.")


@get(LIST, opt=guards.page("redemptions.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, page = await books.brand_of(request), desk.page_number(request)
    chosen, kept = _chosen(brand, dict(request.query_params))
    words, faults = pages.words(request), []
    try:
        rows, totals = await redemption_listing.listing(brand=brand, chosen=chosen, page=page)
    except stock_rules.CardUnknownError:
        rows, totals = [], {}
        faults = [pages.Fault(field="card", message=words.gettext(NO_CARD))]
    terminals = await store_listing.terminals(brand_id=brand.id, now=clock.now())
    dated = ("from", "to")
    return await pages.view(
        request,
        "console/redemptions.html",
        status=422 if faults else 200,
        faults=faults,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        rows=rows,
        totals=totals,
        kept=kept,
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value and name not in dated},
        stores=await store_listing.names(brand_id=brand.id),
        terminals=[(str(each.id), f"{each.store_name} · {each.name}") for each in terminals],
        skus=await batch_listing.skus(brand_id=brand.id),
        results=redemption_words.results(words),
        span=desk.span(LIST, kept, page, len(rows), sum(totals.values())),
    )


@post(LIST + "/export", opt=guards.page("redemptions.read", form=LIST), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    brand, sent = await books.brand_of(request), await pages.form(request)
    form = books.form_of(sent.get("form"))
    chosen, kept = _chosen(brand, sent)
    try:
        _, totals = await redemption_listing.listing(brand=brand, chosen=chosen)
    except stock_rules.CardUnknownError:
        return pages.elsewhere(books.address(LIST, kept))
    wanted = redemption_export.Wanted(form=form, chosen=chosen)
    asked = books.Asked(
        brand_id=brand.id,
        kind=redemption_export.KIND,
        permission="redemptions.read",
        parameters=redemption_export.parameters(wanted),
        name=f"{brand.code}-redemptions-{chosen.first:%Y%m%d}-{chosen.last:%Y%m%d}",
        form=form,
        rows=sum(totals.values()),
    )
    return await books.hand_out(request, asked, lambda out: _write(brand, wanted, out))


@get(ONE, opt=guards.page("redemptions.read"))
async def one(request: Request[Any, Any, Any], redemption_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand = await books.brand_of(request)
    return await _one(request, brand, await _read(brand, redemption_id))


@post(ONE, opt=guards.page("stock.change"), status_code=200)
async def ask(request: Request[Any, Any, Any], redemption_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """That it is taken back, by somebody else's word. Asked again, it is the same request."""
    brand, sent, words = await books.brand_of(request), await pages.form(request), pages.words(request)
    found, reason = await _read(brand, redemption_id), sent.get("reason", "").strip()
    if not found.late(clock.now()):
        return await _one(request, brand, found, 409, [pages.Fault(message=words.gettext(NOT_LATE))], reason)
    if stock_rules.line(reason, stock_rules.LONGEST_NOTE) is None:
        return await _one(request, brand, found, 422, [pages.Fault(field="reason", message=words.gettext(REASON))], reason)
    try:
        await reversal.ask(
            principal=auth.principal(request), brand=brand, made=found.row.id, reason=reason, actor=auth.actor(request)
        )
    except reversal.CardChangedError as refusal:
        return await _one(request, brand, found, refusal.status, [pages.Fault(message=words.gettext(NOT_LATE))], reason)
    except approvals.NotAllowedToAskError as refusal:
        return await _one(request, brand, found, refusal.status, [pages.Fault(message=words.gettext(NOT_YOURS))], reason)
    return pages.elsewhere(f"{LIST}/{found.row.id}?done=asked")


def _chosen(brand: Brand, given: dict[str, str]) -> tuple[redemption_listing.Chosen, dict[str, str]]:
    """Of an address or a form, and as it stands in addresses: the last thirty days where it names no day that is one."""
    first, last = redemption_listing.the_last_days(brand, clock.now())
    last = books.day(given.get("to")) or last
    first = min(books.day(given.get("from")) or first, last)
    chosen = redemption_listing.Chosen(
        first=first,
        last=last,
        store=books.text(given.get("store")),
        terminal=desk.an_id(given.get("terminal")),
        sku=books.text(given.get("sku")),
        result=next((each for each in redemption_listing.RESULTS if each == given.get("result")), None),
        card=books.text(given.get("card")),
    )
    kept = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "store": chosen.store or "",
        "terminal": str(chosen.terminal or ""),
        "sku": chosen.sku or "",
        "result": chosen.result or "",
        "card": chosen.card or "",
    }
    return chosen, kept


async def _write(brand: Brand, wanted: redemption_export.Wanted, out: Path) -> None:
    await redemption_export.write(brand=brand, wanted=wanted, out=out)


async def _read(brand: Brand, made: uuid.UUID) -> redemption_listing.One:
    try:
        return await redemption_listing.one(brand=brand, made=made)
    except redemption.RedemptionUnknownError:
        raise NotFoundException from None


async def _one(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: redemption_listing.One,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
    reason: str = "",
) -> Response[Any]:
    words, row = pages.words(request), found.row
    channels = dict(await pool_views.channels(brand_id=brand.id))
    names = {
        "stores": dict(await store_listing.names(brand_id=brand.id)),
        "channels": channels,
        "terminals": {str(row.terminal): row.terminal_name},
    }
    undo = found.undo
    return await pages.view(
        request,
        "console/redemption.html",
        status=status,
        faults=faults,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        found=found,
        seen=found.seen,
        limits=redemption_words.said(found.seen.rule, words, names) if found.seen.rule is not None else [],
        channels=channels,
        results=redemption_words.results(words),
        ways={way: words.gettext(word) for way, word in redemption_words.WAYS.items()},
        names=await desk.names(request, [found.user_id, undo.user_id if undo is not None else None]),
        late=found.late(clock.now()),
        undo_minutes=int(rules.UNDO.total_seconds()) // 60,
        reason=reason,
        asked=request.method == "GET" and request.query_params.get("done") == "asked",
    )
