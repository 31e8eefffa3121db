"""Progress of long work on a terminal: stage, amount, rate, time left. Elsewhere it is quiet and only keeps the times."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import rich.console
import rich.progress
import rich.text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAGES = {
    "prepare": "preparing the database",
    "read": "reading the files",
    "check": "checking and storing",
    "accrue": "accruing commissions",
    "settle": "settling the periods",
    "write": "writing the books",
    "export": "writing the bundle",
    "render": "rendering statements",
}


class Progress:
    """seconds: by stage, in the order in which they ran."""

    def __init__(self, *, terminal: bool | None = None) -> None:
        console = rich.console.Console(stderr=True)
        self.seconds: dict[str, float] = {}
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:<24}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.completed:>12,.0f} {task.fields[unit]}"),
            _Rate(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal if terminal is None else terminal),
        )

    @contextlib.contextmanager
    def stage(self, name: str, *, total: int = 1, unit: str = "") -> Iterator[Callable[[int], None]]:
        """Yields the function that is told how much more is done, of `total`."""
        started = time.monotonic()
        with self._bar:
            task = self._bar.add_task(STAGES[name], total=total, unit=unit)
            yield lambda more: self._bar.advance(task, more)
            self._bar.update(task, completed=total)
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - started

    @contextlib.contextmanager
    def following(self, name: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
        """As stage(), for work that others may do: yields the function that is told what is done of how much."""
        started = time.monotonic()
        with self._bar:
            task = self._bar.add_task(STAGES[name], total=None, unit=unit)
            yield lambda done, total: self._bar.update(task, completed=done, total=total or None)
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - started


class Told(Progress):
    """For work that is watched from elsewhere: how far the whole is, in the parts that its stages have of it."""

    def __init__(self, parts: dict[str, int]) -> None:
        super().__init__(terminal=False)
        self._parts = parts
        self.total = sum(parts.values())
        self.done = 0

    @contextlib.contextmanager
    def stage(self, name: str, *, total: int = 1, unit: str = "") -> Iterator[Callable[[int], None]]:
        start, part, gone = self.done, self._parts[name], 0

        def more(amount: int) -> None:
            nonlocal gone
            gone += amount
            self.done = start + min(part, part * gone // max(total, 1))

        with super().stage(name, total=total, unit=unit):
            yield more
        self.done = start + part


class _Rate(rich.progress.ProgressColumn):
    """How much a second."""

    def render(self, task: rich.progress.Task) -> rich.text.Text:
        speed = task.finished_speed or task.speed
        return rich.text.Text(f"{speed:,.0f} /s" if speed and task.fields["unit"] else "", style="progress.data.speed")
