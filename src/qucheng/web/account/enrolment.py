"""A second factor for who has none: the secret as a QR code and as text, the first code, the recovery codes."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

import markupsafe
import segno
from litestar import Request, Response, get, post

from qucheng.core import clock, crypto, errors, limits
from qucheng.identity import second_factor
from qucheng.identity import session as sessions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.account import second_factor as codes


@get(guards.ENROLMENT, opt=guards.page("second_factor.enrol"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    if auth.principal(request).second_factor_at is not None:
        return pages.elsewhere("/account")
    return await pages.view(request, "account/enrolment.html")


@post(guards.ENROLMENT, opt=guards.page("second_factor.enrol"), status_code=200)
async def begin(request: Request[Any, Any, Any]) -> Response[Any]:
    who, site = auth.principal(request), sites.of(request)
    user = await users.read(keys=site.keys, user_id=who.user_id)
    try:
        enrolment = await second_factor.begin(keys=site.keys, user_id=who.user_id, login=user.login)
    except second_factor.AlreadyEnrolledError:
        return pages.elsewhere("/account")
    return await _scan(request, enrolment, ())


@post("/second-factor/confirm", opt=guards.page("second_factor.enrol", form=guards.ENROLMENT), status_code=200)
async def confirm(request: Request[Any, Any, Any]) -> Response[Any]:
    """The first code. The recovery codes stand in this answer and nowhere else."""
    sent, who, site = await pages.form(request), auth.principal(request), sites.of(request)
    enrolment = _opened(site.keys, sent.get("enrolment", ""), str(who.user_id))
    if enrolment is None:
        return pages.elsewhere(guards.ENROLMENT)
    try:
        await site.limit(codes.CODES, subject=str(who.user_id))
        token, recovery = await sessions.enrolled(
            keys=site.keys,
            token=auth.held(request),
            code=sent.get("code", "")[: codes.LONGEST_CODE],
            actor=auth.actor(request),
            now=clock.now(),
        )
    except second_factor.AlreadyEnrolledError:
        return pages.elsewhere("/account")
    except (
        second_factor.CodeWrongError,
        second_factor.CodeBlockedError,
        limits.LimitedError,
        limits.LimiterDownError,
    ) as refusal:
        return await _scan(request, enrolment, [fault(request, refusal)], refusal)
    response = await pages.view(request, "account/recovery_codes.html", codes=recovery, alternate=None)
    auth.give(response, request, "session", token)
    return response


@post("/account/recovery-codes", opt=guards.page("account.change", form="/account"), status_code=200)
async def renew_codes(request: Request[Any, Any, Any]) -> Response[Any]:
    """Against a code of now: the old recovery codes are void with it."""
    sent, who, site = await pages.form(request), auth.principal(request), sites.of(request)
    try:
        await site.limit(codes.CODES, subject=str(who.user_id))
        code = sent.get("code", "")[: codes.LONGEST_CODE]
        await second_factor.check(keys=site.keys, user_id=who.user_id, code=code, now=clock.now())
        recovery = await second_factor.renew_recovery_codes(user_id=who.user_id, actor=auth.actor(request))
    except (
        second_factor.NotEnrolledError,
        second_factor.CodeWrongError,
        second_factor.CodeBlockedError,
        limits.LimitedError,
        limits.LimiterDownError,
    ) as refusal:
        left = await second_factor.codes_left(user_id=who.user_id)
        return await pages.view(
            request,
            "account/profile.html",
            status=status_of(refusal),
            headers=refusals.headers(refusal),
            codes_left=left,
            notice=None,
            faults=[fault(request, refusal)],
        )
    return await pages.view(request, "account/recovery_codes.html", codes=recovery, alternate=None)


async def _scan(
    request: Request[Any, Any, Any],
    enrolment: second_factor.Enrolment,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    user_id = str(auth.principal(request).user_id)
    return await pages.view(
        request,
        "account/scan.html",
        status=status_of(refusal) if refusal else 200,
        headers=refusals.headers(refusal) if refusal else None,
        qr=qr(enrolment.uri, pages.words(request).gettext("QR code for the authenticator")),
        secret=grouped(enrolment.secret),
        enrolment=_sealed(sites.of(request).keys, enrolment, user_id),
        action="/second-factor/confirm",
        faults=faults,
    )


def grouped(secret: str) -> str:
    """As one types it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    return pages.Fault(field="code", message=refusals.sentence(refusal, pages.words(request)))


def status_of(refusal: errors.RefusedError) -> int:
    return 422 if isinstance(refusal, second_factor.CodeWrongError) else refusal.status


def qr(text: str, label: str) -> markupsafe.Markup:
    """Without size, style or class: the page's style sheet has them."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, omitsize=True, border=0, svgclass=None, lineclass=None
    )
    head = f'<svg role="img" aria-label="{markupsafe.escape(label)}" focusable="false"'
    return markupsafe.Markup(drawn.getvalue().decode().strip().replace("<svg", head, 1))  # noqa: S704 - drawn here


def _sealed(keys: crypto.Keys, enrolment: second_factor.Enrolment, user_id: str) -> str:
    """The secret goes to the page and back sealed for this person, so that a wrong code does not make another."""
    value = f"{enrolment.secret}\0{enrolment.uri}".encode()
    return base64.urlsafe_b64encode(keys.seal(value, place=f"enrolment/{user_id}")).decode()


def _opened(keys: crypto.Keys, sealed: str, user_id: str) -> second_factor.Enrolment | None:
    try:
        secret, _, uri = keys.open(base64.urlsafe_b64decode(sealed), place=f"enrolment/{user_id}").decode().partition("\0")
    except (crypto.SealBrokenError, binascii.Error, ValueError, IndexError):
        return None
    return second_factor.Enrolment(secret=secret, uri=uri)
