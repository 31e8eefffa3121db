"""Answers of terminals as a file: all that fit, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import cells, db, exports, telling
from qucheng.redemption import redemption_listing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

KIND = "redemption.export"
NAMES = ("at", "result", "way", "card", "sku", "sku_name", "store", "store_name", "terminal_name", "terminal", "id")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is to hold, as an export keeps it."""

    form: cells.Form
    chosen: redemption_listing.Chosen


def parameters(wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(wanted)
    return found


async def write(*, brand: Brand, wanted: Wanted, out: Path, done: Callable[[int], None] | None = None) -> None:
    """done: told of rows, of a workbook."""
    text = cells.sql_inert if wanted.form == "csv" else str
    typed = {name: text(name) for name in ("sku", "sku_name", "store", "store_name", "terminal_name")}
    own = {"at": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", "card": "batch || '-' || number"}
    columns = ", ".join(f"{({**typed, **own}).get(name, name)}::text AS {name}" for name in NAMES)
    rows = f"SELECT {redemption_listing.COLUMNS} {redemption_listing.FOUND}"
    found = f"SELECT {columns} FROM ({rows}) q ORDER BY q.at DESC, q.id DESC"
    values = redemption_listing.values_of(brand, wanted.chosen)
    async with db.atomic(brand.id):
        if wanted.form == "csv":
            await cells.write_csv(found, *values, out=out)
            return
        book = cells.Book(out, title="redemptions", names=NAMES)
        try:
            await cells.write_book(found, *values, book=book, done=done)
        finally:
            book.close()


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    wanted = msgspec.convert(asked.parameters, Wanted)
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=wanted, out=out, done=rows.more)
