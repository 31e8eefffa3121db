"""The analytics table as a file: every row of what was chosen, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import cells, db, exports, telling
from qucheng.insight import analytics

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

KIND = "analytics.export"
AMOUNTS = ("net", "before", "gross", "discount", "own", "refunded", "commission")
SHARES = ("change", "refund", "commission", "discount", "own")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is to hold, as an export keeps it."""

    form: cells.Form
    chosen: analytics.Wanted


def parameters(wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(wanted)
    return found


async def write(*, brand: Brand, wanted: Wanted, out: Path, done: Callable[[int], None] | None = None) -> None:
    """done: told of rows, of a workbook."""
    text = cells.sql_inert if wanted.form == "csv" else str
    amounts = [f"{cells.sql_money(f'{name}_minor', brand.decimals)} AS {name}" for name in AMOUNTS]
    # parts per million as percent, plain and exact
    shares = [f"{name}_ppm * 0.0001 AS {name}_percent" for name in SHARES]
    columns = [f"{text('code')} AS code", f"{text('name')} AS name", "units", *amounts, *shares]
    names = ("code", "name", "units", *AMOUNTS, *(f"{name}_percent" for name in SHARES))
    found = f"SELECT {', '.join(columns)} FROM ({analytics.query(wanted.chosen)}) q WHERE code IS NOT NULL ORDER BY place"
    values = analytics.values(brand, wanted.chosen)
    async with db.atomic(brand.id):
        if wanted.form == "csv":
            await cells.write_csv(found, *values, out=out)
            return
        figures = frozenset(range(3, 3 + len(AMOUNTS)))
        book = cells.Book(out, title="analytics", names=names, figures=figures, decimals=brand.decimals)
        try:
            as_text = f"SELECT {', '.join(f'{name}::text' for name in names)} FROM ({found}) q"
            await cells.write_book(as_text, *values, book=book, done=done)
        finally:
            book.close()


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    wanted = msgspec.convert(asked.parameters, Wanted)
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=wanted, out=out, done=rows.more)
