"""Cards are frozen, go on, and are void: those of a batch, of orders, or that are listed; and a faulty one is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.stock import act, draw, rules

if TYPE_CHECKING:
    import datetime as dt

    import asyncpg

    from qucheng.identity.brand import Brand

EXPIRY = "least(expires_on, coalesce(valid_until, 'infinity'))"
FREEZE = "UPDATE card SET state = 'frozen', came_from = state WHERE {where} AND state NOT IN ('frozen', 'redeemed', 'void')"
EXPIRED = """
    UPDATE card SET state = 'void', came_from = NULL, void_reason = 'expired', reservation = NULL, reserved_until = NULL
    WHERE {where} AND state = 'frozen' AND {expiry} < ${day}"""
UNFREEZE = "UPDATE card SET state = came_from, came_from = NULL WHERE {where} AND state = 'frozen'"
# released while they were frozen: nobody would release them again
RELEASED = """
    UPDATE card SET state = 'available' WHERE {where} AND state = 'inactive'
        AND EXISTS (SELECT 1 FROM batch b WHERE b.brand_id = card.brand_id AND b.number = card.batch AND b.state = 'released')"""
VOID = """
    UPDATE card SET state = 'void', came_from = NULL, void_reason = 'withdrawn', reservation = NULL, reserved_until = NULL
    WHERE {where} AND state IN ('inactive', 'available', 'frozen')"""


class CardStateError(errors.RefusedError):
    """The card is not in a state in which this can be done to it."""

    code: ClassVar[str] = "card.state"


class ChosenError(errors.RefusedError):
    """Name a batch, orders or cards, and one of these only."""

    code: ClassVar[str] = "cards.chosen"
    status: ClassVar[int] = 422


class ReasonError(errors.RefusedError):
    """Whoever stops cards says why."""

    code: ClassVar[str] = "cards.reason"
    status: ClassVar[int] = 422


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which cards: exactly one of these."""

    batch: int | None = None
    orders: list[str] | None = None
    cards: list[tuple[int, int]] | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The condition and what it takes. Raises ChosenError."""
        if [self.batch, self.orders, self.cards].count(None) != 2:  # noqa: PLR2004 - of three
            raise ChosenError("Name a batch, orders or cards, and one of these only.")
        if self.batch is not None:
            return "brand_id = current_brand() AND batch = $1", [self.batch]
        if self.orders is not None:
            return "brand_id = current_brand() AND order_no = ANY ($1::text[])", [self.orders]
        named = self.cards or []
        return (
            "brand_id = current_brand() AND (batch, number) IN (SELECT * FROM unnest($1::int[], $2::int[]))",
            [[batch for batch, _ in named], [number for _, number in named]],
        )

    def subject(self) -> str:
        if self.batch is not None:
            return f"batch/{self.batch}"
        return f"orders/{len(self.orders)}" if self.orders is not None else f"cards/{len(self.cards or ())}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How many were changed, and how many of those chosen were in a state in which they are not."""

    changed: int
    untouched: dict[str, int]


async def freeze(*, brand: Brand, chosen: Chosen, reason: str, actor: audit.Actor, now: dt.datetime) -> Outcome:
    """All that are not used or void. Raises ChosenError, ReasonError."""
    return await _change("freeze", FREEZE, brand, chosen, reason, actor, now)


async def void(*, brand: Brand, chosen: Chosen, reason: str, actor: audit.Actor, now: dt.datetime) -> Outcome:
    """Those that nobody has, and those that are frozen. Raises ChosenError, ReasonError."""
    return await _change("withdraw", VOID, brand, chosen, reason, actor, now)


async def unfreeze(*, brand: Brand, chosen: Chosen, reason: str, actor: audit.Actor, now: dt.datetime) -> Outcome:
    """They are what they were; a deadline or a last day that passed meanwhile counts at once, and so does the release of their batch.

    Raises ChosenError, ReasonError.
    """
    where, values = chosen.where()
    async with db.atomic(brand.id):
        last = len(values) + 1
        expired = EXPIRED.format(where=where, expiry=EXPIRY, day=last)
        await _lock(where, values)
        await act.open_act(kind="unfreeze", actor=actor, now=now, note=_said(reason))
        status = await db.connection().execute(expired, *values, rules.local_day(now, brand.time_zone))
        outcome = await _change("unfreeze", UNFREEZE, brand, chosen, reason, actor, now)
        await db.connection().execute(RELEASED.format(where=where), *values)
        await db.connection().execute("SELECT lapse_stock($1)", now)
    return msgspec.structs.replace(outcome, changed=outcome.changed + int(status.split()[1]))


async def _change(
    what: str, statement: str, brand: Brand, chosen: Chosen, reason: str, actor: audit.Actor, now: dt.datetime
) -> Outcome:
    where, values = chosen.where()
    said = _said(reason)
    async with db.atomic(brand.id):
        connection = db.connection()
        await _lock(where, values)
        states = await connection.fetch(f"SELECT state, count(*) AS cards FROM card WHERE {where} GROUP BY state", *values)
        await act.open_act(kind=what, actor=actor, now=now, note=said)
        status: str = await connection.execute(statement.format(where=where), *values)
        changed = int(status.split()[1])
        untouched = {row["state"]: row["cards"] for row in states if row["state"] not in STOPPED[what]}
        after = {"changed": changed, "reason": said}
        await audit.record(brand_id=brand.id, actor=actor, action=f"cards.{what}", subject=chosen.subject(), after=after)
    return Outcome(changed=changed, untouched=untouched)


# which states each of these changes
STOPPED: dict[str, tuple[rules.State, ...]] = {
    "freeze": ("inactive", "available", "reserved", "delivered", "revealed"),
    "unfreeze": ("frozen",),
    "withdraw": ("inactive", "available", "frozen"),
}


def _said(reason: str) -> str:
    said = rules.line(reason, rules.LONGEST_REASON)
    if said is None:
        raise ReasonError("Say why, in a line.")
    return said


async def _lock(where: str, values: list[Any]) -> None:
    rows = await db.connection().fetch(
        f"SELECT sku, pool FROM card WHERE {where} GROUP BY sku, pool UNION SELECT sku, 0 FROM card WHERE {where} AND borrowed",
        *values,
    )
    await act.lock(pairs=[(row["sku"], row["pool"]) for row in rows])


async def replace(*, brand: Brand, card: tuple[int, int], reason: str, actor: audit.Actor, now: dt.datetime) -> None:
    """A faulty card is void, and its line or claim has another of the same SKU from the same pool. Raises CardUnknownError, CardStateError, StockShortError."""
    said = _said(reason)
    async with db.atomic(brand.id):
        connection = db.connection()
        row = await connection.fetchrow("SELECT sku, pool, state FROM lock_card($1, $2)", *card)
        if row is None:
            raise rules.CardUnknownError("There is no such card.")
        if row["state"] not in {"delivered", "revealed"}:
            raise CardStateError(f"A card that is {row['state']} is not replaced.")
        holder = await connection.fetchrow("SELECT order_no, line_no, claim FROM card WHERE batch = $1 AND number = $2", *card)
        today = rules.local_day(now, brand.time_zone)
        await act.open_act(kind="replace", actor=actor, now=now, note=said)
        taken = await _another(row, holder, card, today)
        if not taken:
            raise draw.StockShortError(f"There is no other {row['sku']} in its pool.")
        await connection.execute(
            "UPDATE card SET state = 'void', void_reason = 'faulty' WHERE brand_id = current_brand() AND batch = $1 AND number = $2",
            *card,
        )
        held_by = {"claim": str(holder["claim"])} if holder["claim"] else {"order": holder["order_no"], "line": holder["line_no"]}
        after = {"reason": said, **held_by}
        await audit.record(brand_id=brand.id, actor=actor, action="card.replace", subject=rules.card_id(*card), after=after)


async def _another(card: asyncpg.Record, holder: asyncpg.Record, named: tuple[int, int], today: dt.date) -> bool:
    """Gives the holder of a card that is locked another one; False where there is none."""
    connection = db.connection()
    if holder["claim"] is not None:
        return bool(await connection.fetchval("SELECT replace_claimed($1, $2, $3)", *named, today))
    pool: int | None = await connection.fetchval(
        "SELECT choose_and_lock(ARRAY[$1::text], ARRAY[1], ARRAY[$2::int], $3)", card["sku"], card["pool"], today
    )
    if pool is None:
        return False
    await connection.execute(
        "SELECT take_cards($1, $2, 1, $3, $4, $5, NULL, NULL)", card["sku"], pool, today, holder["order_no"], holder["line_no"]
    )
    return True
