"""Statements into PDFs, by several processes of their own: the engine is slow, blocks, and may take its process down with it.

Each lane is a spawned process with one statement at a time, so that a crash or a hang belongs to exactly one statement: that one
comes back as a reason in words, its lane gets a new process, and the others go on.
"""

from __future__ import annotations

import concurrent.futures
import faulthandler
import functools
import multiprocessing
import tempfile
from collections import deque
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from qucheng.settlement import document as documents
from qucheng.settlement import document_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from qucheng.settlement.document import StatementDocument

Work: TypeAlias = "Callable[[bytes, bytes, str | None], bytes]"
"""Canonical JSON, CSV, public address → PDF. Importable by name, for it runs in another process."""

START_SECONDS = 60
"""For engine and fonts to load, on a machine that is busy."""
STATEMENTS_PER_PROCESS = 200
"""Then it makes room for a fresh one: what the engine's C libraries do not give back is given back so."""


class _Started(NamedTuple):
    statement_no: str
    future: Future[bytes]


class Renderer:
    """`with Renderer(processes=2) as renderer: for statement_no, pdf in renderer.render_all(items): …`

    `pdf` is bytes, or a `str`: the reason why there is none. Results come in the order of the items. No more than two statements
    for each process are held at a time, so that a hundred thousand take no more memory than ten.

    `timeout` is for one statement, in seconds. `work` is there for the tests of hangs and crashes and for nothing else.
    """

    def __init__(
        self,
        *,
        processes: int,
        public_url: str | None = None,
        timeout: int = 60,
        work: Work = document_pdf.render_task,
    ) -> None:
        self._public_url = public_url
        self._timeout = timeout
        self._work = work
        self._processes = processes
        self._lanes: list[_Lane] = []

    def __enter__(self) -> Self:
        # fonts are unpacked to files; a process that is killed leaves them behind, so the folder is ours to remove
        self._folder = tempfile.TemporaryDirectory(prefix="qucheng-render-", ignore_cleanup_errors=True)
        self._lanes = [_Lane(self._folder.name) for _ in range(self._processes)]
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.close()
        self._folder.cleanup()

    def render_all(self, items: Iterable[tuple[StatementDocument, bytes]]) -> Iterator[tuple[str, bytes | str]]:
        """PDFs of (document, its CSV); PdfEngineMissingError where this machine can't make any."""
        for lane in self._lanes:
            lane.check()
        source = iter(items)
        started: deque[_Started] = deque()
        try:
            while True:
                while len(started) < 2 * len(self._lanes) and (idle := self._idle()) and (item := next(source, None)):
                    started.append(self._start(idle, *item))
                if not started:
                    return
                if started[0].future.done():
                    yield self._result(started.popleft())
                else:
                    running = [one.future for one in started if not one.future.done()]
                    concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        finally:
            concurrent.futures.wait([one.future for one in started])

    def _idle(self) -> _Lane | None:
        return next((lane for lane in self._lanes if lane.running.done()), None)

    def _start(self, lane: _Lane, document: StatementDocument, lines_csv: bytes) -> _Started:
        canonical = documents.canonical_json(document)
        future = lane.submit(functools.partial(_within, self._timeout, self._work, canonical, lines_csv, self._public_url))
        return _Started(document.statement_no, future)

    def _result(self, started: _Started) -> tuple[str, bytes | str]:
        error = started.future.exception()
        if error is None:
            return started.statement_no, started.future.result()
        if isinstance(error, BrokenProcessPool):
            return started.statement_no, f"no PDF: its process was lost, or took longer than {self._timeout} s"
        return started.statement_no, f"no PDF: {type(error).__name__}: {error}"


class _Lane:
    """One process at a time, replaced when it dies and after `STATEMENTS_PER_PROCESS`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.running: Future[bytes]
        self._open()

    def check(self) -> None:
        try:
            self._ready.result()
        except BrokenProcessPool as error:
            raise document_pdf.PdfEngineMissingError("the PDF engine brought its process down while starting") from error

    def submit(self, task: Callable[[], bytes]) -> Future[bytes]:
        if self._left == 0 or isinstance(self.running.exception(), BrokenProcessPool):
            self.close()
            self._open()
        self._left -= 1
        self.running = self._pool.submit(task)
        return self.running

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _open(self) -> None:
        self._pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self._left = STATEMENTS_PER_PROCESS
        self._ready = self.running = self._pool.submit(_start, self._folder)


def _start(folder: str) -> bytes:
    """First in every new process."""
    tempfile.tempdir = folder
    faulthandler.dump_traceback_later(START_SECONDS, exit=True)
    try:
        document_pdf.warm()
    finally:
        faulthandler.cancel_dump_traceback_later()
    return b""


def _within(timeout: int, work: Work, canonical: bytes, lines_csv: bytes, public_url: str | None) -> bytes:
    """The watchdog is a thread in C: it ends the process even where Python no longer gets to run."""
    faulthandler.dump_traceback_later(timeout, exit=True)
    try:
        return work(canonical, lines_csv, public_url)
    except Exception:
        raise
    except BaseException as error:
        # a refused asset is one; it is a reason like any other, and not to end the lane
        raise RuntimeError(str(error)) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
