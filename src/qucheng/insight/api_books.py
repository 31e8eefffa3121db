"""What machines read of the ledger, and of adjustments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.insight import api_filters
from qucheng.settlement import adjustment_queries

if TYPE_CHECKING:
    import uuid

JOURNAL = """
    SELECT e.code, e.period, e.document, e.position FROM journal_entry e WHERE {where} ORDER BY e.period, e.document, e.position {limit}"""
POSTINGS = "SELECT entry, leg, account, debit_minor, credit_minor FROM posting WHERE entry = ANY ($1) ORDER BY entry, leg"
BALANCES = """
    SELECT p.account, sum(p.debit_minor)::bigint AS debit_minor, sum(p.credit_minor)::bigint AS credit_minor
    FROM posting p JOIN journal_entry e ON e.brand_id = p.brand_id AND e.code = p.entry WHERE {where} GROUP BY p.account ORDER BY p.account {limit}"""
TOTALS = """
    SELECT coalesce(sum(p.debit_minor), 0)::bigint AS debit_minor, coalesce(sum(p.credit_minor), 0)::bigint AS credit_minor
    FROM posting p JOIN journal_entry e ON e.brand_id = p.brand_id AND e.code = p.entry WHERE {where}"""
ADJUSTMENTS = f"""
    {adjustment_queries.ROWS} SELECT {adjustment_queries.COLUMNS} FROM chosen
    WHERE ($4::text IS NULL OR code > $4) AND ($5::text IS NULL OR reseller = $5) ORDER BY code LIMIT $6"""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    leg: int
    account: str
    debit_minor: int
    credit_minor: int


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    period: dt.date
    document: str
    position: int
    postings: list[Posting]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    debit_minor: int
    credit_minor: int


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """The totals are of all accounts, not of the page's."""

    accounts: list[Balance]
    debit_minor: int
    credit_minor: int


async def journal(
    *,
    brand_id: uuid.UUID,
    period: dt.date | None = None,
    document: str | None = None,
    account: str | None = None,
    after: tuple[dt.date, str, int] | None = None,
    most: int = 1,
) -> list[JournalEntry]:
    """By period, document and place, each with all of its legs."""
    asked = api_filters.Filters()
    asked.add("e.period = {}", period)
    asked.add("e.document = {}", document)
    asked.add("EXISTS (SELECT 1 FROM posting p WHERE p.brand_id = e.brand_id AND p.entry = e.code AND p.account = {})", account)
    asked.after("e.period, e.document, e.position", after)
    query = JOURNAL.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(query, *asked.values)
        found = {row["code"]: JournalEntry(**dict(row), postings=[]) for row in rows}
        for row in await db.connection().fetch(POSTINGS, list(found)):
            found[row["entry"]].postings.append(Posting(**{name: row[name] for name in Posting.__struct_fields__}))
    return list(found.values())


async def balances(*, brand_id: uuid.UUID, through: dt.date | None = None, after: str | None = None, most: int = 1) -> Balances:
    """What each account was debited and credited, up to and with the period."""
    asked, whole = api_filters.Filters(), api_filters.Filters()
    for each in (asked, whole):
        each.add("e.period <= {}", through)
    asked.add("p.account > {}", after)
    query = BALANCES.format(where=asked.where(), limit=asked.limit(most))
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(query, *asked.values)
        totals = await db.connection().fetchrow(TOTALS.format(where=whole.where()), *whole.values)
    return Balances(accounts=[Balance(**dict(row)) for row in rows], **dict(totals))


async def adjustments(
    *,
    brand_id: uuid.UUID,
    of_reseller: str | None = None,
    state: adjustment_queries.State | None = None,
    after: str | None = None,
    most: int = 1,
) -> list[adjustment_queries.Adjustment]:
    """Those that wait, those that were turned down, and those in the books, by code."""
    states = [] if state is None else [state]
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(ADJUSTMENTS, states, None, None, after, of_reseller, most)
    return [adjustment_queries.Adjustment(**dict(row)) for row in rows]
