"""What is done to a run: checked, discarded, put to another person, published, its documents made again and packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post

from qucheng.core import clock, errors
from qucheng.identity import approval as approvals
from qucheng.settlement import checking, document_store, issuance, publication, run, statement_export
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.finance import facts, run_view, runs, step_up

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

FORM = runs.RUNS
REFUSED = (
    run.RunStateError,
    checking.CheckMissingError,
    checking.CheckStaleError,
    checking.CheckDiffersError,
    publication.RunPublishedError,
    publication.DocumentsWaitingError,
    publication.DocumentsDifferError,
)


@post("/runs/{code:str}/check", opt=guards.page("runs.check", form=FORM), status_code=200)
async def check(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    try:
        await checking.check(
            brand=brand, starts_on=chosen.period, number=chosen.number, actor=auth.actor(request), now=clock.now()
        )
    except run.RunStateError as refusal:
        return await _refused(request, brand, chosen, refusal)
    return _done(brand, chosen, "checked")


@get("/runs/{code:str}/discard", opt=guards.page("runs.discard"))
async def ask_discard(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    return await _step(request, brand, chosen, "finance/run_discard.html", "discard")


@post("/runs/{code:str}/discard", opt=guards.page("runs.discard", form=FORM), status_code=200)
async def discard(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    try:
        await run.discard(brand=brand, run=chosen, actor=auth.actor(request), now=clock.now())
    except run.RunStateError as refusal:
        return await _refused(request, brand, chosen, refusal)
    return pages.elsewhere(runs.RUNS)


@get("/runs/{code:str}/request", opt=guards.page("runs.issue.request"))
async def ask_request(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    return await _step(request, brand, chosen, "finance/run_request.html", "request")


@post("/runs/{code:str}/request", opt=guards.page("runs.issue.request", form=FORM), status_code=200)
async def send_request(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """What has happened already is said, and no code is used up for it."""
    brand, chosen = await run_view.of_code(request, code)
    sent, view = await pages.form(request), await run_view.of(request, brand, chosen)
    if view.state == "waiting":
        return _done(brand, chosen, "asked")
    try:
        if "request" not in view.offers:
            await issuance.require_askable(brand=brand, starts_on=chosen.period, number=chosen.number)
        await step_up.require(request, sent.get("code", ""))
        await issuance.request(
            principal=auth.principal(request),
            brand=brand,
            starts_on=chosen.period,
            number=chosen.number,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except step_up.REFUSED as refusal:
        return await _step(request, brand, chosen, "finance/run_request.html", "request", refusal)
    except issuance.AlreadyAskedError:
        return _done(brand, chosen, "asked")
    except (*REFUSED, approvals.NotAllowedToAskError) as refusal:
        return await _refused(request, brand, chosen, refusal)
    return _done(brand, chosen, "asked")


@get("/runs/{code:str}/publish", opt=guards.page("runs.publish"))
async def ask_publish(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    return await _step(request, brand, chosen, "finance/run_publish.html", "publish")


@post("/runs/{code:str}/publish", opt=guards.page("runs.publish", form=FORM), status_code=200)
async def publish(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    missing = (await pages.form(request)).get("missing", "")
    try:
        await publication.publish(
            brand=brand,
            starts_on=chosen.period,
            number=chosen.number,
            missing=int(missing) if missing.isascii() and missing.isdigit() and len(missing) <= facts.MOST_DIGITS else -1,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except publication.RunPublishedError:
        return _done(brand, chosen, "published")
    except REFUSED as refusal:
        return await _refused(request, brand, chosen, refusal)
    return _done(brand, chosen, "published")


@post("/runs/{code:str}/render", opt=guards.page("runs.publish", form=FORM), status_code=200)
async def render(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """Those that are being made are left to it, so that a second click asks for nothing."""
    brand, chosen = await run_view.of_code(request, code)
    folder = sites.of(request).settings.documents
    if chosen.state == "issued":
        await document_store.again(brand=brand, period=chosen.period, folder=folder)
    return _done(brand, chosen, "rendering")


@post("/runs/{code:str}/archive", opt=guards.page("documents.export", form=FORM), status_code=200)
async def archive(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, chosen = await run_view.of_code(request, code)
    try:
        await statement_export.request_archive(brand=brand, chosen=chosen, actor=auth.actor(request), now=clock.now())
    except run.RunStateError as refusal:
        return await _refused(request, brand, chosen, refusal)
    return pages.elsewhere("/exports")


async def _step(
    request: Request[Any, Any, Any],
    brand: Brand,
    chosen: run.Run,
    template: str,
    offer: str,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    """A page that says what will happen before it does; the run itself where that is not to be had."""
    view = await run_view.of(request, brand, chosen)
    if offer not in view.offers:
        return pages.elsewhere(f"{runs.RUNS}/{view.code}")
    return await pages.view(
        request,
        template,
        status=step_up.status(refusal) if refusal else 200,
        headers=refusals.headers(refusal) if refusal else None,
        faults=[step_up.fault(request, refusal)] if refusal else (),
        brand=brand,
        view=view,
        month=facts.month(pages.words(request), chosen.period),
        total=facts.figure(brand, chosen.net_minor),
    )


async def _refused(request: Request[Any, Any, Any], brand: Brand, chosen: run.Run, refusal: errors.RefusedError) -> Response[Any]:
    """The run as it is now, with what was not done."""
    now = await run.read(brand=brand, starts_on=chosen.period, number=chosen.number)
    return await runs.shown(request, brand, now, refusal.status, refusal)


def _done(brand: Brand, chosen: run.Run, what: str) -> Response[Any]:
    return pages.elsewhere(f"{runs.RUNS}/{run.code_of(brand, chosen)}?done={what}")
