"""The worker's round of webhooks in a process of its own, which a test ends on the way: `python -m tests.faults.courier DATABASE`."""

from __future__ import annotations

import asyncio
import sys

from qucheng.core import db, settings
from qucheng.jobs import webhooks


async def main(url: str) -> None:
    async with db.connected(url):
        courier = webhooks.Courier(settings.load())
        await courier.round()
        await courier.settled()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
