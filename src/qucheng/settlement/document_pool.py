"""Statements into files, by several processes of their own: the engine is slow, blocks, and may take its process down with it.

Each lane is a spawned process with one statement at a time, so that a crash, a hang or a hunger for memory belongs to exactly one
statement: that one comes back as a reason in words, its lane gets a new process, and the others go on.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import faulthandler
import functools
import multiprocessing
import multiprocessing.connection
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from qucheng.settlement import document_files, document_pdf
from qucheng.settlement.document_files import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

Files: TypeAlias = Mapping[Format, bytes]
Work: TypeAlias = Callable[[bytes, bytes, str | None, tuple[Format, ...]], Files]
"""Canonical JSON, CSV, public address, formats → the files. Importable by name, for it runs in another process."""

START_SECONDS = 60
"""For engine and fonts to load, on a machine that is busy."""
STATEMENTS_PER_PROCESS = 200
"""Then it makes room for a fresh one: what the engine's C libraries do not give back is given back so."""
MEMORY = 2 << 30
"""Bytes of address space for a process, where the system can limit it (Linux)."""
CSV_PER_SECOND = 1 << 18
"""A statement with a long CSV is given a second more for so many bytes of it."""
LOOK_SECONDS = 0.2
GRACE_SECONDS = 3
"""For statements at work to be finished when nobody wants the rest."""


class Item(NamedTuple):
    """A statement to render: its canonical JSON and its CSV."""

    statement_no: str
    canonical: bytes
    lines_csv: bytes


class _Started:
    """A statement at work, and when its end came."""

    def __init__(self, statement_no: str, seconds: int, lane: _Lane, future: Future[Files]) -> None:
        self.statement_no = statement_no
        self.seconds = seconds
        self.lane = lane
        self.future = future
        self._began = self._ended = time.monotonic()
        future.add_done_callback(self._end)

    def _end(self, _: Future[Files]) -> None:
        self._ended = time.monotonic()

    def lasted(self) -> bool:
        return self._ended - self._began >= self.seconds


class Renderer:
    """`with Renderer(processes=2) as renderer: for statement_no, files in renderer.render_all(items): …`

    `files` is a mapping by format, or a `str`: the reason why there is none. Results come in the order of the items. No more than
    two statements for each process are held at a time, so that a hundred thousand take no more memory than ten.

    `timeout` is for one statement, in seconds; `memory` for one process, in bytes. `work` makes the files, a
    statement's unless said otherwise. One thread at a time renders.
    """

    def __init__(
        self,
        *,
        processes: int,
        public_url: str | None = None,
        timeout: int = 60,
        memory: int | None = MEMORY,
        work: Work = document_files.make,
    ) -> None:
        self._public_url = public_url
        self._timeout = timeout
        self._memory = memory
        self._work = work
        self._processes = processes
        self._lanes: list[_Lane] = []

    def __enter__(self) -> Self:
        # fonts are unpacked to files; a process that is killed leaves them behind, so the folder is ours to remove
        self._folder = tempfile.TemporaryDirectory(prefix="qucheng-render-", ignore_cleanup_errors=True)
        self._lanes = [_Lane(self._folder.name, self._memory) for _ in range(self._processes)]
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.close()
        self._folder.cleanup()

    def render_all(
        self, items: Iterable[Item], formats: tuple[Format, ...] = ("pdf",), stop: threading.Event | None = None
    ) -> Iterator[tuple[str, Files | str]]:
        """The files of each; PdfEngineMissingError where this machine can't make any, OSError where it lacks something now.

        stop: when it is set, the results end, and what is at work is given up after a moment.
        """
        stop = stop or threading.Event()
        for lane in self._lanes:
            lane.check()
        source = iter(items)
        started: deque[_Started] = deque()
        try:
            while not stop.is_set():
                while len(started) < 2 * len(self._lanes) and (idle := self._idle()) and (item := next(source, None)):
                    started.append(self._start(idle, item, formats))
                if not started:
                    return
                if started[0].future.done():
                    yield self._result(started.popleft())
                else:
                    running = [one.future for one in started if not one.future.done()]
                    concurrent.futures.wait(running, LOOK_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED)
        finally:
            self._abandon(started)

    def _idle(self) -> _Lane | None:
        return next((lane for lane in self._lanes if lane.running.done()), None)

    def _start(self, lane: _Lane, item: Item, formats: tuple[Format, ...]) -> _Started:
        seconds = self._timeout + len(item.lines_csv) // CSV_PER_SECOND
        task = functools.partial(_within, seconds, self._work, item.canonical, item.lines_csv, self._public_url, formats)
        return _Started(item.statement_no, seconds, lane, lane.submit(task))

    def _result(self, started: _Started) -> tuple[str, Files | str]:
        error = started.future.exception()
        if error is None:
            return started.statement_no, started.future.result()
        if isinstance(error, OSError):  # no space, no file handle: it is not the statement's fault
            raise error
        if isinstance(error, BrokenProcessPool):
            reason = f"it took longer than {started.seconds} s" if started.lasted() else "its process was lost"
        elif isinstance(error, MemoryError):
            reason = f"it needs more memory than {(self._memory or 0) >> 20} MiB"
        else:
            reason = f"{type(error).__name__}: {error}"
        return started.statement_no, f"no document: {reason}"

    @staticmethod
    def _abandon(started: Iterable[_Started]) -> None:
        concurrent.futures.wait([one.future for one in started], GRACE_SECONDS)
        for one in started:
            if not one.future.done():
                one.lane.kill()
        concurrent.futures.wait([one.future for one in started])


class _Lane:
    """One process at a time, replaced when it dies and after `STATEMENTS_PER_PROCESS`."""

    def __init__(self, folder: str, memory: int | None) -> None:
        self._folder = folder
        self._memory = memory
        self.running: Future[Files] | Future[int]
        self._open()

    def check(self) -> None:
        """Waits until its first process has started; one that was killed while it did so gets a second try."""
        for last in (False, True):
            try:
                self._ready.result()
            except BrokenProcessPool as error:
                if last:
                    raise document_pdf.PdfEngineMissingError("the PDF engine brought its process down while starting") from error
                self.close()
                self._open()
            else:
                return

    def submit(self, task: Callable[[], Files]) -> Future[Files]:
        # one that has run out of memory may be short of it for whatever comes next
        if self._left == 0 or isinstance(self.running.exception(), BrokenProcessPool | MemoryError):
            self.close()
            self._open()
        self._left -= 1
        try:
            future = self._pool.submit(task)
        except BrokenProcessPool:  # it was killed while it had nothing to do
            self.close()
            self._open()
            future = self._pool.submit(task)
        self.running = future
        return future

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, BrokenProcessPool):
            os.kill(self._ready.result(), signal.SIGKILL)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _open(self) -> None:
        self._pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self._left = STATEMENTS_PER_PROCESS
        self._ready = self.running = self._pool.submit(_start, self._folder, self._memory)


def _start(folder: str, memory: int | None) -> int:
    """First in every new process; returns its number."""
    tempfile.tempdir = folder
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    # what is in its memory is a person's income: none of it is to lie about as a core file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.dump_traceback_later(START_SECONDS, exit=True)
    try:
        document_pdf.warm()
    finally:
        faulthandler.cancel_dump_traceback_later()
    if memory is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return os.getpid()


def _end_with_parent(folder: str) -> None:
    """A worker that was killed cannot: its process would go on with what it does, and the unpacked fonts would stay."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _within(
    timeout: int, work: Work, canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]
) -> Files:
    """The watchdog is a thread in C: it ends the process even where Python no longer gets to run."""
    faulthandler.dump_traceback_later(timeout, exit=True)
    try:
        return work(canonical, lines_csv, public_url, formats)
    except Exception:
        raise
    except BaseException as error:
        # a refused asset is one; it is a reason like any other, and not to end the lane
        raise RuntimeError(str(error)) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
