"""Who runs the platform: its operators, who invite each other."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post

from qucheng.core import audit, clock
from qucheng.identity import invitation as invitations
from qucheng.identity import queries
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import people

HERE = "/operators"


@get(HERE, opt=guards.page("operators.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _listed(request, 200, people.Wanted(), ())


@post("/operators/invite", opt=guards.page("operators.grant", form=HERE), status_code=200)
async def invite(request: Request[Any, Any, Any]) -> Response[Any]:
    sent = await pages.form(request)
    wanted = people.Wanted(login=sent.get("login", "").strip(), locale="en" if sent.get("locale") == "en" else "zh-CN")
    try:
        await people.invited(request, wanted, brand_id=audit.PLATFORM, role="operator")
    except people.NOT_INVITED as refusal:
        return await _listed(
            request, people.status_of(refusal), wanted, [people.fault(request, refusal)], refusals.headers(refusal)
        )
    return pages.elsewhere(f"{HERE}?done=invited")


@get("/operators/{membership_id:uuid}/revoke", opt=guards.page("operators.grant"))
async def doubt(request: Request[Any, Any, Any], membership_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await people.asked_again(request, membership_id, HERE, 200, ())


@post("/operators/{membership_id:uuid}/revoke", opt=guards.page("operators.grant"), status_code=200)
async def revoke(request: Request[Any, Any, Any], membership_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await people.taken_away(request, membership_id, HERE)


@post("/operators/invitations/{invitation_id:uuid}/withdraw", opt=guards.page("operators.grant", form=HERE), status_code=200)
async def withdraw(request: Request[Any, Any, Any], invitation_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    await invitations.withdraw(brand_id=audit.PLATFORM, invitation_id=invitation_id, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{HERE}?done=withdrawn")


async def _listed(
    request: Request[Any, Any, Any],
    status: int,
    wanted: people.Wanted,
    faults: list[pages.Fault] | tuple[()],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    keys = sites.of(request).keys
    return await pages.view(
        request,
        "console/operators.html",
        status=status,
        headers=headers,
        notice=people.notice(request),
        operators=(await queries.members(keys=keys, brand_id=audit.PLATFORM, roles=("operator",), most=500)).rows,
        invited=await queries.invitations(keys=keys, brand_id=audit.PLATFORM, now=clock.now()),
        wanted=wanted,
        faults=faults,
    )
