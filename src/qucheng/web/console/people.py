"""Who works in a brand: roles as they stand, letters that are out, requests that wait; inviting, and taking a role away."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib import parse

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors, limits
from qucheng.identity import approval as approvals
from qucheng.identity import invitation as invitations
from qucheng.identity import invitation_row, permissions, queries, role_request
from qucheng.identity import membership as memberships
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.texts import n_

HERE, NEW = "/people", "/people/new"
ROWS = 50
NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
# letters to people who have not asked for one
LETTERS = limits.Limit(name="invitation", count=30, seconds=3600, closed_when_down=True)
NOTICES = {
    "invited": n_("The invitation is on its way."),
    "asked": n_("The request waits for somebody else to decide it. The letter goes out then."),
    "revoked": n_("The role is taken away, from the next click on."),
    "withdrawn": n_("The invitation is withdrawn: its link opens nothing any more."),
}
FIELDS = {
    users.AddressMissingError: "login",
    invitation_row.InvitationStandsError: "login",
    memberships.MembershipUnfitError: "reseller",
    invitations.RoleNotYoursToGiveError: "role",
    approvals.NotAllowedToAskError: "role",
}
# why nobody is invited
NOT_INVITED = (
    users.AddressMissingError,
    invitation_row.InvitationStandsError,
    invitations.RoleNotYoursToGiveError,
    limits.LimitedError,
    limits.LimiterDownError,
)
SENTENCES = {
    "user.address_missing": n_("Enter an e-mail address: the invitation is a letter."),
    "invitation.stands": n_("They have this role, are invited to it, or somebody has asked for them."),
    "membership.unfit": n_("There is no reseller with this code."),
    "invitation.role": n_("Choose a role that you may give."),
    "approval.ask": n_("Choose a role that you may give."),
    "membership.last_owner": n_("This is the last one with this role. Give it to somebody else first."),
    "membership.unknown": n_("There is no such role any more."),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was sent. reseller: blank where it is of no reseller."""

    login: str = ""
    role: str = ""
    reseller: str = ""
    locale: str = "zh-CN"


@get(HERE, opt=guards.page("roles.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand_id, keys = home(request), sites.of(request).keys
    page = _page(request.query_params.get("page", ""))
    reseller = request.query_params.get("reseller", "").replace("\0", "").strip() or None
    asked = await role_request.waiting(keys=keys, brand_id=brand_id)
    below = await queries.members(
        keys=keys, brand_id=brand_id, roles=permissions.RESELLER_ROLES, reseller=reseller, skip=(page - 1) * ROWS, most=ROWS
    )
    return await pages.view(
        request,
        "console/people.html",
        notice=notice(request),
        staff=await queries.members(keys=keys, brand_id=brand_id, roles=permissions.BRAND_ROLES, most=500),
        below=below,
        reseller=reseller or "",
        page=page,
        first=(page - 1) * ROWS + 1,
        addresses=_addresses(page, below.total, reseller),
        asked=asked,
        names=await queries.names(keys=keys, user_ids=[each.maker for each in asked]),
        invited=await queries.invitations(keys=keys, brand_id=brand_id, now=clock.now()),
        withdrawable=_withdrawable(auth.principal(request)),
    )


@get(NEW, opt=guards.page("people.invite"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, Wanted(), ())


@post(NEW, opt=guards.page("people.invite"), status_code=200)
async def invite(request: Request[Any, Any, Any]) -> Response[Any]:
    """At once where the role may be given by one, as a request where two are needed."""
    sent = await pages.form(request)
    wanted = Wanted(
        login=sent.get("login", "").strip(),
        role=sent.get("role", ""),
        reseller=sent.get("reseller", "").strip(),
        locale="en" if sent.get("locale") == "en" else "zh-CN",
    )
    try:
        done = await _given(request, wanted)
    except errors.RefusedError as refusal:
        if type(refusal) not in FIELDS and not isinstance(refusal, limits.LimitedError | limits.LimiterDownError):
            raise
        return await _form(request, status_of(refusal), wanted, [fault(request, refusal)], refusal)
    return pages.elsewhere(f"{HERE}?done={done}")


async def _given(request: Request[Any, Any, Any], wanted: Wanted) -> str:
    """Which notice says what was done."""
    who, site = auth.principal(request), sites.of(request)
    users.address(wanted.login)
    own = who.role or "seller"
    if wanted.role not in choices(own):
        raise invitations.RoleNotYoursToGiveError("Your role does not give this one.")
    role: permissions.Role = wanted.role
    await site.limit(LETTERS, subject=str(who.user_id))
    now, actor = clock.now(), auth.actor(request)
    if role in permissions.INVITES[own]:
        await invitations.invite(
            keys=site.keys,
            principal=who,
            brand_id=home(request),
            login=wanted.login,
            role=role,
            reseller=wanted.reseller if role in permissions.RESELLER_ROLES else None,
            locale=language(wanted.locale),
            actor=actor,
            now=now,
        )
        return "invited"
    await role_request.ask(
        keys=site.keys, principal=who, login=wanted.login, role=role, locale=language(wanted.locale), actor=actor, now=now
    )
    return "asked"


async def invited(request: Request[Any, Any, Any], wanted: Wanted, *, brand_id: uuid.UUID, role: permissions.Role) -> None:
    """By letter, in the name of who asks, to be one of the brand's own people or of the platform's.

    Raises AddressMissingError, InvitationStandsError, RoleNotYoursToGiveError, LimitedError, LimiterDownError.
    """
    who, site = auth.principal(request), sites.of(request)
    users.address(wanted.login)
    await site.limit(LETTERS, subject=str(who.user_id))
    await invitations.invite(
        keys=site.keys,
        principal=who,
        brand_id=brand_id,
        login=wanted.login,
        role=role,
        locale=language(wanted.locale),
        actor=auth.actor(request),
        now=clock.now(),
    )


def language(name: str) -> Any:  # noqa: ANN401 - one of the two literals
    return "en" if name == "en" else "zh-CN"


def choices(own: permissions.Role) -> tuple[permissions.Role, ...]:
    """The roles that one may give or ask for, in the order in which they are listed."""
    asked = permissions.BRAND_ROLES if "roles.grant.request" in permissions.GIVEN[own] else ()
    given = permissions.INVITES.get(own, frozenset())
    return tuple(role for role in permissions.GIVEN if role in asked or role in given)


@get("/people/{membership_id:uuid}/revoke", opt=guards.page("roles.revoke"))
async def doubt(request: Request[Any, Any, Any], membership_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """Asks again, by name."""
    return await asked_again(request, membership_id, HERE, 200, ())


@post("/people/{membership_id:uuid}/revoke", opt=guards.page("roles.revoke"), status_code=200)
async def revoke(request: Request[Any, Any, Any], membership_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await taken_away(request, membership_id, HERE)


@post("/people/invitations/{invitation_id:uuid}/withdraw", opt=guards.page("people.invite", form=HERE), status_code=200)
async def withdraw(request: Request[Any, Any, Any], invitation_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    roles = _withdrawable(auth.principal(request))
    await invitations.withdraw(
        brand_id=home(request), invitation_id=invitation_id, roles=roles, actor=auth.actor(request), now=clock.now()
    )
    return pages.elsewhere(f"{HERE}?done=withdrawn")


def _withdrawable(who: permissions.Principal) -> frozenset[permissions.Role]:
    """An owner calls any letter back; others those that they could have sent."""
    if "roles.revoke" in who.permissions:
        return frozenset({*permissions.BRAND_ROLES, *permissions.RESELLER_ROLES})
    return permissions.INVITES.get(who.role, frozenset()) if who.role and "people.invite" in who.permissions else frozenset()


async def asked_again(
    request: Request[Any, Any, Any], membership_id: uuid.UUID, back: str, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    member = await queries.member(keys=sites.of(request).keys, brand_id=home(request), membership_id=membership_id)
    return await pages.view(request, "console/revoke.html", status=status, member=member, back=back, faults=faults)


async def taken_away(request: Request[Any, Any, Any], membership_id: uuid.UUID, back: str) -> Response[Any]:
    """Of oneself too: then there is nothing left to come back to."""
    who = auth.principal(request)
    member = await queries.member(keys=sites.of(request).keys, brand_id=home(request), membership_id=membership_id)
    try:
        await memberships.revoke(brand_id=home(request), membership_id=membership_id, actor=auth.actor(request), now=clock.now())
    except memberships.LastOwnerError as refusal:
        return await asked_again(request, membership_id, back, refusal.status, [fault(request, refusal)])
    own = (member.user_id, member.role, member.reseller) == (who.user_id, who.role, who.reseller)
    return pages.elsewhere("/" if own else f"{back}?done=revoked")


def home(request: Request[Any, Any, Any]) -> uuid.UUID:
    """Where the role is that was chosen: its brand, or the platform."""
    brand_id = auth.principal(request).brand_id
    if brand_id is None:  # no role, and so none of the permissions of these pages
        raise memberships.MembershipUnknownError("Choose a role first.")
    return brand_id


def notice(request: Request[Any, Any, Any]) -> str | None:
    found = NOTICES.get(request.query_params.get("done", ""))
    return pages.words(request).gettext(found) if found else None


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    words, own = pages.words(request), SENTENCES.get(refusal.code)
    message = words.gettext(own) if own else refusals.sentence(refusal, words)
    return pages.Fault(field=FIELDS.get(type(refusal)), message=message)


def status_of(refusal: errors.RefusedError) -> int:
    """429 and 503 as they are; what was typed is 422."""
    return refusal.status if isinstance(refusal, limits.LimitedError | limits.LimiterDownError) else 422


async def _form(
    request: Request[Any, Any, Any],
    status: int,
    wanted: Wanted,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    own = auth.principal(request).role or "seller"
    return await pages.view(
        request,
        "console/invite.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        wanted=wanted,
        choices=choices(own),
        alone=permissions.INVITES.get(own, frozenset()),
        faults=faults,
    )


def _page(text: str) -> int:
    return min(int(text), 10_000) if NUMBER.fullmatch(text) else 1


def _addresses(page: int, total: int, reseller: str | None) -> tuple[str | None, str | None]:
    """Of the pages before and after."""

    def address(number: int) -> str:
        return f"{HERE}?" + parse.urlencode({**({"reseller": reseller} if reseller else {}), "page": number})

    return address(page - 1) if page > 1 else None, address(page + 1) if page * ROWS < total else None
