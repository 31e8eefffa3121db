"""Another authenticator in the place of the one so far: for who has a code of that one, or a recovery code."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, errors, limits
from qucheng.identity import second_factor
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.account import enrolment
from qucheng.web.account import second_factor as codes

HERE = "/account/second-factor"
TYPED = (second_factor.CodeWrongError, second_factor.CodeBlockedError, limits.LimitedError, limits.LimiterDownError)


@get(HERE, opt=guards.page("account.change"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    if auth.principal(request).second_factor_at is None:
        return pages.elsewhere(guards.ENROLMENT)
    return await pages.view(request, "account/replacement.html")


@post(HERE, opt=guards.page("account.change"), status_code=200)
async def begin(request: Request[Any, Any, Any]) -> Response[Any]:
    """A code of the one so far opens the way to the next."""
    sent, who, site, now = await pages.form(request), auth.principal(request), sites.of(request), clock.now()
    try:
        await site.limit(codes.CODES, subject=str(who.user_id))
        user = await users.read(keys=site.keys, user_id=who.user_id)
        code = sent.get("code", "")[: codes.LONGEST_CODE]
        fresh, sealed = await second_factor.begin_replacement(keys=site.keys, user=user, code=code, now=now)
    except second_factor.NotEnrolledError:
        return pages.elsewhere(guards.ENROLMENT)
    except TYPED as refusal:
        return await pages.view(
            request,
            "account/replacement.html",
            status=enrolment.status_of(refusal),
            headers=refusals.headers(refusal),
            faults=[enrolment.fault(request, refusal)],
        )
    return await _scan(request, fresh.secret, fresh.uri, sealed)


@post("/account/second-factor/confirm", opt=guards.page("account.change", form=HERE), status_code=200)
async def confirm(request: Request[Any, Any, Any]) -> Response[Any]:
    """The first code of the new one. The session goes on under a new token, and the other devices are signed out."""
    sent, who, site, now = await pages.form(request), auth.principal(request), sites.of(request), clock.now()
    sealed = sent.get("enrolment", "")
    try:
        await site.limit(codes.CODES, subject=str(who.user_id))
        token, recovery = await sessions.replaced(
            keys=site.keys,
            token=auth.held(request),
            sealed=sealed,
            code=sent.get("code", "")[: codes.LONGEST_CODE],
            actor=auth.actor(request),
            now=now,
        )
    except second_factor.ReplacementVoidError:
        return pages.elsewhere(HERE)
    except TYPED as refusal:
        try:
            begun = second_factor.open_replacement(keys=site.keys, user_id=who.user_id, sealed=sealed, now=now)
        except second_factor.ReplacementVoidError:
            return pages.elsewhere(HERE)
        return await _scan(request, begun.secret, begun.uri, sealed, refusal)
    response = await pages.view(request, "account/recovery_codes.html", codes=recovery, alternate=None)
    auth.give(response, request, "session", token)
    return response


async def _scan(
    request: Request[Any, Any, Any], secret: str, uri: str, sealed: str, refusal: errors.RefusedError | None = None
) -> Response[Any]:
    return await pages.view(
        request,
        "account/scan.html",
        status=enrolment.status_of(refusal) if refusal else 200,
        headers=refusals.headers(refusal) if refusal else None,
        qr=enrolment.qr(uri, pages.words(request).gettext("QR code for the authenticator")),
        secret=enrolment.grouped(secret),
        enrolment=sealed,
        action="/account/second-factor/confirm",
        faults=[enrolment.fault(request, refusal)] if refusal else (),
    )
