"""An offer as anybody sees it: what it is, how many are left, and how it is used."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.campaigns import offer, usage
from qucheng.core import db
from qucheng.stock import rules

if TYPE_CHECKING:
    from qucheng.campaigns.consumer import Consumer
    from qucheng.identity.brand import Brand

# more than this many are not counted
MOST_COUNTED = 500
EXACT, STEP = 100, 10
State = Literal["before", "running", "ended", "sold_out"]
PERIODS = {"ever": "ever", "month": "%Y-%m", "day": "%Y-%m-%d"}
FOUND = """
    SELECT o.code, o.name, o.sku, o.period, o.quota, o.taken, o.starts_at, o.ends_at, s.name AS sku_name, s.face_value_minor, s.valid_days,
        s.valid_until, s.rules_zh, s.rules_en, c.cards, nullif(c.soonest, 'infinity') AS soonest
    FROM claim_offer o JOIN sku s ON s.brand_id = o.brand_id AND s.code = o.sku
    CROSS JOIN LATERAL (SELECT count(*) AS cards, min(d.expires_on) AS soonest FROM (
        SELECT d.expires_on FROM card d WHERE d.brand_id = o.brand_id AND d.sku = o.sku AND d.pool = o.pool AND d.state = 'available' AND d.expires_on > $2
        ORDER BY d.expires_on LIMIT $3) d) c
    WHERE o.code = $1"""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """cards: of its pool, none counted beyond MOST_COUNTED. soonest: until when the next one holds; None for ever. state: now."""

    code: str
    name: str
    sku: str
    period: offer.Period
    quota: int | None
    taken: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    sku_name: str
    face_value_minor: int | None
    valid_days: int | None
    valid_until: dt.date | None
    rules_zh: str | None
    rules_en: str | None
    cards: int
    soonest: dt.date | None
    state: State
    use: usage.Use

    @property
    def left(self) -> int:
        return self.cards if self.quota is None else min(self.cards, self.quota - self.taken)

    @property
    def left_shown(self) -> tuple[int, bool]:
        """How many, and whether there are more than that: few are counted one by one."""
        if self.left <= EXACT:
            return self.left, False
        return min(self.left - 1, MOST_COUNTED) // STEP * STEP, True


async def read(*, brand: Brand, code: str, now: dt.datetime) -> Page:
    """Raises OfferUnknownError."""
    if offer.CODE.fullmatch(code) is None:
        raise offer.OfferUnknownError("There is no such offer.")
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(FOUND, code, rules.local_day(now, brand.time_zone), MOST_COUNTED + 1)
        if row is None:
            raise offer.OfferUnknownError("There is no such offer.")
        use = await usage.of(row["sku"])
    none_left = row["cards"] == 0 or row["taken"] == row["quota"]
    state: State = "running"
    if now < row["starts_at"]:
        state = "before"
    elif now >= row["ends_at"]:
        state = "ended"
    elif none_left:
        state = "sold_out"
    return Page(**dict(row), state=state, use=use)


async def claimed(*, brand: Brand, code: str, who: Consumer, now: dt.datetime) -> str | None:
    """The card that they have of it in this period."""
    day = rules.local_day(now, brand.time_zone)
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            "SELECT d.batch, d.number FROM claim c JOIN claim_offer o ON o.brand_id = c.brand_id AND o.code = c.offer"
            " JOIN card d ON d.brand_id = c.brand_id AND d.claim = c.id AND d.void_reason IS DISTINCT FROM 'faulty'"
            " WHERE c.offer = $1 AND c.subject_hash = $2 AND c.period = CASE o.period WHEN 'ever' THEN $3 WHEN 'month' THEN $4 ELSE $5 END",
            code,
            who.subject,
            *(day.strftime(form) for form in PERIODS.values()),
        )
    return rules.card_id(row["batch"], row["number"]) if row is not None else None
