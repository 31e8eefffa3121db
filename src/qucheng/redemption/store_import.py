"""Stores from a file: all of its rows or none. A code that is there changes that store, another one opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, db, errors, sheets
from qucheng.redemption import store_edit

if TYPE_CHECKING:
    import datetime as dt
    import uuid

MOST = 5_000
COLUMNS = {"code": ("编码",), "name": ("名称",), "name_en": ("英文名称",), "area": ("区域",), "address": ("地址",)}
NEEDED = ("code", "name")
# what the file has no column for stays as it is
TAKEN = """
    INSERT INTO store AS s (brand_id, code, name, name_en, area, address, opened_at)
    SELECT current_brand(), f.code, f.name, f.name_en, f.area, f.address, $6
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) f (code, name, name_en, area, address)
    ON CONFLICT (brand_id, code) DO UPDATE SET name = excluded.name,
        name_en = CASE WHEN 'name_en' = ANY ($7::text[]) THEN excluded.name_en ELSE s.name_en END,
        area = CASE WHEN 'area' = ANY ($7::text[]) THEN excluded.area ELSE s.area END,
        address = CASE WHEN 'address' = ANY ($7::text[]) THEN excluded.address ELSE s.address END
    WHERE s.name <> excluded.name OR ('name_en' = ANY ($7::text[]) AND s.name_en IS DISTINCT FROM excluded.name_en)
        OR ('area' = ANY ($7::text[]) AND s.area IS DISTINCT FROM excluded.area)
        OR ('address' = ANY ($7::text[]) AND s.address IS DISTINCT FROM excluded.address)
    RETURNING s.code"""


class StoreRowsError(errors.RefusedError):
    """rows: by its number in the file, what of each cannot be so. None where there are no rows, or too many."""

    code: ClassVar[str] = "store.rows"
    status: ClassVar[int] = 422

    def __init__(self, rows: dict[int, tuple[str, ...]]) -> None:
        super().__init__(f"Rows that cannot be so: {', '.join(map(str, rows)) or 'there are none, or too many'}.")
        self.rows = rows


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    opened: int
    changed: int
    same: int


async def take_in(*, brand_id: uuid.UUID, content: bytes, actor: audit.Actor, now: dt.datetime) -> Taken:
    """Raises StoreRowsError, and what sheets.read() raises."""
    sheet = await sheets.read(content, names=COLUMNS, needed=NEEDED)
    if not 1 <= len(sheet.lines) <= MOST:
        raise StoreRowsError({})
    rows = [{name: line.values.get(name, "").strip() or None for name in COLUMNS} for line in sheet.lines]
    wrong = _wrong([line.number for line in sheet.lines], rows)
    if wrong:
        raise StoreRowsError(wrong)
    codes = [row["code"] for row in rows]
    async with db.atomic(brand_id):
        connection = db.connection()
        known = {row["code"] for row in await connection.fetch("SELECT code FROM store WHERE code = ANY ($1)", codes)}
        columns = [[row[name] for row in rows] for name in COLUMNS]
        found = {row["code"] for row in await connection.fetch(TAKEN, *columns, now, list(sheet.names))}
        opened, changed = sorted(found - known), sorted(found & known)
        if found:
            after = {"opened": opened, "changed": changed}
            await audit.record(brand_id=brand_id, actor=actor, action="store.import", subject=str(len(found)), after=after)
    return Taken(opened=len(opened), changed=len(changed), same=len(rows) - len(found))


def _wrong(numbers: list[int], rows: list[dict[str, str | None]]) -> dict[int, tuple[str, ...]]:
    """A code that stands there before is one that cannot be."""
    found: dict[int, tuple[str, ...]] = {}
    met: set[str] = set()
    for number, row in zip(numbers, rows, strict=True):
        code = row["code"] or ""
        facts = store_edit.Facts(name=row["name"] or "", name_en=row["name_en"], area=row["area"], address=row["address"])
        wrong = store_edit.unfit(facts)
        if store_edit.CODE.fullmatch(code) is None or code in store_edit.RESERVED or code in met:
            wrong = ("code", *wrong)
        if wrong:
            found[number] = wrong
        met.add(code)
    return found
