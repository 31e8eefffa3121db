"""The wallet of a consumer: what was claimed, and what was bought with the phone that the consumer has proven. A card that can be used
has a moving code, made when it is asked for; of any other it is told why it has none.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.campaigns import usage
from qucheng.core import db
from qucheng.redemption import digits, picture
from qucheng.stock import rules, secret_reveal

if TYPE_CHECKING:
    from qucheng.campaigns.consumer import Consumer
    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand

Condition = Literal["usable", "used", "expired", "frozen", "refunded", "ended"]
PAGE = 200
SOON = 3
PURPOSE = "in the consumer's wallet"
STEP = dt.timedelta(seconds=picture.STEP_SECONDS)
HELD = """
    SELECT c.batch, c.number, c.sku, s.name, coalesce(b.face_value_minor, s.face_value_minor) AS face_value_minor, s.rules_zh, s.rules_en, c.state, c.void_reason, c.revealed_at,
        nullif(least(c.expires_on, c.valid_until), 'infinity') AS last_day, w.got_at, c.order_no IS NOT NULL AS bought,
        u.at AS used_at, u.name AS used_store, u.name_en AS used_store_en
    FROM ({own}) w JOIN card c ON c.batch = w.batch AND c.number = w.number JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku
    JOIN batch b ON b.brand_id = c.brand_id AND b.number = c.batch
    LEFT JOIN LATERAL (
        SELECT r.at, p.name, p.name_en FROM redemption r JOIN terminal t ON t.brand_id = r.brand_id AND t.id = r.terminal
        JOIN store p ON p.brand_id = t.brand_id AND p.code = t.store
        WHERE r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number AND r.verdict = 'ok' AND NOT r.undone) u ON c.state = 'redeemed'
    WHERE c.state NOT IN ('inactive', 'available', 'reserved')"""
# as Card.condition() says what is usable
LISTED = """
    SELECT h.*, count(*) OVER () AS total, count(*) FILTER (WHERE h.usable) OVER () AS usable_total FROM (
        SELECT h.*, h.state IN ('delivered', 'revealed') AND (h.last_day IS NULL OR h.last_day >= $3) AS usable FROM ({held}) h) h
    ORDER BY h.usable DESC, h.got_at DESC, h.batch, h.number LIMIT $4 OFFSET $5"""
# from offer to offer by the unique key of a claim: a person has few of each, a brand few offers
OWN = """
    SELECT c.batch, c.number, k.claimed_at AS got_at FROM claim_offer f
    CROSS JOIN LATERAL (SELECT q.id, q.claimed_at FROM claim q WHERE q.brand_id = f.brand_id AND q.offer = f.code AND q.subject_hash = $1) k
    JOIN card c ON c.brand_id = f.brand_id AND c.claim = k.id
    UNION ALL
    SELECT c.batch, c.number, o.paid_at FROM sale o JOIN card c ON c.brand_id = o.brand_id AND c.order_no = o.order_no
    WHERE o.phone_fingerprint = $2"""
ONE_OWN = """
    SELECT c.batch, c.number, coalesce(k.claimed_at, o.paid_at) AS got_at FROM card c
    LEFT JOIN claim k ON k.brand_id = c.brand_id AND k.id = c.claim LEFT JOIN sale o ON o.brand_id = c.brand_id AND o.order_no = c.order_no
    WHERE c.batch = $3 AND c.number = $4 AND (k.subject_hash = $1 OR o.phone_fingerprint = $2)"""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """last_day: of its use; None for ever. bought: else claimed. used_at, used_store: of one that is redeemed."""

    batch: int
    number: int
    sku: str
    name: str
    face_value_minor: int | None
    rules_zh: str | None
    rules_en: str | None
    state: rules.State
    void_reason: str | None
    last_day: dt.date | None
    got_at: dt.datetime
    bought: bool
    revealed_at: dt.datetime | None
    used_at: dt.datetime | None
    used_store: str | None
    used_store_en: str | None

    @property
    def id(self) -> str:
        return rules.card_id(self.batch, self.number)

    def condition(self, today: dt.date) -> Condition:
        if self.state == "redeemed":
            return "used"
        if self.state == "frozen":
            return "frozen"
        if self.state == "void":
            return "expired" if self.void_reason == "expired" else "refunded" if self.void_reason == "refunded" else "ended"
        return "expired" if self.last_day is not None and today > self.last_day else "usable"

    def days_left(self, today: dt.date) -> int | None:
        """Besides today, where they are few."""
        left = (self.last_day - today).days if self.last_day is not None else SOON + 1
        return left if 0 <= left <= SOON else None


class Cards(msgspec.Struct, frozen=True, kw_only=True):
    """A page of them. usable, total: of all that they have."""

    shown: list[Card]
    usable: int
    total: int


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """text: of the QR. digits: for the store alone. steps_at: another is made from then on. good_until: a till takes it until then."""

    text: str
    digits: str | None
    steps_at: dt.datetime
    good_until: dt.datetime

    def __repr__(self) -> str:
        return f"Code({self.good_until.isoformat()})"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """code: None for a card that cannot be used, or where none was asked for."""

    card: Card
    condition: Condition
    use: usage.Use
    code: Code | None = None


async def cards(*, brand: Brand, who: Consumer, now: dt.datetime, page: int = 1, most: int = PAGE) -> Cards:
    """Those that can be used first, the newest of them at the head. A page behind the last one has none."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            LISTED.format(held=HELD.format(own=OWN)),
            who.subject,
            who.phone_fingerprint,
            rules.local_day(now, brand.time_zone),
            most,
            (page - 1) * most,
        )
    return Cards(
        shown=[msgspec.convert(dict(row), Card) for row in rows],
        usable=rows[0]["usable_total"] if rows else 0,
        total=rows[0]["total"] if rows else 0,
    )


async def look(*, brand: Brand, who: Consumer, card: str, now: dt.datetime) -> Opened:
    """Raises CardUnknownError, for another's as for none."""
    async with db.atomic(brand.id):
        return await _opened(brand, who, card, now)


async def show(*, brand: Brand, keys: crypto.Keys, who: Consumer, card: str, store: str | None, now: dt.datetime) -> Opened:
    """With the code of now. store: where it is shown; digits are for that store alone, and for who has a phone. Raises CardUnknownError."""
    async with db.atomic(brand.id):
        found = await _opened(brand, who, card, now)
        if found.condition != "usable":
            return found
        batch, number = found.card.batch, found.card.number
        text = await picture.issue(brand_id=brand.id, keys=keys, batch=batch, number=number, now=now)
        begun = dt.datetime.fromtimestamp(picture.step_of(now) * picture.STEP_SECONDS, tz=dt.UTC)
        made = Code(
            text=text,
            digits=await _digits(brand, keys, who, found, store, now),
            steps_at=begun + STEP,
            good_until=begun + (1 + picture.BESIDE) * STEP,
        )
    return msgspec.structs.replace(found, code=made)


async def reveal(
    *, brand: Brand, keys: crypto.Keys, who: Consumer, card: str, actor: audit.Actor, now: dt.datetime
) -> secret_reveal.Shown:
    """What is printed on the card. Raises CardUnknownError, and what secret_reveal.reveal_card() raises."""
    async with db.atomic(brand.id):
        batch, number = rules.parse_card_id(card)
        # nobody locks another's card, and all others of its pool with it
        await _opened(brand, who, card, now)
        # whose it is holds until it is shown: it may be on its way back to stock, and to somebody else
        await db.connection().execute("SELECT lock_card($1, $2)", batch, number)
        if (await _opened(brand, who, card, now)).condition != "usable":
            raise secret_reveal.NothingToShowError("This card cannot be used, and is not shown.")
        viewer = secret_reveal.Viewer(kind="consumer", id=who.id)
        return await secret_reveal.reveal_card(
            brand=brand, keys=keys, card=card, viewer=viewer, purpose=PURPOSE, actor=actor, now=now
        )


async def _opened(brand: Brand, who: Consumer, card: str, now: dt.datetime) -> Opened:
    batch, number = rules.parse_card_id(card)
    row = await db.connection().fetchrow(HELD.format(own=ONE_OWN), who.subject, who.phone_fingerprint, batch, number)
    if row is None:
        raise rules.CardUnknownError("There is no such card.")
    found = Card(**dict(row))
    today = rules.local_day(now, brand.time_zone)
    return Opened(card=found, condition=found.condition(today), use=await usage.of(found.sku))


async def _digits(
    brand: Brand, keys: crypto.Keys, who: Consumer, found: Opened, store: str | None, now: dt.datetime
) -> str | None:
    if who.phone_end is None or store not in {place.code for place in found.use.places}:
        return None
    assert store is not None  # noqa: S101 - one of the places
    try:
        return await digits.issue(
            brand_id=brand.id,
            keys=keys,
            batch=found.card.batch,
            number=found.card.number,
            store=store,
            phone_end=who.phone_end,
            now=now,
        )
    except digits.DigitsShortError:
        return None
