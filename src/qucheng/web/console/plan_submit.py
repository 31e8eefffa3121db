"""The draft is submitted: from which day on it is to hold, with the linter's word and the one-time code; and taken back."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, get, post

from qucheng.commission import plan_check, plan_draft, plan_publish
from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import plan_desk, plan_edit
from qucheng.web.finance import books, step_up
from qucheng.web.texts import n_

SUBMIT = "/plans/draft/submit"
DAY_MISSING = n_("Write the first day of the plan, such as 2026-12-01.")


@get(SUBMIT, opt=guards.page("plans.request"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    desk = await plan_desk.of(request)
    draft = await plan_desk.current(desk)
    if draft is None or draft.version.state != "draft":
        return pages.elsewhere(plan_desk.DRAFT)
    today = plan_desk.today(desk.brand)
    day = draft.version.effective_on or (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return await _form(request, desk, draft, 200, day=str(day), name=draft.version.name or "")


@post(SUBMIT, opt=guards.page("plans.request"), status_code=200)
async def submit(request: Request[Any, Any, Any]) -> Response[Any]:
    """The code is asked for of a plan that passes; one that does not is refused, and that it was tried is kept."""
    desk, sent = await plan_desk.of(request), await pages.form(request)
    typed, name = sent.get("effective_on", "").strip(), sent.get("name", "").strip()
    day = books.day(typed)
    try:
        draft = await plan_edit.required(desk)
        if day is None:
            fault = pages.Fault(field="effective_on", message=desk.words.gettext(DAY_MISSING))
            return await _form(request, desk, draft, 422, day=typed, name=name, faults=[fault])
        await _asked(request, desk, draft, day, name, sent.get("code", ""))
    except plan_draft.DraftClosedError as refusal:
        return await plan_edit.shown(request, desk, refusal.status, refusal)
    except plan_publish.PlanRefusedError as refusal:
        return await _form(request, desk, draft, refusal.status, day=typed, name=name, refusal=refusal, check=refusal.check)
    except step_up.REFUSED as refusal:
        fault = step_up.fault(request, refusal)
        return await _form(request, desk, draft, step_up.status(refusal), day=typed, name=name, faults=[fault], refusal=refusal)
    except (
        plan_publish.EffectiveDateError,
        plan_publish.BaseMovedError,
        plan_publish.NothingChangedError,
        approvals.NotAllowedToAskError,
    ) as refusal:
        field = "effective_on" if isinstance(refusal, plan_publish.EffectiveDateError) else None
        fault = pages.Fault(field=field, message=refusals.sentence(refusal, desk.words))
        return await _form(request, desk, draft, refusal.status, day=typed, name=name, faults=[fault], refusal=refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=asked")


async def _asked(
    request: Request[Any, Any, Any], desk: plan_desk.Desk, draft: plan_draft.Draft, day: dt.date, name: str, code: str
) -> None:
    number, actor, now = draft.version.number, auth.actor(request), clock.now()
    check = await plan_check.lint_draft(brand=desk.brand, number=number, effective_on=day, now=now)
    if check.passed:
        await step_up.require(request, code)
    if name and name != draft.version.name:
        await plan_draft.rename(brand=desk.brand, number=number, name=name, actor=actor, now=now)
    await plan_publish.submit(
        principal=auth.principal(request), brand=desk.brand, number=number, effective_on=day, actor=actor, now=now
    )


@post("/plans/draft/withdraw", opt=guards.page("plans.request", form=plan_desk.DRAFT), status_code=200)
async def withdraw(request: Request[Any, Any, Any]) -> Response[Any]:
    """What was submitted is a draft again."""
    desk = await plan_desk.of(request)
    try:
        draft = await plan_edit.required(desk)
        await plan_publish.withdraw(brand=desk.brand, number=draft.version.number, actor=auth.actor(request), now=clock.now())
    except (plan_publish.PlanNotSubmittedError, plan_draft.DraftClosedError) as refusal:
        return await plan_edit.shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=withdrawn")


async def _form(
    request: Request[Any, Any, Any],
    desk: plan_desk.Desk,
    draft: plan_draft.Draft,
    status: int,
    *,
    day: str,
    name: str,
    faults: list[pages.Fault] | tuple[()] = (),
    refusal: errors.RefusedError | None = None,
    check: plan_check.Check | None = None,
) -> Response[Any]:
    if check is None:
        check = await plan_check.lint_draft(
            brand=desk.brand, number=draft.version.number, effective_on=books.day(day), now=clock.now()
        )
    return await plan_desk.view(
        request,
        "plan_submit",
        desk,
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        draft=draft,
        day=day,
        name=name,
        earliest=plan_desk.today(desk.brand) + dt.timedelta(days=1),
        panel=plan_desk.panel(desk, check),
        tried=isinstance(refusal, plan_publish.PlanRefusedError),
        moved=isinstance(refusal, plan_publish.BaseMovedError),
        faults=faults,
    )
