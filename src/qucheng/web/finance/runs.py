"""Settlement runs: the list, the next month computed, and one run with its steps, its check and its statements."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors, task
from qucheng.settlement import advance, period, queries, run
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.finance import books, facts, run_view

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

RUNS = "/runs"
PAGE = 20
RELOAD = {"hx-refresh": "true"}


@get(RUNS, opt=guards.page("runs.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _listing(request, await facts.brand(request), 200, ())


@get("/runs/progress", opt=guards.page("runs.read"))
async def computing(request: Request[Any, Any, Any]) -> Response[Any]:
    """The part of the list that changes by itself; when it does no longer, the whole page is to be loaded again."""
    brand = await facts.brand(request)
    working, _ = await _computing(brand)
    if working is None or request.headers.get("hx-request") is None:
        return _reload(request, RUNS)
    return await pages.view(request, "finance/_computing.html", working=working)


@post("/runs/compute", opt=guards.page("runs.compute", form=RUNS), status_code=200)
async def compute(request: Request[Any, Any, Any]) -> Response[Any]:
    """Asked for twice, it is computed once: the task that waits is the one."""
    brand, sent, words = await facts.brand(request), await pages.form(request), pages.words(request)
    starts_on = books.month(sent.get("month"))
    if starts_on is None:
        return await _listing(request, brand, 422, [pages.Fault(message=words.gettext("This is no month."))])
    try:
        await advance.request_draft(brand=brand, starts_on=starts_on, actor=auth.actor(request), now=clock.now())
    except (period.PeriodNotEndedError, period.PeriodSettledError, run.RunStateError) as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, words))
        return await _listing(request, brand, refusal.status, [fault])
    return pages.elsewhere(RUNS)


@get("/runs/{code:str}", opt=guards.page("runs.read"))
async def show(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    return await shown(request, brand, chosen, 200, None)


@get("/runs/{code:str}/progress", opt=guards.page("runs.read"))
async def progress(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """The steps of a run that changes by itself."""
    brand, chosen = await run_view.of_code(request, code)
    view = await run_view.of(request, brand, chosen)
    if not view.moving or request.headers.get("hx-request") is None:
        return _reload(request, f"{RUNS}/{view.code}")
    return await pages.view(request, "finance/_run_steps.html", view=view, brand=brand)


async def shown(
    request: Request[Any, Any, Any], brand: Brand, chosen: run.Run, status: int, refusal: errors.RefusedError | None
) -> Response[Any]:
    """The page of a run. refusal: of what was asked of it just now."""
    words, page = pages.words(request), facts.page_of(request)
    view = await run_view.of(request, brand, chosen)
    filters = queries.Filters(period=chosen.period, sort=_sort(request))
    found = await queries.statements(
        brand=brand, filters=filters, page=page, draft=None if chosen.state in {"issuing", "issued"} else chosen.number
    )
    address = facts.link(request, f"{RUNS}/{view.code}")
    return await pages.view(
        request,
        "finance/run.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        faults=[pages.Fault(message=refusals.sentence(refusal, words))] if refusal else (),
        done=request.query_params.get("done"),
        brand=brand,
        symbol=facts.symbol(brand),
        month=facts.month(words, chosen.period),
        last_day=clock.month_after(chosen.period) - dt.timedelta(days=1),
        view=view,
        found=found,
        sort=filters.sort,
        link=address,
        pager=facts.pager(page, queries.PAGE, found.count, address),
    )


async def _listing(
    request: Request[Any, Any, Any], brand: Brand, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    every, page, words = await run.listing(brand=brand), facts.page_of(request), pages.words(request)
    standing = next((each for each in every if each.state in {"computed", "issuing"}), None)
    following = standing.period if standing else await run.next_period(brand=brand)
    view = await run_view.of(request, brand, standing) if standing else None
    working, stopped = await _computing(brand)
    return await pages.view(
        request,
        "finance/runs.html",
        status=status,
        faults=faults,
        brand=brand,
        rows=[(each, run.code_of(brand, each), _word(each, view)) for each in every[(page - 1) * PAGE : page * PAGE]],
        standing=view,
        following=following,
        month=facts.month(words, following) if following else None,
        ends_on=clock.month_after(following) if following else None,
        ended=following is not None and _ended(brand, following),
        working=working,
        stopped=stopped,
        closed=await period.last_closed(brand=brand),
        pager=facts.pager(page, PAGE, len(every), facts.link(request, RUNS)),
    )


async def _computing(brand: Brand) -> tuple[task.Task | None, task.Task | None]:
    """The task that computes now; or the one that was given up, if it was the last."""
    found = await task.listing(brand_id=brand.id, kind=advance.SETTLE, most=1)
    last = found[0] if found else None
    if last is None or last.state in {"done", "cancelled"}:
        return None, None
    return (None, last) if last.state == "dead" else (last, None)


def _ended(brand: Brand, month: dt.date) -> bool:
    return clock.now() >= clock.month_bounds(month, brand.time_zone)[1]


def _word(each: run.Run, standing: run_view.View | None) -> str:
    if standing is not None and standing.run == each:
        return standing.state
    return "published" if each.published_at else each.state


def _sort(request: Request[Any, Any, Any]) -> queries.Sort:
    asked = request.query_params.get("sort", "")
    return next((sort for sort in queries.SORTS if sort == asked), "newest")


def _reload(request: Request[Any, Any, Any], path: str) -> Response[Any]:
    """Nothing here changes by itself any more."""
    if request.headers.get("hx-request") is None:
        return pages.elsewhere(path)
    return Response(b"", status_code=200, headers=RELOAD)
