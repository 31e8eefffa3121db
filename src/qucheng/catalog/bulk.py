"""The same change to many SKUs: one statement over all of them, and a record for each that was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from qucheng.catalog import rules, sku, writing
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

Deed = Literal["tag_add", "tag_remove", "category", "sale_on", "sale_off"]
DEEDS: tuple[Deed, ...] = ("tag_add", "tag_remove", "category", "sale_on", "sale_off")
# the rows first, in the order of their codes: two that change the same ones wait for each other, and neither for ever
LOCK = "SELECT count(*) FROM (SELECT 1 FROM sku WHERE code = ANY ($1) ORDER BY code FOR UPDATE) held"
COLUMN = """
    WITH held AS (SELECT code, {column} AS value FROM sku WHERE code = ANY ($1) AND {column} IS DISTINCT FROM $2)
    UPDATE sku s SET {column} = $2{more} FROM held h WHERE s.brand_id = current_brand() AND s.code = h.code
    RETURNING s.code, to_jsonb(h.value) #>> '{{}}' AS before"""
TAGGED = """
    INSERT INTO sku_tag (brand_id, sku, tag) SELECT current_brand(), code, $2 FROM sku WHERE code = ANY ($1)
    ON CONFLICT DO NOTHING RETURNING sku AS code"""
UNTAGGED = "DELETE FROM sku_tag WHERE sku = ANY ($1) AND tag = $2 RETURNING sku AS code"
# a tag is said of the SKU: who saw it without has seen another one
TOUCH = "UPDATE sku SET name = name WHERE code = ANY ($1)"


class BulkUnfitError(errors.RefusedError):
    """field: what is wrong of what was sent: skus, tag or category."""

    code: ClassVar[str] = "bulk.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str) -> None:
        super().__init__(f"This can't be done to many SKUs: {field}.")
        self.field = field


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """chosen: those of the codes that there are; changed: those for which it was new."""

    chosen: int
    changed: int


async def change(
    *, brand_id: uuid.UUID, codes: Sequence[str], deed: Deed, value: str, actor: audit.Actor, now: dt.datetime
) -> Changed:
    """value: the tag or the category. Raises BulkUnfitError."""
    value = value.strip()
    wanted = sorted({code for code in codes if rules.CODE.fullmatch(code)})
    if not 1 <= len(wanted) <= sku.MOST_AT_ONCE:
        raise BulkUnfitError("skus")
    if deed in ("tag_add", "tag_remove") and not rules.is_tag(value):
        raise BulkUnfitError("tag")
    if deed == "category" and not (1 <= len(value) <= rules.LONGEST_NAME and value.isprintable()):
        raise BulkUnfitError("category")
    async with db.atomic(brand_id):
        chosen: int = await db.connection().fetchval(LOCK, wanted)
        changes = await (_tags(wanted, deed, value) if deed.startswith("tag") else _column(wanted, deed, value, now))
        await writing.record("sku.change", changes, actor=actor)
    return Changed(chosen=chosen, changed=len(changes))


async def _column(codes: list[str], deed: Deed, value: str, now: dt.datetime) -> list[writing.Change]:
    name = "category" if deed == "category" else "on_sale"
    wanted: Any = value if deed == "category" else deed == "sale_on"
    query = COLUMN.format(column=name, more="" if deed == "category" else ", sale_changed_at = $3")
    rows = await db.connection().fetch(query, codes, wanted, *(() if deed == "category" else (now,)))
    return [
        writing.Change(
            code=row["code"],
            columns={},
            before={name: row["before"] if deed == "category" else row["before"] == "true"},
            after={name: wanted},
        )
        for row in rows
    ]


async def _tags(codes: list[str], deed: Deed, tag: str) -> list[writing.Change]:
    if deed == "tag_add":
        await db.connection().execute(writing.NEW_TAGS, [tag])
    rows = await db.connection().fetch(TAGGED if deed == "tag_add" else UNTAGGED, codes, tag)
    await db.connection().execute(TOUCH, [row["code"] for row in rows])
    after = {"tag_added": tag} if deed == "tag_add" else {"tag_removed": tag}
    return [writing.Change(code=row["code"], columns={}, after=after) for row in rows]
