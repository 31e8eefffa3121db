"""What is read of the catalogue: SKUs by filters, one with all that is said of it, the words that are in use, channels and tiers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.catalog import rules
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    import asyncpg

TAGS = "ARRAY(SELECT t.tag FROM sku_tag t WHERE t.brand_id = s.brand_id AND t.sku = s.code ORDER BY t.tag)"
PARTS = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', p.part, 'quantity', p.quantity, 'share_ppm', p.share_ppm) ORDER BY p.part), '[]')::text
     FROM sku_part p WHERE p.brand_id = s.brand_id AND p.package = s.code)"""
WHOLE = f"""
    SELECT s.code, s.name, s.category, s.list_price_minor, s.cost_minor, s.kind, s.face_value_minor, s.valid_days, s.valid_until, s.rules_zh, s.rules_en,
           s.hold_from, s.on_sale, s.sale_changed_at, s.revision, {TAGS} AS tags, {PARTS} AS parts FROM sku s"""
IMAGE = "SELECT sha256, kind, width, height, octet_length(bytes) AS size, set_at FROM sku_image WHERE sku = $1"
CHOSEN = """
    ($1::text IS NULL OR s.kind = $1) AND ($2::text IS NULL OR s.category = $2) AND ($4::boolean IS NULL OR s.on_sale = $4)
    AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM sku_tag t WHERE t.brand_id = s.brand_id AND t.sku = s.code AND t.tag = $3))
    AND ($5::text IS NULL OR strpos(lower(s.code), lower($5)) > 0 OR strpos(lower(s.name), lower($5)) > 0)"""
ROWS = f"""
    SELECT s.code, s.name, s.category, s.kind, s.list_price_minor, s.cost_minor, s.face_value_minor, s.on_sale, s.sale_changed_at, s.revision, {TAGS} AS tags,
           EXISTS (SELECT 1 FROM sku_image i WHERE i.brand_id = s.brand_id AND i.sku = s.code) AS has_image
    FROM sku s WHERE {CHOSEN} ORDER BY s.code LIMIT $6 OFFSET $7"""
PACKAGES = """
    SELECT s.code, s.name FROM sku_part p JOIN sku s ON s.brand_id = p.brand_id AND s.code = p.package WHERE p.part = $1 ORDER BY s.code"""
HISTORY = f"SELECT {audit.RECORD} FROM audit_record r WHERE r.subject = $1 AND r.action LIKE 'sku.%' ORDER BY r.at DESC, r.id DESC LIMIT $2"


class SkuUnknownError(errors.RefusedError):
    code: ClassVar[str] = "sku.unknown"
    status: ClassVar[int] = 404


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which SKUs; None for any. text: part of a code or name."""

    kind: str | None = None
    category: str | None = None
    tag: str | None = None
    on_sale: bool | None = None
    text: str | None = None


class SkuRow(msgspec.Struct, frozen=True, kw_only=True):
    """sale_changed_at: None where it is as it came."""

    code: str
    name: str
    category: str
    kind: rules.Kind
    list_price_minor: int
    cost_minor: int
    face_value_minor: int | None
    on_sale: bool
    sale_changed_at: dt.datetime | None
    revision: int
    tags: tuple[str, ...]
    has_image: bool


class Found(msgspec.Struct, frozen=True):
    """rows: of one page; total: of all that were chosen."""

    rows: list[SkuRow]
    total: int


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """size: in bytes."""

    sha256: str
    kind: str
    width: int
    height: int
    size: int
    set_at: dt.datetime


class Sku(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    category: str
    list_price_minor: int
    cost_minor: int
    kind: rules.Kind
    face_value_minor: int | None
    valid_days: int | None
    valid_until: dt.date | None
    rules_zh: str | None
    rules_en: str | None
    hold_from: rules.HoldFrom
    on_sale: bool
    sale_changed_at: dt.datetime | None
    revision: int
    tags: tuple[str, ...]
    parts: tuple[rules.Part, ...]
    image: Image | None = None

    def facts(self) -> rules.Facts:
        """What may be changed of it."""
        return rules.Facts(**{name: getattr(self, name) for name in rules.Facts.__struct_fields__})


class Words(msgspec.Struct, frozen=True):
    """Those in use."""

    categories: list[str]
    tags: list[str]


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """sold: it has orders, so its kind stays. prices: cells of a bundle or the book are not counted."""

    code: str
    name: str
    kind: str
    deviation: str
    revision: int
    sold: bool


async def skus(*, brand_id: uuid.UUID, chosen: Chosen, skip: int = 0, most: int = 50) -> Found:
    values = [getattr(chosen, name) for name in ("kind", "category", "tag", "on_sale", "text")]
    async with db.atomic(brand_id):
        total = await db.connection().fetchval(f"SELECT count(*) FROM sku s WHERE {CHOSEN}", *values)
        rows = await db.connection().fetch(ROWS, *values, most, skip)
    return Found([SkuRow(**{**dict(row), "tags": tuple(row["tags"])}) for row in rows], total)


async def sku(*, brand_id: uuid.UUID, code: str) -> Sku:
    """Raises SkuUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{WHOLE} WHERE s.code = $1", code) if "\0" not in code else None
        image = await db.connection().fetchrow(IMAGE, code) if row is not None else None
    if row is None:
        raise SkuUnknownError(f"There is no SKU {code}.")
    return msgspec.structs.replace(read(row), image=Image(**dict(image)) if image is not None else None)


async def whole(*, brand_id: uuid.UUID, codes: Sequence[str], locked: bool = False) -> dict[str, Sku]:
    """Those of the codes that there are, without their images. locked: until the end of the transaction nobody else changes them."""
    async with db.atomic(brand_id):
        lock = "FOR UPDATE OF s" if locked else ""
        rows = await db.connection().fetch(f"{WHOLE} WHERE s.code = ANY ($1) ORDER BY s.code {lock}", list(codes))
    return {row["code"]: read(row) for row in rows}


def read(row: asyncpg.Record) -> Sku:
    """Of a query of WHOLE."""
    parts = msgspec.json.decode(row["parts"], type=tuple[rules.Part, ...])
    return Sku(**{**dict(row), "tags": tuple(row["tags"]), "parts": parts})


async def words(*, brand_id: uuid.UUID) -> Words:
    async with db.atomic(brand_id):
        categories = await db.connection().fetch("SELECT DISTINCT category FROM sku ORDER BY category")
        tags = await db.connection().fetch("SELECT DISTINCT tag FROM sku_tag ORDER BY tag")
    return Words([row["category"] for row in categories], [row["tag"] for row in tags])


async def packages(*, brand_id: uuid.UUID, code: str) -> list[tuple[str, str]]:
    """Code and name of those of which the SKU is a part."""
    async with db.atomic(brand_id):
        return [(row["code"], row["name"]) for row in await db.connection().fetch(PACKAGES, code)]


async def named(*, brand_id: uuid.UUID, codes: Sequence[str]) -> dict[str, str]:
    """Names of SKUs by code."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code, name FROM sku WHERE code = ANY ($1)", list(codes))
    return {row["code"]: row["name"] for row in rows}


async def history(*, brand_id: uuid.UUID, code: str, most: int = 30) -> list[audit.Record]:
    """What was done to the SKU on the platform, the newest first."""
    async with db.atomic(brand_id):
        return [audit.read_record(row) for row in await db.connection().fetch(HISTORY, code, most)]


async def channels(*, brand_id: uuid.UUID) -> list[Channel]:
    async with db.atomic(brand_id):
        rows: list[Any] = await db.connection().fetch(
            "SELECT c.code, c.name, c.kind, c.deviation, c.revision,"
            " EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = c.brand_id AND l.channel = c.code) AS sold FROM channel c ORDER BY c.code"
        )
    return [Channel(**dict(row)) for row in rows]


async def codes(*, brand_id: uuid.UUID, chosen: Chosen, most: int = 5001) -> list[str]:
    values = [getattr(chosen, name) for name in ("kind", "category", "tag", "on_sale", "text")]
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(f"SELECT s.code FROM sku s WHERE {CHOSEN} ORDER BY s.code LIMIT $6", *values, most)
    return [row["code"] for row in rows]
