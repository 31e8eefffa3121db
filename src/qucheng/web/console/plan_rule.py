"""One rule of the draft: the form in which it is added or changed. What somebody else saved meanwhile is shown beside what was typed."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException

from qucheng.commission import plan_draft, plan_words
from qucheng.core import clock
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import plan_desk, plan_edit, plan_form, plan_told
from qucheng.web.finance import facts
from qucheng.web.texts import n_

RULE = "/plans/draft/rule"
REVISION = re.compile("[0-9]{1,9}")
KIND_HINTS = {
    "percent": n_("A share of each sale, to whoever earns on it."),
    "per_unit": n_("The same money for each unit sold, whatever it cost."),
    "graduated": n_("Once a month, on what the seller sold itself: each part of it by the rate of its bracket."),
    "slab": n_("Once a month, on what the seller sold itself: all of it by the rate of the bracket it reached."),
}


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """The rule as it stands now, and who wrote it when; None where it was taken out."""

    told: plan_told.Told | None
    by: str
    at: dt.datetime | None


@get(RULE, opt=guards.page("plans.edit"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    """code: the rule that is changed; a new one without it. kind: what a new one begins as."""
    desk = await plan_desk.of(request)
    draft = await plan_desk.current(desk)
    if draft is None or draft.version.state != "draft":
        return pages.elsewhere(plan_desk.DRAFT)
    code = request.query_params.get("code", "")
    if not code:
        kind = request.query_params.get("kind", "percent")
        fresh = plan_form.typed({"kind": kind})
        return await _form(request, desk, msgspec.structs.replace(fresh, code=_suggested(draft, fresh)), 200)
    row = _row(draft, code)
    if row is None:
        raise NotFoundException
    given = plan_form.of_rule(row.rule, old=code, revision=str(row.revision))
    live = row.change == "kept"
    suggested = plan_words.next_code(code, _taken(draft)) if live else code
    return await _form(request, desk, msgspec.structs.replace(given, code=suggested), 200, against=_against(desk, row.rule))


@post(RULE, opt=guards.page("plans.edit"), status_code=200)
async def save(request: Request[Any, Any, Any]) -> Response[Any]:
    """Turned to another kind, or given more rows, it is shown again with all that was typed."""
    desk, sent = await plan_desk.of(request), await pages.form(request)
    given = msgspec.structs.replace(plan_form.typed(sent), old=request.query_params.get("code", ""))
    if sent.get("step", "").startswith(("kind:", "more")):
        return await _form(request, desk, given, 200)
    text, faults = plan_form.read(given, decimals=desk.brand.decimals, words=desk.words)
    faults += plan_form.unknown(sent, desk.words)
    if faults:
        return await _form(request, desk, given, 422, faults)
    try:
        draft = await plan_edit.required(desk)
        await _kept(request, desk, draft, given, text)
    except plan_words.RuleInvalidError as refusal:
        return await _form(request, desk, given, refusal.status, plan_form.found(given, refusal.faults, desk.words))
    except plan_draft.RuleStaleError as refusal:
        return await _stale(request, desk, given, refusal)
    except plan_draft.DraftClosedError as refusal:
        return await plan_edit.shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=saved")


async def _kept(
    request: Request[Any, Any, Any],
    desk: plan_desk.Desk,
    draft: plan_draft.Draft,
    given: plan_form.Typed,
    text: plan_words.RuleText,
) -> None:
    number, actor, now = draft.version.number, auth.actor(request), clock.now()
    if not given.old:
        await plan_draft.add(brand=desk.brand, number=number, text=text, actor=actor, now=now)
        return
    revision = int(given.revision) if REVISION.fullmatch(given.revision) else 0
    await plan_draft.change(brand=desk.brand, number=number, code=given.old, revision=revision, text=text, actor=actor, now=now)


async def _stale(
    request: Request[Any, Any, Any], desk: plan_desk.Desk, given: plan_form.Typed, refusal: plan_draft.RuleStaleError
) -> Response[Any]:
    """What was typed stays, and is saved over what is shown if it is sent again; a rule that was dropped is added anew."""
    now = refusal.current
    kept = msgspec.structs.replace(given, revision=str(now.revision) if now else "", old=now.rule.code if now else "")
    names = await facts.names(request, [now.changed_by] if now else [])
    stale = Stale(
        told=plan_told.told(now.rule, desk.words, desk.names) if now else None,
        by=names.get(now.changed_by, "") if now else "",
        at=now.changed_at if now else None,
    )
    fault = pages.Fault(message=refusals.sentence(refusal, desk.words))
    return await _form(request, desk, kept, refusal.status, [fault], stale=stale)


async def _form(
    request: Request[Any, Any, Any],
    desk: plan_desk.Desk,
    given: plan_form.Typed,
    status: int,
    faults: list[pages.Fault] | tuple[()] = (),
    *,
    stale: Stale | None = None,
    against: plan_told.Told | None = None,
) -> Response[Any]:
    words = desk.words
    levels = [level for level in plan_told.LEVELS if level <= desk.brand.max_levels or str(level) == given.level]
    return await plan_desk.view(
        request,
        "plan_rule",
        desk,
        status=status,
        given=given,
        action=f"{RULE}?code={given.old}" if given.old else RULE,
        faults=faults,
        stale=stale,
        against=against,
        choices=desk.choices,
        kinds=[(kind, words.gettext(plan_told.KINDS[kind])) for kind in plan_form.KINDS],
        kind_hint=words.gettext(KIND_HINTS.get(given.kind) or next(iter(KIND_HINTS.values()))),
        levels=[(level, words.gettext(plan_told.LEVELS[level])) for level in levels],
        bases=[(basis, words.gettext(plan_told.BASES_CHOSEN[basis])) for basis in plan_form.bases(given.kind)],
    )


def _row(draft: plan_draft.Draft, code: str) -> plan_draft.DraftRule | None:
    return next((each for each in draft.rules if each.rule.code == code), None)


def _taken(draft: plan_draft.Draft) -> set[str]:
    return {each.rule.code for each in [*draft.rules]} | {each.code for each in draft.dropped}


def _suggested(draft: plan_draft.Draft, given: plan_form.Typed) -> str:
    first, taken = "BONUS-1" if given.bonus else "RULE-1", _taken(draft)
    return plan_words.next_code(first, taken) if first in taken else first


def _against(desk: plan_desk.Desk, rule: plan_words.PlanRule) -> plan_told.Told | None:
    """The rule in words, if it is one that the form can't write because the law has no such."""
    told = plan_told.told(rule, desk.words, desk.names)
    return told if told.against or rule.kind not in plan_form.KINDS else None
