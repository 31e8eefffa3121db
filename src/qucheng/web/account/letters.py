"""Where letters lead: an invitation, a forgotten password. The token stands behind the # of the link; the page's form sends it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.background_tasks import BackgroundTask

from qucheng.core import clock, errors, limits
from qucheng.identity import invitation as invitations
from qucheng.identity import password as passwords
from qucheng.identity import password_reset as resets
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites

ASKED = limits.Limit(name="password-reset", count=10, seconds=600, closed_when_down=True)
TRIED = limits.Limit(name="letter", count=30, seconds=600, closed_when_down=True)


@get("/password/forgotten", opt=guards.page(guards.ANYBODY))
async def forgotten(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "account/forgotten.html", login="", sent=False)


@post("/password/forgotten", opt=guards.page(guards.ANYBODY), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    """The same answer whoever it is, and as soon: a letter is written behind it."""
    login, site = (await pages.form(request)).get("login", "").strip(), sites.of(request)
    try:
        await site.limit(ASKED, subject=auth.network(request))
        users.normalised(login)
    except (users.LoginInvalidError, limits.LimitedError, limits.LimiterDownError) as refusal:
        field = "login" if isinstance(refusal, users.LoginInvalidError) else None
        return await _refused(request, refusal, "account/forgotten.html", field, login=login, sent=False)
    answer = await pages.view(request, "account/forgotten.html", login="", sent=True)
    answer.background = BackgroundTask(resets.request, keys=site.keys, login=login, now=clock.now())
    return answer


@get("/password", opt=guards.page(guards.ANYBODY))
async def fresh_password(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "account/fresh_password.html", token="")


@post("/password", opt=guards.page(guards.ANYBODY), status_code=200)
async def set_password(request: Request[Any, Any, Any]) -> Response[Any]:
    """Every session is over with it; this browser counts as one of the person's own."""
    sent, site, now = await pages.form(request), sites.of(request), clock.now()
    token = sent.get("token", "").strip()
    try:
        await site.limit(TRIED, subject=auth.network(request))
        user_id = await resets.complete(
            keys=site.keys, token=token, password=sent.get("new", ""), actor=auth.actor(request), now=now
        )
    except (resets.ResetUnknownError, passwords.PasswordWeakError, limits.LimitedError, limits.LimiterDownError) as refusal:
        field = "new" if isinstance(refusal, passwords.PasswordWeakError) else "token"
        return await _refused(request, refusal, "account/fresh_password.html", field, token=token)
    user = await users.read(keys=site.keys, user_id=user_id)
    response = pages.elsewhere(f"{guards.SIGN_IN}?done=password")
    auth.take_back(response, request, "session")
    auth.give(response, request, "device", auth.device_mark(site.keys, user.login, now), kept=auth.DEVICE_KEPT.days * 86_400)
    return response


@get("/invitation", opt=guards.page(guards.ANYBODY))
async def invitation(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "account/invitation.html", token="")


@post("/invitation", opt=guards.page(guards.ANYBODY), status_code=200)
async def look(request: Request[Any, Any, Any]) -> Response[Any]:
    """What is offered, to whoever holds the letter."""
    token = (await pages.form(request)).get("token", "").strip()
    try:
        await sites.of(request).limit(TRIED, subject=auth.network(request))
        return await _offered(request, token, 200, ())
    except (invitations.InvitationUnknownError, limits.LimitedError, limits.LimiterDownError) as refusal:
        return await _refused(request, refusal, "account/invitation.html", "token", token=token)


@post("/invitation/accept", opt=guards.page(guards.ANYBODY, form="/invitation"), status_code=200)
async def accept(request: Request[Any, Any, Any]) -> Response[Any]:
    """As a new user, who is signed in with it; or as who is signed in."""
    sent, who = await pages.form(request), auth.visit(request).who
    token, response = sent.get("token", "").strip(), pages.elsewhere(guards.ROLES if who else "/")
    try:
        await sites.of(request).limit(TRIED, subject=auth.network(request))
        if who is not None:
            guards.require(request, auth.visit(request), "memberships.choose")  # not before the second factor
            await invitations.accept_as(token=token, user_id=who.user_id, actor=auth.actor(request), now=clock.now())
            return response
        session = await _new_person(request, token, sent)
    except invitations.InvitationUnknownError as refusal:
        return await _refused(request, refusal, "account/invitation.html", "token", token=token)
    except (passwords.PasswordWeakError, users.NameInvalidError, users.LoginTakenError) as refusal:
        field = {passwords.PasswordWeakError: "new", users.NameInvalidError: "name"}.get(type(refusal))
        return await _offered(request, token, 422, [_fault(request, refusal, field)], name=sent.get("name", ""))
    auth.give(response, request, "session", session)
    auth.take_back(response, request, "visit")
    return response


async def _new_person(request: Request[Any, Any, Any], token: str, sent: dict[str, str]) -> str:
    site, now = sites.of(request), clock.now()
    user_id = await invitations.accept_new(
        keys=site.keys,
        token=token,
        name=sent.get("name", ""),
        locale=pages.language_of(request),
        password=sent.get("new", ""),
        actor=auth.actor(request),
        now=now,
    )
    return await sessions.start(
        user_id=user_id, device=auth.device(request), network=auth.network(request), actor=auth.actor(request), now=now
    )


async def _offered(
    request: Request[Any, Any, Any], token: str, status: int, faults: list[pages.Fault] | tuple[()], name: str = ""
) -> Response[Any]:
    offer = await invitations.look(keys=sites.of(request).keys, token=token, now=clock.now())
    return await pages.view(request, "account/offer.html", status=status, token=token, offer=offer, name=name, faults=faults)


async def _refused(
    request: Request[Any, Any, Any], refusal: errors.RefusedError, template: str, field: str | None, **values: object
) -> Response[Any]:
    return await pages.view(
        request,
        template,
        status=refusal.status if refusal.status in {404, 429, 503} else 422,
        headers=refusals.headers(refusal),
        faults=[_fault(request, refusal, field)],
        **values,
    )


def _fault(request: Request[Any, Any, Any], refusal: errors.RefusedError, field: str | None) -> pages.Fault:
    return pages.Fault(field=field, message=refusals.sentence(refusal, pages.words(request)))
