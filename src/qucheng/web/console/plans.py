"""Commission plans: which one is in force, all that there were, one of them with what it changed, and what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params
from litestar.exceptions import NotFoundException

from qucheng.commission import plan_check, plan_publish, plan_version
from qucheng.web import guards, pages
from qucheng.web.console import plan_desk, plan_told
from qucheng.web.finance import facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.commission.plan_version import Version

PAGE = 20
NOTICES = {
    "discarded": n_("The draft was discarded. Its number is not used again."),
}


@get(plan_desk.PLANS, opt=guards.page("plans.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    desk = await plan_desk.of(request)
    today, page = plan_desk.today(desk.brand), facts.page_of(request)
    every = await plan_version.versions(brand=desk.brand)
    live = await plan_version.live(brand=desk.brand, day=today)
    shown = every[(page - 1) * PAGE : page * PAGE]
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await plan_desk.view(
        request,
        "plans",
        desk,
        live=live,
        rules=plan_told.every(live.rules, desk.words, desk.names),
        rows=[(each, plan_desk.state(each, live, today)) for each in shown],
        open_draft=next((each for each in every if each.state in {"draft", "submitted"}), None),
        people=await plan_desk.people(request, [*shown, *(each for each in (live.version, live.next) if each)]),
        pager=facts.pager(page, PAGE, len(every), facts.link(request)),
        notice=desk.words.gettext(notice) if notice else None,
    )


@get("/plans/{number:int}", opt=guards.page("plans.read"))
async def show(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    """with: the version that it is compared to; the one it was made from where the address says none."""
    desk = await plan_desk.of(request)
    today = plan_desk.today(desk.brand)
    version = await plan_version.read(brand=desk.brand, number=number)
    every = [each for each in await plan_version.versions(brand=desk.brand) if each.number != number]
    other = _other(request, every)
    differences = await plan_version.compare(brand=desk.brand, before=other, after=number)
    live = await plan_version.live(brand=desk.brand, day=today)
    held: dict[str, Any] = msgspec.json.decode(version.document) if version.document else {}
    worst = held["check"]["worst"] if held else None
    return await plan_desk.view(
        request,
        "plan",
        desk,
        version=version,
        state=plan_desk.state(version, live, today),
        held=held,
        worst=plan_desk.case(desk, msgspec.convert(worst, plan_check.Worst)) if worst else None,
        rules=plan_told.every(await plan_version.rules(brand=desk.brand, number=number), desk.words, desk.names),
        added=plan_told.every(differences.added, desk.words, desk.names),
        dropped=plan_told.every(differences.dropped, desk.words, desk.names),
        changed=[
            (plan_told.told(before, desk.words, desk.names), plan_told.told(after, desk.words, desk.names))
            for before, after in differences.changed
        ],
        kept=len(differences.kept),
        against=other if other is not None else version.based_on,
        others=[each.number for each in every if each.state != "discarded"],
        people=await plan_desk.people(request, [version]),
    )


@get("/plans/{number:int}/certificate", opt=guards.page("plans.read"))
async def certificate(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[bytes]:
    desk = await plan_desk.of(request)
    found = await plan_version.certificate(brand=desk.brand, number=number)
    return Response(
        found.pdf,
        status_code=200,
        media_type="application/pdf",
        headers={**pages.HEADERS, "content-disposition": f'attachment; filename="{found.file_name}"'},
    )


@get("/plans/refused", opt=guards.page("plans.read"))
async def refused(request: Request[Any, Any, Any]) -> Response[Any]:
    """What somebody wanted to submit and could not."""
    desk = await plan_desk.of(request)
    found = await plan_publish.refused(brand=desk.brand)
    return await plan_desk.view(
        request,
        "plan_refused",
        desk,
        attempts=[
            (each, [(desk.words.gettext(plan_told.REFUSED.get(said["code"], said["code"])), said) for said in each.refusals])
            for each in found
        ],
        people=await facts.names(request, [each.user_id for each in found]),
    )


def _other(request: Request[Any, Any, Any], every: list[Version]) -> int | None:
    """Raises NotFoundException for what is no other version."""
    asked = request.query_params.get("with", "")
    if not asked:
        return None
    found = next((each.number for each in every if str(each.number) == asked), None)
    if found is None:
        raise NotFoundException
    return found
