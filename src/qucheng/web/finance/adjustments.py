"""Adjustments: the list, and the form in which one is asked for. Before it is, the page says what will happen."""

from __future__ import annotations

import uuid
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, money
from qucheng.identity import approval as approvals
from qucheng.identity.brand import Brand
from qucheng.settlement import adjustment, adjustment_queries, dispute
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

LIST, NEW = "/adjustments", "/adjustments/new"
FIELDS = ("reseller", "amount", "reason", "reference", "note", "dispute", "code")
STATES: dict[adjustment_queries.State, str] = {
    "waiting": n_("Awaiting approval"),
    "due": n_("Due"),
    "settled": n_("On a statement"),
    "rejected": n_("Rejected"),
    "expired": n_("Expired"),
}
FAULTS = {
    "reseller.unknown": n_("There is no reseller of this code. Choose one from the list."),
    "amount.unreadable": n_("Write an amount such as -25.00 or 1,200."),
    "amount.zero": n_("An adjustment of nothing changes nothing. Write what is added, or with a minus what is taken."),
    "amount.limit": n_("An amount is less than 10,000,000,000."),
    "reason.unknown": n_("Choose a reason."),
    "reference.missing": n_("An adjustment refers to an order or a statement. Write its number."),
    "reference.unknown": n_("The reseller has no order and no statement of this number."),
    "note.missing": n_("Where the reason is something else, the note says what for."),
    "text.promise": n_("This promises income. Say what is paid for, not what can be earned."),
    "note.invalid": n_("A note has at most 200 characters, and no other signs than those of a text."),
}


@get(LIST, opt=guards.page("adjustments.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked, words = await books.brand_of(request), request.query_params, pages.words(request)
    reasons = desk.reasons(request)
    kept = {
        "state": next((state for state in STATES if state == asked.get("state")), ""),
        "reason": next((reason for reason in reasons if reason == asked.get("reason")), ""),
        "text": desk.text(asked.get("text")),
    }
    number = desk.page_number(request)
    found = await adjustment_queries.listing(
        brand=brand,
        states=[cast("adjustment_queries.State", kept["state"])] if kept["state"] else [],
        reason_code=kept["reason"] or None,
        text=kept["text"] or None,
        skip=(number - 1) * desk.PAGE,
        most=desk.PAGE,
    )
    done = desk.an_id(asked.get("asked"))
    return await pages.view(
        request,
        "finance/adjustments.html",
        brand=brand,
        found=found,
        names=await desk.names(request, [each for row in found.rows for each in (row.maker, row.checker)]),
        reasons=reasons,
        states=[(state, words.gettext(word)) for state, word in STATES.items()],
        wanted=kept,
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value},
        span=desk.span(LIST, kept, number, len(found.rows), found.count),
        asked=done,
    )


@get(NEW, opt=guards.page("adjustments.request"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    """dispute: the one that is answered by it; then the reseller and the reason are its."""
    brand = await books.brand_of(request)
    given = {name: desk.text(request.query_params.get(name)) for name in FIELDS if name != "code"}
    answered = await _dispute(brand, given["dispute"])
    if answered is not None:
        given |= {"reseller": answered.reseller, "reason": "dispute", "reference": given["reference"] or answered.statement_no}
    return await _form(request, brand, given, answered)


@post(NEW, opt=guards.page("adjustments.request"), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    """First it shows what would be asked for; sent from there it asks, and sent again it has asked."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: sent.get(name, "").strip() for name in FIELDS}
    answered = await _dispute(brand, given["dispute"])
    if sent.get("step") == "change":
        return await _form(request, brand, given, answered)
    amount = _amount(brand, given["amount"])
    values: dict[str, Any] = {
        "brand": brand,
        "reseller": given["reseller"],
        "amount_minor": amount or 0,
        "reason_code": given["reason"],
        "reference": given["reference"],
        "note": given["note"],
        "dispute_id": answered.id if answered else None,
        "code": given["code"] or None,
        "now": clock.now(),
    }
    try:
        if sent.get("step") == "ask" and amount is not None:
            who, actor = auth.principal(request), auth.actor(request)
            approval_id = await adjustment.request(principal=who, actor=actor, **values)
            return pages.elsewhere(f"{LIST}?asked={approval_id}")
        prepared = await adjustment.prepare(**values)
    except adjustment.AdjustmentInvalidError as refusal:
        if amount is None:
            refusal.faults["amount"] = "amount.unreadable"
        return await _form(request, brand, given, answered, refusal.status, _faults(request, refusal))
    except (
        adjustment.AdjustmentPendingError,
        adjustment.AdjustmentTakenError,
        dispute.DisputeStateError,
        approvals.NotAllowedToAskError,
    ) as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _form(request, brand, given, answered, refusal.status, [fault])
    return await _confirmation(request, brand, given, prepared, answered)


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    answered: dispute.Dispute | None,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    reasons = desk.reasons(request)
    return await pages.view(
        request,
        "finance/adjustment_new.html",
        status=status,
        brand=brand,
        given=given,
        dispute=answered,
        payees=await adjustment_queries.payees(brand=brand),
        reasons=[(code, word) for code, word in reasons.items() if (code == "dispute") == (answered is not None)],
        faults=faults,
    )


async def _confirmation(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    prepared: dict[str, Any],
    answered: dispute.Dispute | None,
) -> Response[Any]:
    return await pages.view(
        request,
        "finance/adjustment_confirm.html",
        brand=brand,
        given={**given, "code": prepared["code"]},
        prepared=prepared,
        name=await adjustment_queries.name_of(brand=brand, reseller=prepared["reseller"]),
        dispute=answered,
        month=adjustment.lands_in(brand, clock.now()),
        reason=desk.reasons(request)[prepared["reason_code"]],
        button=money.format_display(prepared["amount_minor"], brand.decimals, plus=True),
    )


async def _dispute(brand: Brand, given: str) -> dispute.Dispute | None:
    """What one may not see is not there, and neither is what an address makes up."""
    if not given:
        return None
    wanted: uuid.UUID | None = desk.an_id(given)
    try:
        if wanted is not None:
            return await dispute.read(brand_id=brand.id, dispute_id=wanted)
    except dispute.DisputeUnknownError:
        pass
    raise NotFoundException


def _amount(brand: Brand, typed: str) -> int | None:
    """None for what is no amount."""
    try:
        return money.parse_typed(typed, brand.decimals)
    except ValueError:
        return None


def _faults(request: Request[Any, Any, Any], refusal: adjustment.AdjustmentInvalidError) -> list[pages.Fault]:
    words = pages.words(request)
    return [pages.Fault(field=field, message=words.gettext(FAULTS[code])) for field, code in refusal.faults.items()]
