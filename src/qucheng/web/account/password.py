"""One's own password, changed by who knows it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, errors, limits
from qucheng.identity import password as passwords
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites

# a session that was left open is no way to guess its owner's password
ATTEMPTS = limits.Limit(name="password", count=5, seconds=900, closed_when_down=True)


@get("/account/password", opt=guards.page("account.change"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "account/password.html")


@post("/account/password", opt=guards.page("account.change"), status_code=200)
async def change(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, who, site = await pages.form(request), auth.principal(request), sites.of(request)
    try:
        await site.limit(ATTEMPTS, subject=str(who.user_id))
        token = await sessions.change_password(
            keys=site.keys,
            token=auth.held(request),
            old=sent.get("old", ""),
            new=sent.get("new", ""),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (users.SignInRefusedError, passwords.PasswordWeakError, limits.LimitedError, limits.LimiterDownError) as refusal:
        return await pages.view(
            request,
            "account/password.html",
            status=422 if refusal.status < 429 else refusal.status,  # noqa: PLR2004 - 401 is of who is not signed in
            headers=refusals.headers(refusal),
            faults=[_fault(request, refusal)],
        )
    response = pages.elsewhere("/account?done=password")
    auth.give(response, request, "session", token)
    return response


def _fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    words = pages.words(request)
    if isinstance(refusal, users.SignInRefusedError):
        return pages.Fault(field="old", message=words.gettext("This is not your password."))
    field = "new" if isinstance(refusal, passwords.PasswordWeakError) else None
    return pages.Fault(field=field, message=refusals.sentence(refusal, words))
