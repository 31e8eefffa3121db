"""Asking to become a reseller of a brand, for anybody: one form in five parts, and how far it is by the link of a letter."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import audit, clock, errors, limits
from qucheng.identity import brand as brands
from qucheng.identity import user as users
from qucheng.insight import portal
from qucheng.network import agreement, application, application_form
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.texts import n_

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand

LOOK = "/application"
# a person who mends the form, and nobody who tries numbers
SENT = limits.Limit(name="application", count=10, seconds=3600, closed_when_down=True)
# letters to an address whose owner may not have asked for one
LETTERS = limits.Limit(name="application-letter", count=3, seconds=86_400, closed_when_down=True)
TRIED = limits.Limit(name="application-link", count=30, seconds=600, closed_when_down=True)
HEADERS = {"x-robots-tag": "noindex"}
SENTENCES = {
    "kind": n_("Choose whether you apply as a person or as a company."),
    "name": n_("A name has 1 to 80 characters."),
    "legal_name": n_("Write the name as it stands on the document, in 1 to 80 characters."),
    "document": n_("Choose a document that fits: an ID card for a person, a credit code for a company, or another one."),
    "number": n_("This number is not right: compare it with the document, digit by digit."),
    "contact_name": n_("Say who we may talk to, in 1 to 80 characters."),
    "email": n_("Enter an e-mail address: the answer comes as a letter."),
    "phone": n_("A phone number has 6 to 20 digits, with + and the country before it if you like."),
    "channels": n_("Choose at least one channel to sell in."),
    "invited_by": n_("A reseller's code has letters, digits, dots, hyphens and underscores only."),
    "agreed": n_("Read the agreement, and agree to it."),
}


@get("/join/{brand_code:str}", opt=guards.page(guards.ANYBODY))
async def form(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    brand, current, _ = await _open(brand_code)
    invited_by = request.query_params.get("from", "")[:40]
    blank = application_form.Form(
        document="cn-id" if brand.policy.startswith("cn-") else "other",
        invited_by=invited_by,
        agreement=current.number,
        agreement_sha256=current.sha256,
    )
    return await _form(request, brand, current, blank, 200, ())


@post("/join/{brand_code:str}", opt=guards.page(guards.ANYBODY), status_code=200)
async def apply(request: Request[Any, Any, Any], brand_code: params.FromPath[str]) -> Response[Any]:
    """The same answer whoever it is, and whether or not they have applied before."""
    brand, current, day = await _open(brand_code)
    sent, site, now = await pages.form(request), sites.of(request), clock.now()
    wanted = _wanted(sent)
    try:
        await site.limit(SENT, subject=auth.network(request))
        if not application_form.faults(wanted, channels=frozenset(wanted.channels), today=day):
            await site.limit(LETTERS, subject=users.login_hash(site.keys, wanted.email).hex())
        await application.submit(
            keys=site.keys,
            brand=brand,
            form=wanted,
            address=address(request),
            locale=pages.language_of(request),
            day=day,
            actor=audit.Actor(user_id=None, role="applicant", network=auth.network(request), request_id=auth.request_id()),
            now=now,
        )
    except application.ApplicationUnfitError as refusal:
        words = pages.words(request)
        faults = [pages.Fault(field=field, message=words.gettext(SENTENCES[field])) for field in refusal.fields]
        return await _form(request, brand, current, wanted, 422, faults)
    except (agreement.AgreementChangedError, limits.LimitedError, limits.LimiterDownError) as refusal:
        return await _refused(request, brand, current, wanted, refusal)
    return await pages.view(request, "public/joined.html", brand=brand)


async def _open(brand_code: str) -> tuple[Brand, agreement.Agreement, dt.date]:
    """The brand with the agreement in force, today. What takes no applications is not there."""
    brand = await brands.named(brand_code) if "\0" not in brand_code else None
    if brand is None:
        raise NotFoundException
    day = portal.today(brand, clock.now())
    current = await agreement.in_force(brand_id=brand.id, day=day)
    if current is None:
        raise NotFoundException
    return brand, current, day


def _wanted(sent: dict[str, str]) -> application_form.Form:
    number = sent.get("agreement", "")
    return application_form.Form(
        kind=sent.get("kind", ""),
        name=sent.get("name", ""),
        legal_name=sent.get("legal_name", ""),
        document=sent.get("document", ""),
        number=sent.get("number", ""),
        contact_name=sent.get("contact_name", ""),
        email=sent.get("email", "").strip(),
        phone=sent.get("phone", ""),
        channels=tuple(sorted(name.removeprefix("channel_") for name in sent if name.startswith("channel_"))),
        invited_by=sent.get("invited_by", "").strip(),
        agreement=int(number) if number.isascii() and number.isdigit() and len(number) <= 6 else 0,  # noqa: PLR2004 - digits
        agreement_sha256=sent.get("agreement_sha256", ""),
        agreed=bool(sent.get("agreed")),
    )


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    current: agreement.Agreement,
    given: application_form.Form,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "public/join.html",
        status=status,
        headers={**HEADERS, **(headers or {})},
        brand=brand,
        current=current,
        given=given,
        channels=await application.channels_of(brand.id),
        faults=faults,
    )


async def _refused(
    request: Request[Any, Any, Any],
    brand: Brand,
    current: agreement.Agreement,
    given: application_form.Form,
    refusal: errors.RefusedError,
) -> Response[Any]:
    field = "agreed" if isinstance(refusal, agreement.AgreementChangedError) else None
    fault = pages.Fault(field=field, message=refusals.sentence(refusal, pages.words(request)))
    return await _form(request, brand, current, given, refusal.status, [fault], refusals.headers(refusal))


@get(LOOK, opt=guards.page(guards.ANYBODY))
async def link(request: Request[Any, Any, Any]) -> Response[Any]:
    return await pages.view(request, "public/application.html", token="")


@post(LOOK, opt=guards.page(guards.ANYBODY), status_code=200)
async def look(request: Request[Any, Any, Any]) -> Response[Any]:
    """How far it is, to whoever holds the letter."""
    token = (await pages.form(request)).get("token", "").strip()
    try:
        await sites.of(request).limit(TRIED, subject=auth.network(request))
        found = await application.look(token=token)
    except (application.ApplicationUnknownError, limits.LimitedError, limits.LimiterDownError) as refusal:
        fault = pages.Fault(field="token", message=refusals.sentence(refusal, pages.words(request)))
        return await pages.view(
            request,
            "public/application.html",
            status=refusal.status,
            headers=refusals.headers(refusal),
            faults=[fault],
            token=token,
        )
    return await pages.view(request, "public/application_state.html", found=found)


def address(request: Request[Any, Any, Any]) -> str:
    """From where somebody agrees: as exactly as it is known."""
    host = request.client.host if request.client else ""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return "unknown"
