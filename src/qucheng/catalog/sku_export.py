"""The catalogue as a file: the SKUs that were chosen, in the columns in which they can be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.catalog import queries, sku_sheet
from qucheng.core import cells, db, exports, sheets

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

KIND = "catalog.export"
ROWS = f"{queries.WHOLE} WHERE {queries.CHOSEN} ORDER BY s.code"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    form: cells.Form
    chosen: queries.Chosen


def parameters(wanted: Wanted) -> dict[str, Any]:
    """Without what was not chosen."""
    chosen = {name: value for name, value in msgspec.to_builtins(wanted.chosen).items() if value is not None}
    return {"form": wanted.form, "chosen": chosen}


async def write(*, brand: Brand, wanted: Wanted, out: Path) -> None:
    values = [getattr(wanted.chosen, name) for name in ("kind", "category", "tag", "on_sale", "text")]
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(ROWS, *values)
    await sheets.write(
        out,
        wanted.form,
        title="products",
        names=list(sku_sheet.NAMES),
        rows=[sku_sheet.cells_of(queries.read(row), brand.decimals) for row in rows],
        figures=sku_sheet.FIGURES,
        decimals=brand.decimals,
    )


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    async with exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=msgspec.convert(asked.parameters, Wanted), out=out)
