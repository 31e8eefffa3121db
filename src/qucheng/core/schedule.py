"""Work that comes round: a task for each tick, and for the ticks that were missed while no worker ran."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from qucheng.core import db, task

MOST_MISSED = 1000


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks at `first` and every `every` after it. missed: after a standstill each missed tick has its task, or the latest stands for all."""

    name: str
    kind: str
    queue: task.Queue
    first: dt.datetime
    every: dt.timedelta
    missed: Literal["each", "latest"] = "latest"


async def tick(schedule: Schedule) -> int:
    """Adds the tasks of the ticks since it was last called, by any process and by the database's clock; returns how many.

    A schedule that is new starts with its next tick. The tick stands in the task's subject as `due_at`.
    """
    async with db.atomic():
        connection = db.connection()
        fresh = await connection.execute(
            "INSERT INTO schedule (name, ticked_at) VALUES ($1, date_bin($2, clock_timestamp(), $3)) ON CONFLICT DO NOTHING",
            schedule.name,
            schedule.every,
            schedule.first,
        )
        if fresh == "INSERT 0 1":
            return 0
        last = await connection.fetchval("SELECT ticked_at FROM schedule WHERE name = $1 FOR UPDATE", schedule.name)
        rows = await connection.fetch(
            "SELECT due FROM generate_series(date_bin($2, $1::timestamptz, $3) + $2, clock_timestamp(), $2) due ORDER BY due DESC LIMIT $4",
            last,
            schedule.every,
            schedule.first,
            MOST_MISSED if schedule.missed == "each" else 1,
        )
        for row in reversed(rows):
            key = f"{schedule.name}/{row['due'].isoformat()}" if schedule.missed == "each" else schedule.name
            await task.add(kind=schedule.kind, queue=schedule.queue, subject={"due_at": row["due"]}, key=key)
        if rows:
            await connection.execute("UPDATE schedule SET ticked_at = $2 WHERE name = $1", schedule.name, rows[0]["due"])
    return len(rows)
