"""The journal and the trial balance as files: the legs or accounts that were chosen, every one of them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import cells, db, exports, telling
from qucheng.ledger import queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

JOURNAL, TRIAL_BALANCE = "journal.export", "trial_balance.export"
JOURNAL_COLUMNS = ("entry", "period", "statement_no", "account", "debit", "credit")
MONTH = "to_char({}, 'YYYY-MM')"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is to hold, as an export keeps it. start and end bound a trial balance."""

    form: cells.Form
    chosen: queries.Chosen | None = None
    start: dt.date | None = None
    end: dt.date | None = None


def parameters(wanted: Wanted) -> dict[str, Any]:
    """Without what was not chosen."""
    found: dict[str, Any] = msgspec.to_builtins(wanted)
    if wanted.chosen is not None:
        found["chosen"] = {name: value for name, value in found["chosen"].items() if value is not None}
    return {name: value for name, value in found.items() if value is not None}


async def write(*, brand: Brand, wanted: Wanted, out: Path, done: Callable[[int], None] | None = None) -> None:
    """done: told of rows, of a workbook."""
    # a workbook says of each cell that it is text; a CSV has no other way than a sign before it
    text = cells.sql_inert if wanted.form == "csv" else str
    query, values, title, names = (
        _balances(brand, wanted, text) if wanted.chosen is None else _journal(brand, wanted.chosen, text)
    )
    async with db.atomic(brand.id):
        if wanted.form == "csv":
            await cells.write_csv(query, *values, out=out)
            return
        figures = frozenset(place for place, name in enumerate(names) if name not in {*JOURNAL_COLUMNS[:4], "account"})
        book = cells.Book(out, title=title, names=names, figures=figures, decimals=brand.decimals)
        try:
            await cells.write_book(_as_text(query, names), *values, book=book, done=done)
        finally:
            book.close()


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    wanted = msgspec.convert(asked.parameters, Wanted)
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=wanted, out=out, done=rows.more)


def _journal(brand: Brand, chosen: queries.Chosen, text: Callable[[str], str]) -> tuple[str, list[object], str, tuple[str, ...]]:
    where, values = queries.condition(chosen)
    return (
        f"""SELECT {text("e.code")} AS entry, {MONTH.format("e.period")} AS period, {text("e.document")} AS statement_no, {text("p.account")} AS account,
                   {cells.sql_money("p.debit_minor", brand.decimals)} AS debit, {cells.sql_money("p.credit_minor", brand.decimals)} AS credit
            FROM journal_entry e JOIN posting p ON p.brand_id = e.brand_id AND p.entry = e.code
            WHERE {where} ORDER BY e.period, e.document, e.position, p.leg""",
        values,
        "journal",
        JOURNAL_COLUMNS,
    )


def _balances(brand: Brand, wanted: Wanted, text: Callable[[str], str]) -> tuple[str, list[object], str, tuple[str, ...]]:
    sides = ", ".join(f"{cells.sql_money(side, brand.decimals)} AS {side}" for side in queries.SIDES)
    return (
        f"SELECT {text('account')} AS account, {sides} FROM ({queries.BALANCES}) b ORDER BY b.account",
        [wanted.start, wanted.end, ""],
        "trial balance",
        ("account", *queries.SIDES),
    )


def _as_text(query: str, names: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(f'{name}::text' for name in names)} FROM ({query}) q"
