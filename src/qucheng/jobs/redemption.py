"""What tasks of redemption call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import clock
from qucheng.redemption import settled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qucheng.core import task


async def settle(_: task.Work, __: object) -> None:
    await settled.record_all(now=clock.now())


HANDLERS: dict[str, Callable[[task.Work, object], Awaitable[None]]] = {settled.KIND: settle}
