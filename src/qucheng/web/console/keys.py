"""Keys of machines, for the owners of a brand: made, renewed and revoked. A secret is on the page that answers, and never again."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors
from qucheng.identity import api_key, overlap, queries
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import people, renewal
from qucheng.web.finance import step_up
from qucheng.web.texts import n_

HERE, NEW = "/keys", "/keys/new"
DAYS = (30, 90, 180, 365, 730)
SCOPES = {
    "orders.read": (n_("Read orders"), n_("Lines and refunds, without costs and buyers")),
    "entries.read": (n_("Read commission entries"), n_("What each sale earned, and what changed it")),
    "statements.read": (n_("Read statements"), n_("Issued statements with their figures")),
    "documents.read": (n_("Download documents"), n_("PDF, XLSX and CSV of statements")),
    "resellers.read": (n_("Read resellers"), n_("Code, name, tier and place")),
    "prices.read": (n_("Ask for prices"), n_("What the consumer pays, without costs and floors")),
    "catalog.read": (n_("Read products"), n_("Without their costs; not for a key of a reseller")),
    "catalog.write": (n_("Change products"), n_("What is said of them, not what they cost; not for a key of a reseller")),
    "runs.read": (n_("Read settlement runs"), n_("Not for a key of a reseller")),
    "journal.read": (n_("Read journal and trial balance"), n_("Not for a key of a reseller")),
    "adjustments.read": (n_("Read adjustments"), n_("Not for a key of a reseller")),
    "adjustments.request": (n_("Ask for adjustments"), n_("Moves money: signed, in your name, and allowed by somebody else")),
    "orders.write": (n_("Send orders"), n_("Paid orders, signed unless you trust the program below")),
    "refunds.write": (n_("Refund orders"), n_("Moves money: signed; not for a key of a reseller")),
    "fulfilments.write": (
        n_("Report deliveries and redemptions"),
        n_("Starts the hold of commissions: signed; not for a key of a reseller"),
    ),
    "reservations.write": (n_("Reserve stock"), n_("Holds cards before a payment: signed")),
    "stock.read": (n_("Read stock"), n_("How many cards there are, never a code")),
    "cards.reveal": (n_("Reveal card secrets"), n_("Signed, and each with a reason; not for a key of a reseller")),
    "cards.redeem": (
        n_("Redeem cards"),
        n_("Of a terminal: with its key it redeems and takes back; not for a key of a reseller"),
    ),
    "claims.write": (n_("Claim cards"), n_("For people of your app: signed; not for a key of a reseller")),
}
NOTICES = {
    "revoked": n_("The key is revoked: nobody can use it any more."),
    "ended": n_("The old secret is worth nothing any more."),
}
SENTENCES = {
    "name": n_("A name has 1 to 80 characters."),
    "scopes": n_("Choose what the key may do; a key of a reseller only reads the reseller's own rows."),
    "reseller": n_("There is no reseller with this code."),
    "networks": n_("An address is like 203.0.113.7, a network like 203.0.113.0/24, one in a line, 20 at most."),
    "expires": n_("Choose when the key ends."),
}
STATES = {
    "api_key.state": n_("This key is not open for that: it was revoked or has ended, or two of its secrets are good already."),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was sent. reseller: blank for the whole brand; networks: as they were typed."""

    name: str = ""
    mode: str = "live"
    reseller: str = ""
    scopes: tuple[str, ...] = ()
    networks: str = ""
    days: int = 90
    bearer_orders: bool = False


@get(HERE, opt=guards.page("keys.manage"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    now = clock.now()
    found = await api_key.listing(brand_id=people.home(request), now=now)
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/keys.html",
        found=found,
        now=now,
        names=await queries.names(keys=sites.of(request).keys, user_ids=[each.created_by for each in found]),
        notice=pages.words(request).gettext(notice) if notice else None,
    )


@get(NEW, opt=guards.page("keys.manage"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, Wanted(), ())


@post(NEW, opt=guards.page("keys.manage"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    """The secrets are on the answer alone. Sent again, it is refused: the code was used up."""
    sent, now = await pages.form(request), clock.now()
    wanted = _wanted(sent)
    unfit = api_key.unfit(
        name=wanted.name,
        reseller=wanted.reseller or None,
        scopes=wanted.scopes,
        networks=_networks(wanted),
        expires_at=now + dt.timedelta(days=wanted.days),
        now=now,
    )
    if unfit:
        return await _form(request, 422, wanted, [_fault(request, refusal) for refusal in unfit])
    try:
        await step_up.require(request, sent.get("code", ""))
        issued = await api_key.create(
            keys=sites.of(request).keys,
            brand_id=people.home(request),
            name=wanted.name,
            mode="test" if wanted.mode == "test" else "live",
            reseller=wanted.reseller or None,
            scopes=wanted.scopes,
            networks=_networks(wanted),
            expires_at=now + dt.timedelta(days=wanted.days),
            bearer_orders=wanted.bearer_orders,
            created_by=auth.principal(request).user_id,
            actor=auth.actor(request),
            now=now,
        )
    except (api_key.KeyUnfitError, *step_up.REFUSED) as refusal:
        return await _form(request, _status(refusal), wanted, [_fault(request, refusal)], refusal)
    return await pages.view(request, "console/key_secret.html", issued=issued, name=wanted.name, old_until=None)


def _wanted(sent: dict[str, str]) -> Wanted:
    days = sent.get("expires", "")
    return Wanted(
        name=sent.get("name", "").strip(),
        mode=sent.get("mode", "live"),
        reseller=sent.get("reseller", "").strip(),
        scopes=tuple(name for name in api_key.SCOPES if sent.get(f"scope_{name}")),
        networks=sent.get("networks", ""),
        bearer_orders=bool(sent.get("bearer_orders")),
        days=int(days) if re.fullmatch("[0-9]{1,4}", days) else 0,
    )


def _networks(wanted: Wanted) -> list[str]:
    return wanted.networks.replace(",", " ").split()


async def _form(
    request: Request[Any, Any, Any],
    status: int,
    wanted: Wanted,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/key_new.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        wanted=wanted,
        faults=faults,
        scopes=SCOPES,
        money=[name for name, scope in api_key.SCOPES.items() if scope.money],
        days=DAYS,
    )


@get("/keys/{key_id:uuid}", opt=guards.page("keys.manage"))
async def detail(request: Request[Any, Any, Any], key_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _detail(request, key_id, 200, ())


@post("/keys/{key_id:uuid}/rotate", opt=guards.page("keys.manage", form=HERE), status_code=200)
async def rotate(request: Request[Any, Any, Any], key_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    sent, now = await pages.form(request), clock.now()
    key = await _key(request, key_id)
    try:
        lasting = renewal.asked(sent)
        await step_up.require(request, sent.get("code", ""))
        issued = await api_key.rotate(
            keys=sites.of(request).keys,
            brand_id=people.home(request),
            key_id=key_id,
            overlap=lasting,
            by=auth.principal(request).user_id,
            actor=auth.actor(request),
            now=now,
        )
    except (overlap.OverlapUnfitError, api_key.KeyStateError, *step_up.REFUSED) as refusal:
        return await _detail(request, key_id, _status(refusal), [_fault(request, refusal)], refusal)
    until = now + lasting if lasting else None
    return await pages.view(request, "console/key_secret.html", issued=issued, name=key.name, old_until=until)


@post("/keys/{key_id:uuid}/end-old", opt=guards.page("keys.manage", form=HERE), status_code=200)
async def end_old(request: Request[Any, Any, Any], key_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    await _key(request, key_id)
    try:
        await api_key.end_old(brand_id=people.home(request), key_id=key_id, actor=auth.actor(request), now=clock.now())
    except api_key.KeyStateError as refusal:
        return await _detail(request, key_id, refusal.status, [_fault(request, refusal)])
    return pages.elsewhere(f"{HERE}?done=ended")


@get("/keys/{key_id:uuid}/revoke", opt=guards.page("keys.manage"))
async def doubt(request: Request[Any, Any, Any], key_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """Asks again, by name."""
    return await pages.view(request, "console/key_revoke.html", key=await _key(request, key_id), now=clock.now())


@post("/keys/{key_id:uuid}/revoke", opt=guards.page("keys.manage"), status_code=200)
async def revoke(request: Request[Any, Any, Any], key_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    await _key(request, key_id)
    try:
        await api_key.revoke(
            brand_id=people.home(request),
            key_id=key_id,
            by=auth.principal(request).user_id,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except api_key.KeyStateError as refusal:
        return await _detail(request, key_id, refusal.status, [_fault(request, refusal)])
    return pages.elsewhere(f"{HERE}?done=revoked")


async def _key(request: Request[Any, Any, Any], key_id: uuid.UUID) -> api_key.Key:
    found = [each for each in await api_key.listing(brand_id=people.home(request), now=clock.now()) if each.id == key_id]
    if not found:
        raise NotFoundException
    return found[0]


async def _detail(
    request: Request[Any, Any, Any],
    key_id: uuid.UUID,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    key = await _key(request, key_id)
    return await pages.view(
        request,
        "console/key.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        key=key,
        now=clock.now(),
        faults=faults,
        scopes=SCOPES,
        names=await queries.names(keys=sites.of(request).keys, user_ids=[key.created_by]),
    )


def _status(refusal: errors.RefusedError) -> int:
    return step_up.status(refusal) if isinstance(refusal, step_up.REFUSED) else refusal.status


def _fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    words = pages.words(request)
    if isinstance(refusal, api_key.KeyUnfitError):
        return pages.Fault(field=refusal.field, message=words.gettext(SENTENCES[refusal.field]))
    if isinstance(refusal, overlap.OverlapUnfitError):
        return renewal.fault(words)
    if isinstance(refusal, api_key.KeyStateError):
        return pages.Fault(message=words.gettext(STATES[refusal.code]))
    return step_up.fault(request, refusal)
