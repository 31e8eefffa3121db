"""What people are told of: written with the change itself, shown in the app, and sent by mail (notification_mail.py).

Each kind is for some roles. The sentence is made when it is read, in the reader's language, of codes, dates and amounts alone.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import notification_settings, permissions
from qucheng.identity.notification_settings import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import asyncpg


READ_KEPT = dt.timedelta(days=90)
KEPT = dt.timedelta(days=400)
TELL = "SELECT tell_people($1, $2, $3, $4, $5, $6, $7, $8, $9)"
TELL_FOUND = """
    SELECT tell_people($1, $2, false, array_agg(found.reseller), array_agg(found.content::text), $3, NULL, NULL, $4) FROM ({query}) found"""
# whose account is closed has nothing to do any more
EVERY_RESELLER = """
    SELECT coalesce(array_agg(r.code), '{}') FROM brand b JOIN reseller r ON r.brand_id = b.id
    WHERE b.id = current_brand() AND reseller_state(r.code, (clock_timestamp() AT TIME ZONE b.time_zone)::date) <> 'closed'"""
DEAD = """
    SELECT t.id, t.kind, t.brand, t.attempt, b.code FROM task t LEFT JOIN brands() b ON b.id = t.brand
    WHERE t.state = 'dead' AND t.ended_at > $1 ORDER BY t.ended_at DESC, t.id LIMIT $2"""
MOST_DEAD = 200
OWN = "user_id = $1 AND reseller IS NOT DISTINCT FROM $2 AND kind = ANY ($3) AND shown"


class NotificationUnknownError(errors.RefusedError):
    """There is none of that id for this person in this role."""

    code: ClassVar[str] = "notification.unknown"
    status: ClassVar[int] = 404


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the people of one reseller are told."""

    reseller: str
    values: Mapping[str, Any]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """values: what the sentence of its kind takes."""

    id: uuid.UUID
    kind: Kind
    subject: str
    values: dict[str, Any]
    told_at: dt.datetime
    read_at: dt.datetime | None


class Notifications(msgspec.Struct, frozen=True, kw_only=True):
    """total: how many there are in all. as_of: when they were looked for, by the database's clock, as told_at is."""

    rows: list[Notification]
    total: int
    as_of: dt.datetime


async def tell(
    *,
    brand_id: uuid.UUID,
    kind: Kind,
    subject: str,
    values: Mapping[str, Any],
    to: Collection[uuid.UUID] | None = None,
    roles: Iterable[permissions.Role] | None = None,
    reseller: str | None = None,
    on_platform: bool = False,
    but: uuid.UUID | None = None,
) -> int:
    """Inside the transaction of what it tells of; returns how many it was new to. The same subject is told a person once.

    to: these people; otherwise everybody with one of the roles, of the kind's where none are named. reseller: its people; otherwise
    those of the brand. on_platform: its operators instead. but: somebody who knows already.
    """
    return await _tell(brand_id, kind, subject, [reseller], [values], roles, to, but, on_platform=on_platform)


async def tell_resellers(*, brand_id: uuid.UUID, kind: Kind, subject: str, told: Iterable[Told]) -> int:
    """As tell(), the people of many resellers at once."""
    listed = list(told)
    if not listed:
        return 0
    return await _tell(brand_id, kind, subject, [each.reseller for each in listed], [each.values for each in listed])


async def tell_found(*, brand_id: uuid.UUID, kind: Kind, subject: str, query: str, arguments: Collection[object]) -> int:
    """As tell_resellers(), of what a query finds: a column `reseller`, and `content` as JSON. Its parameters begin with $5."""
    described = notification_settings.KINDS[kind]
    async with db.atomic(brand_id):
        told: int | None = await db.connection().fetchval(
            TELL_FOUND.format(query=query), kind, subject, list(described.roles), described.mail, *arguments
        )
    return told or 0


async def tell_every_reseller(*, brand_id: uuid.UUID, kind: Kind, subject: str, values: Mapping[str, Any]) -> int:
    """As tell(), the people of all resellers of the brand that are not closed."""
    async with db.atomic(brand_id):
        every = await db.connection().fetchval(EVERY_RESELLER)
        return await _tell(brand_id, kind, subject, every, [values])


async def _tell(
    brand_id: uuid.UUID,
    kind: Kind,
    subject: str,
    places: list[str] | list[str | None],
    values: list[Mapping[str, Any]],
    roles: Iterable[permissions.Role] | None = None,
    to: Collection[uuid.UUID] | None = None,
    but: uuid.UUID | None = None,
    *,
    on_platform: bool = False,
) -> int:
    described = notification_settings.KINDS[kind]
    among = [role for role in described.roles if roles is None or role in set(roles)]
    contents = [msgspec.json.encode(each).decode() for each in values]
    async with db.atomic(brand_id):
        told: int = await db.connection().fetchval(
            TELL, kind, subject, on_platform, places, contents, among, None if to is None else list(to), but, described.mail
        )
    return told


async def settle(*, brand_id: uuid.UUID, kind: Kind, subject: str) -> None:
    """What was waited for has happened: nobody needs to be told any more. Inside the transaction in which it happens."""
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT settle_notifications($1, $2)", kind, subject)


async def listing(
    *, who: permissions.Principal, now: dt.datetime, unread: bool = False, skip: int = 0, most: int = 50
) -> Notifications:
    """The person's own in the role that they work in, the newest first."""
    if who.brand_id is None:
        return Notifications(rows=[], total=0, as_of=now)
    async with db.atomic(who.brand_id, reseller=who.reseller):
        as_of = await db.connection().fetchval("SELECT clock_timestamp()")
        rows = await db.connection().fetch(
            "SELECT id, kind, subject, content, told_at, read_at, count(*) OVER () AS total FROM notification"
            f" WHERE {OWN} AND NOT ($4 AND read_at IS NOT NULL) ORDER BY told_at DESC, id DESC OFFSET $5 LIMIT $6",
            *_own(who),
            unread,
            skip,
            most,
        )
    return Notifications(rows=[_notification(row) for row in rows], total=rows[0]["total"] if rows else 0, as_of=as_of)


async def unread(*, who: permissions.Principal) -> int:
    """How many the person has not read in the role that they work in."""
    if who.brand_id is None:
        return 0
    async with db.atomic(who.brand_id, reseller=who.reseller):
        found: int = await db.connection().fetchval(
            f"SELECT count(*) FROM notification WHERE {OWN} AND read_at IS NULL", *_own(who)
        )
    return found


async def unread_elsewhere(*, user_id: uuid.UUID) -> dict[uuid.UUID, int]:
    """By the person's roles: how many are unread in each. Roles without any are left out."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT membership, unread FROM unread_of($1)", user_id)
    return {row["membership"]: row["unread"] for row in rows}


async def read(*, who: permissions.Principal, notification_id: uuid.UUID, now: dt.datetime) -> Notification:
    """Marks it as read and returns it. Raises NotificationUnknownError, for somebody else's too."""
    if who.brand_id is None:
        raise NotificationUnknownError("There is no such notification.")
    async with db.atomic(who.brand_id, reseller=who.reseller):
        row = await db.connection().fetchrow(
            f"UPDATE notification SET read_at = coalesce(read_at, greatest($5, told_at)) WHERE {OWN} AND id = $4"
            " RETURNING id, kind, subject, content, told_at, read_at",
            *_own(who),
            notification_id,
            now,
        )
    if row is None:
        raise NotificationUnknownError("There is no such notification.")
    return _notification(row)


async def read_all(*, who: permissions.Principal, until: dt.datetime) -> None:
    """Those that were there until then: what came since has not been seen."""
    if who.brand_id is None:
        return
    async with db.atomic(who.brand_id, reseller=who.reseller):
        await db.connection().execute(
            f"UPDATE notification SET read_at = clock_timestamp() WHERE {OWN} AND read_at IS NULL AND told_at <= $4",
            *_own(who),
            until,
        )


async def prune(*, brand_id: uuid.UUID, now: dt.datetime) -> int:
    """Removes those that were read long ago, and very old ones; returns how many."""
    async with db.atomic(brand_id):
        status: str = await db.connection().execute(
            "DELETE FROM notification WHERE (read_at IS NOT NULL AND told_at < $1) OR told_at < $2", now - READ_KEPT, now - KEPT
        )
    return int(status.removeprefix("DELETE "))


async def tell_of_dead_tasks(*, since: dt.datetime) -> int:
    """The owners of the brand and the operators, of tasks that were given up since then and that they do not know of."""
    async with db.atomic():
        rows = await db.connection().fetch(DEAD, since, MOST_DEAD)
    told = 0
    for row in rows:
        values = {"task": row["kind"], "brand": row["code"]}
        subject = f"{row['id']}/{row['attempt']}"
        for place, on_platform in ((row["brand"], False), (audit.PLATFORM, True)):
            if place is not None:
                told += await tell(brand_id=place, kind="task.failed", subject=subject, values=values, on_platform=on_platform)
    return told


def _own(who: permissions.Principal) -> tuple[uuid.UUID, str | None, list[Kind]]:
    return who.user_id, who.reseller, notification_settings.kinds(who.role)


def _notification(row: asyncpg.Record) -> Notification:
    return Notification(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        values=msgspec.json.decode(row["content"]),
        told_at=row["told_at"],
        read_at=row["read_at"],
    )
