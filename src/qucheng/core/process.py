"""The processes that serve and work, as they report themselves every few seconds. All times are the database's."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Literal

from qucheng.core import db

if TYPE_CHECKING:
    import uuid

Role = Literal["web", "worker"]
SEEN_SECONDS = 30
LOST_SECONDS = 86_400


async def report(process_id: uuid.UUID, role: Role) -> None:
    """Says that this process lives. The first report also clears away those that have been silent for a day."""
    async with db.atomic():
        first: bool = await db.connection().fetchval(
            "INSERT INTO process (id, role, host, pid) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp() RETURNING xmax = 0",
            process_id,
            role,
            socket.gethostname() or "unnamed",
            os.getpid(),
        )
        if first:
            await db.connection().execute(
                "DELETE FROM process WHERE id IN (SELECT id FROM process"
                f" WHERE seen_at < clock_timestamp() - make_interval(secs => {LOST_SECONDS}) FOR UPDATE SKIP LOCKED)"
            )


async def forget(process_id: uuid.UUID) -> None:
    """The process has stopped in order."""
    async with db.atomic():
        await db.connection().execute("DELETE FROM process WHERE id = $1", process_id)


async def seen(role: Role) -> int:
    """How many processes of the role have reported themselves lately."""
    async with db.atomic():
        count: int = await db.connection().fetchval(
            f"SELECT count(*) FROM process WHERE role = $1 AND seen_at > clock_timestamp() - make_interval(secs => {SEEN_SECONDS})",
            role,
        )
    return count
