"""Orders that were paid for and have no cards, and refunds for which fewer cards came back: until somebody finds the way out."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors
from qucheng.stock import draw, rules

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

COLUMNS = "id, kind, order_no, line_no, reseller, channel, sku, units, opened_at, closed_at, way, substitute, note"


class CaseUnknownError(errors.RefusedError):
    code: ClassVar[str] = "stock_case.unknown"
    status: ClassVar[int] = 404


class CaseClosedError(errors.RefusedError):
    """Its way out was found."""

    code: ClassVar[str] = "stock_case.closed"


class CaseUnfitError(errors.RefusedError):
    """No way out of such a case. field: what is wrong."""

    code: ClassVar[str] = "stock_case.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """short: units of the line wait for cards. exceeds: so many cards of a refund are missing. way: how it was closed."""

    id: uuid.UUID
    kind: Literal["short", "exceeds"]
    order_no: str
    line_no: str
    reseller: str
    channel: str
    sku: str
    units: int
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    way: Literal["retried", "substituted", "refunded", "settled"] | None
    substitute: str | None
    note: str | None


async def open_cases(*, brand_id: uuid.UUID, most: int = 200) -> list[Case]:
    """The oldest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM stock_case WHERE closed_at IS NULL ORDER BY opened_at, id LIMIT $1", most
        )
    return [_case(row) for row in rows]


async def find(*, brand_id: uuid.UUID, case: uuid.UUID) -> Case:
    """Raises CaseUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM stock_case WHERE id = $1", case)
    if row is None:
        raise CaseUnknownError("There is no such case.")
    return _case(row)


async def of_order(*, order_no: str) -> list[Case]:
    """Inside a transaction, with the eyes of who asks."""
    rows = await db.connection().fetch(
        "SELECT id, kind, order_no, line_no, reseller, channel, sku, units, opened_at, closed_at, way, NULL AS substitute, NULL AS note"
        " FROM stock_case WHERE order_no = $1 ORDER BY opened_at, id",
        order_no,
    )
    return [_case(row) for row in rows]


async def open_short(*, order_no: str) -> int:
    """Inside a transaction: how many lines of the order still wait for cards."""
    found: int = await db.connection().fetchval(
        "SELECT count(*) FROM stock_case WHERE order_no = $1 AND kind = 'short' AND closed_at IS NULL", order_no
    )
    return found


async def retry(*, brand: Brand, case: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> draw.Drawn:
    """Inside the transaction: what is still wanted is drawn again; the case is closed if it was there.

    Raises CaseUnknownError, CaseClosedError.
    """
    short = await _held(case, "short")
    drawn = await _draw(brand, short, short.sku, actor, now)
    if drawn.state == "delivered":
        await _close(brand.id, short, "retried", None, None, actor, now)
    return drawn


async def substitute(*, brand: Brand, case: uuid.UUID, sku: str, note: str, actor: audit.Actor, now: dt.datetime) -> draw.Drawn:
    """Inside the transaction: cards of another SKU, as many for a unit as that one takes. Nothing is changed where there are not enough.

    Raises CaseUnknownError, CaseClosedError, CaseUnfitError, StockShortError.
    """
    said = rules.line(note, rules.LONGEST_REASON)
    if said is None:
        raise CaseUnfitError("note", "Say what was agreed, in a line.")
    short = await _held(case, "short")
    if sku == short.sku or not await draw.needs_cards([sku]):
        raise CaseUnfitError("sku", f"{sku!r} is no other SKU that is sold from stock.")
    async with db.atomic():
        connection = db.connection()
        line = short.order_no, short.line_no
        await connection.execute("UPDATE line_need SET each = 0 WHERE order_no = $1 AND line_no = $2", *line)
        await connection.execute(
            "INSERT INTO line_need (brand_id, order_no, line_no, sku, each)"
            " SELECT s.brand_id, $1, $2, coalesce(p.part, s.code), coalesce(p.quantity, 1) FROM sku s"
            " LEFT JOIN sku_part p ON p.brand_id = s.brand_id AND p.package = s.code AND s.kind = 'package'"
            " LEFT JOIN sku k ON k.brand_id = s.brand_id AND k.code = p.part"
            " WHERE s.code = $3 AND (s.kind = 'card_secret' OR k.kind = 'card_secret')"
            " ON CONFLICT (brand_id, order_no, line_no, sku) DO UPDATE SET each = excluded.each",
            *line,
            sku,
        )
        drawn = await _draw(brand, short, sku, actor, now)
        if drawn.state != "delivered":
            raise draw.StockShortError(f"There are no {short.units} of {sku} for this reseller and channel.")
    await _close(brand.id, short, "substituted", said, sku, actor, now)
    return drawn


async def settle(*, brand: Brand, case: uuid.UUID, note: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Somebody knows of the missing cards, and says what they found. Raises CaseUnknownError, CaseClosedError, CaseUnfitError."""
    said = rules.line(note, rules.LONGEST_REASON)
    if said is None:
        raise CaseUnfitError("note", "Say what you found, in a line.")
    async with db.atomic(brand.id):
        await _close(brand.id, await _held(case, "exceeds"), "settled", said, None, actor, now)


async def _draw(brand: Brand, short: Case, sku: str, actor: audit.Actor, now: dt.datetime) -> draw.Drawn:
    (drawn,) = await draw.draw(
        brand=brand,
        order_no=short.order_no,
        reseller=short.reseller,
        channel=short.channel,
        lines=[draw.Wanted(line_no=short.line_no, sku=sku, units=short.units)],
        actor=actor,
        now=now,
    )
    return drawn


async def _held(case: uuid.UUID, kind: str) -> Case:
    row = await db.connection().fetchrow(
        f"SELECT {COLUMNS} FROM stock_case WHERE id = $1 AND kind = $2 FOR NO KEY UPDATE", case, kind
    )
    if row is None:
        raise CaseUnknownError("There is no such case.")
    if row["closed_at"] is not None:
        raise CaseClosedError(f"This case is {row['way']}.")
    return _case(row)


async def _close(
    brand_id: uuid.UUID, case: Case, way: str, note: str | None, substitute: str | None, actor: audit.Actor, now: dt.datetime
) -> None:
    await db.connection().execute(
        "UPDATE stock_case SET closed_at = $2, way = $3, note = $4, substitute = $5, closed_by = $6 WHERE id = $1",
        case.id,
        now,
        way,
        note,
        substitute,
        actor.user_id,
    )
    after = {"way": way, "note": note, "substitute": substitute, "line": case.line_no}
    await audit.record(brand_id=brand_id, actor=actor, action=f"stock_case.{case.kind}", subject=case.order_no, after=after)


def _case(row: asyncpg.Record) -> Case:
    return Case(**dict(row))
