"""What the brand decides about a reseller: its channels, whether it may work, and whether its identity was checked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors
from qucheng.network import identity_facts, queries, standing
from qucheng.network import reseller as resellers
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import network_words
from qucheng.web.finance import facts, step_up

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

HERE = "/resellers"
NEVER = dt.date(1900, 1, 1)


@get("/resellers/{code:str}/channels", opt=guards.page("network.change"))
async def choosing(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day, found = await _reseller(request, code)
    channels = await queries.channels(brand_id=brand.id, reseller=code, day=day)
    chosen = tuple(each.code for each in channels if each.open)
    return await _channels(request, brand, found, channels, chosen, str(day))


@post("/resellers/{code:str}/channels", opt=guards.page("network.change"), status_code=200)
async def choose(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day, found = await _reseller(request, code)
    sent = await pages.form(request)
    chosen, from_on = network_words.channels(sent), sent.get("from_on", "")
    try:
        await resellers.set_channels(
            brand_id=brand.id,
            reseller=code,
            channels=chosen,
            from_on=network_words.day(from_on) or NEVER,
            day=day,
            actor=auth.actor(request),
        )
    except network_words.ANSWERED as refusal:
        channels = await queries.channels(brand_id=brand.id, reseller=code, day=day)
        return await _channels(request, brand, found, channels, chosen, from_on, refusal)
    return pages.elsewhere(f"{HERE}/{code}?done=channels")


async def _channels(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: queries.Row,
    channels: list[queries.Channel],
    chosen: tuple[str, ...],
    from_on: str,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/reseller_channels.html",
        **_answer(request, brand, refusal),
        brand=brand,
        found=found,
        channels=channels,
        chosen=chosen,
        from_on=from_on,
    )


@get("/resellers/{code:str}/standing", opt=guards.page("network.change"))
async def deciding(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day, found = await _reseller(request, code)
    return await _standing(request, brand, found, day, {"closes_on": str(day + dt.timedelta(days=1))})


@post("/resellers/{code:str}/standing", opt=guards.page("network.change"), status_code=200)
async def decide(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """A closing is for good, so the one-time code is asked for."""
    brand, day, found = await _reseller(request, code)
    sent = await pages.form(request)
    change, closes_on = sent.get("change", ""), network_words.day(sent.get("closes_on", "")) or NEVER
    common: dict[str, Any] = {
        "brand_id": brand.id,
        "reseller": code,
        "reason": sent.get("reason", ""),
        "day": day,
        "actor": auth.actor(request),
        "now": clock.now(),
    }
    try:
        if change == "close":
            await step_up.require(request, sent.get("code", ""))
            await standing.close(closes_on=closes_on, **common)
        elif change == "unfreeze":
            await standing.unfreeze(**common)
        else:
            await standing.freeze(**common)
    except (*network_words.ANSWERED, *step_up.REFUSED) as refusal:
        return await _standing(request, brand, found, day, sent, refusal)
    return pages.elsewhere(f"{HERE}/{code}?done={change if change in {'close', 'unfreeze'} else 'freeze'}")


async def _standing(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: queries.Row,
    day: dt.date,
    given: dict[str, str],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    answer = _answer(request, brand, refusal)
    if given.get("change") == "close":  # two forms on the page, each with a reason of its own
        answer["faults"] = [
            msgspec.structs.replace(fault, field="close-reason") if fault.field == "reason" else fault
            for fault in answer["faults"]
        ]
    return await pages.view(
        request,
        "console/reseller_standing.html",
        **answer,
        brand=brand,
        found=found,
        standing=await standing.state(brand_id=brand.id, reseller=found.code, day=day),
        given=given,
    )


@get("/resellers/{code:str}/identity", opt=guards.page("network.change"))
async def identity(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day, found = await _reseller(request, code)
    return await _identity(request, brand, found, day, {})


@post("/resellers/{code:str}/identity", opt=guards.page("network.change"), status_code=200)
async def verify(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, day, found = await _reseller(request, code)
    sent = await pages.form(request)
    given = sent.get("expires_on", "").strip()
    try:
        await identity_facts.verify(
            brand_id=brand.id,
            reseller=code,
            outcome="failed" if sent.get("outcome") == "failed" else "verified",
            method=sent.get("method", ""),
            reference=sent.get("reference", "").strip(),
            expires_on=(network_words.day(given) or NEVER) if given else None,
            day=day,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except identity_facts.VerificationUnfitError as refusal:
        return await _identity(request, brand, found, day, sent, refusal)
    return pages.elsewhere(f"{HERE}/{code}?done=verified")


@post("/resellers/{code:str}/identity/facts", opt=guards.page("network.change", form="/resellers"), status_code=200)
async def open_facts(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """In the clear on this answer alone."""
    brand, day, found = await _reseller(request, code)
    sent = await pages.form(request)
    try:
        await step_up.require(request, sent.get("code", ""))
    except step_up.REFUSED as refusal:
        return await _identity(request, brand, found, day, {}, refusal)
    opened = await identity_facts.read(keys=sites.of(request).keys, brand_id=brand.id, reseller=code, actor=auth.actor(request))
    return await _identity(request, brand, found, day, {}, opened=opened)


async def _identity(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: queries.Row,
    day: dt.date,
    given: dict[str, str],
    refusal: errors.RefusedError | None = None,
    opened: identity_facts.Facts | None = None,
) -> Response[Any]:
    history = await identity_facts.history(brand_id=brand.id, reseller=found.code)
    return await pages.view(
        request,
        "console/reseller_identity.html",
        **_answer(request, brand, refusal),
        brand=brand,
        found=found,
        verification=await identity_facts.verification(brand_id=brand.id, reseller=found.code, day=day),
        history=history,
        names=await facts.names(request, [each.verified_by for each in history]),
        sealed=await identity_facts.has_facts(brand_id=brand.id, reseller=found.code),
        opened=opened,
        given=given,
    )


async def _reseller(request: Request[Any, Any, Any], code: str) -> tuple[Brand, dt.date, queries.Row]:
    brand, day = await network_words.desk(request)
    return brand, day, await queries.one(brand_id=brand.id, code=network_words.code(code), day=day)


def _answer(request: Request[Any, Any, Any], brand: Brand, refusal: errors.RefusedError | None) -> dict[str, Any]:
    """Status, headers and faults of a form that was refused, or of one that was not sent."""
    if refusal is None:
        return {"status": 200, "headers": None, "faults": ()}
    if isinstance(refusal, step_up.REFUSED):
        fault, status = step_up.fault(request, refusal), step_up.status(refusal)
    else:
        fault, status = network_words.fault(request, brand, refusal), refusal.status
    return {"status": status, "headers": refusals.headers(refusal), "faults": [fault]}
