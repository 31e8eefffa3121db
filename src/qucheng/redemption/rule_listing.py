"""The rules of a SKU, version by version, with who made each; and what would be answered somewhere at some time."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.redemption import rules, store_listing

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

MOST = 50
VERSIONS = """
    SELECT v.version, v.document::text AS document, v.made_at, a.user_id FROM redemption_rule v
    LEFT JOIN LATERAL (
        SELECT a.user_id FROM audit_record a WHERE a.brand_id = v.brand_id AND a.action = 'redemption_rule.set' AND a.subject = v.sku
            AND a.after::jsonb ->> 'version' = v.version::text LIMIT 1) a ON true
    WHERE v.sku = $1 ORDER BY v.version DESC LIMIT $2"""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    rule: rules.Rule
    made_at: dt.datetime
    user_id: uuid.UUID | None


async def versions(*, brand_id: uuid.UUID, sku: str) -> list[Version]:
    """The newest first: that is the one in force."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(VERSIONS, sku, MOST)
    return [
        Version(
            number=row["version"],
            rule=msgspec.json.decode(row["document"], type=rules.Rule),
            made_at=row["made_at"],
            user_id=row["user_id"],
        )
        for row in rows
    ]


def trial(
    *,
    brand: Brand,
    sku: str,
    rule: rules.Rule,
    place: store_listing.Store,
    terminal: store_listing.Terminal | None,
    channel: str | None,
    at: dt.datetime,
) -> rules.Verdict:
    """Of a card that was handed out and is good. terminal: None for one that may redeem whatever there is."""
    seen = rules.Snapshot(
        zone=brand.time_zone,
        place=rules.Place(
            terminal=str(terminal.id) if terminal is not None else "",
            store=place.code,
            area=place.area,
            may=terminal is None or (terminal.ended_at is None and (terminal.all_skus or sku in terminal.skus)),
            closed=place.closed_at is not None,
        ),
        card=rules.Card(sku=sku, state="delivered", came_from=None, void_reason=None, last_day=None, channel=channel),
        rule=rule,
    )
    return rules.verdict(seen, at)
