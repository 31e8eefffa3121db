"""Commission entries, statements with their documents, and settlement runs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params

from qucheng.identity import brand as brands
from qucheng.insight import api_documents, api_money
from qucheng.settlement import queries
from qucheng.web import guards, machines
from qucheng.web import site as sites
from qucheng.web.open_api import operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

SUMS = ("opening", "accrued", "reversed", "bonus", "adjustment", "payable", "tax", "net", "carried")
MEDIA = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}
ENTRIES = Operation(
    tag=n_("Settlement"),
    summary=n_("Commission entries"),
    about=n_(
        "What was earned and what changed it: accruals, then reversals, adjustments and bonuses, each in the order of its key."
    ),
    query=shapes.EntriesAsked,
    reply=shapes.Entries,
)
STATEMENTS = Operation(
    tag="Settlement",
    summary=n_("Statements"),
    about=n_("Issued ones, by period and number. A key of a reseller sees its own, once they are published."),
    query=shapes.StatementsAsked,
    reply=shapes.Statements,
)
STATEMENT = Operation(
    tag="Settlement", summary=n_("One statement with its documents"), reply=shapes.StatementWhole, refusals=(404,)
)
DOCUMENT = Operation(
    tag="Settlement",
    summary=n_("A document of a statement"),
    about=n_("The file as it was made. While it is being made the answer is 409 with Retry-After."),
    media=tuple(MEDIA.values()),
    refusals=(404, 409),
)
RUNS = Operation(tag="Settlement", summary=n_("Settlement runs"), query=shapes.RunsAsked, reply=shapes.Runs)


@get("/api/v1/entries", opt=guards.api("entries.read", operation=ENTRIES))
async def entries(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.EntriesAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_money.entries(
        brand_id=caller.brand_id,
        reseller=caller.reseller,
        statement_no=asked.statement,
        order_no=asked.order,
        of_reseller=asked.reseller,
        period=operations.month(asked.period),
        kind=asked.kind,
        after=operations.position(request, asked, tuple[str, list[str]]),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: row.key)
    return operations.answer(request, shapes.Entries(items=[_entry(brand, row) for row in page], next=following))


def _entry(brand: Brand, row: api_money.Entry) -> shapes.Entry:
    return shapes.Entry(
        id="/".join((row.kind, *row.key[1])),
        kind=row.kind,
        reseller=row.reseller,
        amount=operations.of_brand(brand, row.amount_minor),
        order_no=row.order_no,
        line_no=row.line_no,
        level=row.level,
        refund_no=row.refund_no,
        adjustment=row.adjustment,
        rule=row.rule,
        rate=row.rate,
        basis=_basis(brand, row),
        of_period=operations.shown(row.of_period) if row.of_period else None,
        occurred_on=row.occurred_on,
        available_on=row.available_on,
        statement_no=row.statement_no,
    )


def _basis(brand: Brand, row: api_money.Entry) -> shapes.Basis | None:
    if row.basis is None or row.basis_value is None:
        return None
    if row.basis == "unit":
        return shapes.Basis(kind="unit", quantity=row.basis_value)
    return shapes.Basis(kind=row.basis, amount=operations.of_brand(brand, row.basis_value))  # type: ignore[arg-type] # a CHECK of rule


@get("/api/v1/statements", opt=guards.api("statements.read", operation=STATEMENTS))
async def statements(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.StatementsAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_money.statements(
        brand_id=caller.brand_id,
        reseller=caller.reseller,
        of_reseller=asked.reseller,
        period=operations.month(asked.period),
        after=operations.position(request, asked, tuple[dt.date, int]),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: [row.period, row.number])
    items = [shapes.Statement(**_statement(brand, row)) for row in page]
    return operations.answer(request, shapes.Statements(items=items, next=following))


def _statement(brand: Brand, row: api_money.Statement | queries.Statement) -> dict[str, Any]:
    return {
        "statement_no": row.statement_no,
        "period": operations.shown(row.period),
        "reseller": row.reseller,
        "kind": row.kind,
        "published_at": row.published_at,
        **{name: operations.of_brand(brand, getattr(row, f"{name}_minor")) for name in SUMS},
    }


@get("/api/v1/statements/{statement_no:str}", opt=guards.api("statements.read", operation=STATEMENT))
async def statement(request: Request[Any, Any, Any], statement_no: params.FromPath[str]) -> Response[bytes]:
    caller = machines.caller(request)
    brand = await brands.read(caller.brand_id)
    found = await queries.statement(brand=brand, statement_no=operations.storable(statement_no), reseller=caller.reseller)
    files = await queries.files(brand=brand, statement=found, reseller=caller.reseller)
    documents = [shapes.Document(format=file.format, state=file.state, sha256=file.sha256, bytes=file.bytes) for file in files]
    return operations.answer(
        request,
        shapes.StatementWhole(
            **_statement(brand, found), sha256=found.sha256, confirmed_at=found.confirmed_at, documents=documents
        ),
    )


@get("/api/v1/statements/{statement_no:str}/documents/{form:str}", opt=guards.api("documents.read", operation=DOCUMENT))
async def document(
    request: Request[Any, Any, Any], statement_no: params.FromPath[str], form: params.FromPath[str]
) -> Response[bytes]:
    caller = machines.caller(request)
    if form not in MEDIA:
        raise operations.ObjectUnknownError("A document is pdf, xlsx or csv.")
    content = await api_documents.read(
        brand=await brands.read(caller.brand_id),
        reseller=caller.reseller,
        statement_no=operations.storable(statement_no),
        form=msgspec.convert(form, api_documents.Format),
        folder=sites.of(request).settings.documents,
    )
    name = f'attachment; filename="{statement_no}.{form}"'
    headers = {**machines.headers(request), "content-disposition": name}
    return Response(content, media_type=MEDIA[form], headers=headers)


@get("/api/v1/runs", opt=guards.api("runs.read", operation=RUNS))
async def runs(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.RunsAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_money.runs(
        brand_id=caller.brand_id,
        period=operations.month(asked.period),
        after=operations.position(request, asked, tuple[dt.date, int]),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: [row.period, row.number])
    return operations.answer(request, shapes.Runs(items=[_run(brand, row) for row in page], next=following))


def _run(brand: Brand, row: api_money.Run) -> shapes.Run:
    return shapes.Run(
        id=f"{brand.code}-{row.period:%Y%m}-{row.number}",
        period=operations.shown(row.period),
        number=row.number,
        state=row.state,
        statements=row.statements,
        issued=row.issued,
        gross=operations.of_brand(brand, row.gross_minor),
        tax=operations.of_brand(brand, row.tax_minor),
        net=operations.of_brand(brand, row.net_minor),
        computed_at=row.computed_at,
        issued_at=row.issued_at,
        published_at=row.published_at,
        discarded_at=row.discarded_at,
    )
