"""Channels and tiers: where it is sold, and what resellers are told apart by; made and named."""

from __future__ import annotations

import re
import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import channel, queries
from qucheng.core import errors
from qucheng.network import blocklist, tier
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import promise
from qucheng.web.finance import books
from qucheng.web.texts import n_

LIST = "/channels"
KINDS: dict[channel.Kind, str] = {"agency": n_("Agency: resellers earn"), "wholesale": n_("Wholesale: the reseller is the buyer")}
SHORT_KINDS: dict[channel.Kind, str] = {"agency": n_("Agency"), "wholesale": n_("Wholesale")}
DEVIATIONS: dict[channel.Deviation, str] = {
    "flag": n_("Take the order, and flag it"),
    "refuse": n_("Refuse the order"),
}
NOTICES = {
    "channel": n_("The channel is saved."),
    "tier": n_("The tier is saved."),
}
FAULTS = {
    "code": n_("A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not new."),
    "name": n_("Write a name of 1 to 80 characters."),
    "kind": n_("Choose a kind."),
    "deviation": n_("Choose what is done with an order whose price is another one."),
    "rank": n_("A rank is a number from 1."),
}
TOLD: dict[str, tuple[str | None, str]] = {
    "channel.taken": ("code", n_("There is a channel of this code already.")),
    "channel.sold": ("kind", n_("Something was sold in this channel, so its kind stays.")),
    "channel.stale": (
        None,
        n_("Somebody else changed the channel meanwhile. What you typed is here; beside it stands what it is now."),
    ),
    "channel.busy": (None, n_("A delivery is being taken in. This can be done when it is in the books.")),
    "tier.taken": ("code", n_("There is a tier of this code already.")),
    "tier.stale": (
        None,
        n_("Somebody else changed the tier meanwhile. What you typed is here; beside it stands what it is now."),
    ),
}
DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)


@get(LIST, opt=guards.page("catalog.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand_id = await _brand(request)
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/channels.html",
        channels=await queries.channels(brand_id=brand_id),
        tiers=await tier.listing(brand_id=brand_id),
        kinds=SHORT_KINDS,
        deviations=DEVIATIONS,
        notice=pages.words(request).gettext(notice) if notice else None,
    )


@get("/channels/new", opt=guards.page("catalog.change"))
async def channel_form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _channel(request, 200, {"kind": "agency", "deviation": "flag"}, ())


@post("/channels/new", opt=guards.page("catalog.change"), status_code=200)
async def create_channel(request: Request[Any, Any, Any]) -> Response[Any]:
    typed = _typed(await pages.form(request), "code", "name", "kind", "deviation")
    try:
        await channel.create(brand_id=await _brand(request), actor=auth.actor(request), **typed)
    except (channel.ChannelUnfitError, channel.ChannelTakenError, blocklist.PromiseError) as refusal:
        return await _channel(request, refusal.status, typed, _faults(request, refusal))
    return pages.elsewhere(f"{LIST}?done=channel")


@get("/channels/{code:str}", opt=guards.page("catalog.change"))
async def edit_channel(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    found = await _one_channel(request, code)
    return await _channel(request, 200, {"name": found.name, "kind": found.kind, "deviation": found.deviation}, (), found)


@post("/channels/{code:str}", opt=guards.page("catalog.change"), status_code=200)
async def change_channel(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    sent, found = await pages.form(request), await _one_channel(request, code)
    typed = _typed(sent, "name", "kind", "deviation")
    try:
        await channel.change(
            brand_id=await _brand(request), code=found.code, seen=_number(sent, "revision"), actor=auth.actor(request), **typed
        )
    except (
        channel.ChannelUnfitError,
        channel.ChannelSoldError,
        channel.ChannelBusyError,
        channel.ChannelStaleError,
        blocklist.PromiseError,
    ) as refusal:
        stale = isinstance(refusal, channel.ChannelStaleError)
        return await _channel(request, refusal.status, typed, _faults(request, refusal), found, stale=stale, refusal=refusal)
    return pages.elsewhere(f"{LIST}?done=channel")


@get("/tiers/new", opt=guards.page("catalog.change"))
async def tier_form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _tier(request, 200, {"rank": "1"}, ())


@post("/tiers/new", opt=guards.page("catalog.change"), status_code=200)
async def create_tier(request: Request[Any, Any, Any]) -> Response[Any]:
    sent = await pages.form(request)
    typed = _typed(sent, "code", "name", "rank")
    try:
        await tier.create(
            brand_id=await _brand(request),
            code=typed["code"],
            name=typed["name"],
            rank=_number(sent, "rank"),
            actor=auth.actor(request),
        )
    except (tier.TierUnfitError, tier.TierTakenError, blocklist.PromiseError) as refusal:
        return await _tier(request, refusal.status, typed, _faults(request, refusal))
    return pages.elsewhere(f"{LIST}?done=tier")


@get("/tiers/{code:str}", opt=guards.page("catalog.change"))
async def edit_tier(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    found = await _one_tier(request, code)
    return await _tier(request, 200, {"name": found.name, "rank": str(found.rank)}, (), found)


@post("/tiers/{code:str}", opt=guards.page("catalog.change"), status_code=200)
async def change_tier(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    sent, found = await pages.form(request), await _one_tier(request, code)
    typed = _typed(sent, "name", "rank")
    try:
        await tier.change(
            brand_id=await _brand(request),
            code=found.code,
            seen=_number(sent, "revision"),
            name=typed["name"],
            rank=_number(sent, "rank"),
            actor=auth.actor(request),
        )
    except (tier.TierUnfitError, tier.TierStaleError, blocklist.PromiseError) as refusal:
        stale = isinstance(refusal, tier.TierStaleError)
        return await _tier(request, refusal.status, typed, _faults(request, refusal), found, stale=stale)
    return pages.elsewhere(f"{LIST}?done=tier")


async def _brand(request: Request[Any, Any, Any]) -> uuid.UUID:
    return (await books.brand_of(request)).id


def _typed(sent: dict[str, str], *names: str) -> dict[str, Any]:
    return {name: sent.get(name, "").strip() for name in names}


def _number(sent: dict[str, str], name: str) -> int:
    """0 for what is no number, which no rank and no revision is."""
    given = sent.get(name, "").strip()
    return int(given) if DIGITS.fullmatch(given) else 0


async def _one_channel(request: Request[Any, Any, Any], code: str) -> queries.Channel:
    found = next((each for each in await queries.channels(brand_id=await _brand(request)) if each.code == code), None)
    if found is None:
        raise NotFoundException
    return found


async def _one_tier(request: Request[Any, Any, Any], code: str) -> tier.Tier:
    found = next((each for each in await tier.listing(brand_id=await _brand(request)) if each.code == code), None)
    if found is None:
        raise NotFoundException
    return found


def _faults(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> list[pages.Fault]:
    words = pages.words(request)
    if isinstance(refusal, channel.ChannelUnfitError | tier.TierUnfitError):
        return [pages.Fault(field=field, message=words.gettext(FAULTS[field])) for field in refusal.fields]
    if isinstance(refusal, blocklist.PromiseError):
        return [pages.Fault(field="name", message=promise.words(request, refusal.found))]
    field, told = TOLD[refusal.code]
    return [pages.Fault(field=field, message=words.gettext(told))]


async def _channel(
    request: Request[Any, Any, Any],
    status: int,
    typed: dict[str, Any],
    faults: list[pages.Fault] | tuple[()],
    found: queries.Channel | None = None,
    *,
    stale: bool = False,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    """found: the channel as it is now; None for a new one."""
    words = pages.words(request)
    return await pages.view(
        request,
        "console/channel.html",
        status=status,
        headers=refusals.headers(refusal) if refusal is not None else None,
        faults=faults,
        channel=found,
        typed={"code": "", "name": "", **typed},
        kinds=[(kind, words.gettext(word)) for kind, word in KINDS.items()],
        deviations=[(each, words.gettext(word)) for each, word in DEVIATIONS.items()],
        stale=stale,
    )


async def _tier(
    request: Request[Any, Any, Any],
    status: int,
    typed: dict[str, Any],
    faults: list[pages.Fault] | tuple[()],
    found: tier.Tier | None = None,
    *,
    stale: bool = False,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/tier.html",
        status=status,
        faults=faults,
        tier=found,
        typed={"code": "", "name": "", **typed},
        stale=stale,
    )
