"""What a reseller may know of the articles that it sells: what they are, how long they hold and how they are used. Never a cost."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from qucheng.catalog.rules import Kind
from qucheng.core import db

if TYPE_CHECKING:
    import uuid

MOST = 1000


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """valid_days: after delivery. image: the hash of its picture. parts: of a package, how many of what."""

    code: str
    kind: Kind
    face_value_minor: int | None
    valid_days: int | None
    valid_until: dt.date | None
    rules_zh: str | None
    rules_en: str | None
    image: str | None
    parts: list[tuple[str, int]]


async def articles(*, brand_id: uuid.UUID, reseller: str, skus: list[str]) -> dict[str, Article]:
    """By code, read with the reseller's own rights."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            "SELECT s.code, s.kind, s.face_value_minor, s.valid_days, s.valid_until, s.rules_zh, s.rules_en, i.sha256 AS image,"
            " array(SELECT t.name FROM sku_part p JOIN sku t ON t.brand_id = p.brand_id AND t.code = p.part"
            "       WHERE p.brand_id = s.brand_id AND p.package = s.code ORDER BY p.part) AS names,"
            " array(SELECT p.quantity FROM sku_part p WHERE p.brand_id = s.brand_id AND p.package = s.code ORDER BY p.part) AS quantities"
            " FROM sku s LEFT JOIN sku_image i ON i.brand_id = s.brand_id AND i.sku = s.code WHERE s.code = ANY ($1)",
            skus,
        )
    own = set(Article.__struct_fields__) - {"parts"}
    return {
        row["code"]: Article(**{name: row[name] for name in own}, parts=list(zip(row["names"], row["quantities"], strict=True)))
        for row in rows
    }


async def categories(*, brand_id: uuid.UUID, reseller: str) -> list[str]:
    """Of what is on sale."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch("SELECT DISTINCT category FROM sku WHERE on_sale ORDER BY 1 LIMIT $1", MOST)
    return [row["category"] for row in rows]


async def of_category(*, brand_id: uuid.UUID, reseller: str, category: str) -> list[str]:
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            "SELECT code FROM sku WHERE on_sale AND category = $1 ORDER BY code LIMIT $2", category, MOST
        )
    return [row["code"] for row in rows]
