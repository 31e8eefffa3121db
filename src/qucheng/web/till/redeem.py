"""What a shop clerk does with a card: scan or type it, look at the answer, confirm it. No code stands in an address."""

from __future__ import annotations

import re
import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post

from qucheng.core import clock, crypto, limits
from qucheng.redemption import picture, redemption, ticket, till_record, wrong_entry
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.consumer import usage_words
from qucheng.web.finance import books
from qucheng.web.portal import shown
from qucheng.web.texts import n_

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand
    from qucheng.redemption import rules

HERE = "/redeem"
LATEST = 5
LONGEST = 120
# the camera is for this page only
HEADERS = {"permissions-policy": "camera=(self), microphone=(), geolocation=()"}
# of a person's, besides what the room counts: wrong digits and codes
LOOKS = limits.Limit(name="till-look", count=60, seconds=60)
DIGITS, PHONE_END = re.compile(r"[0-9]{6}", re.ASCII), re.compile(r"[0-9]{4}", re.ASCII)
MOVING = re.compile(picture.FORM.pattern, re.ASCII | re.IGNORECASE)
NOTHING = n_("Scan the customer's code, or type it.")
SIX, FOUR = n_("Six digits stand under the customer's code."), n_("The last four digits of the customer's phone.")
CLOSED = {"digits.closed": "digits", "codes.closed": "text"}


@get(HERE, opt=guards.page("redemptions.make"))
async def scan(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _scan(request, await books.brand_of(request), 200, {}, ())


@post("/redeem/look", opt=guards.page("redemptions.make", form=HERE), status_code=200)
async def look(request: Request[Any, Any, Any]) -> Response[Any]:
    """Nothing is redeemed yet."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    presented = _presented(sent)
    if isinstance(presented, str):
        return await _scan(request, brand, 422, sent, [_fault(request, presented)])
    who, site = auth.principal(request), sites.of(request)
    try:
        await site.limit(LOOKS, subject=str(who.user_id))
        found = await ticket.look(
            brand=brand,
            keys=site.keys,
            user_id=who.user_id,
            presented=presented,
            form=sent.get("form", "")[:LONGEST],
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (wrong_entry.DigitsClosedError, wrong_entry.CodesClosedError, limits.LimitedError) as refusal:
        fault = pages.Fault(field=CLOSED.get(refusal.code), message=refusals.sentence(refusal, pages.words(request)))
        return await _scan(request, brand, refusal.status, {}, [fault], refusals.headers(refusal))
    except ticket.NoTerminalError:
        return await nobody(request, brand, faulty=True)
    if found.ticket is None:
        return await _refused(request, brand, found.answer, found.facts, found.rule)
    return await _view(
        request, brand, "till/confirm.html", answer=found.answer, facts=found.facts, ticket=found.ticket,
        when=_when(request, brand, found.rule, clock.now()),
    )  # fmt: skip


@post("/redeem/confirm", opt=guards.page("redemptions.make", form=HERE), status_code=200)
async def confirm(request: Request[Any, Any, Any]) -> Response[Any]:
    """The same page sent again is answered the same: no card is redeemed twice by it, and none twice at all."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    try:
        done = await ticket.confirm(
            brand=brand,
            keys=sites.of(request).keys,
            user_id=auth.principal(request).user_id,
            ticket=sent.get("ticket", ""),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except ticket.NoTerminalError:
        return await nobody(request, brand, faulty=True)
    except (ticket.TicketUnfitError, redemption.ReversedError) as refusal:
        return await _view(
            request, brand, "till/refused.html", status=refusal.status, reason="stale", answer=None, facts=None, when=()
        )
    if done.answer.result == "ok" and done.facts is not None:
        return await _view(request, brand, "till/done.html", answer=done.answer, facts=done.facts)
    return await _refused(request, brand, done.answer, done.facts, None)


_MISSING = {"text": NOTHING, "digits": SIX, "phone_end": FOUR}


def _presented(sent: dict[str, str]) -> redemption.Presented | str:
    """The field that is wrong, where it is none. A scanner types the text of a moving code into the field for codes."""
    if "digits" in sent:
        # the wallet writes them in two halves
        entered, phone_end = "".join(sent["digits"].split()), "".join(sent.get("phone_end", "").split())
        if not DIGITS.fullmatch(entered):
            return "digits"
        return (
            redemption.Presented(way="digits", text=entered, phone_end=phone_end)
            if PHONE_END.fullmatch(phone_end)
            else "phone_end"
        )
    text = sent.get("text", "").strip()
    if not text or len(text) > LONGEST:
        return "text"
    return redemption.Presented(way="dynamic" if MOVING.fullmatch(text) else "code", text=text)


def _fault(request: Request[Any, Any, Any], field: str) -> pages.Fault:
    return pages.Fault(field=field, message=pages.words(request).gettext(_MISSING[field]))


def _when(request: Request[Any, Any, Any], brand: Brand, rule: rules.Rule | None, now: dt.datetime) -> list[str]:
    return usage_words.when(rule, pages.words(request), now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date())


async def _scan(
    request: Request[Any, Any, Any],
    brand: Brand,
    status: int,
    typed: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    day = await till_record.today(brand=brand, user_id=auth.principal(request).user_id, most=LATEST, now=clock.now())
    if day is None:
        return await nobody(request, brand)
    return await _view(
        request, brand, "till/scan.html", status=status, headers={**HEADERS, **(headers or {})}, day=day, typed=typed, faults=faults,
    )  # fmt: skip


async def _refused(
    request: Request[Any, Any, Any],
    brand: Brand,
    answer: redemption.Answer,
    facts: ticket.Facts | None,
    rule: rules.Rule | None,
) -> Response[Any]:
    return await _view(
        request, brand, "till/refused.html", reason=answer.result, answer=answer, facts=facts,
        when=_when(request, brand, rule, clock.now()),
    )  # fmt: skip


async def nobody(request: Request[Any, Any, Any], brand: Brand, *, faulty: bool = False) -> Response[Any]:
    """For a shop clerk to whom no terminal was given. faulty: something was sent, and nothing done."""
    return await _view(request, brand, "till/nobody.html", status=ticket.NoTerminalError.status if faulty else 200)


async def _view(request: Request[Any, Any, Any], brand: Brand, template: str, **values: Any) -> Response[Any]:  # noqa: ANN401 - a template's
    return await pages.view(request, template, brand=brand, form=crypto.token(), **amounts(request, brand), **values)


def amounts(request: Request[Any, Any, Any], brand: Brand) -> dict[str, Any]:
    """How a page of a till says a face value, without a fraction where it has none; and by which clock."""
    return {
        "symbol": shown.symbol(brand, pages.words(request)),
        "worth": lambda minor: shown.worth(minor, brand.decimals),
        "zone": zoneinfo.ZoneInfo(brand.time_zone),
    }
