"""Confirmations: a reseller agrees with a statement, once."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors

COLUMNS = "period, number, confirmed_by, confirmed_at"


class StatementNotYoursError(errors.RefusedError):
    """There is no such statement for the reseller, or it is not published."""

    code: ClassVar[str] = "confirmation.unknown"
    status: ClassVar[int] = 404


class ConfirmationDisputedError(errors.RefusedError):
    """A row of the statement is disputed, and that is not answered yet."""

    code: ClassVar[str] = "confirmation.disputed"


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    period: dt.date
    number: int
    confirmed_by: uuid.UUID
    confirmed_at: dt.datetime


async def confirm(*, brand_id: uuid.UUID, reseller: str, period: dt.date, number: int, actor: audit.Actor) -> Confirmation:
    """By a person of the reseller, on a statement that it sees. Again it is the confirmation that there is.

    Raises StatementNotYoursError, ConfirmationDisputedError.
    """
    try:
        async with db.atomic(brand_id, reseller=reseller):
            statement_no = await db.connection().fetchval(
                "SELECT statement_no FROM statement WHERE period = $1 AND number = $2", period, number
            )
            if statement_no is None:
                raise StatementNotYoursError("There is no such statement of yours.")
            made = await db.connection().fetchval(
                "INSERT INTO statement_confirmation (brand_id, period, number, confirmed_by) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT DO NOTHING RETURNING true",
                brand_id,
                period,
                number,
                actor.user_id,
            )
            if made:
                await audit.record(brand_id=brand_id, actor=actor, action="statement.confirm", subject=str(statement_no))
            found = await read(brand_id=brand_id, reseller=reseller, period=period, number=number)
    except asyncpg.RestrictViolationError as error:
        if error.constraint_name != "statement_confirmation_disputed":
            raise
        raise ConfirmationDisputedError(
            "A line of this statement is disputed: it can be confirmed when that is answered."
        ) from None
    if found is None:
        raise RuntimeError("a confirmation that was written is not there")
    return found


async def read(*, brand_id: uuid.UUID, period: dt.date, number: int, reseller: str | None = None) -> Confirmation | None:
    """Of a statement; None while it is not confirmed."""
    async with db.atomic(brand_id, reseller=reseller):
        row = await db.connection().fetchrow(
            f"SELECT {COLUMNS} FROM statement_confirmation WHERE period = $1 AND number = $2", period, number
        )
    return None if row is None else Confirmation(**dict(row))


async def listing(*, brand_id: uuid.UUID, period: dt.date, reseller: str | None = None) -> dict[int, Confirmation]:
    """Of a period, by the statements' numbers."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(f"SELECT {COLUMNS} FROM statement_confirmation WHERE period = $1", period)
    return {row["number"]: Confirmation(**dict(row)) for row in rows}
