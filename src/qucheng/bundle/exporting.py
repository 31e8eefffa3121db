"""A brand's books written as a bundle: what was accepted, as the files of one delivery. The same books are the same bytes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, ClassVar

import tomli_w

from qucheng.bundle import books, brand_file, files
from qucheng.bundle.files import Kind
from qucheng.catalog import price_bundle
from qucheng.commission import plan
from qucheng.core import db, errors

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.bundle.files import Column, File
    from qucheng.bundle.progress import Progress
    from qucheng.identity.brand import Brand

BRAND_FILE = "brand.toml"
# First line of an exported brand.toml: an export takes the place of an earlier one, never of what a person wrote.
MARK = "# The books of brand {}, as qucheng exported them.\n"
UNFINISHED = re.compile(r"\.[a-z]+\.(?:csv|toml)\.[0-9]+")
# What has no number of its own stands in the order of its keys.
ORDER = dict.fromkeys(("orders", "refunds", "fulfilments", "adjustments"), "intake, source_row")
# left out where all of it would be as if it were not there
SPARED = {
    "skus": ("hold_from", "SELECT bool_and(hold_from = 'paid') FROM sku"),
    "fulfilments": (None, "SELECT NOT EXISTS (SELECT 1 FROM fulfilment)"),
}
# A bundle says of a product what it is now; a line keeps what it was when that was sold. Costs count where a rule asks for them.
OTHERWISE = """
    SELECT count(*) FROM order_line l JOIN sku k ON k.brand_id = l.brand_id AND k.code = l.sku
    WHERE l.brand_id = current_brand() AND (l.hold_from <> k.hold_from OR l.category <> k.category
        OR (l.cost_minor <> k.cost_minor AND EXISTS (SELECT 1 FROM rule r WHERE r.basis = 'margin')))"""
INSTANT = """to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS') || rtrim(to_char({0}, '.US'), '.0')"""


class FolderTakenError(errors.RefusedError):
    """The folder holds something else than an earlier export of the brand."""

    code: ClassVar[str] = "export.folder_taken"
    status: ClassVar[int] = 409


async def write(*, brand: Brand, out: Path, progress: Progress) -> int:
    """Writes the bundle; until all of its files are whole the folder stays as it was. An import waits until it is done.

    Returns of how many order lines the product was changed since they were sold: from the bundle they settle otherwise.
    """
    _require_free(brand, out)
    out.mkdir(parents=True, exist_ok=True)
    fresh: dict[str, Path] = {}
    try:
        with progress.stage("export", total=len(files.FILES), unit="files") as done:
            async with db.atomic(brand.id):
                await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
                for file in files.FILES:
                    columns = await _columns(file)
                    if columns:
                        query = _query(file, columns, brand.decimals, await _source(file))
                        path = fresh.setdefault(file.file_name, _unfinished(out, file.file_name))
                        await db.connection().copy_from_query(query, output=path, format="csv", header=True)
                    done(1)
                otherwise: int = await db.connection().fetchval(OTHERWISE)
        tables = MARK.format(brand.code) + "\n" + tomli_w.dumps(brand_file.settings(brand))
        fresh[BRAND_FILE] = _unfinished(out, BRAND_FILE)
        fresh[BRAND_FILE].write_text(tables, encoding="utf-8", newline="\n")
        # a folder without brand.toml is no bundle: old files and new ones are never taken for one
        (out / BRAND_FILE).unlink(missing_ok=True)
        for name, path in fresh.items():
            path.replace(out / name)
    finally:
        for path in fresh.values():
            path.unlink(missing_ok=True)
    return otherwise


def _unfinished(out: Path, name: str) -> Path:
    return out / f".{name}.{os.getpid()}"


async def _columns(file: File) -> tuple[Column, ...]:
    """Those that say something; none where the file says nothing."""
    name, nothing = SPARED.get(file.name, ("", ""))
    if nothing and await db.connection().fetchval(nothing) is not False:
        return tuple(column for column in file.columns if name and column.name != name)
    return file.columns


def _require_free(brand: Brand, out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderTakenError(f"{out} is not a folder: name another one.")
    found = {path.name for path in out.iterdir() if not UNFINISHED.fullmatch(path.name)}
    others = sorted(found - {BRAND_FILE, *(file.file_name for file in files.FILES)})
    if others or (found and not _is_export(brand, out / BRAND_FILE)):
        raise FolderTakenError(
            f"{out} holds {', '.join(others[:5]) or 'files'}, and not an earlier export of {brand.code}: name an empty or a new folder."
        )


def _is_export(brand: Brand, path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", newline="\n") as text:
            return text.readline(len(MARK) + len(brand.code)) == MARK.format(brand.code)
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        return False


async def _source(file: File) -> str:
    if file.name == "rules":
        return plan.SOURCE
    return await price_bundle.source() if file.name == "prices" else file.table


def _query(file: File, shown: tuple[Column, ...], decimals: int, source: str) -> str:
    columns = ", ".join(f'{_text(column, decimals)} AS "{column.name}"' for column in shown)
    order = ORDER.get(file.name) or ", ".join(f"t.{field} NULLS FIRST" for field in file.key)
    return f"SELECT {columns} FROM {source} t WHERE brand_id = current_brand() ORDER BY {order}"


def _text(column: Column, decimals: int) -> str:
    """The stored value in the form in which bundle/values.py reads it."""
    stored = f"t.{column.field}"
    if column.kind in (Kind.MONEY, Kind.SIGNED_MONEY):
        return books.money(stored, decimals)
    if column.kind is Kind.DATE:
        return f"to_char({stored}, 'YYYY-MM-DD')"
    return _instant(stored) if column.kind is Kind.INSTANT else stored


def _instant(stored: str) -> str:
    """In UTC; the hours at either end that are outside 1900 to 2199 there, at an offset at which they are inside."""
    shown = [
        f"{INSTANT.format(f'({stored} AT TIME ZONE {zone})')} || '{offset}'"
        for zone, offset in (("'UTC'", "Z"), ("interval '14 hours'", "+14:00"), ("interval '-14 hours'", "-14:00"))
    ]
    return (
        f"CASE WHEN {stored} < '1900-01-01Z' THEN {shown[1]} WHEN {stored} >= '2200-01-01Z' THEN {shown[2]} ELSE {shown[0]} END"
    )
