"""Notifications by mail: what waits for a person, of one kind, in one letter, and an hour at least between two.

A letter is told to be sent when it was: what a mail server does not take waits, and a crash after sending sends it again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import brand as brands
from qucheng.identity import notification_settings
from qucheng.identity import user as users
from qucheng.identity.brand import Brand
from qucheng.identity.notification_settings import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from qucheng.core import crypto, task

SEND = "notification.send"
PAUSE = dt.timedelta(hours=1)
MOST_LETTERS = 500
MOST_LINES = 20
# in a row: the server is not to be had, and asking it for each of thousands of letters would only take time
MOST_FAILURES = 3
# who lost the role meanwhile is not told
STANDING = """
    EXISTS (SELECT 1 FROM membership m JOIN unnest($1::text[], $2::text[]) allowed (kind, role) ON allowed.role = m.role
            WHERE m.user_id = n.user_id AND m.reseller IS NOT DISTINCT FROM n.reseller AND m.revoked_at IS NULL AND allowed.kind = n.kind)"""
FORGET = f"UPDATE notification n SET mail = 'none' WHERE n.mail = 'waiting' AND NOT {STANDING}"
DUE = """
    SELECT n.user_id, n.kind, array_agg(n.id ORDER BY n.told_at DESC, n.id DESC) AS ids
    FROM notification n WHERE n.mail = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM notification s WHERE s.user_id = n.user_id AND s.kind = n.kind AND s.mail = 'sent' AND s.mailed_at > $1)
    GROUP BY n.user_id, n.kind ORDER BY min(n.told_at), n.user_id, n.kind LIMIT $2"""
ITEMS = "SELECT reseller, subject, content FROM notification WHERE id = ANY ($1) ORDER BY told_at DESC, id DESC"
DONE = "UPDATE notification SET mail = $2, mailed_at = CASE WHEN $2 = 'sent' THEN $3::timestamptz END WHERE id = ANY ($1) AND mail = 'waiting'"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    values: dict[str, Any]
    reseller: str | None


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """brand: None for the platform. id: of the newest of its items, which are the newest first; more: how many are not among them."""

    id: uuid.UUID
    to: str
    locale: Literal["zh-CN", "en"]
    brand: Brand | None
    kind: Kind
    items: list[Item]
    more: int


class Sending(Protocol):
    async def __call__(self, digest: Digest) -> None:
        """Raises RefusedError where it makes no sense to try again, OSError where it does."""


async def deliver(*, work: task.Work, keys: crypto.Keys, send: Sending, now: dt.datetime) -> int:
    """Everything that is due, of all brands; returns how many letters went out. Raises the last OSError, after all others had their turn."""
    sent, failed = 0, _Failures()
    for brand_id in [audit.PLATFORM, *[brand_id for brand_id, _code in await brands.every()]]:
        due = await _due(brand_id, now)
        if not due:
            continue
        brand = None if brand_id == audit.PLATFORM else await brands.read(brand_id)
        people = await users.named(keys=keys, user_ids=[row["user_id"] for row in due])
        for row in due:
            person = people[row["user_id"]]
            try:
                await send(await _digest(brand_id, brand, row, person))
            except errors.RefusedError:  # nothing goes to this address
                outcome = "refused"
            except OSError as error:
                failed.add(error)
                continue
            else:
                outcome, failed.in_a_row = "sent", 0
                sent += 1
            async with work.effect(brand_id):
                await db.connection().execute(DONE, row["ids"], outcome, now)
    failed.raise_any()
    return sent


class _Failures:
    def __init__(self) -> None:
        self.last: OSError | None = None
        self.in_a_row = 0

    def add(self, error: OSError) -> None:
        """Raises it where it is not the letter's but the server's."""
        self.last = error
        self.in_a_row += 1
        if self.in_a_row >= MOST_FAILURES:
            raise error

    def raise_any(self) -> None:
        if self.last is not None:
            raise self.last


async def _due(brand_id: uuid.UUID, now: dt.datetime) -> list[asyncpg.Record]:
    allowed = list(_allowed())
    async with db.atomic(brand_id):
        await db.connection().execute(FORGET, [kind for kind, _ in allowed], [role for _, role in allowed])
        found: list[asyncpg.Record] = await db.connection().fetch(DUE, now - PAUSE, MOST_LETTERS)
    return found


def _allowed() -> Iterator[tuple[str, str]]:
    for kind, described in notification_settings.KINDS.items():
        for role in described.roles:
            yield kind, role


async def _digest(brand_id: uuid.UUID, brand: Brand | None, row: asyncpg.Record, person: users.User) -> Digest:
    async with db.atomic(brand_id):
        items = await db.connection().fetch(ITEMS, row["ids"][:MOST_LINES])
    return Digest(
        id=row["ids"][0],
        to=person.login,
        locale=person.locale,
        brand=brand,
        kind=row["kind"],
        items=[
            Item(subject=each["subject"], values=msgspec.json.decode(each["content"]), reseller=each["reseller"])
            for each in items
        ],
        more=max(len(row["ids"]) - MOST_LINES, 0),
    )
