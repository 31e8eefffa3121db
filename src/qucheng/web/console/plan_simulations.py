"""A draft tried on months that are over: asked for, made behind the page, and shown by reseller and by SKU, with a file of each."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.response import Stream

from qucheng.commission import plan_draft
from qucheng.core import cells, clock, exports, money, sheets
from qucheng.settlement import plan_simulation
from qucheng.web import auth, guards, pages
from qucheng.web.console import plan_desk, plan_edit
from qucheng.web.finance import books, facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.settlement.plan_simulation import Difference, Simulation

SIMULATIONS = "/plans/simulations"
EXPORT = "plan.differences"
PAGE, MOST_ROWS = 50, 1000
MONTHS_OFFERED = 24
MOVING = ("waiting", "running")
MONTH_MISSING = n_("Choose the first and the last month: at most 12 of them, all over, the first not after the last.")
NO_NAME = n_("Monthly bonuses")
VIEWS = ("reseller", "sku")


@get(SIMULATIONS, opt=guards.page("plans.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _listing(request, await plan_desk.of(request), 200)


@post(SIMULATIONS, opt=guards.page("plans.edit"), status_code=200)
async def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    desk, sent = await plan_desk.of(request), await pages.form(request)
    first, last = books.month(sent.get("first")), books.month(sent.get("last"))
    fault = pages.Fault(field="first", message=desk.words.gettext(MONTH_MISSING))
    if first is None or last is None:
        return await _listing(request, desk, 422, [fault], sent)
    try:
        draft = await plan_edit.required(desk)
        made = await plan_simulation.request(
            brand=desk.brand, number=draft.version.number, first=first, last=last, actor=auth.actor(request), now=clock.now()
        )
    except plan_simulation.SimulationInvalidError as refusal:
        return await _listing(request, desk, refusal.status, [fault], sent)
    except plan_draft.DraftClosedError as refusal:
        return await plan_edit.shown(request, desk, refusal.status, refusal)
    return pages.elsewhere(f"{SIMULATIONS}/{made}")


@get(SIMULATIONS + "/{simulation_id:uuid}", opt=guards.page("plans.read"))
async def show(request: Request[Any, Any, Any], simulation_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """by: reseller or SKU; after: the code after which the rows begin."""
    desk = await plan_desk.of(request)
    found = await plan_simulation.read(brand=desk.brand, simulation_id=simulation_id)
    by = _by(request.query_params.get("by"))
    after = books.text(request.query_params.get("after")) or ""
    here = f"{SIMULATIONS}/{simulation_id}"
    rows: list[Difference] = []
    if found.state == "done":
        rows = await _rows(desk, found, by, after=after, most=PAGE + 1)
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return await plan_desk.view(
        request,
        "plan_simulation",
        desk,
        simulation=found,
        moving=found.state in MOVING,
        by=by,
        rows=rows,
        no_name=desk.words.gettext(NO_NAME),
        here=here,
        first_page=books.address(here, {"by": by}) if after else None,
        after=books.address(here, {"by": by}, after=rows[-1].code) if more else None,
        people=await facts.names(request, [found.asked_by]),
        change=_change,
    )


@post(SIMULATIONS + "/{simulation_id:uuid}/export", opt=guards.page("plans.read", form=SIMULATIONS), status_code=200)
async def export(request: Request[Any, Any, Any], simulation_id: params.FromPath[uuid.UUID]) -> Stream:
    """All rows of one view, with the totals of the page below them being their sum."""
    desk, sent = await plan_desk.of(request), await pages.form(request)
    form, by = books.form_of(sent.get("form")), _by(sent.get("by"))
    found = await plan_simulation.read(brand=desk.brand, simulation_id=simulation_id)
    rows: list[Difference] = []
    while found.state == "done":
        part = await _rows(desk, found, by, after=rows[-1].code if rows else "", most=MOST_ROWS)
        rows += part
        if len(part) < MOST_ROWS:
            break
    name = exports.safe_name(f"plan-{found.version}-{by}.{form}")

    async def write(out: Path) -> None:
        await sheets.write(
            out,
            form,
            title=f"plan {found.version}",
            names=[by, "name", "today", "draft", "difference"],
            rows=[_cells(desk, each) for each in rows],
            figures=frozenset({2, 3, 4}),
            decimals=desk.brand.decimals,
        )

    pieces = await exports.direct(
        brand_id=desk.brand.id,
        kind=EXPORT,
        parameters={"simulation": str(simulation_id), "by": by},
        file_name=name,
        rows=len(rows),
        actor=auth.actor(request),
        folder=books.folder(request),
        write=write,
    )
    return books.attachment(pieces, name, cells.KINDS[form])


def _cells(desk: plan_desk.Desk, row: Difference) -> list[str]:
    amounts = (row.today_minor, row.draft_minor, row.draft_minor - row.today_minor)
    return [row.code, row.name, *(money.format_plain(minor, desk.brand.decimals) for minor in amounts)]


async def _rows(desk: plan_desk.Desk, found: Simulation, by: str, *, after: str, most: int) -> list[Difference]:
    read = plan_simulation.by_reseller if by == "reseller" else plan_simulation.by_sku
    return await read(brand=desk.brand, simulation_id=found.id, after=after, most=most)


def _by(given: str | None) -> str:
    return next((view for view in VIEWS if view == given), VIEWS[0])


def _change(row: Difference | Simulation) -> int:
    return (row.draft_minor or 0) - (row.today_minor or 0)


async def _listing(
    request: Request[Any, Any, Any],
    desk: plan_desk.Desk,
    status: int,
    faults: list[pages.Fault] | tuple[()] = (),
    sent: dict[str, str] | None = None,
) -> Response[Any]:
    draft = await plan_desk.current(desk)
    made = await plan_simulation.listing(brand=desk.brand, number=draft.version.number) if draft else []
    months = _months(plan_desk.today(desk.brand))
    return await plan_desk.view(
        request,
        "plan_simulations",
        desk,
        status=status,
        draft=draft,
        simulations=made,
        moving=any(each.state in MOVING for each in made),
        months=[(month, month) for month in months],
        first=(sent or {}).get("first", months[0]),
        last=(sent or {}).get("last", months[0]),
        people=await facts.names(request, [each.asked_by for each in made]),
        faults=faults,
        change=_change,
    )


def _months(today: dt.date) -> list[str]:
    """Those that are over, the newest first."""
    month, found = today.replace(day=1), []
    for _ in range(MONTHS_OFFERED):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        found.append(f"{month:%Y-%m}")
    return found
