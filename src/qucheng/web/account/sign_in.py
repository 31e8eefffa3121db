"""Signing in, and out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post

from qucheng.core import clock, errors, limits
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.web import texts

ATTEMPTS = limits.Limit(name="sign-in", count=30, seconds=60, closed_when_down=True)
NOTICES = {
    "signed-out": n_("You are signed out."),
    "password": n_("The password is changed, and every device is signed out. Sign in with the new one."),
    guards.ENDED: n_("You were signed out meanwhile, so nothing was sent. Sign in, and you are back at the form."),
}


@get(guards.SIGN_IN, opt=guards.page(guards.ANYBODY))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """Who is signed in has nothing to do here."""
    way_on = auth.local(request.query_params.get("next"))
    if auth.visit(request).who is not None:
        return pages.elsewhere(way_on)
    notice = NOTICES.get(request.query_params.get("done", ""))
    shown = pages.words(request).gettext(notice) if notice else None
    return await pages.view(request, "account/sign_in.html", next=way_on, login="", notice=shown)


@post(guards.SIGN_IN, opt=guards.page(guards.ANYBODY), status_code=200)
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """A new session under a new token, whatever the browser brought along."""
    sent, now = await pages.form(request), clock.now()
    login, password, way_on = sent.get("login", "").strip(), sent.get("password", ""), auth.local(sent.get("next"))
    if missing := _missing(login, password, pages.words(request)):
        return await pages.view(
            request, "account/sign_in.html", status=422, next=way_on, login=login, notice=None, faults=missing
        )
    try:
        token = await _attempt(request, login, password)
    except errors.RefusedError as refusal:
        return await _refused(request, refusal, login, way_on)
    await end(request)
    response = pages.elsewhere(way_on)
    auth.give(response, request, "session", token)
    auth.take_back(response, request, "visit")
    mark = auth.device_mark(sites.of(request).keys, users.normalised(login), now)
    auth.give(response, request, "device", mark, kept=auth.DEVICE_KEPT.days * 86_400)
    return response


@post("/sign-out", opt=guards.page(guards.SIGNED_IN, form="/"), status_code=200)
async def leave(request: Request[Any, Any, Any]) -> Response[Any]:
    await end(request)
    response = pages.elsewhere(f"{guards.SIGN_IN}?done=signed-out")
    auth.take_back(response, request, "session")
    return response


async def end(request: Request[Any, Any, Any]) -> None:
    """The session that the request came with, if there is one."""
    who = auth.visit(request).who
    if who is not None:
        with contextlib.suppress(sessions.SessionUnknownError):  # it ended meanwhile
            await sessions.end(
                user_id=who.user_id, session_id=who.session_id, ending="signed-out", actor=auth.actor(request), now=clock.now()
            )


async def _attempt(request: Request[Any, Any, Any], login: str, password: str) -> str:
    site, network, now = sites.of(request), auth.network(request), clock.now()
    await site.limit(ATTEMPTS, subject=network)
    try:
        normalised = users.normalised(login)
    except users.LoginInvalidError:  # nobody's, and said in the same words
        raise users.SignInRefusedError("The login or the password is wrong.") from None
    return await sessions.sign_in(
        keys=site.keys,
        login=normalised,
        password=password,
        device=auth.device(request),
        network=network,
        proven=await auth.device_known(request, normalised, now),
        request_id=auth.request_id(),
        now=now,
    )


def _missing(login: str, password: str, words: texts.Texts) -> list[pages.Fault]:
    faults = []
    if not login:
        faults.append(pages.Fault(field="login", message=words.gettext("Enter your e-mail or user name.")))
    if not password:
        faults.append(pages.Fault(field="password", message=words.gettext("Enter your password.")))
    return faults


async def _refused(request: Request[Any, Any, Any], refusal: errors.RefusedError, login: str, way_on: str) -> Response[Any]:
    fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
    return await pages.view(
        request,
        "account/sign_in.html",
        status=422 if isinstance(refusal, users.SignInRefusedError) else refusal.status,
        headers=refusals.headers(refusal),
        next=way_on,
        login=login,
        notice=None,
        faults=[fault],
    )
