"""The mark of a database that was given the demonstration. It is written before anything of it, and stays."""

from __future__ import annotations

from typing import Literal

from qucheng.core import db

State = Literal["none", "begun", "finished"]


async def state() -> State:
    async with db.atomic():
        row = await db.connection().fetchrow("SELECT finished_at FROM demonstration")
    if row is None:
        return "none"
    return "begun" if row["finished_at"] is None else "finished"


async def begin() -> None:
    """Marks the database; one that is marked stays as it is."""
    async with db.atomic():
        await db.connection().execute("INSERT INTO demonstration (id) VALUES (true) ON CONFLICT DO NOTHING")


async def finish() -> None:
    """All of it is there: a later start leaves it to the people who have worked with it since."""
    async with db.atomic():
        await db.connection().execute("UPDATE demonstration SET finished_at = clock_timestamp() WHERE finished_at IS NULL")
