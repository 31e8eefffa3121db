"""Intakes: deliveries of facts that are accrued together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt


async def receive(*, now: dt.datetime) -> int:
    """Opens the brand's next intake and returns its number. Two at once wait for each other."""
    connection = db.connection()
    await connection.execute("SELECT lock_brand(current_brand(), 'intake')")
    number: int = await connection.fetchval(
        "INSERT INTO intake (brand_id, number, received_at) SELECT current_brand(), coalesce(max(number), 0) + 1, $1 FROM intake RETURNING number",
        now,
    )
    return number


async def waiting() -> bool:
    """Whether there is an intake that has not been accrued."""
    return bool(await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM intake WHERE accrued_at IS NULL)"))


async def mark_accrued(*, now: dt.datetime) -> None:
    """For all waiting intakes: the rules of deliveries up to the last one of now are theirs, later ones never."""
    await db.connection().execute(
        "UPDATE intake SET accrued_at = $1, accrued_through = (SELECT max(number) FROM intake) WHERE accrued_at IS NULL", now
    )
