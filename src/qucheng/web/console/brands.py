"""The brands of the platform: who they are, and a new one with its two owners. What they sell and earn is not shown here."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post

from qucheng.bundle import brand_file
from qucheng.core import clock, errors, limits
from qucheng.identity import brand as brands
from qucheng.identity import founding, queries
from qucheng.identity import invitation as invitations
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import people
from qucheng.web.texts import n_

HERE, NEW = "/brands", "/brands/new"
ROWS = 50
WHOLE = frozenset({"max_depth", "max_levels", "hold_days"})
USUAL = {
    "currency": "CNY",
    "time_zone": "Asia/Shanghai",
    "locale": "zh-CN",
    "policy": "cn-strict",
    "hold_days": "7",
    "min_payout": "0.00",
    "withholding": "none",
}
LIMIT_RATE = n_("A share such as 0.25, with at most 6 decimals, and not more than the policy allows.")
LIMIT_COUNT = n_("A whole number from 1 to what the policy allows.")
FAULTS = {
    "brand.code": n_("1 to 40 letters without accents, digits, dots, hyphens and underscores."),
    "brand.name": n_("The name of a brand has 1 to 80 characters."),
    "brand.currency": n_("A currency code such as CNY, of a currency with at most 2 decimals."),
    "brand.time_zone": n_("A time zone such as Asia/Shanghai."),
    "brand.locale": n_("Choose a language."),
    "compliance.policy": n_("Choose a policy."),
    "compliance.legal_opinion": n_("This policy needs the reference of a lawyer's opinion, of at most 80 characters."),
    "compliance.expires_on": n_("The day until which the opinion holds, such as 2027-01-31. This policy needs one."),
    "compliance.max_depth": LIMIT_COUNT,
    "compliance.max_levels": LIMIT_COUNT,
    "compliance.max_total_rate": LIMIT_RATE,
    "settlement.hold_days": n_("A whole number from 0 to 90."),
    "settlement.min_payout": n_("An amount such as 50.00, with no more decimals than the currency has."),
    "settlement.withholding": n_("Chinese withholding needs the currency CNY."),
}
TAKEN = n_("There is a brand with this code already.")
NO_ADDRESS = {
    "owner_1": n_("Enter the e-mail address of the first owner."),
    "owner_2": n_("Enter the e-mail address of the second owner."),
}
SAME_OWNER = n_("A brand begins with two owners: two people with two addresses. What one asks for the other decides.")


@get(HERE, opt=guards.page("brands.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    after = request.query_params.get("after", "")
    found = await brands.overview(after=after if brand_file.CODE.fullmatch(after) else "", most=ROWS + 1)
    return await pages.view(
        request,
        "console/brands.html",
        brands=found[:ROWS],
        after=found[ROWS - 1].code if len(found) > ROWS else None,
        begun=bool(after),
        needed=invitations.FIRST_OWNERS,
    )


@get(NEW, opt=guards.page("brands.create"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, USUAL, ())


@post(NEW, opt=guards.page("brands.create"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    """All that is wrong with it is said at once."""
    sent = {name: value.strip() for name, value in (await pages.form(request)).items()}
    brand, wrong = brand_file.check(_tables(sent))
    faults = [*_faults(request, wrong), *_owner_faults(request, sent)]
    if brand is None or faults:
        return await _form(request, 422, sent, faults)
    site = sites.of(request)
    try:
        await site.limit(people.LETTERS, subject=str(auth.principal(request).user_id))
        await founding.found(
            keys=site.keys,
            principal=auth.principal(request),
            brand=brand,
            owners=(sent["owner_1"], sent["owner_2"]),
            locale=people.language(brand.locale),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except brands.BrandTakenError:
        return await _form(request, 422, sent, [pages.Fault(field="code", message=pages.words(request).gettext(TAKEN))])
    except (limits.LimitedError, limits.LimiterDownError) as refusal:
        return await _form(request, refusal.status, sent, [people.fault(request, refusal)], refusal)
    return pages.elsewhere(f"{HERE}/{brand.code}?done=invited")


@get("/brands/{code:str}", opt=guards.page("brands.read"))
async def detail(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    return await _detail(request, code, 200, people.Wanted(), ())


@post("/brands/{code:str}/owners", opt=guards.page("brands.create", form=HERE), status_code=200)
async def invite_owner(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """In the place of a first owner who did not come."""
    sent, brand = await pages.form(request), await _brand(code)
    wanted = people.Wanted(login=sent.get("login", "").strip(), locale=brand.locale)
    try:
        await people.invited(request, wanted, brand_id=brand.id, role="owner")
    except people.NOT_INVITED as refusal:
        fault = people.fault(request, refusal)
        return await _detail(
            request, code, people.status_of(refusal), wanted, [pages.Fault(field="login", message=fault.message)]
        )
    return pages.elsewhere(f"{HERE}/{code}?done=invited")


@post(
    "/brands/{code:str}/invitations/{invitation_id:uuid}/withdraw",
    opt=guards.page("brands.create", form=HERE),
    status_code=200,
)
async def withdraw(
    request: Request[Any, Any, Any], code: params.FromPath[str], invitation_id: params.FromPath[uuid.UUID]
) -> Response[Any]:
    brand = await _brand(code)
    await founding.withdraw_owner(brand_id=brand.id, invitation_id=invitation_id, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{HERE}/{code}?done=withdrawn")


async def _brand(code: str) -> brands.Brand:
    """Raises BrandUnknownError."""
    found = await brands.named(code) if brand_file.CODE.fullmatch(code) else None
    if found is None:
        raise brands.BrandUnknownError("There is no such brand.")
    return found


async def _detail(
    request: Request[Any, Any, Any], code: str, status: int, wanted: people.Wanted, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    brand, keys = await _brand(code), sites.of(request).keys
    owners = await queries.members(keys=keys, brand_id=brand.id, roles=("owner",))
    invited = await queries.invitations(keys=keys, brand_id=brand.id, now=clock.now(), roles=("owner",))
    return await pages.view(
        request,
        "console/brand.html",
        status=status,
        notice=people.notice(request),
        brand=brand,
        owners=owners.rows,
        invited=invited,
        lacking=owners.total + len(invited) < invitations.FIRST_OWNERS,
        wanted=wanted,
        faults=faults,
    )


def _tables(sent: dict[str, str]) -> dict[str, dict[str, Any]]:
    """As a brand.toml says it: what was left blank is not there."""
    return {
        table: {name: _value(name, sent[name]) for name in names if sent.get(name)} for table, names in brand_file.KEYS.items()
    }


def _value(name: str, text: str) -> str | int:
    return int(text) if name in WHOLE and text.isascii() and text.isdigit() and len(text) <= len("90000") else text


def _faults(request: Request[Any, Any, Any], wrong: list[brand_file.BrandRefusedError]) -> list[pages.Fault]:
    words = pages.words(request)
    keys = [each.key for each in wrong if each.key is not None]
    return [pages.Fault(field=key.partition(".")[2], message=words.gettext(FAULTS[key])) for key in keys]


def _owner_faults(request: Request[Any, Any, Any], sent: dict[str, str]) -> list[pages.Fault]:
    words, found, faults = pages.words(request), [], []
    for name, sentence in NO_ADDRESS.items():
        try:
            found.append(users.address(sent.get(name, "")))
        except users.AddressMissingError:
            faults.append(pages.Fault(field=name, message=words.gettext(sentence)))
    if len(found) == len(NO_ADDRESS) and len(set(found)) == 1:
        faults.append(pages.Fault(field="owner_2", message=words.gettext(SAME_OWNER)))
    return faults


async def _form(
    request: Request[Any, Any, Any],
    status: int,
    sent: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/brand_new.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        sent=sent,
        policies=brand_file.policies(),
        faults=faults,
    )
