"""What a reseller agrees to: the version in force, and those it agreed to before."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock
from qucheng.insight import portal
from qucheng.network import agreement
from qucheng.web import auth, guards, pages
from qucheng.web.portal import shown
from qucheng.web.public import join
from qucheng.web.texts import n_

HERE = "/portal/agreements"
MOST_DIGITS = 6


@get(HERE, opt=guards.page("own.compliance.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request)


@post(HERE, opt=guards.page("own.agreements.accept"), status_code=200)
async def accept(request: Request[Any, Any, Any]) -> Response[Any]:
    own, sent, now = await shown.own(request), await pages.form(request), clock.now()
    if not sent.get("agreed"):
        return await _view(request, n_("Read the agreement, and agree to it."), 422)
    number = sent.get("number", "")
    try:
        await agreement.accept(
            brand_id=own.brand.id,
            reseller=own.reseller,
            number=int(number) if number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS else 0,
            sha256=sent.get("sha256", ""),
            address=join.address(request),
            day=portal.today(own.brand, now),
            actor=auth.actor(request),
            now=now,
        )
    except agreement.AgreementChangedError as refusal:
        return await _view(request, n_("The agreement is another one by now: read it again."), refusal.status)
    return pages.elsewhere(f"{HERE}?done=agreed")


async def _view(request: Request[Any, Any, Any], fault: str | None = None, status: int = 200) -> Response[Any]:
    own, words = await shown.own(request), pages.words(request)
    day = portal.today(own.brand, clock.now())
    done = request.query_params.get("done") == "agreed"
    return await shown.view(
        request,
        "agreements.html",
        own,
        status=status,
        due=await agreement.due(brand_id=own.brand.id, reseller=own.reseller, day=day),
        in_force=await agreement.in_force(brand_id=own.brand.id, day=day, reseller=own.reseller),
        agreed=await agreement.accepted(brand_id=own.brand.id, reseller=own.reseller, own=True),
        faults=[pages.Fault(field="agreed", message=words.gettext(fault))] if fault else (),
        notice=words.gettext(n_("You agreed to this version. It is on record.")) if done else None,
    )
