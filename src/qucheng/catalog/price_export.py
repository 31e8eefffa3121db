"""The cells of a price version as a file, row by row in the form in which they are taken in again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.catalog import price_records, price_rows
from qucheng.core import cells, exports, money, sheets, telling

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

KIND = "prices.export"
NAMES = ("sku", "name", "channel", "tier", "price", "starts_on", "ends_on")
PRICE = frozenset({NAMES.index("price")})
NOT_SOLD = "-"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is to hold, as an export keeps it."""

    form: cells.Form
    version: int
    chosen: price_records.Filter


def parameters(wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(wanted)
    found["chosen"] = {name: value for name, value in found["chosen"].items() if value}
    return found


async def rows(*, brand: Brand, wanted: Wanted, now: dt.datetime) -> list[tuple[str | None, ...]]:
    return [
        (
            row.sku,
            row.name,
            row.channel,
            row.tier,
            NOT_SOLD if row.price_minor is None else money.format_plain(row.price_minor, brand.decimals),
            row.starts_on.isoformat(),
            row.ends_on.isoformat() if row.ends_on else None,
        )
        async for row in price_rows.export_rows(brand=brand, version=wanted.version, chosen=wanted.chosen, now=now)
    ]


async def write(*, brand: Brand, wanted: Wanted, found: list[tuple[str | None, ...]], out: Path) -> None:
    await sheets.write(out, wanted.form, title="prices", names=NAMES, rows=found, figures=PRICE, decimals=brand.decimals)


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    wanted = msgspec.convert(asked.parameters, Wanted)
    told = telling.Rows(asked.rows)
    async with telling.telling(work, told.how_far), exports.written(work=work, folder=folder, now=now) as out:
        found = await rows(brand=brand, wanted=wanted, now=now)
        await write(brand=brand, wanted=wanted, found=found, out=out)
        told.more(len(found))
