"""Keeps programs running: starts them again when they die, stops them when told to, leaves none behind when it dies itself.

Each program stands in a session of its own, so that Ctrl-C reaches the supervisor alone, and holds the reading end of a pipe
whose other end only the supervisor has: however the supervisor ends, the pipe closes, and the program ends itself (`tie`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LIFELINE = "QUCHENG_LIFELINE"
FIRST_WAIT_SECONDS = 1
LONGEST_WAIT_SECONDS = 30
STEADY_SECONDS = 60
STOP_SECONDS = 30
LOOK_SECONDS = 0.1
TEND_SECONDS = 2


class Program(msgspec.Struct, frozen=True):
    """once: it has something to do and ends; it is started again only where it was killed."""

    name: str
    command: tuple[str, ...]
    once: bool = False


class Stop:
    """Set by SIGTERM and SIGINT for the time of the block; `again` by a second one, which does not want to wait."""

    def __init__(self) -> None:
        self.wanted = False
        self.again = False

    def _asked(self, _number: int, _frame: object) -> None:
        self.again = self.wanted
        self.wanted = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        standing = {number: signal.signal(number, self._asked) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in standing.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends what stands in the block as Ctrl-C does, so that what it started is stopped."""
    standing = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, standing)


class _Kept:
    """One program: the process that runs now, or when the next may start."""

    def __init__(self, program: Program, lifeline: int, say: Callable[[str], None]) -> None:
        self.program = program
        self._lifeline = lifeline
        self._say = say
        self._wait = FIRST_WAIT_SECONDS
        self._due = 0.0
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._done = False

    def look(self) -> None:
        """Starts what is due and clears away what has ended."""
        if self._process is None:
            if not self._done and time.monotonic() >= self._due:
                self._start()
            return
        if not _has_ended(self._process):
            return
        code = self._bury()
        self._done = self.program.once and code >= 0
        if self._done:
            if code:
                self._say(f"{self.program.name} ended ({_meaning(code)})")
            return
        if time.monotonic() - self._started >= STEADY_SECONDS:
            self._wait = FIRST_WAIT_SECONDS
        self._say(f"{self.program.name} ended ({_meaning(code)}); it starts again in {self._wait} s")
        self._due = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)

    def ask_to_stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def gone(self) -> bool:
        if self._process is not None and _has_ended(self._process):
            self._bury()
        return self._process is None

    def kill(self) -> None:
        if not self.gone():
            self._say(f"{self.program.name} does not stop and is killed")
            self._bury()

    def _start(self) -> None:
        self._started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                self.program.command,
                stdin=subprocess.DEVNULL,
                env={**os.environ, LIFELINE: str(self._lifeline)},
                pass_fds=[self._lifeline],
                start_new_session=True,
            )
        except OSError as error:
            self._say(f"{self.program.name} does not start ({error.strerror}); tried again in {LONGEST_WAIT_SECONDS} s")
            self._due = time.monotonic() + LONGEST_WAIT_SECONDS

    def _bury(self) -> int:
        """Ends the whole session before its leader is collected: until then its number is nobody else's."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def keep_up(
    programs: Sequence[Program], *, stop: Stop, say: Callable[[str], None], tend: Callable[[], None] = lambda: None
) -> None:
    """Runs the programs until `stop` is wanted, then stops them: SIGTERM, and SIGKILL for what still lives after its time.

    tend: called every few seconds, to see after what the programs need.
    """
    reading, writing = os.pipe()  # the writing end is inherited by nobody
    try:
        kept = [_Kept(program, reading, say) for program in programs]
        try:
            tended = time.monotonic()
            while not stop.wanted:
                for each in kept:
                    each.look()
                if time.monotonic() - tended >= TEND_SECONDS:
                    tend()
                    tended = time.monotonic()
                time.sleep(LOOK_SECONDS)
        finally:
            _stop(kept, stop)
    finally:
        os.close(writing)
        os.close(reading)


def _stop(kept: Sequence[_Kept], stop: Stop) -> None:
    for each in kept:
        each.ask_to_stop()
    until = time.monotonic() + STOP_SECONDS
    while not all(each.gone() for each in kept) and time.monotonic() < until and not stop.again:
        time.sleep(LOOK_SECONDS)
    for each in kept:
        each.kill()


def tie() -> None:
    """In a program that a supervisor keeps: when the supervisor is gone, this process stops as by SIGTERM. Elsewhere nothing."""
    given = os.environ.pop(LIFELINE, "")
    if not given.isdecimal():
        return
    lifeline = int(given)
    try:
        os.set_inheritable(lifeline, False)
    except OSError:  # the variable came down to somebody who was not given the pipe
        return
    threading.Thread(target=_until_cut, args=(lifeline,), name="lifeline", daemon=True).start()


def _until_cut(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without collecting it."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _meaning(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
