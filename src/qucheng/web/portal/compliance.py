"""What holds a reseller and its brand to the law: the agreement, who it is, where it stands, what it earns by, and what others earn."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from qucheng.core import clock
from qucheng.insight import earnings, plan_own, portal
from qucheng.network import agreement, identity_facts, standing
from qucheng.web import guards, pages
from qucheng.web.console import plan_told
from qucheng.web.portal import shown
from qucheng.web.texts import n_

VERIFIED = {
    "verified": n_("Verified"),
    "unverified": n_("Not verified yet"),
    "expired": n_("Verification has expired"),
    "failed": n_("Could not be verified"),
}
STANDINGS = {"active": n_("May sell"), "frozen": n_("Frozen: it may not sell for now"), "closed": n_("Closed")}


@get("/portal/compliance", opt=guards.page("own.compliance.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """All of it with the reseller's own eyes."""
    own, now, words = await shown.own(request), clock.now(), pages.words(request)
    day, brand_id = portal.today(own.brand, now), own.brand.id
    place = await portal.standing(brand=own.brand, reseller=own.reseller, now=now)
    rules = await plan_own.own_rules(brand=own.brand, reseller=own.reseller, day=day)
    return await shown.view(
        request,
        "compliance.html",
        own,
        place=place,
        agreed=await agreement.accepted(brand_id=brand_id, reseller=own.reseller, own=True),
        due=await agreement.due(brand_id=brand_id, reseller=own.reseller, day=day),
        verification=await identity_facts.verification(brand_id=brand_id, reseller=own.reseller, day=day, own=True),
        verified=VERIFIED,
        state=await standing.state(brand_id=brand_id, reseller=own.reseller, day=day, own=True),
        standings=STANDINGS,
        rules=plan_told.every(rules, words, {}),
        median=await earnings.newest(brand=own.brand, reseller=own.reseller, tier=place.tier),
        least=earnings.LEAST_PERSONS,
    )
