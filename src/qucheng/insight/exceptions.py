"""What of a brand needs somebody's attention, from all rooms in one list. Each disappears with its cause; what was flagged
disappears when somebody has looked at it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import msgspec

from qucheng.core import audit, clock, db, errors

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

SQL = Path(__file__).with_name("exceptions.sql")
Kind = Literal[
    "books.differ", "run.differs", "task.dead", "delivery.refused", "delivery.partial", "document.failed", "dispute.open", "approval.waiting",
    "stock.short", "stock.exceeds", "stock.low", "stock.expiry", "redemption.reversed",
    "payment.problem", "payment.not_returned", "self_purchase.share", "order.flagged", "statement.negative", "payee.below_minimum",
]  # fmt: skip
# in the order in which they are shown
KINDS: tuple[Kind, ...] = get_args(Kind)
# what is flagged, and done with when somebody has looked at it
SEEN: tuple[Kind, ...] = (
    "self_purchase.share", "order.flagged", "payment.problem", "payment.not_returned", "stock.exceeds", "redemption.reversed",
)  # fmt: skip
MOST_SHOWN = 20
LONGEST_NOTE = 500
GONE = "This is not there any more, or has changed: look at the list again."
COLUMNS = "kind, subject, facts::text, amount_minor, since, link"
# deliveries and tasks that nobody has put right in this time are history
REMEMBERED = dt.timedelta(days=45)


class ExceptionGoneError(errors.RefusedError):
    """It is not there any more, or has other figures now."""

    code: ClassVar[str] = "exception.gone"


class ExceptionNoteError(errors.RefusedError):
    code: ClassVar[str] = "exception.note"
    status: ClassVar[int] = 422


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """subject: names it, with its figures where these may change. facts: for the sentence about it. link: what its page is found by."""

    kind: Kind
    subject: str
    facts: dict[str, Any]
    amount_minor: int | None
    since: dt.datetime
    link: str | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All of one kind: how many, what they come to, and the first of them."""

    kind: Kind
    count: int
    amount_minor: int | None
    items: list[Item]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    subject: str
    note: str
    seen_by: uuid.UUID
    seen_at: dt.datetime


async def listing(*, brand: Brand, now: dt.datetime, most: int = MOST_SHOWN) -> list[Group]:
    """Those of each kind that there are, the oldest first."""
    async with db.atomic(brand.id):
        await _stage(now)
        sums = await db.connection().fetch(
            "SELECT kind, count(*) AS count, sum(amount_minor)::bigint AS amount_minor FROM attention GROUP BY kind"
        )
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM ("
            ' SELECT *, row_number() OVER (PARTITION BY kind ORDER BY since, subject COLLATE "C") AS place FROM attention) a'
            " WHERE place <= $1 ORDER BY kind, place",
            most,
        )
    found = {row["kind"]: row for row in sums}
    items = [_item(row) for row in rows]
    return [Group(**dict(found[kind]), items=[item for item in items if item.kind == kind]) for kind in KINDS if kind in found]


async def find(*, brand: Brand, kind: str, subject: str, now: dt.datetime) -> Item:
    """What is to be looked at. Raises ExceptionGoneError."""
    _require_kind(kind, subject)
    async with db.atomic(brand.id):
        await _stage(now)
        row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM attention WHERE kind = $1 AND subject = $2", kind, subject)
    if row is None:
        raise ExceptionGoneError(GONE)
    return _item(row)


async def review(*, brand: Brand, kind: str, subject: str, note: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Says that somebody has looked at it, and what they think. Of two at once the first is kept.

    Raises ExceptionNoteError, ExceptionGoneError.
    """
    said = " ".join(note.split())
    if not said or len(said) > LONGEST_NOTE or not said.isprintable():
        raise ExceptionNoteError(f"Say what you found, in 1 to {LONGEST_NOTE} characters.")
    _require_kind(kind, subject)
    async with db.atomic(brand.id):
        await db.connection().execute("SELECT lock_brand($1, 'exception')", brand.id)
        if await _seen(kind, subject):
            return
        await _stage(now)
        if not await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM attention WHERE kind = $1 AND subject = $2)", kind, subject
        ):
            raise ExceptionGoneError(GONE)
        await db.connection().execute(
            "INSERT INTO exception_review (brand_id, kind, subject, note, seen_by) VALUES ($1, $2, $3, $4, $5)",
            *(brand.id, kind, subject, said, actor.user_id),
        )
        await audit.record(
            brand_id=brand.id, actor=actor, action="exception.review", subject=f"{kind}/{subject}", after={"note": said}
        )


async def reviews(*, brand: Brand, most: int = MOST_SHOWN) -> list[Review]:
    """The newest first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            "SELECT kind, subject, note, seen_by, seen_at FROM exception_review ORDER BY seen_at DESC, subject LIMIT $1", most
        )
    return [Review(**dict(row)) for row in rows]


def _item(row: asyncpg.Record) -> Item:
    return Item(**{**dict(row), "facts": msgspec.json.decode(row["facts"])})


def _require_kind(kind: str, subject: str) -> None:
    """Only what is flagged is done with by looking, and no subject holds what is no character."""
    if kind not in SEEN or "\0" in subject:
        raise ExceptionGoneError(GONE)


async def _seen(kind: str, subject: str) -> bool:
    found: bool = await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM exception_review WHERE kind = $1 AND subject = $2)", kind, subject
    )
    return found


async def _stage(now: dt.datetime) -> None:
    """`attention`: all there is, in a temporary table."""
    last = await db.connection().fetchval("SELECT max(starts_on) FROM period")
    await db.connection().execute(
        "CREATE TEMP TABLE horizon (last_closed date, open_from date, remembered timestamptz) ON COMMIT DROP"
    )
    await db.connection().execute(
        "INSERT INTO horizon VALUES ($1, $2, $3)",
        last or dt.date.min,
        clock.month_after(last) if last is not None else dt.date.min,
        now - REMEMBERED,
    )
    await db.connection().execute(SQL.read_text(encoding="utf-8"))
