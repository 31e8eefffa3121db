"""Resellers as the brand looks at them: who they are, where they stand on a day, and whether they may work."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import cells, db, exports, telling
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qucheng.core import task
    from qucheng.identity.brand import Brand

LIST = "reseller.list"
PAGE, MOST = 20, 1000
Kind = Literal["individual", "company"]
State = Literal["active", "frozen", "closed"]
# $1 the day. Who joins later stands nowhere yet; where it is to stand is shown.
ROWS = """
    SELECT r.code, r.name, r.kind, coalesce(c.tier, r.tier) AS tier, t.name AS tier_name, CASE WHEN c.reseller IS NULL THEN r.parent ELSE c.parent END AS parent,
           c.root, c.depth, r.joined_on, reseller_state(r.code, $1) AS state,
           (SELECT max(a.number) FROM agreement_acceptance a WHERE a.brand_id = r.brand_id AND a.reseller = r.code) AS agreement,
           coalesce((SELECT CASE WHEN v.outcome = 'verified' AND v.expires_on <= $1 THEN 'expired' ELSE v.outcome END FROM identity_verification v
                     WHERE v.brand_id = r.brand_id AND v.reseller = r.code ORDER BY v.number DESC LIMIT 1), 'unverified') AS verification
    FROM reseller r LEFT JOIN chain c ON c.brand_id = r.brand_id AND c.reseller = r.code AND c.starts_on <= $1 AND $1 < c.ends_on
    JOIN tier t ON t.brand_id = r.brand_id AND t.code = coalesce(c.tier, r.tier)"""
# $2 tier, $3 state, $4 channel, $5 root, $6 text
CHOSEN = f"""
    SELECT * FROM ({ROWS}) q WHERE ($2::text IS NULL OR q.tier = $2) AND ($3::text IS NULL OR q.state = $3) AND ($5::text IS NULL OR q.root = $5)
      AND ($6::text IS NULL OR strpos(lower(q.code), lower($6)) > 0 OR strpos(lower(q.name), lower($6)) > 0)
      AND ($4::text IS NULL OR NOT EXISTS (SELECT 1 FROM reseller_channel o WHERE o.brand_id = current_brand() AND o.reseller = q.code)
           OR EXISTS (SELECT 1 FROM reseller_channel o WHERE o.brand_id = current_brand() AND o.reseller = q.code AND o.channel = $4
                      AND o.starts_on <= $1 AND (o.ends_on IS NULL OR $1 < o.ends_on)))"""
PLACES = """
    SELECT p.starts_on, p.ends_on, p.parent, p.tier, t.name AS tier_name, c.depth, c.root, d.reason, d.decided_at, d.decided_by
    FROM placement_span p JOIN tier t ON t.brand_id = p.brand_id AND t.code = p.tier
    LEFT JOIN placement_decision d ON d.brand_id = p.brand_id AND d.reseller = p.reseller AND d.effective_on = p.starts_on
    LEFT JOIN LATERAL (SELECT depth, root FROM chain c WHERE c.brand_id = p.brand_id AND c.reseller = p.reseller AND c.starts_on <= p.starts_on
                       AND p.starts_on < c.ends_on) c ON true
    WHERE p.reseller = $1 ORDER BY p.starts_on DESC LIMIT 50"""
BELOW = """
    SELECT count(*) FROM chain WHERE starts_on <= $2 AND $2 < ends_on AND reseller <> $1 AND (parent = $1 OR grandparent = $1)"""
COLUMNS = ("code", "name", "kind", "tier", "parent", "root", "depth", "joined_on", "state", "agreement", "verification")


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list; None where any will do. day: on which it is looked at."""

    day: dt.date
    tier: str | None = None
    state: State | None = None
    channel: str | None = None
    root: str | None = None
    text: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """root and depth: None where it has not joined by the day. agreement: the newest version that it agreed to."""

    code: str
    name: str
    kind: Kind
    tier: str
    tier_name: str
    parent: str | None
    root: str | None
    depth: int | None
    joined_on: dt.date
    state: State
    agreement: int | None
    verification: Literal["unverified", "verified", "expired", "failed"]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    rows: list[Row]
    total: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """ends_on: None where nothing follows. reason: of the platform's own moves."""

    starts_on: dt.date
    ends_on: dt.date | None
    parent: str | None
    tier: str
    tier_name: str
    depth: int | None
    root: str | None
    reason: str | None
    decided_at: dt.datetime | None
    decided_by: uuid.UUID | None


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """open: whether it may sell there on the day, its own state apart. until, from_on: what is planned for it."""

    code: str
    name: str
    kind: Literal["agency", "wholesale"]
    open: bool
    until: dt.date | None
    from_on: dt.date | None


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is to hold, as an export keeps it."""

    form: cells.Form
    chosen: Chosen


async def listing(*, brand_id: uuid.UUID, chosen: Chosen, page: int = 1, size: int = PAGE) -> Found:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT *, count(*) OVER () AS total FROM ({CHOSEN}) q ORDER BY code OFFSET $7 LIMIT $8",
            *_values(chosen),
            (page - 1) * size,
            size,
        )
    total = rows[0]["total"] if rows else 0
    return Found(rows=[_row(dict(row)) for row in rows], total=total)


async def one(*, brand_id: uuid.UUID, code: str, day: dt.date) -> Row:
    """Raises ResellerUnknownError."""
    async with db.atomic(brand_id):
        await resellers.require(code)
        row = await db.connection().fetchrow(f"SELECT * FROM ({ROWS}) q WHERE code = $2", day, code)
    return _row(dict(row))


async def places(*, brand_id: uuid.UUID, reseller: str) -> list[Place]:
    """The newest first, planned ones among them."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(PLACES, reseller)
    return [Place(**{**dict(row), "ends_on": row["ends_on"] if row["ends_on"] != dt.date.max else None}) for row in rows]


async def below(*, brand_id: uuid.UUID, reseller: str, day: dt.date) -> int:
    """How many stand below it on the day."""
    async with db.atomic(brand_id):
        return int(await db.connection().fetchval(BELOW, reseller, day))


async def channels(*, brand_id: uuid.UUID, reseller: str, day: dt.date) -> list[Channel]:
    """All of the brand's."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT c.code, c.name, c.kind, o.reseller IS NOT NULL OR NOT EXISTS"
            "  (SELECT 1 FROM reseller_channel x WHERE x.brand_id = c.brand_id AND x.reseller = $1) AS open, o.ends_on AS until,"
            " (SELECT min(x.starts_on) FROM reseller_channel x WHERE x.brand_id = c.brand_id AND x.reseller = $1 AND x.channel = c.code"
            "  AND x.starts_on > $2 AND (x.ends_on IS NULL OR x.ends_on > x.starts_on)) AS from_on"
            " FROM channel c LEFT JOIN LATERAL (SELECT x.reseller, x.ends_on FROM reseller_channel x WHERE x.brand_id = c.brand_id"
            "  AND x.reseller = $1 AND x.channel = c.code AND x.starts_on <= $2 AND (x.ends_on IS NULL OR $2 < x.ends_on)"
            "  ORDER BY x.starts_on DESC LIMIT 1) o ON true ORDER BY c.code LIMIT $3",
            reseller,
            day,
            MOST,
        )
    return [Channel(**dict(row)) for row in rows]


async def tiers(*, brand_id: uuid.UUID) -> list[Tier]:
    """The highest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code, name FROM tier ORDER BY rank, code LIMIT $1", MOST)
    return [Tier(code=row["code"], name=row["name"]) for row in rows]


async def write(*, brand: Brand, wanted: Wanted, out: Path, done: Callable[[int], None] | None = None) -> None:
    """The list as a file. done: told of rows, of a workbook."""
    text = cells.sql_inert if wanted.form == "csv" else str
    shown = ", ".join(
        f"{text(name)} AS {name}" if name in {"code", "name", "tier", "parent", "root"} else name for name in COLUMNS
    )
    query = f"SELECT {shown} FROM ({CHOSEN}) q ORDER BY q.code"
    values = _values(wanted.chosen)
    async with db.atomic(brand.id):
        if wanted.form == "csv":
            await cells.write_csv(query, *values, out=out)
            return
        book = cells.Book(out, title="resellers", names=COLUMNS)
        try:
            as_text = ", ".join(f"{name}::text" for name in COLUMNS)
            await cells.write_book(f"SELECT {as_text} FROM ({query}) q", *values, book=book, done=done)
        finally:
            book.close()


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with exports.request()."""
    asked = await exports.of_work(work)
    wanted = msgspec.convert(asked.parameters, Wanted)
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=wanted, out=out, done=rows.more)


def _values(chosen: Chosen) -> list[object]:
    return [chosen.day, chosen.tier, chosen.state, chosen.channel, chosen.root, chosen.text]


def _row(values: dict[str, object]) -> Row:
    return msgspec.convert({name: value for name, value in values.items() if name != "total"}, Row)
