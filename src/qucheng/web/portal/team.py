"""The people of a reseller, for its administrators: who works in it, who is invited, and ending both."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors, limits
from qucheng.identity import invitation as invitations
from qucheng.identity import membership as memberships
from qucheng.identity import permissions
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.portal import shown
from qucheng.web.texts import n_

TEAM = "/portal/team"
MOST_INVITATIONS = 50
SENT = limits.Limit(name="team-invitation", count=20, seconds=3600, closed_when_down=True)
# a second click finds that the letter has gone
ONCE = limits.Limit(name="team-invitation-once", count=1, seconds=10, closed_when_down=True)
STANDS = n_("An invitation to this address is open already. Withdraw it first, or wait until it expires.")
ALREADY = n_("Who has this address works here already.")
NOTICES = {
    "invited": n_("The invitation is on its way. It is valid for 7 days."),
    "withdrawn": n_("The invitation is withdrawn; its letter leads nowhere now."),
    "revoked": n_("The role is revoked. It ended with that person's next click."),
}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """me: who looks at the page."""

    id: uuid.UUID
    name: str
    login: str
    role: permissions.Role
    since: dt.datetime
    me: bool


@get(TEAM, opt=guards.page("own.team.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await team(request, await shown.own(request))


@post(TEAM, opt=guards.page("own.team.invite"), status_code=200)
async def invite(request: Request[Any, Any, Any]) -> Response[Any]:
    own, site, words = await shown.own(request), sites.of(request), pages.words(request)
    login = (await pages.form(request)).get("login", "").strip()
    try:
        address = mailed(login)
        fault = await taken(request, own, address)
        if fault is not None:
            return await team(request, own, login=login, fault=words.gettext(fault), status=409)
        try:
            await site.limit(ONCE, subject=f"{own.brand.id}/{own.reseller}/{address}")
        except limits.LimitedError:
            return back("invited")
        await site.limit(SENT, subject=f"{own.brand.id}/{own.reseller}")
        await invitations.invite(
            keys=site.keys,
            principal=auth.principal(request),
            brand_id=own.brand.id,
            login=address,
            role="seller",
            reseller=own.reseller,
            locale=pages.language_of(request),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except users.LoginInvalidError:
        return await team(request, own, login=login, fault=words.gettext("Enter an e-mail address."), status=422)
    except (limits.LimitedError, limits.LimiterDownError) as refusal:
        return await team(request, own, login=login, fault=refusals.sentence(refusal, words), refusal=refusal)
    return back("invited")


@post(TEAM + "/invitations/{invitation_id:uuid}/withdraw", opt=guards.page("own.team.invite", form=TEAM), status_code=200)
async def withdraw(request: Request[Any, Any, Any], invitation_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    own = await shown.own(request)
    try:
        await invitations.withdraw(
            brand_id=own.brand.id,
            invitation_id=invitation_id,
            reseller=own.reseller,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except invitations.InvitationUnknownError:  # another's, or none, or taken up or withdrawn meanwhile
        raise NotFoundException from None
    return back("withdrawn")


@post(TEAM + "/members/{membership_id:uuid}/revoke", opt=guards.page("own.team.revoke", form=TEAM), status_code=200)
async def revoke(request: Request[Any, Any, Any], membership_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """Sellers only: administrators are the brand's to revoke, so that nobody locks the reseller out."""
    own = await shown.own(request)
    found = [each for each in await memberships.listing(brand_id=own.brand.id, reseller=own.reseller) if each.id == membership_id]
    if not found or found[0].role != "seller":
        raise NotFoundException
    try:
        await memberships.revoke(
            brand_id=own.brand.id,
            membership_id=membership_id,
            reseller=own.reseller,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except memberships.MembershipUnknownError:
        raise NotFoundException from None
    return back("revoked")


def mailed(login: str) -> str:
    """Raises LoginInvalidError for what no letter can be sent to."""
    found = users.normalised(login)
    if "@" not in found:
        raise users.LoginInvalidError("An invitation goes to an e-mail address.")
    return found


async def taken(request: Request[Any, Any, Any], own: shown.Own, address: str) -> str | None:
    """Why this address needs no invitation."""
    now = clock.now()
    if any(each.login == address for each in await people(request, own)):
        return ALREADY
    sent = await invitations.listing(keys=sites.of(request).keys, brand_id=own.brand.id, reseller=own.reseller)
    return STANDS if any(each.login == address for each in sent if is_open(each, now)) else None


async def people(request: Request[Any, Any, Any], own: shown.Own) -> list[Person]:
    found = []
    for each in await memberships.listing(brand_id=own.brand.id, reseller=own.reseller):
        user = await users.read(keys=sites.of(request).keys, user_id=each.user_id)
        found.append(
            Person(
                id=each.id,
                name=user.name,
                login=user.login,
                role=each.role,
                since=each.granted_at,
                me=each.user_id == own.user_id,
            )
        )
    return found


def is_open(sent: invitations.Invitation, now: dt.datetime) -> bool:
    return sent.accepted_at is None and sent.withdrawn_at is None and sent.expires_at > now


async def team(
    request: Request[Any, Any, Any],
    own: shown.Own,
    *,
    login: str = "",
    fault: str | None = None,
    status: int = 200,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    now, said = clock.now(), NOTICES.get(request.query_params.get("said", ""))
    sent = await invitations.listing(keys=sites.of(request).keys, brand_id=own.brand.id, reseller=own.reseller)
    return await shown.view(
        request,
        "team.html",
        own,
        status=refusal.status if refusal else status,
        headers=refusals.headers(refusal) if refusal else None,
        people=await people(request, own),
        invitations=[(each, state(each, now)) for each in sent[:MOST_INVITATIONS]],
        login=login,
        faults=[pages.Fault(field="login", message=fault)] if fault else (),
        notice=pages.words(request).gettext(said) if said else None,
    )


def state(sent: invitations.Invitation, now: dt.datetime) -> str:
    if is_open(sent, now):
        return "invited"
    return "done" if sent.accepted_at else "withdrawn" if sent.withdrawn_at else "expired"


def back(said: str) -> Response[bytes]:
    return pages.elsewhere(f"{TEAM}?said={said}")
