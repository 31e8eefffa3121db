"""The risk queue: what stood out, with the figures it was found by; people decide what it was."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.core import clock
from qucheng.risk import alert, limits, queries, rules
from qucheng.web import auth, guards, named_words, pages, refusals
from qucheng.web.console import insight_words
from qucheng.web.finance import books, desk, facts
from qucheng.web.texts import n_

LIST, ONE, LIMITS = "/risks", "/risks/{alert_id:uuid}", "/risks/limits"
STATES: dict[rules.State, str] = {"open": n_("Open"), "confirmed": n_("Confirmed"), "dismissed": n_("Nothing to it")}
# whole percents and hundredths, as they are typed
PERCENT = {"refund_share_ppm": 10_000, "own_share_ppm": 10_000}
FIELDS = {
    "refund_share_ppm": n_("Share of refunds, %%"),
    "refunds_least": n_("From how many refunds on"),
    "buyer_orders_an_hour": n_("Orders of a buyer in an hour"),
    "reseller_orders_an_hour": n_("Orders of a reseller in an hour"),
    "own_share_ppm": n_("Share of self-purchases, %%"),
    "own_lines_least": n_("From how many self-purchases on"),
    "buyer_resellers": n_("Resellers of one buyer in 30 days"),
    "deviating_lines": n_("Order lines at another price in 30 days"),
    "outlier_hundredths": n_("Distance from the median day, in hundredths of its spread"),
    "outlier_days_least": n_("From how many days with sales on"),
    "heads": n_("Heads under a root, with the operator"),
}
NUMBERS = n_("Whole numbers from %(least)s to %(most)s.")


@get(LIST, opt=guards.page("risks.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    asked, page = request.query_params, facts.page_of(request)
    state = next((each for each in rules.STATES if each == asked.get("state", "open")), None)
    rule = next((each for each in rules.RULES if each == asked.get("rule")), None)
    reseller = desk.text(asked.get("reseller")) or None
    chosen = queries.Chosen(state=state, rule=rule, reseller=reseller)
    found = await queries.page(brand_id=brand.id, chosen=chosen, size=desk.PAGE, number=page)
    address = facts.link(request)
    return await pages.view(
        request,
        "console/risks.html",
        brand=brand,
        rows=[(each, insight_words.sentence(each, brand, words)) for each in found.alerts],
        found=found,
        chosen=chosen,
        rules=[(each, words.gettext(named_words.RULES[each])) for each in rules.RULES],
        states=[(each, words.gettext(word), found.counts.get(each, 0)) for each, word in STATES.items()],
        titles={each: words.gettext(word) for each, word in named_words.RULES.items()},
        link=address,
        done=asked.get("done") == "limits",
        pager=facts.pager(page, desk.PAGE, found.total, address),
    )


@get(ONE, opt=guards.page("risks.read"))
async def one(request: Request[Any, Any, Any], alert_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _page(request, alert_id)


@post(ONE, opt=guards.page("risks.decide", form=LIST), status_code=200)
async def decide(request: Request[Any, Any, Any], alert_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """A second click finds it decided."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    reason = sent.get("reason", "")
    try:
        await alert.decide(
            brand_id=brand.id,
            alert_id=alert_id,
            state="confirmed" if sent.get("state") == "confirmed" else "dismissed",
            reason=reason,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except alert.AlertReasonError as refusal:
        fault = pages.Fault(field="reason", message=refusals.sentence(refusal, pages.words(request)))
        return await _page(request, alert_id, status=refusal.status, reason=reason, faults=[fault])
    except alert.AlertStateError as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _page(request, alert_id, status=refusal.status, faults=[fault])
    return pages.elsewhere(f"{LIST}/{alert_id}")


@get(LIMITS, opt=guards.page("risks.decide"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    current = await limits.current(brand_id=(await books.brand_of(request)).id)
    return await _form(request, _typed(current.limits))


@post(LIMITS, opt=guards.page("risks.decide"), status_code=200)
async def change(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words, sent = await books.brand_of(request), pages.words(request), await pages.form(request)
    typed = {name: sent.get(name, "").strip() for name in FIELDS}
    faults = [
        pages.Fault(field=name, message=words.gettext(NUMBERS) % _bounds(name))
        for name, text in typed.items()
        if not _within(name, text)
    ]
    if faults:
        return await _form(request, typed, status=422, faults=faults)
    chosen = rules.Limits(**{name: int(text) * PERCENT.get(name, 1) for name, text in typed.items()})
    await limits.change(brand_id=brand.id, limits=chosen, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{LIST}?done=limits")


def _typed(chosen: rules.Limits) -> dict[str, str]:
    return {name: str(value // PERCENT.get(name, 1)) for name, value in msgspec.structs.asdict(chosen).items()}


def _bounds(name: str) -> dict[str, int]:
    least, most = rules.BOUNDS[name]
    return (
        {"least": max(1, least // PERCENT[name]), "most": most // PERCENT[name]}
        if name in PERCENT
        else {"least": least, "most": most}
    )


def _within(name: str, text: str) -> bool:
    bounds = _bounds(name)
    return desk.NUMBER.fullmatch(text) is not None and bounds["least"] <= int(text) <= bounds["most"]


async def _page(
    request: Request[Any, Any, Any],
    alert_id: uuid.UUID,
    *,
    status: int = 200,
    reason: str = "",
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    found = await queries.read(brand_id=brand.id, alert_id=alert_id)
    return await pages.view(
        request,
        "console/risk.html",
        status=status,
        brand=brand,
        alert=found,
        title=words.gettext(named_words.RULES[found.rule]),
        sentence=insight_words.sentence(found, brand, words),
        names=await desk.names(request, [found.decided_by]),
        share=insight_words.share,
        hour=[dt.datetime.fromisoformat(found.evidence[name]) for name in ("first_at", "last_at") if name in found.evidence],
        reason=reason,
        faults=faults,
    )


async def _form(
    request: Request[Any, Any, Any],
    typed: dict[str, str],
    *,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    current = await limits.current(brand_id=brand.id)
    return await pages.view(
        request,
        "console/risk_limits.html",
        status=status,
        brand=brand,
        setting=current,
        names=await desk.names(request, [current.set_by]),
        fields=[(name, words.gettext(word) % (), typed[name], _bounds(name)) for name, word in FIELDS.items()],
        faults=faults,
    )
