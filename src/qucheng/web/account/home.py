"""What everybody has: the first page, one's profile, and the devices one is signed in on."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.identity import second_factor
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, navigation, pages, texts
from qucheng.web.texts import n_

DEVICES = "/account/sessions"
NOTICES = {
    "password": n_("The password is changed, and your other devices are signed out."),
    "language": n_("The language is changed."),
}


@get("/", opt=guards.page("account.read"))
async def landing(request: Request[Any, Any, Any]) -> Response[Any]:
    """To where the role's work begins; to oneself where there is none yet."""
    who, served = auth.principal(request), frozenset(route.path for route in request.app.routes)
    found = navigation.entries(who.permissions, served) if who.role is not None else []
    return pages.elsewhere(found[0].address) if found else await pages.view(request, "account/landing.html")


@get("/account", opt=guards.page("account.read"))
async def profile(request: Request[Any, Any, Any]) -> Response[Any]:
    left = await second_factor.codes_left(user_id=auth.principal(request).user_id)
    notice = NOTICES.get(request.query_params.get("done", ""))
    shown = pages.words(request).gettext(notice) if notice else None
    return await pages.view(request, "account/profile.html", codes_left=left, notice=shown)


@post("/account/language", opt=guards.page("account.change", form="/account"), status_code=200)
async def language(request: Request[Any, Any, Any]) -> Response[Any]:
    """Of the pages in this browser, and of letters to the person."""
    chosen = texts.known((await pages.form(request)).get("locale"))
    if chosen is None:
        raise NotFoundException
    await users.set_locale(user_id=auth.principal(request).user_id, locale=chosen, actor=auth.actor(request))
    response = pages.elsewhere("/account?done=language")
    auth.give(response, request, "language", chosen, kept=auth.YEAR)
    return response


@get(DEVICES, opt=guards.page("sessions.read"))
async def devices(request: Request[Any, Any, Any]) -> Response[Any]:
    who = auth.principal(request)
    found = await sessions.listing(user_id=who.user_id)
    return await pages.view(request, "account/sessions.html", sessions=found)


@post("/account/sessions/{session_id:uuid}/end", opt=guards.page("sessions.end", form=DEVICES), status_code=200)
async def end_device(request: Request[Any, Any, Any], session_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    who = auth.principal(request)
    try:
        await sessions.end(user_id=who.user_id, session_id=session_id, ending="ended", actor=auth.actor(request), now=clock.now())
    except sessions.SessionUnknownError:  # somebody else's, or none
        raise NotFoundException from None
    return pages.elsewhere(DEVICES)


@post("/account/sessions/end-others", opt=guards.page("sessions.end", form=DEVICES), status_code=200)
async def end_others(request: Request[Any, Any, Any]) -> Response[Any]:
    who = auth.principal(request)
    await sessions.end_others(user_id=who.user_id, keep=who.session_id, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(DEVICES)
