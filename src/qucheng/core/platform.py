"""The platform's own database: migrated, and entered as the app's role."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from qucheng.core import database, db, servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.core.settings import Settings


# A process that stands still in the middle of a transaction (stopped, swapped out, cut off) keeps its locks no longer than this.
IDLE_SECONDS = 20


@contextlib.asynccontextmanager
async def entered(settings: Settings, *, pool_size: int = 8) -> AsyncIterator[None]:
    """The engine on the platform's database for the time of the block. What its schema lacks is made first, by one process at a time."""
    owner = servers.database_url(settings)
    await database.migrate(owner)
    url = await database.app_url(owner, settings.app_database_url, settings.var)
    limits = {"idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s"}
    async with db.connected(url, pool_size=pool_size, settings=limits):
        yield
