"""qucheng worker, and qucheng tasks: background work seen and steered."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import cyclopts

from qucheng import worker as workers
from qucheng.core import log, platform, production, settings, task
from qucheng.identity import brand as brands

app = cyclopts.App(name="tasks", help="Background work: what waits, runs, has failed; try it again or cancel it.")

State = Literal["waiting", "running", "done", "dead", "cancelled"]


def worker() -> None:
    """Do background work until SIGTERM or Ctrl-C. Any number of workers share it; one that dies loses nothing."""
    log.configure()
    current = settings.load()
    production.require(current)
    production.warn(current)
    asyncio.run(workers.work(current))


@app.command(name="list")
def listing(
    *,
    state: Annotated[tuple[State, ...], cyclopts.Parameter(consume_multiple=True)] = (),
    brand: str | None = None,
    most: int = 50,
) -> None:
    """The newest tasks first.

    Parameters
    ----------
    state
        Only tasks in these states.
    brand
        Only the tasks of the brand with this code.
    most
        How many are shown.

    """
    found = asyncio.run(_listing(state, brand, most))
    if not found:
        print("no tasks")
    for each in found:
        progress = f"{each.units_done}/{each.units}" if each.units else ""
        reason = f"  {each.reason}" if each.reason and each.state != "done" else ""
        print(
            f"{each.id}  {each.kind:<20}{each.state:<11}attempt {each.attempt:<3}{progress:<12}{each.created_at:%Y-%m-%d %H:%M:%SZ}{reason}"
        )


@app.command(name="retry")
def again(task_id: uuid.UUID) -> None:
    """Let a task that was given up, was cancelled, or waits for its next attempt run at once."""
    asyncio.run(_on_platform(task.retry, task_id))
    print(f"task {task_id} waits for a worker")


@app.command
def cancel(task_id: uuid.UUID) -> None:
    """Cancel a task that waits or runs. What it has already committed stays."""
    asyncio.run(_on_platform(task.cancel, task_id))
    print(f"task {task_id} is cancelled")


async def _listing(states: tuple[State, ...], brand: str | None, most: int) -> list[task.Task]:
    async with platform.entered(settings.load()):
        brand_id = (await brands.require(brand)).id if brand is not None else None
        return await task.listing(states=states, brand_id=brand_id, most=most)


async def _on_platform(change: Callable[[uuid.UUID], Awaitable[None]], task_id: uuid.UUID) -> None:
    async with platform.entered(settings.load()):
        await change(task_id)
