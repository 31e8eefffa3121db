"""Who claims: a person of a brand, by a phone that was proven or as the brand's app names them, and their session in a browser."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.campaigns import claim
from qucheng.core import audit, crypto, db, ids

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

GOOD_FOR = dt.timedelta(days=30)
Way = Literal["phone", "app"]
# as sales are found by it: what was bought with the phone is found with the person
PHONE = "sale.phone"
END = 4
MADE = (
    "INSERT INTO consumer AS c (brand_id, id, subject_hash, phone_cipher, phone_fingerprint, first_seen) VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (brand_id, subject_hash) DO NOTHING"
)
FOUND = (
    "SELECT c.brand_id, c.id, s.id AS session, c.subject_hash AS subject, CASE WHEN s.way = 'phone' THEN c.phone_cipher END AS phone_cipher,"
    " CASE WHEN s.way = 'phone' THEN c.phone_fingerprint END AS phone_fingerprint, s.way, s.signed_in_at, s.until"
    " FROM consumer_session s JOIN consumer c ON c.brand_id = s.brand_id AND c.id = s.consumer"
    " WHERE s.token_hash = $1 AND s.ended_at IS NULL AND s.until > $2"
    " AND NOT EXISTS (SELECT FROM api_key k WHERE k.brand_id = s.brand_id AND k.id = s.api_key"
    " AND (k.revoked_at IS NOT NULL OR k.expires_at <= $2))"
)


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """subject: the fingerprint that their claims stand under. phone_fingerprint: as of their sales. phone_end: the last four digits.
    Both are None where no phone was proven for this session: who signs addresses is not thereby who has the phone. session: the one that
    they are signed in with.
    """

    brand_id: uuid.UUID
    id: uuid.UUID
    session: uuid.UUID
    subject: bytes
    phone_fingerprint: bytes | None
    phone_end: str | None
    way: Way
    signed_in_at: dt.datetime
    until: dt.datetime

    def __repr__(self) -> str:
        return f"Consumer({self.id})"


def subject_of(phone: str) -> str:
    """phone: in the form of `phone.normalised`."""
    return f"tel:{phone}"


def ask(who: Consumer) -> claim.Ask:
    """What the consumer asks the desk for."""
    return claim.Ask(id=ids.new_id(), subject=who.subject, request=None)


async def principal(*, keys: crypto.Keys, brand_id: uuid.UUID, token: str | None, now: dt.datetime) -> Consumer | None:
    """Who holds the token of the cookie; None where it is nobody's of this brand, has ended, or has run out, or where
    the key that vouched for them may no longer.
    """
    if not token:
        return None
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(FOUND, crypto.token_hash(token), now)
    if row is None:
        return None
    values, end = dict(row), None
    if (cipher := values.pop("phone_cipher")) is not None:
        end = keys.open(cipher, place=_place(row["id"])).decode()[-END:]
    return Consumer(**values, phone_end=end)


async def start(
    *,
    brand: Brand,
    keys: crypto.Keys,
    subject: str,
    phone: str | None,
    way: Way,
    before: str | None,
    actor: audit.Actor,
    now: dt.datetime,
    api_key: uuid.UUID | None = None,
) -> str:
    """Inside the transaction that proves who it is; returns the token of a new session, which is nowhere else. before: the token of
    the session whose place it takes. api_key: the app's that names them; the session is good as long as the key is. Raises claim.SubjectUnfitError.
    """
    fingerprint = claim.ask(brand=brand, keys=keys, subject=subject).subject
    connection, fresh, session, token = db.connection(), ids.new_id(), ids.new_id(), crypto.token()
    mark = keys.fingerprint(phone, of=PHONE) if phone is not None else None
    sealed = keys.seal(phone.encode(), place=_place(fresh)) if phone is not None else None
    await connection.execute(MADE, brand.id, fresh, fingerprint, sealed, mark, now)
    # whoever was first: the row that stands is the one
    row = await connection.fetchrow("SELECT id, phone_cipher FROM consumer WHERE subject_hash = $1", fingerprint)
    if phone is not None and row["phone_cipher"] is None:
        await connection.execute(
            "UPDATE consumer SET phone_cipher = $2, phone_fingerprint = $3 WHERE id = $1",
            row["id"],
            keys.seal(phone.encode(), place=_place(row["id"])),
            mark,
        )
    if before:
        await connection.execute(
            "UPDATE consumer_session SET ended_at = $2 WHERE token_hash = $1 AND ended_at IS NULL", crypto.token_hash(before), now
        )
    await connection.execute(
        "INSERT INTO consumer_session (brand_id, id, consumer, token_hash, way, signed_in_at, until, api_key)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        brand.id,
        session,
        row["id"],
        crypto.token_hash(token),
        way,
        now,
        now + GOOD_FOR,
        api_key,
    )
    after = {"session": str(session), "way": way}
    await audit.record(brand_id=brand.id, actor=actor, action="consumer.sign_in", subject=str(row["id"]), after=after)
    return token


async def sign_out(*, who: Consumer, actor: audit.Actor, now: dt.datetime) -> None:
    """Of this session alone; one that has ended stays so. The form that signed in, sent again from the browser's history, does not any more."""
    async with db.atomic(who.brand_id):
        changed = await db.connection().execute(
            "UPDATE consumer_session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", who.session, now
        )
        if changed != "UPDATE 0":
            await db.connection().execute(
                "DELETE FROM sign_in_code WHERE phone_fingerprint = $1 AND spent_by IS NOT NULL", who.phone_fingerprint
            )
            await audit.record(brand_id=who.brand_id, actor=actor, action="consumer.sign_out", subject=str(who.id))


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes sessions and codes whose time is over; returns how many."""
    removed = 0
    async with db.atomic(brand_id):
        for table in ("consumer_session", "sign_in_code"):
            status: str = await db.connection().execute(f"DELETE FROM {table} WHERE until < $1", now)
            removed += int(status.removeprefix("DELETE "))
    return removed


def _place(consumer_id: uuid.UUID) -> str:
    return f"consumer.phone/{consumer_id}"
