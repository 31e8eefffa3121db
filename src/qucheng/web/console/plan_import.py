"""A plan from a file or pasted, row by row: the draft becomes what it says, or stays as it is and the rows say why.

A plan may describe what no plan may pay, so that the linter can name it: such rows are taken into the draft, and never further.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile

from qucheng.commission import plan_check, plan_draft, plan_words
from qucheng.core import clock, errors, sheets
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import plan_desk, plan_edit, plan_form
from qucheng.web.texts import n_

IMPORT = "/plans/draft/import"
LARGEST = 1 << 20
LONGEST_PASTED = 200_000
NEEDED = ("code", "kind", "rate")
HEADINGS = {
    "code": ["编号", "规则编号"],
    "kind": ["类型"],
    "level": ["计佣层级"],
    "sku": ["商品", "商品编码"],
    "category": ["类目"],
    "channel": ["渠道"],
    "tier": ["分级"],
    "basis": ["计佣基数", "基数"],
    "rate": ["佣金率", "比例"],
    "priority": ["优先级"],
    "starts_on": ["开始日期"],
    "ends_on": ["结束日期"],
    "event": ["事件"],
    "reads": ["依据"],
}
MOVED = n_(
    "Somebody changed the draft since this page was opened, so nothing was taken. Look at it; sent again, the file takes its place."
)
NOTHING = n_("Paste the rows of a plan, or choose a file.")
OUTCOMES = {
    "kept": n_("As it is"),
    "added": n_("New"),
    "changed": n_("Changed"),
    "fault": n_("Not taken"),
}
REFUSED = (
    plan_check.DescriptionError,
    sheets.SheetUnreadableError,
    sheets.SheetTooLargeError,
    sheets.SheetColumnsError,
    plan_words.RuleInvalidError,
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the file: what becomes of it. faults: pairs of a column and a sentence."""

    row: int
    code: str
    outcome: str
    fault: bool
    faults: list[tuple[str, str]]


@get(IMPORT, opt=guards.page("plans.edit"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    desk = await plan_desk.of(request)
    draft = await plan_desk.current(desk)
    if draft is None or draft.version.state != "draft":
        return pages.elsewhere(plan_desk.DRAFT)
    return await _form(request, desk, 200, "")


@post(IMPORT, opt=guards.page("plans.edit"), status_code=200, request_max_body_size=LARGEST)
async def take_in(request: Request[Any, Any, Any]) -> Response[Any]:
    desk = await plan_desk.of(request)
    pasted, name, data, seen = await _sent(request)
    if not pasted.strip() and not data:
        return await _form(request, desk, 422, "", [pages.Fault(field="text", message=desk.words.gettext(NOTHING))])
    try:
        draft = await plan_edit.required(desk)
        reports = await plan_draft.take_in(
            brand=desk.brand,
            number=draft.version.number,
            texts=await _texts(pasted, name, data),
            seen=seen,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except plan_draft.DraftClosedError as refusal:
        return await plan_edit.shown(request, desk, refusal.status, refusal)
    except plan_draft.RuleStaleError as refusal:
        return await _form(request, desk, refusal.status, pasted, [pages.Fault(message=desk.words.gettext(MOVED))])
    except REFUSED as refusal:
        return await _form(request, desk, 422, pasted, [_fault(desk, refusal, "file" if data else "text")])
    lines = [_line(desk, each) for each in reports]
    if any(line.fault for line in lines):
        return await _form(request, desk, 422, pasted, lines=lines)
    return pages.elsewhere(f"{plan_desk.DRAFT}?done=taken")


async def _sent(request: Request[Any, Any, Any]) -> tuple[str, str, bytes, dict[str, int]]:
    """What was pasted; the name and the bytes of a file, blank where none was chosen; the rules that the page was made with."""
    sent = await request.form()
    pasted, file = sent.get("text"), sent.get("file")
    data = await file.read() if isinstance(file, UploadFile) else b""
    name = file.filename if isinstance(file, UploadFile) else ""
    return (pasted if isinstance(pasted, str) else "")[:LONGEST_PASTED], name, data, _seen(sent.get("seen"))


def _seen(given: object) -> dict[str, int]:
    """No rules at all for what can't be read: then the draft has others."""
    try:
        return msgspec.json.decode(given if isinstance(given, str) else "", type=dict[str, int])
    except msgspec.DecodeError:
        return {}


async def _texts(pasted: str, name: str, data: bytes) -> list[plan_words.RuleText]:
    """The rules as they are written. Raises one of REFUSED."""
    if not data:
        return plan_check.describe(pasted)
    if name.lower().endswith(".toml"):
        return plan_check.describe(data.decode("utf-8-sig", "replace"))
    sheet = await sheets.read(data, names=HEADINGS, needed=NEEDED)
    return [plan_words.RuleText(**line.values) for line in sheet.lines]


def _fault(desk: plan_desk.Desk, refusal: errors.RefusedError, field: str) -> pages.Fault:
    return pages.Fault(field=field, message=refusals.sentence(refusal, desk.words))


def _line(desk: plan_desk.Desk, report: plan_draft.RowReport) -> Line:
    gettext = desk.words.gettext
    return Line(
        row=report.row,
        code=report.code,
        outcome=gettext(OUTCOMES.get(report.outcome, report.outcome)),
        fault=report.outcome == "fault",
        faults=[
            (field, gettext(plan_form.FOUND.get(code, plan_form.FOUND["value.invalid"]))) for field, code in report.faults.items()
        ],
    )


async def _form(
    request: Request[Any, Any, Any],
    desk: plan_desk.Desk,
    status: int,
    pasted: str,
    faults: list[pages.Fault] | tuple[()] = (),
    *,
    lines: list[Line] | tuple[()] = (),
) -> Response[Any]:
    wrong, draft = [line for line in lines if line.fault], await plan_desk.current(desk)
    seen = {each.rule.code: each.revision for each in draft.rules} if draft else {}
    return await plan_desk.view(
        request,
        "plan_import",
        desk,
        status=status,
        pasted=pasted,
        faults=faults,
        lines=lines,
        wrong=wrong,
        seen=msgspec.json.encode(seen).decode(),
        columns=plan_words.COLUMNS,
        largest=LARGEST >> 20,
    )
