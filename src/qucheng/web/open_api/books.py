"""The ledger, and adjustments: read, and asked for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, post

from qucheng.core import clock, idempotency, money
from qucheng.identity import api_caller
from qucheng.identity import approval as approvals
from qucheng.identity import brand as brands
from qucheng.insight import api_books
from qucheng.settlement import adjustment
from qucheng.web import guards, machines
from qucheng.web.open_api import operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.settlement import adjustment_queries

JOURNAL = Operation(
    tag=n_("Books"),
    summary=n_("Journal entries with their postings"),
    about=n_("By period, document and place."),
    query=shapes.JournalAsked,
    reply=shapes.Journal,
)
TRIAL_BALANCE = Operation(tag="Books", summary=n_("Trial balance"), query=shapes.TrialBalanceAsked, reply=shapes.TrialBalance)
ADJUSTMENTS = Operation(
    tag=n_("Adjustments"),
    summary=n_("Adjustments"),
    about=n_("Those that wait for somebody, those that were turned down, and those in the books, by code."),
    query=shapes.AdjustmentsAsked,
    reply=shapes.Adjustments,
)
ASK = Operation(
    tag="Adjustments",
    summary=n_("Ask for an adjustment"),
    about=n_(
        "Asks in the name of whoever made the key. It waits for another person of the brand, and is on the reseller's next statement once allowed."
    ),
    body=shapes.AdjustmentSent,
    reply=shapes.AdjustmentAsked,
    status=202,
    idempotent=True,
)
SENTENCES = {
    "text.promise": "This promises income. Say what is paid for, not what can be earned.",
    "reseller.unknown": "There is no such reseller.",
    "amount.zero": "An adjustment of nothing changes nothing.",
    "amount.limit": "An amount is less than 10^10.",
    "amount.decimals": "The currency has fewer decimals.",
    "amount.currency": "The brand settles in another currency.",
    "reference.missing": "This is needed.",
    "reference.unknown": "The reseller has no such order or statement.",
    "note.missing": "This is needed where the reason is other.",
    "note.invalid": "At most 200 printable characters.",
}
POINTERS = {"amount": "/amount/amount", "currency": "/amount/currency"}


@get("/api/v1/journal", opt=guards.api("journal.read", operation=JOURNAL))
async def journal(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.JournalAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_books.journal(
        brand_id=caller.brand_id,
        period=operations.month(asked.period),
        document=asked.document,
        account=asked.account,
        after=operations.position(request, asked, tuple[dt.date, str, int]),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: [row.period, row.document, row.position])
    return operations.answer(request, shapes.Journal(items=[_journal_entry(brand, row) for row in page], next=following))


def _journal_entry(brand: Brand, row: api_books.JournalEntry) -> shapes.JournalEntry:
    return shapes.JournalEntry(
        code=row.code,
        period=operations.shown(row.period),
        document=row.document,
        postings=[
            shapes.Posting(
                account=leg.account,
                debit=operations.of_brand(brand, leg.debit_minor),
                credit=operations.of_brand(brand, leg.credit_minor),
            )
            for leg in row.postings
        ],
    )


@get("/api/v1/trial-balance", opt=guards.api("journal.read", operation=TRIAL_BALANCE))
async def trial_balance(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.TrialBalanceAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    found = await api_books.balances(
        brand_id=caller.brand_id,
        through=operations.month(asked.through),
        after=operations.position(request, asked, str),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, found.accounts, lambda row: row.account)
    items = [
        shapes.Balance(
            account=row.account,
            debit=operations.of_brand(brand, row.debit_minor),
            credit=operations.of_brand(brand, row.credit_minor),
            balance=operations.of_brand(brand, row.debit_minor - row.credit_minor),
        )
        for row in page
    ]
    totals = [operations.of_brand(brand, minor) for minor in (found.debit_minor, found.credit_minor)]
    return operations.answer(
        request, shapes.TrialBalance(items=items, next=following, total_debit=totals[0], total_credit=totals[1])
    )


@get("/api/v1/adjustments", opt=guards.api("adjustments.read", operation=ADJUSTMENTS))
async def adjustments(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, shapes.AdjustmentsAsked), machines.caller(request)
    brand = await brands.read(caller.brand_id)
    rows = await api_books.adjustments(
        brand_id=caller.brand_id,
        of_reseller=asked.reseller,
        state=asked.state,
        after=operations.position(request, asked, str),
        most=asked.limit + 1,
    )
    page, following = operations.cut(request, asked, rows, lambda row: row.code)
    return operations.answer(request, shapes.Adjustments(items=[_adjustment(brand, row) for row in page], next=following))


def _adjustment(brand: Brand, row: adjustment_queries.Adjustment) -> shapes.Adjustment:
    return shapes.Adjustment(
        code=row.code,
        state=row.state,
        reseller=row.reseller,
        amount=operations.of_brand(brand, row.amount_minor),
        reason=row.reason,
        reason_code=row.reason_code,
        reference=row.reference,
        note=row.note,
        at=row.at,
        approval_id=row.approval,
        statement_no=row.statement_no,
    )


@post("/api/v1/adjustments", opt=guards.api("adjustments.request", signed=True, operation=ASK), status_code=ASK.status)
async def ask(request: Request[Any, Any, Any]) -> Response[bytes]:
    key, caller = idempotency.require_key(request.headers.get("idempotency-key")), machines.caller(request)
    sent = await reading.body(request, shapes.AdjustmentSent)
    maker = await api_caller.maker(caller, permission="adjustments.request")
    brand = await brands.read(caller.brand_id)

    async def act() -> tuple[int, shapes.AdjustmentAsked]:
        return ASK.status, await _ask(request, brand, maker, sent)

    reply = await idempotency.once(
        brand_id=caller.brand_id,
        key_id=caller.key_id,
        key=key,
        request=idempotency.fingerprint(request.method.encode(), machines.target(request).encode(), msgspec.json.encode(sent)),
        act=act,
        actor=machines.actor(request),
        now=clock.now(),
        kept=caller.mode == "live",
    )
    replayed = {"idempotent-replayed": "true"} if reply.replayed else {}
    return Response(
        reply.body,
        status_code=reply.status,
        media_type=machines.JSON,
        headers={**machines.headers(request), **replayed},
    )


async def _ask(
    request: Request[Any, Any, Any], brand: Brand, maker: permissions.Principal, sent: shapes.AdjustmentSent
) -> shapes.AdjustmentAsked:
    minor, faults = _minor(brand, sent.amount)
    asked: dict[str, Any] = {
        "brand": brand,
        "reseller": sent.reseller,
        "amount_minor": minor,
        "reason_code": sent.reason,
        "reference": sent.reference,
        "note": sent.note or "",
        "now": clock.now(),
    }
    try:
        if faults:  # what else is wrong is told with it
            await adjustment.prepare(**asked)
            raise reading.BodyInvalidError(_faults(faults))
        approval_id = await adjustment.request(**asked, principal=maker, actor=machines.actor(request))
    except adjustment.AdjustmentInvalidError as refusal:
        raise reading.BodyInvalidError(_faults({**refusal.faults, **faults})) from None
    found = await approvals.read(brand_id=brand.id, approval_id=approval_id)
    return shapes.AdjustmentAsked(approval_id=approval_id, code=found.payload["code"], state="waiting")


def _minor(brand: Brand, sent: shapes.Money) -> tuple[int, dict[str, str]]:
    """The amount, and by field what is wrong with it; a wrong one is taken for the smallest."""
    faults = {} if sent.currency == brand.currency else {"currency": "amount.currency"}
    try:
        return money.parse_plain(sent.amount, brand.decimals, signed=True), faults
    except ValueError:
        decimals = len(sent.amount.partition(".")[2]) > brand.decimals
        return 1, {**faults, "amount": "amount.decimals" if decimals else "amount.limit"}


def _faults(found: dict[str, str]) -> list[reading.Fault]:
    return [
        reading.Fault(code=code, detail=SENTENCES.get(code, "This cannot be so."), pointer=POINTERS.get(field, f"/{field}"))
        for field, code in found.items()
    ]
