"""The second factor of who has one: after the password, once a session."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, limits
from qucheng.identity import second_factor
from qucheng.identity import session as sessions
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites

CODES = limits.Limit(name="second-factor", count=20, seconds=300, closed_when_down=True)
LONGEST_CODE = 40


@get(guards.SECOND_FACTOR, opt=guards.page("second_factor.confirm"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "account/second_factor.html", next=auth.local(request.query_params.get("next")))


@post(guards.SECOND_FACTOR, opt=guards.page("second_factor.confirm"), status_code=200)
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """A code of the authenticator, or a recovery code. The session goes on under a new token."""
    sent = await pages.form(request)
    way_on, words = auth.local(sent.get("next")), pages.words(request)
    try:
        token = await _raised(request, sent.get("code", ""))
    except (
        second_factor.CodeWrongError,
        second_factor.CodeBlockedError,
        limits.LimitedError,
        limits.LimiterDownError,
    ) as refusal:
        fault = pages.Fault(field="code", message=refusals.sentence(refusal, words))
        return await pages.view(
            request,
            "account/second_factor.html",
            status=422 if isinstance(refusal, second_factor.CodeWrongError) else refusal.status,
            headers=refusals.headers(refusal),
            next=way_on,
            faults=[fault],
        )
    response = pages.elsewhere(way_on)
    auth.give(response, request, "session", token)
    return response


async def _raised(request: Request[Any, Any, Any], code: str) -> str:
    who, site = auth.principal(request), sites.of(request)
    await site.limit(CODES, subject=str(who.user_id))
    if len(code) > LONGEST_CODE:
        raise second_factor.CodeWrongError("The code is wrong, or was used already.")
    return await sessions.raised(keys=site.keys, token=auth.held(request), code=code, actor=auth.actor(request), now=clock.now())
