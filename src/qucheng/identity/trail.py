"""The trail as auditors read it: chosen by person, action, subject, days and approval, with names; its chain; and a file of it."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import audit, cells, db, exports, telling
from qucheng.identity import user as users

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto, task

EXPORT = "audit.export"
PAGE = 20
USER = "user"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CHAINED_AT_ONCE = 200_000
"""A chain that is longer is verified by the command, not while somebody waits for a page."""
Position = tuple[dt.datetime, uuid.UUID]
WHERE = """
    ($1::uuid IS NULL OR r.user_id = $1) AND ($2::text IS NULL OR r.action = $2) AND ($3::text IS NULL OR strpos(lower(r.subject), lower($3)) > 0)
    AND ($4::timestamptz IS NULL OR r.at >= $4) AND ($5::timestamptz IS NULL OR r.at < $5) AND ($6::uuid IS NULL OR r.approval = $6)"""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """since and until: half-open. subject: part of it."""

    user_id: uuid.UUID | None = None
    action: str | None = None
    subject: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    approval: uuid.UUID | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. passed: how many of the total come before these. names: of the people on the page."""

    records: list[audit.Record]
    total: int
    passed: int
    after: Position | None
    names: dict[uuid.UUID, users.User]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """links: how many records are chained, the last of them of `at`; open: how many are not yet."""

    links: int
    at: dt.datetime | None
    open: int


def _values(chosen: Chosen) -> list[object]:
    return [chosen.user_id, chosen.action, chosen.subject, chosen.since, chosen.until, chosen.approval]


async def page(
    *, keys: crypto.Keys, brand_id: uuid.UUID, chosen: Chosen, after: Position | None = None, most: int = PAGE
) -> Page:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {audit.RECORD} FROM audit_record r WHERE {WHERE} AND ($7::timestamptz IS NULL OR (r.at, r.id) < ($7, $8))"
            " ORDER BY r.at DESC, r.id DESC LIMIT $9",
            *_values(chosen),
            *(after or (None, None)),
            most + 1,
        )
        counted = await db.connection().fetchrow(
            f"SELECT count(*) AS total, count(*) FILTER (WHERE (r.at, r.id) >= ($7, $8)) AS passed FROM audit_record r WHERE {WHERE}",
            *_values(chosen),
            *(after or (None, None)),
        )
    shown = [audit.read_record(row) for row in rows[:most]]
    people = {record.user_id for record in shown if record.user_id is not None} | {
        each for record in shown for each in _told_of(record)
    }
    return Page(
        records=shown,
        total=counted["total"],
        passed=counted["passed"],
        after=(shown[-1].at, shown[-1].id) if len(rows) > most else None,
        names=await users.named(keys=keys, user_ids=sorted(people)),
    )


def _told_of(record: audit.Record) -> list[uuid.UUID]:
    """Whom the change is about: a role is given to somebody."""
    sides = [side[USER] for side in (record.before, record.after) if isinstance(side, dict) and isinstance(side.get(USER), str)]
    return [uuid.UUID(side) for side in sides if UUID.fullmatch(side)]


async def count(*, brand_id: uuid.UUID, chosen: Chosen) -> int:
    async with db.atomic(brand_id):
        found: int = await db.connection().fetchval(f"SELECT count(*) FROM audit_record r WHERE {WHERE}", *_values(chosen))
    return found


async def choices(*, keys: crypto.Keys, brand_id: uuid.UUID) -> tuple[list[str], list[users.User]]:
    """The actions and the people that occur in the trail."""
    async with db.atomic(brand_id):
        actions = await db.connection().fetch("SELECT DISTINCT action FROM audit_record ORDER BY action LIMIT 200")
        people = await db.connection().fetch("SELECT DISTINCT user_id FROM audit_record WHERE user_id IS NOT NULL LIMIT 500")
    named = await users.named(keys=keys, user_ids=[row["user_id"] for row in people])
    return [row["action"] for row in actions], sorted(named.values(), key=lambda each: (each.name, each.login))


async def chain(*, brand_id: uuid.UUID) -> Chain:
    async with db.atomic(brand_id):
        last = await db.connection().fetchrow(
            "SELECT s.number, r.at FROM audit_seal s JOIN audit_record r ON r.brand_id = s.brand_id AND r.id = s.record ORDER BY s.number DESC LIMIT 1"
        )
        waiting = await db.connection().fetchval(
            "SELECT count(*) FROM audit_record r WHERE ($1::timestamptz IS NULL OR r.at >= $1)"
            " AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.brand_id = r.brand_id AND s.record = r.id)",
            last["at"] - audit.LATE if last else None,
        )
    return Chain(links=last["number"] if last else 0, at=last["at"] if last else None, open=waiting)


async def write(*, keys: crypto.Keys, brand_id: uuid.UUID, chosen: Chosen, out: Path) -> None:
    """A CSV, the oldest first: as in the trail, with the people's names and logins."""
    async with db.atomic(brand_id):
        people = await db.connection().fetch(
            f"SELECT DISTINCT r.user_id FROM audit_record r WHERE {WHERE} AND r.user_id IS NOT NULL", *_values(chosen)
        )
    named = await users.named(keys=keys, user_ids=[row["user_id"] for row in people])
    async with db.atomic(brand_id):
        connection = db.connection()
        await connection.execute("CREATE TEMP TABLE named (user_id uuid, name text, login text) ON COMMIT DROP")
        await connection.executemany(
            "INSERT INTO named VALUES ($1, $2, $3)", [(each.id, each.name, each.login) for each in named.values()]
        )
        texts = {"name": "n.name", "login": "n.login", "role": "r.role", "action": "r.action", "subject": "r.subject"}
        texts |= {"before": "r.before::text", "after": "r.after::text", "network": "r.network", "request_id": "r.request_id"}
        await cells.write_csv(
            f"""SELECT to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, r.user_id,
                       {", ".join(f"{cells.sql_inert(column)} AS {name}" for name, column in texts.items())}, r.approval, r.id
                FROM audit_record r LEFT JOIN named n ON n.user_id = r.user_id WHERE {WHERE} ORDER BY r.at, r.id""",
            *_values(chosen),
            out=out,
        )


def parameters(chosen: Chosen) -> dict[str, Any]:
    """Without what was not chosen."""
    found: dict[str, Any] = msgspec.to_builtins(chosen)
    return {name: value for name, value in found.items() if value is not None}


async def make(*, work: task.Work, keys: crypto.Keys, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    chosen = msgspec.convert(asked.parameters, Chosen)
    brand_id = work.task.brand_id
    assert brand_id is not None  # noqa: S101 - of_work() has looked
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(keys=keys, brand_id=brand_id, chosen=chosen, out=out)
