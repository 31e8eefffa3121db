"""Applications to become a reseller: the queue, one of them with what it is made of, and the answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors, limits
from qucheng.insight import placement_effect
from qucheng.network import admission, agreement, application, placement
from qucheng.network import reseller as resellers
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import network_words
from qucheng.web.finance import facts, step_up
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand
    from qucheng.network import identity_facts

HERE = "/applications"
NOTICES = {
    "approved": n_("The reseller is made, and its invitation is on its way."),
    "rejected": n_("The application is declined, and a letter says why."),
}


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """How it is to be taken in, as the form was sent."""

    code: str = ""
    name: str = ""
    tier: str = ""
    parent: str = ""
    joined_on: str = ""
    channels: tuple[str, ...] = ()
    identity: str = ""
    reason: str = ""


@get(HERE, opt=guards.page("network.change"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    decided = await application.listing(brand_id=brand.id, states=("approved", "rejected"))
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/applications.html",
        brand=brand,
        waiting=await application.listing(brand_id=brand.id, states=("waiting", "repeated")),
        decided=decided,
        names=await facts.names(request, [each.decided_by for each in decided]),
        notice=pages.words(request).gettext(notice) if notice else None,
        join=sites.of(request).settings.public_url or "",
        open=await agreement.in_force(brand_id=brand.id, day=day) is not None,
    )


@get("/applications/{application_id:uuid}", opt=guards.page("network.change"))
async def one(request: Request[Any, Any, Any], application_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    found = await application.read(brand_id=brand.id, application_id=application_id)
    return await _view(request, brand, day, found)


@post("/applications/{application_id:uuid}/facts", opt=guards.page("network.change", form=HERE), status_code=200)
async def open_facts(request: Request[Any, Any, Any], application_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """In the clear on this answer alone."""
    brand, day = await network_words.desk(request)
    found = await application.read(brand_id=brand.id, application_id=application_id)
    try:
        await step_up.require(request, (await pages.form(request)).get("code", ""))
    except step_up.REFUSED as refusal:
        fault = step_up.fault(request, refusal)
        return await _view(request, brand, day, found, faults=[fault], refusal=refusal, status=step_up.status(refusal))
    opened = await application.open_facts(
        keys=sites.of(request).keys, brand_id=brand.id, application_id=application_id, actor=auth.actor(request)
    )
    return await _view(request, brand, day, found, opened=opened)


@post("/applications/{application_id:uuid}/approve", opt=guards.page("network.change", form=HERE), status_code=200)
async def approve(request: Request[Any, Any, Any], application_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """With `step=show` nothing is done: the page says what would change."""
    brand, day = await network_words.desk(request)
    sent = await pages.form(request)
    found = await application.read(brand_id=brand.id, application_id=application_id)
    given = Given(
        channels=network_words.channels(sent),
        code=sent.get("reseller", "").strip(),
        **{name: sent.get(name, "").strip() for name in ("name", "tier", "parent", "joined_on", "identity")},
    )
    joined_on = network_words.day(given.joined_on)
    if joined_on is None:
        fault = network_words.fault(request, brand, resellers.ResellerUnfitError("joined_on"))
        return await _view(request, brand, day, found, given=given, faults=[fault], status=422)
    chosen = admission.Chosen(
        code=given.code,
        name=given.name,
        tier=given.tier,
        parent=given.parent or None,
        joined_on=joined_on,
        channels=given.channels,
        identity=given.identity,
    )
    try:
        if sent.get("step") == "show":
            shown = await placement.preview(brand=brand, wanted=admission.placed(chosen))
            return await _view(request, brand, day, found, given=given, preview=shown)
        await admission.approve(
            keys=sites.of(request).keys,
            principal=auth.principal(request),
            brand=brand,
            application_id=application_id,
            chosen=chosen,
            day=day,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except network_words.ANSWERED as refusal:
        fault = network_words.fault(request, brand, refusal, day="joined_on", code="reseller")
        return await _view(request, brand, day, found, given=given, faults=[fault], refusal=refusal, status=_status(refusal))
    return pages.elsewhere(f"{HERE}?done=approved")


@post("/applications/{application_id:uuid}/reject", opt=guards.page("network.change", form=HERE), status_code=200)
async def reject(request: Request[Any, Any, Any], application_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    reason = (await pages.form(request)).get("reason", "")
    found = await application.read(brand_id=brand.id, application_id=application_id)
    try:
        await admission.reject(
            keys=sites.of(request).keys,
            brand=brand,
            application_id=application_id,
            reason=reason,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except network_words.ANSWERED as refusal:
        fault = network_words.fault(request, brand, refusal)
        given = Given(reason=reason)
        return await _view(request, brand, day, found, given=given, faults=[fault], refusal=refusal, status=_status(refusal))
    return pages.elsewhere(f"{HERE}?done=rejected")


def _status(refusal: errors.RefusedError) -> int:
    return refusal.status if isinstance(refusal, limits.LimitedError | limits.LimiterDownError) or refusal.status == 409 else 422  # noqa: PLR2004 - the two that a form answers with


async def _view(
    request: Request[Any, Any, Any],
    brand: Brand,
    day: dt.date,
    found: application.Application,
    *,
    given: Given | None = None,
    opened: identity_facts.Facts | None = None,
    preview: placement.Preview | None = None,
    faults: list[pages.Fault] | tuple[()] = (),
    refusal: errors.RefusedError | None = None,
    status: int = 200,
) -> Response[Any]:
    words = pages.words(request)
    given = given or Given(name=found.name, joined_on=str(day), channels=found.channels, tier="")
    refused = network_words.sentence(words, brand, preview.refused) if preview and preview.refused else None
    return await pages.view(
        request,
        "console/application.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        brand=brand,
        found=found,
        given=given,
        opened=opened,
        preview=preview,
        refused=refused,
        effect=await placement_effect.of_tier(brand_id=brand.id, tier=given.tier, day=day) if preview and given.tier else None,
        faults=faults,
        tiers=await network_words.tiers(brand),
        rate=network_words.rate,
        channels=await application.channels_of(brand.id),
        names=await facts.names(request, [found.decided_by]),
    )
