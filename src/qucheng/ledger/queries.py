"""The journal as it is read: entries in their order, chosen by period, account and document; and the balances of the accounts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    import uuid

    import asyncpg

PAGE = 20
ACCOUNTS = 50
RESELLERS = "liability:reseller:"
"""What the accounts of resellers begin with: thousands, shown as one line."""
Position = tuple[dt.date, str, int]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. start, end: first days of the first and the last period; account: a code, or what codes begin with up to a colon;
    text: part of the code of the entry or its document.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    account: str | None = None
    document: str | None = None
    text: str | None = None


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    debit_minor: int
    credit_minor: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    period: dt.date
    document: str
    position: int
    legs: list[Leg]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Of all entries that were chosen, with all their legs; and of the legs on the chosen account alone."""

    entries: int
    legs: int
    debit_minor: int
    credit_minor: int
    account_debit_minor: int
    account_credit_minor: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """first: the number of the first entry among all chosen. after, before: positions that lead to the neighbouring pages."""

    entries: list[Entry]
    totals: Totals
    first: int
    after: Position | None
    before: Position | Literal["start"] | None


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account, or several that begin alike. What stands on either side is added up account by account."""

    account: str
    accounts: int
    opening_debit_minor: int
    opening_credit_minor: int
    debit_minor: int
    credit_minor: int
    closing_debit_minor: int
    closing_credit_minor: int


async def periods(*, brand_id: uuid.UUID) -> list[dt.date]:
    """Those that have entries, the newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT DISTINCT period FROM journal_entry ORDER BY period DESC LIMIT 240")
    return [row["period"] for row in rows]


def condition(chosen: Chosen) -> tuple[str, list[object]]:
    """On journal_entry e, with its values from $1 on."""
    values: list[object] = [chosen.start, chosen.end, chosen.document, chosen.text, chosen.account]
    where = (
        "($1::date IS NULL OR e.period >= $1) AND ($2::date IS NULL OR e.period <= $2) AND ($3::text IS NULL OR e.document = $3)"
        " AND ($4::text IS NULL OR strpos(lower(e.code), lower($4)) > 0 OR strpos(lower(e.document), lower($4)) > 0)"
        f" AND ($5::text IS NULL OR EXISTS (SELECT 1 FROM posting a WHERE a.brand_id = e.brand_id AND a.entry = e.code AND {_on('a')}))"
    )
    return where, values


def _on(alias: str) -> str:
    return f"({alias}.account = $5 OR (right($5, 1) = ':' AND starts_with({alias}.account, $5)))"


async def journal(*, brand_id: uuid.UUID, chosen: Chosen, after: Position | None = None, most: int = PAGE) -> Page:
    where, values = condition(chosen)
    async with db.atomic(brand_id):
        totals = await _totals(where, values)
        entries = await db.connection().fetch(
            f"SELECT e.code, e.period, e.document, e.position FROM journal_entry e WHERE {where} AND ($6::date IS NULL OR (e.period, e.document, e.position) > ($6, $7, $8))"
            " ORDER BY e.period, e.document, e.position LIMIT $9",
            *values,
            *(after or (None, None, None)),
            most + 1,
        )
        first, before = await _before(where, values, after, most)
        legs = await db.connection().fetch(
            "SELECT entry, account, debit_minor, credit_minor FROM posting WHERE brand_id = $1 AND entry = ANY ($2) ORDER BY entry, leg",
            brand_id,
            [row["code"] for row in entries[:most]],
        )
    shown = [_entry(row, legs) for row in entries[:most]]
    last = entries[most - 1] if len(entries) > most else None
    return Page(
        entries=shown,
        totals=totals,
        first=first,
        after=(last["period"], last["document"], last["position"]) if last is not None else None,
        before=before,
    )


async def totals(*, brand_id: uuid.UUID, chosen: Chosen) -> Totals:
    where, values = condition(chosen)
    async with db.atomic(brand_id):
        return await _totals(where, values)


async def _totals(where: str, values: list[object]) -> Totals:
    on = _on("p")
    row = await db.connection().fetchrow(
        f"""SELECT count(DISTINCT e.code) AS entries, count(*) AS legs, coalesce(sum(p.debit_minor), 0)::text AS debit, coalesce(sum(p.credit_minor), 0)::text AS credit,
                   coalesce(sum(p.debit_minor) FILTER (WHERE {on}), 0)::text AS account_debit, coalesce(sum(p.credit_minor) FILTER (WHERE {on}), 0)::text AS account_credit
            FROM journal_entry e JOIN posting p ON p.brand_id = e.brand_id AND p.entry = e.code WHERE {where}""",
        *values,
    )
    return Totals(
        entries=row["entries"],
        legs=row["legs"],
        debit_minor=int(row["debit"]),
        credit_minor=int(row["credit"]),
        account_debit_minor=int(row["account_debit"]),
        account_credit_minor=int(row["account_credit"]),
    )


async def _before(
    where: str, values: list[object], after: Position | None, most: int
) -> tuple[int, Position | Literal["start"] | None]:
    """The number of the page's first entry, and where the page before it begins."""
    if after is None:
        return 1, None
    passed = await db.connection().fetchval(
        f"SELECT count(*) FROM journal_entry e WHERE {where} AND (e.period, e.document, e.position) <= ($6, $7, $8)",
        *values,
        *after,
    )
    if passed <= most:
        return passed + 1, "start"
    row = await db.connection().fetchrow(
        f"SELECT e.period, e.document, e.position FROM journal_entry e WHERE {where} AND (e.period, e.document, e.position) <= ($6, $7, $8)"
        " ORDER BY e.period DESC, e.document DESC, e.position DESC OFFSET $9 LIMIT 1",
        *values,
        *after,
        most,
    )
    return passed + 1, (row["period"], row["document"], row["position"])


def _entry(row: asyncpg.Record, legs: list[asyncpg.Record]) -> Entry:
    return Entry(
        **dict(row),
        legs=[
            Leg(account=leg["account"], debit_minor=leg["debit_minor"], credit_minor=leg["credit_minor"])
            for leg in legs
            if leg["entry"] == row["code"]
        ],
    )


BALANCES = """
    SELECT b.account, greatest(b.opening, 0) AS opening_debit, greatest(-b.opening, 0) AS opening_credit, b.debit, b.credit,
           greatest(b.opening + b.debit - b.credit, 0) AS closing_debit, greatest(-(b.opening + b.debit - b.credit), 0) AS closing_credit
    FROM (SELECT p.account, coalesce(sum(p.debit_minor::numeric - p.credit_minor) FILTER (WHERE e.period < $1), 0) AS opening,
                 coalesce(sum(p.debit_minor) FILTER (WHERE e.period >= $1), 0) AS debit, coalesce(sum(p.credit_minor) FILTER (WHERE e.period >= $1), 0) AS credit
          FROM posting p JOIN journal_entry e ON e.brand_id = p.brand_id AND e.code = p.entry
          WHERE e.period <= $2 AND starts_with(p.account, $3) GROUP BY p.account) b"""
"""Of each account that has entries up to $2 and begins with $3: what stood before $1, what moved since, what stands."""
SIDES = ("opening_debit", "opening_credit", "debit", "credit", "closing_debit", "closing_credit")
SUMS = ", ".join(f"sum({side})::text AS {side}" for side in SIDES)


async def trial_balance(*, brand_id: uuid.UUID, start: dt.date, end: dt.date) -> list[Balance]:
    """Account by account, those of the resellers as one line. start, end: first days of the first and the last period."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT CASE WHEN starts_with(account, $4) THEN $4 ELSE account END AS account, count(*) AS accounts, {SUMS}"
            f" FROM ({BALANCES}) b GROUP BY 1 ORDER BY 1",
            start,
            end,
            "",
            RESELLERS,
        )
    return [_balance(row) for row in rows]


async def reseller_balances(
    *, brand_id: uuid.UUID, start: dt.date, end: dt.date, after: str = "", most: int = ACCOUNTS
) -> tuple[list[Balance], Balance | None, int]:
    """The accounts of resellers in the order of their codes, the sum of all of them, and how many come before these."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT account, 1 AS accounts, {', '.join(f'{side}::text' for side in SIDES)} FROM ({BALANCES}) b WHERE account > $4 ORDER BY account LIMIT $5",
            start,
            end,
            RESELLERS,
            after,
            most,
        )
        whole = await db.connection().fetchrow(
            f"SELECT $3::text AS account, count(*) AS accounts, {SUMS}, count(*) FILTER (WHERE account <= $4) AS passed FROM ({BALANCES}) b",
            start,
            end,
            RESELLERS,
            after,
        )
    return [_balance(row) for row in rows], _balance(whole) if whole["accounts"] else None, whole["passed"]


async def accounts(*, brand_id: uuid.UUID, end: dt.date) -> int:
    """How many have entries up to the end of that period."""
    async with db.atomic(brand_id):
        found: int = await db.connection().fetchval(f"SELECT count(*) FROM ({BALANCES}) b", end, end, "")
    return found


def summed(balances: list[Balance]) -> Balance:
    """The last line of a trial balance: on it debits are credits, three times over."""
    return Balance(
        account="",
        accounts=sum(each.accounts for each in balances),
        **{f"{side}_minor": sum(getattr(each, f"{side}_minor") for each in balances) for side in SIDES},
    )


def _balance(row: asyncpg.Record) -> Balance:
    return Balance(account=row["account"], accounts=row["accounts"], **{f"{side}_minor": int(row[side]) for side in SIDES})
