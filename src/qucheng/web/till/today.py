"""What a shop clerk's terminal was answered today; what was redeemed by mistake is taken back here."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post

from qucheng.core import clock
from qucheng.redemption import redemption, reversal, till_record
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.finance import books
from qucheng.web.texts import n_
from qucheng.web.till import redeem

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

HERE = "/redeem/today"
LONGEST = 200
REASON = n_("Say why.")
# of the answers of the room; a person's word is asked for by its own button
NOTICES = {
    "undone": n_("It is taken back. The card can be used again."),
    "unusable": n_("It is taken back. The card cannot be used any more: it was paid back or stopped meanwhile."),
    "late": n_("Its five minutes are over. Ask for its reversal below."),
    "nothing": n_("Nothing was redeemed with it, so there is nothing to take back."),
    "asked": n_("The request waits for somebody else's decision."),
}


@get(HERE, opt=guards.page("redemptions.make"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request, await books.brand_of(request), 200, ())


@post("/redeem/undo", opt=guards.page("redemptions.make", form=HERE), status_code=200)
async def undo(request: Request[Any, Any, Any]) -> Response[Any]:
    """Within five minutes. What was taken back already stays so."""
    brand, made, reason = await _named(request)
    if made is None or not reason:
        return await _reason_missing(request, brand)
    try:
        outcome = await reversal.undo(
            brand=brand,
            user_id=auth.principal(request).user_id,
            made=made,
            reason=reason,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (reversal.NoTerminalError, redemption.RedemptionUnknownError, reversal.CardChangedError) as refusal:
        return await _told(request, brand, refusal)
    done = "unusable" if outcome.result == "undone" and not outcome.usable else outcome.result
    return pages.elsewhere(f"{HERE}?done={done}")


@post("/redeem/ask", opt=guards.page("redemptions.make", form=HERE), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    """Later: somebody else decides."""
    brand, made, reason = await _named(request)
    if made is None or not reason:
        return await _reason_missing(request, brand)
    try:
        await reversal.ask(principal=auth.principal(request), brand=brand, made=made, reason=reason, actor=auth.actor(request))
    except (redemption.RedemptionUnknownError, reversal.CardChangedError) as refusal:
        return await _told(request, brand, refusal)
    return pages.elsewhere(f"{HERE}?done=asked")


async def _named(request: Request[Any, Any, Any]) -> tuple[Brand, uuid.UUID | None, str]:
    sent = await pages.form(request)
    try:
        made = uuid.UUID(sent.get("redemption", ""))
    except ValueError:
        made = None
    return await books.brand_of(request), made, sent.get("reason", "").strip()[:LONGEST]


async def _reason_missing(request: Request[Any, Any, Any], brand: Brand) -> Response[Any]:
    return await _view(request, brand, 422, [pages.Fault(message=pages.words(request).gettext(REASON))])


async def _told(
    request: Request[Any, Any, Any],
    brand: Brand,
    refusal: reversal.NoTerminalError | redemption.RedemptionUnknownError | reversal.CardChangedError,
) -> Response[Any]:
    return await _view(request, brand, 409, [pages.Fault(message=refusals.sentence(refusal, pages.words(request)))])


async def _view(
    request: Request[Any, Any, Any], brand: Brand, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    day = await till_record.today(brand=brand, user_id=auth.principal(request).user_id, now=clock.now())
    if day is None:
        return await redeem.nobody(request, brand, faulty=bool(faults))
    done = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "till/today.html",
        status=status,
        brand=brand,
        day=day,
        most=till_record.MOST,
        faults=faults,
        notice=pages.words(request).gettext(done) if done else None,
        late=request.query_params.get("done") in {"late", "unusable"},
        **redeem.amounts(request, brand),
    )
