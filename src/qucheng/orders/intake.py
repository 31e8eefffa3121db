"""Intakes: deliveries of facts that are accrued together, and the open one, in which live facts stand until the kernel is to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db, task

if TYPE_CHECKING:
    import datetime as dt
    import uuid

ACCRUE = "orders.accrue"
GATHER_SECONDS = 1
# the next one may be open already, and then it is later than all that is known
THROUGH = "(SELECT max(number) FROM intake WHERE accrued_at IS NOT NULL OR open OR number = ANY ($1))"


async def receive(*, now: dt.datetime) -> int:
    """Opens the brand's next delivery and returns its number. Two at once wait for each other."""
    connection = db.connection()
    await connection.execute("SELECT lock_brand(current_brand(), 'intake')")
    number: int = await connection.fetchval(
        "INSERT INTO intake (brand_id, number, received_at) SELECT current_brand(), coalesce(max(number), 0) + 1, $1 FROM intake RETURNING number",
        now,
    )
    return number


async def enter(*, now: dt.datetime) -> int:
    """The brand's open intake, for a live fact of this transaction: it stays open until the transaction has ended.

    After COMMIT the kernel is rung for, unless it is already: one task for each open intake. What is lost of that, the timetable finds.
    """
    row = await db.connection().fetchrow(
        f"""SELECT e.number, current_brand() AS brand, EXISTS (
                SELECT 1 FROM task WHERE key = '{ACCRUE}/' || current_brand() || '/' || e.number AND state IN ('waiting', 'running')) AS rung
            FROM enter_intake($1) e (number)""",
        now,
    )
    number: int = row["number"]
    if not row["rung"]:

        async def ring_after() -> None:
            async with db.atomic():
                await ring(brand_id=row["brand"], number=number)

        db.after_commit(ring_after)
    return number


async def ring(*, brand_id: uuid.UUID, number: int) -> None:
    """Adds the task that accrues the open intake of that number, unless there is one. It waits a moment, so that more orders come with it."""
    task_id = await task.add(kind=ACCRUE, queue="money", brand_id=brand_id, key=f"{ACCRUE}/{brand_id}/{number}")
    await db.connection().execute(
        f"UPDATE task SET available_at = created_at + interval '{GATHER_SECONDS} seconds' WHERE id = $1 AND attempt = 0 AND state = 'waiting'",
        task_id,
    )


async def forget() -> None:
    """Removes tasks of this sort that ended well a day ago: there is one for every second in which something is sold."""
    async with db.atomic():
        await db.connection().execute(
            f"DELETE FROM task WHERE kind = '{ACCRUE}' AND state = 'done' AND ended_at < clock_timestamp() - interval '1 day'"
        )


async def overdue() -> int | None:
    """The number of an intake with live facts of the visible brand that waits for the kernel; None where nothing does."""
    number: int | None = await db.connection().fetchval(
        "SELECT min(number) FROM intake WHERE live AND accrued_at IS NULL AND (NOT open OR holds_facts(number))"
    )
    return number


async def close(*, now: dt.datetime) -> None:
    """Closes the open intake if there is anything in it, and opens the next at once. Whoever writes a live fact is waited for."""
    await db.connection().execute("SELECT close_intake($1)", now)


async def waiting() -> list[int]:
    """The closed intakes that have not been accrued."""
    rows = await db.connection().fetch("SELECT number FROM intake WHERE accrued_at IS NULL AND NOT open ORDER BY number")
    return [row["number"] for row in rows]


async def through(*, numbers: list[int]) -> int:
    """The last delivery whose rules count for these intakes, if they are accrued now."""
    last: int = await db.connection().fetchval(f"SELECT {THROUGH}", numbers)
    return last


async def mark_accrued(*, numbers: list[int], now: dt.datetime) -> None:
    """For these intakes: the rules of deliveries up to the last one of now are theirs, later ones never."""
    await db.connection().execute(
        f"UPDATE intake SET accrued_at = $2, accrued_through = {THROUGH} WHERE number = ANY ($1)", numbers, now
    )
