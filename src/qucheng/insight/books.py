"""Whether a brand's books agree with themselves: the invariants of books.sql, and what was found when they were last checked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    from qucheng.core.task import Work
    from qucheng.identity.brand import Brand

SQL = Path(__file__).with_name("books.sql")
# all invariants look at one moment, or an issue that commits between two of them would seem a difference
ISOLATION = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
MOST_KEPT = 100
"""Differences of each invariant that are told one by one; of the rest the number."""

WORDS = {
    "statement.entries": "a sum of a statement is not that of its entries",
    "statement.empty": "a statement has nothing on it",
    "statement.sums": "a statement does not add up",
    "statement.opening": "a statement does not open with what the one before carried",
    "statement.missing": "what a statement carried has not come up again",
    "statement.number": "statements are not numbered by reseller from 1 without gaps",
    "statement.code": "a statement's number is not made of its brand, month and place",
    "journal.entry": "the journal and the statements disagree about an entry",
    "journal.posting": "the journal and the statements disagree about a posting",
    "journal.balanced": "a journal entry does not balance",
    "journal.trial": "the trial balance is not zero",
    "ledger.liability": "what a reseller is owed is not what its last statement carried",
    "entry.unknown": "a statement holds what is no entry of its reseller",
    "entry.twice": "an entry is on more than one statement",
    "entry.lost": "an entry that was due is on no statement",
    "entry.early": "an entry is on a statement of a month that ended before it matured",
    "entry.time": "an entry does not stand at its time",
    "clock.start": "the clock of a line runs without its event, or stands still after it",
    "clock.time": "a line does not mature when its clock says",
    "line.negative": "refunds took back more than the line had earned",
    "line.refunded": "a line that came back in full still earns",
    "line.cap": "a line earns more than the cap allows",
    "refund.exceeds_line": "refunds take more than the line",
    "accrual.reseller": "somebody earns on a line who may not",
    "accrual.amount": "an accrual is not its basis times its rate",
    "accrual.capped": "the accruals of a capped line are not the cap",
    "reversal.reseller": "a reversal is not under the reseller and rule of its accrual",
    "rows.read": "the rows of a file do not add up",
    "rows.rejected": "rejected rows are not written down one by one",
    "rows.stored": "imported rows are not there",
    "bonus.amount": "a bonus is not what its volume earns",
    "payee.tax": "more was withheld from a payee than it was paid",
    "document.missing": "an issued statement has no frozen document",
    "document.sha256": "a frozen document was changed",
    "document.figures": "a frozen document does not say what the statement says",
    "run.statements": "a settlement run has not issued what it computed",
    "stock.level": "the counts of a pool are not what its cards say",
}


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as it must be. Amounts are in major units, documents' in minor ones."""

    invariant: str
    subject: str
    expected: str
    found: str

    @property
    def sentence(self) -> str:
        return f"{WORDS[self.invariant]}: {self.subject}: expected {self.expected}, found {self.found}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """total: how many differences there are; the first of each invariant are told."""

    brand: str
    checked_at: dt.datetime
    statements: int
    entries: int
    postings: int
    total: int
    differences: list[Difference]


async def check(*, brand: Brand, now: dt.datetime) -> Report:
    """Holds the brand's books against every invariant, all at one moment. Writes nothing."""
    preparation, *invariants = db.sections(SQL.read_text(encoding="utf-8"))
    found: list[Difference] = []
    total = 0
    # without the brand at first: its setting is a query, and the isolation level can only be chosen before any
    async with db.atomic():
        connection = db.connection()
        await connection.execute(ISOLATION)
        await connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brand.id))
        await db.add_exact_functions()
        await connection.execute(preparation)
        for invariant in invariants:
            rows = await connection.fetch(
                f"SELECT *, count(*) OVER () AS total FROM ({invariant.rstrip().rstrip(';')}) d"
                f' ORDER BY invariant, subject COLLATE "C" LIMIT {MOST_KEPT}'
            )
            total += rows[0]["total"] if rows else 0
            found += [Difference(row["invariant"], row["subject"], row["expected"], row["found"]) for row in rows]
        counts = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM statement) AS statements, (SELECT coalesce(sum(entries), 0)::bigint FROM entry_sum) AS entries,"
            " (SELECT count(*) FROM posting) AS postings"
        )
    return Report(brand=brand.code, checked_at=now, total=total, differences=found, **dict(counts))


async def record(*, brand: Brand, report: Report) -> int:
    """Writes down what a check found, and returns its number. Two at once wait for each other."""
    async with db.atomic(brand.id):
        connection = db.connection()
        await connection.execute("SELECT lock_brand($1, 'books')", brand.id)
        number: int = await connection.fetchval(
            "INSERT INTO books_check (brand_id, number, checked_at, differences, findings)"
            " SELECT current_brand(), coalesce(max(number), 0) + 1, $1, $2, $3 FROM books_check RETURNING number",
            report.checked_at,
            report.total,
            msgspec.json.encode(report.differences[:MOST_KEPT]).decode(),
        )
    return number


async def check_all(*, work: Work, now: dt.datetime) -> None:
    """The nightly check: one brand after the other, each written down before the next begins."""
    every = await brands.every()
    for done, (brand_id, _) in enumerate(every, start=1):
        brand = await brands.read(brand_id)
        report = await check(brand=brand, now=now)
        async with work.effect(brand_id):
            await record(brand=brand, report=report)
        await work.progress(done, len(every))
    async with work.finishing():
        pass
