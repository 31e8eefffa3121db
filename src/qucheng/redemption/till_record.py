"""What a shop clerk's terminal was answered today, by the brand's day."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db
from qucheng.redemption import reversal, rules, store

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

MOST = 200
# a card that was neither redeemed here nor before is not told of
FIGURES = """
    SELECT count(*) FILTER (WHERE r.verdict = 'ok' AND NOT r.undone) AS redeemed, count(*) FILTER (WHERE r.verdict <> 'ok') AS refused,
        CASE WHEN count(*) FILTER (WHERE r.verdict = 'ok' AND NOT r.undone) = 0 THEN 0
            ELSE sum(coalesce(b.face_value_minor, s.face_value_minor)) FILTER (WHERE r.verdict = 'ok' AND NOT r.undone) END::bigint AS value_minor
    FROM redemption r LEFT JOIN card c ON c.brand_id = r.brand_id AND c.batch = r.batch AND c.number = r.number
    LEFT JOIN batch b ON b.brand_id = c.brand_id AND b.number = c.batch LEFT JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku
    WHERE r.terminal = $1 AND r.at >= $2 AND r.at < $3"""
RECORDS = f"""
    SELECT r.id, r.at, r.verdict, r.undone, s.name, x.last_four, u.at AS undone_at, u.reason,
        r.verdict = 'ok' AND NOT r.undone AND r.recorded_at IS NULL AND r.at >= $4 AS undoable,
        r.id IN (SELECT (a.payload::jsonb ->> 'redemption')::uuid FROM approval a WHERE a.action = '{reversal.ACTION}'
                 AND a.state = 'waiting' AND a.expires_at > clock_timestamp()) AS asked
    FROM redemption r
    LEFT JOIN card c ON c.brand_id = r.brand_id AND c.batch = r.batch AND c.number = r.number AND r.verdict IN ('ok', 'used')
    LEFT JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku
    LEFT JOIN card_secret x ON x.brand_id = c.brand_id AND x.batch = c.batch AND x.number = c.number
    LEFT JOIN redemption_undo u ON u.brand_id = r.brand_id AND u.redemption = r.id
    WHERE r.terminal = $1 AND r.at >= $2 AND r.at < $3 ORDER BY r.at DESC, r.id DESC LIMIT $5"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """name, last_four: of a card that is or was redeemed. undoable: by the terminal alone. asked: its reversal waits for a decision."""

    id: uuid.UUID
    at: dt.datetime
    verdict: rules.Verdict
    undone: bool
    name: str | None
    last_four: str | None
    undone_at: dt.datetime | None
    reason: str | None
    undoable: bool
    asked: bool


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """value_minor: by face value, of what was redeemed and not taken back; None where none of it has one. records: the newest first."""

    terminal: store.Terminal
    redeemed: int
    refused: int
    value_minor: int | None
    records: list[Record]


async def today(*, brand: Brand, user_id: uuid.UUID, most: int = MOST, now: dt.datetime) -> Day | None:
    """None for who works at no terminal."""
    begins, ends = _day(brand.time_zone, now)
    async with db.atomic(brand.id):
        terminal = await store.terminal_of(brand_id=brand.id, user_id=user_id)
        if terminal is None:
            return None
        figures = await db.connection().fetchrow(FIGURES, terminal.id, begins, ends)
        rows = await db.connection().fetch(RECORDS, terminal.id, begins, ends, now - rules.UNDO, most)
    return Day(terminal=terminal, **dict(figures), records=[Record(**dict(row)) for row in rows])


def _day(zone: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    there = zoneinfo.ZoneInfo(zone)
    today = now.astimezone(there).date()
    begins, ends = (dt.datetime.combine(today + dt.timedelta(days=each), dt.time(), tzinfo=there) for each in (0, 1))
    return begins, ends
