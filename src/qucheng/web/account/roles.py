"""One person may be several things: the role to work in, chosen and changed."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock
from qucheng.identity import membership as memberships
from qucheng.identity import session as sessions
from qucheng.web import auth, guards, pages, refusals


@get(guards.ROLES, opt=guards.page("memberships.choose"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _listed(request, 200, ())


@post(guards.ROLES, opt=guards.page("memberships.choose"), status_code=200)
async def choose(request: Request[Any, Any, Any]) -> Response[Any]:
    """The session goes on in the role, under a new token: pages of the role before send nothing any more."""
    sent = await pages.form(request)
    try:
        wanted = uuid.UUID(sent.get("membership", ""))
        token = await sessions.choose(token=auth.held(request), membership_id=wanted, actor=auth.actor(request), now=clock.now())
    except ValueError:
        message = pages.words(request).gettext("Choose a role.")
        return await _listed(request, 422, [pages.Fault(message=message)])
    except memberships.MembershipUnknownError as refusal:
        message = refusals.sentence(refusal, pages.words(request))
        return await _listed(request, refusal.status, [pages.Fault(message=message)])
    response = pages.elsewhere("/")
    auth.give(response, request, "session", token)
    return response


async def _listed(request: Request[Any, Any, Any], status: int, faults: list[pages.Fault] | tuple[()]) -> Response[Any]:
    who = auth.principal(request)
    return await pages.view(request, "account/roles.html", status=status, roles=await memberships.of(who.user_id), faults=faults)
