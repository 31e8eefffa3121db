"""One reseller: where it stands and where it sells, who it is, what it is owed; and where it is to stand."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors
from qucheng.identity import permissions
from qucheng.identity import queries as identities
from qucheng.insight import placement_effect, portal
from qucheng.network import agreement, identity_facts, placement, queries, standing
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import network_words
from qucheng.web.finance import facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

HERE = "/resellers"
NOTICES = {
    "moved": n_("The move is kept. It takes effect on its day."),
    "channels": n_("The channels are kept. They take effect on their day."),
    "freeze": n_("The reseller is frozen: it sells nothing from now on."),
    "unfreeze": n_("The reseller is no longer frozen."),
    "close": n_("The closing is kept. What the reseller is owed is still settled."),
    "verified": n_("The check of the identity is kept."),
}


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is to stand, as the form was sent."""

    parent: str = ""
    tier: str = ""
    day: str = ""
    reason: str = ""


@get("/resellers/{code:str}", opt=guards.page("network.read"))
async def show(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    found = await queries.one(brand_id=brand.id, code=network_words.code(code), day=day)
    places = await queries.places(brand_id=brand.id, reseller=code)
    agreed = await agreement.accepted(brand_id=brand.id, reseller=code)
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/reseller.html",
        brand=brand,
        symbol=facts.symbol(brand),
        found=found,
        today=day,
        places=places,
        names=await facts.names(request, [each.decided_by for each in places]),
        standing=await standing.state(brand_id=brand.id, reseller=code, day=day),
        history=await standing.history(brand_id=brand.id, reseller=code),
        below=await queries.below(brand_id=brand.id, reseller=code, day=day),
        channels=await queries.channels(brand_id=brand.id, reseller=code, day=day),
        agreed=agreed,
        in_force=await agreement.in_force(brand_id=brand.id, day=day),
        verification=await identity_facts.verification(brand_id=brand.id, reseller=code, day=day),
        owed=await _owed(request, brand, code),
        people=await _people(request, brand, code),
        notice=pages.words(request).gettext(notice) if notice else None,
    )


async def _owed(request: Request[Any, Any, Any], brand: Brand, code: str) -> portal.Figures | None:
    """For who may see statements."""
    if "statements.read" not in auth.principal(request).permissions:
        return None
    return await portal.figures(brand=brand, reseller=code, now=clock.now())


async def _people(request: Request[Any, Any, Any], brand: Brand, code: str) -> identities.Members | None:
    """For who may see people."""
    if "roles.read" not in auth.principal(request).permissions:
        return None
    return await identities.members(
        keys=sites.of(request).keys, brand_id=brand.id, roles=permissions.RESELLER_ROLES, reseller=code
    )


@get("/resellers/{code:str}/move", opt=guards.page("network.change"))
async def moving(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    found = await queries.one(brand_id=brand.id, code=network_words.code(code), day=day)
    given = Moving(parent=found.parent or "", tier=found.tier, day=str(day + dt.timedelta(days=1)))
    return await _moving(request, brand, found, given)


@post("/resellers/{code:str}/move", opt=guards.page("network.change"), status_code=200)
async def move(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """With `step=show` nothing is done: the page says what would change."""
    brand, today = await network_words.desk(request)
    found = await queries.one(brand_id=brand.id, code=network_words.code(code), day=today)
    sent = await pages.form(request)
    given = Moving(**{name: sent.get(name, "").strip() for name in ("parent", "tier", "day", "reason")})
    day = network_words.day(given.day)
    if day is None:
        fault = pages.Fault(field="day", message=network_words.sentence(pages.words(request), brand, placement.MoveDayError.code))
        return await _moving(request, brand, found, given, faults=[fault], status=422)
    wanted = placement.Placed(reseller=code, parent=given.parent or None, tier=given.tier, day=day, moved=True)
    try:
        if sent.get("step") == "show":
            shown = await placement.preview(brand=brand, wanted=wanted)
            return await _moving(request, brand, found, given, preview=shown, day=day)
        await placement.move(
            brand=brand, wanted=wanted, reason=given.reason, day=today, actor=auth.actor(request), now=clock.now()
        )
    except network_words.ANSWERED as refusal:
        fault = network_words.fault(request, brand, refusal)
        return await _moving(request, brand, found, given, faults=[fault], refusal=refusal, status=refusal.status)
    return pages.elsewhere(f"{HERE}/{code}?done=moved")


async def _moving(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: queries.Row,
    given: Moving,
    *,
    preview: placement.Preview | None = None,
    day: dt.date | None = None,
    faults: list[pages.Fault] | tuple[()] = (),
    refusal: errors.RefusedError | None = None,
    status: int = 200,
) -> Response[Any]:
    words = pages.words(request)
    effects = []
    if preview and preview.before and day:
        wanted = dict.fromkeys((preview.before.tier, given.tier))
        effects = [await placement_effect.of_tier(brand_id=brand.id, tier=tier, day=day) for tier in wanted]
    return await pages.view(
        request,
        "console/reseller_move.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        brand=brand,
        found=found,
        given=given,
        preview=preview,
        refused=network_words.sentence(words, brand, preview.refused) if preview and preview.refused else None,
        effects=effects,
        tiers=await network_words.tiers(brand),
        rate=network_words.rate,
        faults=faults,
    )
