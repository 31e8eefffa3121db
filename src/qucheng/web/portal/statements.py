"""Statements of a reseller, for its administrators: what was paid and why, with documents, agreement and disputes."""

from __future__ import annotations

import re
from typing import Any, get_args
from urllib import parse

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.settlement import confirmation, dispute, document_files, document_folder, queries, statement_export, statement_rows
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.portal import shown
from qucheng.web.texts import n_

STATEMENTS = "/portal/statements"
ONE = "/portal/statements/{statement_no:str}"
ROW = ONE + "/rows/{position:int}"
NUMBER = re.compile(r"[A-Za-z0-9._-]{1,40}-[0-9]{6}-[0-9]{6,}")
KINDS: dict[statement_rows.Kind, str] = {
    "accrual": n_("Sales"),
    "reversal": n_("Refunds"),
    "bonus": n_("Bonuses"),
    "adjustment": n_("Adjustments"),
}
STATES: dict[queries.State, str] = {"paid": n_("Paid"), "carried": n_("Carried over"), "none": n_("Nothing to pay")}
# what a page says after something was done or found done
NOTICES = {
    "confirmed": ("ok", n_("You have confirmed this statement.")),
    "opened": ("ok", n_("Your dispute is with the brand's accountants. The answer appears here.")),
    "dispute.stands": ("warn", n_("This row is disputed already; the answer appears here.")),
    "dispute.confirmed": ("warn", n_("You have confirmed this statement, so its rows are not disputed any more. Ask the brand for an adjustment.")),
    "confirmation.disputed": ("warn", n_("A row of this statement is disputed. It can be confirmed once that is answered.")),
}  # fmt: skip
TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}


@get(STATEMENTS, opt=guards.page("own.statements.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    own, words = await shown.own(request), pages.words(request)
    asked = request.query_params.get("state")
    state = next((each for each in STATES if each == asked), None)
    number = shown.number(request.query_params.get("page"))
    found = await queries.statements(brand=own.brand, filters=queries.Filters(state=state), page=number, reseller=own.reseller)
    return await shown.view(
        request,
        "statements.html",
        own,
        page=found,
        state=state,
        states=[(each, words.gettext(word)) for each, word in STATES.items()],
        span=shown.span_of(found.count, len(found.items), number, queries.PAGE, {"state": state or ""}),
    )


@get(ONE, opt=guards.page("own.statements.read"))
async def one(request: Request[Any, Any, Any], statement_no: params.FromPath[str]) -> Response[Any]:
    own, words, asked = await shown.own(request), pages.words(request), request.query_params
    found = await read(own, statement_no)
    kind = next((each for each in KINDS if each == asked.get("kind")), None)
    number = shown.number(asked.get("page"))
    rows = await statement_rows.rows(brand=own.brand, statement=found, kind=kind, page=number, reseller=own.reseller)
    notice = NOTICES.get(asked.get("said", ""))
    return await shown.view(
        request,
        "statement.html",
        own,
        statement=found,
        rows=rows,
        kind=kind,
        kinds=[(each, words.gettext(word)) for each, word in KINDS.items()],
        span=shown.span_of(rows.count, len(rows.items), number, statement_rows.PAGE, {"kind": kind or ""}),
        articles=await statement_rows.by_article(brand=own.brand, statement=found, reseller=own.reseller),
        adjustments={
            each.code: each.reason for each in await queries.adjustments(brand=own.brand, statement=found, reseller=own.reseller)
        },
        files=await queries.files(brand=own.brand, statement=found, reseller=own.reseller),
        disputes=await dispute.listing(brand_id=own.brand.id, reseller=own.reseller, period=found.period, number=found.number),
        notice=(notice[0], words.gettext(notice[1])) if notice else None,
    )


@get(ONE + "/files/{kind:str}", opt=guards.page("own.documents.read"))
async def file(request: Request[Any, Any, Any], statement_no: params.FromPath[str], kind: params.FromPath[str]) -> Response[Any]:
    own = await shown.own(request)
    wanted = next((each for each in get_args(document_files.Format) if each == kind), None)
    if wanted is None or NUMBER.fullmatch(statement_no) is None:
        raise NotFoundException
    folder = sites.of(request).settings.documents
    try:
        content = await statement_export.document(
            brand=own.brand, statement_no=statement_no, kind=wanted, folder=folder, reseller=own.reseller
        )
    except (statement_export.DocumentMissingError, document_folder.DocumentChangedError):
        raise NotFoundException from None
    return Response(
        content,
        media_type=TYPES[wanted],
        headers={**pages.HEADERS, "content-disposition": f'attachment; filename="{statement_no}.{wanted}"'},
    )


@post(ONE + "/confirm", opt=guards.page("own.statements.confirm", form=STATEMENTS), status_code=200)
async def confirm(request: Request[Any, Any, Any], statement_no: params.FromPath[str]) -> Response[Any]:
    """Again it is the confirmation that there is."""
    own = await shown.own(request)
    found, said = await read(own, statement_no), "confirmed"
    try:
        await confirmation.confirm(
            brand_id=own.brand.id, reseller=own.reseller, period=found.period, number=found.number, actor=auth.actor(request)
        )
    except confirmation.ConfirmationDisputedError as refusal:
        said = refusal.code
    return back(statement_no, said)


@get(ROW, opt=guards.page("own.disputes.open"))
async def row(
    request: Request[Any, Any, Any], statement_no: params.FromPath[str], position: params.FromPath[int]
) -> Response[Any]:
    own = await shown.own(request)
    return await asking(request, own, await read(own, statement_no), position)


@post(ROW, opt=guards.page("own.disputes.open"), status_code=200)
async def open_dispute(
    request: Request[Any, Any, Any], statement_no: params.FromPath[str], position: params.FromPath[int]
) -> Response[Any]:
    """A second click finds the dispute that the first has opened."""
    own, sent = await shown.own(request), await pages.form(request)
    found, said, reason = await read(own, statement_no), "opened", sent.get("reason", "")
    try:
        await dispute.open_(
            brand_id=own.brand.id,
            reseller=own.reseller,
            period=found.period,
            number=found.number,
            position=position,
            reason=reason,
            actor=auth.actor(request),
        )
    except dispute.RowUnknownError:
        raise NotFoundException from None
    except dispute.DisputeReasonError as refusal:
        fault = pages.Fault(field="reason", message=refusals.sentence(refusal, pages.words(request)))
        return await asking(request, own, found, position, reason=reason, faults=[fault], status=refusal.status)
    except (dispute.DisputeStandsError, dispute.DisputeConfirmedError) as refusal:
        said = refusal.code
    return back(statement_no, said)


async def asking(
    request: Request[Any, Any, Any],
    own: shown.Own,
    statement: queries.Statement,
    position: int,
    *,
    reason: str = "",
    faults: list[pages.Fault] | tuple[()] = (),
    status: int = 200,
) -> Response[Any]:
    entry = None
    if 1 <= position <= dispute.LAST_POSITION:
        entry = await statement_rows.row(brand=own.brand, statement=statement, position=position, reseller=own.reseller)
    if entry is None:
        raise NotFoundException
    return await shown.view(
        request, "dispute.html", own, status=status, statement=statement, row=entry, reason=reason, faults=faults
    )


async def read(own: shown.Own, statement_no: str) -> queries.Statement:
    """Somebody else's, and one that is not published, is not there."""
    if NUMBER.fullmatch(statement_no) is None:
        raise NotFoundException
    try:
        return await queries.statement(brand=own.brand, statement_no=statement_no, reseller=own.reseller)
    except queries.StatementUnknownError:
        raise NotFoundException from None


def back(statement_no: str, said: str) -> Response[bytes]:
    return pages.elsewhere(f"{STATEMENTS}/{statement_no}?{parse.urlencode({'said': said})}")
