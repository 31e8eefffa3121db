"""The draft of a plan: opened from what is in force or from an older version, changed rule by rule, looked at by the linter."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.commission import plan_check, plan_draft, plan_words
from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import plan_desk, plan_told
from qucheng.web.finance import books, facts
from qucheng.web.texts import n_

MOST_NUMBER = 9
NOTICES = {
    "opened": n_("The draft is open. It starts as the plan it was made from."),
    "saved": n_("The rule is saved in the draft."),
    "dropped": n_("The rule is out of the draft."),
    "restored": n_("The rule is back in the draft."),
    "taken": n_("The draft is now as the file has it."),
    "updated": n_("The draft now stands on what is in force."),
    "asked": n_("The plan was submitted. Another person of the brand decides."),
    "withdrawn": n_("The plan is a draft again, and nobody is asked to approve it."),
}


@post("/plans/draft/open", opt=guards.page("plans.edit", form=plan_desk.PLANS), status_code=200)
async def open_(request: Request[Any, Any, Any]) -> Response[Any]:
    """Somebody else's open draft is the draft: it is shown instead."""
    desk = await plan_desk.of(request)
    based_on = (await pages.form(request)).get("version", "")
    try:
        await plan_draft.open_draft(
            brand=desk.brand,
            based_on=int(based_on) if _is_number(based_on) else None,
            name=None,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except plan_draft.DraftOpenError:
        return pages.elsewhere(plan_desk.DRAFT)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=opened")


@get(plan_desk.DRAFT, opt=guards.page("plans.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """check: whether the linter looks at it; from: the day from which on it is looked at."""
    return await shown(request, await plan_desk.of(request), 200, None)


async def shown(
    request: Request[Any, Any, Any], desk: plan_desk.Desk, status: int, refusal: errors.RefusedError | None
) -> Response[Any]:
    """Where there is no draft, the list of plans."""
    draft = await plan_desk.current(desk)
    if draft is None:
        return pages.elsewhere(plan_desk.PLANS)
    asked = request.query_params
    since = books.day(asked.get("from")) or draft.version.effective_on
    check = None
    if asked.get("check") or asked.get("done") in {"saved", "dropped", "restored", "taken", "updated"}:
        check = await plan_check.lint_draft(brand=desk.brand, number=draft.version.number, effective_on=since, now=clock.now())
    notice = NOTICES.get(asked.get("done", ""))
    approval = draft.version.approval if draft.version.state == "submitted" else None
    answer = await approvals.read(brand_id=desk.brand.id, approval_id=approval) if approval else None
    return await plan_desk.view(
        request,
        "plan_draft",
        desk,
        status=status,
        draft=draft,
        rows=plan_told.rows(draft.rules, desk.words, desk.names),
        dropped=plan_told.every(draft.dropped, desk.words, desk.names),
        changes=plan_told.CHANGES,
        panel=plan_desk.panel(desk, check) if check else None,
        since=since,
        answer=answer,
        editing=desk.may_edit and draft.version.state == "draft",
        people={
            **await plan_desk.people(request, [draft.version]),
            **await facts.names(request, [answer.checker if answer else None]),
        },
        notice=desk.words.gettext(notice) if notice else None,
        faults=[pages.Fault(message=refusals.sentence(refusal, desk.words))] if refusal else (),
    )


@post("/plans/draft/drop", opt=guards.page("plans.edit", form=plan_desk.DRAFT), status_code=200)
async def drop(request: Request[Any, Any, Any]) -> Response[Any]:
    desk, sent = await plan_desk.of(request), await pages.form(request)
    revision = sent.get("revision", "")
    try:
        draft = await required(desk)
        await plan_draft.drop(
            brand=desk.brand,
            number=draft.version.number,
            code=sent.get("code", ""),
            revision=int(revision) if _is_number(revision) else 0,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (plan_draft.RuleStaleError, plan_draft.DraftClosedError) as refusal:
        return await shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=dropped")


@post("/plans/draft/restore", opt=guards.page("plans.edit", form=plan_desk.DRAFT), status_code=200)
async def restore(request: Request[Any, Any, Any]) -> Response[Any]:
    desk, sent = await plan_desk.of(request), await pages.form(request)
    try:
        draft = await required(desk)
        await plan_draft.restore(
            brand=desk.brand,
            number=draft.version.number,
            code=sent.get("code", ""),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (plan_draft.RuleStaleError, plan_words.RuleInvalidError, plan_draft.DraftClosedError) as refusal:
        return await shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=restored")


@post("/plans/draft/update", opt=guards.page("plans.edit", form=plan_desk.DRAFT), status_code=200)
async def update(request: Request[Any, Any, Any]) -> Response[Any]:
    """After something was published or delivered since the draft was opened."""
    desk = await plan_desk.of(request)
    try:
        draft = await required(desk)
        await plan_draft.bring_up_to_date(
            brand=desk.brand, number=draft.version.number, actor=auth.actor(request), now=clock.now()
        )
    except plan_draft.DraftClosedError as refusal:
        return await shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=updated")


@get("/plans/draft/discard", opt=guards.page("plans.edit"))
async def doubt(request: Request[Any, Any, Any]) -> Response[Any]:
    """Asks again, with what will be lost."""
    desk = await plan_desk.of(request)
    draft = await plan_desk.current(desk)
    if draft is None or draft.version.state != "draft":
        return pages.elsewhere(plan_desk.PLANS)
    changed = sum(1 for each in draft.rules if each.change != "kept") + len(draft.dropped)
    return await plan_desk.view(request, "plan_discard", desk, draft=draft, changed=changed)


@post("/plans/draft/discard", opt=guards.page("plans.edit"), status_code=200)
async def discard(request: Request[Any, Any, Any]) -> Response[Any]:
    desk, sent = await plan_desk.of(request), await pages.form(request)
    try:
        draft = await required(desk)
        if str(draft.version.number) == sent.get("version"):
            await plan_draft.discard(brand=desk.brand, number=draft.version.number, actor=auth.actor(request), now=clock.now())
    except plan_draft.DraftClosedError as refusal:
        return await shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.PLANS}?done=discarded")


async def required(desk: plan_desk.Desk) -> plan_draft.Draft:
    """Raises DraftClosedError where there is none."""
    draft = await plan_desk.current(desk)
    if draft is None:
        raise plan_draft.DraftClosedError("There is no draft any more.")
    return draft


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MOST_NUMBER
