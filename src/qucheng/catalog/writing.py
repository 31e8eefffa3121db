"""SKUs written, any number of them in a few statements, each with its record on the trail.

Who calls has looked at what is written and holds the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.catalog.rules import Part
from qucheng.core import db, ids

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from qucheng.core import audit

COLUMNS = (
    "name",
    "category",
    "list_price_minor",
    "kind",
    "face_value_minor",
    "valid_days",
    "valid_until",
    "rules_zh",
    "rules_en",
    "hold_from",
    "on_sale",
)
_SET = (*COLUMNS, "sale_changed_at")
ADD = f"""
    INSERT INTO sku (brand_id, code, cost_minor, {", ".join(COLUMNS)})
    SELECT current_brand(), r.code, r.cost_minor, {", ".join(f"r.{name}" for name in COLUMNS)}
    FROM jsonb_populate_recordset(NULL::sku, $1::jsonb) r ON CONFLICT DO NOTHING RETURNING code"""
# what is not named keeps its value: the row itself is what the names are laid over
CHANGE = f"""
    UPDATE sku s SET ({", ".join(_SET)}) = (SELECT {", ".join(f"n.{name}" for name in _SET)} FROM jsonb_populate_record(s, g.columns) n)
    FROM jsonb_to_recordset($1::jsonb) AS g (code text, columns jsonb) WHERE s.brand_id = current_brand() AND s.code = g.code
    RETURNING s.code, s.revision"""
NEW_TAGS = """
    INSERT INTO tag (brand_id, name) SELECT DISTINCT current_brand(), name FROM unnest($1::text[]) AS t (name) ORDER BY 2 ON CONFLICT DO NOTHING"""
TAG = "INSERT INTO sku_tag (brand_id, sku, tag) SELECT current_brand(), sku, tag FROM unnest($1::text[], $2::text[]) AS t (sku, tag) ON CONFLICT DO NOTHING"
PARTS = """
    INSERT INTO sku_part (brand_id, package, part, quantity, share_ppm)
    SELECT current_brand(), package, part, quantity, share_ppm
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[]) AS p (package, part, quantity, share_ppm)"""
RECORD = """
    INSERT INTO audit_record (brand_id, id, user_id, role, action, subject, before, after, network, request_id)
    SELECT current_brand(), c.id, $1, $2, c.action, c.subject, c.before, c.after, $3, $4
    FROM unnest($5::uuid[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[]) AS c (id, action, subject, before, after)"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Of a SKU. columns: what they are now; tags, parts: all it has now, None where they stay. before, after: for the trail."""

    code: str
    columns: dict[str, Any]
    tags: tuple[str, ...] | None = None
    parts: tuple[Part, ...] | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any]


async def add(changes: Sequence[Change]) -> set[str]:
    """Returns the codes that were free and are now taken. columns: all of them, and cost_minor."""
    rows = [{"code": change.code, **change.columns} for change in changes]
    made = {row["code"] for row in await db.connection().fetch(ADD, msgspec.json.encode(rows).decode())}
    await _add_tags([change for change in changes if change.code in made])
    await _add_parts([change for change in changes if change.code in made])
    return made


async def change(changes: Sequence[Change], *, now: dt.datetime) -> dict[str, int]:
    """Returns the revisions that the SKUs have now."""
    rows = [
        {"code": each.code, "columns": each.columns | ({"sale_changed_at": now} if "on_sale" in each.columns else {})}
        for each in changes
    ]
    revisions = {row["code"]: row["revision"] for row in await db.connection().fetch(CHANGE, msgspec.json.encode(rows).decode())}
    tagged = [each for each in changes if each.tags is not None]
    await db.connection().execute("DELETE FROM sku_tag WHERE sku = ANY ($1)", [each.code for each in tagged])
    await _add_tags(tagged)
    packed = [each for each in changes if each.parts is not None]
    await db.connection().execute("DELETE FROM sku_part WHERE package = ANY ($1)", [each.code for each in packed])
    await _add_parts(packed)
    return revisions


async def _add_tags(changes: Sequence[Change]) -> None:
    pairs = [(each.code, tag) for each in changes for tag in each.tags or ()]
    if pairs:
        skus, tags = zip(*pairs, strict=True)
        await db.connection().execute(NEW_TAGS, tags)
        await db.connection().execute(TAG, skus, tags)


async def _add_parts(changes: Sequence[Change]) -> None:
    rows = [(each.code, part.sku, part.quantity, part.share_ppm) for each in changes for part in each.parts or ()]
    if rows:
        await db.connection().execute(PARTS, *zip(*rows, strict=True))


async def record(action: str, changes: Sequence[Change], *, actor: audit.Actor) -> None:
    """One on the trail for each."""
    await db.connection().execute(
        RECORD,
        actor.user_id,
        actor.role,
        actor.network,
        actor.request_id,
        _ids(len(changes)),
        [action] * len(changes),
        [each.code for each in changes],
        [_json(each.before) for each in changes],
        [_json(each.after) for each in changes],
    )


def _ids(count: int) -> list[uuid.UUID]:
    return [ids.new_id() for _ in range(count)]


def _json(values: dict[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values, order="sorted").decode()
