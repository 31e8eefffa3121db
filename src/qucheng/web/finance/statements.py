"""Statements: the list with its filters in the address, its CSV, and one statement down to the rule behind a row."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, get_args

from litestar import Request, Response, get, params, post
from litestar.response import Stream

from qucheng.core import clock, exports, money
from qucheng.settlement import queries, run, statement_export, statement_rows
from qucheng.web import auth, guards, pages
from qucheng.web.finance import desk, facts, run_view, statement_why

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

STATEMENTS = "/statements"
FIELDS = ("period", "state", "reseller", "kind", "from", "to", "disputed", "sort")
LONGEST_TEXT = 80
GROUPS = ("article", "order", "day")


@get(STATEMENTS, opt=guards.page("statements.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, page, words = await facts.brand(request), facts.page_of(request), pages.words(request)
    filters, faults = read_filters(request, brand, request.query_params)
    found = await queries.statements(brand=brand, filters=filters, page=page)
    address = facts.link(request)
    return await pages.view(
        request,
        "finance/statements.html",
        status=422 if faults else 200,
        faults=faults,
        brand=brand,
        symbol=facts.symbol(brand),
        asked={name: request.query_params.get(name, "")[:LONGEST_TEXT] for name in FIELDS},
        months=[(f"{each:%Y-%m}", facts.month(words, each)) for each in await queries.months(brand=brand)],
        found=found,
        sort=filters.sort,
        link=address,
        pager=facts.pager(page, queries.PAGE, found.count, address),
        direct=found.count <= exports.DIRECT_ROWS,
    )


@get("/statements.csv", opt=guards.page("documents.export"))
async def as_csv(request: Request[Any, Any, Any]) -> Response[Any]:
    """The list as it is filtered. A long one is asked for as a file instead."""
    brand = await facts.brand(request)
    filters, faults = read_filters(request, brand, request.query_params)
    found = await queries.statements(brand=brand, filters=filters, size=1)
    if faults or found.count > exports.DIRECT_ROWS:
        return pages.elsewhere(facts.link(request, STATEMENTS)())
    pieces = statement_export.list_as_csv(brand=brand, filters=filters)
    name = exports.safe_name(f"{brand.code}-statements.csv")
    return Stream(pieces, media_type="text/csv; charset=utf-8", headers={"content-disposition": f'attachment; filename="{name}"'})


@post("/statements/export", opt=guards.page("documents.export", form=STATEMENTS), status_code=200)
async def export(request: Request[Any, Any, Any]) -> Response[Any]:
    """As a file, in the background."""
    brand, sent = await facts.brand(request), await pages.form(request)
    filters, faults = read_filters(request, brand, sent)
    if faults:
        return pages.elsewhere(STATEMENTS)
    found = await queries.statements(brand=brand, filters=filters, size=1)
    await statement_export.request_list(
        brand=brand, filters=filters, rows=found.count, actor=auth.actor(request), now=clock.now()
    )
    return pages.elsewhere("/exports")


@get("/statements/{statement_no:str}", opt=guards.page("statements.read"))
async def show(request: Request[Any, Any, Any], statement_no: params.FromPath[str]) -> Response[Any]:
    """group: how its sales are summed up; why: an article or a row that is explained."""
    brand = await facts.brand(request)
    statement = await queries.statement(brand=brand, statement_no=statement_no)
    return await _page(request, brand, statement, await _flow(request, brand, statement))


@get("/runs/{code:str}/statements/{number:int}", opt=guards.page("runs.read"))
async def draft(request: Request[Any, Any, Any], code: params.FromPath[str], number: params.FromPath[int]) -> Response[Any]:
    """One that a run has computed, before it is issued. Afterwards it is the statement; of a discarded run nothing is left."""
    brand, chosen = await run_view.of_code(request, code)
    if chosen.state == "discarded":
        return pages.elsewhere(f"/runs/{run.code_of(brand, chosen)}")
    if chosen.state != "computed":
        return pages.elsewhere(f"{STATEMENTS}/{brand.code}-{chosen.period:%Y%m}-{number:06d}")
    statement = await queries.draft(brand=brand, period=chosen.period, run=chosen.number, number=number)
    return await _page(request, brand, statement, await run_view.of(request, brand, chosen))


async def _page(
    request: Request[Any, Any, Any], brand: Brand, statement: queries.Statement, flow: run_view.View | None
) -> Response[Any]:
    words, page = pages.words(request), facts.page_of(request)
    asked, address = request.query_params, facts.link(request)
    group = asked.get("group", "") if asked.get("group") in GROUPS else GROUPS[0]
    values = await _lines(request, brand, statement, group, page)
    adjusted = await queries.adjustments(brand=brand, statement=statement)
    people = [each for row in adjusted for each in (row.maker, row.checker)]
    return await pages.view(
        request,
        "finance/statement.html",
        brand=brand,
        symbol=facts.symbol(brand),
        month=facts.month(words, statement.period),
        last_day=clock.month_after(statement.period) - dt.timedelta(days=1),
        statement=statement,
        flow=flow,
        group=group,
        rate=statement_why.rate,
        kind=asked.get("kind", ""),
        bonuses=await statement_rows.rows(brand=brand, statement=statement, kind="bonus", size=statement_rows.LISTED),
        adjustments=adjusted,
        files=await queries.files(brand=brand, statement=statement) if statement.draft is None else [],
        names=await facts.names(request, people),
        link=address,
        **values,
    )


async def _lines(
    request: Request[Any, Any, Any], brand: Brand, statement: queries.Statement, group: str, page: int
) -> dict[str, Any]:
    """The rows or sums of one page, and the explanation that is open."""
    asked, address = request.query_params, facts.link(request)
    why = await statement_why.of(request, brand, statement, desk.text(asked.get("why")), group)
    at: dict[str, Any] = {"brand": brand, "statement": statement, "page": page}
    rows: statement_rows.Rows | None = None
    sums: statement_rows.Sums | None = None
    if group == "order":
        only: Literal["reversal"] | None = "reversal" if asked.get("kind") == "reversal" else None
        day = _day(asked.get("day", ""))
        rows = await statement_rows.rows(**at, kind=only, sku=desk.text(asked.get("sku")) or None, day=day, sales_only=True)
    else:
        sums = await (statement_rows.by_day(**at) if group == "day" else statement_rows.by_article(**at))
    count = rows.count if rows is not None else sums.count if sums is not None else 0
    return {
        "rows": rows,
        "sums": sums,
        "why": why,
        "chosen": asked.get("why", ""),
        "pager": facts.pager(page, statement_rows.PAGE, count, address),
    }


async def _flow(request: Request[Any, Any, Any], brand: Brand, statement: queries.Statement) -> run_view.View | None:
    """How the month's run came to this statement; None where there was none."""
    chosen = await run.of_period(brand=brand, starts_on=statement.period)
    return await run_view.of(request, brand, chosen) if chosen is not None else None


def read_filters(
    request: Request[Any, Any, Any],
    brand: Brand,
    asked: Any,  # noqa: ANN401 - of an address or of a form
) -> tuple[queries.Filters, list[pages.Fault]]:
    """What cannot be read is said, and does not filter."""
    words, faults = pages.words(request), []

    def amount(name: str) -> int | None:
        text = "".join((asked.get(name) or "").split()).replace(",", "")
        try:
            return money.parse_plain(text, brand.decimals, signed=True) if text else None
        except ValueError:
            faults.append(pages.Fault(field=name, message=words.gettext("An amount looks like 1200 or 1200.50.")))
            return None

    return (
        queries.Filters(
            period=_month(asked.get("period") or ""),
            state=next((each for each in get_args(queries.State) if each == asked.get("state")), None),
            reseller=(asked.get("reseller") or "").replace("\0", "").strip()[:LONGEST_TEXT] or None,
            kind=next((each for each in queries.KINDS if each == asked.get("kind")), None),
            net_from=amount("from"),
            net_to=amount("to"),
            disputed=asked.get("disputed") == "1",
            sort=next((sort for sort in queries.SORTS if sort == asked.get("sort")), "newest"),
        ),
        faults,
    )


def _month(text: str) -> dt.date | None:
    try:
        return run.month(text)
    except ValueError:
        return None


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
