"""Approvals: what waits for another person, what became of it, and the decision with a one-time code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.identity import brand as brands
from qucheng.identity import permissions
from qucheng.settlement import decision, run
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.finance import approval_words, facts, step_up

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

APPROVALS = "/approvals"
DECIDED: tuple[approvals.State, ...] = ("approved", "rejected", "expired", "executed")
LISTED = 50


@get(APPROVALS, opt=guards.page("approvals.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    """An operator sees what waits in brands that have nobody else."""
    who, words = auth.principal(request), pages.words(request)
    if who.role == "operator":
        waiting, decided = await decision.for_operator(), []
    else:
        brand = await facts.brand(request)
        waiting = [(brand, each) for each in await approvals.listing(brand_id=brand.id)]
        decided = [(brand, each) for each in await approvals.listing(brand_id=brand.id, states=DECIDED, most=LISTED)]
    people = [person for _, each in [*waiting, *decided] for person in (each.maker, each.checker)]
    return await pages.view(
        request,
        "finance/approvals.html",
        waiting=[_line(each, of, words) for of, each in waiting if each.state == "waiting"],
        decided=[_line(each, of, words) for of, each in decided],
        names=await facts.names(request, people),
        me=who.user_id,
        operator=who.role == "operator",
    )


@get("/approvals/{approval_id:uuid}", opt=guards.page("approvals.read"))
async def show(request: Request[Any, Any, Any], approval_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand, asked = await _of(request, approval_id)
    return await _shown(request, brand, asked, 200, ())


@post("/approvals/{approval_id:uuid}", opt=guards.page("approvals.read", form=APPROVALS), status_code=200)
async def decide(request: Request[Any, Any, Any], approval_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """What was decided meanwhile is said, and no code is used up for it."""
    brand, asked = await _of(request, approval_id)
    sent, words = await pages.form(request), pages.words(request)
    approve = sent.get("decision") == "approve"
    try:
        await _proven(request, asked, sent, approve=approve)
        await decision.decide(
            principal=auth.principal(request),
            brand_id=brand.id,
            approval_id=approval_id,
            approve=approve,
            reason=sent.get("reason", ""),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except step_up.REFUSED as refusal:
        now = await approvals.read(brand_id=brand.id, approval_id=approval_id)
        faults = [step_up.fault(request, refusal)] if now.state == "waiting" else []
        return await _shown(request, brand, now, step_up.status(refusal), faults, refusal, sent)
    except approvals.ReasonMissingError as refusal:
        faults = [pages.Fault(field="reason", message=refusals.sentence(refusal, words))]
        return await _shown(request, brand, asked, refusal.status, faults, refusal, sent)
    except errors.RefusedError as refusal:
        now = await approvals.read(brand_id=brand.id, approval_id=approval_id)
        faults = [pages.Fault(message=refusals.sentence(refusal, words))]
        return await _shown(request, brand, now, refusal.status, faults, refusal, sent)
    return pages.elsewhere(f"{APPROVALS}/{approval_id}?done=1")


async def _proven(request: Request[Any, Any, Any], asked: approvals.Approval, sent: dict[str, str], *, approve: bool) -> None:
    """Takes the one-time code, if there is anything that this person could decide: the room refuses all else."""
    if not _may_decide(request, asked):
        return
    if not approve and not sent.get("reason", "").strip():
        raise approvals.ReasonMissingError("Say why, so that it can be asked for better.")
    await step_up.require(request, sent.get("code", ""))


async def _of(request: Request[Any, Any, Any], approval_id: uuid.UUID) -> tuple[Brand, approvals.Approval]:
    """Raises ApprovalUnknownError, for another brand's too. An operator sees what nobody else could decide, and what they decided."""
    who = auth.principal(request)
    if who.role != "operator":
        brand = await facts.brand(request)
        return brand, await approvals.read(brand_id=brand.id, approval_id=approval_id)
    for brand_id, _code in (await brands.every())[: decision.MOST_BRANDS]:
        try:
            asked = await approvals.read(brand_id=brand_id, approval_id=approval_id)
        except approvals.ApprovalUnknownError:
            continue
        if asked.checker == who.user_id or await decision.waits_for_operator(brand_id=brand_id, asked=asked):
            return await brands.read(brand_id), asked
    raise approvals.ApprovalUnknownError("There is no such request.")


async def _shown(
    request: Request[Any, Any, Any],
    brand: Brand,
    asked: approvals.Approval,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
    sent: dict[str, str] | None = None,
) -> Response[Any]:
    words, who = pages.words(request), auth.principal(request)
    return await pages.view(
        request,
        "finance/approval.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        faults=faults,
        brand=brand,
        asked=asked,
        title=approval_words.title(asked, words),
        headline=approval_words.headline(asked, brand),
        rows=await approval_words.rows(asked, brand, words, sites.of(request).keys),
        names=await facts.names(request, (asked.maker, asked.checker)),
        run_code=_run_code(brand, asked),
        mine=asked.maker == who.user_id,
        may_decide=_may_decide(request, asked),
        reason=(sent or {}).get("reason", ""),
        done=request.query_params.get("done"),
    )


def _may_decide(request: Request[Any, Any, Any], asked: approvals.Approval) -> bool:
    """As far as the page knows; the room asks the database."""
    who = auth.principal(request)
    permission = permissions.APPROVALS[asked.action][1]
    return asked.state == "waiting" and asked.live and asked.maker != who.user_id and permission in who.permissions


def _run_code(brand: Brand, asked: approvals.Approval) -> str | None:
    if asked.action != "run.issue":
        return None
    said = asked.payload
    return f"{brand.code}-{run.month(said['period']):%Y%m}-{said['run']}"


def _line(asked: approvals.Approval, brand: Brand, words: Any) -> dict[str, Any]:  # noqa: ANN401 - Texts
    return {
        "asked": asked,
        "brand": brand,
        "title": approval_words.title(asked, words),
        "headline": approval_words.headline(asked, brand),
    }
