"""When and where cards of a SKU may be used, as a consumer is told of it."""

from __future__ import annotations

import msgspec

from qucheng.core import db
from qucheng.redemption import rules

MOST_PLACES = 500


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A store where a card may be used."""

    code: str
    name: str
    name_en: str | None
    area: str | None
    address: str | None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """rule: None for no limit. places: the open stores that it leaves."""

    rule: rules.Rule | None
    places: list[Place]


async def of(sku: str) -> Use:
    """Inside a transaction of the brand."""
    connection = db.connection()
    document = await connection.fetchval(
        "SELECT document::text FROM redemption_rule WHERE sku = $1 ORDER BY version DESC LIMIT 1", sku
    )
    rule = msgspec.json.decode(document, type=rules.Rule) if document else None
    rows = await connection.fetch(
        "SELECT code, name, name_en, area, address FROM store WHERE closed_at IS NULL AND ($1::text[] = '{}' OR code = ANY ($1))"
        " AND ($2::text[] = '{}' OR area = ANY ($2)) ORDER BY area NULLS LAST, name, code LIMIT $3",
        rule.stores if rule else (),
        rule.areas if rule else (),
        MOST_PLACES,
    )
    return Use(rule=rule, places=[Place(**dict(each)) for each in rows])
