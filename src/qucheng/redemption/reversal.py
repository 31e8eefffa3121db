"""A redemption taken back: at once by the terminal that redeemed, later with approval; by a key that has not come, blocked for good."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import approval as approvals
from qucheng.redemption import redemption, rules, store
from qucheng.stock import act, draw
from qucheng.stock import rules as stock_rules

if TYPE_CHECKING:
    import datetime as dt

    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

ACTION = "redemption.reverse"
Result = Literal["undone", "blocked", "nothing", "late"]
ROW = "SELECT id, terminal, at, verdict, batch, number, undone, recorded_at FROM redemption WHERE {} FOR UPDATE"
STATE = "SELECT state FROM card WHERE brand_id = current_brand() AND batch = $1 AND number = $2"
WAITING = """
    SELECT id FROM approval WHERE action = $1 AND state = 'waiting' AND expires_at > clock_timestamp() AND payload::jsonb ->> 'redemption' = $2"""


class NoTerminalError(errors.RefusedError):
    """Who asks has no terminal, and so nothing to take back."""

    code: ClassVar[str] = "terminal.unknown"
    status: ClassVar[int] = 404


class CardChangedError(errors.RefusedError):
    """It is not redeemed any more."""

    code: ClassVar[str] = "redemption.changed"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """undone: it is taken back, now or before. blocked: no redemption of that key will come. nothing: none was made with it.

    late: it is too late for the terminal alone. usable: the card can be used again; its unit may have been paid back meanwhile.
    """

    result: Result
    redemption: uuid.UUID | None = None
    usable: bool = False


async def reverse(
    *,
    brand: Brand,
    api_key: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    key: str,
    reason: str | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> Outcome:
    """By the key of the original, which is a program's or a shop clerk's. Raises NoTerminalError."""
    async with db.atomic(brand.id):
        terminal = await store.terminal_of(brand_id=brand.id, api_key=api_key, user_id=user_id)
        if terminal is None:
            raise NoTerminalError("Who asks has no terminal.")
        await redemption.lock_key(brand.id, terminal.id, key)
        # a card is locked before its redemption, as by who redeems
        card = await db.connection().fetchrow(
            "SELECT batch, number FROM redemption WHERE terminal = $1 AND key = $2", terminal.id, key
        )
        if card is None:
            await _block(brand.id, terminal.id, key, actor, now)
            return Outcome(result="blocked")
        row = await _locked(card, "terminal = $1 AND key = $2", terminal.id, key)
        if row["verdict"] != "ok":
            return Outcome(result="nothing", redemption=row["id"])
        if not row["undone"]:
            if now > row["at"] + rules.UNDO or row["recorded_at"] is not None:
                return Outcome(result="late", redemption=row["id"])
            await _undo(brand.id, row, reason, None, actor, now)
        state = await db.connection().fetchval(STATE, row["batch"], row["number"])
        return Outcome(result="undone", redemption=row["id"], usable=state in {"delivered", "revealed"})


async def undo(
    *, brand: Brand, user_id: uuid.UUID, made: uuid.UUID, reason: str, actor: audit.Actor, now: dt.datetime
) -> Outcome:
    """By a shop clerk, of the own terminal's. Raises NoTerminalError, RedemptionUnknownError."""
    async with db.atomic(brand.id):
        terminal = await store.terminal_of(brand_id=brand.id, user_id=user_id)
        if terminal is None:
            raise NoTerminalError("Who asks has no terminal.")
        key = await db.connection().fetchval("SELECT key FROM redemption WHERE id = $1 AND terminal = $2", made, terminal.id)
        if key is None:
            raise redemption.RedemptionUnknownError("There is no such redemption.")
        return await reverse(brand=brand, user_id=user_id, key=key, reason=reason, actor=actor, now=now)


async def _locked(card: asyncpg.Record, condition: str, *values: object) -> asyncpg.Record:
    if card["batch"] is not None:
        await db.connection().execute("SELECT lock_card($1, $2)", card["batch"], card["number"])
    return await db.connection().fetchrow(ROW.format(condition), *values)


async def _block(brand_id: uuid.UUID, terminal: uuid.UUID, key: str, actor: audit.Actor, now: dt.datetime) -> None:
    done = await db.connection().execute(
        "INSERT INTO reversed_key (brand_id, terminal, key, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *(brand_id, terminal, key, now),
    )
    if done == "INSERT 0 1":
        await audit.record(brand_id=brand_id, actor=actor, action="redemption.block", subject=str(terminal))


async def _undo(
    brand_id: uuid.UUID, row: asyncpg.Record, reason: str | None, approval: uuid.UUID | None, actor: audit.Actor, now: dt.datetime
) -> None:
    connection, said = db.connection(), stock_rules.line(reason, stock_rules.LONGEST_NOTE)
    # the card goes back with its redemption, which is taken back before it
    await connection.execute(
        "INSERT INTO redemption_undo (brand_id, redemption, at, terminal, user_id, reason, approval) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(brand_id, row["id"], now, row["terminal"], actor.user_id, said, approval),
    )
    await connection.execute("UPDATE redemption SET undone = true WHERE id = $1", row["id"])
    await act.open_act(kind="undo", actor=actor, now=now, note=said)
    done = await connection.execute(
        "UPDATE card SET state = came_from, came_from = NULL WHERE batch = $1 AND number = $2 AND state = 'redeemed'",
        row["batch"],
        row["number"],
    )
    if done != "UPDATE 1":
        raise CardChangedError("The card is not redeemed any more.")
    card = row["batch"], row["number"]
    owed = await draw.take_owed(card=card, actor=actor, now=now)
    await audit.record(
        brand_id=brand_id,
        actor=actor,
        action="card.redeem_undo",
        subject=stock_rules.card_id(*card),
        after={"redemption": str(row["id"]), "reason": said, **({"refunded": True} if owed else {})},
        approval=approval,
    )


async def ask(
    *, principal: permissions.Principal, brand: Brand, made: uuid.UUID, reason: str | None, actor: audit.Actor
) -> uuid.UUID:
    """For one that is too late for its terminal. A shop clerk asks for those of the own terminal only.

    Returns the request's id: that of the one that waits already, where one does. Raises RedemptionUnknownError, CardChangedError.
    """
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            "SELECT batch, number, at, terminal, verdict, undone FROM redemption WHERE id = $1 FOR UPDATE", made
        )
        if row is None or (principal.role == store.ROLE and not await _works_at(principal, brand.id, row["terminal"])):
            raise redemption.RedemptionUnknownError("There is no such redemption.")
        if row["verdict"] != "ok" or row["undone"]:
            raise CardChangedError("The card is not redeemed any more.")
        waiting: uuid.UUID | None = await db.connection().fetchval(WAITING, ACTION, str(made))
        if waiting is not None:
            return waiting
        payload = {
            "redemption": str(made),
            "card": stock_rules.card_id(row["batch"], row["number"]),
            "redeemed_at": row["at"].isoformat(timespec="seconds"),
            "reason": stock_rules.line(reason, stock_rules.LONGEST_NOTE),
        }
        return await approvals.request(principal=principal, action=ACTION, payload=payload, actor=actor)


async def _works_at(principal: permissions.Principal, brand_id: uuid.UUID, terminal: uuid.UUID) -> bool:
    own = await store.terminal_of(brand_id=brand_id, user_id=principal.user_id)
    return own is not None and own.id == terminal


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Does what was allowed. Raises CardChangedError where it was undone meanwhile."""
    said = approval.payload
    async with db.atomic(brand.id):
        used = await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=said)
        made = uuid.UUID(said["redemption"])
        card = await db.connection().fetchrow("SELECT batch, number FROM redemption WHERE id = $1", made)
        row = await _locked(card, "id = $1", made)
        if row["undone"]:
            raise CardChangedError("This was undone already.")
        await _undo(brand.id, row, said["reason"], used.id, actor, now)
