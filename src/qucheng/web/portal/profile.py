"""What a reseller is to its brand, and by which rules it stands where it stands."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from qucheng.core import clock
from qucheng.insight import portal
from qucheng.web import guards
from qucheng.web.portal import shown


@get("/portal/profile", opt=guards.page("own.profile.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    own, now = await shown.own(request), clock.now()
    return await shown.view(
        request,
        "profile.html",
        own,
        standing=await portal.standing(brand=own.brand, reseller=own.reseller, now=now),
        sold=await portal.sold(brand=own.brand, reseller=own.reseller, now=now),
        places=await portal.places(brand=own.brand, reseller=own.reseller),
        today=portal.today(own.brand, now),
    )
