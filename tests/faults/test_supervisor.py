"""What the supervisor keeps running, and that nothing is left when it ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STUB = """
import os, pathlib, signal, subprocess, sys, time
from qucheng.core import supervisor
{tie}
helper = subprocess.Popen(["/bin/sleep", "600"]) if "with a helper" in sys.argv else None
ending = []
signal.signal(signal.SIGTERM, {handler})
pathlib.Path(sys.argv[1]).open("a").write(f"{{os.getpid()}} {{helper.pid if helper else 0}}\\n")
while not ending:
    time.sleep(0.05)
pathlib.Path(sys.argv[1]).open("a").write("stopped in order\\n")
"""
SUPERVISOR = """
import sys
from qucheng.core import supervisor
{change}
stop = supervisor.Stop()
commands = [argument.split("|") for argument in sys.argv[1:]]
programs = [supervisor.Program(f"p{{number}}", tuple(command)) for number, command in enumerate(commands)]
with stop.listening():
    print("ready", flush=True)
    supervisor.keep_up(programs, stop=stop, say=lambda text: print(text, flush=True))
print("done", flush=True)
"""
STOPS, STAYS = "lambda *_: ending.append(1)", "signal.SIG_IGN"


class Supervised:
    """A supervisor with stub programs; each writes its number into a file of its own when it starts, and how it stopped."""

    def __init__(
        self, folder: Path, *, stubs: int = 1, handler: str = STOPS, tie: str = "supervisor.tie()", change: str = ""
    ) -> None:
        self.files = [folder / f"stub{number}" for number in range(stubs)]
        self.said = folder / "said"
        stub = folder / "stub.py"
        stub.write_text(STUB.format(tie=tie, handler=handler))
        commands = [f"{sys.executable}|{stub}|{file}|with a helper" for file in self.files]
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(SUPERVISOR).format(change=change), *commands], stdout=out, stderr=out
            )
        for file in self.files:
            wait(lambda file=file: len(starts(file)) == 1)  # type: ignore[misc]

    def pids(self, file: Path) -> list[int]:
        """The last process of the program, and its helper."""
        return starts(file)[-1]

    def everybody(self) -> list[int]:
        return [pid for file in self.files for start in starts(file) for pid in start]

    def end(self, number: int, timeout: float = 25) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=timeout)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def make(**options: object) -> Supervised:
        made.append(Supervised(tmp_path, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait()
        for pid in each.everybody():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def starts(file: Path) -> list[list[int]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [[int(part) for part in line.split()] for line in lines if line[0].isdigit()]


def wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """A child of a killed supervisor may be dead and collected by nobody."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return not state.startswith("Z") and state != ""


def nobody(pids: list[int]) -> bool:
    return not any(lives(pid) for pid in pids)


def test_a_killed_program_is_started_again_alone_and_its_helpers_go_with_it(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(stubs=2)
    first, other = kept.pids(kept.files[0]), kept.pids(kept.files[1])
    os.kill(first[0], signal.SIGKILL)
    wait(lambda: len(starts(kept.files[0])) == 2)
    assert nobody(first)
    assert starts(kept.files[1]) == [other]
    assert all(lives(pid) for pid in [*kept.pids(kept.files[0]), *other])
    assert kept.said.read_text().splitlines() == ["ready", "p0 ended (by SIGKILL); it starts again in 1 s"]


def test_one_that_dies_again_and_again_is_waited_for_longer_each_time(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(change="supervisor.FIRST_WAIT_SECONDS, supervisor.LONGEST_WAIT_SECONDS = 0.2, 0.5")
    for number in range(1, 5):
        os.kill(kept.pids(kept.files[0])[0], signal.SIGKILL)
        wait(lambda number=number: len(starts(kept.files[0])) == number + 1)  # type: ignore[misc]
    waits = [line.rsplit(" in ", 1)[1] for line in kept.said.read_text().splitlines()[1:]]
    assert waits == ["0.2 s", "0.4 s", "0.5 s", "0.5 s"]


def test_one_that_ran_for_long_is_started_again_as_at_first(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(change="supervisor.FIRST_WAIT_SECONDS, supervisor.STEADY_SECONDS = 0.2, 4")
    for number, before in enumerate((0, 0, 4.2), start=1):
        time.sleep(before)
        os.kill(kept.pids(kept.files[0])[0], signal.SIGKILL)
        wait(lambda number=number: len(starts(kept.files[0])) == number + 1)  # type: ignore[misc]
    waits = [line.rsplit(" in ", 1)[1] for line in kept.said.read_text().splitlines()[1:]]
    assert waits == ["0.2 s", "0.4 s", "0.2 s"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_programs_finish_and_leaves_nobody(supervised: Callable[..., Supervised], number: int) -> None:
    kept = supervised(stubs=2)
    assert kept.end(number) == 0
    assert nobody(kept.everybody())
    assert [file.read_text().splitlines()[-1] for file in kept.files] == ["stopped in order", "stopped in order"]
    assert kept.said.read_text().splitlines() == ["ready", "done"]


def test_one_that_does_not_stop_is_killed_with_its_helpers(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(handler=STAYS, change="supervisor.STOP_SECONDS = 1")
    assert kept.end(signal.SIGTERM) == 0
    assert nobody(kept.everybody())
    assert kept.said.read_text().splitlines() == ["ready", "p0 does not stop and is killed", "done"]


def test_until_its_time_is_up_it_is_waited_for(supervised: Callable[..., Supervised]) -> None:
    """The control of the one before: what killed it there was the time limit. A second signal does not wait for it."""
    kept = supervised(handler=STAYS)
    with pytest.raises(subprocess.TimeoutExpired):
        kept.end(signal.SIGTERM, timeout=2)
    assert all(lives(pid) for pid in kept.everybody())
    assert kept.end(signal.SIGINT) == 0
    assert nobody(kept.everybody())


def test_a_killed_supervisor_leaves_nobody(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(stubs=2)
    kept.end(signal.SIGKILL)
    wait(lambda: nobody([start[0] for file in kept.files for start in starts(file)]))
    assert [file.read_text().splitlines()[-1] for file in kept.files] == ["stopped in order", "stopped in order"]


def test_without_the_pipe_they_would_be_left(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(stubs=2, tie="")
    kept.end(signal.SIGKILL)
    time.sleep(2)
    assert all(lives(pid) for pid in kept.everybody())


def test_one_that_ignores_the_cut_pipe_is_killed_in_the_end(supervised: Callable[..., Supervised]) -> None:
    kept = supervised(handler=STAYS, tie="supervisor.STOP_SECONDS = 3; supervisor.tie()")
    kept.end(signal.SIGKILL)
    time.sleep(0.5)
    assert all(lives(pid) for pid in kept.everybody())
    wait(lambda: nobody(kept.everybody()))


def test_a_program_that_is_not_there_is_said_and_the_others_run(tmp_path: Path) -> None:
    program = SUPERVISOR.format(change="supervisor.LONGEST_WAIT_SECONDS = 600")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "missing"), f"/bin/sh|-c|echo runs > {tmp_path / 'there'}; sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
    ) as kept:
        wait((tmp_path / "there").exists)
        kept.send_signal(signal.SIGTERM)
        said, _ = kept.communicate(timeout=30)
    assert said.splitlines() == ["ready", "p0 does not start (No such file or directory); tried again in 600 s", "done"]


ONCE = """
import sys
from qucheng.core import supervisor
stop = supervisor.Stop()
program = supervisor.Program("p0", (sys.executable, "-c", sys.argv[2], sys.argv[1]), once=sys.argv[3] == "once")
with stop.listening():
    supervisor.keep_up([program], stop=stop, say=lambda text: print(text, flush=True))
"""
WRITES = "import pathlib, sys; file = pathlib.Path(sys.argv[1]); before = file.exists(); file.open('a').write('0 0\\n')"


@pytest.mark.parametrize(
    ("kind", "ending", "expected", "said"),
    [
        ("once", "", 1, ""),
        ("once", "; sys.exit(3)", 1, "p0 ended (with status 3)\n"),
        ("once", "; import os; before or os.kill(os.getpid(), 9)", 2, "p0 ended (by SIGKILL); it starts again in 1 s\n"),
        # the control: one that is to be kept up
        ("kept", "", 2, "p0 ended (with status 0); it starts again in 1 s\n"),
    ],
)
def test_what_has_something_to_do_once_is_started_again_only_where_it_was_killed(
    tmp_path: Path, kind: str, ending: str, expected: int, said: str
) -> None:
    file = tmp_path / "starts"
    command = [sys.executable, "-c", ONCE, str(file), WRITES + ending, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        wait(lambda: len(starts(file)) == expected)
        if expected == 1:
            time.sleep(1.5)  # longer than a start would be waited for
        running.send_signal(signal.SIGTERM)
        told, _ = running.communicate(timeout=30)
    assert (len(starts(file)), told.startswith(said)) == (expected, True)
    assert bool(told) == bool(said)
