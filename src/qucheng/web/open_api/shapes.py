"""What machines send and receive. What is sent and what is answered are types of their own; no answer holds a cost or a buyer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from qucheng.web.texts import n_

Code = Annotated[str, Meta(min_length=1, max_length=120, examples=["A02"])]
OrderNo = Annotated[str, Meta(min_length=1, max_length=40, examples=["E1002"])]
StatementNo = Annotated[str, Meta(min_length=1, max_length=120, examples=["shanlan-202603-000002"])]
Period = Annotated[
    str,
    Meta(pattern="^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$", description=n_("A month of the brand's time zone."), examples=["2026-03"]),
]
Amount = Annotated[str, Meta(pattern=r"^-?[0-9]{1,16}(\.[0-9]{1,2})?$", description=n_("A decimal number."), examples=["12.30"])]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["CNY"])]
Rate = Annotated[str, Meta(description=n_("A rate, or the brackets of one."), examples=["0.125"])]
Instant = Annotated[dt.datetime, Meta(tz=True, examples=["2026-03-08T04:40:00Z"])]
Day = Annotated[dt.date, Meta(description=n_("A day of the brand's time zone."), examples=["2026-03-08"])]
Limit = Annotated[int, Meta(ge=1, le=200, description=n_("How many items at most."), examples=[50])]
Cursor = Annotated[str, Meta(max_length=1024, description=n_("The next of the page before, with the same filters."))]
Next = Annotated[str, Meta(description=n_("The cursor of the next page; null on the last."))]
DocumentFormat = Literal["pdf", "xlsx", "csv"]
ResellerKind = Literal["individual", "company"]
EntryKind = Literal["accrual", "reversal", "adjustment", "bonus"]


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Money(Shape, frozen=True):
    amount: Amount
    currency: Currency


class Brand(Shape, frozen=True):
    code: Code
    name: str
    currency: Currency
    time_zone: Annotated[str, Meta(examples=["Asia/Shanghai"])]


class Me(Shape, frozen=True):
    """The key that asks."""

    key_id: Annotated[str, Meta(examples=["019ab3c57d1e7c3f8a52f0d1c2b3a495"])]
    name: str
    mode: Annotated[Literal["live", "test"], Meta(description=n_("What a test key posts is checked and answered, and not kept."))]
    scopes: list[str]
    networks: Annotated[list[str], Meta(description=n_("Where it may be used from; empty for anywhere."))]
    expires_at: Instant
    reseller: Annotated[
        str | None, Meta(description=n_("A key of a reseller reads that one's rows alone; null for the whole brand."))
    ]
    brand: Brand


class Listed(Shape, frozen=True):
    """What every list takes."""

    limit: Limit = 50
    cursor: Cursor | None = None


class ResellersAsked(Listed, frozen=True):
    tier: Code | None = None


class Reseller(Shape, frozen=True):
    """tier and parent: as they are today. A key of a reseller is not told who stands above it."""

    code: Code
    name: str
    kind: ResellerKind
    tier: Code
    joined_on: Day
    parent: Code | UnsetType | None = UNSET


class Resellers(Shape, frozen=True):
    items: list[Reseller]
    next: Next | None


class EntriesAsked(Listed, frozen=True):
    statement: StatementNo | None = None
    order: OrderNo | None = None
    reseller: Code | None = None
    period: Annotated[Period, Meta(description=n_("Of the statement that the entry is on."))] | None = None
    kind: EntryKind | None = None


class Basis(Shape, frozen=True):
    """What the rate was applied to: an amount, or of the kind `unit` a quantity."""

    kind: Literal["net", "gross", "margin", "unit"]
    amount: Money | None = None
    quantity: int | None = None


class Entry(Shape, frozen=True):
    """A commission, or what changes one. Which fields there are depends on its kind."""

    id: Annotated[str, Meta(examples=["accrual/E1002/1/1"])]
    kind: EntryKind
    reseller: Code
    amount: Money
    order_no: OrderNo | None
    line_no: str | None
    level: Annotated[int | None, Meta(description=n_("1 for the seller, 2 for who stands above it."))]
    refund_no: str | None
    adjustment: str | None
    rule: str | None
    rate: Rate | None
    basis: Basis | None
    of_period: Period | None
    occurred_on: Day
    available_on: Annotated[
        dt.date | None,
        Meta(
            description=n_("From when it is put on a statement; null until the event from which its hold counts has come."),
            examples=["2026-03-15"],
        ),
    ]
    statement_no: Annotated[StatementNo | None, Meta(description=n_("null until it is on one."))]


class Entries(Shape, frozen=True):
    items: list[Entry]
    next: Next | None


class StatementsAsked(Listed, frozen=True):
    period: Period | None = None
    reseller: Code | None = None


class Statement(Shape, frozen=True):
    """opening + accrued + reversed + bonus + adjustment = payable; payable − tax = net, or all of it is carried."""

    statement_no: StatementNo
    period: Period
    reseller: Code
    kind: ResellerKind
    opening: Money
    accrued: Money
    reversed: Money
    bonus: Money
    adjustment: Money
    payable: Money
    tax: Money
    net: Money
    carried: Money
    published_at: Annotated[Instant | None, Meta(description=n_("When its reseller could see it; null until then."))]


class Document(Shape, frozen=True):
    format: DocumentFormat
    state: Literal["ready", "failed"]
    sha256: str | None
    bytes: int | None


class StatementWhole(Statement, frozen=True):
    """With its documents, as far as they are made."""

    sha256: Annotated[str | None, Meta(description=n_("Of what the statement says, as on its public check page."))]
    confirmed_at: Instant | None
    documents: list[Document]


class Statements(Shape, frozen=True):
    items: list[Statement]
    next: Next | None


class RunsAsked(Listed, frozen=True):
    period: Period | None = None


class Run(Shape, frozen=True):
    id: Annotated[str, Meta(examples=["shanlan-202603-1"])]
    period: Period
    number: int
    state: Literal["computed", "issuing", "issued", "discarded"]
    statements: int
    issued: int
    gross: Money
    tax: Money
    net: Money
    computed_at: Instant
    issued_at: Instant | None
    published_at: Instant | None
    discarded_at: Instant | None


class Runs(Shape, frozen=True):
    items: list[Run]
    next: Next | None


class JournalAsked(Listed, frozen=True):
    period: Period | None = None
    document: StatementNo | None = None
    account: Annotated[str, Meta(max_length=80, examples=["liability:reseller:A02"])] | None = None


class Posting(Shape, frozen=True):
    account: Annotated[str, Meta(examples=["expense:commission"])]
    debit: Money
    credit: Money


class JournalEntry(Shape, frozen=True):
    code: Annotated[str, Meta(examples=["shanlan-202603-000002/accrual"])]
    period: Period
    document: StatementNo
    postings: list[Posting]


class Journal(Shape, frozen=True):
    items: list[JournalEntry]
    next: Next | None


class TrialBalanceAsked(Listed, frozen=True):
    through: Annotated[Period, Meta(description=n_("Up to and with this period."))] | None = None


class Balance(Shape, frozen=True):
    account: Annotated[str, Meta(examples=["liability:reseller:A02"])]
    debit: Money
    credit: Money
    balance: Annotated[Money, Meta(description=n_("Debit less credit."))]


class TrialBalance(Shape, frozen=True):
    """totalDebit and totalCredit are of all accounts, and equal."""

    items: list[Balance]
    next: Next | None
    total_debit: Money
    total_credit: Money


class AdjustmentsAsked(Listed, frozen=True):
    reseller: Code | None = None
    state: Literal["waiting", "approved", "rejected", "expired", "due", "settled"] | None = None


class AdjustmentSent(Shape, frozen=True, forbid_unknown_fields=True):
    """It is asked for, and done when somebody else of the brand has allowed it."""

    reseller: Code
    amount: Money
    reason: Literal["correction", "goodwill", "campaign", "fee", "other"]
    reference: Annotated[
        str, Meta(min_length=1, max_length=120, description=n_("An order or a statement of the reseller."), examples=["E1002"])
    ]
    note: Annotated[str, Meta(max_length=200, description=n_("Needed where the reason is other."))] | None = None


class AdjustmentAsked(Shape, frozen=True):
    approval_id: uuid.UUID
    code: Annotated[str, Meta(description=n_("Its code in the books, once it is allowed."), examples=["ADJ-20260331-7KQ2MX"])]
    state: Literal["waiting"]


class Adjustment(Shape, frozen=True):
    """due: in the books, and on the next statement. reason: the words on the statement."""

    code: Annotated[str, Meta(examples=["ADJ-20260331-7KQ2MX"])]
    state: Literal["waiting", "approved", "rejected", "expired", "due", "settled"]
    reseller: Code
    amount: Money
    reason: str
    reason_code: str | None
    reference: str | None
    note: str | None
    at: Instant
    approval_id: uuid.UUID | None
    statement_no: StatementNo | None


class Adjustments(Shape, frozen=True):
    items: list[Adjustment]
    next: Next | None


class QuoteAsked(Shape, frozen=True):
    """What one unit costs in a channel, and a line of several."""

    sku: Code
    channel: Code
    quantity: Annotated[int, Meta(ge=1, le=1_000_000, examples=[1])] = 1
    reseller: (
        Annotated[str, Meta(min_length=1, max_length=120, description=n_("A key of a reseller asks for itself alone."))] | None
    ) = None
    at: (
        Annotated[
            dt.datetime, Meta(tz=True, description=n_("Now, unless another instant is sent."), examples=["2026-03-08T04:40:00Z"])
        ]
        | None
    ) = None


class NextPrice(Shape, frozen=True):
    """unit: null where it is not for sale any more."""

    unit: Money | None
    at: Instant
    on: Day


class Quote(Shape, frozen=True):
    """What the consumer pays, tax included. level: whose price it is. startsOn and endsOn: of that price."""

    sku: Code
    channel: Code
    reseller: Code
    tier: Code
    quantity: int
    at: Instant
    unit: Money
    gross: Money
    version: int
    level: Literal["channel+tier", "channel", "base+tier", "base"]
    starts_on: Day
    ends_on: Day | None
    next: Annotated[NextPrice | None, Meta(description=n_("The next other price that is known; null where there is none."))]


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """pointer: into the body, by RFC 6901. parameter: of the query."""

    code: str
    detail: str
    pointer: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457. code is what a program goes by: it stays as it is."""

    type: str
    title: str
    status: int
    code: Annotated[str, Meta(examples=["request.fields"])]
    instance: Annotated[str, Meta(description=n_("Names this request in our log."), examples=["urn:qucheng:request:019ab3c5"])]
    detail: str | UnsetType = UNSET
    errors: list[FieldError] | UnsetType = UNSET
