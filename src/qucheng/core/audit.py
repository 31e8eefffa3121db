"""The trail: who did what, written with the change itself; chained by hashes afterwards, and checked.

Each brand has a trail and a chain of its own, and so has the platform, under PLATFORM. A link hashes the one before it with a
record. Sealing runs beside the work: a record that is committed late is sealed late, within LATE of the records around it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import db, ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

PLATFORM = uuid.UUID("00000000-0000-7000-8000-000000000000")
BATCH = 1000
# the longest that a transaction may have written before it commits
LATE = dt.timedelta(hours=1)
FIRST = bytes(32)
SECRET_NAMES = ("password", "secret", "token", "code_hash", "cipher", "recovery", "totp", "signature", "cookie", "csrf")
HIDDEN = "***"
RECORD = "r.id, r.at, r.user_id, r.role, r.action, r.subject, r.before::text, r.after::text, r.network, r.request_id, r.approval"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and from where. user_id: None for the platform itself."""

    user_id: uuid.UUID | None
    role: str
    network: str | None = None
    request_id: str | None = None


SYSTEM = Actor(user_id=None, role="system")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    id: uuid.UUID
    at: dt.datetime
    user_id: uuid.UUID | None
    role: str
    action: str
    subject: str
    before: Any
    after: Any
    network: str | None
    request_id: str | None
    approval: uuid.UUID | None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last link of a chain, to be kept elsewhere: a chain that was cut or made anew does not have it."""

    brand_id: uuid.UUID
    number: int
    hash: str


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """The first link that does not hold, or the first record outside the chain. number: the link's, None for a record outside."""

    brand_id: uuid.UUID
    number: int | None
    record: uuid.UUID | None
    what: str


async def record(
    *,
    brand_id: uuid.UUID,
    actor: Actor,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    approval: uuid.UUID | None = None,
) -> None:
    """Inside the transaction of the change, which is the brand's or PLATFORM's. What is named like a secret is left out."""
    await db.connection().execute(
        "INSERT INTO audit_record (brand_id, id, user_id, role, action, subject, before, after, network, request_id, approval)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        brand_id,
        ids.new_id(),
        actor.user_id,
        actor.role,
        action,
        subject,
        _json(before),
        _json(after),
        actor.network,
        actor.request_id,
        approval,
    )


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(_without_secrets(values), order="sorted").decode()


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {
            key: HIDDEN if any(word in str(key).lower() for word in SECRET_NAMES) else _without_secrets(inner)
            for key, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list | tuple) else value


async def listing(
    *,
    brand_id: uuid.UUID,
    before: tuple[dt.datetime, uuid.UUID] | None = None,
    action: str | None = None,
    user_id: uuid.UUID | None = None,
    most: int = 50,
) -> list[Record]:
    """The newest first. before: time and id of the last of the page before."""
    at, last = before or (None, None)
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {RECORD} FROM audit_record r WHERE ($1::timestamptz IS NULL OR (r.at, r.id) < ($1, $2)) AND ($3::text IS NULL OR r.action = $3)"
            " AND ($4::uuid IS NULL OR r.user_id = $4) ORDER BY r.at DESC, r.id DESC LIMIT $5",
            at,
            last,
            action,
            user_id,
            most,
        )
    return [read_record(row) for row in rows]


def read_record(row: asyncpg.Record) -> Record:
    """Of a query of RECORD."""
    return Record(**{**dict(row), "before": _read(row["before"]), "after": _read(row["after"])})


def _read(text: str | None) -> Any:  # noqa: ANN401 - any JSON
    return None if text is None else msgspec.json.decode(text)


async def seal(brand_id: uuid.UUID, *, batch: int = BATCH) -> int:
    """Chains what was committed and is not chained yet, batch by batch, each in a transaction; returns how many records."""
    sealed = 0
    while True:
        async with db.atomic(brand_id):
            count = await _seal_batch(brand_id, batch)
        sealed += count
        if count < batch:
            return sealed


async def _seal_batch(brand_id: uuid.UUID, batch: int) -> int:
    # one sealer of a brand at a time: the second waits, and goes on from what the first has sealed
    await db.connection().execute("SELECT lock_brand($1, 'audit')", brand_id)
    last = await db.connection().fetchrow("SELECT number, hash FROM audit_seal ORDER BY number DESC LIMIT 1")
    newest = await db.connection().fetchval(
        "SELECT r.at FROM audit_record r WHERE EXISTS (SELECT 1 FROM audit_seal s WHERE s.brand_id = r.brand_id AND s.record = r.id)"
        " ORDER BY r.at DESC LIMIT 1"
    )
    rows = await db.connection().fetch(
        f"SELECT {RECORD} FROM audit_record r WHERE ($1::timestamptz IS NULL OR r.at >= $1)"
        " AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.brand_id = r.brand_id AND s.record = r.id) ORDER BY r.at, r.id LIMIT $2",
        newest - LATE if newest else None,
        batch,
    )
    number, previous = (last["number"], last["hash"]) if last else (0, FIRST)
    links = []
    for row in rows:
        number, previous = number + 1, link(previous, brand_id, number + 1, row)
        links.append((brand_id, number, row["id"], previous))
    await db.connection().executemany("INSERT INTO audit_seal (brand_id, number, record, hash) VALUES ($1, $2, $3, $4)", links)
    return len(rows)


def link(previous: bytes, brand_id: uuid.UUID, number: int, row: Mapping[str, Any] | asyncpg.Record) -> bytes:
    """The hash of a link: what stands in the record, in a fixed order, after the hash of the link before."""
    fields = [brand_id, number, *(row[name] for name in ("id", "at", "user_id", "role", "action", "subject", "before", "after"))]
    return hashlib.sha256(previous + msgspec.json.encode([*fields, row["network"], row["request_id"], row["approval"]])).digest()


async def seal_all() -> int:
    """The trails of all brands and the platform's."""
    return sum([await seal(brand_id) for brand_id in await trails()])


async def trails() -> list[uuid.UUID]:
    async with db.atomic():
        rows = await db.connection().fetch("SELECT id FROM brands()")
    return [PLATFORM, *(row["id"] for row in rows)]


async def heads() -> list[Head]:
    found = []
    for brand_id in await trails():
        async with db.atomic(brand_id):
            row = await db.connection().fetchrow("SELECT number, hash FROM audit_seal ORDER BY number DESC LIMIT 1")
        if row is not None:
            found.append(Head(brand_id=brand_id, number=row["number"], hash=row["hash"].hex()))
    return found


async def verify(brand_id: uuid.UUID, *, kept: list[Head] | None = None, batch: int = BATCH) -> Break | None:
    """Recomputes the chain from its first link; the first that does not hold, or None.

    kept: heads of earlier days, from wherever they were kept; only with them does a chain show that was cut or made anew.
    """
    wanted = {head.number: head.hash for head in kept or () if head.brand_id == brand_id}
    number, previous, newest = 0, FIRST, None
    while True:
        async with db.atomic(brand_id):
            rows = await db.connection().fetch(
                f"SELECT s.number, s.record, s.hash, {RECORD} FROM audit_seal s LEFT JOIN audit_record r ON r.brand_id = s.brand_id AND r.id = s.record"
                " WHERE s.number > $1 ORDER BY s.number LIMIT $2",
                number,
                batch,
            )
        for row in rows:
            what = _fault(row, number, previous, newest, brand_id, wanted.get(row["number"]))
            if what is not None:
                return Break(brand_id=brand_id, number=number + 1, record=row["record"], what=what)
            number, previous = row["number"], row["hash"]
            newest = max(row["at"], newest or row["at"])
        if len(rows) < batch:
            break
    if max(wanted, default=0) > number:
        return Break(brand_id=brand_id, number=number + 1, record=None, what="the chain is shorter than it was")
    return await _outside(brand_id, newest)


def _fault(
    row: asyncpg.Record, number: int, previous: bytes, newest: dt.datetime | None, brand_id: uuid.UUID, kept: str | None
) -> str | None:
    if row["number"] != number + 1:
        return "the link is missing"
    if row["id"] is None:
        return "the record is missing"
    if link(previous, brand_id, row["number"], row) != row["hash"]:
        return "the record was changed"
    if kept is not None and row["hash"].hex() != kept:
        return "the chain is not the one that was kept"
    if newest is not None and row["at"] < newest - LATE:
        return "the record was inserted"
    return None


async def _outside(brand_id: uuid.UUID, newest: dt.datetime | None) -> Break | None:
    """A record that is older than what has been sealed and is not in the chain: nobody wrote it in its time."""
    if newest is None:
        return None
    async with db.atomic(brand_id):
        found = await db.connection().fetchval(
            "SELECT r.id FROM audit_record r WHERE r.at < $1 AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.brand_id = r.brand_id AND s.record = r.id)"
            " ORDER BY r.at, r.id LIMIT 1",
            newest - LATE,
        )
    return None if found is None else Break(brand_id=brand_id, number=None, record=found, what="the record was inserted")


async def verify_all(*, kept: list[Head] | None = None) -> list[Break]:
    """The first break of each trail."""
    return [found for brand_id in await trails() if (found := await verify(brand_id, kept=kept)) is not None]
