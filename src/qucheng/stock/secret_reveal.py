"""A secret is shown to somebody: a call of its own, on record before it leaves, counted, and for ever the end of the card's way back to stock."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids, key_provider
from qucheng.stock import code, reveal, rules, secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

Kind = Literal["user", "api_key", "link", "consumer"]
MOST_AT_ONCE = 100
LONGEST_PURPOSE = 200
# for each viewer, exactly: counted in the transaction that shows them
QUOTAS: dict[Kind, tuple[tuple[dt.timedelta, int], ...]] = {
    "user": ((dt.timedelta(hours=1), 100), (dt.timedelta(days=1), 500)),
    "api_key": ((dt.timedelta(hours=1), 1000), (dt.timedelta(days=1), 10_000)),
    "link": ((dt.timedelta(hours=1), 200), (dt.timedelta(days=1), 1000)),
    "consumer": ((dt.timedelta(hours=1), 60), (dt.timedelta(days=1), 300)),
}
SHOWABLE = ("delivered", "revealed")
SEALED = """
    SELECT c.batch, c.number, c.sku, c.revealed_at, s.blob, k.wrapped FROM unnest($2::int[], $3::int[]) AS w (batch, number)
    JOIN card c ON c.brand_id = $1 AND c.batch = w.batch AND c.number = w.number
    JOIN card_secret s ON s.brand_id = $1 AND s.batch = w.batch AND s.number = w.number
    JOIN data_key k ON k.brand_id = $1 AND k.batch = w.batch ORDER BY c.batch, c.number"""


class NothingToShowError(errors.RefusedError):
    """Nothing of it was delivered, or all of it was stopped or is void."""

    code: ClassVar[str] = "reveal.nothing"
    status: ClassVar[int] = 409


class RevealPurposeError(errors.RefusedError):
    code: ClassVar[str] = "reveal.purpose"
    status: ClassVar[int] = 422


class RevealQuotaError(errors.RefusedError):
    code: ClassVar[str] = "reveal.quota"
    status: ClassVar[int] = 429
    retry_after: ClassVar[int] = 600


class RevealClosedError(errors.RefusedError):
    """The brand does not let its resellers see secrets."""

    code: ClassVar[str] = "reveal.closed"
    status: ClassVar[int] = 403


class RevealUnrecordedError(errors.RefusedError):
    """It could not be put on record, and so nothing was shown."""

    code: ClassVar[str] = "reveal.unrecorded"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 30


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who sees it: a person, a key, whoever holds a buyer's link, or a consumer in the wallet."""

    kind: Kind
    id: uuid.UUID


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """card: its id as text."""

    card: str
    sku: str
    code: secret.Secret
    pin: secret.Secret | None
    revealed_at: dt.datetime

    def display(self) -> str:
        """The code as it is easiest read out: ours in groups, a supplier's as it came."""
        text = self.code.shown()
        return code.grouped(text).replace("-", " ") if code.read(text) == text else text


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A card as a reseller sees it of its own orders: no part of its code."""

    card: str
    sku: str
    name: str
    state: str
    expires_on: dt.date | None
    revealed_at: dt.datetime | None


async def of_order(*, brand_id: uuid.UUID, order_no: str, reseller: str) -> list[Seen] | None:
    """The cards of an order, with the reseller's own eyes; None where it has no such order."""
    async with db.atomic(brand_id, reseller=reseller):
        if not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM order_line WHERE order_no = $1)", order_no):
            return None
        rows = await db.connection().fetch(
            "SELECT c.batch || '-' || c.number AS card, c.sku, s.name, c.state, nullif(c.expires_on, 'infinity') AS expires_on, c.revealed_at"
            " FROM card c JOIN sku s ON s.brand_id = c.brand_id AND s.code = c.sku WHERE c.order_no = $1"
            " ORDER BY c.line_no, c.batch, c.number LIMIT 1000",
            order_no,
        )
    return [Seen(**dict(row)) for row in rows]


async def reveal_line(
    *,
    brand: Brand,
    keys: crypto.Keys,
    order_no: str,
    line_no: str | None,
    viewer: Viewer,
    purpose: str,
    actor: audit.Actor,
    now: dt.datetime,
    reseller: str | None = None,
) -> list[Shown]:
    """The cards of a line, or of the whole order where none is named: of very many those that nobody has seen. reseller: its own orders only, and where the brand lets it."""
    async with db.atomic(brand.id, reseller=reseller):
        rows = await db.connection().fetch(
            "SELECT batch, number FROM card WHERE order_no = $1 AND ($2::text IS NULL OR line_no = $2) AND state = ANY ($3)"
            " ORDER BY state = 'revealed', batch, number LIMIT $4",
            order_no,
            line_no,
            SHOWABLE,
            MOST_AT_ONCE,
        )
    if not rows:
        raise NothingToShowError("There is no card of it to be shown.")
    chosen = [(row["batch"], row["number"]) for row in rows]
    return await _shown(brand, keys, chosen, viewer, purpose, actor, now, closed=reseller is not None)


async def reveal_card(
    *,
    brand: Brand,
    keys: crypto.Keys,
    card: str,
    viewer: Viewer,
    purpose: str,
    actor: audit.Actor,
    now: dt.datetime,
    reseller: str | None = None,
) -> Shown:
    """One card by its id. Raises rules.CardUnknownError for another's."""
    batch, number = rules.parse_card_id(card)
    async with db.atomic(brand.id, reseller=reseller):
        state = await db.connection().fetchval("SELECT state FROM card WHERE batch = $1 AND number = $2", batch, number)
    if state is None:
        raise rules.CardUnknownError(f"There is no card {card}.")
    if state not in SHOWABLE:
        raise NothingToShowError("This card is not to be shown: it is not delivered, was stopped, or is void.")
    found = await _shown(brand, keys, [(batch, number)], viewer, purpose, actor, now, closed=reseller is not None)
    return found[0]


async def resellers_may(*, brand_id: uuid.UUID) -> bool:
    async with db.atomic(brand_id):
        return bool(await db.connection().fetchval("SELECT resellers_reveal FROM card_setting"))


async def let_resellers(*, brand_id: uuid.UUID, may: bool, actor: audit.Actor, now: dt.datetime) -> None:
    async with db.atomic(brand_id):
        await db.connection().execute(
            "INSERT INTO card_setting (brand_id, resellers_reveal, changed_at, changed_by) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (brand_id) DO UPDATE SET resellers_reveal = $2, changed_at = $3, changed_by = $4",
            brand_id,
            may,
            now,
            actor.user_id,
        )
        after = {"resellers_reveal": may}
        await audit.record(brand_id=brand_id, actor=actor, action="card_setting.change", subject=str(brand_id), after=after)


async def _shown(
    brand: Brand,
    keys: crypto.Keys,
    chosen: Sequence[tuple[int, int]],
    viewer: Viewer,
    purpose: str,
    actor: audit.Actor,
    now: dt.datetime,
    *,
    closed: bool,
) -> list[Shown]:
    """All of it or nothing, and plain text only behind the COMMIT."""
    why = " ".join(purpose.split())
    if not 1 <= len(why) <= LONGEST_PURPOSE:
        raise RevealPurposeError(f"Say what for, in 1 to {LONGEST_PURPOSE} characters.")
    if closed and not await resellers_may(brand_id=brand.id):
        raise RevealClosedError("This brand does not show secrets to its resellers.")
    async with db.atomic(brand.id):
        await _require_quota(viewer, len(chosen), now)
        await reveal.mark_revealed(cards=list(chosen), actor=actor, now=now)
        await _recorded(brand, chosen, viewer, why, actor, now)
        rows = await db.connection().fetch(SEALED, brand.id, [batch for batch, _ in chosen], [number for _, number in chosen])
        opened = [_opened(brand, keys, row) for row in rows]
    if len(opened) != len(chosen):
        raise NothingToShowError("There is no secret of it.")
    return opened


async def _recorded(
    brand: Brand, chosen: Sequence[tuple[int, int]], viewer: Viewer, why: str, actor: audit.Actor, now: dt.datetime
) -> None:
    """Raises RevealUnrecordedError, with which all is taken back."""
    named = [rules.card_id(*each) for each in chosen]
    after = {"cards": named, "viewer": viewer.kind, "viewer_id": viewer.id, "purpose": why}
    try:
        await db.connection().executemany(
            "INSERT INTO card_reveal (brand_id, id, batch, number, viewer_kind, viewer, purpose, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [(brand.id, ids.new_id(), batch, number, viewer.kind, viewer.id, why, now) for batch, number in chosen],
        )
        await audit.record(brand_id=brand.id, actor=actor, action="card.reveal", subject=named[0], after=after)
    except asyncpg.PostgresError:
        raise RevealUnrecordedError("This cannot be shown for the moment: it could not be put on record.") from None


async def _require_quota(viewer: Viewer, count: int, now: dt.datetime) -> None:
    """One at a time for each viewer, so that two at once do not both see room."""
    await db.connection().execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"card.reveal:{viewer.id}")
    for span, most in QUOTAS[viewer.kind]:
        shown = await db.connection().fetchval(
            "SELECT count(*) FROM card_reveal WHERE viewer = $1 AND at > $2", viewer.id, now - span
        )
        if shown + count > most:
            raise RevealQuotaError("As many secrets were shown as may be for now: try again later.")


def _opened(brand: Brand, keys: crypto.Keys, row: asyncpg.Record) -> Shown:
    """Raises crypto.SealBrokenError for a blob that is another card's or was changed."""
    key = secret.opened(key_provider.Ring(keys), row["wrapped"], brand_id=brand.id, batch=row["batch"], sku=row["sku"])
    card = rules.card_id(row["batch"], row["number"])
    held = key.open(row["blob"], card=card)
    return Shown(card=card, sku=row["sku"], code=held.code, pin=held.pin, revealed_at=row["revealed_at"])
